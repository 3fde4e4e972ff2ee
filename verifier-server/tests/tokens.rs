//! Tokens of packs (A): what they open and how long, what is kept of them, keys that are enrolled by one, and bad ones.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::admin::{AUTHORITY, admin, refused, revoke, state, succession, thumbprint, told};
use support::packs::{World, call, deployment, serve, token_in, unsigned};
use support::{Http, Person, key, now};

fn token_pack(w: &World, guid: &str) -> String {
    w.pack(&json!({"guid": guid, "accept": ["token", "signed"], "owner": "alice"}))
}

/// Until a moment has come.
fn wait_for(end: u64) {
    while now() < end {
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_token_opens_its_pack_and_no_other_until_it_is_rotated_or_runs_out() {
    let w = World::open();
    let (one, two) = (token_pack(&w, "p1"), token_pack(&w, "p2"));
    assert_eq!(w.told(&call("p1").bearer(&one)), "200");
    assert_eq!(w.told(&call("P1").bearer(&one)), "200");
    assert_eq!(w.told(&call("p1").header("Authorization", &format!("bearer  {one} "))), "200");
    let mut texts = Vec::new();
    let last = if one.ends_with('A') { "E" } else { "A" };
    let one_bit_off = format!("{}{last}", &one[..46]);
    for token in
        [two.as_str(), &one[..46], &format!("{one}A"), &one_bit_off, "tok_", &one.replacen("tok_", "rsk_", 1)]
    {
        let answer = w.send(&call("p1").bearer(token));
        assert_eq!((answer.status, answer.code().as_str()), (401, "unauthenticated"), "{token}");
        texts.push(answer.json()["detail"].clone());
    }
    let rotated = w.token("p1", &json!({}));
    let overlapped = w.token("p1", &json!({"overlap": 600}));
    let brief = admin(&w.verifier, "POST", "/api/packs/p1/tokens", Some(&json!({"name": "brief", "ttl": 2})));
    let brief_token = brief["token"].as_str().unwrap();
    assert_eq!((&brief["name"], &brief["serial"]), (&json!("brief"), &json!(1)));
    for (token, good) in
        [(&one, false), (&rotated, true), (&overlapped, true), (&brief_token.to_owned(), true)]
    {
        let answer = w.send(&call("p1").bearer(token));
        assert_eq!(answer.status, if good { 200 } else { 401 }, "{answer:?}");
        texts.extend((!good).then(|| answer.json()["detail"].clone()));
    }
    wait_for(brief["expires"].as_u64().unwrap());
    let answer = w.send(&call("p1").bearer(brief_token));
    texts.push(answer.json()["detail"].clone());
    texts.dedup();
    assert_eq!(texts.len(), 1, "nobody can ask which tokens there are: {texts:?}");
    // A rotation without overlap ends them all.
    let last = w.token("p1", &json!({}));
    for (token, expected) in [(&rotated, "unauthenticated"), (&overlapped, "unauthenticated"), (&last, "200")]
    {
        assert_eq!(w.told(&call("p1").bearer(token)), expected);
    }
    let serials: Vec<_> =
        w.shown("p1")["tokens"].as_array().unwrap().iter().map(|token| token["serial"].clone()).collect();
    assert_eq!(serials, [4]);
}

#[test]
fn an_overlap_ends() {
    let w = World::open();
    let old = token_pack(&w, "p1");
    let new = w.token("p1", &json!({"overlap": 2}));
    let tokens = w.shown("p1")["tokens"].clone();
    assert_eq!(w.told(&call("p1").bearer(&old)), "200");
    wait_for(tokens[0]["expires"].as_u64().unwrap());
    assert_eq!(w.told(&call("p1").bearer(&old)), "unauthenticated");
    assert_eq!(w.told(&call("p1").bearer(&new)), "200");
    assert_eq!(w.again(&[]).told(&call("p1").bearer(&old)), "unauthenticated");
}

#[test]
fn colleagues_are_cut_off_one_by_one() {
    let w = World::open();
    token_pack(&w, "p1");
    let names: Vec<String> = (0..63).map(|n| format!("colleague-{n}")).collect();
    let tokens: Vec<String> = names.iter().map(|name| w.token("p1", &json!({"name": name}))).collect();
    assert_eq!(refused(&w.verifier, "/api/packs/p1/tokens", &json!({"name": "one-too-many"})), "not-allowed");
    w.token("p1", &json!({"name": "colleague-1"}));
    assert_eq!(w.told(&call("p1").bearer(&tokens[1])), "unauthenticated");
    for n in [0, 62] {
        let ended = admin(&w.verifier, "DELETE", &format!("/api/packs/p1/tokens/{}", names[n]), None);
        assert_eq!(ended, json!({"ended": 1}));
        assert_eq!(w.told(&call("p1").bearer(&tokens[n])), "unauthenticated");
    }
    for n in [2, 30, 61] {
        assert_eq!(w.told(&call("p1").bearer(&tokens[n])), "200");
    }
    assert_eq!(admin(&w.verifier, "DELETE", "/api/packs/p1/tokens/nobody", None), json!({"ended": 0}));
    // Who comes back under an old name is not who had it before.
    let again = admin(&w.verifier, "POST", "/api/packs/p1/tokens", Some(&json!({"name": names[0]})));
    assert_eq!(again["serial"], 2);
}

#[test]
fn when_a_token_was_last_used_is_known_after_a_restart() {
    let w = World::open();
    let token = token_pack(&w, "p1");
    w.token("p1", &json!({"name": "idle"}));
    let used = |w: &World| {
        let tokens = w.shown("p1")["tokens"].clone();
        let by = |name: &str| {
            tokens.as_array().unwrap().iter().find(|token| token["name"] == name).unwrap()["last_used"]
                .clone()
        };
        (by("default"), by("idle"))
    };
    assert_eq!(used(&w), (Value::Null, Value::Null));
    assert_eq!(w.told(&call("p1").bearer(&token)), "200");
    let (default, idle) = used(&w);
    assert!(default.as_u64().unwrap().abs_diff(now()) <= 60 && idle.is_null(), "{default} {idle}");
    let World { mut verifier, server, directory } = w;
    verifier.signal("TERM");
    assert!(verifier.child.wait().unwrap().success());
    let verifier = serve(&server, &directory.path().join("store.sqlite"), &[]);
    let w = World { verifier, server, directory };
    assert_eq!(used(&w), (default, Value::Null));
}

#[test]
fn what_one_verifier_is_told_of_tokens_the_other_decides_by_at_the_next_request() {
    let w = World::open();
    let other = serve(&w.server, &w.store(), &["--attempts", "1000"]);
    let mut token = token_pack(&w, "p1");
    for round in 0..50 {
        assert_eq!(told(&other.send(&call("p1").bearer(&token))), "200", "{round}");
        let new = w.token("p1", &json!({}));
        assert_eq!(told(&other.send(&call("p1").bearer(&token))), "unauthenticated", "{round}");
        token = new;
    }
    let request = deployment(&json!({"guid": "p2", "auth": {"accept": ["token"]}}));
    let token = token_in(&w.send(&request)).unwrap();
    assert_eq!(told(&other.send(&call("p2"))), "unauthenticated");
    assert_eq!(told(&other.send(&call("p2").bearer(&token))), "200");
    admin(&other, "DELETE", "/api/packs/p2", None);
    assert_eq!(w.told(&call("p2")), "200", "it is not listed any more");
}

#[test]
fn the_token_itself_is_nowhere() {
    let w = World::open();
    let token =
        token_in(&w.send(&deployment(&json!({"guid": "p1", "auth": {"accept": ["token", "signed"]}}))))
            .unwrap();
    let named = w.token("p1", &json!({"name": "named"}));
    for token in [&token, &named] {
        assert_eq!(w.told(&call("p1").bearer(token)), "200");
        assert_eq!(w.send(&Person::new(token).enrolls(token)).status, 200);
        assert_eq!(w.told(&call("p2").bearer(token)), "200");
        w.send(&unsigned("GET", "/api/me", None).bearer(token));
        w.send(&call("p1").bearer(&format!("{token}x")));
    }
    w.verifier.signal("TERM");
    assert!(w.verifier.logs("shutting down"));
    let mut files = 0;
    for entry in std::fs::read_dir(w.directory.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        files += 1;
        for token in [&token, &named] {
            assert!(!bytes.windows(16).any(|window| window == &token.as_bytes()[4..20]));
        }
    }
    assert!(files >= 2);
    let log = w.verifier.log();
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "the log says all that it could");
    assert!(!log.contains(&token[4..]) && !log.contains(&named[4..]), "{log}");
}

#[test]
fn a_key_that_a_token_has_enrolled_opens_what_the_token_opens_and_ends_with_it() {
    let w = World::open();
    let rules = json!({"guid": "p1", "accept": ["signed"], "owner": "alice"});
    w.pack(&rules);
    let token = w.token("p1", &json!({"name": "laptop"}));
    let holder = Person::new("holder");
    let enrolled = w.send(&holder.enrolls(&token));
    assert_eq!(enrolled.status, 200, "{enrolled:?}");
    assert_eq!(
        (&enrolled.json()["identity"], &enrolled.json()["packs"]),
        (&json!("pack:p1/laptop/1"), &json!(["p1"]))
    );
    token_pack(&w, "p2");
    assert_eq!(w.told(&call("p1").by(&holder)), "200");
    assert_eq!(w.told(&call("p1").bearer(&token)), "unauthenticated", "the pack takes no tokens");
    assert_eq!(w.told(&call("p2").by(&holder)), "not-allowed");
    let arrived = w.server.requests().pop().unwrap();
    assert!(arrived.contains("envelope-identity: pack:p1/laptop/1"), "{arrived}");
    for (method, target) in
        [("GET", "/api/packs"), ("GET", "/api/keys"), ("PATCH", "/api/packs/p1"), ("POST", "/api/packs")]
    {
        let request = unsigned(method, target, (method != "GET").then_some(&json!({"guid": "p3"})));
        assert_eq!(w.told(&request.by(&holder)), "not-allowed", "{method} {target}");
    }
    // It names its successor, which is not more than it was.
    assert_eq!(state(&w.verifier, &succession(&key("holder"), &key("holder 2"), now(), 0)).status, 200);
    assert_eq!(w.told(&call("p1").by(&Person::new("holder 2"))), "200");
    w.token("p1", &json!({"name": "laptop"}));
    assert_eq!(w.told(&call("p1").by(&Person::new("holder 2"))), "revoked");
    assert_eq!(w.send(&Person::new("late").enrolls(&token)).code(), "unauthenticated");
    assert_eq!(w.again(&["--auth-required"]).told(&call("p1").by(&Person::new("holder 2"))), "revoked");
}

#[test]
fn nobody_is_registered_as_who_holds_a_token() {
    let w = World::open();
    token_pack(&w, "p1");
    for name in ["pack:p1/default/1", "pack:", "pack:x"] {
        let key = json!({"identity": name, "key": thumbprint("mallory")});
        assert_eq!(refused(&w.verifier, "/api/keys", &key), "not-allowed", "{name}");
        let ticket = json!({"identity": name});
        assert_eq!(refused(&w.verifier, "/api/keys/tickets", &ticket), "not-allowed", "{name}");
    }
    for name in ["Pack:p1/default/1", "pack", "github:alice"] {
        w.person(name);
        assert_eq!(w.told(&call("p1").by(&Person::new(name))), "not-allowed", "{name}");
    }
}

#[test]
fn a_key_of_a_token_that_was_revoked_stays_so() {
    let w = World::open();
    let token = token_pack(&w, "p1");
    let holder = Person::new("holder");
    assert_eq!(w.send(&holder.enrolls(&token)).status, 200);
    revoke(&w.verifier, &json!({"key": thumbprint("holder")}));
    assert_eq!(w.told(&call("p1").by(&holder)), "revoked");
    assert_eq!(w.send(&holder.enrolls(&token)).code(), "revoked");
    assert_eq!(w.told(&call("p1").bearer(&token)), "200");
}

#[test]
fn who_was_enrolled_by_a_token_is_told_the_same_again() {
    let w = World::open();
    let token = token_pack(&w, "p1");
    let holder = Person::new("holder");
    let enrolled = w.send(&holder.enrolls(&token)).json();
    let again = w.send(&holder.enrolls(&token));
    assert_eq!((again.status, again.json()), (200, enrolled), "the answer may have been lost");
}

/// Of what it holds a token for, and no more: `GET /api/me` is for everybody whom the verifier knows.
#[test]
fn who_was_enrolled_by_a_token_may_ask_who_they_are() {
    let w = World::open();
    let token = token_pack(&w, "p1");
    let holder = Person::new("holder");
    assert_eq!(w.send(&holder.enrolls(&token)).status, 200);
    let me = w.send(&holder.request("GET", "/api/me", None));
    assert_eq!(me.status, 200, "{me:?}");
    assert_eq!((&me.json()["identity"], &me.json()["packs"]), (&json!("pack:p1/default/1"), &json!(["p1"])));
}

#[test]
fn bad_tokens_are_limited_by_address_and_good_ones_never() {
    let w = World::with(support::packs::deploying(), &["--attempts", "3"]);
    let token = token_pack(&w, "p1");
    let from =
        |address: &str, token: &str| w.send(&call("p1").bearer(token).header("X-Forwarded-For", address));
    let bad = |n: u32| format!("tok_{n:043}");
    for n in 0..3 {
        assert_eq!(from("192.0.2.1", &bad(n)).code(), "unauthenticated");
    }
    let limited = from("192.0.2.1", &bad(3));
    assert_eq!((limited.status, limited.code().as_str()), (429, "too-many-attempts"));
    let wait: u64 = limited.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(from("203.0.113.5, 192.0.2.1", &bad(4)).status, 429, "the last proxy's word counts");
    let enroll = Http::new("POST", "/api/enroll", AUTHORITY).header("X-Forwarded-For", "192.0.2.1");
    assert_eq!(w.send(&enroll.bearer("tkt_x")).status, 429, "whatever it is that is bad");
    assert_eq!(from("192.0.2.2", &bad(5)).code(), "unauthenticated");
    for _ in 0..5 {
        assert_eq!(from("192.0.2.1", &token).status, 200, "good ones of the same address");
        assert_eq!(from("192.0.2.2", &token).status, 200);
    }
    let holder = Person::new("holder");
    let enroll = Http::new("POST", "/api/enroll", AUTHORITY).header("X-Forwarded-For", "192.0.2.1");
    assert_eq!(w.send(&enroll.bearer(&token).by(&holder)).status, 200);
    assert_eq!(w.told(&call("p1").header("X-Forwarded-For", "192.0.2.1").by(&holder)), "200");
    assert_eq!(from("192.0.2.1", &bad(6)).status, 429, "a good one does not end it");
    assert_eq!(
        w.send(&call("p1").header("X-Forwarded-For", "192.0.2.1")).status,
        401,
        "none at all is no attempt"
    );
    for prefix in ["2001:db8::1", "2001:db8::2", "2001:db8::ffff:3"] {
        assert_eq!(from(prefix, &bad(7)).code(), "unauthenticated");
    }
    assert_eq!(from("2001:db8::4", &bad(8)).status, 429, "a network of IPv6 is one");
}
