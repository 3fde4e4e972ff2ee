//! Rules per agent: who may use which, what counts as its name, and whom a body says its caller is.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use serde_json::{Value, json};
use support::admin::AUTHORITY;
use support::packs::{World, call, unsigned};
use support::{Http, PackServer, Person};

fn world(more: &[&str]) -> World {
    World::with(PackServer::start(), more)
}

fn rules(guid: &str) -> Value {
    json!({"guid": guid, "owner": "alice", "accept": ["signed", "token", "open"], "allowed_users": ["bob", "carol"], "agents": [
        {"name": "Public", "allowed_users": "*"},
        {"name": "Team", "allowed_users": ["bob"]},
        {"name": "Registered", "allowed_users": null},
        {"name": "Nobody", "allowed_users": []},
    ]})
}

fn agent(guid: &str, body: &str) -> Http {
    Http::new("POST", &format!("/api/pack/{guid}/agent"), AUTHORITY).body(body)
}

fn get(target: &str) -> Http {
    unsigned("GET", target, None)
}

#[test]
fn an_agent_is_for_whom_its_rule_names_and_the_upstream_sees_no_other_call() {
    let w = world(&[]);
    let token = w.pack(&rules("p1"));
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| w.person(name));
    let holder = Person::new("holder");
    assert_eq!(w.send(&holder.enrolls(&token)).status, 200);
    for (name, allowed) in [
        ("Public", "alice bob carol holder token nobody"),
        ("Team", "alice bob"),
        ("Registered", "alice bob carol"),
        ("Nobody", "alice"),
        ("Unheard of", "alice"),
        ("public", "alice"),
        ("Public ", "alice"),
        ("", "alice"),
    ] {
        for who in ["alice", "bob", "carol", "holder", "token", "nobody"] {
            let request = agent("p1", &json!({"name": name, "text": "hi"}).to_string());
            let request = match who {
                "alice" => request.by(&alice),
                "bob" => request.by(&bob),
                "carol" => request.by(&carol),
                "holder" => request.by(&holder),
                "token" => request.bearer(&token),
                _ => request,
            };
            let before = w.seen("/agent ");
            let expected =
                if allowed.split(' ').any(|name| name == who) { "200" } else { "agent-not-allowed" };
            assert_eq!(w.told(&request), expected, "{who}: {name:?}");
            assert_eq!(w.seen("/agent ") - before, usize::from(expected == "200"), "{who}: {name:?}");
        }
    }
}

#[test]
fn a_body_that_names_its_agent_in_doubt_is_refused() {
    let w = world(&[]);
    w.pack(&rules("p1"));
    let huge = format!(r#"{{"name":"{}"}}"#, "Public".repeat(10_000));
    let deep = format!(r#"{{"name":"Public","x":{}1{}}}"#, "[".repeat(200), "]".repeat(200));
    for body in [
        "",
        "{}",
        "[]",
        "null",
        r#""Public""#,
        r#"["Public"]"#,
        r#"{"name":null}"#,
        r#"{"name":["Public"]}"#,
        r#"{"name":{"name":"Public"}}"#,
        r#"{"name":"Public","name":"Team"}"#,
        r#"{"name":"Public","Name":"Team"}"#,
        r#"{"NAME":"Public"}"#,
        r#"{"nAme":"Team","name":"Public"}"#,
        r#"{"name":"Public","\u006eame":"Team"}"#,
        r#"{"name":"Public"}{"name":"Team"}"#,
        r#"{"name":"Public"} x"#,
        r#"{"name":"Public",}"#,
        "\u{feff}{\"name\":\"Public\"}",
        "name=Public",
        r#"{"agent":"Public"}"#,
        r#"{'name':'Public'}"#,
        &huge,
    ] {
        assert_eq!(w.told(&agent("p1", body)), "agent-not-allowed", "{body}");
    }
    assert!(["200", "agent-not-allowed"].contains(&w.told(&agent("p1", &deep)).as_str()));
    assert_eq!(w.told(&agent("p1", r#" {"x":{"name":"Team"},"\u006eame":"\u0050ublic","n":1e999} "#)), "200");
    for (method, path) in [
        ("POST", "/Agent"),
        ("POST", "/agent/"),
        ("POST", "/agent;x"),
        ("POST", "/agents"),
        ("POST", "/"),
        ("PUT", "/x"),
        ("GET", "/agent"),
        ("GET", "/AGENT/x"),
        ("HEAD", "/agent"),
        ("DELETE", "/agents"),
        ("OPTIONS", "/agent"),
        ("PATCH", "/a/b"),
    ] {
        let request = Http::new(method, &format!("/api/pack/p1{path}"), AUTHORITY);
        let bytes = request.bytes();
        let status = support::packs::head(w.verifier.address, &bytes)
            .split(' ')
            .nth(1)
            .unwrap()
            .parse::<u16>()
            .unwrap();
        assert_eq!(status, 403, "{method} {path}");
    }
    assert_eq!(w.seen("/api/pack/p1"), 1 + w.seen("[[["));
    let asked = Http::new("GET", "/verify", AUTHORITY).header("X-Original-Method", "POST");
    assert_eq!(w.told(&asked.header("X-Original-URI", "/api/pack/p1/agent")), "agent-not-allowed");
}

#[test]
fn the_place_and_the_name_of_agents_are_the_servers() {
    let w = world(&["--agent-path", "/v1/chat", "--agent-member", "skill"]);
    w.pack(&rules("p1"));
    let chat = |body: &str| Http::new("POST", "/api/pack/p1/v1/chat", AUTHORITY).body(body);
    assert_eq!(w.told(&chat(r#"{"skill":"Public"}"#)), "200");
    for body in [
        r#"{"skill":"Team"}"#,
        r#"{"name":"Public"}"#,
        r#"{"skill":"Public","Skill":"Team"}"#,
        r#"{"skill":"Public","SKILL":"Public"}"#,
    ] {
        assert_eq!(w.told(&chat(body)), "agent-not-allowed", "{body}");
    }
    assert_eq!(w.told(&call("p1")), "agent-not-allowed");
    assert_eq!(w.told(&get("/api/pack/p1/v1/other")), "agent-not-allowed");
}

/// The letters that other readers fold into `s` and `k`.
#[test]
fn a_member_that_some_readers_take_for_the_agents_is_a_second_one() {
    let w = world(&["--agent-member", "skill"]);
    w.pack(&rules("p1"));
    for body in [r#"{"skill":"Public","ſkill":"Team"}"#, "{\"skill\":\"Public\",\"s\u{212a}ill\":\"Team\"}"]
    {
        assert_eq!(w.told(&agent("p1", body)), "agent-not-allowed", "{body}");
    }
}

#[test]
fn whom_a_body_says_its_caller_is_is_what_was_verified() {
    let w = world(&["--user-member", "user_id"]);
    let bob = w.person("bob");
    let token = w.pack(&json!({"guid": "p1", "accept": ["signed", "token", "open"], "allowed_users": "*"}));
    let sent = |request: &Http| {
        assert_eq!(w.told(request), "200");
        let arrived = w.server.requests().pop().unwrap();
        serde_json::from_str::<Value>(arrived.split_once("\r\n\r\n").unwrap().1).unwrap()
    };
    let body = r#"{"name":"A","user_id":"root","x":{"user_id":"kept"}}"#;
    assert_eq!(sent(&agent("p1", body)), json!({"name": "A", "x": {"user_id": "kept"}}));
    let by_bob = agent("p1", body).by(&bob);
    assert_eq!(sent(&by_bob), json!({"name": "A", "user_id": "bob", "x": {"user_id": "kept"}}));
    assert!(!w.server.requests().pop().unwrap().to_ascii_lowercase().contains("\nsignature"));
    assert_eq!(sent(&agent("p1", "{}").bearer(&token))["user_id"], "pack:p1/default/1");
    let elsewhere =
        Http::new("PUT", "/api/pack/p1/other", AUTHORITY).body(r#"{"\u0075ser_id":"root","user_id":1}"#);
    assert_eq!(sent(&elsewhere), json!({}));
    assert_eq!(w.told(&agent("p1", "[]")), "malformed");
}

#[test]
fn nobody_says_who_they_are_in_another_way() {
    let w = world(&["--user-member", "user_id"]);
    let bob = w.person("bob");
    w.pack(&json!({"guid": "p1", "accept": ["signed", "open"], "allowed_users": "*"}));
    for body in [r#"{"User_Id":"root"}"#, r#"{"user_id":"x","USER_ID":"root"}"#, r#"{"uſer_id":"root"}"#] {
        w.send(&agent("p1", body).by(&bob));
        w.send(&agent("p1", body));
    }
    for path in ["/agent/", "/Agent", "/agent;x"] {
        for body in ["\u{feff}{\"user_id\":\"root\"}", r#"[{"user_id":"root"}]"#, r#"{"user_id":"root"} x"#] {
            let target = format!("/api/pack/p1{path}");
            w.send(&Http::new("POST", &target, AUTHORITY).body(body));
        }
    }
    let arrived = w.server.requests().concat();
    assert!(!arrived.contains("root"), "{arrived}");
}
