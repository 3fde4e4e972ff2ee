//! A private key of P-256 in the PEM of SEC 1 (RFC 5915), as `openssl ecparam -genkey` writes it.

use envelope_core::SigningKey;
use pkcs8::SecretDocument;

use crate::pem::{PemError, of_p256};

const BEGIN: &str = "-----BEGIN EC PRIVATE KEY-----";

/// Reads a key. OpenSSL may write the parameters of the curve before it.
pub(super) fn read(text: &[u8]) -> Result<SigningKey, PemError> {
    let text = std::str::from_utf8(text).map_err(|_| PemError::Unreadable)?;
    let pem = text.find(BEGIN).and_then(|start| text.get(start..)).ok_or(PemError::Unreadable)?;
    if pem.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(PemError::OtherKind);
    }
    let (_, der) = SecretDocument::from_pem(pem).map_err(|_| PemError::Unreadable)?;
    let key = p256::SecretKey::from_sec1_der(der.as_bytes()).map_err(|_| PemError::Unreadable)?;
    of_p256(&key)
}
