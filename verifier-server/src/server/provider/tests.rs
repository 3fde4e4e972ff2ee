//! Against stand-ins of GitHub and of an issuer, whose faults can be switched on. No test goes by the clock on the wall: time
//! passes when a test says so.

#[path = "../../../tests/support/github.rs"]
mod fake_github;
#[path = "../../../tests/support/oidc.rs"]
mod fake_oidc;
#[path = "../../../tests/support/oidc_provider.rs"]
mod oidc_provider;
#[path = "../../../tests/support/stand_in.rs"]
mod stand_in;

mod configured;
mod github;
mod keys;
mod known;
mod oidc;
mod real;
mod tokens;

use std::time::Duration;

use envelope_core::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::*;
use fake_github::Github as FakeGithub;
use fake_oidc::Issuer as FakeIssuer;

/// The time for tokens; by any other clock, they have expired long ago.
const NOW: u64 = 1_700_000_000;
const MINUTE: Duration = Duration::from_secs(60);
/// An instant before something ends.
const MOMENT: Duration = Duration::from_millis(10);

fn github_at(api: &str) -> ProviderConfig {
    let github = GithubConfig { api: api.into(), web: GithubConfig::WEB.into(), client_id: None };
    ProviderConfig { github: Some(github), oidc: None }
}

fn oidc_at(issuer: &str) -> OidcConfig {
    OidcConfig {
        name: "oidc".into(),
        issuer: issuer.into(),
        client_id: Some("envelope".into()),
        audience: None,
        algorithms: OidcConfig::ALGORITHMS.map(String::from).to_vec(),
        user_claim: "sub".into(),
        groups_claim: "groups".into(),
        scope: "openid".into(),
    }
}

fn providers(config: &ProviderConfig) -> Providers {
    Providers::with_clock(config, Clock::new(|| Timestamp::from_unix(NOW))).unwrap().unwrap()
}

fn with_github(github: &FakeGithub) -> Providers {
    providers(&github_at(&github.url()))
}

fn with_oidc(config: OidcConfig) -> Providers {
    providers(&ProviderConfig { github: None, oidc: Some(config) })
}

/// Somebody, as they come out of a check.
fn user(identity: &str, groups: &[&str]) -> Result<Option<Arc<User>>, Unavailable> {
    Ok(Some(Arc::new(User {
        identity: Identity::new(identity).unwrap(),
        name: identity.split_once(':').unwrap().1.into(),
        groups: groups.iter().copied().map(String::from).collect(),
    })))
}

/// Time passes.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// Waits until something on another thread is so.
async fn until(is_so: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it does not come to that");
}

/// A key of an issuer, and its name.
struct IssuerKey {
    id: &'static str,
    algorithm: Algorithm,
    key: EncodingKey,
}

impl IssuerKey {
    fn new(id: &'static str, algorithm: Algorithm) -> Self {
        use aws_lc_rs::encoding::AsDer;
        use aws_lc_rs::{rand::SystemRandom, rsa, signature};

        let random = SystemRandom::new();
        let ec = |curve| signature::EcdsaKeyPair::generate_pkcs8(curve, &random).unwrap();
        let key = match algorithm {
            Algorithm::ES256 => {
                EncodingKey::from_ec_der(ec(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).as_ref())
            }
            Algorithm::ES384 => {
                EncodingKey::from_ec_der(ec(&signature::ECDSA_P384_SHA384_FIXED_SIGNING).as_ref())
            }
            Algorithm::EdDSA => {
                let pkcs8 = signature::Ed25519KeyPair::generate_pkcs8v1(&random).unwrap();
                EncodingKey::from_ed_der(pkcs8.as_ref())
            }
            _ => {
                let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
                let pkcs8 = pair.as_der().unwrap();
                // In PKCS#8 of this size, PKCS#1 begins there.
                EncodingKey::from_rsa_der(&pkcs8.as_ref()[26..])
            }
        };
        Self { id, algorithm, key }
    }

    /// Its public half, as issuers publish it.
    fn jwk(&self) -> Value {
        let jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&self.key, self.algorithm).unwrap();
        let mut jwk = serde_json::to_value(jwk).unwrap();
        jwk["kid"] = self.id.into();
        jwk["use"] = "sig".into();
        jwk
    }

    fn header(&self) -> Header {
        Header { kid: Some(self.id.into()), ..Header::new(self.algorithm) }
    }

    fn sign(&self, claims: &Value) -> String {
        self.sign_with(&self.header(), claims)
    }

    fn sign_with(&self, header: &Header, claims: &Value) -> String {
        jsonwebtoken::encode(header, claims, &self.key).unwrap()
    }
}

/// The claims of a good token of `issuer`.
fn claims(issuer: &FakeIssuer) -> Value {
    json!({ "iss": issuer.url(), "aud": "envelope", "sub": "alice", "iat": NOW - 10, "exp": NOW + 600 })
}

/// The same with a change.
fn changed(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}
