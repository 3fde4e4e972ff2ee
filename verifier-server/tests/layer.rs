//! The tower layer in a server of somebody else's, over real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::routing::{any, post};
use axum::{Extension, Router};
use envelope_core::{
    Authorities, Caller, Grant, Identity, NonceUse, Pack, Policy, ReplayError, SharedReplayCache, Timestamp,
    TrustList, Users, Verifier,
};
use envelope_verifier::{Clock, Guard, VerifierLayer};
use support::{Http, Person, exchange, now};

const AUTHORITY: &str = "pack.example";

fn guard(policy: Policy) -> Guard<TrustList> {
    let mut trust = TrustList::new();
    trust.trust(
        Identity::new("alice").unwrap(),
        Person::new("alice").identity_key.verifying_key().thumbprint(),
    );
    Guard::new(Verifier::new(Authorities::new([AUTHORITY]).unwrap()), trust, policy)
}

/// Runs a router on a thread of its own until the test ends.
fn run(router: Router) -> SocketAddr {
    support::serving::run(async |_| router)
}

fn pack_server() -> Router {
    async fn agent(caller: Option<Extension<Caller>>, headers: axum::http::HeaderMap, body: Bytes) -> String {
        let claimed = headers.get("envelope-identity").is_some();
        let caller = caller.map_or("nobody".into(), |Extension(caller)| caller.identity().to_string());
        format!("{caller} {claimed} {}", String::from_utf8_lossy(&body))
    }
    Router::new().route("/agent", post(agent)).route("/other", any(agent))
}

#[test]
fn a_handler_hears_who_calls_and_gets_the_body() {
    let address = run(pack_server().layer(VerifierLayer::new(guard(Policy::new(Pack::trusted())))));
    let request =
        Person::new("alice").post(AUTHORITY, "/agent", "{\"a\":1}").header("Envelope-Identity", "mallory");
    let answer = exchange(address, &request.bytes());
    assert_eq!((answer.status, answer.body.as_str()), (200, "alice false {\"a\":1}"));
    assert_eq!(exchange(address, &request.bytes()).code(), "replayed");
    assert_eq!(exchange(address, &Http::new("GET", "/other", AUTHORITY).bytes()).code(), "unauthenticated");
    let changed = Http {
        body: Some(b"{\"a\":2}".to_vec()),
        ..Person::new("alice").post(AUTHORITY, "/agent", "{\"a\":1}")
    };
    assert_eq!(exchange(address, &changed.bytes()).code(), "digest-mismatch");
}

#[test]
fn an_open_server_still_verifies_what_is_signed() {
    let address = run(pack_server().layer(VerifierLayer::new(guard(Policy::new(Pack::open())))));
    let unsigned = Http::new("POST", "/agent", AUTHORITY).header("Envelope-Identity", "alice").body("{}");
    assert_eq!(exchange(address, &unsigned.bytes()).body, "nobody false {}");
    assert_eq!(
        exchange(address, &Person::new("bob").post(AUTHORITY, "/agent", "{}").bytes()).code(),
        "bad-signature"
    );
}

#[test]
fn the_rules_of_its_pack_and_scope_hold() {
    let mut policy = Policy::new(Pack::trusted());
    let only_bob =
        Pack { allowed_users: Users::Named(vec![Identity::new("bob").unwrap()]), ..Pack::trusted() };
    policy.insert("bobs", only_bob);
    let layer = VerifierLayer::new(guard(policy));
    let bobs = run(pack_server().layer(layer.clone().for_pack("bobs")));
    let mine = run(pack_server().layer(layer.for_pack("mine").with_scope("report")));
    let send = |address, grant| {
        let answer =
            exchange(address, &Person::with_grant("alice", grant).post(AUTHORITY, "/agent", "{}").bytes());
        if answer.status == 200 { "ok".into() } else { answer.code() }
    };
    assert_eq!(send(bobs, Grant::everything()), "not-allowed");
    assert_eq!(send(mine, Grant::everything()), "ok");
    assert_eq!(send(mine, Grant::everything().scope(["call"])), "scope-missing");
    assert_eq!(send(mine, Grant::everything().scope(["report"]).audience(["mine"])), "ok");
    assert_eq!(send(mine, Grant::everything().audience(["bobs"])), "audience-mismatch");
}

#[test]
fn the_body_is_refused_above_its_limit_and_not_read_for_strangers() {
    let guard = guard(Policy::new(Pack::trusted())).with_max_body(100);
    let address = run(pack_server().layer(VerifierLayer::new(guard)));
    let long = "x".repeat(101);
    assert_eq!(
        exchange(address, &Person::new("alice").post(AUTHORITY, "/agent", &long).bytes()).code(),
        "too-large"
    );
    let just = "x".repeat(100);
    assert_eq!(exchange(address, &Person::new("alice").post(AUTHORITY, "/agent", &just).bytes()).status, 200);
    // The head alone: were the body awaited, there would be no answer.
    let stranger = Person::new("bob").post(AUTHORITY, "/agent", &just);
    let head = stranger.bytes();
    assert_eq!(exchange(address, &head[..head.len() - 100]).code(), "bad-signature");
}

#[test]
fn the_clock_is_read_again_after_the_body() {
    let signed_at = now();
    let readings = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let clock = Clock::new(move || {
        let reading = readings.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Timestamp::from_unix(signed_at + if reading == 0 { 60 } else { 61 })
    });
    let guard = guard(Policy::new(Pack::trusted())).with_clock(clock);
    let address = run(pack_server().layer(VerifierLayer::new(guard)));
    let answer = exchange(address, &Person::new("alice").post(AUTHORITY, "/agent", "{}").bytes());
    assert_eq!((answer.status, answer.json()["code"].as_str()), (401, Some("expired")));
}

/// A cache across a network that is down.
struct Gone;

impl SharedReplayCache for Gone {
    async fn remember(&self, _: &NonceUse<'_>, _: Timestamp) -> Result<(), ReplayError> {
        Err(ReplayError::Unavailable)
    }
}

#[test]
fn a_replay_cache_that_is_gone_fails_closed() {
    let guard = guard(Policy::new(Pack::trusted())).with_replay_cache(Arc::new(Gone));
    let address = run(pack_server().layer(VerifierLayer::new(guard)));
    let answer = exchange(address, &Person::new("alice").post(AUTHORITY, "/agent", "{}").bytes());
    assert_eq!((answer.status, answer.code().as_str()), (503, "replay-unavailable"));
}
