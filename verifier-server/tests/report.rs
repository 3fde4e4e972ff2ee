//! `envelope-verifier report`: from what the real program has logged, who still shows no credential.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use std::process::{Command, Output};

use support::{Http, PackServer, Person, Program};

fn report(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_envelope-verifier"));
    command.arg("report").args(arguments).output().unwrap()
}

#[test]
fn the_log_of_a_run_says_who_would_be_refused() {
    for format in ["text", "json"] {
        let (pack, alice, directory) =
            (PackServer::start(), Person::new("alice"), tempfile::tempdir().unwrap());
        let (upstream, trust) = (pack.url(), alice.trust("alice"));
        let verifier = Program::serve(&["--upstream", &upstream, "--trust", &trust, "--log", format]);
        let signed = alice.post(&verifier.authority(), "/api/pack/p1/agent", "{}");
        assert_eq!(verifier.send(&signed).status, 200);
        assert!(verifier.logs("alice"));
        let log = directory.path().join("log");
        let path = log.to_str().unwrap();
        std::fs::write(&log, verifier.log()).unwrap();
        let safe = report(&[path]);
        let told = String::from_utf8(safe.stdout).unwrap();
        assert_eq!(safe.status.code(), Some(0), "{format}: {told}");
        assert!(
            told.contains("  p1  alice  1 calls, ") && told.contains("refuses nobody"),
            "{format}: {told}"
        );

        let unsigned = Http::new("GET", "/api/pack/p2/x", &verifier.authority());
        let unsigned = unsigned.header("X-Forwarded-For", "192.0.2.7");
        for _ in 0..2 {
            assert_eq!(verifier.send(&unsigned).status, 200);
        }
        assert!(verifier.logs("192.0.2.7"));
        // Both lines are in the log when the answer to the next one is.
        verifier.send(&Http::new("GET", "/api/pack/p3/x", "other.example"));
        assert!(verifier.logs("wrong-authority"));
        std::fs::write(&log, verifier.log()).unwrap();
        let unsafe_yet = report(&[path, "--json"]);
        assert_eq!(unsafe_yet.status.code(), Some(1), "{format}");
        let told: serde_json::Value = serde_json::from_slice(&unsafe_yet.stdout).unwrap();
        assert_eq!(told["auth_required_refuses_nobody"], false);
        let calls = told["calls"].as_array().unwrap();
        let none = calls.iter().find(|calls| calls["credential"] == "none").unwrap();
        assert_eq!(
            (&none["pack"], &none["who"], &none["calls"]),
            (&"p2".into(), &"192.0.2.7".into(), &2.into())
        );
        assert_eq!(calls.len(), 2, "{format}: {told}");
    }
}

#[test]
fn who_gets_in_only_because_everybody_does_is_named() {
    let (pack, alice, directory) = (PackServer::start(), Person::new("alice"), tempfile::tempdir().unwrap());
    let config = directory.path().join("verifier.toml");
    let rules = "[[pack]]\nguid = \"p1\"\naccept = [\"signed\", \"open\"]\nallowed-users = [\"bob\"]\n";
    std::fs::write(&config, rules).unwrap();
    let (upstream, trust) = (pack.url(), alice.trust("alice"));
    let verifier =
        Program::serve(&["--config", config.to_str().unwrap(), "--upstream", &upstream, "--trust", &trust]);
    let call = |guid: &str| {
        let signed = alice.post(&verifier.authority(), &format!("/api/pack/{guid}/agent"), "{}");
        assert_eq!(verifier.send(&signed).status, 200);
    };
    let report = || {
        assert!(verifier.logs("keyid="));
        let log = directory.path().join("log");
        std::fs::write(&log, verifier.log()).unwrap();
        let output = report(&[log.to_str().unwrap()]);
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    call("unlisted");
    assert_eq!(report().0, Some(0));
    call("p1");
    assert!(verifier.logs("required=\"refused\""));
    let (status, told) = report();
    assert_eq!(status, Some(1), "{told}");
    let refused = told.split_once("no rule lets them in").unwrap().1;
    assert!(
        refused.contains("  p1  alice  1 calls, ") && told.contains("the rules would refuse 1."),
        "{told}"
    );
}

#[test]
fn a_log_that_says_nothing_is_no_good_news() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    std::fs::write(&log, "nothing\n").unwrap();
    let output = report(&[log.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("says of no call"));
    assert_eq!(report(&["/nonexistent"]).status.code(), Some(2));
}
