"""Stage 1: parse (envelope.md section 6)."""

from dataclasses import dataclass
from typing import Any

from .message import ENVELOPE_FIELDS, FIELD_NAME, SIGNED_FIELDS, Request
from .refusal import Refusal, refuse_if
from .structured import Bare, InnerList, Item, Members, Parameters, Token, read_dictionary
from .target import is_method

MAX_LENGTH = {
    "content-digest": 512,
    "signature-key": 8192,
    "signature-input": 4096,
    "signature": 256,
}
MAX_COMPONENTS = 64
MAX_HEADER_LINES = 256
MAX_LABEL = 64
ONE_LINE = (
    *SIGNED_FIELDS,
    "content-digest",
    "content-type",
    "authorization",
    "host",
    "idempotency-key",
    "mcp-session-id",
    "mcp-protocol-version",
)
OVERRIDES = (
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
)
NO_UNDERSCORE = (*ONE_LINE, "content-length", "transfer-encoding")
DIGEST_LENGTH = {"sha-256": 32, "sha-512": 64}
PARAMETERS = ("created", "expires", "nonce", "alg", "keyid", "tag")


@dataclass(frozen=True)
class Envelope:
    """What the four fields say, not yet believed."""

    components: list[Item]
    created: int
    expires: int
    nonce: str
    keyid: str
    alg: str | None
    tag: Bare | None
    signature_params: str
    signature: bytes
    digests: dict[str, bytes]
    scheme: Item | None


def check_head(request: Request) -> None:
    """V1.1 to V1.4, which a request without an envelope is held to as well."""
    refuse_if(not is_method(request.method), "malformed", "V1.1")
    named = all(FIELD_NAME.fullmatch(name) for name, _ in request.headers)
    refuse_if(not named, "malformed", "V1.1")
    refuse_if(len(request.headers) > MAX_HEADER_LINES, "too-large", "V1.2")
    for name, limit in MAX_LENGTH.items():
        refuse_if(len(request.field(name) or "") > limit, "too-large", "V1.2")
    for name in ONE_LINE:
        refuse_if(len(request.fields.get(name, [])) > 1, "duplicate", "V1.3")
    for name in request.fields:
        hyphened = name.replace("_", "-")
        refuse_if(hyphened in OVERRIDES, "malformed", "V1.4")
        refuse_if(hyphened != name and hyphened in NO_UNDERSCORE, "malformed", "V1.4")


def read_envelope(request: Request) -> Envelope:
    """V1.5 to V1.7."""
    members: dict[str, Members] = {}
    for name in ENVELOPE_FIELDS:
        value = request.field(name)
        if value is not None:
            members[name] = read_dictionary(value)
    refuse_if("signature-input" not in members, "malformed", "V1.5")
    refuse_if("signature" not in members, "malformed", "V1.5")
    labels = {label for name in SIGNED_FIELDS for label in members.get(name, {})}
    refuse_if(len(labels) != 1, "malformed", "V1.5")
    (label,) = labels
    refuse_if(len(label) > MAX_LABEL, "malformed", "V1.5")
    inner = _signature_input(members["signature-input"][label])
    return Envelope(
        components=inner.items,
        signature_params=inner.text,
        signature=_signature(members["signature"][label]),
        digests=_digests(members.get("content-digest", {})),
        scheme=_scheme(members["signature-key"][label]) if "signature-key" in members else None,
        **_parameters(inner.parameters),
    )


def _signature_input(member: Item | InnerList) -> InnerList:
    """V1.2, V1.5 and V1.6 of `Signature-Input`."""
    if not isinstance(member, InnerList):
        raise Refusal("malformed", "V1.5")
    refuse_if(len(member.items) > MAX_COMPONENTS, "too-large", "V1.2")
    refuse_if(any(type(item.value) is not str for item in member.items), "malformed", "V1.5")
    seen = {_identifier(item) for item in member.items}
    refuse_if(len(seen) != len(member.items), "duplicate", "V1.6")
    return member


def _identifier(item: Item) -> tuple[str, tuple[tuple[str, type, Bare], ...]]:
    """V1.6: the same parameters in the same order."""
    parameters = ((name, type(value), value) for name, value in item.parameters.items())
    return str(item.value), tuple(parameters)


def _parameters(parameters: Parameters) -> dict[str, Any]:
    """V1.7; what `tag` is, V2.1 looks at."""
    created, expires = parameters.get("created"), parameters.get("expires")
    nonce, keyid = parameters.get("nonce"), parameters.get("keyid")
    readable = (
        all(name in PARAMETERS for name in parameters)
        and type(created) is int
        and type(expires) is int
        and 0 <= created <= expires
        and type(nonce) is str
        and 22 <= len(nonce) <= 256
        and type(keyid) is str
        and len(keyid) <= 256
        and type(parameters.get("alg", "")) is str
    )
    refuse_if(not readable, "malformed", "V1.7")
    return {name: parameters.get(name) for name in PARAMETERS}


def _signature(member: Item | InnerList) -> bytes:
    value = _bytes(member)
    refuse_if(len(value) != 64, "malformed", "V1.5")
    return value


def _digests(members: Members) -> dict[str, bytes]:
    """The digests of `Content-Digest`; those of other algorithms are read, too."""
    digests = {name: _bytes(member) for name, member in members.items()}
    for name, length in DIGEST_LENGTH.items():
        refuse_if(name in digests and len(digests[name]) != length, "malformed", "V1.5")
    return digests


def _bytes(member: Item | InnerList) -> bytes:
    """Bytes without parameters."""
    if not isinstance(member, Item) or member.parameters or not isinstance(member.value, bytes):
        raise Refusal("malformed", "V1.5")
    return member.value


def _scheme(member: Item | InnerList) -> Item:
    """`jkt-jwt` or `jwt` with its certificate, or the token of another scheme, for V4.1."""
    if not isinstance(member, Item) or not isinstance(member.value, Token):
        raise Refusal("malformed", "V1.5")
    if member.value in ("jkt-jwt", "jwt"):
        certified = list(member.parameters) == ["jwt"] and type(member.parameters["jwt"]) is str
        refuse_if(not certified, "malformed", "V1.5")
    return member
