//! All ways to verify say the same, and what the libraries say that everybody uses.

use alloc::vec::Vec;

use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::{EdwardsPoint, Scalar};
use p256::ecdsa::signature::Verifier as _;
use proptest::prelude::*;
use sha2::{Digest, Sha512};

use super::prepared::Prepared;
use super::{Algorithm, Point, Secret, Signature};

fn key(algorithm: Algorithm, seed: &[u8; 32]) -> (Secret, Point, Prepared) {
    let (secret, point) = Secret::read(algorithm, seed).unwrap();
    let prepared = Prepared::new(&point);
    (secret, point, prepared)
}

/// What the library says that everybody uses: `verify_strict` of ed25519-dalek, or `verify` of p256.
fn theirs(point: &Point, message: &[u8], signature: &Signature) -> bool {
    match point {
        Point::Ed25519(key) => {
            let signature = ed25519_dalek::Signature::from_bytes(signature.as_bytes());
            key.verify_strict(message, &signature).is_ok()
        }
        Point::P256(key) => p256::ecdsa::Signature::from_slice(signature.as_bytes())
            .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
    }
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
    let Point::Ed25519(key) = point else { panic!("an Ed25519 key") };
    hasher.update(key.as_bytes());
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
    let (_, point, prepared) = key(Algorithm::Ed25519, &seed);
    for (torsion, r) in
        EIGHT_TORSION.iter().flat_map(|torsion| [(torsion, Scalar::ZERO), (torsion, Scalar::from(9_u8))])
    {
        let signature = forged(&seed, &point, r, *torsion, b"message");
        let honest = r != Scalar::ZERO && *torsion == EIGHT_TORSION[0];
        assert_eq!(theirs(&point, b"message", &signature), honest);
        assert_eq!(point.verify(b"message", &signature), honest);
        assert_eq!(prepared.verify(b"message", &signature), honest);
    }
}

/// A key with a part of small order is accepted as dalek accepts it; what it then verifies must be the same.
#[test]
fn a_key_with_a_part_of_small_order_verifies_the_same_either_way() {
    let seed = [6; 32];
    let (mut accepted, mut refused) = (0, 0);
    for torsion in EIGHT_TORSION {
        let mixed = (EdwardsPoint::mul_base(&scalar(&seed)) + torsion).compress();
        let point = Point::ed25519(mixed.as_bytes()).unwrap();
        let prepared = Prepared::new(&point);
        for r in 1_u8..40 {
            let signature = forged(&seed, &point, Scalar::from(r), EIGHT_TORSION[0], b"message");
            let strict = theirs(&point, b"message", &signature);
            assert_eq!(point.verify(b"message", &signature), strict);
            assert_eq!(prepared.verify(b"message", &signature), strict);
            *(if strict { &mut accepted } else { &mut refused }) += 1;
        }
    }
    assert!(accepted > 40 && refused > 40, "{accepted} {refused}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is done to a signature, all ways to verify agree.
    #[test]
    fn it_never_disagrees_with_the_libraries(
        is_p256: bool,
        seed: [u8; 32],
        message: Vec<u8>,
        changes in proptest::collection::vec((0_usize..64, any::<u8>()), 0..3),
    ) {
        let algorithm = if is_p256 { Algorithm::P256 } else { Algorithm::Ed25519 };
        let (secret, point, prepared) = key(algorithm, &seed);
        let mut bytes = *secret.sign(&message).as_bytes();
        for (at, value) in &changes {
            bytes[*at] = *value;
        }
        let signature = Signature::from_bytes(bytes);
        let expected = theirs(&point, &message, &signature);
        prop_assert_eq!(point.verify(&message, &signature), expected);
        prop_assert_eq!(prepared.verify(&message, &signature), expected);
        prop_assert!(expected || !changes.is_empty());
    }

    /// s + n·L is the same scalar in another spelling.
    #[test]
    fn a_scalar_that_is_not_reduced_is_refused(seed: [u8; 32], times in 1_u8..16) {
        const L: [u8; 32] = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0,
            0, 0, 0, 0, 0, 0, 0, 0x10,
        ];
        let (secret, point, prepared) = key(Algorithm::Ed25519, &seed);
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
