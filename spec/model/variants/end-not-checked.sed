# `exp` of the certificate is not looked at.
/(\* V4\.6 exp \*)/d
