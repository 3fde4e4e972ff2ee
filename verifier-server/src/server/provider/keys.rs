//! The keys of an OpenID Connect issuer: found by its discovery document, held, and fetched anew when they may have changed.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::header::HeaderMap;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header};
use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
// Its clock is one that tests can move.
use tokio::time::Instant;

use super::super::config::ConfigError;
use super::Unavailable;
use super::client::{self, Asked, Client};
use super::config::{is_safe, read_url};

/// Keys older than that are fetched anew before they are used, if the issuer answers.
const FRESH: Duration = Duration::from_secs(3600);
/// Between two attempts to fetch keys …
const PAUSE: Duration = Duration::from_secs(60);
/// … and while there are none.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// An issuer's keys, as far as they are known.
#[derive(Debug)]
pub(super) struct Keys {
    issuer: String,
    discovery: Url,
    client: Client,
    held: ArcSwapOption<Held>,
    /// When keys were fetched last, and what came of it. Who holds the lock fetches them.
    last: Mutex<Option<(Instant, Result<(), Unavailable>)>>,
}

/// What the issuer published when it was asked last.
#[derive(Debug)]
struct Held {
    keys: Vec<Arc<Key>>,
    endpoints: Endpoints,
    fetched: Instant,
}

/// Where a device logs in.
#[derive(Clone, Debug, Default)]
pub(super) struct Endpoints {
    pub(super) device_authorization: Option<String>,
    pub(super) token: Option<String>,
}

/// A key, and what it may have signed.
#[derive(Debug)]
pub(super) struct Key {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    pub(super) key: DecodingKey,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
    device_authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

impl Keys {
    pub(super) fn new(issuer: &str, asked: &Asked) -> Result<Self, ConfigError> {
        let url = read_url("the issuer of OpenID tokens", issuer)?;
        let discovery = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        Ok(Self {
            issuer: issuer.into(),
            discovery: read_url("the issuer of OpenID tokens", &discovery)?,
            client: Client::new(&url, HeaderMap::new(), asked.clone())?,
            held: ArcSwapOption::empty(),
            last: Mutex::new(None),
        })
    }

    /// The key that must have signed a token with this header; `None`: the issuer has no such key.
    ///
    /// # Errors
    /// When that cannot be said without the issuer, and the issuer does not answer.
    pub(super) async fn key(self: &Arc<Self>, header: &Header) -> Result<Option<Arc<Key>>, Unavailable> {
        if let Some(key) = self.recall(header) {
            return Ok(Some(key));
        }
        let refreshed = self.refresh().await;
        match self.held.load().as_ref().and_then(|held| held.find(header)) {
            // An issuer that is down takes nobody's key away.
            Some(key) => Ok(Some(key)),
            None => refreshed.map(|()| None),
        }
    }

    /// The same from what is held and fresh.
    pub(super) fn recall(&self, header: &Header) -> Option<Arc<Key>> {
        let held = self.held.load();
        held.as_ref().filter(|held| held.fetched.elapsed() < FRESH)?.find(header)
    }

    /// Where a device logs in, if the issuer has said so.
    pub(super) async fn endpoints(self: &Arc<Self>) -> Endpoints {
        if self.held.load().is_none() {
            // What came of it shows below.
            let _ = self.refresh().await;
        }
        self.held.load().as_ref().map(|held| held.endpoints.clone()).unwrap_or_default()
    }

    /// Fetches the keys, unless that was tried just before. A task of its own: a client that goes away does not break it off.
    async fn refresh(self: &Arc<Self>) -> Result<(), Unavailable> {
        let keys = Arc::clone(self);
        tokio::spawn(async move { keys.take_turn().await }).await.unwrap_or(Err(Unavailable::Unreachable))
    }

    async fn take_turn(&self) -> Result<(), Unavailable> {
        let mut last = self.last.lock().await;
        let pause = if self.held.load().is_some() { PAUSE } else { FIRST_PAUSE };
        if let Some((when, outcome)) = &*last
            && when.elapsed() < pause
        {
            return *outcome;
        }
        let outcome = client::in_time(self.fetch()).await.map(|held| self.held.store(Some(Arc::new(held))));
        if let Err(error) = &outcome {
            tracing::warn!(%error, issuer = self.issuer, "keys of the issuer");
        }
        *last = Some((Instant::now(), outcome));
        outcome
    }

    async fn fetch(&self) -> Result<Held, Unavailable> {
        let found: Discovery = self.client.document(&self.discovery).await?;
        if found.issuer != self.issuer {
            return Err(Unavailable::Malformed("it speaks for another issuer"));
        }
        let jwks_uri = endpoint(&found.jwks_uri).ok_or(Unavailable::Malformed("jwks_uri is no safe URL"))?;
        let set: KeySet = self.client.document(&jwks_uri).await?;
        let is_endpoint = |url: &String| endpoint(url).is_some();
        Ok(Held {
            // What cannot be read here may be for somebody else.
            keys: set.keys.into_iter().filter_map(read_key).map(Arc::new).collect(),
            endpoints: Endpoints {
                device_authorization: found.device_authorization_endpoint.filter(is_endpoint),
                token: found.token_endpoint.filter(is_endpoint),
            },
            fetched: Instant::now(),
        })
    }
}

impl Held {
    /// By its id and for that algorithm. A token that names no key must leave no choice.
    fn find(&self, header: &Header) -> Option<Arc<Key>> {
        let mut fitting = self.keys.iter().filter(|key| key.algorithms.contains(&header.alg));
        match &header.kid {
            Some(id) => fitting.find(|key| key.id.as_ref() == Some(id)).cloned(),
            None => fitting.next().filter(|_| fitting.next().is_none()).cloned(),
        }
    }
}

fn endpoint(url: &str) -> Option<Url> {
    Url::parse(url).ok().filter(is_safe)
}

/// A public key that signs tokens; its kind says by which algorithms, and its `alg` by which of them.
fn read_key(jwk: Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(jwk).ok()?;
    let common = &jwk.common;
    let is_for_signatures =
        common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature)
            && common.key_operations.as_ref().is_none_or(|all| all.contains(&KeyOperations::Verify));
    let algorithms: &[Algorithm] = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => jsonwebtoken::AlgorithmFamily::Rsa.algorithms(),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => &[Algorithm::ES256],
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => &[Algorithm::ES384],
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => &[Algorithm::EdDSA],
        _ => return None,
    };
    let is_its_own =
        |algorithm: &Algorithm| common.key_algorithm.is_none_or(|own| own == (*algorithm).into());
    let algorithms: Vec<_> = algorithms.iter().copied().filter(is_its_own).collect();
    if !is_for_signatures || algorithms.is_empty() {
        return None;
    }
    Some(Key { id: common.key_id.clone(), algorithms, key: DecodingKey::from_jwk(&jwk).ok()? })
}
