//! Ed25519: what a signature must satisfy, and the two ways to multiply (RFC 8032 section 5.1.7).

use alloc::boxed::Box;

use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::CompressedEdwardsY;
use curve25519_dalek::{EdwardsPoint, Scalar};
use ed25519_dalek::VerifyingKey;
use once_cell::race::OnceBox;
use sha2::{Digest, Sha512};

use super::Signature;
use super::multiples::{Multiples, Shape, double_multiple};

/// Verifies with a key as it is.
pub(super) fn verify(key: &VerifyingKey, message: &[u8], signature: &Signature) -> bool {
    holds(key.as_bytes(), message, signature, |k, s| {
        EdwardsPoint::vartime_double_scalar_mul_basepoint(&k, &-key.to_edwards(), &s)
    })
}

/// A key, and multiples of -A.
pub(super) struct Prepared {
    key: [u8; 32],
    multiples: Multiples<EdwardsPoint>,
}

/// Multiples of the base point, made with the first key.
fn base() -> &'static Multiples<EdwardsPoint> {
    static BASE: OnceBox<Multiples<EdwardsPoint>> = OnceBox::new();
    BASE.get_or_init(|| Box::new(Multiples::new(ED25519_BASEPOINT_POINT, Shape::OF_BASE)))
}

impl Prepared {
    pub(super) fn new(key: &VerifyingKey) -> Self {
        base();
        Self { key: key.to_bytes(), multiples: Multiples::new(-key.to_edwards(), Shape::OF_KEY) }
    }

    pub(super) fn verify(&self, message: &[u8], signature: &Signature) -> bool {
        holds(&self.key, message, signature, |k, s| {
            double_multiple((&self.multiples, k.as_bytes()), (base(), s.as_bytes()))
        })
    }
}

/// RFC 8032 section 5.1.7 without cofactor, strictly: R = \[s\]B - \[k\]A, where `multiply` is given k and s. R is computed and its
/// encoding compared, so the one in the signature must be canonical, and is not decoded; one of small order is known by its
/// encoding. The key has been accepted: canonically encoded, and not of small order.
fn holds(
    key: &[u8; 32],
    message: &[u8],
    signature: &Signature,
    multiply: impl FnOnce(Scalar, Scalar) -> EdwardsPoint,
) -> bool {
    let Some((r, s)) = signature.as_bytes().split_first_chunk::<32>() else { return false };
    let Ok(s) = <[u8; 32]>::try_from(s) else { return false };
    let Some(s) = Option::<Scalar>::from(Scalar::from_canonical_bytes(s)) else { return false };
    let mut hasher = Sha512::new();
    hasher.update(r);
    hasher.update(key);
    hasher.update(message);
    let k = Scalar::from_bytes_mod_order_wide(&hasher.finalize().into());
    let expected = multiply(k, s);
    expected.compress().as_bytes() == r && !is_small_order(r)
}

/// Whether it is the canonical encoding of one of the eight points of small order.
fn is_small_order(encoding: &[u8; 32]) -> bool {
    static ENCODINGS: OnceBox<[CompressedEdwardsY; 8]> = OnceBox::new();
    let encodings = ENCODINGS.get_or_init(|| Box::new(EIGHT_TORSION.map(|point| point.compress())));
    encodings.iter().any(|known| known.as_bytes() == encoding)
}
