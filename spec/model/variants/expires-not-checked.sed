# `expires` is not looked at.
/(\* V3\.3 \*)/d
