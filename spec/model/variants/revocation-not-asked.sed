# Revocations are not looked at when a request comes.
/(\* V4\.7 \*)/d
