"""envelope/1, a second implementation, written from `spec/envelope.md` and `spec/keys.md` alone."""
