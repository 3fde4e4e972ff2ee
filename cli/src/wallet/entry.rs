//! What the wallet holds: verifiers, and what keys have said of themselves.

use base64ct::{Base64UrlUnpadded, Encoding};
use envelope_core::{Thumbprint, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::delivery::About;
use crate::identity::Name;
use crate::origin::Origin;

/// A verifier to which one of the identities here is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Verifier {
    /// Where it is.
    pub(crate) url: Origin,
    /// The identity here whose keys sign what is sent there.
    #[serde(with = "as_text")]
    pub(crate) identity: Name,
    /// What that identity is called there; empty where it never said.
    pub(crate) name: String,
    /// The packs that it may call there, as far as it was told.
    pub(crate) packs: Vec<String>,
    /// The statements that it has not heard yet, by their `id`, in the order in which it must hear them.
    #[serde(default)]
    pub(crate) owed: Vec<String>,
    /// What went wrong when it was to be told.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) trouble: Option<Trouble>,
}

/// Why a verifier could not be told something, and when that was last tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trouble {
    /// Seconds since 1970.
    pub(crate) at: u64,
    pub(crate) why: String,
    /// It was reached, and said no.
    pub(crate) refused: bool,
}

/// What a key has said of itself: that it has a successor, or that it retires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Statement {
    /// The SHA-256 of `text`.
    pub(crate) id: String,
    /// Whose key it is.
    #[serde(with = "as_text")]
    pub(crate) identity: Name,
    /// The key that speaks.
    #[serde(with = "keyid")]
    pub(crate) key: Thumbprint,
    /// Its successor, and until when the key itself is good; a key without one retires.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) successor: Option<Successor>,
    /// What verifiers are sent.
    pub(crate) text: String,
    /// The files here agree with it: the successor is in its place, the key that retired is gone.
    pub(crate) settled: bool,
}

/// The key that comes after another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Successor {
    #[serde(with = "keyid")]
    pub(crate) key: Thumbprint,
    /// Seconds since 1970.
    pub(crate) until: u64,
}

impl Statement {
    pub(crate) fn new(identity: Name, key: Thumbprint, successor: Option<Successor>, text: String) -> Self {
        let id = Base64UrlUnpadded::encode_string(&Sha256::digest(text.as_bytes()));
        Self { id, identity, key, successor, text, settled: false }
    }

    /// What a verifier that has heard it says.
    pub(crate) fn about(&self) -> About {
        match self.successor {
            Some(successor) => About::Successor(successor.key),
            None => About::Retired(self.key),
        }
    }
}

/// How long a verifier is left alone that could not be told, in seconds, by commands that are for others.
const RETRY: u64 = 60;

impl Verifier {
    /// Whether it is owed something and may be tried again by the way.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        !self.owed.is_empty()
            && self.trouble.as_ref().is_none_or(|trouble| now.as_unix().abs_diff(trouble.at) >= RETRY)
    }

    /// Why it could not be told; nothing where it was not tried, or has heard.
    pub(crate) fn why(&self) -> &str {
        self.trouble.as_ref().map(|trouble| trouble.why.as_str()).unwrap_or_default()
    }

    pub(crate) fn new(url: Origin, identity: Name, name: String, packs: Vec<String>) -> Self {
        Self { url, identity, name, packs, owed: Vec::new(), trouble: None }
    }
}

/// What is read from and written as text.
mod as_text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr<Err = &'static str>,
        D: Deserializer<'de>,
    {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

mod keyid {
    use envelope_core::Thumbprint;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(key: &Thumbprint, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(key)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Thumbprint, D::Error> {
        let text = String::deserialize(deserializer)?;
        Thumbprint::parse(&text).ok_or_else(|| D::Error::custom("not a keyid"))
    }
}
