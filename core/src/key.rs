//! Keys: Ed25519 and ECDSA P-256, for identities and calls alike (spec, section 3.1).

#[cfg(test)]
mod agreement;
// The seam at which a server may take another library; what is accepted does not change.
#[cfg(not(feature = "aws-lc"))]
mod ecdsa;
#[cfg(feature = "aws-lc")]
#[path = "key/ecdsa_aws_lc.rs"]
mod ecdsa;
mod eddsa;
#[cfg(feature = "formats")]
pub mod format;
pub mod jwk;
mod multiples;
mod prepared;
mod published;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wycheproof;

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use ed25519_dalek::Signer as _;
use once_cell::race::OnceBox;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use self::prepared::Prepared;
pub use self::published::PUBLISHED;
use crate::error::{Code, Refusal};

/// The two signature algorithms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Ed25519 (RFC 8032), verified strictly.
    Ed25519,
    /// ECDSA on P-256 with SHA-256 (FIPS 186), nonces by RFC 6979, low s.
    P256,
}

impl Algorithm {
    /// The name in the `alg` parameter of RFC 9421.
    #[must_use]
    pub const fn http_name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::P256 => "ecdsa-p256-sha256",
        }
    }

    /// The name in JOSE (RFC 7518, RFC 9864).
    #[must_use]
    pub const fn jose_name(self) -> &'static str {
        match self {
            Self::Ed25519 => "Ed25519",
            Self::P256 => "ES256",
        }
    }
}

/// The RFC 7638 SHA-256 thumbprint of a public key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Thumbprint([u8; 32]);

impl Thumbprint {
    /// The digest itself.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads 43 characters of base64url without padding.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        base64url(text).map(Self)
    }

    /// Whether `text` is what [`parse`](Self::parse) reads it from. There is one such text, and it is sooner written than read.
    pub(crate) fn is_written(&self, text: &str) -> bool {
        Base64UrlUnpadded::encode(&self.0, &mut [0; 43]) == Ok(text)
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Base64UrlUnpadded::encode_string(&self.0))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `N` bytes in base64url without padding (RFC 4648 section 5).
pub(crate) fn base64url<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let read = Base64UrlUnpadded::decode(text, &mut bytes).ok()?.len();
    (read == N).then_some(bytes)
}

/// A signature of either algorithm: 64 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature([u8; 64]);

impl Signature {
    /// R and s of Ed25519, or r and s of ECDSA.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The 64 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

/// A public key that this profile accepts: on its curve, canonical, not of small order, not an example of an RFC.
pub struct VerifyingKey {
    point: Point,
    thumbprint: Thumbprint,
    prepared: OnceBox<Arc<Prepared>>,
}

impl Clone for VerifyingKey {
    fn clone(&self) -> Self {
        let prepared = match self.prepared.get() {
            Some(prepared) => OnceBox::with_value(Box::new(Arc::clone(prepared))),
            None => OnceBox::new(),
        };
        Self { point: self.point.clone(), thumbprint: self.thumbprint, prepared }
    }
}

impl PartialEq for VerifyingKey {
    fn eq(&self, other: &Self) -> bool {
        self.point == other.point
    }
}

impl Eq for VerifyingKey {}

/// What a JWK holds of a key. It may be no point at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coordinates {
    /// The y of a compressed point, and the sign of its x; a JWK calls it `x`.
    Ed25519 { y: [u8; 32] },
    /// Affine, big-endian.
    P256 { x: [u8; 32], y: [u8; 32] },
}

impl Coordinates {
    /// RFC 7638 section 3: the required members, in lexicographic order, without white space.
    pub(crate) fn thumbprint(&self) -> Thumbprint {
        let mut hasher = Sha256::new();
        let mut coordinate = |before: &str, bytes: &[u8; 32]| {
            // 43 characters; the buffer has that length.
            let mut text = [0; 43];
            let text = Base64UrlUnpadded::encode(bytes, &mut text).unwrap_or_default();
            hasher.update(before);
            hasher.update(text);
        };
        match self {
            Self::Ed25519 { y } => coordinate(r#"{"crv":"Ed25519","kty":"OKP","x":""#, y),
            Self::P256 { x, y } => {
                coordinate(r#"{"crv":"P-256","kty":"EC","x":""#, x);
                coordinate(r#"","y":""#, y);
            }
        }
        hasher.update(r#""}"#);
        Thumbprint(hasher.finalize().into())
    }
}

impl TryFrom<Coordinates> for VerifyingKey {
    type Error = Refusal;

    fn try_from(coordinates: Coordinates) -> Result<Self, Refusal> {
        match coordinates {
            Coordinates::Ed25519 { y } => Self::ed25519(&y),
            Coordinates::P256 { x, y } => Self::p256(&x, &y),
        }
    }
}

#[derive(Clone, PartialEq, Eq)]
enum Point {
    Ed25519(ed25519_dalek::VerifyingKey),
    P256(p256::ecdsa::VerifyingKey),
}

const fn refused(detail: &'static str) -> Refusal {
    Refusal::new(Code::KeyRefused, detail)
}

const PRINTED: Refusal = refused("the key is an example printed in an RFC: everybody has its private half");

impl VerifyingKey {
    /// An Ed25519 public key (RFC 8032 section 5.1.5).
    ///
    /// # Errors
    /// [`Code::KeyRefused`] for an encoding that is not canonical or no point, a point of small order, a published key.
    pub fn ed25519(bytes: &[u8; 32]) -> Result<Self, Refusal> {
        Self::accepted(Point::ed25519(bytes)?)
    }

    /// An ECDSA P-256 public key by its affine coordinates, big-endian.
    ///
    /// # Errors
    /// [`Code::KeyRefused`] for a point that is not on the curve, or a published key.
    pub fn p256(x: &[u8; 32], y: &[u8; 32]) -> Result<Self, Refusal> {
        Self::accepted(Point::p256(x, y)?)
    }

    fn accepted(point: Point) -> Result<Self, Refusal> {
        let thumbprint = point.thumbprint();
        if published::is_published(&thumbprint) {
            return Err(PRINTED);
        }
        Ok(Self { point, thumbprint, prepared: OnceBox::new() })
    }

    /// Its algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self.point {
            Point::Ed25519(_) => Algorithm::Ed25519,
            Point::P256(_) => Algorithm::P256,
        }
    }

    /// Its RFC 7638 thumbprint: the `keyid` of its signatures.
    #[must_use]
    pub const fn thumbprint(&self) -> Thumbprint {
        self.thumbprint
    }

    /// Makes a table of the key's multiples, for a key that will verify again: that takes as long as two verifications without it, which
    /// is won back after about eight of Ed25519, two of P-256. The table has 20 KiB for Ed25519, 12 KiB for P-256 (little where AWS-LC
    /// verifies). Does nothing where there is one. Clones that are made afterwards share it. What is accepted does not change.
    pub fn prepare(&self) {
        self.prepared.get_or_init(|| Box::new(Arc::new(Prepared::new(&self.point))));
    }

    /// Verifies `signature` over `message`.
    ///
    /// # Errors
    /// [`Code::BadSignature`].
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), Refusal> {
        let verified = match self.prepared.get() {
            Some(prepared) => prepared.verify(message, signature),
            None => self.point.verify(message, signature),
        };
        if verified { Ok(()) } else { Err(Refusal::new(Code::BadSignature, "the signature does not verify")) }
    }

    /// The coordinates as JWK members write them: `x`, and `y` for P-256.
    #[must_use]
    pub fn coordinates(&self) -> ([u8; 32], Option<[u8; 32]>) {
        match self.point.coordinates() {
            Coordinates::Ed25519 { y } => (y, None),
            Coordinates::P256 { x, y } => (x, Some(y)),
        }
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({:?} {})", self.algorithm(), self.thumbprint)
    }
}

/// Whether the y of a compressed point is below 2²⁵⁵ - 19, little-endian, without the sign bit.
fn is_reduced(bytes: &[u8; 32]) -> bool {
    let [lowest, middle @ .., highest] = bytes;
    *lowest < 0xed || highest & 0x7f != 0x7f || middle.iter().any(|byte| *byte != 0xff)
}

impl Point {
    fn ed25519(bytes: &[u8; 32]) -> Result<Self, Refusal> {
        let key = ed25519_dalek::VerifyingKey::from_bytes(bytes)
            .map_err(|_| refused("an Ed25519 key is not a point of the curve"))?;
        // dalek decodes by the rules of ZIP 215. They take a y that is not reduced; and a zero x with the sign bit set,
        // which only points of small order have.
        if !is_reduced(bytes) {
            return Err(refused("an Ed25519 key is not canonically encoded"));
        }
        if key.is_weak() {
            return Err(refused("an Ed25519 key is a point of small order"));
        }
        Ok(Self::Ed25519(key))
    }

    fn p256(x: &[u8; 32], y: &[u8; 32]) -> Result<Self, Refusal> {
        let point = p256::Sec1Point::from_affine_coordinates(x.into(), y.into(), false);
        p256::ecdsa::VerifyingKey::from_sec1_point(&point)
            .map(Self::P256)
            .map_err(|_| refused("a P-256 key is not a point of the curve"))
    }

    fn thumbprint(&self) -> Thumbprint {
        self.coordinates().thumbprint()
    }

    fn coordinates(&self) -> Coordinates {
        match self {
            Self::Ed25519(key) => Coordinates::Ed25519 { y: key.to_bytes() },
            Self::P256(key) => {
                let point = key.to_sec1_point(false);
                let coordinate = |bytes: Option<&p256::FieldBytes>| {
                    bytes.map(|bytes| <[u8; 32]>::from(*bytes)).unwrap_or_default()
                };
                Coordinates::P256 { x: coordinate(point.x()), y: coordinate(point.y()) }
            }
        }
    }

    fn verify(&self, message: &[u8], signature: &Signature) -> bool {
        match self {
            Self::Ed25519(key) => eddsa::verify(key, message, signature),
            Self::P256(key) => ecdsa::verify(key, message, signature),
        }
    }
}

/// A private key. Its bytes are wiped when it is dropped and do not appear in its `Debug`.
pub struct SigningKey {
    secret: Secret,
    verifying_key: VerifyingKey,
}

enum Secret {
    Ed25519(ed25519_dalek::SigningKey),
    P256(p256::ecdsa::SigningKey),
}

impl SigningKey {
    /// Reads the 32 bytes of a private key: the seed of Ed25519 (RFC 8032 section 5.1.5), or the scalar of P-256,
    /// big-endian. A new key is made of 32 bytes from the system's generator.
    ///
    /// # Errors
    /// [`Code::KeyRefused`] for a P-256 scalar that is zero or not below the group order (32 random bytes are with
    /// probability 2⁻³²: draw again), and for published keys.
    pub fn from_bytes(algorithm: Algorithm, bytes: &[u8; 32]) -> Result<Self, Refusal> {
        let (secret, point) = Secret::read(algorithm, bytes)?;
        Ok(Self { secret, verifying_key: VerifyingKey::accepted(point)? })
    }

    /// The 32 bytes again, for whoever stores the key.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        match &self.secret {
            Secret::Ed25519(key) => Zeroizing::new(key.to_bytes()),
            Secret::P256(key) => Zeroizing::new(key.to_bytes().into()),
        }
    }

    /// Its algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.verifying_key.algorithm()
    }

    /// The public half.
    #[must_use]
    pub const fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying_key
    }

    /// Signs `message`, without randomness.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Signature {
        self.secret.sign(message)
    }
}

impl Secret {
    fn read(algorithm: Algorithm, bytes: &[u8; 32]) -> Result<(Self, Point), Refusal> {
        match algorithm {
            Algorithm::Ed25519 => {
                let key = ed25519_dalek::SigningKey::from_bytes(bytes);
                let point = Point::Ed25519(key.verifying_key());
                Ok((Self::Ed25519(key), point))
            }
            Algorithm::P256 => {
                let key = p256::ecdsa::SigningKey::from_slice(bytes)
                    .map_err(|_| refused("a P-256 private key is not a scalar of the curve"))?;
                let point = Point::P256(*key.verifying_key());
                Ok((Self::P256(key), point))
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Signature {
        match self {
            Self::Ed25519(key) => Signature(key.sign(message).to_bytes()),
            Self::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                Signature(signature.normalize_s().to_bytes().into())
            }
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({:?} {})", self.algorithm(), self.verifying_key.thumbprint())
    }
}
