//! A verifier with a data directory accepts nothing a second time, whatever became of it in between.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use support::{Http, PackServer, Person, Program, now};

const AUTHORITY: &str = "pack.example";
const TARGET: &str = "/api/pack/p1/agent";

fn start(pack: &PackServer, alice: &Person, directory: &Path) -> Program {
    let (upstream, trust) = (pack.url(), alice.trust("alice"));
    Program::serve(&[
        "--upstream",
        &upstream,
        "--trust",
        &trust,
        "--authority",
        AUTHORITY,
        "--auth-required",
        "--data-dir",
        directory.to_str().unwrap(),
    ])
}

/// Signs until a call passes: what was signed before the verifier began is refused. The bound is generous.
fn until_it_passes(verifier: &Program, alice: &Person) -> u32 {
    for refused in 0..300 {
        let answer = verifier.send(&alice.post(AUTHORITY, TARGET, "{}"));
        if answer.status == 200 {
            return refused;
        }
        assert_eq!((answer.status, answer.code().as_str()), (503, "replay-unavailable"));
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("no call passes:\n{}", verifier.log());
}

#[test]
fn after_a_crash_and_after_a_clean_stop_nothing_passes_twice() {
    let (pack, alice) = (PackServer::start(), Person::new("alice"));
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    for signal in ["KILL", "TERM"] {
        let mut verifier = start(&pack, &alice, &data);
        until_it_passes(&verifier, &alice);
        let request = alice.post(AUTHORITY, TARGET, "{}");
        assert_eq!(verifier.send(&request).status, 200);
        verifier.signal(signal);
        verifier.child.wait().unwrap();

        let verifier = start(&pack, &alice, &data);
        let again = verifier.send(&request);
        assert_eq!((again.status, again.code().as_str()), (503, "replay-unavailable"), "after SIG{signal}");
        assert!(again.body.contains("sign again"), "{}", again.body);
        until_it_passes(&verifier, &alice);
        let again = verifier.send(&request);
        assert_eq!(again.code(), "replay-unavailable", "after SIG{signal}");
    }
    let mode = std::fs::metadata(&data).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o700);
    let mark: u64 = std::fs::read_to_string(data.join("replay-mark")).unwrap().trim().parse().unwrap();
    assert!(mark.abs_diff(now()) < 60);
}

#[test]
fn a_clean_stop_writes_down_what_was_accepted_and_no_more() {
    let (pack, alice) = (PackServer::start(), Person::new("alice"));
    let directory = tempfile::tempdir().unwrap();
    let mut verifier = start(&pack, &alice, directory.path());
    let created = now() - 7;
    let request = Http::new("GET", TARGET, AUTHORITY)
        .sign(&Person::certified("alice", Default::default(), created - 1, 900).signer(), created);
    assert_eq!(verifier.send(&request).status, 200);
    verifier.signal("TERM");
    assert!(verifier.child.wait().unwrap().success());
    let mark = std::fs::read_to_string(directory.path().join("replay-mark")).unwrap();
    assert_eq!(mark, format!("{created}\n"));
    let verifier = start(&pack, &alice, directory.path());
    assert_eq!(
        verifier.send(&alice.post(AUTHORITY, TARGET, "{}")).status,
        200,
        "what was signed later passes at once"
    );
}

#[test]
fn one_verifier_at_a_time_and_no_mark_that_cannot_be_read() {
    let (pack, alice) = (PackServer::start(), Person::new("alice"));
    let directory = tempfile::tempdir().unwrap();
    let refused = || {
        let output = Command::new(env!("CARGO_BIN_EXE_envelope-verifier"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(directory.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    let verifier = start(&pack, &alice, directory.path());
    assert!(refused().contains("another verifier runs on"));
    drop(verifier);
    std::fs::write(directory.path().join("replay-mark"), "soon").unwrap();
    assert!(refused().contains("is no time in seconds"));
}

/// After a crash while the clock was ahead, what was signed then could be accepted again: until the clock gets there, nothing is.
#[test]
fn a_mark_ahead_of_the_clock_holds_and_is_told_with_the_way_out() {
    let (pack, alice) = (PackServer::start(), Person::new("alice"));
    let directory = tempfile::tempdir().unwrap();
    let mark = directory.path().join("replay-mark");
    let ahead = format!("{}\n", now() + 3600);
    std::fs::write(&mark, &ahead).unwrap();
    let mut verifier = start(&pack, &alice, directory.path());
    assert!(verifier.logs("the clock is behind the replay mark"), "{}", verifier.log());
    let answer = verifier.send(&alice.post(AUTHORITY, TARGET, "{}"));
    assert_eq!((answer.status, answer.code().as_str()), (503, "replay-unavailable"));
    let health = verifier.send(&Http::new("GET", "/health", AUTHORITY));
    assert_eq!((health.status, &health.json()["failing"]), (503, &serde_json::json!(["replay"])));
    verifier.signal("TERM");
    assert!(verifier.child.wait().unwrap().success());
    assert_eq!(std::fs::read_to_string(&mark).unwrap(), ahead, "to end cleanly does not take it back");

    std::fs::remove_file(&mark).unwrap();
    let mut verifier = start(&pack, &alice, directory.path());
    until_it_passes(&verifier, &alice);
    assert_eq!(verifier.send(&Http::new("GET", "/health", AUTHORITY)).status, 200);
    verifier.signal("KILL");
    verifier.child.wait().unwrap();
    let verifier = start(&pack, &alice, directory.path());
    until_it_passes(&verifier, &alice);
    assert!(!verifier.log().contains("the clock is behind"), "seconds are no clock that is wrong");
    assert_eq!(pack.requests().len(), 2);
}
