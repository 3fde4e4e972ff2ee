//! The file of the store: what is refused as one, and what happens when it is taken away.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;
use support::admin::{AUTHORITY, admin, refused, register, start, told};
use support::{Http, PackServer, Person};

const FILES: [&str; 3] = ["store.sqlite", "store.sqlite-wal", "store.sqlite-shm"];

#[test]
fn a_store_that_is_moved_away_stops_everything_until_it_is_back() {
    let (pack, directory) = (PackServer::start(), tempfile::tempdir().unwrap());
    let verifier = start(&pack, &directory.path().join("store.sqlite"), &[]);
    let root = Person::new("root");
    for which in [&FILES[..], &FILES[..1], &FILES[1..2], &FILES[2..]] {
        assert_eq!(root.calls(&verifier), "200");
        let away = |name: &&str| directory.path().join(format!("old-{name}"));
        for name in which {
            fs::rename(directory.path().join(name), away(name)).unwrap();
        }
        let body = json!({"identity": "alice"});
        assert_eq!(refused(&verifier, "/api/keys/tickets", &body), "revocation-stale", "{which:?}: at once");
        assert_eq!(root.calls(&verifier), "revocation-stale", "{which:?}");
        for name in which {
            let found = directory.path().join(name);
            assert!(!found.exists(), "{name} was made anew");
            fs::rename(away(name), found).unwrap();
        }
        assert!((0..60).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            root.calls(&verifier) == "200"
        }));
    }
    assert!(verifier.logs("moved, removed or replaced"));
    assert_eq!(verifier.log().matches("moved, removed or replaced").count(), 4, "once each time");
    register(&verifier, "alice", "alice");
    assert_eq!(Person::new("alice").calls(&verifier), "200");
}

#[test]
fn a_store_that_is_replaced_is_noticed_without_a_change() {
    let (pack, directory) = (PackServer::start(), tempfile::tempdir().unwrap());
    let store = directory.path().join("store.sqlite");
    let verifier = start(&pack, &store, &[]);
    let root = Person::new("root");
    assert_eq!(root.calls(&verifier), "200");
    let copy = directory.path().join("copy");
    fs::copy(&store, &copy).unwrap();
    fs::rename(&copy, &store).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(root.calls(&verifier), "revocation-stale");
    let unsigned = verifier.send(&Http::new("GET", support::admin::TARGET, AUTHORITY));
    assert_eq!((unsigned.status, told(&unsigned).as_str()), (503, "revocation-stale"));
    assert_eq!(verifier.log().matches("moved, removed or replaced").count(), 1);
}

/// What it says when it does not start, and how long that took.
fn error(store: &Path) -> (String, Duration) {
    let began = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_envelope-verifier"))
        .args(["serve", "--listen", "127.0.0.1:0", "--store"])
        .arg(store)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", store.display());
    (String::from_utf8(output.stderr).unwrap(), began.elapsed())
}

#[test]
fn what_is_no_store_is_refused_with_a_hint() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    for name in ["s.sqlite-wal", "s.sqlite-shm", "s.sqlite-journal", "store.issuer.pem", ".."] {
        let (text, _) = error(&path(name));
        assert!(text.contains("is no name of a store") && text.contains("hint: "), "{name}: {text}");
    }
    fs::create_dir(path("directory")).unwrap();
    assert!(Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
    for place in [path("directory"), path("pipe"), "/dev/null".into()] {
        let (text, _) = error(&place);
        assert!(text.contains("is not a file") && text.contains("hint: "), "{text}");
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "nothing was made");
}

#[test]
fn a_store_that_others_may_touch_is_refused() {
    let (pack, directory) = (PackServer::start(), tempfile::tempdir().unwrap());
    let store = directory.path().join("store.sqlite");
    drop(start(&pack, &store, &[]));
    for mode in [0o640, 0o602, 0o666] {
        fs::set_permissions(&store, Permissions::from_mode(mode)).unwrap();
        let (text, _) = error(&store);
        assert!(text.contains("can be read or written by others"), "{text}");
    }
    fs::set_permissions(&store, Permissions::from_mode(0o600)).unwrap();
    assert_eq!(Person::new("root").calls(&start(&pack, &store, &[])), "200");
}

#[test]
fn the_start_does_not_wait_for_ever() {
    let directory = tempfile::tempdir().unwrap();
    let held = File::open(directory.path()).unwrap();
    held.lock().unwrap();
    let (text, took) = error(&directory.path().join("store.sqlite"));
    assert!(text.contains("holds a lock on the directory") && text.contains("hint: "), "{text}");
    assert!((4..9).contains(&took.as_secs()), "{took:?}");
}

#[test]
fn each_store_has_an_issuer_of_its_own() {
    let (pack, directory) = (PackServer::start(), tempfile::tempdir().unwrap());
    let both = ["a.sqlite", "b.sqlite"].map(|name| start(&pack, &directory.path().join(name), &[]));
    let keys = both.each_ref().map(|verifier| {
        admin(verifier, "GET", "/api/keys", None);
        verifier.send(&Http::new("GET", "/.well-known/envelope", AUTHORITY)).json()["issuer_key"].clone()
    });
    assert_ne!(keys[0], keys[1]);
    for name in ["a.issuer.pem", "b.issuer.pem"] {
        assert!(directory.path().join(name).exists());
    }
}
