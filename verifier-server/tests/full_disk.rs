//! A disk that is full for a while: what was refused never was, and what is answered afterwards is there.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use serde_json::json;
use support::admin::{refused, register, revoke, start, start_with, thumbprint};
use support::{PackServer, Person, Program};

#[test]
fn changes_are_made_or_refused_whatever_failed_before() {
    let (pack, directory) = (PackServer::start(), tempfile::tempdir().unwrap());
    let store = directory.path().join("store.sqlite");
    let verifier = start_with(Program::serve_within_limits, &pack, &store, &[]);
    let other = start(&pack, &store, &[]);
    register(&verifier, "alice", "alice");
    let alice = Person::new("alice");
    assert_eq!((alice.calls(&verifier), alice.calls(&other)), ("200".into(), "200".into()));

    for failures in 1..=4 {
        let wal = std::fs::metadata(directory.path().join("store.sqlite-wal")).unwrap().len();
        verifier.limit_files(Some(wal));
        for failure in 0..failures {
            let name = format!("nobody-{failures}-{failure}");
            let body = json!({"identity": name, "key": thumbprint(&name)});
            assert_eq!(refused(&verifier, "/api/keys", &body), "revocation-stale");
        }
        verifier.limit_files(None);
        // The first change after it is as good as any: for this verifier, for the other one, and after a restart.
        let name = format!("somebody-{failures}");
        register(&verifier, &name, &name);
        let somebody = Person::new(&name);
        assert_eq!((somebody.calls(&verifier), somebody.calls(&other)), ("200".into(), "200".into()));
        assert_eq!(alice.calls(&other), "200");
    }
    revoke(&verifier, &json!({"identity": "alice"}));
    assert_eq!((alice.calls(&verifier), alice.calls(&other)), ("revoked".into(), "revoked".into()));
    drop((verifier, other));
    let again = start(&pack, &store, &[]);
    assert_eq!(alice.calls(&again), "revoked");
    for failures in 1..=4 {
        assert_eq!(Person::new(&format!("somebody-{failures}")).calls(&again), "200");
        assert_ne!(Person::new(&format!("nobody-{failures}-0")).calls(&again), "200");
    }
}
