//! How a key becomes known, and what the wallet makes of it: people at shells, and the programs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use std::process::Command;

use support::people::{User, Verifier};

/// One command of the operator, two of the caller.
#[test]
fn from_nothing_to_a_call() {
    let verifier = Verifier::start();
    let ticket = verifier.ticket("alice");
    let alice = User::new();
    assert_eq!(alice.say(&["enroll", &verifier.url(), "--token", &ticket]), "alice");
    alice.reaches(&verifier);
    assert!(verifier.pack.requests()[0].to_ascii_lowercase().contains("envelope-identity: alice\r\n"));

    // The ticket is worth nothing now, and the same command once more does no harm.
    let (status, told) = User::new().fail(&["enroll", &verifier.url(), "--token", &ticket]);
    assert!(status == 1 && told.contains("error: unauthenticated:"), "{told}");
    assert_eq!(alice.say(&["enroll", &verifier.url(), "--token", &ticket]), "alice");
    assert_eq!(alice.say(&["pack", "list"]), format!("{}  default  alice", verifier.url()));
}

/// The other way in: the caller says a keyid, the operator registers it. No secret is sent at all.
#[test]
fn a_key_that_an_admin_registers() {
    let verifier = Verifier::start();
    let bob = User::new();
    let keyid = bob.say(&["keygen", "--alg", "p256"]);
    let (status, told) = bob.fail(&["enroll", &verifier.url()]);
    assert!(status == 1 && told.contains("does not know"), "{told}");
    assert_eq!(verifier.admin(&["register", "bob", &keyid]), keyid);
    bob.reaches(&verifier);
    assert_eq!(bob.say(&["enroll", &verifier.url()]), "bob");
    let (status, told) = bob.fail(&["ticket", "mallory", "--at", &verifier.url()]);
    assert!(status == 1 && told.contains("error: not-allowed:"), "{told}");
}

#[test]
fn the_wallet_picks_the_identity() {
    let verifier = Verifier::start();
    let alice = User::new();
    alice.say(&["keygen"]);
    alice.say(&["enroll", &verifier.url(), "--token", &verifier.ticket("alice"), "--identity", "work"]);
    alice.reaches(&verifier);
    let (_, told) = alice.fail(&["call", "GET", &verifier.pack(), "--identity", "default"]);
    assert!(told.contains("error: bad-signature:"), "{told}");
    let fields = alice.say(&["sign", "GET", &verifier.pack()]);
    let mut curl = Command::new("curl");
    for line in fields.lines() {
        curl.args(["-H", line]);
    }
    let answer = curl.args(["-sS", &verifier.pack()]).output().unwrap();
    assert_eq!(String::from_utf8(answer.stdout).unwrap(), r#"{"hello":"from the pack"}"#);
    alice.say(&["forget", &verifier.url()]);
    assert_eq!(alice.say(&["pack", "list"]), "");
    alice.is_refused(&verifier, "bad-signature");
}

#[test]
fn a_ticket_is_not_sent_where_everybody_can_read_it() {
    let alice = User::new();
    let (status, told) = alice.fail(&["enroll", "http://pack.example", "--token", "tkt_x"]);
    assert!(status == 2 && told.contains("--plain-http"), "{told}");
    assert_eq!(alice.files(), Vec::<String>::new(), "no key was made");
}

/// A verifier that began anew refuses what it may have seen in its last second; the command signs again.
#[test]
fn a_call_right_after_a_restart_is_signed_again() {
    let mut verifier = Verifier::start();
    let alice = verifier.enrolled("alice");
    for _ in 0..4 {
        alice.reaches(&verifier);
        let start_again = verifier.stop();
        verifier = start_again();
        alice.reaches(&verifier);
    }
}

#[test]
fn of_two_identities_one_must_be_named() {
    let verifier = Verifier::start();
    let user = User::new();
    for name in ["work", "home"] {
        user.say(&["enroll", &verifier.url(), "--token", &verifier.ticket(name), "--identity", name]);
    }
    let (status, told) = user.fail(&["call", "GET", &verifier.pack()]);
    assert!(status == 2 && told.contains("--identity work"), "{told}");
    assert_eq!(
        user.say(&["call", "GET", &verifier.pack(), "--identity", "home"]),
        r#"{"hello":"from the pack"}"#
    );
}
