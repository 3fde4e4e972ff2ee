"""Key pairs in the forms that peers take."""

import base64
import hashlib
import json

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

ED25519, P256 = "ed25519", "ecdsa-p256-sha256"


def key(algorithm):
    """A fresh key pair in the forms that peers take, with its thumbprint."""
    private = ed25519.Ed25519PrivateKey.generate() if algorithm == ED25519 else ec.generate_private_key(ec.SECP256R1())
    if algorithm == ED25519:
        jwk = {"kty": "OKP", "crv": "Ed25519", "alg": "Ed25519", "x": base64url(private.public_key().public_bytes_raw())}
        secret = private.private_bytes_raw()
    else:
        numbers = private.private_numbers()
        x, y = (n.to_bytes(32, "big") for n in (numbers.public_numbers.x, numbers.public_numbers.y))
        jwk = {"kty": "EC", "crv": "P-256", "alg": "ES256", "x": base64url(x), "y": base64url(y)}
        secret = numbers.private_value.to_bytes(32, "big")
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    public = private.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    return {
        "alg": algorithm,
        "keyid": thumbprint(jwk),
        "public_jwk": jwk,
        "private_jwk": jwk | {"d": base64url(secret)},
        "public_pem": public.decode(),
        "private_pem": private.private_bytes(pem, pkcs8, serialization.NoEncryption()).decode(),
    }


def thumbprint(jwk):
    """RFC 7638."""
    members = {name: value for name, value in jwk.items() if name != "alg"}
    return base64url(hashlib.sha256(json.dumps(members, sort_keys=True, separators=(",", ":")).encode()).digest())


def base64url(data):
    """Without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
