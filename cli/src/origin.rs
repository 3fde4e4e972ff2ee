//! The origin of a verifier: scheme, host and port, in the one spelling in which they are compared.

use std::fmt;
use std::str::FromStr;

use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::address;

/// `https://pack.example`, `http://127.0.0.1:7998`: without a path, the default port left out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Origin(String);

impl Origin {
    /// That of a URL that can be signed.
    pub(crate) fn of(url: &str) -> Option<Self> {
        let (url, authority) = address::exact(url).ok()?;
        Some(Self(format!("{}://{authority}", url.scheme())))
    }

    /// A URL there.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether what goes there can be read on the way: neither HTTPS nor this very machine.
    pub(crate) fn is_open_to_all(&self) -> bool {
        Url::parse(&self.0).is_ok_and(|url| url.scheme() == "http" && !address::is_loopback(&url))
    }
}

impl FromStr for Origin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let origin = Self::of(text).ok_or("a verifier is a URL such as https://pack.example")?;
        let rest = Url::parse(text).map_err(|_| "a verifier is a URL such as https://pack.example")?;
        if rest.path() == "/" && rest.query().is_none() {
            Ok(origin)
        } else {
            Err("a verifier is a URL without a path, such as https://pack.example")
        }
    }
}

impl TryFrom<String> for Origin {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> Self {
        origin.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_one_spelling() {
        for (text, origin) in [
            ("http://127.0.0.1:7998", "http://127.0.0.1:7998"),
            ("https://Pack.Example:443/", "https://pack.example"),
            ("http://a.example:80", "http://a.example"),
            ("https://a.example:80", "https://a.example:80"),
        ] {
            assert_eq!(text.parse::<Origin>().unwrap().as_str(), origin);
        }
        assert_eq!(Origin::of("https://a.example/b/c?d").unwrap().as_str(), "https://a.example");
        for text in [
            "a.example",
            "ftp://a.example",
            "https://a.example/b",
            "https://a.example/?b",
            "https://a:b@c/",
            "",
        ] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_goes_over_plain_http_to_others_can_be_read() {
        let is_open = |text: &str| text.parse::<Origin>().unwrap().is_open_to_all();
        assert!(is_open("http://pack.example"));
        assert!(!is_open("https://pack.example"));
        assert!(!is_open("http://127.0.0.1:7998"));
        assert!(!is_open("http://localhost:7998"));
    }
}
