"""Verification, stages 2 to 8 in order (envelope.md section 6)."""

import hashlib
from dataclasses import dataclass, field

from .certificate import Certificate, Login, read_certificate, read_login
from .keys import PublicKey
from .message import DERIVED, FIELD_NAME, FIELD_VALUE, LISTED, Request, base_bytes, base_lines
from .parse import Envelope, check_head, read_envelope
from .policy import Access, Policy, Who
from .refusal import Refusal, refuse_if
from .registry import CALL, IDENTITY, Registry
from .replay import ReplayCache
from .target import find_authority, read_target

AHEAD = 5
TAG = "envelope/1"
NEVER_COVERED = ("signature", "signature-input")
DIGESTS = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}


@dataclass(frozen=True)
class Caller:
    """Who calls; `certificate` is None of a registered key."""

    identity: str
    key: PublicKey
    certificate: Certificate | Login | None


@dataclass(frozen=True)
class Verified:
    """An envelope that was accepted, with the lines of its base."""

    identity: str
    keyid: str
    base: list[str]


@dataclass
class Verifier:
    """What a verifier was told, and what it remembers."""

    authorities: list[str]
    registry: Registry
    window: int = 60
    max_body: int = 1 << 20
    replay: ReplayCache = field(default_factory=ReplayCache)
    policy: Policy = Policy()
    issuer: tuple[str, PublicKey] | None = None

    def verify(
        self,
        request: Request,
        now: int,
        now_after_body: int | None = None,
        access: Access = Access(),
        now_at_replay: int | None = None,
    ) -> Verified | None:
        """All stages; None for a request without an envelope that may be made."""
        check_head(request)
        if not request.has_envelope:
            self.policy.check_nobody(access)
            return None
        envelope = read_envelope(request)
        caller, authority, base = self._head(request, envelope, now)
        later = now if now_after_body is None else now_after_body
        self._body(request.body or b"", envelope, later)
        later = later if now_at_replay is None else now_at_replay
        keyid = caller.key.thumbprint
        self.replay.remember(keyid, envelope.nonce, envelope.created, envelope.expires, later)
        self.policy.check_identity(self._who(caller), caller.certificate, authority, access)
        return Verified(caller.identity, keyid, base)

    def verify_head(self, request: Request, now: int) -> tuple[Caller, list[str]]:
        """Stages 1 to 5 of a request that has an envelope: the caller, and the lines of the base."""
        check_head(request)
        caller, _, base = self._head(request, read_envelope(request), now)
        return caller, base

    def _head(self, request: Request, envelope: Envelope, now: int) -> tuple[Caller, str, list[str]]:
        """Stages 2 to 5; with `@authority`."""
        authority, base = self._coverage(request, envelope)
        self._time(envelope, now)
        caller = self._caller(envelope, now)
        genuine = caller.key.verifies(envelope.signature, base_bytes(base))
        refuse_if(not genuine, "bad-signature", "V5.1")
        return caller, authority, base

    def _who(self, caller: Caller) -> Who:
        """Whom the rules of stage 8 mean."""
        if isinstance(caller.certificate, Login):
            return Who.of_login(caller.certificate, self.registry.is_registered)
        return Who.of_key(caller.identity)

    def _coverage(self, request: Request, envelope: Envelope) -> tuple[str, list[str]]:
        """Stage 2: `@authority` and the lines of the base."""
        tagged = type(envelope.tag) is str and envelope.tag == TAG
        refuse_if(not tagged, "tag-refused", "V2.1")
        names = [str(item.value) for item in envelope.components]
        for item in envelope.components:
            refuse_if(not _is_component(str(item.value)), "component-refused", "V2.2")
            refuse_if(bool(item.parameters), "component-refused", "V2.2")
        target = read_target(request.target)
        authority = find_authority(target, request.field("host"), self.authorities)
        demanded = [*DERIVED, *(name for name in LISTED if name in request.fields)]
        refuse_if(any(name not in names for name in demanded), "not-covered", "V2.5")
        values = dict(zip(DERIVED, (request.method, authority, target.path, target.query)))
        for name in names:
            if name not in DERIVED:
                values[name] = _covered_value(request, name)
        return authority, base_lines(names, values, envelope.signature_params)

    def _time(self, envelope: Envelope, now: int) -> None:
        """Stage 3."""
        too_long = envelope.expires - envelope.created > self.window
        refuse_if(too_long, "window-too-long", "V3.1")
        refuse_if(envelope.created > now + AHEAD, "not-yet-valid", "V3.2")
        refuse_if(now > envelope.expires, "expired", "V3.3")

    def _caller(self, envelope: Envelope, now: int) -> Caller:
        """Stage 4: the call key, and who stands behind it."""
        refuse_if(self.registry.is_stale(now), "revocation-stale", "V4.16")
        caller = self._registered(envelope, now)
        if caller is None:
            caller = self._certified(envelope, now)
        named = envelope.alg in (None, caller.key.algorithm)
        refuse_if(not named, "algorithm-mismatch", "V4.15")
        if isinstance(caller.certificate, Certificate):
            authentic = caller.certificate.is_authentic()
            refuse_if(not authentic, "certificate-invalid", "V4.10")
        return caller

    def _certified(self, envelope: Envelope, now: int) -> Caller:
        """V4.1 to V4.9, or V4.17 to V4.21."""
        if envelope.scheme is not None and envelope.scheme.value == "jwt":
            return self._logged_in(envelope, now)
        if envelope.scheme is None or envelope.scheme.value != "jkt-jwt":
            raise Refusal("certificate-invalid", "V4.1")
        certificate = read_certificate(str(envelope.scheme.parameters["jwt"]))
        issuer, call = certificate.identity_key.thumbprint, certificate.call_key.thumbprint
        refuse_if(envelope.keyid != call, "certificate-invalid", "V4.4")
        refuse_if(certificate.issued > now + AHEAD, "certificate-invalid", "V4.5")
        end = self.registry.end(issuer)
        ended = now >= certificate.expires or (end is not None and now >= end)
        refuse_if(ended, "certificate-expired", "V4.6")
        revoked = self.registry.is_revoked(issuer) or self.registry.is_revoked(call)
        refuse_if(revoked, "revoked", "V4.7")
        withdrawn = self.registry.is_certificate_revoked(
            issuer, certificate.jti, certificate.issued
        )
        refuse_if(withdrawn, "revoked", "V4.7")
        record = self.registry.find(issuer, IDENTITY)
        if record is None or record.identity is None:
            raise Refusal("unknown-key", "V4.8")
        refuse_if(self.registry.find(call, IDENTITY) is not None, "key-refused", "V4.9")
        return Caller(record.identity, certificate.call_key, certificate)

    def _logged_in(self, envelope: Envelope, now: int) -> Caller:
        """V4.17 to V4.21."""
        assert envelope.scheme is not None
        login = read_login(str(envelope.scheme.parameters["jwt"]))
        call = login.call_key.thumbprint
        refuse_if(envelope.keyid != call, "certificate-invalid", "V4.17")
        refuse_if(login.issued > now + AHEAD, "certificate-invalid", "V4.19")
        refuse_if(now >= login.expires, "certificate-expired", "V4.19")
        if self.issuer is None or self.issuer[1].thumbprint != login.issuer_key:
            raise Refusal("unknown-key", "V4.20")
        url, key = self.issuer
        refuse_if(login.issuer != url, "certificate-invalid", "V4.20")
        keys = (login.issuer_key, call)
        revoked = any(self.registry.is_revoked(thumbprint) for thumbprint in keys)
        withdrawn = self.registry.is_certificate_revoked(
            login.issuer_key, login.jti, login.issued
        )
        refuse_if(revoked or withdrawn, "revoked", "V4.20")
        refuse_if(self.registry.find(call, IDENTITY) is not None, "key-refused", "V4.20")
        refuse_if(login.algorithm != key.algorithm, "algorithm-mismatch", "V4.21")
        refuse_if(not login.is_authentic(key), "certificate-invalid", "V4.21")
        return Caller(login.user, login.call_key, login)

    def _registered(self, envelope: Envelope, now: int) -> Caller | None:
        """V4.11 to V4.14; None when there is a `Signature-Key`."""
        if envelope.scheme is not None:
            return None
        refuse_if(self.registry.is_revoked(envelope.keyid), "revoked", "V4.11")
        is_identity = self.registry.find(envelope.keyid, IDENTITY) is not None
        refuse_if(is_identity, "key-refused", "V4.13")
        record = self.registry.find(envelope.keyid, CALL)
        if record is None or record.identity is None or record.public is None:
            raise Refusal("unknown-key", "V4.12")
        ended = record.expires is None or now >= record.expires
        refuse_if(ended, "certificate-expired", "V4.14")
        return Caller(record.identity, record.public, None)

    def _body(self, body: bytes, envelope: Envelope, now: int) -> None:
        """Stage 6."""
        refuse_if(len(body) > self.max_body, "too-large", "V6.1")
        told = [name for name in DIGESTS if name in envelope.digests]
        refuse_if(bool(body) and not told, "digest-missing", "V6.2")
        for name in told:
            same = DIGESTS[name](body).digest() == envelope.digests[name]
            refuse_if(not same, "digest-mismatch", "V6.3")
        refuse_if(now > envelope.expires, "expired", "V6.4")


def _is_component(name: str) -> bool:
    """3.4: a derived component that must be there, or a field in lower case."""
    if name in DERIVED:
        return True
    is_field = FIELD_NAME.fullmatch(name) is not None and name == name.lower()
    return is_field and name not in NEVER_COVERED


def _covered_value(request: Request, name: str) -> str:
    """V2.5 and V2.6: the value of a covered field."""
    value = request.field(name)
    if value is None:
        raise Refusal("not-covered", "V2.5")
    refuse_if(FIELD_VALUE.fullmatch(value) is None, "malformed", "V2.6")
    return value
