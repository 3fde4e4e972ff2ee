//! Keys that the configuration trusts, and what is taken away from them: taking away never makes anybody known.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use serde_json::{Value, json};
use support::admin::{admin, refused, register, revoke, start, state, succession, thumbprint};
use support::{PackServer, Person, key, now};

#[test]
fn what_was_narrowed_is_unknown_when_the_configuration_trusts_it_no_more() {
    let (pack, directory) = (PackServer::start(), tempfile::tempdir().unwrap());
    let store = directory.path().join("store.sqlite");
    let trusted = ["carol", "dave", "erin"].map(|name| Person::new(name).trust(name));
    let more: Vec<&str> = trusted.iter().flat_map(|trust| ["--trust", trust]).collect();
    let verifier = start(&pack, &store, &more);
    let [carol, dave, erin] = ["carol", "dave", "erin"].map(Person::new);
    revoke(&verifier, &json!({"identity": "carol", "issued_before": now() - 60}));
    assert_eq!(carol.calls(&verifier), "200");
    revoke(&verifier, &json!({"identity": "erin"}));
    assert_eq!(state(&verifier, &succession(&key("dave"), &key("dave 2"), now(), 600)).status, 200);
    assert_eq!((dave.calls(&verifier), erin.calls(&verifier)), ("200".into(), "revoked".into()));

    let listed = admin(&verifier, "GET", "/api/keys", None)["keys"].clone();
    let of = |name: &str| {
        let found = listed.as_array().unwrap().iter().find(|k| k["key"] == thumbprint(name).as_str());
        found.unwrap_or_else(|| panic!("{name} is not listed")).clone()
    };
    assert_eq!((&of("carol")["identity"], &of("carol")["registered"]), (&json!("carol"), &Value::Null));
    assert!(of("carol")["issued_from"].as_u64().unwrap().abs_diff(now() - 60) < 5);
    assert_eq!(of("dave")["successor"], thumbprint("dave 2").as_str());
    assert_eq!((&of("erin")["identity"], &of("erin")["revoked"]), (&json!("erin"), &json!(true)));
    let identities = admin(&verifier, "GET", "/api/identities", None)["identities"].clone();
    for name in ["carol", "dave", "erin"] {
        let all: Vec<&Value> =
            identities.as_array().unwrap().iter().filter(|i| i["identity"] == name).collect();
        assert!(all.len() == 1 && all[0].to_string().contains(&thumbprint(name)), "{name}: {identities}");
    }
    drop(verifier);

    let verifier = start(&pack, &store, &[]);
    assert_eq!(carol.calls(&verifier), "bad-signature", "unknown again");
    assert_eq!(dave.calls(&verifier), "bad-signature");
    assert_eq!(erin.calls(&verifier), "revoked");
    assert_eq!(Person::new("dave 2").calls(&verifier), "200", "dave's own word for it is in the store");
    // What was said of the key holds for whoever gets it.
    assert_eq!(
        refused(&verifier, "/api/keys", &json!({"identity": "x", "key": thumbprint("dave")})),
        "key-refused"
    );
    let record = register(&verifier, "zoe", "carol");
    assert_eq!((&record["identity"], &record["registered_by"]), (&json!("zoe"), &json!("root")));
    assert!(record["issued_from"].as_u64().unwrap() > 0 && record["registered"].is_u64());
    assert_eq!(carol.calls(&verifier), "200");
}

#[test]
fn a_key_that_two_verifiers_give_to_two_people_is_revoked() {
    let (pack, directory) = (PackServer::start(), tempfile::tempdir().unwrap());
    let store = directory.path().join("store.sqlite");
    let trust = Person::new("carol").trust("carol");
    let here = start(&pack, &store, &["--trust", &trust]);
    let there = start(&pack, &store, &[]);
    let carol = Person::new("carol");
    assert_eq!(carol.calls(&here), "200");
    // That it is narrowed here does not make it anybody's there.
    revoke(&here, &json!({"identity": "carol", "issued_before": 1}));
    assert_eq!(carol.calls(&there), "bad-signature");
    register(&there, "bob", "carol");
    assert_eq!(carol.calls(&here), "revoked");
    assert_eq!(carol.calls(&here), "revoked");
    assert!(here.logs("store and configuration give it to two"));
    assert_eq!(here.log().matches("give it to two").count(), 1);
    assert_eq!(
        refused(&here, "/api/keys", &json!({"identity": "carol", "key": thumbprint("carol")})),
        "revoked"
    );
}

/// Revoked by the configuration and then by an admin: the second holds without the first.
#[test]
fn a_revoked_identity_stays_revoked_whoever_had_revoked_its_keys_before() {
    let (pack, directory) = (PackServer::start(), tempfile::tempdir().unwrap());
    let (store, config) = (directory.path().join("store.sqlite"), directory.path().join("verifier.toml"));
    register(&start(&pack, &store, &[]), "alice", "alice");
    std::fs::write(&config, format!("revoked = [\"{}\"]", thumbprint("alice"))).unwrap();
    let verifier = start(&pack, &store, &["--config", config.to_str().unwrap()]);
    assert_eq!(revoke(&verifier, &json!({"identity": "alice"})), json!({"revoked": []}));
    drop(verifier);
    assert_eq!(Person::new("alice").calls(&start(&pack, &store, &[])), "revoked");
}
