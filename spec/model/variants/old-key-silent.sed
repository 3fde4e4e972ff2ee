# A successor is taken without a signature of the old key. The lemma is wrong then, and goes; with it go the queries
# behind the one that fails, on which ProVerif does not end.
/(\* K3\.1 old \*)/d
/^lemma/,/\[induction\]/d
/^(\* succession: the holder accepted/,/^process/{
/^process/!d
}
