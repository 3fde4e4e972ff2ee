"""Keys and algorithms (envelope.md 3.1)."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils

from .curve import N256, is_on_p256, is_strict_ed25519
from .encoding import Unreadable, read_base64url, write_base64url, write_object
from .refusal import Refusal

ED25519 = "ed25519"
P256 = "ecdsa-p256-sha256"
JOSE = {"Ed25519": ED25519, "EdDSA": ED25519, "ES256": P256}
ISSUER_PREFIX = "urn:jkt:sha-256:"

PUBLISHED = frozenset({
    "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
    "FtIu-VbGrfe_KB6CH7GNwODB72MNxj_ml11dEvO-7kk",
    "FVV5umTuau890q59V-4Ga_R6qWb7ON_ivJc4EjvCwTM",
    "lZI1vM7tnlYapaF5-cy86ptx0tT_8Av721hhiNB5ti4",
    "iiDHHfFVNG6ICMUTsicgrWf1igtFYZEK73xlobt1ah4",
    "2bVIQ9_u0wVxBsBwmxK3F42rRFnt_dA7CZQ3u_2RKZY",
    "qz1FYaobwnFjkaNLccv-mFXe7gu45Zo72p2XqE3Is20",
    "3YZxBJ12jO3n_mXt_q-j_Z-TFP1vt-NiI3OCf-fEnHQ",
    "ydQXMtvbsOsZyFir-Y7A8t7fKEM1gbKPvyFkdpu4fvI",
    "poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U",
    "DOvxvJiAdIqVWIkFt5hDtCunXLF0BV4-JGv4f-ALSm0",
    "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U",
    "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s",
    "_GK0r6GCoJt9zcssg9lay4obIxgCq05ntiRymRHADSU",
    "Vy57XrArUrW0NbpI12tEzDHABxMwrTh6HHXRenSpnCo",
    "HsSFalww3yP-dO-lWGYgFcyV5H22oScIFc4V2Y6GOto",
    "gNVUILmGM8X02lmcIVmHKnjrJlfhXYf0Zi8dWhyXGWs",
    "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I",
})


@dataclass(frozen=True)
class PublicKey:
    """A public key that 3.1 accepts; `y` is empty for Ed25519."""

    algorithm: str
    x: bytes
    y: bytes = b""

    def jwk(self) -> dict[str, str]:
        """The JWK as it is written (section 5): with `alg`."""
        jose = "Ed25519" if self.algorithm == ED25519 else "ES256"
        return {"alg": jose, **self._required()}

    @cached_property
    def thumbprint(self) -> str:
        """RFC 7638, SHA-256."""
        return write_base64url(hashlib.sha256(write_object(self._required())).digest())

    @property
    def issuer(self) -> str:
        """The thumbprint as `iss` and `sub` carry it."""
        return ISSUER_PREFIX + self.thumbprint

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Strict verification of 64 bytes of signature."""
        if len(signature) != 64:
            return False
        try:
            if self.algorithm == ED25519:
                return self._verify_ed25519(signature, message)
            return self._verify_p256(signature, message)
        except InvalidSignature:
            return False

    def _required(self) -> dict[str, str]:
        x, y = write_base64url(self.x), write_base64url(self.y)
        if self.algorithm == ED25519:
            return {"crv": "Ed25519", "kty": "OKP", "x": x}
        return {"crv": "P-256", "kty": "EC", "x": x, "y": y}

    def _verify_ed25519(self, signature: bytes, message: bytes) -> bool:
        """OpenSSL checks s < L and the equation without cofactor; here, R is checked."""
        if not is_strict_ed25519(signature[:32]):
            return False
        ed25519.Ed25519PublicKey.from_public_bytes(self.x).verify(signature, message)
        return True

    def _verify_p256(self, signature: bytes, message: bytes) -> bool:
        """ECDSA with either s; OpenSSL refuses an r or s that is 0 or not below n."""
        point = ec.EllipticCurvePublicKey.from_encoded_point(
            ec.SECP256R1(), b"\x04" + self.x + self.y
        )
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        der = utils.encode_dss_signature(r, s)
        point.verify(der, message, ec.ECDSA(hashes.SHA256()))
        return True


def read_jwk(jwk: Any, step: str) -> PublicKey:
    """The key of a JWK, or `key-refused` (3.1); `step` is the one that asks."""
    if not isinstance(jwk, dict):
        raise Refusal("key-refused", step)
    try:
        key = _key_of(jwk)
    except Unreadable as error:
        raise Refusal("key-refused", step) from error
    if "d" in jwk or key.thumbprint in PUBLISHED:
        raise Refusal("key-refused", step)
    return key


def is_thumbprint(text: Any) -> bool:
    """32 bytes in base64url."""
    try:
        return isinstance(text, str) and len(read_base64url(text)) == 32
    except Unreadable:
        return False


def _key_of(jwk: dict[str, Any]) -> PublicKey:
    kind = (jwk.get("kty"), jwk.get("crv"))
    if kind == ("OKP", "Ed25519"):
        key = PublicKey(ED25519, _coordinate(jwk, "x"))
        if is_strict_ed25519(key.x):
            return key
    if kind == ("EC", "P-256"):
        key = PublicKey(P256, _coordinate(jwk, "x"), _coordinate(jwk, "y"))
        if is_on_p256(int.from_bytes(key.x, "big"), int.from_bytes(key.y, "big")):
            return key
    raise Unreadable("not a key of 3.1")


def _coordinate(jwk: dict[str, Any], name: str) -> bytes:
    text = jwk.get(name)
    data = read_base64url(text) if isinstance(text, str) else b""
    if len(data) != 32:
        raise Unreadable("not a coordinate")
    return data


class PrivateKey:
    """A key pair that signs."""

    def __init__(self, key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self.public = _public_half(key)

    @classmethod
    def generate(cls, algorithm: str = ED25519) -> "PrivateKey":
        """A fresh key pair."""
        if algorithm == ED25519:
            return cls(ed25519.Ed25519PrivateKey.generate())
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def from_pem(cls, pem: bytes) -> "PrivateKey":
        """A private key in PKCS#8 PEM."""
        key = serialization.load_pem_private_key(pem, password=None)
        if not isinstance(key, (ed25519.Ed25519PrivateKey, ec.EllipticCurvePrivateKey)):
            raise ValueError("the key is neither Ed25519 nor P-256")
        return cls(key)

    def sign(self, message: bytes) -> bytes:
        """64 bytes; ECDSA with k of RFC 6979 and the low s."""
        if isinstance(self._key, ed25519.Ed25519PrivateKey):
            return self._key.sign(message)
        scheme = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
        r, s = utils.decode_dss_signature(self._key.sign(message, scheme))
        return r.to_bytes(32, "big") + min(s, N256 - s).to_bytes(32, "big")


def _public_half(key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> PublicKey:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return PublicKey(ED25519, key.public_key().public_bytes_raw())
    if not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("the key is neither Ed25519 nor P-256")
    numbers = key.public_key().public_numbers()
    return PublicKey(P256, numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big"))
