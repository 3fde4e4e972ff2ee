//! The file of an audit log in other hands: what is let through has its receipt where the log is looked for, or is not let through.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use support::audit::{files, key, start, stop, verified};
use support::{Answer, Http, PackServer, Person, Program};

const TARGET: &str = "/api/pack/p1/agent";

fn call(verifier: &Program, alice: &Person) -> Answer {
    verifier.send(&alice.post(&verifier.authority(), TARGET, "{}"))
}

/// What the verifier says of itself, the code and what fails.
fn health(verifier: &Program) -> (u16, String) {
    let answer = verifier.send(&Http::new("GET", "/health", &verifier.authority()));
    (answer.status, answer.body)
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn metric(verifier: &Program, name: &str) -> Option<u64> {
    let page = verifier.send(&Http::new("GET", "/metrics", &verifier.authority())).body;
    page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

fn append(path: &Path, bytes: &[u8]) {
    OpenOptions::new().append(true).open(path).unwrap().write_all(bytes).unwrap();
}

fn cut(path: &Path, length: u64) {
    OpenOptions::new().write(true).open(path).unwrap().set_len(length).unwrap();
}

/// Does something to the file of a running verifier, sees that nothing passes, undoes it, and sees that the log is whole.
fn nothing_passes_after(said: &str, damage: impl FnOnce(&Path), undo: impl FnOnce(&Path)) {
    let (pack, alice, data) = (PackServer::start(), Person::new("alice"), tempfile::tempdir().unwrap());
    let verifier = start(&pack, &alice, data.path(), &[]);
    let audit_key = key(&verifier);
    assert_eq!(call(&verifier, &alice).status, 200);
    let path = files(data.path()).pop().unwrap();
    damage(&path);
    for _ in 0..3 {
        let refused = call(&verifier, &alice);
        assert_eq!((refused.status, refused.code().as_str()), (503, "audit-unavailable"));
    }
    assert_eq!(pack.requests().len(), 1, "nothing has reached the upstream");
    let (status, failing) = health(&verifier);
    assert!(status == 503 && failing.contains(r#""failing":["audit"]"#), "{status} {failing}");
    assert!(verifier.logs(said), "{}", verifier.log());
    undo(&path);
    assert_eq!(call(&verifier, &alice).status, 200);
    assert!(verifier.logs("the audit log is written again"));
    assert_eq!(health(&verifier).0, 200);
    stop(verifier);
    let found = verified(data.path(), &audit_key);
    assert_eq!((&found["allowed"], &found["unsigned"]), (&2.into(), &0.into()), "{found}");
    assert_eq!((&found["lost"], &found["torn"]), (&0.into(), &0.into()), "{found}");
}

fn aside(path: &Path) -> PathBuf {
    path.with_extension("aside")
}

#[test]
fn moved() {
    let moved = |path: &Path| fs::rename(path, aside(path)).unwrap();
    nothing_passes_after("was deleted, moved or replaced", moved, |path| {
        fs::rename(aside(path), path).unwrap();
    });
}

#[test]
fn moved_with_its_directory() {
    let directory = |path: &Path| path.parent().unwrap().to_owned();
    nothing_passes_after(
        "was deleted, moved or replaced",
        |path| fs::rename(directory(path), aside(&directory(path))).unwrap(),
        |path| fs::rename(aside(&directory(path)), directory(path)).unwrap(),
    );
}

#[test]
fn replaced_by_its_copy() {
    let replaced = |path: &Path| {
        fs::hard_link(path, aside(path)).unwrap();
        fs::copy(path, path.with_extension("copy")).unwrap();
        fs::rename(path.with_extension("copy"), path).unwrap();
    };
    nothing_passes_after("was deleted, moved or replaced", replaced, |path| {
        fs::rename(aside(path), path).unwrap();
    });
}

#[test]
fn cut_and_written_to_by_others() {
    let whole = std::cell::RefCell::new(Vec::new());
    nothing_passes_after(
        "was changed: it has 0 bytes",
        |path| {
            *whole.borrow_mut() = fs::read(path).unwrap();
            cut(path, 0);
        },
        |path| {
            assert_eq!(fs::metadata(path).unwrap().len(), 0, "nothing was written behind what was cut");
            append(path, &whole.borrow());
        },
    );
    let length = std::cell::Cell::new(0);
    nothing_passes_after(
        "was changed: it has",
        |path| {
            length.set(fs::metadata(path).unwrap().len());
            append(path, b"{}\n");
        },
        |path| {
            let more = fs::read(path).unwrap().split_off(usize::try_from(length.get()).unwrap());
            assert_eq!(more, b"{}\n", "what others have written is for others to take out");
            cut(path, length.get());
        },
    );
}

/// Nobody calls, and it is noticed all the same: that the file is gone, and that it is back.
#[test]
fn it_is_noticed_while_nobody_calls() {
    let (pack, alice, data) = (PackServer::start(), Person::new("alice"), tempfile::tempdir().unwrap());
    let verifier = start(&pack, &alice, data.path(), &[]);
    let path = files(data.path()).pop().unwrap();
    assert_eq!(health(&verifier).0, 200);
    fs::rename(&path, aside(&path)).unwrap();
    wait_until("it is not noticed that the file is gone", || health(&verifier).0 == 503);
    fs::rename(aside(&path), &path).unwrap();
    wait_until("it is not noticed that the file is back", || health(&verifier).0 == 200);
    assert_eq!(call(&verifier, &alice).status, 200);
}

#[test]
fn best_effort_goes_on_and_counts() {
    let (pack, alice, data) = (PackServer::start(), Person::new("alice"), tempfile::tempdir().unwrap());
    let verifier = start(&pack, &alice, data.path(), &["--audit", "best-effort"]);
    let audit_key = key(&verifier);
    let path = files(data.path()).pop().unwrap();
    fs::rename(&path, aside(&path)).unwrap();
    for _ in 0..5 {
        assert_eq!(call(&verifier, &alice).status, 200);
    }
    let lost = || metric(&verifier, "envelope_audit_lost_total");
    wait_until("the receipts are not counted as lost", || lost() == Some(5));
    assert!(verifier.logs("was deleted, moved or replaced"));
    fs::rename(aside(&path), &path).unwrap();
    assert_eq!(call(&verifier, &alice).status, 200);
    stop(verifier);
    let found = verified(data.path(), &audit_key);
    assert_eq!((&found["allowed"], &found["lost"], &found["unsigned"]), (&1.into(), &5.into(), &0.into()));
}

/// What was deleted does not come back: the verifier says so to its end, and begins anew when it is started again.
#[test]
fn deleted_it_is_missed_until_the_verifier_is_started_anew() {
    let (pack, alice, data) = (PackServer::start(), Person::new("alice"), tempfile::tempdir().unwrap());
    let mut verifier = start(&pack, &alice, data.path(), &[]);
    assert_eq!(call(&verifier, &alice).status, 200);
    fs::remove_file(files(data.path()).pop().unwrap()).unwrap();
    assert_eq!(call(&verifier, &alice).code(), "audit-unavailable");
    // Another file of the name is not the log.
    let other = data.path().join("audit").join(format!("{:020}.jsonl", 1));
    fs::write(&other, "").unwrap();
    assert_eq!(call(&verifier, &alice).code(), "audit-unavailable");
    assert_eq!(fs::read(&other).unwrap(), b"");
    verifier.signal("TERM");
    assert!(verifier.child.wait().unwrap().success());
    assert!(verifier.logs("the audit log could not be ended with a checkpoint"), "{}", verifier.log());
    let verifier = start(&pack, &alice, data.path(), &[]);
    let audit_key = key(&verifier);
    // What was signed before its start could be a copy.
    wait_until("nothing passes", || call(&verifier, &alice).status == 200);
    stop(verifier);
    let found = verified(data.path(), &audit_key);
    assert_eq!((&found["first"], &found["allowed"], &found["unsigned"]), (&1.into(), &1.into(), &0.into()));
}
