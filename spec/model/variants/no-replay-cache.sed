# Nobody remembers nonces.
/(\* V7\.1 \*)/d
