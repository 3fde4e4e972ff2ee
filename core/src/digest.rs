//! `Content-Digest` (RFC 9530): read strictly, and computed while the body arrives.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use base64ct::{Base64, Encoding};
use sha2::{Digest, Sha256, Sha512};

use crate::error::{Code, Refusal};
use crate::field::Reader;

const WRONG_LENGTH: &str = "a digest does not have the length of its algorithm";

/// The digests of a `Content-Digest` field that the profile checks; both, when there are two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ContentDigest {
    sha256: Option<[u8; 32]>,
    sha512: Option<[u8; 64]>,
}

impl ContentDigest {
    pub(crate) fn parse(value: &[u8]) -> Result<Self, Refusal> {
        let mut reader = Reader::new(value)?;
        let mut digest = Self::default();
        let mut others: Vec<&str> = Vec::new();
        loop {
            let algorithm = reader.key()?;
            reader.expect("=", "a digest has no value")?;
            let repeated = match algorithm {
                "sha-256" => digest.sha256.replace(reader.array(WRONG_LENGTH)?).is_some(),
                "sha-512" => digest.sha512.replace(reader.array(WRONG_LENGTH)?).is_some(),
                _ => {
                    reader.bytes()?;
                    let known = others.contains(&algorithm);
                    others.push(algorithm);
                    known
                }
            };
            if repeated {
                return Err(Refusal::new(Code::Duplicate, "a digest algorithm is there twice"));
            }
            if reader.at_end() {
                return Ok(digest);
            }
            reader.expect(", ", "two digests are not divided by a comma and a space")?;
        }
    }

    const fn is_empty(&self) -> bool {
        self.sha256.is_none() && self.sha512.is_none()
    }
}

/// The value of `Content-Digest` that a signer writes for `body`.
pub(crate) fn write(body: &[u8]) -> String {
    alloc::format!("sha-256=:{}:", Base64::encode_string(&Sha256::digest(body)))
}

/// Hashes a body as it arrives, with the algorithms that its `Content-Digest` names.
#[derive(Clone)]
pub(crate) struct BodyHasher {
    claimed: ContentDigest,
    sha256: Option<Sha256>,
    sha512: Option<Sha512>,
    length: u64,
}

impl BodyHasher {
    pub(crate) fn new(claimed: ContentDigest) -> Self {
        Self {
            claimed,
            sha256: claimed.sha256.map(|_| Sha256::new()),
            sha512: claimed.sha512.map(|_| Sha512::new()),
            length: 0,
        }
    }

    pub(crate) fn update(&mut self, chunk: &[u8]) {
        if let Some(hasher) = &mut self.sha256 {
            hasher.update(chunk);
        }
        if let Some(hasher) = &mut self.sha512 {
            hasher.update(chunk);
        }
        self.length = self.length.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
    }

    /// Refuses when the body is not the one of the field (spec, V6.2 and V6.3).
    pub(crate) fn finish(self) -> Result<(), Refusal> {
        if self.length > 0 && self.claimed.is_empty() {
            return Err(Refusal::new(
                Code::DigestMissing,
                "there is a body and no sha-256 or sha-512 digest of it",
            ));
        }
        let sha256: Option<[u8; 32]> = self.sha256.map(|hasher| hasher.finalize().into());
        let sha512: Option<[u8; 64]> = self.sha512.map(|hasher| hasher.finalize().into());
        if sha256 == self.claimed.sha256 && sha512 == self.claimed.sha512 {
            Ok(())
        } else {
            Err(Refusal::new(Code::DigestMismatch, "the digest is not that of the body"))
        }
    }
}

impl fmt::Debug for BodyHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BodyHasher({} bytes)", self.length)
    }
}
