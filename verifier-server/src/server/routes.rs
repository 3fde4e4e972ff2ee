//! What is served where.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::Body;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Router, extract};
use envelope_core::{
    Access, Algorithm, Authorities, Backing, Caller, Identity, Pack, Refusal, TAG, Timestamp, Verifier,
    VerifyingKey, Window, pack_key,
};
use http::header;
use http::request::Parts;
use rustix::process::{Resource, getrlimit};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::audit::Audit;
use super::browsers::Browsers;
use super::config::{Config, ConfigError, Placed, Route, Timeouts};
use super::hop::Proxies;
use super::known::Known;
use super::limits::InFlight;
use super::listen::{Connections, Peer};
use super::metrics::{self, Metrics};
use super::pace::Pace;
use super::tls::Tls;
use super::upstream::Upstream;
use super::{api, forward_auth, gateway, health, passage};
use crate::agent::AgentCalls;
use crate::clock::Clock;
use crate::guard::{Admitted, Guard, Rules, Terms};
use crate::mark::Mark;
use crate::replay::ShardedReplayCache;

/// The running program: everything that a request needs.
#[derive(Clone, Debug)]
pub struct App(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    guard: Guard<Arc<Known>, Arc<Known>>,
    audit: OnceLock<Arc<Audit>>,
    admins: Vec<Identity>,
    tls: Option<Tls>,
    upstream: Option<Upstream>,
    routes: Vec<Route>,
    agent_calls: AgentCalls,
    user_member: Option<String>,
    browsers: Browsers,
    proxies: Proxies,
    metrics_from: Vec<IpAddr>,
    timeouts: Timeouts,
    connections: Arc<Connections>,
    in_flight: Arc<InFlight>,
    calls: Pace,
    refusals: Pace,
    metrics: Metrics,
    is_stopping: AtomicBool,
    turns: Vec<Arc<Mutex<()>>>,
    turn_of: RandomState,
}

/// What part of the memory for bodies one client may have: one in so many, and one body in any case.
const SHARE: usize = 4;
/// How many packs can be deployed or torn down at once.
const TURNS: usize = 256;

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
        known: Arc<Known>,
        mark: Option<Arc<Mark>>,
    ) -> Result<Self, ConfigError> {
        if config.upstream.as_ref().is_some_and(|upstream| leads_to(upstream, address)) {
            return Err(ConfigError::new(
                "the upstream is this verifier itself",
                "--upstream is the address of the server behind it",
            )
            .at("upstream"));
        }
        let authorities = Authorities::new(config.authorities_at(address)).map_err(|refusal| {
            ConfigError::new(refusal.detail(), "name the host that clients address with --authority")
        })?;
        let replay = ShardedReplayCache::with_share(config.replay_capacity, config.replay_share);
        let replay = replay.map_err(|error| {
            ConfigError::new(format!("no random bytes: {error}"), "check the system's generator")
        })?;
        let verifier = Verifier::new(authorities).with_window(config.window);
        let guard = Guard::new(verifier, Arc::clone(&known), known)
            .with_replay_cache(Arc::new(replay))
            .with_clock(clock)
            .with_max_body(config.max_body);
        let guard = match mark {
            Some(mark) => guard.with_mark(mark),
            None => guard,
        };
        let upstream_timeout = Duration::from_secs(config.timeouts.upstream);
        let tls = config.tls.as_ref().map(Tls::open).transpose().at("tls-cert")?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let upstream = config.upstream.clone();
        let upstream = upstream.map(|origin| Upstream::new(origin, upstream_timeout, scheme)).transpose()?;
        let limits = config.limits;
        let connections = Connections::new(
            limits.connections.unwrap_or_else(most_connections),
            limits.client_connections,
            limits.memory / 4,
        );
        let bodies = limits.memory - limits.memory / 4;
        let of_one = (bodies / SHARE).max(config.max_body);
        let in_flight = InFlight::new(limits.in_flight, limits.client_in_flight, bodies, of_one);
        Ok(Self(Arc::new(Inner {
            guard,
            audit: OnceLock::new(),
            admins: config.admins.clone(),
            tls,
            upstream,
            routes: config.routes.clone(),
            agent_calls: config.agent_calls.clone(),
            user_member: config.user_member.clone(),
            browsers: Browsers::new(config.cors_origins.clone()),
            proxies: Proxies::new(config.trusted_proxies.clone()),
            metrics_from: config.metrics_from.clone(),
            timeouts: config.timeouts,
            connections: Arc::new(connections),
            in_flight: Arc::new(in_flight),
            calls: Pace::new(limits.client_rate),
            refusals: Pace::new(limits.refusal_rate),
            metrics: Metrics::new(),
            is_stopping: AtomicBool::new(false),
            turns: (0..TURNS).map(|_| Arc::default()).collect(),
            turn_of: RandomState::new(),
        })))
    }

    /// The same program, which keeps receipts; once.
    #[must_use]
    pub fn with_audit(self, audit: Arc<Audit>) -> Self {
        self.0.audit.get_or_init(|| audit);
        self
    }

    pub(crate) fn audit(&self) -> Option<&Audit> {
        self.0.audit.get().map(|audit| &**audit)
    }

    /// The routes.
    pub fn router(self) -> Router {
        Router::new()
            .route("/verify", any(forward_auth::handle))
            .route("/.well-known/envelope", get(describe))
            .route("/health", get(health::ready))
            .route("/health/ready", get(health::ready))
            .route("/health/live", get(health::live))
            .route("/metrics", get(metrics::handle))
            .merge(api::routes())
            .fallback(gateway::handle)
            .layer(middleware::from_fn_with_state(self.clone(), passage::pass))
            .with_state(self)
    }

    pub(crate) fn guard(&self) -> &Guard<Arc<Known>, Arc<Known>> {
        &self.0.guard
    }

    pub(crate) fn known(&self) -> &Known {
        self.0.guard.trust()
    }

    /// Takes a request through every stage by other rules than those of a pack. A bearer is no credential there.
    pub(crate) async fn admit_by(
        &self,
        rules: Arc<Pack>,
        head: &Parts,
        body: Body,
        scope: &'static str,
    ) -> Result<Admitted, Refusal> {
        let guard = self.guard();
        guard.rules().catch_up().await?;
        let rules = OneRule(rules);
        let terms = Terms {
            verifier: guard.verifier(),
            trust: guard.trust(),
            rules: &rules,
            max_body: guard.max_body(),
        };
        let access = Access { pack: None, agent: None, scope };
        guard.admit_on(&terms, head, body, &access, |_, _| Ok(None)).await
    }

    /// Whether somebody may administer everything: one of the admins, by a key that is registered here.
    pub(crate) fn is_admin(&self, caller: &Caller) -> bool {
        matches!(caller.backing(), Backing::Registered) && self.0.admins.contains(caller.identity())
    }

    /// The route of the upstream that a request is for, where the configuration names it.
    pub(crate) fn route(&self, head: &Parts) -> Option<&Route> {
        self.0.routes.iter().find(|route| route.path == head.uri.path() && route.method == head.method)
    }

    /// Waits until nobody else has a pack deployed or torn down; another one may share its turn.
    pub(crate) async fn turn(&self, guid: &str) -> Option<OwnedMutexGuard<()>> {
        // Keyed, so that nobody can choose a guid that shares the turn of another.
        let number = self.0.turn_of.hash_one(pack_key(guid));
        let number = usize::try_from(number).unwrap_or_default() % TURNS;
        Some(Arc::clone(self.0.turns.get(number)?).lock_owned().await)
    }

    /// The same for a pack that only the upstream can name: it is another one each time, so any turn does that nobody has.
    pub(crate) async fn any_turn(&self) -> Option<OwnedMutexGuard<()>> {
        let free = self.0.turns.iter().find_map(|turn| Arc::clone(turn).try_lock_owned().ok());
        match free {
            Some(turn) => Some(turn),
            None => self.turn("").await,
        }
    }

    /// Done when no pack is being deployed or torn down any more: also for clients that have gone.
    pub async fn finish(&self) {
        for turn in &self.0.turns {
            let _ = turn.lock().await;
        }
    }

    pub(crate) fn agent_calls(&self) -> &AgentCalls {
        &self.0.agent_calls
    }

    pub(crate) fn user_member(&self) -> Option<&str> {
        self.0.user_member.as_deref()
    }

    pub(crate) fn proxies(&self) -> &Proxies {
        &self.0.proxies
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
        Duration::from_secs(self.0.timeouts.body)
    }

    /// The certificate that the listener shows.
    #[must_use]
    pub fn tls(&self) -> Option<&Tls> {
        self.0.tls.as_ref()
    }

    pub(crate) fn timeouts(&self) -> &Timeouts {
        &self.0.timeouts
    }

    pub(crate) fn connections(&self) -> &Arc<Connections> {
        &self.0.connections
    }

    pub(crate) fn in_flight(&self) -> &Arc<InFlight> {
        &self.0.in_flight
    }

    /// How fast calls may go on.
    pub(crate) fn calls(&self) -> &Pace {
        &self.0.calls
    }

    /// How fast refusals are told.
    pub(crate) fn refusals(&self) -> &Pace {
        &self.0.refusals
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Whether somebody may read the metrics: not whoever comes through a proxy that says so.
    pub(crate) fn may_read_metrics(&self, Peer(peer): Peer, head: &Parts) -> bool {
        let client = self.proxies().client(head);
        let is_direct = client == peer.ip().to_canonical();
        let may = &self.0.metrics_from;
        is_direct && if may.is_empty() { client.is_loopback() } else { may.contains(&client) }
    }

    /// From now on it is not ready any more.
    pub(crate) fn stop(&self) {
        self.0.is_stopping.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.0.is_stopping.load(Ordering::Relaxed)
    }
}

/// The same rules for everything.
struct OneRule(Arc<Pack>);

impl Rules for OneRule {
    fn pack(&self, _: Option<&str>) -> Arc<Pack> {
        Arc::clone(&self.0)
    }
}

fn leads_to(upstream: &http::Uri, address: SocketAddr) -> bool {
    let host = upstream.host().unwrap_or_default().trim_matches(['[', ']']);
    let here = |ip: IpAddr| ip == address.ip() || (address.ip().is_unspecified() && ip.is_loopback());
    let is_here = if host == "localhost" { address.ip().is_loopback() } else { host.parse().is_ok_and(here) };
    is_here && upstream.port_u16().unwrap_or(80) == address.port()
}

/// As many connections as descriptors allow, where each may need another one to the upstream; and no more than 8192.
fn most_connections() -> usize {
    const MOST: u64 = 8192;
    const OTHERS: u64 = 64;
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let most = (descriptors.saturating_sub(OTHERS) / 2).clamp(1, MOST);
    usize::try_from(most).unwrap_or(1)
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
        "issuer": app.known().url(),
        "issuer_key": app.known().issuer_key().map(|issuer| jwk(issuer.public())),
        "audit_key": app.audit().map(|audit| jwk(audit.key())),
        "enroll": app.known().check_store().is_ok(),
        "login": app.known().login_options().await,
        "server_time": app.now().as_unix(),
    }))
}

fn jwk(key: &VerifyingKey) -> serde_json::Value {
    // What was written as JSON is read as JSON.
    serde_json::from_str(&key.to_jwk()).unwrap_or_default()
}

pub(super) fn json(value: &serde_json::Value) -> Response {
    answer("application/json", value.to_string())
}

/// An answer that nobody keeps.
pub(super) fn answer(content_type: &'static str, body: String) -> Response {
    let headers = [(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-store")];
    (headers, Body::from(body)).into_response()
}
