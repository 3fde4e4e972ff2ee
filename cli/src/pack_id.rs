//! What packs are called: their guid, and their URL at a verifier.

use std::fmt;
use std::str::FromStr;

use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::origin::Origin;

/// The guid of a pack, as it was written; upper and lower case are the same.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Guid(String);

impl Guid {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it begins with `prefix`.
    pub(crate) fn starts_with(&self, prefix: &str) -> bool {
        self.0.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    }
}

impl PartialEq for Guid {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Guid {}

impl FromStr for Guid {
    type Err = &'static str;

    /// What a verifier takes for one: 1 to 128 unreserved characters, no dot segment, and not the name of a route.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let ok = (1..=128).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
            && !matches!(text, "." | "..")
            && !text.eq_ignore_ascii_case("deploy");
        if ok { Ok(Self(text.into())) } else { Err("a guid has 1 to 128 characters of A-Z a-z 0-9 . _ ~ -") }
    }
}

impl TryFrom<String> for Guid {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Guid> for String {
    fn from(guid: Guid) -> Self {
        guid.0
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Under which path a pack is called; swarm is the older name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    #[default]
    Pack,
    Swarm,
}

impl Kind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Pack => "pack",
            Self::Swarm => "swarm",
        }
    }
}

/// A pack at a verifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PackId {
    pub(crate) origin: Origin,
    pub(crate) kind: Kind,
    pub(crate) guid: Guid,
}

impl PackId {
    pub(crate) fn url(&self) -> String {
        self.origin.at(&format!("/api/{}/{}", self.kind.as_str(), self.guid))
    }

    /// The pack that a URL leads to, or into.
    pub(crate) fn around(url: &str) -> Option<Self> {
        let origin = Origin::of(url)?;
        let path = Url::parse(url).ok()?.path().to_owned();
        let mut parts = path.strip_prefix("/api/")?.splitn(3, '/');
        let kind = match parts.next()? {
            "pack" => Kind::Pack,
            "swarm" => Kind::Swarm,
            _ => return None,
        };
        Some(Self { origin, kind, guid: parts.next()?.parse().ok()? })
    }
}

impl FromStr for PackId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let whole = text.strip_suffix('/').unwrap_or(text);
        let pack = Self::around(whole);
        // The default port may be written or not; what follows the guid may not.
        let is_whole = |pack: &Self| {
            let end = format!("/api/{}/{}", pack.kind.as_str(), pack.guid);
            whole.ends_with(&end) && !whole.contains(['?', '#'])
        };
        pack.filter(is_whole).ok_or("the URL of a pack is such as https://pack.example/api/pack/GUID")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_pack_or_leads_into_one() {
        for (text, url) in [
            ("https://a.example/api/pack/p1", "https://a.example/api/pack/p1"),
            ("https://A.example:443/api/swarm/P1/", "https://a.example/api/swarm/P1"),
        ] {
            assert_eq!(text.parse::<PackId>().unwrap().url(), url);
        }
        let around = |text: &str| PackId::around(text).map(|pack| pack.url());
        let p1 = Some("https://a.example/api/pack/p1".to_owned());
        assert_eq!(around("https://a.example/api/pack/p1/agent?x=1"), p1);
        assert_eq!(around("https://a.example/api/pack/p1?x=1"), p1);
        for text in [
            "p1",
            "https://a.example",
            "https://a.example/api/pack/",
            "https://a.example/api/pack/deploy",
            "https://a.example/api/packs/p1",
            "https://a.example/x/api/pack/p1",
            "https://a.example/api/pack/p%20",
            "ftp://a.example/api/pack/p1",
        ] {
            assert_eq!(around(text), None, "{text}");
            assert!(text.parse::<PackId>().is_err(), "{text}");
        }
        for text in [
            "https://a.example/api/pack/p1/agent",
            "https://a.example/api/pack/p1?x",
            "https://a.example/api/pack/p1//",
        ] {
            assert!(text.parse::<PackId>().is_err(), "{text}");
        }
    }

    #[test]
    fn guids_are_the_same_in_both_cases() {
        let guid: Guid = "Ab-1".parse().unwrap();
        assert_eq!(guid, "aB-1".parse().unwrap());
        assert!(guid.starts_with("aB") && !guid.starts_with("aB-12") && !guid.starts_with("b"));
        for text in ["", ".", "..", "a/b", "a b", "\u{1b}", "Deploy", &"a".repeat(129)] {
            assert!(text.parse::<Guid>().is_err(), "{text}");
        }
    }
}
