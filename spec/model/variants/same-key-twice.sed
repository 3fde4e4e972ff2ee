# A key may name itself.
/(\* K1\.4 \*)/d
