"""Statements of keys (keys.md section 2) and revocation lists (section 5)."""

from dataclasses import dataclass
from typing import Any, Callable

from .encoding import (
    MemberTwice,
    Unreadable,
    is_integer,
    read_base64url,
    read_object,
    write_base64url,
    write_object,
)
from .keys import ISSUER_PREFIX, JOSE, PrivateKey, PublicKey, is_thumbprint, read_jwk
from .refusal import Refusal, refuse_if

SUCCESSION = "envelope-succession"
RETIREMENT = "envelope-retirement"
REVOCATIONS = "envelope-revocations"
MAX_STATEMENT = 4096
MAX_LIST = 16 << 20
MAX_OVERLAP = 604800
AHEAD = 5

SIGNATURES = {SUCCESSION: 2, RETIREMENT: 1, REVOCATIONS: 1}


@dataclass(frozen=True)
class Statement:
    """What keys say of themselves; the signatures are not verified yet."""

    type: str
    claims: dict[str, Any]
    keys: list[PublicKey]
    signed: list[bytes]
    signatures: list[bytes]

    @property
    def issuer(self) -> str:
        """The thumbprint of the first key."""
        return self.keys[0].thumbprint

    def check_moment(self, now: int) -> None:
        """K2.1."""
        refuse_if(self.claims["iat"] > now + AHEAD, "not-yet-valid", "K2.1")

    def check_signatures(self) -> None:
        """K3.1."""
        for key, signed, signature in zip(self.keys, self.signed, self.signatures):
            refuse_if(not key.verifies(signature, signed), "bad-signature", "K3.1")


def read_statement(text: bytes) -> Statement:
    """K1 of a succession or a retirement."""
    refuse_if(len(text) > MAX_STATEMENT, "too-large", "K1.1")
    return _read(text, (SUCCESSION, RETIREMENT))


def read_list(text: bytes, issuer: str, now: int) -> dict[str, Any]:
    """The claims of a revocation list that `issuer` has signed (section 5)."""
    refuse_if(len(text) > MAX_LIST, "too-large", "K1.1")
    statement = _read(text, (REVOCATIONS,))
    statement.check_moment(now)
    refuse_if(statement.issuer != issuer, "unknown-key", "K2.10")
    statement.check_signatures()
    return statement.claims


def write_statement(kind: str, claims: dict[str, Any], keys: list[PrivateKey]) -> bytes:
    """A statement that `keys` sign in their order; `iss` and `sub` name them."""
    names = zip(("iss", "sub"), (key.public.issuer for key in keys))
    payload = write_base64url(write_object({**dict(names), **claims}))
    signatures = [_sign(kind, payload, key) for key in keys]
    return write_object({"payload": payload, "signatures": signatures})


def _sign(kind: str, payload: str, key: PrivateKey) -> dict[str, str]:
    jwk = key.public.jwk()
    head = write_base64url(write_object({"typ": kind, "alg": jwk["alg"], "jwk": jwk}))
    signature = key.sign(f"{head}.{payload}".encode("ascii"))
    return {"protected": head, "signature": write_base64url(signature)}


def _read(text: bytes, kinds: tuple[str, ...]) -> Statement:
    """K1.2 to K1.6."""
    try:
        return _statement(text, kinds)
    except MemberTwice as error:
        raise Refusal("duplicate", "K1.3") from error
    except Unreadable as error:
        raise Refusal("malformed", "K1.2") from error


def _statement(text: bytes, kinds: tuple[str, ...]) -> Statement:
    outer = read_object(text)
    _demand(_has(outer, {"payload": _is_text, "signatures": _is_list}))
    claims = read_object(read_base64url(outer["payload"]))
    for entry in outer["signatures"]:
        _demand(_has(entry, {"protected": _is_text, "signature": _is_text}))
    headers = [read_object(read_base64url(e["protected"])) for e in outer["signatures"]]
    signatures = [read_base64url(entry["signature"]) for entry in outer["signatures"]]
    _demand(all(_has(header, HEADER) for header in headers))
    _demand(all(len(signature) == 64 for signature in signatures))
    types = {header["typ"] for header in headers}
    kind = types.pop() if len(types) == 1 else ""
    _demand(kind in kinds and len(headers) == SIGNATURES[kind] and _has(claims, CLAIMS[kind]))
    keys = _keys(headers)
    _check_claims(claims, keys)
    if kind == REVOCATIONS:
        _check_parts(claims)
    signed = [f"{e['protected']}.{outer['payload']}".encode("ascii") for e in outer["signatures"]]
    return Statement(kind, claims, keys, signed, signatures)


def _keys(headers: list[dict[str, Any]]) -> list[PublicKey]:
    """K1.4 and K1.5, each key for itself."""
    keys = [read_jwk(header["jwk"], "K1.4") for header in headers]
    for header, key in zip(headers, keys):
        refuse_if(JOSE[header["alg"]] != key.algorithm, "algorithm-mismatch", "K1.5")
    return keys


def _check_claims(claims: dict[str, Any], keys: list[PublicKey]) -> None:
    """K1.2, K1.4 and K1.6, where the claims are set against the keys and each other."""
    _demand(all(claims[name] == key.issuer for name, key in zip(("iss", "sub"), keys)))
    _demand("sub" not in claims or claims["until"] >= claims["iat"])
    refuse_if(len(set(keys)) != len(keys), "key-refused", "K1.4")
    if "sub" in claims:
        refuse_if(claims["until"] - claims["iat"] > MAX_OVERLAP, "window-too-long", "K1.6")


def _check_parts(claims: dict[str, Any]) -> None:
    """K1.3 of a revocation list."""
    for part in LIST_PARTS:
        entries = [_named(entry) for entry in claims[part]]
        refuse_if(len(set(entries)) != len(entries), "duplicate", "K1.3")


def _named(entry: str | dict[str, Any]) -> tuple[str, ...]:
    """The key, or the certificate, that an entry of a list is about."""
    if isinstance(entry, str):
        return (entry,)
    return (entry["key"], entry.get("jti", ""))


def _demand(condition: bool) -> None:
    if not condition:
        raise Unreadable("not a statement")


Check = Callable[[Any], bool]


def _has(value: Any, members: dict[str, Check]) -> bool:
    """An object with exactly these members, each as its check wants it."""
    return (
        isinstance(value, dict)
        and value.keys() == members.keys()
        and all(check(value[name]) for name, check in members.items())
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_anything(value: Any) -> bool:
    return True


def _is_algorithm(value: Any) -> bool:
    return isinstance(value, str) and value in JOSE


def _is_issuer(value: Any) -> bool:
    return (
        isinstance(value, str)
        and value.startswith(ISSUER_PREFIX)
        and is_thumbprint(value.removeprefix(ISSUER_PREFIX))
    )


def _list_of(check: Check) -> Check:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _object_of(members: dict[str, Check]) -> Check:
    return lambda value: _has(value, members)


HEADER: dict[str, Check] = {"typ": _is_text, "alg": _is_algorithm, "jwk": _is_anything}
LIST_PARTS: dict[str, Check] = {
    "keys": _list_of(is_thumbprint),
    "certificates": _list_of(_object_of({"key": is_thumbprint, "jti": _is_text})),
    "issued_from": _list_of(_object_of({"key": is_thumbprint, "from": is_integer})),
    "until": _list_of(_object_of({"key": is_thumbprint, "until": is_integer})),
}
CLAIMS: dict[str, dict[str, Check]] = {
    SUCCESSION: {"iss": _is_issuer, "sub": _is_issuer, "iat": is_integer, "until": is_integer},
    RETIREMENT: {"iss": _is_issuer, "iat": is_integer},
    REVOCATIONS: {"iss": _is_issuer, "iat": is_integer, **LIST_PARTS},
}
