//! A secret that is text: the token of a pack, the token of an identity provider, the value of a header field.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// The longest secret: what identity providers hand out can be long.
const MAX_LENGTH: usize = 16 * 1024;

/// Wiped when dropped; `Debug` says nothing of it, and nothing prints it by accident.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Zeroizing<String>);

impl Secret {
    /// Any token: visible ASCII, as RFC 6749 has it.
    pub(crate) fn token(text: &str) -> Option<Self> {
        let ok = (1..=MAX_LENGTH).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        ok.then(|| Self(Zeroizing::new(text.into())))
    }

    /// Whatever may be one, such as the value of a header field.
    pub(crate) fn any(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The token of a pack: packs.md, section 3.1.
    pub(crate) fn pack_token(text: &str) -> Option<Self> {
        let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let random = text.strip_prefix("tok_").or_else(|| text.strip_prefix("rsk_"))?;
        let ok = random.len() == 43 && random.bytes().all(is_base64url);
        ok.then(|| Self(Zeroizing::new(text.into())))
    }

    /// The secret itself.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Token)
    }
}

/// Copies the text once, to where it is wiped.
struct Token;

impl Visitor<'_> for Token {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a token")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Secret, E> {
        // The error must not repeat the text.
        Secret::token(text).ok_or_else(|| E::custom("not a token"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "tok_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    #[test]
    fn a_token_of_a_pack_has_one_shape() {
        assert_eq!(Secret::pack_token(TOKEN).unwrap().expose(), TOKEN);
        assert!(Secret::pack_token(&TOKEN.replace("tok", "rsk")).is_some());
        for text in
            ["", "tok_", &TOKEN[1..], &TOKEN[..46], &format!("{TOKEN}A"), &TOKEN.replacen("AA", "A=", 1)]
        {
            assert!(Secret::pack_token(text).is_none(), "{text}");
        }
        for text in ["", "a b", "a\n", "ä", &"a".repeat(MAX_LENGTH + 1)] {
            assert!(Secret::token(text).is_none(), "{text}");
        }
    }

    #[test]
    fn nothing_says_what_it_is_by_accident() {
        let secret = Secret::token("SECRET").unwrap();
        assert_eq!(format!("{secret:?} {secret:#?}"), "Secret Secret");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"SECRET\"");
        assert_eq!(serde_json::from_str::<Secret>("\"SECRET\"").unwrap(), secret);
        let error = serde_json::from_str::<Secret>("\"SECRET \\u001b\"").unwrap_err();
        assert!(!error.to_string().contains("SECRET"), "{error}");
    }
}
