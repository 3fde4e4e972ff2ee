//! Example keys, made of labels, and signatures by the primitives themselves: what an honest signer makes, and what
//! only somebody who looks for holes makes.

use base64ct::{Base64UrlUnpadded, Encoding};
use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::CompressedEdwardsY;
use curve25519_dalek::{EdwardsPoint, Scalar};
use ed25519_dalek::Signer as _;
use envelope_core::Algorithm;
use sha2::{Digest, Sha256, Sha512};

/// How a message is signed: [`Key::sign`], or one of the ways below.
pub(super) type Sign = fn(&Key, &[u8]) -> Vec<u8>;

/// A key pair, or something that passes for one.
#[derive(Clone)]
pub(super) enum Key {
    Ed25519(ed25519_dalek::SigningKey),
    P256(p256::ecdsa::SigningKey),
    /// A public key of small order, for which anybody can make signatures that a lax verifier takes.
    Weak([u8; 32]),
}

impl Key {
    /// The private key is the SHA-256 of `envelope test key: LABEL`.
    pub(super) fn ed25519(label: &str) -> Self {
        Self::ed25519_seed(&seed(label))
    }

    pub(super) fn p256(label: &str) -> Self {
        Self::p256_scalar(&seed(label))
    }

    pub(super) fn ed25519_seed(seed: &[u8; 32]) -> Self {
        Self::Ed25519(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    pub(super) fn p256_scalar(scalar: &[u8; 32]) -> Self {
        Self::P256(p256::ecdsa::SigningKey::from_slice(scalar).unwrap())
    }

    pub(super) fn new(algorithm: Algorithm, label: &str) -> Self {
        match algorithm {
            Algorithm::Ed25519 => Self::ed25519(label),
            Algorithm::P256 => Self::p256(label),
        }
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        match self {
            Self::Ed25519(_) | Self::Weak(_) => Algorithm::Ed25519,
            Self::P256(_) => Algorithm::P256,
        }
    }

    /// x, and y for P-256.
    pub(super) fn coordinates(&self) -> (String, Option<String>) {
        match self {
            Self::Ed25519(key) => (base64url(key.verifying_key().as_bytes()), None),
            Self::Weak(bytes) => (base64url(bytes), None),
            Self::P256(key) => {
                let point = key.verifying_key().to_sec1_point(false);
                (base64url(point.x().unwrap()), Some(base64url(point.y().unwrap())))
            }
        }
    }

    /// The public key as JWK, with `alg`, as the spec has it written.
    pub(super) fn jwk(&self) -> String {
        let alg = self.algorithm().jose_name();
        match self.coordinates() {
            (x, None) => format!(r#"{{"alg":"{alg}","crv":"Ed25519","kty":"OKP","x":"{x}"}}"#),
            (x, Some(y)) => format!(r#"{{"alg":"{alg}","crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#),
        }
    }

    /// The same with the private half.
    pub(super) fn private_jwk(&self) -> String {
        let d = match self {
            Self::Ed25519(key) => base64url(key.as_bytes()),
            Self::P256(key) => base64url(&key.to_bytes()),
            Self::Weak(_) => panic!("nobody needs a private key for a weak one"),
        };
        self.jwk().replacen(r#","kty""#, &format!(r#","d":"{d}","kty""#), 1)
    }

    /// RFC 7638.
    pub(super) fn thumbprint(&self) -> String {
        let required = match self.coordinates() {
            (x, None) => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#),
            (x, Some(y)) => format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#),
        };
        base64url(&Sha256::digest(required.as_bytes()))
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Ed25519(key) => key.sign(message).to_bytes().into(),
            Self::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.normalize_s().to_bytes().to_vec()
            }
            Self::Weak(key) => forge(key, message),
        }
    }
}

fn seed(label: &str) -> [u8; 32] {
    Sha256::digest(format!("envelope test key: {label}").as_bytes()).into()
}

pub(super) fn base64url(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

/// The points of small order: canonical encodings, then those that only a lax reader takes.
pub(super) fn small_order_points() -> (Vec<[u8; 32]>, Vec<[u8; 32]>) {
    let canonical = EIGHT_TORSION.iter().map(|point| point.compress().to_bytes()).collect();
    let prime = {
        let mut bytes = [0xff; 32];
        (bytes[0], bytes[31]) = (0xed, 0x7f);
        bytes
    };
    let with_sign = |mut bytes: [u8; 32]| {
        bytes[31] |= 0x80;
        bytes
    };
    let mut one = [0; 32];
    one[0] = 1;
    let mut prime_and_one = prime;
    prime_and_one[0] += 1;
    (canonical, vec![prime, with_sign(prime), prime_and_one, with_sign(prime_and_one), with_sign(one)])
}

/// A signature that verifies, by the plain equation, under a public key of small order: without any private key.
fn forge(key: &[u8; 32], message: &[u8]) -> Vec<u8> {
    let point = CompressedEdwardsY(*key).decompress().unwrap();
    for counter in 0u64.. {
        let s = Scalar::from_bytes_mod_order(Sha256::digest(counter.to_le_bytes()).into());
        for torsion in EIGHT_TORSION {
            let r = ED25519_BASEPOINT_POINT * s + torsion;
            if r == ED25519_BASEPOINT_POINT * s - point * challenge(&r.compress(), key, message) {
                return [r.compress().to_bytes(), s.to_bytes()].concat();
            }
        }
    }
    unreachable!("one try in eight succeeds")
}

/// H(R ‖ A ‖ M) of RFC 8032.
fn challenge(r: &CompressedEdwardsY, key: &[u8; 32], message: &[u8]) -> Scalar {
    let mut hasher = Sha512::new();
    hasher.update(r.as_bytes());
    hasher.update(key);
    hasher.update(message);
    Scalar::from_bytes_mod_order_wide(&hasher.finalize().into())
}

/// An Ed25519 signature by the owner of the key with R of his choice: r·B and a point of small order.
fn sign_with(key: &Key, message: &[u8], r: Scalar, torsion: EdwardsPoint) -> Vec<u8> {
    let Key::Ed25519(key) = key else { panic!("an Ed25519 key") };
    let public = key.verifying_key().to_bytes();
    let point = (ED25519_BASEPOINT_POINT * r + torsion).compress();
    let s = r + challenge(&point, &public, message) * key.to_scalar();
    [point.to_bytes(), s.to_bytes()].concat()
}

/// R is the neutral element: satisfies the plain equation, and `verify_strict` refuses it.
pub(super) fn sign_small_order_r(key: &Key, message: &[u8]) -> Vec<u8> {
    sign_with(key, message, Scalar::ZERO, EIGHT_TORSION[0])
}

/// R has a component of order 8: satisfies the equation with the cofactor, not the one without.
pub(super) fn sign_torsion_r(key: &Key, message: &[u8]) -> Vec<u8> {
    sign_with(key, message, Scalar::from(1_234_567_u64), EIGHT_TORSION[1])
}

/// s + L in place of s: the same residue, the malleability that RFC 8032 excludes.
pub(super) fn sign_s_plus_order(key: &Key, message: &[u8]) -> Vec<u8> {
    let mut signature = key.sign(message);
    let order = hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let mut carry = 0;
    for (byte, add) in signature[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    signature
}

/// n − s in place of s: the other signature that ECDSA takes.
pub(super) fn sign_high_s(key: &Key, message: &[u8]) -> Vec<u8> {
    let mut signature = key.sign(message);
    let mut borrow = 0;
    for (byte, order) in signature[32..].iter_mut().zip(p256_order()).rev() {
        let difference = 0x100 + u16::from(order) - u16::from(*byte) - borrow;
        *byte = difference.to_le_bytes()[0];
        borrow = 1 - (difference >> 8);
    }
    signature
}

/// The order n of P-256.
pub(super) fn p256_order() -> [u8; 32] {
    hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551")
}

pub(super) fn hex(text: &str) -> [u8; 32] {
    std::array::from_fn(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
}

/// A point of P-256 whose x, and the same x with the prime added: two spellings in 32 bytes of one coordinate.
pub(super) fn unreduced_p256_point() -> (String, String) {
    let prime = hex("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");
    for x in 0u8.. {
        let mut sec1 = [0; 33];
        (sec1[0], sec1[32]) = (2, x);
        let Ok(point) = p256::ecdsa::VerifyingKey::from_sec1_bytes(&sec1) else { continue };
        let mut unreduced = prime;
        let mut carry = u16::from(x);
        for byte in unreduced.iter_mut().rev() {
            let sum = u16::from(*byte) + carry;
            *byte = sum.to_le_bytes()[0];
            carry = sum >> 8;
        }
        return (base64url(&unreduced), base64url(point.to_sec1_point(false).y().unwrap()));
    }
    unreachable!("half of all x are on the curve")
}
