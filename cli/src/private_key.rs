//! The spellings of a private key that are read and written beside our own, PKCS#8 in [`pem`].

pub(crate) mod jwk;
pub(crate) mod openssh;
mod sec1;

use envelope_core::SigningKey;

use crate::passphrase::Passphrase;
use crate::pem::{self, PemError};

/// In which spelling a text holds a private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// PKCS#8, encrypted or not (RFC 5208, RFC 8018).
    Pkcs8,
    /// What `ssh-keygen` writes, encrypted or not.
    OpenSsh,
    /// What `openssl ecparam -genkey` writes (RFC 5915).
    Sec1,
    /// RFC 7517, RFC 8037.
    Jwk,
}

impl Spelling {
    /// Finds out by the first line that says so.
    pub(crate) fn of(text: &[u8]) -> Result<Self, PemError> {
        let has = |start: &str| text.windows(start.len()).any(|window| window == start.as_bytes());
        if text.trim_ascii_start().starts_with(b"{") {
            Ok(Self::Jwk)
        } else if has("-----BEGIN OPENSSH PRIVATE KEY-----") {
            Ok(Self::OpenSsh)
        } else if has("-----BEGIN EC PRIVATE KEY-----") {
            Ok(Self::Sec1)
        } else if has("-----BEGIN PRIVATE KEY-----") || pem::is_encrypted(text) {
            Ok(Self::Pkcs8)
        } else {
            Err(PemError::UnknownSpelling)
        }
    }

    /// Whether a passphrase is needed to read the text.
    pub(crate) fn is_encrypted(self, text: &[u8]) -> Result<bool, PemError> {
        match self {
            Self::Pkcs8 => Ok(pem::is_encrypted(text)),
            Self::OpenSsh => openssh::is_encrypted(text),
            Self::Sec1 | Self::Jwk => Ok(false),
        }
    }

    /// Reads the key.
    pub(crate) fn read(self, text: &[u8], passphrase: Option<&Passphrase>) -> Result<SigningKey, PemError> {
        match self {
            Self::Pkcs8 => pem::decode(text, passphrase),
            Self::OpenSsh => openssh::read(text, passphrase),
            Self::Sec1 => sec1::read(text),
            Self::Jwk => jwk::read(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spelling_is_known_by_its_first_line() {
        for (text, spelling) in [
            ("\n{\"kty\":1}", Spelling::Jwk),
            ("-----BEGIN OPENSSH PRIVATE KEY-----\n", Spelling::OpenSsh),
            ("-----BEGIN EC PARAMETERS-----\n-----BEGIN EC PRIVATE KEY-----\n", Spelling::Sec1),
            ("Bag Attributes\n-----BEGIN PRIVATE KEY-----\n", Spelling::Pkcs8),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----\n", Spelling::Pkcs8),
        ] {
            assert_eq!(Spelling::of(text.as_bytes()), Ok(spelling), "{text}");
        }
        for text in ["", "key", "-----BEGIN PUBLIC KEY-----", "-----BEGIN RSA PRIVATE KEY-----"] {
            assert_eq!(Spelling::of(text.as_bytes()), Err(PemError::UnknownSpelling), "{text}");
        }
    }
}
