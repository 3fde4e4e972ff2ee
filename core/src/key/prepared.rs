//! Ed25519 verification with a table for the key: what [`verify_strict`] accepts, in less time.
//!
//! [`verify_strict`]: ed25519_dalek::VerifyingKey::verify_strict

use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek::edwards::VartimeEdwardsPrecomputation;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::VartimePrecomputedMultiscalarMul;
use sha2::{Digest, Sha512};

use super::{Point, Signature};

/// Multiples of the negated key -A and of the base point B.
pub(super) struct Prepared {
    key: [u8; 32],
    table: VartimeEdwardsPrecomputation,
}

impl Prepared {
    /// The table for a key that was accepted: canonically encoded, and not of small order. `None` where there is none to
    /// make.
    pub(super) fn new(point: &Point) -> Option<Self> {
        let Point::Ed25519(key) = point else { return None };
        let table = VartimeEdwardsPrecomputation::new([-key.to_edwards(), ED25519_BASEPOINT_POINT]);
        Some(Self { key: key.to_bytes(), table })
    }

    /// RFC 8032 section 5.1.7 without cofactor: R = \[s\]B - \[k\]A. R is computed and its encoding compared, so the
    /// one in the signature must be canonical, and need not be decoded to see that it is not of small order.
    pub(super) fn verify(&self, message: &[u8], signature: &Signature) -> bool {
        let Some((r, s)) = signature.as_bytes().split_first_chunk::<32>() else { return false };
        let Ok(s) = <[u8; 32]>::try_from(s) else { return false };
        let Some(s) = Option::<Scalar>::from(Scalar::from_canonical_bytes(s)) else { return false };
        let mut hasher = Sha512::new();
        hasher.update(r);
        hasher.update(self.key);
        hasher.update(message);
        let k = Scalar::from_bytes_mod_order_wide(&hasher.finalize().into());
        let expected = self.table.vartime_multiscalar_mul([k, s]);
        expected.compress().as_bytes() == r && !expected.is_small_order()
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use curve25519_dalek::EdwardsPoint;
    use curve25519_dalek::constants::EIGHT_TORSION;
    use proptest::prelude::*;

    use super::super::{Algorithm, Secret, Signature};
    use super::*;

    fn key(seed: [u8; 32]) -> (Secret, Point, Prepared) {
        let (secret, point) = Secret::read(Algorithm::Ed25519, &seed).unwrap();
        let prepared = Prepared::new(&point).unwrap();
        (secret, point, prepared)
    }

    /// The scalar of a private key: RFC 8032 section 5.1.5.
    fn scalar(seed: &[u8; 32]) -> Scalar {
        let digest: [u8; 64] = Sha512::digest(seed).into();
        let half: [u8; 32] = digest[..32].try_into().unwrap();
        Scalar::from_bytes_mod_order(curve25519_dalek::scalar::clamp_integer(half))
    }

    /// A signature with an R of the signer's choice plus a point of small order, and the s that solves the equation for
    /// the choice alone.
    fn forged(seed: &[u8; 32], point: &Point, r: Scalar, torsion: EdwardsPoint, message: &[u8]) -> Signature {
        let encoded = (EdwardsPoint::mul_base(&r) + torsion).compress();
        let mut hasher = Sha512::new();
        hasher.update(encoded.as_bytes());
        hasher.update(point.coordinates().0);
        hasher.update(message);
        let k = Scalar::from_bytes_mod_order_wide(&hasher.finalize().into());
        let s = r + k * scalar(seed);
        let bytes: Vec<u8> = encoded.as_bytes().iter().chain(s.as_bytes()).copied().collect();
        Signature::from_bytes(bytes.try_into().unwrap())
    }

    /// R of small order solves the equation and is refused; so is an R with a part of small order, which solves it only
    /// with the cofactor.
    #[test]
    fn small_order_is_refused_as_the_strict_verification_refuses_it() {
        let seed = [5; 32];
        let (_, point, prepared) = key(seed);
        for (torsion, r) in
            EIGHT_TORSION.iter().flat_map(|torsion| [(torsion, Scalar::ZERO), (torsion, Scalar::from(9_u8))])
        {
            let signature = forged(&seed, &point, r, *torsion, b"message");
            let honest = r != Scalar::ZERO && *torsion == EIGHT_TORSION[0];
            assert_eq!(point.verify(b"message", &signature), honest);
            assert_eq!(prepared.verify(b"message", &signature), honest);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// Whatever is done to a signature, both ways of verifying agree.
        #[test]
        fn it_never_disagrees_with_the_strict_verification(
            seed: [u8; 32],
            message: Vec<u8>,
            changes in proptest::collection::vec((0_usize..64, any::<u8>()), 0..3),
        ) {
            let (secret, point, prepared) = key(seed);
            let mut bytes = *secret.sign(&message).as_bytes();
            for (at, value) in &changes {
                bytes[*at] = *value;
            }
            let signature = Signature::from_bytes(bytes);
            let strict = point.verify(&message, &signature);
            prop_assert_eq!(prepared.verify(&message, &signature), strict);
            prop_assert!(strict || !changes.is_empty());
        }

        /// s + n·L is the same scalar in another spelling.
        #[test]
        fn a_scalar_that_is_not_reduced_is_refused(seed: [u8; 32], times in 1_u8..16) {
            const L: [u8; 32] = [
                0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0,
                0, 0, 0, 0, 0, 0, 0, 0x10,
            ];
            let (secret, point, prepared) = key(seed);
            let mut bytes = *secret.sign(b"message").as_bytes();
            for _ in 0..times {
                let mut carry = 0_u16;
                for (byte, add) in bytes[32..].iter_mut().zip(L) {
                    carry += u16::from(*byte) + u16::from(add);
                    *byte = carry.to_le_bytes()[0];
                    carry >>= 8;
                }
            }
            let signature = Signature::from_bytes(bytes);
            prop_assert!(!point.verify(b"message", &signature));
            prop_assert!(!prepared.verify(b"message", &signature));
        }
    }
}
