//! The spellings of a public key: PEM (RFC 5280, RFC 8410), JWK (RFC 7517), OpenSSH, `did:key`, thumbprint.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use pkcs8::{DecodePublicKey, EncodePublicKey, LineEnding};
use ssh_key::public::{EcdsaPublicKey, KeyData};

use super::published::is_published;
use super::{Point, Thumbprint, VerifyingKey, refused};
use crate::error::Refusal;

/// What names a key: the key itself, or its thumbprint, which is enough for keys that come with a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "a few are read at start, and none is kept")]
pub enum KeyRef {
    /// The public key.
    Key(VerifyingKey),
    /// Its thumbprint.
    Thumbprint(Thumbprint),
}

impl KeyRef {
    /// Reads any of the spellings, by what the text starts with.
    ///
    /// # Errors
    /// [`KeyRefused`](crate::Code::KeyRefused) for text in none of them, and for keys that the profile does not accept.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let text = text.trim_ascii();
        if text.starts_with("-----BEGIN PUBLIC KEY-----") {
            VerifyingKey::from_pem(text).map(Self::Key)
        } else if text.starts_with("-----BEGIN") {
            Err(refused("the PEM file holds something else than a public key"))
        } else if text.starts_with('{') {
            VerifyingKey::from_jwk(text).map(Self::Key)
        } else if text.starts_with("did:key:") {
            VerifyingKey::from_did(text).map(Self::Key)
        } else if text.starts_with("ssh-") || text.starts_with("ecdsa-") || text.starts_with("sk-") {
            VerifyingKey::from_openssh(text).map(Self::Key)
        } else {
            let unknown = refused("the text is no PEM, JWK, OpenSSH key, did:key or thumbprint");
            match Thumbprint::parse(text).ok_or(unknown)? {
                thumbprint if is_published(&thumbprint) => Err(super::PRINTED),
                thumbprint => Ok(Self::Thumbprint(thumbprint)),
            }
        }
    }

    /// The thumbprint, given or computed.
    #[must_use]
    pub const fn thumbprint(&self) -> Thumbprint {
        match self {
            Self::Key(key) => key.thumbprint(),
            Self::Thumbprint(thumbprint) => *thumbprint,
        }
    }
}

/// The multicodec prefixes of `did:key`: ed25519-pub (0xed) and p256-pub (0x1200), as varints.
const DID_ED25519: [u8; 2] = [0xed, 0x01];
const DID_P256: [u8; 2] = [0x80, 0x24];

impl VerifyingKey {
    /// Reads a `SubjectPublicKeyInfo` in PEM, as `openssl pkey -pubout` writes it.
    ///
    /// # Errors
    /// [`KeyRefused`](crate::Code::KeyRefused).
    pub fn from_pem(pem: &str) -> Result<Self, Refusal> {
        if let Ok(key) = ed25519_dalek::VerifyingKey::from_public_key_pem(pem) {
            return Self::ed25519(key.as_bytes());
        }
        let key = p256::ecdsa::VerifyingKey::from_public_key_pem(pem)
            .map_err(|_| refused("the PEM file is neither an Ed25519 nor a P-256 public key"))?;
        Self::accepted(Point::P256(key))
    }

    /// A `SubjectPublicKeyInfo` in PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let pem = match &self.point {
            Point::Ed25519(key) => key.to_public_key_pem(LineEnding::LF),
            Point::P256(key) => p256::PublicKey::from(key).to_public_key_pem(LineEnding::LF),
        };
        // A key that is held always encodes.
        pem.unwrap_or_default()
    }

    /// Reads a line of `authorized_keys` or a `.pub` file. Keys on a hardware token sign in a form of their own and are refused.
    ///
    /// # Errors
    /// [`KeyRefused`](crate::Code::KeyRefused).
    pub fn from_openssh(line: &str) -> Result<Self, Refusal> {
        let key =
            ssh_key::PublicKey::from_openssh(line).map_err(|_| refused("the OpenSSH key cannot be read"))?;
        match key.key_data() {
            KeyData::Ed25519(key) => Self::ed25519(&key.0),
            KeyData::Ecdsa(EcdsaPublicKey::NistP256(point)) => Self::from_sec1(point.as_bytes()),
            _ => Err(refused("the OpenSSH key is neither an Ed25519 nor a P-256 key")),
        }
    }

    /// The key as OpenSSH writes it in a `.pub` file, without comment.
    #[must_use]
    pub fn to_openssh(&self) -> String {
        let data = match &self.point {
            Point::Ed25519(key) => Some(KeyData::Ed25519(ssh_key::public::Ed25519PublicKey(key.to_bytes()))),
            Point::P256(key) => {
                EcdsaPublicKey::from_sec1_bytes(key.to_sec1_point(false).as_bytes()).ok().map(KeyData::Ecdsa)
            }
        };
        // A key that is held always encodes.
        data.and_then(|data| ssh_key::PublicKey::new(data, "").to_openssh().ok()).unwrap_or_default()
    }

    /// Reads a `did:key` (the method's Ed25519 and P-256 forms).
    ///
    /// # Errors
    /// [`KeyRefused`](crate::Code::KeyRefused).
    pub fn from_did(did: &str) -> Result<Self, Refusal> {
        let encoded = did.strip_prefix("did:key:z").ok_or(refused("a did:key starts with did:key:z"))?;
        // Base58 takes quadratic time.
        if encoded.len() > 64 {
            return Err(refused("the did:key is too long for an Ed25519 or P-256 key"));
        }
        let bytes = bs58::decode(encoded).into_vec().map_err(|_| refused("the did:key is not base58"))?;
        if let Some(key) = bytes.strip_prefix(&DID_ED25519) {
            let key = key.try_into().map_err(|_| refused("the did:key does not hold 32 bytes"))?;
            return Self::ed25519(key);
        }
        let point = bytes
            .strip_prefix(&DID_P256)
            .ok_or(refused("the did:key is neither an Ed25519 nor a P-256 key"))?;
        if point.len() != 33 {
            return Err(refused("the did:key does not hold a compressed point"));
        }
        Self::from_sec1(point)
    }

    /// The key as `did:key`.
    #[must_use]
    pub fn to_did(&self) -> String {
        let (mut bytes, point): (Vec<u8>, Vec<u8>) = match &self.point {
            Point::Ed25519(key) => (DID_ED25519.into(), key.to_bytes().into()),
            Point::P256(key) => (DID_P256.into(), key.to_sec1_point(true).as_bytes().into()),
        };
        bytes.extend(point);
        format!("did:key:z{}", bs58::encode(bytes).into_string())
    }

    fn from_sec1(point: &[u8]) -> Result<Self, Refusal> {
        let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(point)
            .map_err(|_| refused("a P-256 key is not a point of the curve"))?;
        Self::accepted(Point::P256(key))
    }
}
