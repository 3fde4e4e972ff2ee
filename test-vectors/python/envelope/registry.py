"""What a verifier writes down of keys (keys.md section 6)."""

from dataclasses import dataclass, replace
from typing import Any

from .encoding import lower, read_base64url
from .keys import PublicKey, read_jwk
from .refusal import refuse_if
from .statements import LIST_PARTS, SUCCESSION, Statement, read_list, read_statement

IDENTITY = "identity"
CALL = "call"
MAX_CALL_LIFE = 90 * 86400


@dataclass(frozen=True)
class Record:
    """One key; `role` and `identity` are None when it was revoked or narrowed before anybody had it."""

    key: str
    role: str | None = None
    identity: str | None = None
    public: PublicKey | None = None
    expires: int | None = None
    issued_from: int | None = None
    revoked: bool = False
    successor: str | None = None

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Record":
        """A record as the vectors write it."""
        members = dict(value)
        jwk = members.pop("jwk", None)
        return cls(**members, public=None if jwk is None else read_jwk(jwk, "R1"))

    def to_json(self) -> dict[str, Any]:
        """A record as the vectors write it."""
        members = {
            "key": self.key,
            "role": self.role,
            "identity": self.identity,
            "jwk": None if self.public is None else self.public.jwk(),
            "expires": self.expires,
            "issued_from": self.issued_from,
            "revoked": self.revoked or None,
            "successor": self.successor,
        }
        return {name: value for name, value in members.items() if value is not None}


class Registry:
    """The records, revoked certificates, and a revocation list of another verifier, if any."""

    def __init__(self, records: list[Record] | None = None) -> None:
        self._records = {record.key: record for record in records or []}
        self._certificates: set[tuple[str, str | None]] = set()
        self._list: dict[str, Any] | None = None
        self._fresh: tuple[int, int] | None = None

    def is_registered(self, identity: str) -> bool:
        """Whether an identity of this name, in whatever case, has a key here, good or not."""
        names = (record.identity for record in self._records.values())
        return any(name is not None and lower(name) == lower(identity) for name in names)

    def records(self) -> list[Record]:
        """All records, in the order of the 32 bytes of the thumbprints."""
        return [self._records[key] for key in sorted(self._records, key=read_base64url)]

    def find(self, key: str, role: str) -> Record | None:
        """The record of a key that is known in this role."""
        record = self._records.get(key)
        return record if record is not None and record.role == role else None

    def end(self, key: str) -> int | None:
        """The end of an identity key, if it has one: the earlier of record and list."""
        record = self.find(key, IDENTITY)
        moments = [record.expires if record else None, *self._listed("until", key, "until")]
        return _earliest(moments)

    def is_revoked(self, key: str) -> bool:
        """R4, R5, a retirement, or a list."""
        record = self._records.get(key)
        listed = self._list is not None and key in self._list["keys"]
        return listed or (record is not None and record.revoked)

    def is_certificate_revoked(self, key: str, jti: str | None, issued: int) -> bool:
        """R6 and R7: by its `jti`, or because it was issued before a moment."""
        record = self.find(key, IDENTITY)
        moments = [record.issued_from if record else None]
        moments += self._listed("issued_from", key, "from")
        listed = self._list is not None and {"key": key, "jti": jti} in self._list["certificates"]
        early = any(moment is not None and issued < moment for moment in moments)
        return early or listed or (key, jti) in self._certificates

    def is_stale(self, now: int) -> bool:
        """V4.16: the list is older than its limit."""
        return self._fresh is not None and now - self._fresh[0] > self._fresh[1]

    def know_revocations_of(self, issued: int, limit: int) -> None:
        """What is known of revocations is of the second `issued`."""
        self._fresh = (issued, limit)

    def take_list(self, text: bytes, issuer: str, now: int, limit: int = 86400) -> dict[str, Any]:
        """Section 5: hold the keys to a list; K2.12 says what becomes of the one that is held."""
        claims = read_list(text, issuer, now)
        held = self._list
        if held is None or claims["iat"] > held["iat"]:
            self._list = claims
        elif claims["iat"] == held["iat"]:
            self._list = {**held, **{part: held[part] + claims[part] for part in LIST_PARTS}}
        self.know_revocations_of(self._list["iat"], limit)
        return claims

    def take_statement(self, text: bytes, now: int) -> None:
        """Sections 2 to 4: K1 to K3, then the change."""
        statement = read_statement(text)
        statement.check_moment(now)
        if statement.type == SUCCESSION:
            self._succeed(statement, now)
        else:
            self._retire(statement)

    def register(self, new: Record, now: int) -> None:
        """R1."""
        refuse_if(self.is_revoked(new.key), "revoked", "R1")
        old = self._records.get(new.key)
        if old is not None and old.role is None and old.successor is None:
            new, old = _narrowed(new, old), None
        if old is not None:
            same = (old.role, old.identity) == (new.role, new.identity)
            refuse_if(not same or old.successor is not None, "key-refused", "R1")
        if new.role == CALL:
            timely = new.expires is not None and now < new.expires <= now + MAX_CALL_LIFE
            refuse_if(not timely, "key-refused", "R1")
        self._write(new if old is None else replace(old, expires=new.expires))

    def revoke_key(self, key: str) -> None:
        """R4."""
        self._write(replace(self._records.get(key) or Record(key), revoked=True))

    def revoke_identity(self, identity: str) -> None:
        """R5."""
        for record in self.records():
            if record.identity == identity:
                self._write(replace(record, revoked=True))

    def revoke_issued_before(self, identity: str, moment: int) -> None:
        """R6: a moment is never taken back to an earlier one."""
        for record in self.records():
            if record.identity == identity and record.role == IDENTITY:
                self._write(replace(record, issued_from=_later(record.issued_from, moment)))

    def revoke_certificate(self, key: str, jti: str) -> None:
        """R7."""
        self._certificates.add((key, jti))

    def _succeed(self, statement: Statement, now: int) -> None:
        """K2.2 to K2.7, K3.1, R2."""
        old_key, new_key = (key.thumbprint for key in statement.keys)
        refuse_if(self.is_revoked(old_key), "revoked", "K2.2")
        old = self.find(old_key, IDENTITY)
        refuse_if(old is None, "unknown-key", "K2.3")
        refuse_if(old.successor == new_key, "replayed", "K2.4")
        refuse_if(old.successor is not None, "key-refused", "K2.5")
        end = self.end(old_key)
        refuse_if(end is not None and now >= end, "certificate-expired", "K2.6")
        refuse_if(self.is_revoked(new_key), "revoked", "K2.7")
        refuse_if(new_key in self._records, "key-refused", "K2.7")
        statement.check_signatures()
        self._write(replace(old, key=new_key, public=None))
        until = _earliest([old.expires, statement.claims["until"]])
        self._write(replace(old, expires=until, successor=new_key))

    def _retire(self, statement: Statement) -> None:
        """K2.8, K2.9, K3.1, R3."""
        refuse_if(
            statement.issuer not in self._records and not self.is_revoked(statement.issuer),
            "unknown-key",
            "K2.8",
        )
        refuse_if(self.is_revoked(statement.issuer), "replayed", "K2.9")
        statement.check_signatures()
        self.revoke_key(statement.issuer)

    def _write(self, record: Record) -> None:
        self._records[record.key] = record

    def _listed(self, part: str, key: str, member: str) -> list[int]:
        entries = self._list[part] if self._list is not None else []
        return [entry[member] for entry in entries if entry["key"] == key]


def _narrowed(new: Record, old: Record) -> Record:
    """R1: what narrowed a key before it was anybody's holds on."""
    issued_from = old.issued_from
    if new.issued_from is not None:
        issued_from = _later(issued_from, new.issued_from)
    return replace(new, expires=_earliest([old.expires, new.expires]), issued_from=issued_from)


def _earliest(moments: list[int | None]) -> int | None:
    return min((moment for moment in moments if moment is not None), default=None)


def _later(one: int | None, other: int) -> int:
    return other if one is None else max(one, other)
