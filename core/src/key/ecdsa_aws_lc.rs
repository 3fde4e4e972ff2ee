//! ECDSA on P-256 by AWS-LC, for servers that have a C compiler: the same signatures in less time (FIPS 186-5 section 6.4.2).

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};
use p256::ecdsa::VerifyingKey;

use super::Signature;

/// Verifies with a key as it is.
pub(super) fn verify(key: &VerifyingKey, message: &[u8], signature: &Signature) -> bool {
    Prepared::new(key).verify(message, signature)
}

/// A key as the library has it. `None` for one that it does not take: there is none, since the key is a point of the curve.
pub(super) struct Prepared(Option<ParsedPublicKey>);

impl Prepared {
    pub(super) fn new(key: &VerifyingKey) -> Self {
        Self(ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.to_sec1_point(false)).ok())
    }

    pub(super) fn verify(&self, message: &[u8], signature: &Signature) -> bool {
        self.0.as_ref().is_some_and(|key| key.verify_sig(message, signature.as_bytes()).is_ok())
    }
}
