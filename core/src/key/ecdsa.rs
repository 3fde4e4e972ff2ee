//! ECDSA on P-256 in Rust alone (FIPS 186-5 section 6.4.2).

use alloc::boxed::Box;

use group::Group;
use once_cell::race::OnceBox;
use p256::ecdsa::VerifyingKey;
use p256::ecdsa::signature::Verifier as _;
use p256::elliptic_curve::PrimeField;
use p256::elliptic_curve::ops::{Invert, Reduce};
use p256::elliptic_curve::point::AffineCoordinates;
use p256::{FieldBytes, ProjectivePoint, Scalar};
use sha2::{Digest, Sha256};

use super::Signature;
use super::multiples::{Multiples, Shape, double_multiple};

/// Verifies with a key as it is.
pub(super) fn verify(key: &VerifyingKey, message: &[u8], signature: &Signature) -> bool {
    p256::ecdsa::Signature::from_slice(signature.as_bytes())
        .is_ok_and(|signature| key.verify(message, &signature).is_ok())
}

/// Multiples of a key, Q.
pub(super) struct Prepared(Multiples<ProjectivePoint>);

/// Multiples of the base point, made with the first key.
fn base() -> &'static Multiples<ProjectivePoint> {
    static BASE: OnceBox<Multiples<ProjectivePoint>> = OnceBox::new();
    BASE.get_or_init(|| Box::new(Multiples::new(ProjectivePoint::generator(), Shape::OF_BASE)))
}

impl Prepared {
    pub(super) fn new(key: &VerifyingKey) -> Self {
        base();
        Self(Multiples::new(ProjectivePoint::from(*key.as_affine()), Shape::OF_KEY))
    }

    /// r is the x of \[z/s\]G + \[r/s\]Q.
    pub(super) fn verify(&self, message: &[u8], signature: &Signature) -> bool {
        let Ok(signature) = p256::ecdsa::Signature::from_slice(signature.as_bytes()) else { return false };
        let (r, s) = signature.split_scalars();
        let z = <Scalar as Reduce<FieldBytes>>::reduce(&Sha256::digest(message));
        let inverse = *s.invert_vartime();
        let (of_base, of_key) = (little_endian(z * inverse), little_endian(*r * inverse));
        // The identity has 0 for its x, which r is not.
        let x = double_multiple((&self.0, &of_key), (base(), &of_base)).to_affine().x();
        <Scalar as Reduce<FieldBytes>>::reduce(&x) == *r
    }
}

fn little_endian(scalar: Scalar) -> [u8; 32] {
    let mut bytes: [u8; 32] = scalar.to_repr().into();
    bytes.reverse();
    bytes
}
