//! What somebody may try who wants a pack, a token or an agent that the rules do not give them, or the verifier down for all.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use serde_json::{Value, json};
use support::admin::{AUTHORITY, register};
use support::github::Github;
use support::packs::{Login, World, call, deploying, deployment, unsigned};
use support::{Http, Person, now};

const GUID: &str = "b1946ac9-2a44-4c0b-8f5e-3a1d1e9f6d11";

#[test]
fn an_owner_cannot_write_rules_that_no_verifier_reads() {
    let w = World::open();
    let alice = w.person("alice");
    let agents: Vec<Value> =
        (0..1000).map(|n| json!({"name": format!("a{n}"), "allowed_users": "*"})).collect();
    let rules = json!({"guid": "p1", "agents": agents}).to_string();
    assert_eq!(w.told(&alice.request("POST", "/api/packs", Some(&rules))), "200");
    let one_more = json!({"agent": "one more", "allow": ["*"]}).to_string();
    assert_eq!(w.told(&alice.request("POST", "/api/packs/p1/users", Some(&one_more))), "malformed");
    assert_eq!(w.told(&call("other")), "200", "everybody else goes on");
    assert_eq!(w.again(&[]).told(&call("other")), "200");
}

#[test]
fn a_guid_that_an_upstream_reads_as_the_same_has_the_same_rules() {
    let w = World::open();
    w.pack(&json!({"guid": GUID, "accept": ["token"]}));
    let plain = GUID.replace('-', "");
    for guid in [GUID.to_uppercase(), plain.clone(), plain.to_uppercase(), GUID.replacen('-', "", 1)] {
        assert_ne!(w.told(&call(&guid)), "200", "{guid}");
    }
}

#[test]
fn no_other_spelling_of_a_path_reaches_a_pack() {
    let w = World::open();
    let token = w.pack(&json!({"guid": "p1", "accept": ["token"]}));
    for target in [
        "/api/pack/%70%31/agent",
        "/api/pack/p1;v=1/agent",
        "/api/pack//p1/agent",
        "/api/pack/x/../p1/agent",
        "/api/pack/./p1/agent",
        "/api/pack/p2/%2e%2e/p1/agent",
        "/api/pack/p2/..%2Fp1/agent",
        "/API/pack/p1/agent",
        "/api/Swarm/p1/agent",
        "/api/pack/p1%20/agent",
        "/api/pack/p1%00/agent",
        "/api\\pack/p1/agent",
        "/api/pack/p2/..;/p1/agent",
        "/api/packs/p1/agent",
        "//api/pack/p1/agent",
        "/api/pack/P1/agent",
    ] {
        for request in [unsigned("POST", target, Some(&json!({}))), unsigned("GET", target, None)] {
            let answer = w.send(&request);
            assert!((400..500).contains(&answer.status), "{target} {answer:?}");
        }
    }
    let good = format!("Bearer {token}");
    for headers in [
        vec![("Authorization", format!("Basic {token}"))],
        vec![("Authorization", token.clone())],
        vec![("Authorization", good.clone()), ("Authorization", good.clone())],
        vec![("Authorization", "Bearer x".into()), ("Authorization", good.clone())],
        vec![("Authorization", format!("{good}, {good}"))],
        vec![("Authorization", format!("{good} x"))],
        vec![("Proxy-Authorization", good.clone())],
        vec![("X-Api-Key", token.clone())],
        vec![("Cookie", format!("token={token}"))],
        vec![("Envelope-Identity", "root".into()), ("Envelope_Identity", "root".into())],
    ] {
        let request = headers.iter().fold(call("p1"), |request, (name, value)| request.header(name, value));
        let answer = w.send(&request);
        assert!([400, 401].contains(&answer.status), "{headers:?} {answer:?}");
    }
    let query = format!("/api/pack/p1/agent?access_token={token}");
    assert_eq!(w.told(&unsigned("POST", &query, Some(&json!({"pack_token": token})))), "unauthenticated");
    for method in ["PUT", "PATCH", "OPTIONS", "TRACE", "post", "PROPFIND"] {
        assert_ne!(w.send(&unsigned(method, "/api/pack/p1/agent", None)).status, 200, "{method}");
    }
    let overriding = unsigned("GET", "/api/pack/p2/agent", None).header("X-HTTP-Method-Override", "DELETE");
    assert_eq!(w.send(&overriding).status, 400);
    assert!(w.server.requests().is_empty(), "{:?}", w.server.requests());
    // An envelope counts before a bearer, and is refused whatever the bearer is.
    let stranger = call("p1").bearer(&token).by(&Person::new("stranger"));
    assert_eq!(w.told(&stranger), "bad-signature");
}

#[test]
fn a_token_is_shown_to_no_upstream_by_a_deployment_or_a_list() {
    let w = World::open();
    let token = w.pack(&json!({"guid": "p1", "accept": ["token"]}));
    for request in [
        deployment(&json!({"guid": "p2"})),
        unsigned("GET", "/api/pack/list", None),
        unsigned("DELETE", "/api/pack/p3", None),
    ] {
        w.send(&request.bearer(&token));
    }
    assert!(!w.server.requests().concat().contains(&token), "{:?}", w.server.requests());
    assert_eq!(w.deployed(&deployment(&json!({"guid": "p4"})).bearer(&token)), "not-allowed");
}

#[test]
fn a_user_of_the_provider_is_not_taken_for_who_is_registered_by_that_name_in_another_case() {
    let github = Github::start();
    let api = github.url();
    github.token("gho_mallory", "alice", &["acme"], &["sales@acme"]);
    let w = World::with(deploying(), &["--github-api", &api]);
    register(&w.verifier, "Alice", "Alice");
    let rules =
        json!({"guid": "p1", "owner": "Alice", "accept": ["signed", "identity"], "allowed_users": ["Alice"]});
    w.pack(&rules);
    assert_eq!(w.told(&call("p1").by(&Person::new("Alice"))), "200");
    let login = Login::new(&w.verifier, "gho_mallory");
    let administer = unsigned("GET", "/api/packs/p1", None).sign(&login.signer(), now());
    assert_eq!(w.told(&administer), "not-allowed");
    assert_eq!(w.told(&call("p1").bearer("gho_mallory")), "not-allowed");
}

#[test]
fn an_entry_means_whom_it_names_and_nobody_whose_name_looks_like_it() {
    let github = Github::start();
    let api = github.url();
    github.token("gho_mallory", "alice", &["acme"], &["sales@acme"]);
    let w = World::with(deploying(), &["--github-api", &api]);
    w.pack(&json!({"guid": "p1", "accept": ["identity"], "allowed_users": []}));
    for entry in
        ["@acme", "alice@", "@", "alice@@acme", "sales@", "acme", "sales", "alice@acme@acme", "github:"]
    {
        w.patch("p1", &json!({"allowed_users": [entry]}));
        assert_eq!(w.told(&call("p1").bearer("gho_mallory")), "not-allowed", "{entry}");
    }
    for entry in ["github:alice", "github:Alice", "GitHub:alice", "SALES@acme", "alice@ACME"] {
        w.patch("p1", &json!({"allowed_users": [entry]}));
        let expected = if entry.starts_with("GitHub") { "not-allowed" } else { "200" };
        assert_eq!(w.told(&call("p1").bearer("gho_mallory")), expected, "{entry}");
    }
}

#[test]
fn nobody_makes_the_verifier_ask_the_provider_as_often_as_they_like() {
    let github = Github::start();
    let api = github.url();
    let w = World::with(deploying(), &["--github-api", &api, "--attempts", "3"]);
    let agents = json!([{"name": "Weather", "allowed_users": "*"}]);
    for (guid, rules) in [
        ("open", json!({"guid": "open", "owner": null, "accept": ["open", "identity"]})),
        (
            "agents",
            json!({"guid": "agents", "owner": null, "accept": ["open", "identity"], "agents": agents}),
        ),
    ] {
        w.pack(&rules);
        for attempt in 0..20 {
            w.send(&call(guid).bearer(&format!("gho_{guid}{attempt}")));
        }
    }
    assert!(github.server.count("/user") <= 4, "{} questions", github.server.count("/user"));
}

#[test]
fn what_was_open_is_for_who_is_registered_once_auth_is_required() {
    let w = World::open();
    let (alice, bob) = (w.person("alice"), w.person("bob"));
    let rules = json!({"guid": "p1", "accept": ["open"]}).to_string();
    assert_eq!(w.told(&alice.request("POST", "/api/packs", Some(&rules))), "200");
    let w = w.again(&["--auth-required"]);
    assert!(w.verifier.logs("closes packs that were open, p1"));
    assert_eq!(w.told(&call("p1")), "unauthenticated");
    assert_eq!(w.told(&call("p1").by(&alice)), "200");
    assert_eq!(w.told(&call("p1").by(&bob)), "200", "packs.md, section 2");
    assert_eq!(w.again(&[]).told(&call("p1")), "200");
}

#[test]
fn nothing_that_anybody_sends_is_an_error_of_the_verifier() {
    let w = World::open();
    let (root, alice) = (Person::new("root"), w.person("alice"));
    let token = w.pack(&json!({"guid": "p1", "owner": "alice", "agents": [{"name": "A", "allowed_users": ["@", "a@", "a@b@c"]}]}));
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let members = format!("{{{}}}", vec![r#""guid":"p1""#; 1000].join(","));
    let deep_auth = format!(r#"{{"guid":"p2","auth":{deep}}}"#);
    let named = format!(r#"{{"name":{deep}}}"#);
    let numbers = r#"{"guid":1e999,"ttl":1e999,"overlap":-0,"name":-1,"auth":{"accept":[1e400]}}"#;
    let long =
        json!({"guid": "g".repeat(120), "name": "n".repeat(120), "owner": "o".repeat(4000)}).to_string();
    let surrogate = r#"{"\ud800":1,"guid":"\ud800","name":"\ud800"}"#;
    let bodies = [
        "",
        "{}",
        "null",
        "\u{feff}{}",
        "{\"guid\":\"\\u0000\"}",
        &deep,
        &members,
        &deep_auth,
        &named,
        numbers,
        surrogate,
        &long,
    ];
    let targets = [
        "/api/pack/deploy",
        "/api/swarm/deploy",
        "/api/pack/p1/agent",
        "/api/pack/p1",
        "/api/pack/p1/",
        "/api/pack/list",
        "/api/packs",
        "/api/packs/p1",
        "/api/packs/p1/users",
        "/api/packs/p1/tokens",
        "/api/packs/p1/tokens/default",
        "/api/packs/p1/tokens/a/b",
        "/api/enroll",
        "/api/login",
        "/api/me",
    ];
    for target in targets {
        for body in bodies {
            for method in ["POST", "PATCH", "PUT"] {
                let request = Http::new(method, target, AUTHORITY)
                    .header("Content-Type", "application/json")
                    .body(body);
                for request in [
                    request.clone(),
                    request.clone().bearer(&token),
                    request.clone().by(&alice),
                    request.by(&root),
                ] {
                    let answer = w.send(&request);
                    assert!(answer.status < 500, "{method} {target} {body:.60} {answer:?}");
                }
            }
        }
    }
    assert!(!w.verifier.log().contains("panicked"));
    assert_eq!(w.shown("p1")["owner"], "alice");
}

/// Who changes rules while others call: every answer is by the rules before or by those after, and the next one by those after.
#[test]
fn what_was_taken_away_is_away_when_that_is_answered() {
    let w = World::open();
    let bob = w.person("bob");
    let token = w.pack(&json!({"guid": "p1", "accept": ["signed", "token"], "owner": "alice"}));
    std::thread::scope(|scope| {
        let callers = [(); 3].map(|()| {
            scope.spawn(|| {
                for _ in 0..60 {
                    let told = [w.told(&call("p1").by(&bob)), w.told(&call("p1").bearer(&token))];
                    assert!(["200", "not-allowed"].contains(&told[0].as_str()), "{told:?}");
                    assert!(["200", "unauthenticated"].contains(&told[1].as_str()), "{told:?}");
                }
            })
        });
        while !callers.iter().all(|caller| caller.is_finished()) {
            w.patch("p1", &json!({"allowed_users": ["bob"], "accept": ["signed"]}));
            assert_eq!(w.told(&call("p1").by(&bob)), "200");
            assert_eq!(w.told(&call("p1").bearer(&token)), "unauthenticated");
            w.patch("p1", &json!({"allowed_users": [], "accept": ["signed", "token"]}));
            assert_eq!(w.told(&call("p1").by(&bob)), "not-allowed");
            assert_eq!(w.told(&call("p1").bearer(&token)), "200");
        }
    });
}

#[test]
fn the_configuration_names_no_holder_of_a_token() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let key = support::key("mallory").verifying_key().to_jwk();
    let key_file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(key_file.path(), key).unwrap();
    let key = key_file.path().display();
    for name in ["pack:p1/default/1", "pack:x"] {
        let table = format!(
            "[[call-key]]\nidentity = \"{name}\"\nkey = \"{key}\"\nexpires = \"2099-01-01T00:00:00Z\"\n"
        );
        std::fs::write(file.path(), table).unwrap();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_envelope-verifier"));
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--config", path])
            .stderr(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stderr.take().unwrap()), &mut line)
            .unwrap();
        let _ = child.kill();
        child.wait().unwrap();
        assert!(line.contains("error:") && line.contains("only tokens have"), "{name}: {line}");
    }
}

#[test]
fn a_ticket_that_is_shown_in_the_wrong_place_is_told_to_no_provider() {
    let github = Github::start();
    let api = github.url();
    let w = World::with(deploying(), &["--github-api", &api]);
    w.pack(&json!({"guid": "p1", "accept": ["identity"]}));
    let ticket = support::admin::ticket(&w.verifier, "alice");
    assert_eq!(w.told(&call("p1").bearer(&ticket)), "unauthenticated");
    assert_eq!(github.server.asked().len(), 0);
}

#[test]
fn a_login_is_good_where_it_was_granted_and_for_as_long_as_the_rules_say_so() {
    let github = Github::start();
    let api = github.url();
    github.token("gho_alice", "alice", &["acme"], &[]);
    let [here, there] = [(); 2].map(|()| {
        let w = World::with(deploying(), &["--github-api", &api]);
        w.pack(&json!({"guid": "p1", "accept": ["signed"], "allowed_users": ["alice", "alice@acme"]}));
        w
    });
    let login = Login::new(&here.verifier, "gho_alice");
    let signed = |guid: &str| call(guid).sign(&login.signer(), now());
    assert_eq!(here.told(&signed("p1")), "200");
    assert_eq!(there.told(&signed("p1")), "bad-signature", "another verifier has issued it");
    let relabelled = signed("p1").change("Signature-Key", |value| value.replace("sig=jwt", "sig=jkt-jwt"));
    assert_eq!(here.send(&relabelled).status, 401);
    let enrolling = Http::new("POST", "/api/enroll", AUTHORITY);
    let ticket = support::admin::ticket(&here.verifier, "bob");
    assert_ne!(here.send(&enrolling.bearer(&ticket).sign(&login.signer(), now())).status, 200);
    // `alice` is somebody else from now on; `alice@acme` is still the user.
    here.person("alice");
    assert_eq!(here.told(&signed("p1")), "200");
    here.patch("p1", &json!({"allowed_users": ["alice"]}));
    assert_eq!(here.told(&signed("p1")), "not-allowed");
    here.patch("p1", &json!({"allowed_users": ["github:alice"]}));
    assert_eq!(here.told(&signed("p1")), "200");
    here.patch("p1", &json!({"allowed_users": null}));
    assert_eq!(here.told(&signed("p1")), "not-allowed", "no key of theirs is registered");
}
