//! What somebody may try by deploying a pack, repeating a deployment, or tearing one down.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::Connection;
use support::admin::{AUTHORITY, admin};
use support::github::Github;
use support::packs::{Login, World, call, deploy, deploying, deployment, serve, token_in, unsigned};
use support::{Http, PackServer, Person, now};

/// A pack server that holds what `holds` picks until it is let go.
fn holding(
    holds: impl Fn(&str) -> bool + Send + Sync + 'static,
) -> (PackServer, std::sync::mpsc::Receiver<()>, std::sync::mpsc::Sender<()>) {
    let (arrived, waiting) = channel();
    let (release, released) = channel::<()>();
    let (arrived, released) = (Mutex::new(arrived), Mutex::new(released));
    let server = PackServer::answering(move |request, stream| {
        if holds(&String::from_utf8_lossy(request)) {
            arrived.lock().unwrap().send(()).unwrap();
            let _ = released.lock().unwrap().recv();
        }
        deploy(request, stream);
    });
    (server, waiting, release)
}

#[test]
fn a_delete_is_no_call_however_it_is_written() {
    let w = World::open();
    let token = w.pack(&json!({"guid": "p1", "accept": ["token", "open"]}));
    for target in ["/api/pack/p1/", "/api/swarm/p1/", "/api/pack/P1/?x=1"] {
        assert_ne!(w.told(&unsigned("DELETE", target, None)), "200", "{target}");
        assert_ne!(w.told(&unsigned("DELETE", target, None).bearer(&token)), "200", "{target}");
    }
    assert_eq!(w.seen("DELETE"), 0);
}

#[test]
fn a_proxy_that_asks_is_not_told_that_whoever_may_call_a_pack_may_tear_it_down() {
    let w = World::open();
    let token = w.pack(&json!({"guid": "p1", "accept": ["token", "open"]}));
    for target in ["/api/pack/p1", "/api/pack/p1/", "/api/swarm/p1"] {
        let asked = Http::new("GET", "/verify", AUTHORITY)
            .header("X-Original-Method", "DELETE")
            .header("X-Original-URI", target);
        assert_ne!(w.send(&asked).status, 200, "{target}");
        assert_ne!(w.send(&asked.bearer(&token)).status, 200, "{target}");
    }
}

#[test]
fn tearing_down_what_is_nobodys_does_not_end_what_somebody_has_registered_meanwhile() {
    let (server, waiting, release) = holding(|request| request.starts_with("DELETE"));
    let w = World::with(server, &[]);
    let alice = w.person("alice");
    std::thread::scope(|scope| {
        let attack = scope.spawn(|| w.told(&unsigned("DELETE", "/api/pack/p1", None)));
        waiting.recv().unwrap();
        let body = json!({"guid": "p1", "auth": {"accept": ["token"]}});
        let request = deployment(&body).by(&alice);
        let w = &w;
        let deploying = scope.spawn(move || w.deployed(&request));
        // It may have to wait for the one before.
        std::thread::sleep(Duration::from_millis(300));
        release.send(()).unwrap();
        assert_eq!(deploying.join().unwrap(), "token");
        attack.join().unwrap();
    });
    assert_eq!(w.told(&call("p1")), "unauthenticated");
    assert_eq!(w.shown("p1")["owner"], "alice");
}

#[test]
fn a_client_that_goes_away_while_the_upstream_deploys_leaves_no_unguarded_pack() {
    let (server, waiting, release) = holding(|request| request.contains("/deploy "));
    let w = World::with(server, &[]);
    let alice = w.person("alice");
    let request = deployment(&json!({"guid": "p1", "auth": {"accept": ["token"]}})).by(&alice);
    let mut stream = std::net::TcpStream::connect(w.verifier.address).unwrap();
    std::io::Write::write_all(&mut stream, &request.bytes()).unwrap();
    waiting.recv().unwrap();
    drop(stream);
    std::thread::sleep(Duration::from_millis(200));
    release.send(()).unwrap();
    let mut kept = false;
    for _ in 0..40 {
        kept = kept || w.shown("p1") != Value::Null;
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(kept, "the upstream has deployed it, and nothing guards it");
}

#[test]
fn a_deployment_is_no_repetition_after_its_rules_have_changed() {
    let w = World::open();
    let body = json!({"guid": "p1", "auth": {"accept": ["token"]}});
    let deployed = deployment(&body);
    assert_eq!(w.deployed(&deployed), "token");
    // The admin gives it to alice, who makes a token of her own.
    w.person("alice");
    w.patch("p1", &json!({"owner": "alice", "allowed_users": ["alice"]}));
    let token = w.token("p1", &json!({}));
    let before = w.shown("p1");
    assert_eq!(w.deployed(&deployed), "unauthenticated", "whoever knows the body");
    assert_eq!(w.shown("p1"), before);
    assert_eq!(w.told(&call("p1").bearer(&token)), "200");
}

#[test]
fn a_token_that_was_used_at_an_open_pack_was_used() {
    let w = World::open();
    let deployed = deployment(&json!({"guid": "p1"}));
    let token = token_in(&w.send(&deployed)).unwrap();
    assert_eq!(w.told(&call("p1").bearer(&token)), "200");
    assert_eq!(w.deployed(&deployed), "passed");
    let w = w.again(&["--auth-required"]);
    assert_eq!(w.told(&call("p1").bearer(&token)), "200");
}

#[test]
fn a_token_by_which_a_key_was_enrolled_was_used() {
    let w = World::open();
    let deployed = deployment(&json!({"guid": "p1", "auth": {"accept": ["token", "signed"]}}));
    let token = token_in(&w.send(&deployed)).unwrap();
    assert_eq!(w.send(&Person::new("holder").enrolls(&token)).status, 200);
    assert_eq!(w.deployed(&deployed), "unauthenticated");
    assert_eq!(w.told(&call("p1").by(&Person::new("holder"))), "200");
}

#[test]
fn a_token_that_was_used_at_another_verifier_or_before_a_crash_was_used() {
    let w = World::open();
    let other = serve(&w.server, &w.store(), &[]);
    let deployed = deployment(&json!({"guid": "p1", "auth": {"accept": ["token"]}}));
    let token = token_in(&w.send(&deployed)).unwrap();
    assert_eq!(other.send(&call("p1").bearer(&token)).status, 200);
    assert_eq!(w.deployed(&deployed), "unauthenticated", "used at the other verifier");
    assert_eq!(w.told(&call("p1").bearer(&token)), "200");
}

#[test]
fn whoever_gives_a_new_pack_away_can_repeat_that_too() {
    let w = World::closed();
    let alice = w.person("alice");
    let body = json!({"guid": "p1", "auth": {"owner": "bob"}});
    assert_eq!(w.deployed(&deployment(&body).by(&alice)), "token");
    assert_eq!(w.deployed(&deployment(&body).by(&alice)), "token", "the answer may have been lost");
    let carol = w.person("carol");
    assert_eq!(w.deployed(&deployment(&body).by(&carol)), "not-allowed");
}

#[test]
fn a_pack_that_was_there_before_can_be_repeated_as_one_that_is_new() {
    let w = World::open();
    let deployed = deployment(&json!({"guid": "p1", "auth": {"accept": ["token"]}}));
    let token = token_in(&w.send(&deployed)).unwrap();
    assert_eq!(w.told(&call("p1").bearer(&token)), "200");
    admin(&w.verifier, "DELETE", "/api/packs/p1", None);
    assert_eq!(w.deployed(&deployed), "token");
    assert_eq!(w.deployed(&deployed), "token", "of the tokens that it has now none was used");
}

#[test]
fn a_deployment_that_an_upstream_reads_otherwise_is_refused() {
    let w = World::open();
    let alice = w.person("alice");
    assert_eq!(w.deployed(&deployment(&json!({"swarm_guid": "hers"})).by(&alice)), "token");
    let before = w.seen("deploy");
    for body in [
        r#"{"guid":"mine","Swarm_Guid":"hers"}"#,
        r#"{"SWARM_GUID":"hers"}"#,
        r#"{"guid":"mine","ſwarm_guid":"hers"}"#,
        r#"{"guid":"mine","guid":"hers"}"#,
        r#"{"guid":"mine","\u0067uid":"hers"}"#,
        r#"{"guid":["hers"]}"#,
    ] {
        let answer = w.send(&Http::new("POST", "/api/pack/deploy", AUTHORITY).body(body));
        assert!((400..500).contains(&answer.status), "{body} {answer:?}");
    }
    assert_eq!(w.seen("deploy"), before);
}

#[test]
fn a_user_who_has_logged_in_registers_and_deploys_nothing() {
    let github = Github::start();
    let api = github.url();
    github.token("gho_alice", "alice", &[], &[]);
    let w = World::with(deploying(), &["--github-api", &api]);
    let user = Login::new(&w.verifier, "gho_alice");
    let body = json!({"guid": "p1"});
    let request = |target| unsigned("POST", target, Some(&body)).sign(&user.signer(), now());
    assert_eq!(w.told(&request("/api/packs")), "not-allowed");
    assert_eq!(w.told(&request("/api/pack/deploy")), "not-allowed");
    assert_eq!(w.told(&request("/api/keys")), "not-allowed");
    assert_eq!(w.server.requests().len(), 0);
}

#[test]
fn nobody_fills_the_store_with_one_deployment() {
    let w = World::open();
    let request = deployment(&json!({"guid": "p1", "auth": {"accept": ["token"]}}));
    for _ in 0..60 {
        assert_eq!(w.deployed(&request), "token");
    }
    let url = format!("sqlite:{}", w.store().display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let rows: i64 = runtime.block_on(async {
        let mut store = sqlx::SqliteConnection::connect(&url).await.unwrap();
        sqlx::query_scalar("SELECT COUNT(*) FROM pack_token").fetch_one(&mut store).await.unwrap()
    });
    assert!(rows <= 10, "{rows} tokens of which one is good");
    assert_eq!(w.shown("p1")["tokens"][0]["serial"], 60);
}

#[test]
fn nobody_takes_a_pack_over_by_tearing_it_down_first() {
    let w = World::open();
    let token = token_in(&w.send(&deployment(&json!({"guid": "p1"})))).unwrap();
    w.send(&unsigned("DELETE", "/api/pack/p1", None));
    let body = json!({"guid": "p1", "auth": {"owner": "mallory", "accept": ["token"]}});
    assert_eq!(w.deployed(&deployment(&body)), "not-allowed", "how it is guarded is not theirs to say");
    let w = w.again(&["--auth-required"]);
    assert_eq!(w.told(&call("p1").bearer(&token)), "200");
}
