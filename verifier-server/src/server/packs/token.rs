//! Tokens of packs: 32 random bytes behind a prefix, kept as a keyed hash only (`spec/packs.md`, section 3.1).

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use envelope_core::Refusal;
use hmac::{Hmac, KeyInit, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::place::Kind;
use crate::server::random;

/// The keyed hash of a token.
pub(crate) type Mac = [u8; 32];

/// Characters of base64url in 32 bytes.
const LENGTH: usize = 43;

/// The key under which tokens are hashed.
pub(crate) struct TokenKey(Zeroizing<[u8; 32]>);

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey")
    }
}

impl TokenKey {
    /// Derives it from a secret of the store's verifiers (RFC 5869 would say the same with one more step: the secret is
    /// uniformly random already).
    pub(crate) fn derive(secret: &[u8; 32]) -> Self {
        Self(Zeroizing::new(mac(secret, b"envelope: the key of pack tokens")))
    }

    /// The keyed hash of a token.
    pub(crate) fn hash(&self, token: &str) -> Mac {
        mac(&self.0, token.as_bytes())
    }
}

fn mac(key: &[u8; 32], message: &[u8]) -> Mac {
    // A key shorter than the block is padded with zeroes (RFC 2104 section 2).
    let mut block = Zeroizing::new([0; 64]);
    block.iter_mut().zip(key).for_each(|(byte, key)| *byte = *key);
    let mut mac = Hmac::<Sha256>::new(&(*block).into());
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// Compares in a time that does not depend on where two hashes differ.
pub(super) fn same(a: &Mac, b: &Mac) -> bool {
    a.ct_eq(b).into()
}

/// As the store has it.
pub(crate) fn encode(mac: &Mac) -> String {
    Base64UrlUnpadded::encode_string(mac)
}

pub(super) fn decode(text: &str) -> Option<Mac> {
    Base64UrlUnpadded::decode_vec(text).ok()?.try_into().ok()
}

impl Kind {
    /// What tokens of it begin with.
    const fn prefix(self) -> &'static str {
        match self {
            Self::Pack => "tok_",
            Self::Swarm => "rsk_",
        }
    }
}

/// Makes a token.
///
/// # Errors
/// When the system gives no random bytes.
pub(crate) fn make(kind: Kind) -> Result<Zeroizing<String>, Refusal> {
    random::secret(kind.prefix())
}

/// Whether a bearer is meant as a token of a pack: what begins like one is never shown to anybody else.
pub(crate) fn is_token(bearer: &str) -> bool {
    [Kind::Pack, Kind::Swarm].iter().any(|kind| bearer.starts_with(kind.prefix()))
}

/// Whether it can be one.
pub(crate) fn is_well_formed(bearer: &str) -> bool {
    let secret = [Kind::Pack, Kind::Swarm].iter().find_map(|kind| bearer.strip_prefix(kind.prefix()));
    secret.is_some_and(|secret| secret.len() == LENGTH)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test panics when it fails")]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_told_from_another_bearer_and_hashed_under_a_key() {
        let token = make(Kind::Pack).unwrap();
        assert!(token.starts_with("tok_") && is_token(&token) && is_well_formed(&token));
        assert!(make(Kind::Swarm).unwrap().starts_with("rsk_"));
        assert_ne!(token, make(Kind::Pack).unwrap());
        assert!(is_token("tok_") && !is_well_formed("tok_"));
        assert!(!is_token("ghp_x") && !is_token(""));
        let (a, b) = (TokenKey::derive(&[1; 32]), TokenKey::derive(&[2; 32]));
        assert_ne!(a.hash(&token), b.hash(&token));
        assert!(same(&a.hash(&token), &a.hash(&token)));
        assert!(!same(&a.hash(&token), &a.hash("tok_")));
        assert_eq!(decode(&encode(&a.hash(&token))), Some(a.hash(&token)));
    }

    #[test]
    fn the_hash_is_hmac_sha256() {
        // RFC 4231, test case 1 has a key of 20 bytes, which HMAC pads with zeroes.
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        let expected = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7";
        let hex: String = mac(&key, b"Hi There").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, expected);
    }
}
