# `aud` is not looked at.
/(\* V8\.2 \*)/d
