"""Stage 7: the replay cache (envelope.md section 6)."""

from .refusal import Refusal, refuse_if

GRACE = 5


class ReplayCache:
    """Remembers pairs of keyid and nonce until 5 s after the signature has expired."""

    def __init__(self, capacity: int = 1 << 20, earlier_run_until: int = -1) -> None:
        self._capacity = capacity
        self._earlier_run_until = earlier_run_until
        self._kept: dict[tuple[str, str], int] = {}
        self._dropped_until = -1

    def remember(self, keyid: str, nonce: str, created: int, expires: int, now: int) -> None:
        """V7.1 to V7.3, as one step."""
        self._drop(now)
        knows = now <= expires + GRACE and now > self._dropped_until
        refuse_if(not knows, "replay-unavailable", "V7.3")
        refuse_if(created <= self._earlier_run_until, "replay-unavailable", "V7.3")
        refuse_if((keyid, nonce) in self._kept, "replayed", "V7.1")
        refuse_if(len(self._kept) >= self._capacity, "replay-capacity", "V7.2")
        self._kept[keyid, nonce] = expires + GRACE

    def _drop(self, now: int) -> None:
        gone = {pair: until for pair, until in self._kept.items() if now > until}
        for pair, until in gone.items():
            del self._kept[pair]
            self._dropped_until = max(self._dropped_until, until)


class UnavailableCache(ReplayCache):
    """A cache that cannot be asked."""

    def remember(self, keyid: str, nonce: str, created: int, expires: int, now: int) -> None:
        """V7.3."""
        raise Refusal("replay-unavailable", "V7.3")
