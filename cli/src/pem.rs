//! Private keys as `openssl pkey` reads them: PKCS#8 version 1 in PEM (RFC 5208, RFC 7468, RFC 8410), encrypted with PBES2
//! (RFC 8018), scrypt (RFC 7914) and AES-256-CBC when there is a passphrase.

use envelope_core::{Algorithm, SigningKey};
use pkcs8::der::asn1::{AnyRef, BitStringRef, OctetStringRef};
use pkcs8::der::{Decode, pem::PemLabel};
use pkcs8::pkcs5::{pbes2, scrypt};
use pkcs8::{
    AlgorithmIdentifierRef, EncryptedPrivateKeyInfoRef, LineEnding, ObjectIdentifier, PrivateKeyInfo,
    PrivateKeyInfoRef, SecretDocument,
};
use zeroize::Zeroizing;

use crate::passphrase::Passphrase;
use crate::random;

const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");

/// What comes before the 32 bytes of the secret: RFC 8410 section 7, an OCTET STRING.
const ED25519_SECRET: [u8; 2] = [0x04, 0x20];
/// RFC 5915: a SEQUENCE of the version, 1, and an OCTET STRING. Its optional members are left out: the curve is named in the
/// algorithm, the public key follows from the secret.
const P256_SECRET: [u8; 7] = [0x30, 0x25, 0x02, 0x01, 0x01, 0x04, 0x20];

/// scrypt: 16 MiB (N = 2¹⁴, r = 8), five times over. That is worth as much as 128 MiB once (OWASP), and OpenSSL
/// reads it: by default it refuses to use 32 MiB or more.
const SCRYPT: (u8, u32, u32) = (14, 8, 5);

/// Why a private key cannot be read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PemError {
    /// It is not PKCS#8 in PEM, or a key of another kind.
    Unreadable,
    /// It is a private key in another kind of PEM, which OpenSSL reads.
    OtherKind,
    /// It is in no spelling of a private key.
    UnknownSpelling,
    /// It is JSON, and no private key of Ed25519 or P-256.
    NoPrivateJwk,
    /// Its public half belongs to another private one.
    OtherPublicHalf,
    /// The private half is in a FIDO token.
    SecurityKey,
    /// The file says that the passphrase has to be worked on for ever.
    TooMuchWork,
    /// It lives at a place of which this version does not know.
    UnknownPlace,
    /// It is encrypted, and there is no passphrase.
    Encrypted,
    /// The passphrase does not open it.
    WrongPassphrase,
    /// The key is one that core refuses.
    Refused,
    /// It cannot be encoded.
    Unwritable,
}

/// Writes a key.
pub(crate) fn encode(
    key: &SigningKey,
    passphrase: Option<&Passphrase>,
) -> Result<Zeroizing<String>, PemError> {
    let (prefix, oid, curve): (&[u8], _, _) = match key.algorithm() {
        Algorithm::Ed25519 => (&ED25519_SECRET, ED25519, None),
        Algorithm::P256 => (&P256_SECRET, EC, Some(&P256)),
    };
    let mut secret = Zeroizing::new(Vec::with_capacity(64));
    secret.extend_from_slice(prefix);
    secret.extend_from_slice(key.to_bytes().as_slice());
    let algorithm = AlgorithmIdentifierRef { oid, parameters: curve.map(AnyRef::from) };
    let secret = OctetStringRef::new(&secret).map_err(|_| PemError::Unwritable)?;
    let info: PrivateKeyInfoRef<'_> = PrivateKeyInfo::new(algorithm, secret);

    let (document, label) = match passphrase {
        None => {
            (SecretDocument::try_from(&info).map_err(|_| PemError::Unwritable)?, PrivateKeyInfoRef::PEM_LABEL)
        }
        Some(passphrase) => {
            let document = info.encrypt_with_params(encryption()?, passphrase.as_bytes());
            (document.map_err(|_| PemError::Unwritable)?, EncryptedPrivateKeyInfoRef::PEM_LABEL)
        }
    };
    document.to_pem(label, LineEnding::LF).map_err(|_| PemError::Unwritable)
}

fn encryption() -> Result<pbes2::Parameters, PemError> {
    let (log_n, r, p) = SCRYPT;
    let parameters = scrypt::Params::new(log_n, r, p).map_err(|_| PemError::Unwritable)?;
    let salt: [u8; 16] = random::bytes().map_err(|_| PemError::Unwritable)?;
    let iv: [u8; 16] = random::bytes().map_err(|_| PemError::Unwritable)?;
    pbes2::Parameters::generate_scrypt_aes256cbc(parameters, &salt, iv).map_err(|_| PemError::Unwritable)
}

/// Whether the text is an encrypted key.
pub(crate) fn is_encrypted(pem: &[u8]) -> bool {
    const ENCRYPTED: &[u8] = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";
    pem.windows(ENCRYPTED.len()).any(|window| window == ENCRYPTED)
}

/// Reads a key.
pub(crate) fn decode(pem: &[u8], passphrase: Option<&Passphrase>) -> Result<SigningKey, PemError> {
    let text = std::str::from_utf8(pem).map_err(|_| PemError::Unreadable)?;
    if is_of_other_kind(text) {
        return Err(PemError::OtherKind);
    }
    let (label, document) = SecretDocument::from_pem(text).map_err(|_| PemError::Unreadable)?;
    match label {
        PrivateKeyInfoRef::PEM_LABEL => read_key(document.as_bytes()),
        EncryptedPrivateKeyInfoRef::PEM_LABEL => {
            let passphrase = passphrase.ok_or(PemError::Encrypted)?;
            let encrypted = EncryptedPrivateKeyInfoRef::from_der(document.as_bytes());
            let encrypted = encrypted.map_err(|_| PemError::Unreadable)?;
            let decrypted =
                encrypted.decrypt(passphrase.as_bytes()).map_err(|_| PemError::WrongPassphrase)?;
            // One wrong passphrase in 256 leaves padding that looks right, and no key behind it.
            read_key(decrypted.as_bytes()).map_err(|_| PemError::WrongPassphrase)
        }
        _ => Err(PemError::Unreadable),
    }
}

/// SEC 1 (RFC 5915), as `openssl ecparam -genkey` writes it, with or without the parameters before it.
fn is_of_other_kind(pem: &str) -> bool {
    ["-----BEGIN EC PRIVATE KEY-----", "-----BEGIN EC PARAMETERS-----"]
        .iter()
        .any(|start| pem.contains(start))
}

fn read_key(der: &[u8]) -> Result<SigningKey, PemError> {
    let info = PrivateKeyInfoRef::from_der(der).map_err(|_| PemError::Unreadable)?;
    let secret = info.private_key.as_bytes();
    let key = if info.algorithm.oid == ED25519 {
        let secret = secret.strip_prefix(&ED25519_SECRET).and_then(|secret| secret.try_into().ok());
        accepted(Algorithm::Ed25519, secret.ok_or(PemError::Unreadable)?)?
    } else {
        // Keys that OpenSSL made carry the public half; p256 reads that, and refuses it when it is another's.
        of_p256(&p256::SecretKey::try_from(info.clone()).map_err(|_| PemError::Unreadable)?)?
    };
    let is_other =
        |public: BitStringRef<'_>| public.as_bytes() != Some(key.verifying_key().coordinates().0.as_slice());
    if key.algorithm() == Algorithm::Ed25519 && info.public_key.is_some_and(is_other) {
        return Err(PemError::Unreadable);
    }
    Ok(key)
}

/// A key of P-256 that was read by the p256 crate.
pub(crate) fn of_p256(key: &p256::SecretKey) -> Result<SigningKey, PemError> {
    let secret = Zeroizing::new(<[u8; 32]>::from(key.to_bytes()));
    accepted(Algorithm::P256, &secret)
}

/// The key of 32 bytes, unless core refuses it.
pub(crate) fn accepted(algorithm: Algorithm, secret: &[u8; 32]) -> Result<SigningKey, PemError> {
    SigningKey::from_bytes(algorithm, secret).map_err(|_| {
        // Not every 32 bytes are a number of P-256.
        let is_key = algorithm == Algorithm::Ed25519 || p256::SecretKey::from_slice(secret).is_ok();
        if is_key { PemError::Refused } else { PemError::Unreadable }
    })
}

#[cfg(test)]
mod tests {
    use base64ct::{Base64, Encoding};

    use super::*;

    #[test]
    fn both_algorithms_come_back() {
        for algorithm in [Algorithm::Ed25519, Algorithm::P256] {
            let key = random::key(algorithm).unwrap();
            let pem = encode(&key, None).unwrap();
            assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
            assert!(!is_encrypted(pem.as_bytes()));
            assert_eq!(decode(pem.as_bytes(), None).unwrap().to_bytes(), key.to_bytes());
        }
    }

    #[test]
    fn what_is_no_key_is_unreadable() {
        let pem = encode(&random::key(Algorithm::Ed25519).unwrap(), None).unwrap();
        let other = pem.replace("PRIVATE KEY", "PUBLIC KEY");
        for text in ["", "key", &pem[..60], &other] {
            assert_eq!(decode(text.as_bytes(), None).unwrap_err(), PemError::Unreadable, "{text}");
        }
    }

    #[test]
    fn published_keys_are_told_from_numbers_that_are_no_key() {
        // RFC 6979 appendix A.2.5.
        let published = Base64::decode_vec("ya+p2EW6dRZrXCFXZ7HWk05Qw9s26JsSe4piKxIPZyE=").unwrap();
        let published = published.try_into().unwrap();
        assert_eq!(accepted(Algorithm::P256, &published).unwrap_err(), PemError::Refused);
        for number in [[0; 32], [0xff; 32]] {
            assert_eq!(accepted(Algorithm::P256, &number).unwrap_err(), PemError::Unreadable);
        }
    }

    #[test]
    fn keys_of_another_kind_are_told_apart() {
        for label in ["EC PRIVATE KEY", "EC PARAMETERS"] {
            let pem = format!("-----BEGIN {label}-----\nBggqhkjOPQMBBw==\n-----END {label}-----\n");
            assert_eq!(decode(pem.as_bytes(), None).unwrap_err(), PemError::OtherKind, "{label}");
        }
    }
}
