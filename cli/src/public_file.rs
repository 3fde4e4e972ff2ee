//! The public half of an identity key as it is written beside the key: a JWK with one more member, the SHA-256 of the file of
//! the private key. Whatever is copied or moved over either file, the two then no longer fit, and the public half is not
//! believed.

use base64ct::{Base64UrlUnpadded, Encoding};
use envelope_core::VerifyingKey;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// RFC 7517 section 4: members that a reader does not know are ignored, so the file is still a JWK to everybody.
const BINDING: &str = "pem-sha-256";

/// The file for this key, of which `pem` is the private file.
pub(crate) fn write(key: &VerifyingKey, pem: &[u8]) -> String {
    let mut jwk: Map<String, Value> = serde_json::from_str(&key.to_jwk()).unwrap_or_default();
    jwk.insert(BINDING.into(), digest(pem).into());
    format!("{}\n", Value::Object(jwk))
}

/// The key in the file; `None` when it cannot be read or was not written for `pem`.
pub(crate) fn read(text: &[u8], pem: &[u8]) -> Option<VerifyingKey> {
    let text = std::str::from_utf8(text).ok()?.trim_ascii();
    let jwk: Map<String, Value> = serde_json::from_str(text).ok()?;
    let fits = jwk.get(BINDING).and_then(Value::as_str) == Some(&digest(pem));
    if fits { VerifyingKey::from_jwk(text).ok() } else { None }
}

fn digest(pem: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(&Sha256::digest(pem))
}

#[cfg(test)]
mod tests {
    use envelope_core::Algorithm;

    use super::*;
    use crate::random;

    #[test]
    fn it_is_believed_beside_its_own_key_alone() {
        for algorithm in [Algorithm::Ed25519, Algorithm::P256] {
            let key = random::key(algorithm).unwrap().verifying_key().clone();
            let text = write(&key, b"pem");
            assert_eq!(read(text.as_bytes(), b"pem"), Some(key.clone()));
            assert_eq!(VerifyingKey::from_jwk(text.trim_ascii()), Ok(key.clone()));
            assert_eq!(read(text.as_bytes(), b"per"), None);
            assert_eq!(read(key.to_jwk().as_bytes(), b"pem"), None);
            assert_eq!(read(&text.as_bytes()[..40], b"pem"), None);
        }
    }
}
