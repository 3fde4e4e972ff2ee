//! OpenID Connect: a token is checked here, by the keys of its issuer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use envelope_core::Identity;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Header, Validation};
use serde_json::{Map, Value, json};

use super::super::config::{ConfigError, Placed};
use super::client::Asked;
use super::config::{OidcConfig, read_client_id};
use super::keys::{Key, Keys};
use super::{Unavailable, User};
use crate::clock::Clock;

/// How far the issuer's clock may be off, in seconds.
const LEEWAY: u64 = 5;

/// An issuer, and what its tokens are held to.
#[derive(Debug)]
pub(super) struct Oidc {
    name: String,
    issuer: String,
    client_id: Option<String>,
    audience: String,
    algorithms: Vec<Algorithm>,
    user_claim: String,
    groups_claim: String,
    scope: String,
    keys: Arc<Keys>,
    clock: Clock,
}

type Claims = Map<String, Value>;

impl Oidc {
    pub(super) fn new(config: &OidcConfig, clock: Clock, asked: &Asked) -> Result<Self, ConfigError> {
        config.check_claims()?;
        Ok(Self {
            name: config.checked_name().at("oidc-name")?.into(),
            issuer: config.issuer.clone(),
            client_id: read_client_id(config.client_id.as_ref()).at("oidc-client-id")?,
            audience: config.checked_audience()?.into(),
            algorithms: config.checked_algorithms().at("oidc-algorithm")?,
            user_claim: config.user_claim.clone(),
            groups_claim: config.groups_claim.clone(),
            scope: config.scope.clone(),
            keys: Arc::new(Keys::new(&config.issuer, asked).at("oidc-issuer")?),
            clock,
        })
    }

    pub(super) async fn login_option(&self) -> Option<Value> {
        let client_id = self.client_id.as_ref()?;
        let mut option = json!({
            "provider": self.name,
            "kind": "oidc",
            "issuer": self.issuer,
            "client_id": client_id,
            "scope": self.scope,
        });
        let endpoints = self.keys.endpoints().await;
        for (name, url) in [
            ("device_authorization_endpoint", endpoints.device_authorization),
            ("token_endpoint", endpoints.token),
        ] {
            if let (Some(option), Some(url)) = (option.as_object_mut(), url) {
                option.insert(name.into(), url.into());
            }
        }
        Some(option)
    }

    pub(super) async fn check(&self, token: &str) -> Result<Option<Arc<User>>, Unavailable> {
        let Some(header) = self.header(token) else { return Ok(None) };
        Ok(self.keys.key(&header).await?.and_then(|key| self.user(token, &header, &key)))
    }

    /// By the keys at hand.
    pub(super) fn recall(&self, token: &str) -> Option<Option<Arc<User>>> {
        let Some(header) = self.header(token) else { return Some(None) };
        self.keys.recall(&header).map(|key| self.user(token, &header, &key))
    }

    /// The header of a token that could be one of ours: of an accepted algorithm and of a kind that is shown to servers.
    fn header(&self, token: &str) -> Option<Header> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        let kind = header.typ.as_deref().unwrap_or("JWT").to_ascii_lowercase();
        // A logout token, say, is signed by the same keys for the same audience, and opens nothing (RFC 8725 section 3.11).
        let is_ours = matches!(kind.strip_prefix("application/").unwrap_or(&kind), "jwt" | "at+jwt");
        (is_ours && header.crit.is_none() && self.algorithms.contains(&header.alg)).then_some(header)
    }

    fn user(&self, token: &str, header: &Header, key: &Key) -> Option<Arc<User>> {
        match self.verify(token, header, key) {
            Ok(user) => Some(Arc::new(user)),
            Err(reason) => {
                tracing::debug!(reason, issuer = self.issuer, "a token is refused");
                None
            }
        }
    }

    fn verify(&self, token: &str, header: &Header, key: &Key) -> Result<User, &'static str> {
        let mut validation = Validation::new(header.alg);
        validation.set_required_spec_claims(&["iss", "aud", "exp"]);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        // By this verifier's clock, below.
        validation.validate_exp = false;
        let token = jsonwebtoken::decode::<Claims>(token, &key.key, &validation);
        let claims = token.map_err(|error| reason(error.kind()))?.claims;

        let now = self.clock.now().as_unix();
        if claims.get("exp").and_then(seconds).ok_or("exp is no time")?.saturating_add(LEEWAY) <= now {
            return Err("it has expired");
        }
        if let Some(from) = claims.get("nbf")
            && seconds(from).ok_or("nbf is no time")? > now.saturating_add(LEEWAY)
        {
            return Err("it is not valid yet");
        }
        if claims.contains_key("cnf") {
            return Err("it is bound to a key (RFC 9449, RFC 8705), so it is no bearer token");
        }
        self.read(&claims)
    }

    fn read(&self, claims: &Claims) -> Result<User, &'static str> {
        let text = |claim: &str| claims.get(claim).and_then(Value::as_str).filter(|text| !text.is_empty());
        text("sub").ok_or("sub is not there")?;
        let name = text(&self.user_claim).ok_or("the claim that names the user is not there")?;
        // Anybody may have written down anybody's address.
        if self.user_claim == "email" && claims.get("email_verified") != Some(&Value::Bool(true)) {
            return Err("the address is not verified");
        }
        let identity = Identity::new(&format!("{}:{name}", self.name));
        let identity = identity.ok_or("the user's name cannot be that of an identity")?;
        let listed = match claims.get(&self.groups_claim) {
            Some(Value::Array(groups)) => groups.as_slice(),
            _ => &[],
        };
        let groups: BTreeSet<_> = listed.iter().filter_map(Value::as_str).flat_map(groups).collect();
        Ok(User { identity, name: name.into(), groups: groups.into_iter().collect() })
    }
}

/// What an issuer's group is here: `acme/sales`, `/acme/sales` and `sales@acme` are the team `sales@acme` of the organisation
/// `acme`; anything else is what it is.
fn groups(listed: &str) -> Vec<String> {
    let is_name = |name: &str| !name.is_empty() && !name.contains(['/', '@']);
    let path = listed.strip_prefix('/').unwrap_or(listed).split_once('/');
    let team = path.or_else(|| listed.split_once('@').map(|(team, organisation)| (organisation, team)));
    match team {
        Some((organisation, team)) if is_name(organisation) && is_name(team) => {
            vec![organisation.into(), format!("{team}@{organisation}")]
        }
        _ if listed.is_empty() => Vec::new(),
        _ => vec![listed.into()],
    }
}

/// A `NumericDate` (RFC 7519 section 2), which may have a fraction.
fn seconds(date: &Value) -> Option<u64> {
    let fraction = || Some(Duration::try_from_secs_f64(date.as_f64()?).ok()?.as_secs());
    date.as_u64().or_else(fraction)
}

/// A fixed text: what the token says is not for the log.
fn reason(error: &ErrorKind) -> &'static str {
    match error {
        ErrorKind::InvalidSignature => "its signature does not verify",
        ErrorKind::InvalidIssuer => "it is from another issuer",
        ErrorKind::InvalidAudience => "it is for another audience",
        ErrorKind::MissingRequiredClaim(_) => "iss, aud or exp is not there",
        _ => "it is malformed",
    }
}
