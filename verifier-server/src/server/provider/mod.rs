//! Identity providers: whose an HTTP bearer token is (option B).
//!
//! A bearer that looks like a JWT is checked here by the keys of an OpenID Connect issuer (`oidc`, `keys`). Any other is put to
//! GitHub (`github`), and what GitHub said is kept for a while (`cache`). No token is ever logged, shown in an error, or kept:
//! the cache knows its hash.

mod cache;
mod client;
mod config;
mod github;
mod keys;
mod oidc;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use envelope_core::Identity;
use http::StatusCode;

use super::config::ConfigError;
use crate::clock::Clock;
pub(crate) use client::Asked;
pub use config::{GithubConfig, OidcConfig, ProviderConfig};
use github::Github;
use oidc::Oidc;

/// Somebody whom a provider vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    /// The provider and the name there: `github:alice`.
    pub(crate) identity: Identity,
    /// The name there.
    pub(crate) name: String,
    /// Organisations (`acme`) and teams of them (`sales@acme`), in order, each once.
    pub(crate) groups: Vec<String>,
}

/// Why nobody can say whose a token is. Another attempt may go better; nothing of this is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unavailable {
    /// The provider cannot be reached, or broke off.
    Unreachable,
    /// It did not answer in time.
    Late,
    /// It has been asked too often.
    RateLimited,
    /// It answers with a status that says nothing about the token.
    Status(StatusCode),
    /// Its answer is not what it should be.
    Malformed(&'static str),
}

impl Unavailable {
    /// One word of few, for whoever counts.
    const fn kind(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Late => "timeout",
            Self::RateLimited => "rate_limited",
            Self::Status(_) => "status",
            Self::Malformed(_) => "malformed",
        }
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable => f.write_str("the identity provider cannot be reached"),
            Self::Late => f.write_str("the identity provider did not answer in time"),
            Self::RateLimited => f.write_str("the identity provider has been asked too often"),
            Self::Status(status) => {
                write!(f, "the identity provider answers with status {}", status.as_u16())
            }
            Self::Malformed(what) => write!(f, "the identity provider's answer: {what}"),
        }
    }
}

impl std::error::Error for Unavailable {}

/// The providers that are configured.
#[derive(Debug)]
pub(crate) struct Providers {
    asked: Asked,
    github: Option<Github>,
    oidc: Option<Oidc>,
}

/// Who can say whose a bearer is.
enum Issuer<'a> {
    Github(&'a Github),
    Oidc(&'a Oidc),
}

/// What the verifier mints itself. No provider knows such a token, and none shall be told one.
const OWN_TOKENS: [&str; 3] = ["tok_", "rsk_", "tkt_"];
/// No provider issues longer ones.
const MAX_BEARER: usize = 16 * 1024;

impl Providers {
    /// The providers of a configuration; `None` when it has none.
    pub(crate) fn new(config: &ProviderConfig) -> Result<Option<Self>, ConfigError> {
        Self::with_clock(config, Clock::system())
    }

    fn with_clock(config: &ProviderConfig, clock: Clock) -> Result<Option<Self>, ConfigError> {
        let asked = client::asked();
        let github = config.github.as_ref().map(|config| Github::new(config, &asked)).transpose()?;
        let oidc = config.oidc.as_ref().map(|config| Oidc::new(config, clock, &asked)).transpose()?;
        Ok((github.is_some() || oidc.is_some()).then_some(Self { asked, github, oidc }))
    }

    /// How long each request to them took, and what came of it.
    pub(crate) fn asked(&self) -> Asked {
        self.asked.clone()
    }

    /// Whose a bearer is. `None`: the provider says that it is no good, or nobody here issues such tokens.
    pub(crate) async fn check(&self, bearer: &str) -> Result<Option<Arc<User>>, Unavailable> {
        match self.issuer(bearer) {
            None => Ok(None),
            Some(Issuer::Github(github)) => github.check(bearer).await,
            Some(Issuer::Oidc(oidc)) => oidc.check(bearer).await,
        }
    }

    /// The same without a question to a provider; `None`: it would take one.
    pub(crate) async fn recall(&self, bearer: &str) -> Option<Option<Arc<User>>> {
        match self.issuer(bearer) {
            None => Some(None),
            Some(Issuer::Github(github)) => github.recall(bearer).await,
            Some(Issuer::Oidc(oidc)) => oidc.recall(bearer),
        }
    }

    /// Where a client gets a token by the device flow (RFC 8628): one object for each provider that knows this verifier's
    /// clients.
    pub(crate) async fn login_options(&self) -> serde_json::Value {
        let github = self.github.as_ref().and_then(Github::login_option);
        let oidc = match &self.oidc {
            Some(oidc) => oidc.login_option().await,
            None => None,
        };
        github.into_iter().chain(oidc).collect()
    }

    fn issuer(&self, bearer: &str) -> Option<Issuer<'_>> {
        let is_own = OWN_TOKENS.iter().any(|prefix| bearer.starts_with(prefix));
        if is_own || !is_bearer(bearer) {
            return None;
        }
        match &self.oidc {
            Some(oidc) if looks_like_jwt(bearer) => Some(Issuer::Oidc(oidc)),
            _ => self.github.as_ref().map(Issuer::Github),
        }
    }
}

/// `b64token` of RFC 6750 section 2.1.
fn is_bearer(bearer: &str) -> bool {
    let is_character = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    (1..=MAX_BEARER).contains(&bearer.len()) && bearer.bytes().all(is_character)
}

/// Three parts in base64url.
fn looks_like_jwt(bearer: &str) -> bool {
    let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(is_base64url);
    bearer.split('.').count() == 3 && bearer.split('.').all(is_part)
}
