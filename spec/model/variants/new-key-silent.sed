# A successor is taken without a signature of its own.
/(\* K3\.1 new \*)/d
