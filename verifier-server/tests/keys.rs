//! Keys are registered, name their successor, retire and are revoked in the running program, and stay so.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use std::time::Duration;

use envelope_core::{Grant, Signer};
use serde_json::{Value, json};
use support::admin::{
    AUTHORITY, TARGET, admin, refused, register, retirement, revoke, start, state, succession, thumbprint,
    ticket, told,
};
use support::{Http, PackServer, Person, Program, key, now};

struct Setting {
    pack: PackServer,
    directory: tempfile::TempDir,
    verifier: Program,
}

impl Setting {
    fn new(more: &[&str]) -> Self {
        let (pack, directory) = (PackServer::start(), tempfile::tempdir().unwrap());
        let verifier = start(&pack, &directory.path().join("store.sqlite"), more);
        Self { pack, directory, verifier }
    }

    /// The same after a crash.
    fn again(self) -> Self {
        let Self { pack, directory, mut verifier } = self;
        verifier.signal("KILL");
        verifier.child.wait().unwrap();
        let verifier = start(&pack, &directory.path().join("store.sqlite"), &[]);
        Self { pack, directory, verifier }
    }
}

fn sleep(seconds: u64) {
    std::thread::sleep(Duration::from_secs(seconds));
}

#[test]
fn a_ticket_makes_a_key_known_once() {
    let s = Setting::new(&[]);
    let (v, alice) = (&s.verifier, Person::new("alice"));
    let before = now();
    let issued = admin(v, "POST", "/api/keys/tickets", Some(&json!({"identity": "alice", "ttl": 60})));
    let ticket = issued["ticket"].as_str().unwrap();
    assert!(ticket.starts_with("tkt_") && ticket.len() == 47, "{ticket}");
    assert_eq!(issued["identity"], "alice");
    assert!((before + 60..=now() + 60).contains(&issued["expires"].as_u64().unwrap()));
    assert_eq!(issued.as_object().unwrap().len(), 3);

    assert_eq!(alice.calls(v), "bad-signature");
    let enrolled = v.send(&alice.enrolls(ticket));
    let expected = json!({
        "identity": "alice",
        "keyid": thumbprint("alice"),
        "expires": null,
        "packs": [],
        "authorities": [AUTHORITY],
    });
    assert_eq!((enrolled.status, enrolled.json()), (200, expected.clone()), "{}", v.log());
    assert_eq!(enrolled.header("content-type"), Some("application/json"));
    assert_eq!(alice.calls(v), "200");

    let again = v.send(&alice.enrolls(ticket));
    assert_eq!((again.status, again.json()), (200, expected), "the answer may have been lost");
    let other = v.send(&Person::new("other").enrolls(ticket));
    assert_eq!((other.status, other.code().as_str()), (401, "unauthenticated"));
    assert_eq!(Person::new("other").calls(v), "bad-signature");

    let me = v.send(&alice.request("GET", "/api/me", None)).json();
    assert_eq!(me["identity"], "alice");
    assert_eq!(me["keyid"], thumbprint("alice").as_str());
    assert_eq!(me["call_key"], alice.keyid().as_str());
    assert_eq!(
        (&me["expires"], &me["packs"], &me["authorities"]),
        (&Value::Null, &json!([]), &json!([AUTHORITY]))
    );
    assert_eq!(me.as_object().unwrap().len(), 6);

    for name in ["store.sqlite", "store.sqlite-wal"] {
        let bytes = std::fs::read(s.directory.path().join(name)).unwrap();
        assert!(
            !bytes.windows(20).any(|window| window == &ticket.as_bytes()[4..24]),
            "{name} has the ticket"
        );
    }
    assert!(!v.log().contains(&ticket[4..]));
    let s = s.again();
    assert_eq!(alice.calls(&s.verifier), "200");
    assert!(s.verifier.logs("the store has 1 keys of 1 identities"));
    assert_eq!(s.verifier.send(&Person::new("other").enrolls(ticket)).code(), "unauthenticated");
}

#[test]
fn without_a_good_ticket_nobody_enrolls() {
    let s = Setting::new(&[]);
    let (v, alice) = (&s.verifier, Person::new("alice"));
    let short = json!({"identity": "alice", "ttl": 1});
    let short = admin(v, "POST", "/api/keys/tickets", Some(&short))["ticket"].as_str().unwrap().to_owned();
    let good = ticket(v, "alice");
    let unknown = format!("tkt_{}", "A".repeat(43));
    sleep(2);
    let none = Http::new("POST", "/api/enroll", AUTHORITY).sign(&alice.signer(), now());
    let basic = Http::new("POST", "/api/enroll", AUTHORITY)
        .header("Authorization", &format!("Basic {good}"))
        .sign(&alice.signer(), now());
    let mut texts = Vec::new();
    for request in [none, basic, alice.enrolls(&unknown), alice.enrolls(&short), alice.enrolls("tkt_")] {
        let answer = v.send(&request);
        assert_eq!((answer.status, answer.code().as_str()), (401, "unauthenticated"));
        texts.push(answer.json()["detail"].clone());
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "{texts:?}");

    // A good ticket, and something else is wrong: it stays good.
    let unsigned =
        Http::new("POST", "/api/enroll", AUTHORITY).header("Authorization", &format!("Bearer {good}"));
    assert_eq!(v.send(&unsigned).code(), "unauthenticated");
    let bearer = |signer: &Signer<'_>| {
        v.send(
            &Http::new("POST", "/api/enroll", AUTHORITY)
                .header("Authorization", &format!("Bearer {good}"))
                .sign(signer, now()),
        )
        .code()
    };
    let lone = key("lone");
    assert_eq!(bearer(&Signer::registered(&lone)), "key-refused", "no certificate");
    let only_call = Person::with_grant("alice", Grant::everything().scope(["call"]));
    assert_eq!(bearer(&only_call.signer()), "scope-missing");
    let elsewhere = Person::with_grant("alice", Grant::everything().audience(["elsewhere.example"]));
    assert_eq!(bearer(&elsewhere.signer()), "audience-mismatch");
    let uncovered = Http::new("POST", "/api/enroll", AUTHORITY)
        .sign(&alice.signer(), now())
        .header("Authorization", &format!("Bearer {good}"));
    assert_eq!(v.send(&uncovered).code(), "not-covered");
    let forged = alice.enrolls(&good).change("Signature", |value| value.replace("sig=:", "sig=:AAAA"));
    assert_ne!(told(&v.send(&forged)), "200");
    register(v, "bob", "bob");
    assert_eq!(v.send(&Person::new("bob").enrolls(&good)).code(), "key-refused", "known as bob's");
    revoke(v, &json!({"key": thumbprint("lost")}));
    assert_eq!(v.send(&Person::new("lost").enrolls(&good)).code(), "revoked");
    let with_body = Http::new("POST", "/api/enroll", AUTHORITY)
        .header("Authorization", &format!("Bearer {good}"))
        .body(r#"{"identity":"root"}"#)
        .sign(&alice.signer(), now());
    assert_eq!(v.send(&with_body).code(), "malformed");
    let request = alice.enrolls(&good);
    assert_eq!(v.send(&request).status, 200);
    assert_eq!(v.send(&request).code(), "replayed");
    assert_eq!(Person::new("bob").calls(v), "200");

    // Whoever is revoked as a whole loses the tickets that are out, too.
    let left = ticket(v, "alice");
    revoke(v, &json!({"identity": "alice"}));
    assert_eq!(v.send(&Person::new("alice 2").enrolls(&left)).code(), "unauthenticated");
}

#[test]
fn only_an_admin_administers() {
    let s = Setting::new(&[]);
    let v = &s.verifier;
    register(v, "alice", "alice");
    let statement = json!({"identity": "mallory"}).to_string();
    let endpoints = [
        ("POST", "/api/keys/tickets", Some(statement.as_str())),
        ("POST", "/api/keys", Some(statement.as_str())),
        ("POST", "/api/keys/revocations", Some(statement.as_str())),
        ("GET", "/api/keys", None),
        ("GET", "/api/identities", None),
        ("GET", "/api/keys/revocations", None),
    ];
    let weak = Person::with_grant("root", Grant::everything().scope(["call", "enroll"]));
    for (method, target, body) in endpoints {
        assert_eq!(v.send(&Person::new("alice").request(method, target, body)).code(), "not-allowed");
        assert_eq!(v.send(&Person::new("nobody").request(method, target, body)).code(), "bad-signature");
        assert_eq!(v.send(&weak.request(method, target, body)).code(), "scope-missing");
        let mut unsigned = Http::new(method, target, AUTHORITY);
        if let Some(body) = body {
            unsigned = unsigned.header("Content-Type", "application/json").body(body);
        }
        assert_eq!(v.send(&unsigned).code(), "unauthenticated", "{target}");
        assert_eq!(v.send(&Http::new("DELETE", target, AUTHORITY)).code(), "not-allowed", "{target}");
        let preflight = Http::new("OPTIONS", target, AUTHORITY)
            .header("Origin", "https://evil.example")
            .header("Access-Control-Request-Method", method)
            .header("Access-Control-Request-Headers", "signature, signature-input");
        assert_eq!(v.send(&preflight).header("access-control-allow-origin"), None, "{target}");
    }
    let body = json!({"identity": "mallory"}).to_string();
    let request = Person::new("root").request("POST", "/api/keys/tickets", Some(&body));
    assert_eq!(v.send(&request).status, 200);
    assert_eq!(v.send(&request).code(), "replayed");
}

#[test]
fn bodies_are_read_strictly() {
    let s = Setting::new(&[]);
    let v = &s.verifier;
    let root = Person::new("root");
    let k = thumbprint("alice");
    let jwk = key("alice").verifying_key().to_jwk();
    for (target, body) in [
        ("/api/keys/tickets", "{}".into()),
        ("/api/keys/tickets", r#"["alice",60]"#.into()),
        ("/api/keys/tickets", r#"{"identity":"a b"}"#.into()),
        ("/api/keys/tickets", r#"{"identity":"alice","ttl":0}"#.into()),
        ("/api/keys/tickets", r#"{"identity":"alice","ttl":2592001}"#.into()),
        ("/api/keys/tickets", r#"{"identity":"alice","ttl":-1}"#.into()),
        ("/api/keys/tickets", r#"{"identity":"alice","identity":"bob"}"#.into()),
        ("/api/keys/tickets", r#"{"identity":"alice","admin":true}"#.into()),
        ("/api/keys/tickets", r#"{"identity":"alice"} "#.to_owned() + "x"),
        ("/api/keys", r#"{"identity":"alice","key":"short"}"#.into()),
        ("/api/keys", r#"{"identity":"alice","key":5}"#.into()),
        ("/api/keys", format!(r#"{{"identity":"alice","key":"{k}","role":"call"}}"#)),
        ("/api/keys", format!(r#"{{"identity":"alice","key":"{k}","role":"admin"}}"#)),
        ("/api/keys", format!(r#"{{"identity":"alice","key":"{k}","ttl":0}}"#)),
        ("/api/keys", format!(r#"{{"identity":"alice","key":{jwk},"key":{jwk}}}"#)),
        ("/api/keys/revocations", "{}".into()),
        ("/api/keys/revocations", format!(r#"{{"key":"{k}","identity":"alice"}}"#)),
        ("/api/keys/revocations", r#"{"jti":"1"}"#.into()),
        ("/api/keys/revocations", format!(r#"{{"identity":"root","issued_before":{}}}"#, now() + 3600)),
        ("/api/statements", "{}".into()),
        ("/api/statements", "[]".into()),
    ] {
        let answer = v.send(&root.request("POST", target, Some(&body)));
        assert_eq!((answer.status, answer.code().as_str()), (400, "malformed"), "{target} {body}");
    }
    let long = format!(r#"{{"identity":"{}"}}"#, "a".repeat(16 << 10));
    assert_eq!(v.send(&root.request("POST", "/api/keys", Some(&long))).code(), "too-large");
    assert_eq!(state(v, &" ".repeat(4097)).code(), "too-large");
    for query in ["before=x", "after=%FF", "after"] {
        let target = format!("/api/keys?{query}");
        let code = v.send(&root.request("GET", &target, None)).code();
        assert_eq!(code, "malformed", "{query}");
    }
    let private = json!({"kty": "OKP", "crv": "Ed25519", "x": k, "d": k});
    assert_eq!(refused(v, "/api/keys", &json!({"identity": "a", "key": private})), "key-refused");
    let published = json!({"identity": "a", "key": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"});
    assert_eq!(refused(v, "/api/keys", &published), "key-refused");
    assert_eq!(admin(v, "GET", "/api/identities", None)["identities"].as_array().unwrap().len(), 1);
}

#[test]
fn a_registered_call_key_needs_no_certificate_and_runs_out() {
    let s = Setting::new(&[]);
    let (v, ci) = (&s.verifier, key("ci"));
    let jwk: Value = serde_json::from_str(&ci.verifying_key().to_jwk()).unwrap();
    let call = || told(&v.send(&Http::new("GET", TARGET, AUTHORITY).sign(&Signer::registered(&ci), now())));
    assert_eq!(call(), "bad-signature");
    let body = |ttl: u64| json!({"identity": "ci", "key": jwk, "role": "call", "ttl": ttl});
    assert_eq!(refused(v, "/api/keys", &body(90 * 86_400 + 1)), "key-refused");
    let record = admin(v, "POST", "/api/keys", Some(&body(2)));
    let expires = record["expires"].as_u64().unwrap();
    assert!(expires.abs_diff(now() + 2) <= 1);
    assert_eq!(
        record,
        json!({
            "key": thumbprint("ci"),
            "identity": "ci",
            "role": "call",
            "expires": expires,
            "issued_from": 0,
            "revoked": false,
            "successor": null,
            "registered": record["registered"],
            "registered_by": "root",
        })
    );
    assert_eq!(call(), "200");
    sleep(3);
    assert_eq!(call(), "certificate-expired");
    let record = admin(v, "POST", "/api/keys", Some(&json!({"identity": "ci", "key": jwk, "role": "call"})));
    assert!(record["expires"].as_u64().unwrap().abs_diff(now() + 86_400) <= 2);
    assert_eq!(call(), "200");
    assert_eq!(
        refused(v, "/api/keys", &json!({"identity": "ci", "key": jwk})),
        "key-refused",
        "another role"
    );
    let me = v.send(&Http::new("GET", "/api/me", AUTHORITY).sign(&Signer::registered(&ci), now())).json();
    assert_eq!((&me["identity"], &me["keyid"]), (&json!("ci"), &Value::Null));
    assert_eq!((&me["call_key"], &me["expires"]), (&json!(thumbprint("ci")), &record["expires"]));
    assert_eq!(told(&state(v, &retirement(&ci))), "200");
    assert_eq!(call(), "revoked");
    let s = s.again();
    let get = Http::new("GET", TARGET, AUTHORITY).sign(&Signer::registered(&ci), now());
    assert_eq!(s.verifier.send(&get).code(), "revoked");
}

#[test]
fn a_key_names_its_successor() {
    let s = Setting::new(&[]);
    let v = &s.verifier;
    register(v, "alice", "one");
    let keys = ["one", "two", "three", "four"].map(key);
    let [one, two, three, four] = &keys;
    let calls = |label: &str| Person::new(label).calls(v);
    assert_eq!(calls("one"), "200");

    let first = succession(one, two, now(), 1);
    let second = succession(two, three, now(), 0);
    assert_eq!(state(v, &second).code(), "bad-signature", "two is not known yet");
    let (payload, _) = first.rsplit_once("\"signature\":\"").unwrap();
    let cut = format!("{payload}\"signature\":\"{}\"}}]}}", "A".repeat(86));
    assert_eq!(state(v, &cut).code(), "bad-signature");
    assert_eq!(calls("two"), "bad-signature");

    let answer = state(v, &first);
    assert_eq!(answer.status, 200, "{answer:?}");
    let until = answer.json()["until"].as_u64().unwrap();
    let expected =
        json!({"identity": "alice", "old": thumbprint("one"), "new": thumbprint("two"), "until": until});
    assert_eq!(answer.json(), expected);
    assert_eq!(calls("two"), "200");
    sleep(2);
    assert_eq!(calls("one"), "certificate-expired");
    assert_eq!(state(v, &first).code(), "replayed");
    assert_eq!(state(v, &succession(one, four, now(), 0)).code(), "key-refused", "a fork");

    assert_eq!(state(v, &second).status, 200);
    assert_eq!((calls("two").as_str(), calls("three").as_str()), ("certificate-expired", "200"));
    assert_eq!(state(v, &succession(three, one, now(), 0)).code(), "key-refused", "back to one");
    assert_eq!(state(v, &succession(three, four, now() + 60, 0)).code(), "not-yet-valid");
    let jwk: Value = serde_json::from_str(&key("call").verifying_key().to_jwk()).unwrap();
    admin(v, "POST", "/api/keys", Some(&json!({"identity": "alice", "key": jwk, "role": "call"})));
    assert_eq!(state(v, &succession(&key("call"), four, now(), 0)).code(), "bad-signature", "a call key");
    revoke(v, &json!({"key": thumbprint("three")}));
    assert_eq!(state(v, &succession(three, four, now(), 0)).code(), "revoked");

    // A key of the configuration only: what it says is written down, and stays.
    let root = Person::new("root");
    assert_eq!(state(v, &succession(&root.identity_key, &key("root 2"), now(), 0)).status, 200);
    assert_eq!(root.calls(v), "certificate-expired");
    assert_eq!(Person::new("root 2").calls(v), "200");
    let s = s.again();
    let v = &s.verifier;
    for (label, code) in [
        ("root", "certificate-expired"),
        ("root 2", "200"),
        ("one", "certificate-expired"),
        ("two", "certificate-expired"),
        ("three", "revoked"),
        ("four", "bad-signature"),
    ] {
        assert_eq!(Person::new(label).calls(v), code, "{label}");
    }
    assert_eq!(state(v, &first).code(), "replayed");
    // The new key of the admin administers.
    let list = v.send(&Person::new("root 2").request("GET", "/api/keys", None)).json();
    let old =
        list["keys"].as_array().unwrap().iter().find(|k| k["key"] == thumbprint("root").as_str()).unwrap();
    assert_eq!((&old["successor"], &old["registered_by"]), (&json!(thumbprint("root 2")), &Value::Null));
}

#[test]
fn a_key_retires() {
    let s = Setting::new(&[]);
    let v = &s.verifier;
    register(v, "alice", "alice");
    assert_eq!(Person::new("alice").calls(v), "200");
    let statement = retirement(&key("alice"));
    assert_eq!(state(v, &retirement(&key("nobody"))).code(), "bad-signature");
    // An envelope around it must verify, too.
    let signed = Person::new("stranger").request("POST", "/api/statements", Some(&statement));
    assert_eq!(v.send(&signed).code(), "bad-signature");
    assert_eq!(Person::new("alice").calls(v), "200");
    let answer = state(v, &statement);
    assert_eq!(answer.json(), json!({"identity": "alice", "revoked": thumbprint("alice")}));
    assert_eq!(Person::new("alice").calls(v), "revoked");
    assert_eq!(state(v, &statement).code(), "replayed");
    assert_eq!(refused(v, "/api/keys", &json!({"identity": "alice", "key": thumbprint("alice")})), "revoked");
}

#[test]
fn every_revocation_is_in_force_at_the_next_request_and_stays() {
    let s = Setting::new(&[]);
    let v = &s.verifier;
    for (identity, label) in [("a", "key"), ("b", "b1"), ("b", "b2"), ("c", "jti"), ("d", "before")] {
        register(v, identity, label);
    }
    let people = ["key", "b1", "b2", "jti", "before"].map(Person::new);
    let [by_key, b1, b2, by_jti, before] = &people;
    for person in &people {
        assert_eq!(person.calls(v), "200", "into the cache of certificates");
    }
    assert_eq!(revoke(v, &json!({"key": thumbprint("key")})), json!({"revoked": [thumbprint("key")]}));
    assert_eq!(by_key.calls(v), "revoked");
    let mut both = [thumbprint("b1"), thumbprint("b2")];
    both.sort();
    let mut told = revoke(v, &json!({"identity": "b"}))["revoked"].clone();
    told.as_array_mut().unwrap().sort_by_key(ToString::to_string);
    assert_eq!(told, json!(both));
    assert_eq!((b1.calls(v), b2.calls(v)), ("revoked".into(), "revoked".into()));
    assert_eq!(revoke(v, &json!({"identity": "b"})), json!({"revoked": []}), "nothing is left");
    assert_eq!(refused(v, "/api/keys/revocations", &json!({"identity": "typo"})), "not-allowed");

    let jti = json!({"key": thumbprint("jti"), "jti": "test"});
    assert_eq!(revoke(v, &jti), json!({"revoked": [thumbprint("jti")]}));
    assert_eq!(by_jti.calls(v), "revoked");
    assert_eq!(Person::new("before").calls(v), "200", "the same jti of another key");

    let moment = json!({"identity": "d", "issued_before": now()});
    assert_eq!(revoke(v, &moment), json!({"revoked": [thumbprint("before")]}));
    assert_eq!(before.calls(v), "revoked");
    let later = || Person::certified("before", Grant::everything(), now(), 900);
    assert_eq!(later().calls(v), "200");

    revoke(v, &json!({"key": thumbprint("root 2")}));
    assert_eq!(refused(v, "/api/keys", &json!({"identity": "r", "key": thumbprint("root 2")})), "revoked");

    let s = s.again();
    let v = &s.verifier;
    for person in &people {
        assert_eq!(person.calls(v), "revoked");
    }
    assert_eq!(later().calls(v), "200");
    let listed = admin(v, "GET", "/api/keys", None)["keys"].clone();
    let of = |label: &str| {
        let found = listed.as_array().unwrap().iter().find(|k| k["key"] == thumbprint(label).as_str());
        found.unwrap_or_else(|| panic!("{label} is not listed")).clone()
    };
    assert_eq!((&of("b1")["revoked"], &of("before")["revoked"]), (&json!(true), &json!(false)));
    assert_eq!(of("before")["issued_from"], moment["issued_before"]);
    assert_eq!((&of("root 2")["identity"], &of("root 2")["role"]), (&Value::Null, &Value::Null));
    assert_eq!((&of("root")["identity"], &of("root")["registered"]), (&json!("root"), &Value::Null));
    let identities = admin(v, "GET", "/api/identities", None)["identities"].clone();
    let names: Vec<&str> =
        identities.as_array().unwrap().iter().map(|i| i["identity"].as_str().unwrap()).collect();
    assert_eq!(names, ["root", "a", "b", "c", "d"]);
    assert_eq!(identities[2]["keys"].as_array().unwrap().len(), 2);
    assert_eq!(identities[2]["registered_by"], "root");

    // The admin takes back the own key: the last thing that it does.
    revoke(v, &json!({"identity": "root"}));
    assert_eq!(Person::new("root").calls(v), "revoked");
    let s = s.again();
    assert_eq!(Person::new("root").calls(&s.verifier), "revoked", "the store wins over --trust");
}

#[test]
fn what_the_configuration_revokes_is_revoked_whatever_the_store_says() {
    let s = Setting::new(&[]);
    register(&s.verifier, "alice", "alice");
    let Setting { pack, directory, mut verifier } = s;
    verifier.signal("TERM");
    verifier.child.wait().unwrap();
    let (store, config) = (directory.path().join("store.sqlite"), directory.path().join("verifier.toml"));
    std::fs::write(&config, format!("revoked = [\"{}\"]", thumbprint("alice"))).unwrap();
    let verifier = start(&pack, &store, &["--config", config.to_str().unwrap()]);
    assert_eq!(Person::new("alice").calls(&verifier), "revoked");
    let listed = admin(&verifier, "GET", "/api/keys", None)["keys"].clone();
    let of_alice = listed.as_array().unwrap().iter().find(|k| k["identity"] == "alice").unwrap();
    assert_eq!(of_alice["revoked"], true);
    assert_eq!(state(&verifier, &succession(&key("alice"), &key("alice 2"), now(), 0)).code(), "revoked");
    drop(verifier);
    let verifier = start(&pack, &store, &[]);
    assert_eq!(Person::new("alice").calls(&verifier), "200", "the store itself has not changed");
}

#[test]
fn a_verifier_without_a_store_keeps_no_keys() {
    let root = Person::new("root");
    let verifier = Program::serve(&["--trust", &root.trust("root"), "--authority", AUTHORITY]);
    for (method, target) in [
        ("POST", "/api/enroll"),
        ("GET", "/api/me"),
        ("POST", "/api/statements"),
        ("POST", "/api/keys/tickets"),
        ("GET", "/api/keys"),
        ("GET", "/api/keys/revocations"),
        ("GET", "/api/identities"),
    ] {
        let answer = verifier.send(&root.request(method, target, None));
        assert_eq!(answer.code(), "not-allowed", "{target}");
        assert_eq!(answer.json()["detail"], "this verifier keeps no keys");
    }
    let described = verifier.send(&Http::new("GET", "/.well-known/envelope", AUTHORITY)).json();
    assert_eq!((&described["issuer_key"], &described["enroll"]), (&Value::Null, &json!(false)));
}

#[test]
fn many_keys_come_page_by_page() {
    let s = Setting::new(&[]);
    let Setting { pack, directory, mut verifier } = s;
    verifier.signal("TERM");
    verifier.child.wait().unwrap();
    let store = directory.path().join("store.sqlite");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        use base64ct::{Base64UrlUnpadded, Encoding};
        use sqlx::Connection;
        let url = format!("sqlite:{}", store.display());
        let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
        let mut change = connection.begin().await.unwrap();
        sqlx::query("UPDATE change SET value = value + 1").execute(&mut *change).await.unwrap();
        for number in 0..2500_u32 {
            let (name, mut bytes) = (format!("user:{number:04}"), [0; 32]);
            bytes[..4].copy_from_slice(&number.to_be_bytes());
            sqlx::query("INSERT INTO identity VALUES ($1, 1, 'root')")
                .bind(&name)
                .execute(&mut *change)
                .await
                .unwrap();
            sqlx::query(
                "INSERT INTO known_key (thumbprint, identity, role, issued_from, registered, changed) \
                 SELECT $1, $2, 'identity', 0, 1, value FROM change",
            )
            .bind(Base64UrlUnpadded::encode_string(&bytes))
            .bind(&name)
            .execute(&mut *change)
            .await
            .unwrap();
        }
        change.commit().await.unwrap();
    });
    let verifier = start(&pack, &store, &[]);
    assert!(verifier.logs("the store has 2500 keys of 2500 identities"));
    for (target, list, member) in
        [("/api/keys", "keys", "key"), ("/api/identities", "identities", "identity")]
    {
        let (mut seen, mut sizes, mut query) = (Vec::new(), Vec::new(), String::new());
        loop {
            let page = admin(&verifier, "GET", &format!("{target}{query}"), None);
            let entries = page[list].as_array().unwrap();
            sizes.push(entries.len());
            seen.extend(entries.iter().map(|entry| entry[member].as_str().unwrap().to_owned()));
            match page["next"].as_str() {
                Some(next) => query = format!("?after={next}"),
                None => break,
            }
        }
        assert_eq!(sizes, [1001, 1000, 500], "the first page has the configuration's besides");
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 2501);
    }
}

#[test]
fn keys_do_not_follow_each_other_faster_than_people_rotate_them() {
    let trusted = Person::new("link 0").trust("alice");
    let s = Setting::new(&["--trust", &trusted]);
    let v = &s.verifier;
    let link = |number: u32| key(&format!("link {number}"));
    for number in 0..32 {
        let answer = state(v, &succession(&link(number), &link(number + 1), now(), 0));
        assert_eq!(answer.status, 200, "{number}: {answer:?}");
    }
    let answer = state(v, &succession(&link(32), &link(33), now(), 0));
    assert_eq!(answer.code(), "not-allowed");
    assert_eq!(answer.json()["detail"], "the identity has named 32 successors within 24 hours");
    assert_eq!(Person::new("link 32").calls(v), "200", "nothing else is taken away");
    register(v, "bob", "bob");
    assert_eq!(state(v, &succession(&key("bob"), &key("bob 2"), now(), 0)).status, 200, "nor from others");
    assert_eq!(state(v, &retirement(&link(32))).status, 200);
}

#[test]
fn a_ticket_that_can_do_nothing_makes_nobody_verify() {
    let s = Setting::new(&[]);
    let v = &s.verifier;
    let short = json!({"identity": "alice", "ttl": 2});
    let issue = || admin(v, "POST", "/api/keys/tickets", Some(&short))["ticket"].as_str().unwrap().to_owned();
    let (used, unused) = (issue(), issue());
    let alice = Person::new("alice");
    assert_eq!(v.send(&alice.enrolls(&used)).status, 200);
    assert_eq!(v.send(&alice.enrolls(&used)).status, 200, "the answer may have been lost");
    let forged =
        |ticket: &str| alice.enrolls(ticket).change("Signature", |value| value.replace("sig=:", "sig=:AAAA"));
    assert_eq!(v.send(&forged(&used)).code(), "malformed", "this one is read");
    sleep(4);
    for ticket in [&used, &unused] {
        assert_eq!(v.send(&forged(ticket)).code(), "unauthenticated");
        assert_eq!(v.send(&alice.enrolls(ticket)).code(), "unauthenticated");
    }
}

#[test]
fn what_is_refused_is_not_logged_as_done_and_says_why() {
    let s = Setting::new(&[]);
    let v = &s.verifier;
    revoke(v, &json!({"key": thumbprint("lost")}));
    assert_eq!(refused(v, "/api/keys", &json!({"identity": "alice", "key": thumbprint("lost")})), "revoked");
    let detail = |target: &str, body: serde_json::Value| {
        let answer = v.send(&Person::new("root").request("POST", target, Some(&body.to_string())));
        (answer.code(), answer.json()["detail"].as_str().unwrap().to_owned())
    };
    let long = json!({"key": thumbprint("root"), "jti": "j".repeat(257)});
    let (code, text) = detail("/api/keys/revocations", long);
    assert!(code == "malformed" && text.contains("jti is longer"), "{text}");
    let unknown = json!({"key": thumbprint("stranger"), "jti": "j"});
    let (code, text) = detail("/api/keys/revocations", unknown);
    assert!(code == "not-allowed" && text.contains("no key of this thumbprint"), "{text}");
    for (method, target) in [
        ("POST", "/api/enroll?x"),
        ("GET", "/api/me?x=1"),
        ("POST", "/api/statements?after=x"),
        ("POST", "/api/keys?after=x"),
        ("POST", "/api/keys/tickets?x"),
        ("POST", "/api/keys/revocations?x"),
        ("GET", "/api/keys/revocations?after=x"),
    ] {
        let answer = v.send(&Person::new("root").request(method, target, None));
        assert_eq!(answer.code(), "malformed", "{target}");
        assert_eq!(answer.json()["detail"], "this endpoint takes no query");
    }
    ticket(v, "bob");
    assert!(v.logs("ticket identity=\"bob\"") && !v.log().contains("registered key="), "{}", v.log());
}
