"""The audit log of a verifier (receipts.md), checked from end to end."""

import hashlib
from typing import Any

from .certificate import read_certificate, read_login
from .encoding import (
    Unreadable,
    is_integer,
    read_base64url,
    read_object,
    write_base64,
    write_base64url,
    write_object,
)
from .keys import PublicKey, is_thumbprint, read_jwk
from .message import Request
from .parse import Envelope, read_envelope
from .refusal import Refusal, refuse_if
from .registry import CALL, IDENTITY, Record, Registry
from .verify import Verifier

VERSION = "envelope-receipts/1"
MAX_LINE = 1 << 18
START = write_base64url(bytes(32))
CREDENTIALS = ("authorization", "proxy-authorization", "cookie")
LAST_LINE = '"@signature-params": '
WINDOW = 300

# Members in their order, and those that may be left out.
KEY = ("alg", "crv", "kty", "x", "y"), ("y",)
ISSUER = ("url", "key"), ()
ENVELOPE = ("nonce", "base", "withheld", "signature", "key"), ("withheld", "key")
RECEIPT = (
    ("time", "id", "decision", "code", "identity", "keyid", "pack", "agent", "peer", "micros", "envelope"),
    ("code", "identity", "keyid", "pack", "agent", "envelope"),
)
MEMBERS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "open": (("time", "version", "key", "issuer", "torn"), ("issuer", "torn")),
    "receipt": RECEIPT,
    "omitted": (("time", "sampled", "lost"), ("sampled", "lost")),
    "checkpoint": (("time", "jws"), ()),
}
NUMBERS = ("seq", "time", "torn", "micros", "lost")
INNER = {"key": KEY, "issuer": ISSUER, "envelope": ENVELOPE}


class Auditor:
    """Is shown the lines of a log in order; refuses the first that is wrong with the step (`A3`) as code."""

    def __init__(self, key: str) -> None:
        self.thumbprint = key
        self.key: PublicKey | None = None
        self.issuer: tuple[str, PublicKey] | None = None
        self.head: tuple[int, str] | None = None
        self.proven = 0

    def line(self, data: bytes) -> None:
        """A1 to A3 and A5 to A10, of a line without its line feed."""
        line = _read(data)
        seq, prev = line["seq"], line["prev"]
        before = self.head if self.head is not None else (seq - 1, prev if seq > 1 else START)
        refuse_if(seq != before[0] + 1, "A2", "A2")
        refuse_if(prev != before[1], "A3", "A3")
        if line["type"] == "open":
            self._open(line)
        if self.key is None:
            raise Refusal("A5", "A5")
        if line["type"] == "checkpoint":
            self._checkpoint(line, self.key)
        if line["type"] == "receipt":
            self._receipt(line)
        self.head = seq, write_base64url(hashlib.sha256(data).digest())

    def _open(self, line: dict[str, Any]) -> None:
        key = _key(line["key"], "A5")
        known = line["version"] == VERSION and key.thumbprint == self.thumbprint
        refuse_if(not known, "A5", "A5")
        self.key = key
        if "issuer" in line:
            self.issuer = line["issuer"]["url"], _key(line["issuer"]["key"], "A5")

    def _checkpoint(self, line: dict[str, Any], key: PublicKey) -> None:
        header = {"alg": key.jwk()["alg"], "kid": key.thumbprint, "typ": "envelope-checkpoint"}
        claims = {name: line[name] for name in ("seq", "prev", "time")}
        signed = ".".join(write_base64url(write_object(part)) for part in (header, claims))
        told, _, signature = line["jws"].rpartition(".")
        try:
            genuine = told == signed and key.verifies(read_base64url(signature), told.encode("ascii"))
        except (Unreadable, UnicodeEncodeError) as error:
            raise Refusal("A6", "A6") from error
        refuse_if(not genuine, "A6", "A6")

    def _receipt(self, line: dict[str, Any]) -> None:
        refuse_if(("code" in line) != (line["decision"] == "deny"), "A7", "A7")
        refuse_if(("keyid" in line) != ("envelope" in line), "A7", "A7")
        if "envelope" not in line:
            return
        refuse_if("identity" not in line, "A7", "A7")
        proof = line["envelope"]
        try:
            request, authority = _request(proof)
            envelope = read_envelope(request)
        except (Refusal, ValueError) as error:
            raise Refusal("A8", "A8") from error
        told = (line["keyid"], proof["nonce"])
        refuse_if(told != (envelope.keyid, envelope.nonce), "A8", "A8")
        if "withheld" in proof:
            self._certificate(line, proof, envelope)
        else:
            self._request(line, proof, request, authority, envelope)
            self.proven += 1

    def _request(
        self,
        line: dict[str, Any],
        proof: dict[str, Any],
        request: Request,
        authority: str,
        envelope: Envelope,
    ) -> None:
        """A9: stages 1 to 5, by what the receipt says of whom the verifier knew."""
        records = []
        if "key" in proof:
            key = _key(proof["key"], "A9")
            records = [Record(key.thumbprint, CALL, line["identity"], key, line["time"] + 1)]
        elif envelope.scheme is not None and envelope.scheme.value == "jkt-jwt":
            identity_key = _certified(envelope)[1]
            records = [Record(identity_key, IDENTITY, line["identity"])]
        verifier = Verifier([authority], Registry(records), WINDOW, issuer=self.issuer)
        try:
            caller, base = verifier.verify_head(request, line["time"])
        except Refusal as error:
            raise Refusal("A9", "A9") from error
        same = (caller.identity, "\n".join(base)) == (line["identity"], proof["base"])
        refuse_if(not same, "A9", "A9")

    def _certificate(self, line: dict[str, Any], proof: dict[str, Any], envelope: Envelope) -> None:
        """A10: what can be verified although a credential is not in the log."""
        lines = proof["base"].split("\n")
        for name in proof["withheld"]:
            refuse_if(name not in CREDENTIALS or f'"{name}": ' not in lines, "A10", "A10")
        try:
            if envelope.scheme is None:
                key = read_jwk(proof.get("key"), "A10").thumbprint
            elif envelope.scheme.value == "jwt":
                login = read_login(str(envelope.scheme.parameters["jwt"]))
                issuer = self.issuer
                if issuer is None or issuer[1].thumbprint != login.issuer_key:
                    raise Refusal("A10", "A10")
                refuse_if(not login.is_authentic(issuer[1]), "A10", "A10")
                key = login.call_key.thumbprint
            else:
                key = _certified(envelope)[0]
        except Refusal as error:
            raise Refusal("A10", "A10") from error
        refuse_if(key != line["keyid"], "A10", "A10")


def _certified(envelope: Envelope) -> tuple[str, str]:
    """The call key of a certificate that verifies, and the identity key."""
    assert envelope.scheme is not None
    certificate = read_certificate(str(envelope.scheme.parameters["jwt"]))
    refuse_if(not certificate.is_authentic(), "A9", "A9")
    return certificate.call_key.thumbprint, certificate.identity_key.thumbprint


def _key(jwk: Any, step: str) -> PublicKey:
    try:
        return read_jwk(jwk, step)
    except Refusal as error:
        raise Refusal(step, step) from error


def _request(proof: dict[str, Any]) -> tuple[Request, str]:
    """The request that a base was made of, and `@authority`; ValueError when there is none."""
    *lines, last = proof["base"].split("\n")
    if not last.startswith(LAST_LINE):
        raise ValueError("no base")
    derived: dict[str, str] = {}
    headers: list[tuple[str, str]] = []
    for line in lines:
        name, value = line.removeprefix('"').split('": ', 1)
        if not line.startswith('"'):
            raise ValueError("no line of a base")
        if name.startswith("@"):
            derived[name] = value
            continue
        empty = 0
        while value.endswith(", "):
            value, empty = value[:-2], empty + 1
        headers += [(name, value)] + [(name, "")] * empty
    if not {"@method", "@authority", "@path"} <= derived.keys():
        raise ValueError("no request")
    names = dict(headers)
    if "host" not in names:
        headers.append(("host", derived["@authority"]))
    label = names["signature-key"].split("=")[0] if "signature-key" in names else "sig"
    signature = read_base64url(proof["signature"])
    headers.append(("signature-input", f"{label}={last.removeprefix(LAST_LINE)}"))
    headers.append(("signature", f"{label}=:{write_base64(signature)}:"))
    query = derived.get("@query", "?")
    target = derived["@path"] + (query if query != "?" else "")
    return Request(derived["@method"], target, headers), derived["@authority"]


def _read(data: bytes) -> dict[str, Any]:
    """A1: the line, if it is in its one spelling."""
    try:
        line = read_object(data)
        same = write_object(line) == data and len(data) <= MAX_LINE
    except (Unreadable, UnicodeEncodeError) as error:
        raise Refusal("A1", "A1") from error
    kind = line.get("type")
    refuse_if(not same or not isinstance(kind, str) or kind not in MEMBERS, "A1", "A1")
    names, optional = MEMBERS[str(kind)]
    refuse_if(not _has(line, (("seq", "prev", "type", *names), optional)), "A1", "A1")
    refuse_if(not is_thumbprint(line["prev"]) or line["seq"] < 1, "A1", "A1")
    decision = line.get("decision", "allow")
    refuse_if(decision not in ("allow", "deny") or line.get("lost") == 0, "A1", "A1")
    return line


def _has(value: Any, members: tuple[tuple[str, ...], tuple[str, ...]]) -> bool:
    """Whether an object has these members, in this order, and of their types."""
    names, optional = members
    if not isinstance(value, dict):
        return False
    wanted = [name for name in names if name in value or name not in optional]
    return list(value) == wanted and all(_is(name, value[name]) for name in wanted)


def _is(name: str, value: Any) -> bool:
    if name in INNER:
        return _has(value, INNER[name])
    if name in NUMBERS:
        return is_integer(value)
    if name == "sampled":
        counts = isinstance(value, dict) and all(is_integer(count) for count in value.values())
        return counts and bool(value) and list(value) == sorted(value, key=str.encode)
    if name == "withheld":
        texts = isinstance(value, list) and all(isinstance(entry, str) for entry in value)
        return texts and bool(value)
    return isinstance(value, str)
