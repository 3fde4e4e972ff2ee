//! Several verifiers on one store: what one of them is told, the others decide by at the next request.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use std::path::Path;

use serde_json::json;
use sqlx::Connection;
use support::admin::{AUTHORITY, admin, register, revoke, start, state, succession, thumbprint, ticket};
use support::{Http, PackServer, Person, Program, key, now};

fn two(pack: &PackServer, directory: &Path) -> [Program; 2] {
    let store = directory.join("store.sqlite");
    std::thread::scope(|scope| {
        let starting = ["one", "two"].map(|name| {
            let (store, data) = (&store, directory.join(name));
            scope.spawn(move || start(pack, store, &["--data-dir", data.to_str().unwrap()]))
        });
        starting.map(|thread| thread.join().unwrap())
    })
}

#[test]
fn two_verifiers_that_start_at_once_agree_on_everything() {
    let (pack, directory) = (PackServer::start(), tempfile::tempdir().unwrap());
    let both = two(&pack, directory.path());
    let described = both
        .each_ref()
        .map(|verifier| verifier.send(&Http::new("GET", "/.well-known/envelope", AUTHORITY)).json());
    assert_eq!(described[0]["issuer_key"], described[1]["issuer_key"]);
    assert_eq!(described[0]["issuer_key"]["crv"], "Ed25519");
    assert_eq!(described[0]["enroll"], true);
    for name in ["store.sqlite", "store.sqlite-wal", "store.sqlite-shm", "store.issuer.pem"] {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(directory.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let files = std::fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(files, 6, "nothing temporary is left");
    let shown = std::process::Command::new("openssl")
        .args(["pkey", "-noout", "-text", "-in"])
        .arg(directory.path().join("store.issuer.pem"))
        .output();
    if let Ok(shown) = shown {
        assert!(shown.status.success() && String::from_utf8_lossy(&shown.stdout).contains("ED25519"));
    }
}

#[test]
fn what_one_is_told_the_other_decides_by_at_the_next_request() {
    let (pack, directory) = (PackServer::start(), tempfile::tempdir().unwrap());
    let both = two(&pack, directory.path());
    for round in 0..200 {
        let (here, there) = (&both[round % 2], &both[(round + 1) % 2]);
        let label = format!("key {round}");
        let person = Person::new(&label);
        register(here, "alice", &label);
        assert_eq!(person.calls(there), "200", "round {round}");
        let revocation = match round % 4 {
            0 => json!({"key": thumbprint(&label)}),
            1 => json!({"identity": "alice"}),
            2 => json!({"key": thumbprint(&label), "jti": "test"}),
            _ => json!({"identity": "alice", "issued_before": now() + 1}),
        };
        revoke(here, &revocation);
        assert_eq!(person.calls(there), "revoked", "round {round}");
    }
    // A ticket of one is good at the other, once.
    let ticket = ticket(&both[0], "bob");
    let bob = Person::new("bob");
    assert_eq!(both[1].send(&bob.enrolls(&ticket)).status, 200);
    assert_eq!(bob.calls(&both[0]), "200");
    assert_eq!(both[0].send(&Person::new("other").enrolls(&ticket)).code(), "unauthenticated");
    assert_eq!(state(&both[0], &succession(&key("bob"), &key("bob 2"), now(), 0)).status, 200);
    assert_eq!(bob.calls(&both[1]), "certificate-expired");
    assert_eq!(Person::new("bob 2").calls(&both[1]), "200");
    let keys = |verifier| admin(verifier, "GET", "/api/keys", None);
    assert_eq!(keys(&both[0]), keys(&both[1]));
}

#[test]
fn changes_from_both_at_once_come_one_after_the_other() {
    let (pack, directory) = (PackServer::start(), tempfile::tempdir().unwrap());
    let both = two(&pack, directory.path());
    let ticket = ticket(&both[0], "alice");
    let enrolled: usize = std::thread::scope(|scope| {
        let (both, ticket) = (&both, &ticket);
        let racing: Vec<_> = (0..8)
            .map(|racer| {
                scope.spawn(move || {
                    let answer =
                        both[racer % 2].send(&Person::new(&format!("racer {racer}")).enrolls(ticket));
                    usize::from(answer.status == 200)
                })
            })
            .collect();
        racing.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(enrolled, 1, "a ticket is for one key");
}

/// A change may be committed while the other verifier is reading the one before.
#[test]
fn nothing_is_missed_while_many_change_and_many_call() {
    let (pack, directory) = (PackServer::start(), tempfile::tempdir().unwrap());
    let both = two(&pack, directory.path());
    std::thread::scope(|scope| {
        for worker in 0..6 {
            let [here, there] = &both;
            scope.spawn(move || {
                for round in 0..25 {
                    let label = format!("worker {worker}, {round}");
                    let person = Person::new(&label);
                    register(here, "alice", &label);
                    assert_eq!(person.calls(there), "200", "{label}");
                    revoke(here, &json!({"key": thumbprint(&label)}));
                    assert_eq!(person.calls(there), "revoked", "{label}");
                }
            });
        }
    });
}

#[test]
fn a_verifier_that_cannot_read_the_store_refuses() {
    let (pack, directory) = (PackServer::start(), tempfile::tempdir().unwrap());
    let store = directory.path().join("store.sqlite");
    let verifier = start(&pack, &store, &[]);
    let root = Person::new("root");
    assert_eq!(root.calls(&verifier), "200");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let rename = |from: &'static str| {
        runtime.block_on(async {
            let url = format!("sqlite:{}", store.display());
            let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
            sqlx::query(from).execute(&mut connection).await.unwrap();
        });
    };
    rename("ALTER TABLE known_key RENAME TO elsewhere");
    let refused = verifier.send(&root.post(AUTHORITY, support::admin::TARGET, "{}"));
    assert_eq!((refused.status, refused.code().as_str()), (503, "revocation-stale"));
    let unsigned = verifier.send(&Http::new("GET", support::admin::TARGET, AUTHORITY));
    assert_eq!(unsigned.code(), "revocation-stale");
    assert_eq!(verifier.send(&root.request("GET", "/api/me", None)).code(), "revocation-stale");
    rename("ALTER TABLE elsewhere RENAME TO known_key");
    assert_eq!(root.calls(&verifier), "200");
}
