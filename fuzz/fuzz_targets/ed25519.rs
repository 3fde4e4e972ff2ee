//! However a signature is bent, ours and `verify_strict` agree, with the table and without.
#![no_main]

use arbitrary::Arbitrary;
use ed25519_dalek as dalek;
use envelope_core::{Signature, VerifyingKey};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input {
    seed: [u8; 32],
    message: Vec<u8>,
    /// Exclusive or, at a place.
    key: Vec<(u8, u8)>,
    signature: Vec<(u8, u8)>,
    /// In place of R: an encoding of the fuzzer's own.
    r: Option<[u8; 32]>,
}

fn bend(bytes: &mut [u8], edits: &[(u8, u8)]) {
    for (at, with) in edits.iter().take(4) {
        let at = usize::from(*at) % bytes.len();
        bytes[at] ^= with;
    }
}

fuzz_target!(|input: Input| {
    use dalek::Signer;
    let signer = dalek::SigningKey::from_bytes(&input.seed);
    let (mut key, mut signature) =
        (signer.verifying_key().to_bytes(), signer.sign(&input.message).to_bytes());
    bend(&mut key, &input.key);
    bend(&mut signature, &input.signature);
    if let Some(r) = input.r {
        signature[..32].copy_from_slice(&r);
    }
    // Keys that we refuse verify nothing; dalek may take some of them.
    let Ok(ours) = VerifyingKey::ed25519(&key) else { return };
    let theirs = dalek::VerifyingKey::from_bytes(&key).expect("we take no key that dalek refuses");
    let strict = theirs.verify_strict(&input.message, &dalek::Signature::from_bytes(&signature)).is_ok();
    let read = Signature::from_bytes(signature);
    assert_eq!(ours.verify(&input.message, &read).is_ok(), strict);
    ours.prepare();
    assert_eq!(ours.verify(&input.message, &read).is_ok(), strict);
});
