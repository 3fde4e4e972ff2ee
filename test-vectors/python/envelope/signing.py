"""Signing (envelope.md section 4)."""

import hashlib
from dataclasses import dataclass, replace

from .certificate import read_certificate
from .encoding import write_base64, write_base64url
from .keys import PrivateKey
from .message import (
    DERIVED,
    ENVELOPE_FIELDS,
    FIELD_VALUE,
    LISTED,
    Request,
    base_bytes,
    base_lines,
)
from .parse import MAX_COMPONENTS, check_head
from .refusal import refuse_if
from .structured import write_string
from .target import Target, read_url

LABEL = "sig"
WINDOW = 60
MAX_WINDOW = 300


@dataclass(frozen=True)
class Signer:
    """A call key and its certificate; without one, the key is registered at the verifier."""

    key: PrivateKey
    certificate: str | None

    def sign(
        self,
        method: str,
        url: str,
        *,
        now: int,
        random: bytes,
        headers: list[tuple[str, str]] | None = None,
        body: bytes | None = None,
        window: int = WINDOW,
    ) -> Request:
        """S1 to S7: the request as it is to be sent; `window` is what the verifier takes."""
        target = read_url(url)
        unsigned = _unsigned(method, target, headers or [], body)
        expires = self._expires(now, window)
        with_key = _with_fields(unsigned, self._key_fields(body))
        names = _covered(with_key)
        refuse_if(len(names) > MAX_COMPONENTS, "too-large", "S2")
        parameters = self._parameters(names, now, expires, random)
        values = _values(with_key, target, names)
        base = base_bytes(base_lines(names, values, parameters))
        signature = write_base64(self.key.sign(base))
        signed = [
            ("Signature-Input", f"{LABEL}={parameters}"),
            ("Signature", f"{LABEL}=:{signature}:"),
        ]
        return _with_fields(with_key, signed)

    def _key_fields(self, body: bytes | None) -> list[tuple[str, str]]:
        """S3 and S4."""
        fields: list[tuple[str, str]] = []
        if body:
            digest = write_base64(hashlib.sha256(body).digest())
            fields.append(("Content-Digest", f"sha-256=:{digest}:"))
        if self.certificate is not None:
            fields.append(("Signature-Key", f'{LABEL}=jkt-jwt;jwt="{self.certificate}"'))
        return fields

    def _expires(self, now: int, window: int) -> int:
        """S6: 60 s later, 300 at most, and not after the certificate's `exp`."""
        refuse_if(not 0 < window <= MAX_WINDOW, "window-too-long", "S6")
        if self.certificate is None:
            return now + window
        certificate = read_certificate(self.certificate)
        refuse_if(certificate.call_key != self.key.public, "certificate-invalid", "S4")
        refuse_if(now >= certificate.expires, "certificate-expired", "S6")
        return min(now + window, certificate.expires)

    def _parameters(self, names: list[str], now: int, expires: int, random: bytes) -> str:
        """S6: the value of the member of `Signature-Input`."""
        components = " ".join(f'"{name}"' for name in names)
        nonce, keyid = write_base64url(random), self.key.public.thumbprint
        return (
            f"({components});created={now};expires={expires};nonce={write_string(nonce)}"
            f';keyid={write_string(keyid)};tag="envelope/1"'
        )


def _unsigned(
    method: str, target: Target, headers: list[tuple[str, str]], body: bytes | None
) -> Request:
    """S2: the request before it is signed, with the `Host` of its URL."""
    own = Request(method, target.path, headers, body)
    refuse_if("host" in own.fields, "malformed", "S2")
    refuse_if(any(name in own.fields for name in ENVELOPE_FIELDS), "duplicate", "S2")
    check_head(own)
    for name in own.fields:
        refuse_if(FIELD_VALUE.fullmatch(own.field(name) or "") is None, "malformed", "S2")
    path_and_query = target.path + (target.query if target.query != "?" else "")
    return replace(own, target=path_and_query, headers=[("Host", target.authority or ""), *headers])


def _with_fields(request: Request, fields: list[tuple[str, str]]) -> Request:
    """The same request with fields behind its own, held to V1.1 to V1.4."""
    longer = replace(request, headers=[*request.headers, *fields])
    check_head(longer)
    return longer


def _covered(request: Request) -> list[str]:
    """S5: the derived components, those of the list, every other field by its first line."""
    listed = [name for name in LISTED if name in request.fields]
    others = [name for name in request.fields if name not in (*LISTED, "host")]
    return [*DERIVED, *listed, *others]


def _values(request: Request, target: Target, names: list[str]) -> dict[str, str]:
    derived = (request.method, target.authority or "", target.path, target.query)
    values = dict(zip(DERIVED, derived))
    for name in names[len(DERIVED) :]:
        values[name] = request.field(name) or ""
    return values
