# The signature of the certificate is not verified.
/(\* V4\.10 \*)/d
