//! Lists of agents and packs, cut down to what a caller may use, and routes of the server that are no pack's.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use std::io::Write;
use std::net::TcpStream;

use serde_json::{Value, json};
use support::packs::{World, ok, serve, unsigned};
use support::{Answer, Http, PackServer, Person};

/// Lists agents and packs, in the shape that the guid of the pack names.
fn listing(request: &[u8], stream: &mut TcpStream) {
    let request = String::from_utf8_lossy(request).to_ascii_lowercase();
    let path = request.split([' ', '?']).nth(1).unwrap();
    let names = ["Public", "Team", "Secret"];
    let listed: Vec<Value> = names.iter().map(|name| json!({"name": name, "about": "…"})).collect();
    let text = |status: &str, more: &str, body: &str| {
        format!("HTTP/1.1 {status}\r\n{more}Content-Length: {}\r\n\r\n{body}", body.len())
    };
    let answer = match path {
        _ if request.contains("\nrange:") => text("206 Partial Content", "", "Secret"),
        _ if request.contains("\naccept-encoding:") => text("200 OK", "Content-Encoding: gzip\r\n", "Secret"),
        _ if request.contains("\nif-none-match:") => text("304 Not Modified", "", ""),
        _ if path.starts_with("/api/pack/none/") => text("404 Not Found", "", "Secret"),
        _ if path.starts_with("/api/pack/bare/") => ok(&json!(listed)),
        _ if path.starts_with("/api/pack/names/") => ok(&json!({"agents": names, "agent_count": 3})),
        _ if path.starts_with("/api/pack/text/") => text("200 OK", "", "Public, Secret"),
        _ if path.ends_with("/agents") || path.contains("/agents;") || path.ends_with("/agents/") => {
            ok(&json!({"agents": listed, "agent_count": 3})).replacen("\r\n", "\r\nETag: \"1\"\r\n", 1)
        }
        _ if path.split('/').nth(4).is_some_and(|name| name.starts_with("health")) => {
            ok(&json!({"status": "ok", "pack": {"agents": {"Public": 1, "Secret": 2}}}))
        }
        "/api/pack/list" | "/api/swarm/healthz" | "/everything" => {
            let packs = ["P1", "hers", "unlisted"].map(|guid| json!({"pack_guid": guid, "name": "…"}));
            ok(&json!({"packs": packs, "pack_count": 3, "uptime": 1}))
        }
        "/api/swarm/list" => ok(&json!(["p1", "hers"])),
        "/api/pack/healthz" => ok(&json!({"status": "ok"})),
        _ => ok(&json!({"hello": "from the pack"})),
    };
    let _ = stream.write_all(answer.as_bytes());
}

fn world(more: &[&str]) -> World {
    World::with(PackServer::answering(listing), more)
}

fn rules(guid: &str) -> Value {
    json!({"guid": guid, "owner": "alice", "accept": ["signed", "token", "open"], "allowed_users": ["bob", "carol"], "agents": [
        {"name": "Public", "allowed_users": "*"},
        {"name": "Team", "allowed_users": ["bob"]},
        {"name": "Registered", "allowed_users": null},
        {"name": "Nobody", "allowed_users": []},
    ]})
}

fn get(target: &str) -> Http {
    unsigned("GET", target, None)
}

/// The names in a list of agents.
fn names(answer: &Answer) -> Vec<String> {
    let told = answer.json();
    let list = told["agents"].as_array().unwrap_or_else(|| panic!("{answer:?}"));
    list.iter().map(|agent| agent["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn lists_of_agents_show_what_the_caller_may_use() {
    let w = world(&[]);
    let (alice, bob) = (w.person("alice"), w.person("bob"));
    for guid in ["p1", "none", "names", "bare", "text"] {
        w.pack(&rules(guid));
    }
    for path in ["/agents", "/agents/", "/agents?x=1"] {
        let target = format!("/api/pack/p1{path}");
        let answer = w.send(&get(&target));
        assert_eq!((names(&answer), answer.json()["agent_count"].clone()), (vec!["Public".into()], json!(1)));
        assert_eq!((answer.header("etag"), answer.header("cache-control")), (None, Some("no-store")));
        assert_eq!(names(&w.send(&get(&target).by(&bob))), ["Public", "Team"]);
        assert_eq!(names(&w.send(&get(&target).by(&alice))), ["Public", "Team", "Secret"]);
    }
    for name in ["Accept-Encoding", "Range", "If-None-Match", "If-Range"] {
        let answer = w.send(&get("/api/pack/p1/agents").header(name, "gzip"));
        assert_eq!(names(&answer), ["Public"], "{name}");
    }
    for path in ["/health", "/healthz", "/healthz/"] {
        let answer = w.send(&get(&format!("/api/swarm/P1{path}")));
        assert_eq!(answer.json(), json!({"status": "ok", "pack": {"agents": {"Public": 1}}}), "{path}");
    }
    assert_eq!(
        w.send(&get("/api/pack/names/agents")).json(),
        json!({"agents": ["Public"], "agent_count": 1})
    );
    assert_eq!(w.send(&get("/api/pack/none/agents")).json(), json!({"agents": [{"name": "Public"}]}));
    assert_eq!(names(&w.send(&get("/api/pack/none/agents").by(&bob))), ["Public", "Registered", "Team"]);
    let answer = w.send(&get("/api/pack/text/agents"));
    assert!(answer.status == 502 && !answer.body.contains("Secret"), "{answer:?}");
    // Without rules everything is as it came.
    let answer = w.send(&get("/api/pack/free/agents"));
    assert_eq!((names(&answer).len(), answer.header("etag")), (3, Some("\"1\"")));
}

#[test]
fn a_list_of_agents_is_cut_in_whatever_shape_it_comes() {
    let w = world(&[]);
    w.pack(&rules("bare"));
    let answer = w.send(&get("/api/pack/bare/agents"));
    assert!(!answer.body.contains("Secret"), "{answer:?}");
}

#[test]
fn a_list_of_agents_is_cut_under_whatever_name_an_upstream_would_take() {
    let w = world(&[]);
    w.pack(&rules("p1"));
    for path in [
        "/Agents",
        "/AGENTS/",
        "/agents;v=1",
        "/agents/;x",
        "/;x/agents",
        "/agents/;x/",
        "/;/health",
        "/Healthz",
        "/health;x",
    ] {
        let answer = w.send(&get(&format!("/api/pack/p1{path}")));
        assert!(!answer.body.contains("Secret"), "{path}: {answer:?}");
    }
}

#[test]
fn how_long_a_list_is_tells_nothing_of_what_is_not_in_it() {
    let w = world(&[]);
    w.pack(&rules("p1"));
    let length = |request: &Http| {
        let head = support::packs::head(w.verifier.address, &request.bytes());
        let line = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(String::from));
        (head.split(' ').nth(1).unwrap().to_owned(), line)
    };
    let (_, whole) = length(&get("/api/pack/free/agents"));
    let (status, _) = length(&unsigned("HEAD", "/api/pack/list", None));
    assert_eq!(status, "200");
    let (status, told) = length(&unsigned("HEAD", "/api/pack/p1/agents", None));
    assert_eq!(status, "200");
    assert_ne!(told, whole);
}

#[test]
fn lists_of_packs_show_those_that_the_caller_may_call() {
    let w = world(&[]);
    let bob = w.person("bob");
    w.pack(&json!({"guid": "p1", "accept": ["signed"], "allowed_users": ["bob"]}));
    w.pack(&json!({"guid": "hers", "accept": ["signed"], "owner": "alice"}));
    let guids = |answer: &Answer| -> Vec<String> {
        let packs = answer.json()["packs"].as_array().unwrap_or_else(|| panic!("{answer:?}")).clone();
        assert_eq!(answer.json()["pack_count"], packs.len());
        packs.iter().map(|pack| pack["pack_guid"].as_str().unwrap().to_owned()).collect()
    };
    for target in ["/api/pack/list", "/api/swarm/healthz"] {
        assert_eq!(guids(&w.send(&get(target))), ["unlisted"]);
        assert_eq!(guids(&w.send(&get(target).by(&bob))), ["P1", "unlisted"]);
        assert_eq!(
            guids(&w.send(&get(target).header("Accept-Encoding", "gzip").header("Range", "bytes=0-9"))),
            ["unlisted"]
        );
    }
    assert_eq!(w.send(&get("/api/swarm/list").by(&bob)).json(), json!(["p1"]));
    assert_eq!(w.send(&get("/api/pack/healthz")).status, 502, "another shape");
    assert_eq!(w.told(&unsigned("POST", "/api/pack/list", None)), "not-allowed");
    let other = serve(&w.server, &w.store(), &["--auth-required"]);
    assert_eq!(other.send(&get("/api/pack/list")).code(), "unauthenticated");
    assert_eq!(guids(&other.send(&get("/api/pack/list").by(&bob))), ["P1", "unlisted"]);
}

#[test]
fn of_the_other_routes_those_pass_that_are_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let routes = [
        ("GET", "/open", "open", false),
        ("POST", "/known", "registered", false),
        ("GET", "/admin", "admin", false),
        ("GET", "/everything", "open", true),
    ];
    let tables = routes.map(|(method, path, access, lists)| {
        format!("[[route]]\nmethod = \"{method}\"\npath = \"{path}\"\naccess = \"{access}\"\nlists-packs = {lists}\n")
    });
    std::fs::write(file.path(), tables.concat()).unwrap();
    let config = file.path().to_str().unwrap();
    let w = world(&["--config", config]);
    let (root, bob) = (Person::new("root"), w.person("bob"));
    w.pack(&json!({"guid": "p1", "accept": ["signed"], "owner": "alice"}));
    let token = w.pack(&json!({"guid": "hers", "accept": ["token"], "owner": "alice"}));
    assert_eq!(w.told(&get("/open?x=1")), "200");
    for target in ["/open/", "/Open", "/open/x", "/open;x", "/other", "/", "/admin/", "/known"] {
        assert_eq!(w.told(&get(target)), "not-allowed", "{target}");
    }
    assert_eq!(w.told(&unsigned("POST", "/open", None)), "not-allowed");
    let known = unsigned("POST", "/known", Some(&json!({})));
    assert_eq!(w.told(&known), "unauthenticated");
    assert_eq!(w.told(&known.clone().bearer(&token)), "unauthenticated");
    assert_eq!(w.told(&known.by(&bob)), "200");
    assert_eq!(w.told(&get("/admin").by(&bob)), "not-allowed");
    assert_eq!(w.told(&get("/admin").by(&root)), "200");
    let listed = w.send(&get("/everything")).json();
    assert_eq!((&listed["pack_count"], &listed["packs"][0]["pack_guid"]), (&json!(1), &json!("unlisted")));
    let w = w.again(&["--config", config, "--auth-required"]);
    assert_eq!(w.told(&get("/open")), "unauthenticated");
    assert_eq!(w.told(&get("/open").by(&bob)), "200");
}
