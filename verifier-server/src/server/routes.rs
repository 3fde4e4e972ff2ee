//! What is served where.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Router, extract};
use envelope_core::{Algorithm, Authorities, Identity, TAG, Timestamp, Users, Verifier, Window};
use http::header;

use super::browsers::Browsers;
use super::config::{Config, ConfigError};
use super::issuer::Issuer;
use super::keys::Keys;
use super::listen::Peer;
use super::upstream::{Hop, Upstream};
use super::{api, forward_auth, gateway};
use crate::clock::Clock;
use crate::guard::Guard;
use crate::mark::Mark;
use crate::replay::ShardedReplayCache;

/// The running program: everything that a request needs.
#[derive(Clone, Debug)]
pub struct App(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    guard: Guard<Arc<Keys>>,
    admins: Vec<Identity>,
    packs: BTreeSet<String>,
    upstream: Option<Upstream>,
    browsers: Browsers,
    trusted_proxies: Vec<IpAddr>,
    body_timeout: Duration,
}

impl App {
    /// The program for a configuration, listening on `address`, with the keys that it knows, and the mark of its data directory
    /// where it has one.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn new(
        config: &Config,
        address: SocketAddr,
        clock: Clock,
        keys: Arc<Keys>,
        mark: Option<Arc<Mark>>,
    ) -> Result<Self, ConfigError> {
        let authorities = if config.authorities.is_empty() {
            // Clients leave the default port out.
            let port = if address.port() == 80 { String::new() } else { format!(":{}", address.port()) };
            let ip = if address.is_ipv6() { format!("[{}]", address.ip()) } else { address.ip().to_string() };
            vec![format!("{ip}{port}"), format!("localhost{port}")]
        } else {
            config.authorities.clone()
        };
        if config.upstream.as_ref().is_some_and(|upstream| leads_to(upstream, address)) {
            return Err(ConfigError::new(
                "the upstream is this verifier itself",
                "--upstream is the address of the server behind it",
            ));
        }
        let authorities = Authorities::new(authorities).map_err(|refusal| {
            ConfigError::new(refusal.detail(), "name the host that clients address with --authority")
        })?;
        let replay = ShardedReplayCache::new(config.replay_capacity).map_err(|error| {
            ConfigError::new(format!("no random bytes: {error}"), "check the system's generator")
        })?;
        let verifier = Verifier::new(authorities).with_window(config.window);
        let guard = Guard::new(verifier, keys, config.policy.clone())
            .with_replay_cache(Arc::new(replay))
            .with_clock(clock)
            .with_max_body(config.max_body);
        let guard = match mark {
            Some(mark) => guard.with_mark(mark),
            None => guard,
        };
        let upstream_timeout = Duration::from_secs(config.timeouts.upstream);
        let upstream =
            config.upstream.clone().map(|origin| Upstream::new(origin, upstream_timeout)).transpose()?;
        Ok(Self(Arc::new(Inner {
            guard,
            admins: config.admins.clone(),
            packs: config.packs.clone(),
            upstream,
            browsers: Browsers::new(config.cors_origins.clone()),
            trusted_proxies: config.trusted_proxies.clone(),
            body_timeout: Duration::from_secs(config.timeouts.body),
        })))
    }

    /// The routes. Only the gateway has browsers at the other end.
    pub fn router(self) -> Router {
        let gateway = Router::new()
            .fallback(gateway::handle)
            .layer(middleware::from_fn_with_state(self.clone(), cross_origin))
            .with_state(self.clone());
        Router::new()
            .route("/verify", any(forward_auth::handle))
            .route("/.well-known/envelope", get(describe))
            .route("/health", get(health))
            .merge(api::routes())
            .with_state(self)
            .fallback_service(gateway)
    }

    pub(crate) fn guard(&self) -> &Guard<Arc<Keys>> {
        &self.0.guard
    }

    pub(crate) fn keys(&self) -> &Keys {
        self.0.guard.trust()
    }

    pub(crate) fn is_admin(&self, identity: &Identity) -> bool {
        self.0.admins.contains(identity)
    }

    /// The packs that have rules, and let this identity call, in order.
    pub(crate) fn packs_of(&self, identity: &Identity) -> Vec<&str> {
        let may_call = |guid: &&str| {
            let pack = self.0.guard.policy().pack(Some(guid));
            let is_named = match &pack.allowed_users {
                Users::Everybody => true,
                Users::Named(names) => names.contains(identity),
            };
            pack.open || (pack.signed && (is_named || pack.owner.as_ref() == Some(identity)))
        };
        self.0.packs.iter().map(String::as_str).filter(may_call).collect()
    }

    pub(crate) fn upstream(&self) -> Option<&Upstream> {
        self.0.upstream.as_ref()
    }

    pub(crate) fn browsers(&self) -> &Browsers {
        &self.0.browsers
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.guard.clock().now()
    }

    pub(crate) fn body_timeout(&self) -> Duration {
        self.0.body_timeout
    }

    pub(crate) fn hop(&self, Peer(peer): Peer) -> Hop {
        let peer = peer.ip().to_canonical();
        let trusted = if self.0.trusted_proxies.is_empty() {
            peer.is_loopback()
        } else {
            self.0.trusted_proxies.contains(&peer)
        };
        Hop { peer, trusted }
    }
}

fn leads_to(upstream: &http::Uri, address: SocketAddr) -> bool {
    let host = upstream.host().unwrap_or_default().trim_matches(['[', ']']);
    let here = |ip: IpAddr| ip == address.ip() || (address.ip().is_unspecified() && ip.is_loopback());
    let is_here = if host == "localhost" { address.ip().is_loopback() } else { host.parse().is_ok_and(here) };
    is_here && upstream.port_u16().unwrap_or(80) == address.port()
}

async fn cross_origin(State(app): State<App>, request: Request, next: Next) -> Response {
    if let Some(answer) = app.0.browsers.preflight(request.method(), request.headers()) {
        return answer;
    }
    let reader = app.0.browsers.reader(request.headers());
    let mut response = next.run(request).await;
    Browsers::expose(reader, &mut response);
    response
}

async fn health() -> Response {
    json(&serde_json::json!({"status": "ok"}))
}

/// `/.well-known/envelope`: what a client needs to know before it signs.
async fn describe(extract::State(app): extract::State<App>) -> Response {
    let verifier = app.guard().verifier();
    json(&serde_json::json!({
        "profile": TAG,
        "algorithms": [Algorithm::Ed25519.http_name(), Algorithm::P256.http_name()],
        "window": verifier.window().seconds(),
        "skew": Window::SKEW,
        "authorities": verifier.authorities().iter().collect::<Vec<_>>(),
        "issuer_key": app.keys().issuer().map(Issuer::jwk),
        "enroll": app.keys().check_store().is_ok(),
        "server_time": app.now().as_unix(),
    }))
}

pub(super) fn json(value: &serde_json::Value) -> Response {
    answer("application/json", value.to_string())
}

/// An answer that nobody keeps.
pub(super) fn answer(content_type: &'static str, body: String) -> Response {
    let headers = [(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-store")];
    (headers, Body::from(body)).into_response()
}
