//! Requests to `/api/packs` that make no sense, or more than one: they change nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use serde_json::{Value, json};
use support::admin::AUTHORITY;
use support::packs::World;
use support::{Answer, Http, Person};

fn ask(w: &World, person: &Person, method: &str, target: &str, body: Option<&Value>) -> Answer {
    w.send(&person.request(method, target, body.map(Value::to_string).as_deref()))
}

/// What it comes to: the JSON of the answer, or the code of the refusal.
fn comes_to(answer: &Answer) -> Value {
    if answer.status == 200 { answer.json() } else { json!(answer.code()) }
}

#[test]
fn what_is_no_request_changes_nothing() {
    let w = World::open();
    let root = Person::new("root");
    w.pack(&json!({"guid": "p1"}));
    let before = w.shown("p1");
    let many: Vec<String> = (0..1001).map(|n| format!("u{n}")).collect();
    let agents = |n: usize| -> Vec<Value> {
        (0..n).map(|n| json!({"name": format!("a{n}"), "allowed_users": "*"})).collect()
    };
    let rules = [
        json!({"accept": []}),
        json!({"accept": ["magic"]}),
        json!({"accept": "open"}),
        json!({"accept": ["Open"]}),
        json!({"owner": 1}),
        json!({"owner": ""}),
        json!({"owner": "a".repeat(129)}),
        json!({"owner": "a\nb"}),
        json!({"allowed_users": many}),
        json!({"allowed_users": [1]}),
        json!({"allowed_users": {}}),
        json!({"agents": agents(1001)}),
        json!({"agents": [{"allowed_users": "*"}]}),
        json!({"agents": [{"name": "a".repeat(257), "allowed_users": "*"}]}),
        json!({"agents": [{"name": "a", "allowed_users": "*"}, {"name": "a", "allowed_users": []}]}),
        json!({"agents": {"a": "*"}}),
        json!({"open": true}),
    ];
    for rule in rules {
        assert_eq!(comes_to(&ask(&w, &root, "PATCH", "/api/packs/p1", Some(&rule))), "malformed", "{rule}");
        let mut new = rule.clone();
        new["guid"] = json!("p2");
        assert_eq!(comes_to(&ask(&w, &root, "POST", "/api/packs", Some(&new))), "malformed", "{new}");
    }
    let guids = [
        json!(""),
        json!("a/b"),
        json!(".."),
        json!("deploy"),
        json!("Healthz"),
        json!("a b"),
        json!("ä"),
        json!("a".repeat(129)),
        json!(1),
        Value::Null,
    ];
    for guid in guids {
        assert_eq!(
            comes_to(&ask(&w, &root, "POST", "/api/packs", Some(&json!({"guid": guid})))),
            "malformed",
            "{guid}"
        );
    }
    for demand in [
        json!({"name": ""}),
        json!({"name": "a/b"}),
        json!({"name": "a".repeat(65)}),
        json!({"name": "ä"}),
        json!({"ttl": 0}),
        json!({"ttl": -1}),
        json!({"ttl": "1"}),
        json!({"ttl": 10 * 365 * 86_400 + 1}),
        json!({"ttl": u64::MAX}),
        json!({"overlap": 7 * 86_400 + 1}),
        json!({"overlap": null}),
        json!({"x": 1}),
    ] {
        assert_eq!(
            comes_to(&ask(&w, &root, "POST", "/api/packs/p1/tokens", Some(&demand))),
            "malformed",
            "{demand}"
        );
    }
    for body in ["", "[]", "null", "{", r#"{"accept":["open"],"accept":["signed"]}"#, r#"[["open"],"*"]"#] {
        let answer = w.send(&root.request("PATCH", "/api/packs/p1", Some(body)));
        assert_eq!(comes_to(&answer), "malformed", "{body}");
    }
    for (method, target) in [
        ("PUT", "/api/packs/p1"),
        ("GET", "/api/packs/p1/users"),
        ("POST", "/api/packs/p1"),
        ("DELETE", "/api/packs/p1/tokens"),
        ("GET", "/api/packs/p1/tokens/default/x"),
        ("DELETE", "/api/packs"),
        ("POST", "/api/packs/p1/tokens/"),
    ] {
        assert_eq!(w.told(&root.request(method, target, None)), "not-allowed", "{method} {target}");
    }
    for target in ["/api/packs/p1?x=1", "/api/packs?page=2", "/api/packs?after=a&after=b"] {
        assert_eq!(w.told(&root.request("GET", target, None)), "malformed", "{target}");
    }
    let huge = json!({"allowed_users": ["a"], "owner": "a".repeat(256 << 10)});
    assert_eq!(comes_to(&ask(&w, &root, "PATCH", "/api/packs/p1", Some(&huge))), "too-large");
    assert_eq!(w.shown("p1"), before);
    assert_eq!(
        comes_to(&ask(&w, &root, "PATCH", "/api/packs/p1", Some(&json!({"agents": agents(1000)}))))["agents"]
            .as_array()
            .unwrap()
            .len(),
        1000
    );
}

/// Readers differ in which of two members they would take, and a list is no object.
#[test]
fn rules_that_could_be_read_in_two_ways_are_no_rules() {
    let w = World::open();
    let root = Person::new("root");
    for body in [
        r#"{"guid":"p1","accept":["signed"],"accept":["open"]}"#,
        r#"{"guid":"p1","owner":"alice","owner":"mallory"}"#,
        r#"{"guid":"p1","guid":"p2"}"#,
        r#"{"guid":"p1","agents":[{"name":"a","allowed_users":[],"allowed_users":"*"}]}"#,
        r#"{"guid":"p1","agents":[["a","*"]]}"#,
        r#"{"guid":"p1","allowed_users":"alice"}"#,
    ] {
        let told = comes_to(&w.send(&root.request("POST", "/api/packs", Some(body))));
        assert!(told == "malformed" || told == "duplicate", "{body} {told}");
        assert_eq!(w.shown("p1"), Value::Null);
    }
    let auth = r#"{"guid":"p1","auth":[["open"],null,"*",[]]}"#;
    assert_eq!(w.told(&Http::new("POST", "/api/pack/deploy", AUTHORITY).body(auth)), "malformed");
}
