//! A certificate that we read is a JWT to the crate `jsonwebtoken`, with the same claims; and bending it ends it.
#![no_main]

use envelope_core::{Certificate, UntrustedCertificate};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fn verified(text: &str) -> Option<Certificate> {
    UntrustedCertificate::parse(text).ok()?.verify().ok()
}

// A place, what is put there, and the certificate.
fuzz_target!(|input: (u16, u8, &str)| {
    let (at, with, text) = input;
    let Ok(read) = UntrustedCertificate::parse(text) else { return };
    match jsonwebtoken::dangerous::insecure_decode::<Value>(text) {
        Ok(jwt) => {
            assert_eq!(jwt.claims["iat"].as_u64(), Some(read.issued().as_unix()));
            assert_eq!(jwt.claims["exp"].as_u64(), Some(read.expires().as_unix()));
            assert_eq!(jwt.claims["jti"].as_str(), read.id());
        }
        // It does not know the name Ed25519 of RFC 9864 yet.
        Err(error) => assert!(error.to_string().contains("unknown variant `Ed25519`"), "{error}"),
    }
    let Some(certificate) = verified(text) else { return };
    assert_eq!(certificate.as_str(), text);
    let mut bent = text.as_bytes().to_vec();
    let at = usize::from(at) % bent.len();
    if bent[at] != with {
        bent[at] = with;
        assert!(std::str::from_utf8(&bent).ok().and_then(verified).is_none(), "another text verifies, too");
    }
});
