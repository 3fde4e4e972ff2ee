"""Certificates (envelope.md section 5), read and issued."""

import re
from dataclasses import dataclass
from typing import Any

from .encoding import (
    Unreadable,
    is_integer,
    read_base64url,
    read_object,
    write_base64url,
    write_object,
)
from .keys import JOSE, PrivateKey, PublicKey, is_thumbprint, read_jwk
from .refusal import Refusal, refuse_if

TYPE = "jkt-s256+jwt"
LOGIN_TYPE = "envelope-login+jwt"
MAX_GROUPS = 128
USER = re.compile(r"[A-Za-z0-9._\-@+/]+:[A-Za-z0-9._\-:@+/]+")
MAX_NAME = 128
MAX_LIFE = 86400
MAX_JTI = 256
SCOPE_TOKEN = r"[\x21\x23-\x5b\x5d-\x7e]+"
SCOPE = re.compile(rf"{SCOPE_TOKEN}(?: {SCOPE_TOKEN})*")


@dataclass(frozen=True)
class Certificate:
    """What an identity key says of a call key; its signature is not verified yet."""

    identity_key: PublicKey
    call_key: PublicKey
    issued: int
    expires: int
    jti: str | None
    audience: list[str] | None
    scope: list[str] | None
    signed: bytes
    signature: bytes

    def is_authentic(self) -> bool:
        """V4.10: the signature of the identity key."""
        return self.identity_key.verifies(self.signature, self.signed)


@dataclass(frozen=True)
class Login:
    """What a verifier says of a call key (5.2); its signature is not verified yet."""

    issuer_key: str
    issuer: str
    user: str
    groups: list[str]
    algorithm: str
    call_key: PublicKey
    issued: int
    expires: int
    jti: str | None
    audience: list[str] | None
    scope: list[str] | None
    signed: bytes
    signature: bytes

    def is_authentic(self, key: PublicKey) -> bool:
        """V4.21: the signature of the verifier's key."""
        return key.verifies(self.signature, self.signed)


def read_login(text: str) -> Login:
    """V4.17 without `keyid`, and V4.18."""
    try:
        head, body, signature = (read_base64url(part) for part in _parts(text))
        header, claims = read_object(head), read_object(body)
    except Unreadable as error:
        raise Refusal("certificate-invalid", "V4.17") from error
    is_header = _is_jose(header, LOGIN_TYPE) and is_thumbprint(header.get("kid"))
    refuse_if(not is_header, "certificate-invalid", "V4.17")
    is_user = _is_user(claims.get("sub")) and _are_groups(claims.get("groups", []))
    refuse_if(not _are_claims(claims) or not is_user, "certificate-invalid", "V4.17")
    call_key = read_jwk(claims["cnf"]["jwk"], "V4.18")
    refuse_if(call_key.thumbprint == header["kid"], "certificate-invalid", "V4.17")
    audience, scope = claims.get("aud"), claims.get("scope")
    return Login(
        issuer_key=header["kid"],
        issuer=claims["iss"],
        user=claims["sub"],
        groups=claims.get("groups", []),
        algorithm=JOSE[header["alg"]],
        call_key=call_key,
        issued=claims["iat"],
        expires=claims["exp"],
        jti=claims.get("jti"),
        audience=[audience] if isinstance(audience, str) else audience,
        scope=None if scope is None else scope.split(" "),
        signed=text.rpartition(".")[0].encode("ascii"),
        signature=signature,
    )


def read_certificate(text: str) -> Certificate:
    """V4.1 to V4.3, and what V4.4 asks of `iss` and the two keys."""
    try:
        head, body, signature = (read_base64url(part) for part in _parts(text))
        header, claims = read_object(head), read_object(body)
    except Unreadable as error:
        raise Refusal("certificate-invalid", "V4.1") from error
    refuse_if(not _is_header(header), "certificate-invalid", "V4.1")
    refuse_if(not _are_claims(claims), "certificate-invalid", "V4.1")
    identity_key = read_jwk(header["jwk"], "V4.2")
    call_key = read_jwk(claims["cnf"]["jwk"], "V4.2")
    refuse_if(JOSE[header["alg"]] != identity_key.algorithm, "algorithm-mismatch", "V4.3")
    refuse_if(claims["iss"] != identity_key.issuer, "certificate-invalid", "V4.4")
    refuse_if(call_key == identity_key, "certificate-invalid", "V4.4")
    audience, scope = claims.get("aud"), claims.get("scope")
    return Certificate(
        identity_key=identity_key,
        call_key=call_key,
        issued=claims["iat"],
        expires=claims["exp"],
        jti=claims.get("jti"),
        audience=[audience] if isinstance(audience, str) else audience,
        scope=None if scope is None else scope.split(" "),
        signed=text.rpartition(".")[0].encode("ascii"),
        signature=signature,
    )


def issue_certificate(
    identity_key: PrivateKey,
    call_key: PublicKey,
    *,
    issued: int,
    expires: int,
    jti: str,
    audience: list[str] | None = None,
    scope: list[str] | None = None,
) -> str:
    """A certificate in compact serialisation."""
    jwk = identity_key.public.jwk()
    header = {"typ": TYPE, "alg": jwk["alg"], "jwk": jwk}
    claims: dict[str, Any] = {
        "iss": identity_key.public.issuer,
        "iat": issued,
        "exp": expires,
        "jti": jti,
        "cnf": {"jwk": call_key.jwk()},
    }
    if audience is not None:
        claims["aud"] = audience
    if scope is not None:
        claims["scope"] = " ".join(scope)
    signed = ".".join(write_base64url(write_object(part)) for part in (header, claims))
    return signed + "." + write_base64url(identity_key.sign(signed.encode("ascii")))


def _parts(text: str) -> list[str]:
    parts = text.split(".")
    if len(parts) != 3:
        raise Unreadable("not a JWS in compact serialisation")
    return parts


def _is_header(header: dict[str, Any]) -> bool:
    return _is_jose(header, TYPE) and "jwk" in header


def _is_jose(header: dict[str, Any], typ: str) -> bool:
    return (
        header.get("typ") == typ
        and "crit" not in header
        and isinstance(header.get("alg"), str)
        and header["alg"] in JOSE
    )


def _is_user(user: Any) -> bool:
    """The name of a provider, a colon, and the name of the user there."""
    return isinstance(user, str) and len(user) <= MAX_NAME and USER.fullmatch(user) is not None


def _are_groups(groups: Any) -> bool:
    return (
        isinstance(groups, list)
        and len(groups) <= MAX_GROUPS
        and all(isinstance(group, str) for group in groups)
    )


def _are_claims(claims: dict[str, Any]) -> bool:
    return (
        isinstance(claims.get("iss"), str)
        and is_integer(claims.get("iat"))
        and is_integer(claims.get("exp"))
        and claims["iat"] < claims["exp"] <= claims["iat"] + MAX_LIFE
        and _is_jti(claims.get("jti", ""))
        and isinstance(claims.get("cnf"), dict)
        and "jwk" in claims["cnf"]
        and _is_audience(claims.get("aud", ""))
        and _is_scope(claims.get("scope", "any"))
    )


def _is_jti(jti: Any) -> bool:
    return isinstance(jti, str) and len(jti.encode("utf-8")) <= MAX_JTI


def _is_audience(audience: Any) -> bool:
    if isinstance(audience, list):
        return all(isinstance(entry, str) for entry in audience)
    return isinstance(audience, str)


def _is_scope(scope: Any) -> bool:
    return isinstance(scope, str) and SCOPE.fullmatch(scope) is not None
