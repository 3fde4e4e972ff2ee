# The verifier answers for every authority.
/(\* V2\.4 \*)/d
