//! Keys that end: people at shells, and the programs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use std::process::Command;
use std::time::Duration;

use support::people::{User, Verifier};

#[test]
fn a_lost_laptop_costs_one_command() {
    let verifier = Verifier::start();
    let alice = verifier.enrolled("alice");
    alice.reaches(&verifier);
    let thief = alice.copy();
    let revoked = verifier.admin(&["revoke", "--name", "alice"]);
    assert_eq!(revoked, alice.keyid());
    thief.is_refused(&verifier, "revoked");
    // It can name no successor either, and nobody is trusted in its place.
    let (status, told) = thief.fail(&["rotate"]);
    assert!(status == 1 && told.contains("revoked"), "{told}");
    thief.is_refused(&verifier, "revoked");
    let new_laptop = verifier.enrolled("alice");
    new_laptop.reaches(&verifier);
}

#[test]
fn a_key_retires_everywhere_and_is_gone_here() {
    let (near, far) = (Verifier::start(), Verifier::start());
    let alice = near.enrolled("alice");
    alice.say(&["enroll", &far.url(), "--token", &far.ticket("alice")]);
    let thief = alice.copy();
    alice.say(&["revoke"]);
    thief.is_refused(&near, "revoked");
    thief.is_refused(&far, "revoked");
    assert!(!alice.files().iter().any(|file| file.ends_with(".pem") || file.ends_with(".call")));
    let (status, told) = alice.fail(&["call", "GET", &near.pack()]);
    assert!(status == 2 && told.contains("there is no identity default here"), "{told}");
}

/// A thief who was faster has named another successor: the owner is told so, and can still end the key that both have.
#[test]
fn a_refused_rotation_keeps_no_revocation_back() {
    let verifier = Verifier::start();
    let alice = verifier.enrolled("alice");
    let (thief, hold) = (alice.copy(), alice.copy());
    thief.say(&["rotate"]);
    let (status, told) = alice.fail(&["rotate"]);
    assert!(status == 1 && told.contains("key-refused"), "{told}");
    hold.reaches(&verifier);
    let (status, told) = alice.fail(&["revoke"]);
    assert!(status == 1 && told.contains("key-refused"), "{told}");
    hold.is_refused(&verifier, "revoked");
    // What the thief named lives on, until the identity is revoked.
    thief.reaches(&verifier);
    verifier.admin(&["revoke", "--name", "alice"]);
    thief.is_refused(&verifier, "revoked");
}

#[test]
fn a_verifier_that_was_down_hears_of_a_revocation_before_anything_else() {
    let verifier = Verifier::start();
    let alice = verifier.enrolled("alice");
    let (thief, first, ticket) = (alice.copy(), alice.keyid(), verifier.ticket("alice"));
    let start_again = verifier.stop();
    let (status, told) = alice.fail(&["revoke"]);
    assert!(status == 1 && told.contains("has not heard it"), "{told}");
    assert!(alice.say(&["key", "list"]).contains("owes"));
    let verifier = start_again();
    alice.say(&["enroll", &verifier.url(), "--token", &ticket]);
    thief.is_refused(&verifier, "revoked");
    alice.reaches(&verifier);
    assert_ne!(alice.keyid(), first);
    assert!(!alice.say(&["key", "list"]).contains("owes"));
}

#[test]
fn a_retirement_that_was_kept_in_a_safe() {
    let verifier = Verifier::start();
    let alice = verifier.enrolled("alice");
    alice.say(&["revoke", "--save", "retirement.json"]);
    alice.reaches(&verifier);
    let statement = alice.home.path().join("retirement.json").display().to_string();
    let finder = User::new();
    finder.say(&["revoke", "--statement", &statement, "--at", &verifier.url()]);
    alice.is_refused(&verifier, "revoked");
}

#[test]
fn admins_revoke_certificates_and_what_was_issued_before() {
    let verifier = Verifier::start();
    let alice = verifier.enrolled("alice");
    let home = alice.home.path();
    for (program, arguments) in [
        ("openssl", "genpkey -algorithm ed25519 -out job.pem"),
        ("openssl", "pkey -in job.pem -pubout -out job.pub"),
        ("chmod", "600 job.pem"),
    ] {
        assert!(
            Command::new(program).args(arguments.split(' ')).current_dir(home).status().unwrap().success()
        );
    }
    let hand_out = || {
        let facts = alice.say(&["certify", "--for", "job.pub", "--json"]);
        let facts: serde_json::Value = serde_json::from_str(&facts).unwrap();
        std::fs::write(home.join("job.jws"), facts["certificate"].as_str().unwrap()).unwrap();
        facts["id"].as_str().unwrap().to_owned()
    };
    let job = ["call", "GET", &verifier.pack(), "--key", "job.pem", "--certificate", "job.jws"];
    let id = hand_out();
    alice.say(&job);
    verifier.admin(&["revoke", "--key", &alice.keyid(), "--certificate", &id]);
    let (_, told) = alice.fail(&job);
    assert!(told.contains("error: revoked:"), "{told}");
    hand_out();
    alice.say(&job);
    alice.reaches(&verifier);
    std::thread::sleep(Duration::from_millis(1100));
    let now = support::now().to_string();
    verifier.admin(&["revoke", "--name", "alice", "--issued-before", &now]);
    let (_, told) = alice.fail(&job);
    assert!(told.contains("error: revoked:"), "{told}");
    hand_out();
    alice.say(&job);
}
