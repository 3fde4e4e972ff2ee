//! However a signature is bent, ours, the crate `p256` and AWS-LC agree, with the table and without.
#![no_main]

use arbitrary::Arbitrary;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};
use envelope_core::{Signature, VerifyingKey};
use libfuzzer_sys::fuzz_target;
use p256::ecdsa::signature::{Signer as _, Verifier as _};

#[derive(Arbitrary, Debug)]
struct Input {
    seed: [u8; 32],
    message: Vec<u8>,
    /// Exclusive or, at a place.
    signature: Vec<(u8, u8)>,
    /// In place of r, and of s: numbers of the fuzzer's own.
    r: Option<[u8; 32]>,
    s: Option<[u8; 32]>,
}

fuzz_target!(|input: Input| {
    let Ok(signer) = p256::ecdsa::SigningKey::from_slice(&input.seed) else { return };
    let signed: p256::ecdsa::Signature = signer.sign(&input.message);
    let mut signature: [u8; 64] = signed.to_bytes().into();
    for (at, with) in input.signature.iter().take(4) {
        signature[usize::from(*at) % 64] ^= with;
    }
    for (half, number) in signature.chunks_exact_mut(32).zip([input.r, input.s]) {
        if let Some(number) = number {
            half.copy_from_slice(&number);
        }
    }
    let theirs = signer.verifying_key();
    let point = theirs.to_sec1_point(false);
    let coordinate = |bytes: Option<&p256::FieldBytes>| (*bytes.expect("not at infinity")).into();
    // A published key verifies nothing here.
    let Ok(ours) = VerifyingKey::p256(&coordinate(point.x()), &coordinate(point.y())) else { return };
    let valid = p256::ecdsa::Signature::from_slice(&signature)
        .is_ok_and(|signature| theirs.verify(&input.message, &signature).is_ok());
    let aws = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point.as_bytes()).expect("a point of the curve");
    assert_eq!(aws.verify_sig(&input.message, &signature).is_ok(), valid);
    let read = Signature::from_bytes(signature);
    assert_eq!(ours.verify(&input.message, &read).is_ok(), valid);
    ours.prepare();
    assert_eq!(ours.verify(&input.message, &read).is_ok(), valid);
});
