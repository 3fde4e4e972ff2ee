//! Packs that are deployed through the gateway: who may, what the upstream sees, what is kept of it and when, and how packs go.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use serde_json::{Value, json};
use support::admin::{AUTHORITY, admin};
use support::github::Github;
use support::packs::{Login, World, call, deployment, token_in, unsigned};
use support::{Http, Person, now};

const GUID: &str = "b1946ac9-2a44-4c0b-8f5e-3a1d1e9f6d11";

#[test]
fn a_deployment_brings_a_token_that_is_shown_once_and_that_the_upstream_never_sees() {
    let w = World::open();
    let auth =
        json!({"accept": ["signed", "token"], "owner": "alice", "allowed_users": ["alice", "bob@acme"]});
    let body = format!(r#"{{"swarm_guid":"{GUID}", "auth":{auth}, "n": 1.50,"name":"crm"}}"#);
    let request = Http::new("POST", "/api/pack/deploy", AUTHORITY);
    let answer = w.send(&request.header("Content-Type", "application/json").body(&body));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let token = token_in(&answer).unwrap();
    assert!(token.starts_with("tok_") && token.len() == 47, "{token}");
    let expected = json!({
        "status": "ok", "swarm_guid": GUID, "agent_count": 1,
        "pack_token": token, "owner": "alice", "allowed_users": ["alice", "bob@acme"],
    });
    assert_eq!(answer.json(), expected);
    let arrived = w.server.requests().pop().unwrap();
    assert!(arrived.ends_with(&format!("\r\n\r\n{{\"swarm_guid\":\"{GUID}\",\"n\":1.50,\"name\":\"crm\"}}")));

    assert_eq!(w.told(&call(GUID)), "unauthenticated");
    assert_eq!(w.told(&call(GUID).bearer(&token)), "200");
    let arrived = w.server.requests().pop().unwrap().to_ascii_lowercase();
    assert!(!arrived.contains("authorization") && !arrived.contains(&token.to_ascii_lowercase()));
    assert!(arrived.contains(&format!("envelope-identity: pack:{GUID}/default/1")));
    let shown = w.shown(GUID);
    assert!(!shown.to_string().contains(&token));
    assert_eq!((&shown["owner"], &shown["registered_by"]), (&json!("alice"), &Value::Null));
    assert_eq!(shown["tokens"][0]["serial"], 1);
}

#[test]
fn a_swarm_has_the_older_names_and_a_body_that_did_not_change_keeps_its_signature() {
    let w = World::open();
    let alice = w.person("alice");
    let request = unsigned("POST", "/api/swarm/deploy", Some(&json!({"swarm_guid": "s1"}))).by(&alice);
    let answer = w.send(&request);
    let token = token_in(&answer).unwrap();
    assert!(token.starts_with("rsk_"), "{answer:?}");
    let expected = json!({
        "status": "ok", "swarm_guid": "s1", "agent_count": 1,
        "swarm_token": token, "owner": "alice", "allowed_users": [],
    });
    assert_eq!(answer.json(), expected);
    let arrived = w.server.requests().pop().unwrap().to_ascii_lowercase();
    assert!(arrived.contains("signature-input:") && arrived.contains("envelope-identity: alice"));
    assert_eq!(w.told(&call("s1").bearer(&token)), "200");
    let auth = json!({"swarm_guid": "s2", "auth": {"accept": ["signed"]}});
    assert_eq!(w.deployed(&deployment(&auth).by(&alice)), "token");
    let arrived = w.server.requests().pop().unwrap().to_ascii_lowercase();
    for name in ["signature", "signature-input", "signature-key", "content-digest"] {
        assert!(!arrived.contains(&format!("\n{name}:")), "{arrived}");
    }
    assert!(arrived.contains("envelope-identity: alice"));
}

#[test]
fn who_may_deploy() {
    const CALLERS: [&str; 6] = ["root", "alice", "bob", "user", "holder", "nobody"];
    let github = Github::start();
    let api = github.url();
    github.token("gho_alice", "alice", &[], &[]);
    // A guid without a registration, one that alice owns, one without an owner that is open, and one that is not.
    let may = ["token", "token", "token", "token"];
    let owner = may;
    let registered = ["token", "not-allowed", "token", "token"];
    let may_not = ["not-allowed"; 4];
    let nobody = ["token", "unauthenticated", "passed", "unauthenticated"];
    let nobody_closed = ["unauthenticated"; 4];
    for (required, nobody) in [(false, nobody), (true, nobody_closed)] {
        let more = ["--github-api", &api, "--auth-required"];
        let w = World::with(support::packs::deploying(), &more[..if required { 3 } else { 2 }]);
        let (alice, bob) = (w.person("alice"), w.person("bob"));
        let user = Login::new(&w.verifier, "gho_alice");
        let token = w.pack(&json!({"guid": "held", "owner": null}));
        let holder = Person::new("holder");
        assert_eq!(w.send(&holder.enrolls(&token)).status, 200);
        let mut found = Vec::new();
        for name in CALLERS {
            let outcomes: Vec<String> = ["new", "owned", "open", "shut"]
                .iter()
                .map(|kind| {
                    let guid = format!("{kind}-{name}");
                    match *kind {
                        "new" => {}
                        "owned" => drop(w.pack(&json!({"guid": guid, "owner": "alice"}))),
                        "open" => {
                            drop(w.pack(&json!({"guid": guid, "owner": null, "accept": ["open", "token"]})))
                        }
                        _ => drop(w.pack(&json!({"guid": guid, "owner": null, "accept": ["token"]}))),
                    }
                    let request = deployment(&json!({"guid": guid}));
                    let before = w.seen(&guid);
                    let outcome = w.deployed(&match name {
                        "root" => request.by(&Person::new("root")),
                        "alice" => request.by(&alice),
                        "bob" => request.by(&bob),
                        "user" => request.sign(&user.signer(), now()),
                        "holder" => request.by(&holder),
                        _ => request,
                    });
                    let sent = w.seen(&guid) > before;
                    assert_eq!(sent, ["token", "passed"].contains(&outcome.as_str()), "{name} {guid}");
                    outcome
                })
                .collect();
            found.push((name, outcomes));
        }
        let rows = [may, owner, registered, may_not, may_not, nobody];
        let expected: Vec<_> =
            CALLERS.into_iter().zip(rows.map(|row| row.map(String::from).to_vec())).collect();
        assert_eq!(found, expected, "with --auth-required: {required}");
    }
}

#[test]
fn deploying_again_ends_the_token_before_and_changes_the_rules_that_are_given() {
    let w = World::open();
    let alice = w.person("alice");
    let body = json!({"guid": "p1", "auth": {"accept": ["token"], "allowed_users": ["bob"]}});
    let first = token_in(&w.send(&deployment(&body).by(&alice))).unwrap();
    let second = token_in(&w.send(&deployment(&json!({"guid": "P1"})).by(&alice))).unwrap();
    assert_eq!(w.told(&call("p1").bearer(&first)), "unauthenticated");
    assert_eq!(w.told(&call("P1").bearer(&second)), "200");
    let shown = w.shown("p1");
    assert_eq!((&shown["accept"], &shown["allowed_users"]), (&json!(["token"]), &json!(["bob"])));
    assert_eq!((&shown["tokens"][0]["serial"], shown["tokens"].as_array().unwrap().len()), (&json!(2), 1));
    let body = json!({"guid": "p1", "auth": {"allowed_users": "*"}});
    assert_eq!(w.deployed(&deployment(&body).by(&alice)), "token");
    let shown = w.shown("p1");
    assert_eq!((&shown["accept"], &shown["allowed_users"]), (&json!(["token"]), &json!("*")));
    assert_eq!(shown["owner"], "alice");
}

#[test]
fn what_the_upstream_does_not_do_leaves_nothing() {
    let w = World::open();
    let length = |status: &str, body: &str| {
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    let answers = [
        (length("400 Bad", r#"{"detail":"no"}"#), 400),
        (length("409 Conflict", ""), 409),
        (length("500 Oops", r#"{"guid":"p1"}"#), 500),
        (length("201 Created", r#"{"guid":"p1"}"#), 201),
        (length("200 OK", "done"), 200),
        (length("200 OK", r#"["p1"]"#), 200),
        ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"guid\":\"p1\"".into(), 502),
        ("HTTP/1.1 200 OK\r\n".into(), 502),
        (String::new(), 502),
    ];
    for (told, status) in answers {
        let body = json!({"guid": "p1", "auth": {"owner": "alice"}, "answer": told});
        let answer = w.send(&deployment(&body));
        assert_eq!(answer.status, status, "{told:?} {answer:?}");
        if status != 502 {
            assert_eq!(told.split_once("\r\n\r\n").unwrap().1, answer.body);
        }
        assert_eq!(w.shown("p1"), Value::Null, "{told:?}");
    }
    // Neither side names one.
    let body = json!({"answer": length("200 OK", r#"{"status":"ok"}"#)});
    assert_eq!(w.deployed(&deployment(&body)), "passed");
    let packs = admin(&w.verifier, "GET", "/api/packs", None);
    assert_eq!(packs, json!({"packs": []}));
}

#[test]
fn a_body_that_makes_no_sense_is_not_sent() {
    let w = World::open();
    for body in [
        "",
        "[]",
        "{",
        r#"{"guid":"a/b"}"#,
        r#"{"guid":"deploy"}"#,
        r#"{"guid":"a","swarm_guid":"b"}"#,
        r#"{"guid":"a","auth":null}"#,
        r#"{"guid":"a","auth":[]}"#,
        r#"{"guid":"a","auth":{"open":true}}"#,
        r#"{"guid":"a","auth":{"accept":[]}}"#,
        r#"{"guid":"a","auth":{"accept":"token"}}"#,
        r#"{"guid":"a","auth":{"owner":"a b"}}"#,
        r#"{"guid":"a","auth":{"owner":"a","owner":"b"}}"#,
        r#"{"guid":"a","auth":{"allowed_users":["@ acme"]}}"#,
        r#"{"guid":"a","auth":{"allowed_users":7}}"#,
        r#"{"guid":"a","auth":{"agents":[{"name":""}]}}"#,
        r#"{"guid":"a","auth":{"agents":{"A":"*"}}}"#,
    ] {
        let request = Http::new("POST", "/api/pack/deploy", AUTHORITY).body(body);
        assert_eq!(w.told(&request), "malformed", "{body}");
    }
    assert_eq!(w.seen("deploy"), 0);
    let huge = json!({"guid": "a", "name": "a".repeat(1 << 20)});
    assert_eq!(w.told(&deployment(&huge)), "too-large");
    let scoped = envelope_core::Grant::everything().scope(["call"]);
    w.person("alice");
    assert_eq!(w.told(&deployment(&json!({})).by(&Person::with_grant("alice", scoped))), "scope-missing");
    assert_eq!(w.seen("deploy"), 0);
}

#[test]
fn the_guid_in_the_answer_counts_and_opens_nobody_elses_pack() {
    let w = World::open();
    let alice = w.person("alice");
    let token = token_in(&w.send(&deployment(&json!({"guid": "hers"})).by(&alice))).unwrap();
    let before = w.shown("hers");
    let saying = |guid: &str| support::packs::ok(&json!({"pack_guid": guid}));
    let body = json!({"guid": "asked", "answer": saying("told")});
    let answer = w.send(&deployment(&body));
    assert!(token_in(&answer).is_some());
    assert_eq!((w.shown("asked"), &w.shown("told")["guid"]), (Value::Null, &json!("told")));
    for request in [json!({"guid": "mine", "answer": saying("HERS")}), json!({"answer": saying("hers")})] {
        assert_eq!(w.told(&deployment(&request)), "unauthenticated");
        let bob = w.person("bob");
        assert_eq!(w.told(&deployment(&request).by(&bob)), "not-allowed");
    }
    assert_eq!((w.shown("hers"), w.shown("mine")), (before, Value::Null));
    assert_eq!(w.told(&call("hers").bearer(&token)), "200");
}

#[test]
fn a_deployment_whose_answer_was_lost_is_repeated() {
    let w = World::open();
    let body = json!({"guid": "p1", "auth": {"owner": "alice", "accept": ["token"]}});
    let first = token_in(&w.send(&deployment(&body))).unwrap();
    let other = json!({"guid": "p1", "auth": {"owner": "mallory", "accept": ["token"]}});
    assert_eq!(w.deployed(&deployment(&other)), "unauthenticated", "another body is another deployment");
    let w = w.again(&[]);
    let second = token_in(&w.send(&deployment(&body))).unwrap();
    assert_eq!(w.told(&call("p1").bearer(&first)), "unauthenticated");
    assert_eq!(w.told(&call("p1").bearer(&second)), "200");
    assert_eq!(w.deployed(&deployment(&body)), "unauthenticated", "the token was used");
    assert_eq!(w.told(&call("p1").bearer(&second)), "200");
}

#[test]
fn a_pack_is_torn_down_by_whom_it_belongs_to() {
    let w = World::open();
    let (alice, bob) = (w.person("alice"), w.person("bob"));
    let remove = |guid: &str| unsigned("DELETE", &format!("/api/pack/{guid}"), None);
    let token = token_in(&w.send(&deployment(&json!({"guid": "p1", "auth": {}})).by(&alice))).unwrap();
    assert_eq!(w.told(&remove("p1")), "unauthenticated");
    assert_eq!(w.told(&remove("P1").by(&bob)), "not-allowed");
    assert_eq!(w.told(&remove("p1").bearer(&token)), "not-allowed");
    assert_eq!((w.seen("DELETE"), w.told(&call("p1").bearer(&token))), (0, "200".into()));
    assert_eq!(w.told(&remove("p1").by(&alice)), "200");
    assert_eq!((w.seen("DELETE"), w.shown("p1")), (1, Value::Null));
    assert_eq!(w.told(&call("p1")), "200", "nothing is registered");
    // Somebody else may have the guid now, and what opened it then opens it no more.
    assert_eq!(
        w.deployed(&deployment(&json!({"guid": "p1", "auth": {"accept": ["token"]}})).by(&bob)),
        "token"
    );
    assert_eq!(w.told(&call("p1").bearer(&token)), "unauthenticated");
    assert_eq!(w.told(&remove("p1").by(&Person::new("root"))), "200");
    assert_eq!(w.told(&remove("unheard-of")), "200");
    let w = w.again(&["--auth-required"]);
    assert_eq!(w.told(&remove("unheard-of")), "unauthenticated");
    assert_eq!(w.told(&remove("unheard-of").by(&bob)), "not-allowed");
}
