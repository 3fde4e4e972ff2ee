//! `/api/packs`: owners administer their own packs and admins all of them, by envelopes with the scope `admin`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use envelope_core::Grant;
use serde_json::{Value, json};
use sqlx::Connection;
use support::admin::admin;
use support::github::Github;
use support::packs::{Login, World, call, deploying, unsigned};
use support::{Answer, Http, Person, now};

fn ask(w: &World, person: &Person, method: &str, target: &str, body: Option<&Value>) -> Answer {
    w.send(&person.request(method, target, body.map(Value::to_string).as_deref()))
}

/// What it comes to: the JSON of the answer, or the code of the refusal.
fn comes_to(answer: &Answer) -> Value {
    if answer.status == 200 { answer.json() } else { json!(answer.code()) }
}

fn guids(page: &Value) -> Vec<String> {
    page["packs"].as_array().unwrap().iter().map(|pack| pack["guid"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_pack_is_registered_shown_changed_and_forgotten() {
    let w = World::open();
    let alice = w.person("alice");
    let before = now();
    let body = json!({"guid": "P-1", "accept": ["token", "signed"], "agents": [{"name": "A", "allowed_users": "*"}]});
    let answer = ask(&w, &alice, "POST", "/api/packs", Some(&body));
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
    let mut pack = answer.json();
    let token = pack.as_object_mut().unwrap().remove("pack_token").unwrap();
    let registered = pack["registered"].as_u64().unwrap();
    assert!((before..=now()).contains(&registered));
    let expected = json!({
        "guid": "P-1", "accept": ["signed", "token"], "owner": "alice", "allowed_users": [],
        "agents": [{"name": "A", "allowed_users": "*"}], "registered": registered, "registered_by": "alice",
        "tokens": [{
            "name": "default", "serial": 1, "created": registered, "created_by": "alice", "expires": null, "last_used": null,
        }],
    });
    assert_eq!(pack, expected);
    assert_eq!(comes_to(&ask(&w, &alice, "GET", "/api/packs/p-1", None)), expected);
    assert_eq!(comes_to(&ask(&w, &alice, "GET", "/api/packs", None)), json!({"packs": [expected]}));

    let change = json!({"accept": ["identity", "open"], "allowed_users": null, "agents": []});
    let changed = comes_to(&ask(&w, &alice, "PATCH", "/api/packs/P-1", Some(&change)));
    for (member, value) in
        [("accept", json!(["identity", "open"])), ("allowed_users", Value::Null), ("agents", json!([]))]
    {
        assert_eq!(changed[member], value);
    }
    assert_eq!(
        (&changed["owner"], &changed["registered"], &changed["tokens"]),
        (&json!("alice"), &pack["registered"], &pack["tokens"])
    );
    assert_eq!(comes_to(&ask(&w, &alice, "DELETE", "/api/packs/P-1", None)), json!({"removed": "P-1"}));
    assert_eq!(comes_to(&ask(&w, &alice, "GET", "/api/packs/P-1", None)), "not-allowed");
    w.pack(&json!({"guid": "P-1", "accept": ["token"]}));
    assert_eq!(w.told(&call("P-1").bearer(token.as_str().unwrap())), "unauthenticated");
    assert_eq!(w.shown("P-1")["tokens"][0]["serial"], 2);
}

#[test]
fn who_may_administer_what() {
    let github = Github::start();
    let api = github.url();
    for (token, login, team) in
        [("gho_carol", "Carol", "x@y"), ("gho_dave", "dave", "Ops@Acme"), ("gho_eve", "eve", "ops@acme2")]
    {
        github.token(token, login, &[], &[team]);
    }
    let w = World::with(deploying(), &["--github-api", &api]);
    let (root, alice, bob) = (Person::new("root"), w.person("alice"), w.person("bob"));
    for (guid, owner) in [
        ("alices", json!("alice")),
        ("carols", json!("github:carol")),
        ("teams", json!("ops@acme")),
        ("nobodys", Value::Null),
    ] {
        w.pack(&json!({"guid": guid, "owner": owner}));
    }
    let all = ["alices", "carols", "nobodys", "teams"];
    assert_eq!(guids(&comes_to(&ask(&w, &root, "GET", "/api/packs", None))), all);
    assert_eq!(guids(&comes_to(&ask(&w, &alice, "GET", "/api/packs", None))), ["alices"]);
    assert_eq!(comes_to(&ask(&w, &bob, "GET", "/api/packs", None)), json!({"packs": []}));
    for (token, owned) in [("gho_carol", Some("carols")), ("gho_dave", Some("teams")), ("gho_eve", None)] {
        let login = Login::new(&w.verifier, token);
        let sign = |request: Http| w.send(&request.sign(&login.signer(), now()));
        assert_eq!(
            guids(&sign(unsigned("GET", "/api/packs", None)).json()),
            owned.into_iter().collect::<Vec<_>>()
        );
        for guid in all {
            let change =
                unsigned("PATCH", &format!("/api/packs/{guid}"), Some(&json!({"allowed_users": ["zoe"]})));
            let expected = if owned == Some(guid) { 200 } else { 403 };
            assert_eq!(sign(change).status, expected, "{token} {guid}");
        }
        // A bearer administers nothing.
        assert_eq!(w.told(&unsigned("GET", "/api/packs", None).bearer(token)), "unauthenticated");
    }
    let token = w.token("alices", &json!({}));
    let rules = json!({"allowed_users": "*"});
    let allow = json!({"allow": ["bob"]});
    for guid in ["alices", "nobodys", "unheard-of", "deploy"] {
        let at = format!("/api/packs/{guid}");
        let mut told = Vec::new();
        for (method, target, body) in [
            ("GET", at.clone(), None),
            ("PATCH", at.clone(), Some(&rules)),
            ("DELETE", at.clone(), None),
            ("POST", format!("{at}/users"), Some(&allow)),
            ("POST", format!("{at}/tokens"), Some(&json!({}))),
            ("DELETE", format!("{at}/tokens/default"), None),
        ] {
            let answer = ask(&w, &bob, method, &target, body);
            assert_eq!(answer.code(), "not-allowed", "{method} {target}");
            told.push(answer.json()["detail"].clone());
            assert_eq!(w.told(&unsigned(method, &target, body)), "unauthenticated", "{method} {target}");
            assert_eq!(w.told(&unsigned(method, &target, body).bearer(&token)), "unauthenticated");
        }
        told.dedup();
        assert_eq!(told.len(), 1, "nobody is told which packs there are: {told:?}");
    }
    let narrow = Person::with_grant("alice", Grant::everything().scope(["call", "deploy"]));
    assert_eq!(comes_to(&ask(&w, &narrow, "GET", "/api/packs", None)), "scope-missing");
    assert_eq!(
        comes_to(&ask(&w, &bob, "POST", "/api/packs", Some(&json!({"guid": "ALICES"})))),
        "not-allowed"
    );
    // What is given away is another's.
    let given = ask(&w, &alice, "PATCH", "/api/packs/alices", Some(&json!({"owner": "bob"})));
    assert_eq!(given.json(), json!({"guid": "alices"}));
    assert_eq!(comes_to(&ask(&w, &alice, "GET", "/api/packs/alices", None)), "not-allowed");
    assert_eq!(comes_to(&ask(&w, &bob, "GET", "/api/packs/alices", None))["owner"], "bob");
}

#[test]
fn entries_come_into_lists_and_out_of_them() {
    let w = World::open();
    let users = |body: Value| {
        comes_to(&w.send(&Person::new("root").request(
            "POST",
            "/api/packs/p1/users",
            Some(&body.to_string()),
        )))
    };
    w.pack(&json!({"guid": "p1", "accept": ["signed"], "allowed_users": ["alice"], "agents": [{"name": "A", "allowed_users": ["alice"]}]}));
    let bob = w.person("bob");
    assert_eq!(w.told(&call("p1").by(&bob)), "agent-not-allowed".replace("agent-", ""));
    let shown = users(json!({"allow": ["bob", "sales@acme", "bob"], "deny": ["nobody"]}));
    assert_eq!(shown["allowed_users"], json!(["alice", "bob", "sales@acme"]));
    assert_eq!(w.told(&call("p1").by(&bob)), "agent-not-allowed");
    let shown = users(json!({"allow": ["bob"], "agent": "Weather"}));
    assert_eq!(
        shown["agents"],
        json!([{"name": "A", "allowed_users": ["alice"]}, {"name": "Weather", "allowed_users": ["bob"]}])
    );
    assert_eq!(w.told(&call("p1").by(&bob)), "200");
    assert_eq!(users(json!({"deny": ["bob"], "agent": "Weather"}))["agents"][1]["allowed_users"], json!([]));
    assert_eq!(w.told(&call("p1").by(&bob)), "agent-not-allowed");
    assert_eq!(users(json!({"deny": ["alice", "bob"]}))["allowed_users"], json!(["sales@acme"]));
    assert_eq!(w.told(&call("p1").by(&bob)), "not-allowed");
    assert_eq!(users(json!({"allow": ["*"]}))["allowed_users"], "*");
    assert_eq!(users(json!({"deny": ["bob"]})), "not-allowed", "there is no list to take them out of");
    assert_eq!(users(json!({"allow": ["bob"]})), "not-allowed");
    assert_eq!(users(json!({"deny": ["*"], "allow": ["bob"]}))["allowed_users"], json!(["bob"]));
    for body in [
        json!({}),
        json!({"allow": []}),
        json!({"allow": "bob"}),
        json!({"allow": ["a b"]}),
        json!({"allow": ["bob"], "agent": ""}),
        json!({"users": ["bob"]}),
    ] {
        assert_eq!(users(body.clone()), "malformed", "{body}");
    }
    w.patch("p1", &json!({"allowed_users": null}));
    assert_eq!(users(json!({"allow": ["bob"]})), "not-allowed", "who is registered may call already");
}

#[test]
fn a_pack_of_the_configuration_is_shown_and_not_changed() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = "[[pack]]\nguid = \"Conf\"\naccept = [\"signed\"]\nowner = \"alice\"\nallowed-users = [\"bob\"]\n\
                [[pack.agent]]\nname = \"Weather\"\nallowed-users = \"*\"\n";
    std::fs::write(file.path(), text).unwrap();
    let w = World::with(deploying(), &["--config", file.path().to_str().unwrap()]);
    let (root, alice, bob) = (Person::new("root"), w.person("alice"), w.person("bob"));
    w.pack(&json!({"guid": "stored"}));
    let shown = comes_to(&ask(&w, &root, "GET", "/api/packs/conf", None));
    let expected = json!({
        "guid": "conf", "accept": ["signed"], "owner": "alice", "allowed_users": ["bob"], "registered": null, "registered_by": null,
        "agents": [{"name": "Weather", "allowed_users": "*"}], "tokens": [],
    });
    assert_eq!(shown, expected);
    assert_eq!(comes_to(&ask(&w, &alice, "GET", "/api/packs", None)), json!({"packs": [expected]}));
    assert_eq!(guids(&comes_to(&ask(&w, &root, "GET", "/api/packs", None))), ["conf", "stored"]);
    for person in [&root, &alice, &bob] {
        for (method, target, body) in [
            ("PATCH", "/api/packs/conf", json!({"owner": "bob"})),
            ("DELETE", "/api/packs/Conf", json!({})),
            ("POST", "/api/packs/conf/tokens", json!({})),
            ("POST", "/api/packs/conf/users", json!({"allow": ["*"]})),
            ("POST", "/api/packs", json!({"guid": "CONF"})),
        ] {
            assert_eq!(
                comes_to(&ask(&w, person, method, target, Some(&body))),
                "not-allowed",
                "{method} {target}"
            );
        }
    }
    let deploy = unsigned("POST", "/api/pack/deploy", Some(&json!({"guid": "conf"})));
    assert_eq!(w.deployed(&deploy), "unauthenticated");
    assert_eq!(w.deployed(&deploy.clone().by(&bob)), "not-allowed");
    assert_eq!(w.deployed(&deploy.by(&alice)), "passed");
    let guarded =
        unsigned("POST", "/api/pack/deploy", Some(&json!({"guid": "conf", "auth": {"accept": ["open"]}})));
    assert_eq!(w.deployed(&guarded.by(&alice)), "not-allowed");
    assert_eq!(w.told(&call("conf").by(&bob)), "200");
    assert_eq!(w.told(&call("CONF")), "unauthenticated");
    assert_eq!(comes_to(&ask(&w, &root, "GET", "/api/packs/conf", None)), expected);
}

#[test]
fn many_packs_come_page_by_page() {
    let w = World::open();
    w.pack(&json!({"guid": "first", "owner": "alice"}));
    let alice = w.person("alice");
    let url = format!("sqlite:{}", w.store().display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut store = sqlx::SqliteConnection::connect(&url).await.unwrap();
        let copy = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 2098) \
                    INSERT INTO pack SELECT printf('g%04d', i), printf('G%04d', i), rules, registered, NULL, NULL, NULL, NULL, changed + 1 \
                    FROM pack, n WHERE guid = 'first'";
        sqlx::query(copy).execute(&mut store).await.unwrap();
        sqlx::query("UPDATE change SET value = value + 9").execute(&mut store).await.unwrap();
        store.close().await.unwrap();
    });
    let w = w.again(&[]);
    let (mut found, mut target) = (Vec::new(), "/api/packs".to_owned());
    for expected in [1000, 1000, 100] {
        let page = comes_to(&ask(&w, &alice, "GET", &target, None));
        assert_eq!(page["packs"].as_array().unwrap().len(), expected, "{target}");
        found.extend(guids(&page));
        target = format!("/api/packs?after={}", page["next"].as_str().unwrap_or_default());
    }
    assert_eq!(target, "/api/packs?after=", "the last page names no next");
    let mut expected: Vec<String> = (0..2099).map(|n| format!("G{n:04}")).collect();
    expected.insert(0, "first".into());
    assert_eq!(found, expected);
    assert_eq!(admin(&w.verifier, "GET", "/api/packs?after=g2098", None), json!({"packs": []}));
}
