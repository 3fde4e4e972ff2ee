//! Commands that are killed, and what they said before: nothing by half, and nothing secret.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use std::time::{Duration, Instant};

use support::people::{User, Verifier};

fn random(below: u64) -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    u64::from_le_bytes(bytes) % below
}

/// Afterwards every key works or is cleanly absent, whatever was killed when.
#[test]
fn killed_at_two_hundred_moments() {
    let verifier = Verifier::start();
    let moment = |most: u64| Duration::from_micros(random(most * 1000));
    let start = Instant::now();
    User::new().say(&["keygen"]);
    // About as long as a command takes here, in milliseconds: kills fall on every part of it.
    let length = u64::try_from(start.elapsed().as_millis()).unwrap().max(4);

    for _ in 0..50 {
        let user = User::new();
        user.kill(&["keygen"], moment(length + 2));
        if user.say(&["key", "list"]).is_empty() {
            user.say(&["keygen"]);
        }
        user.say(&["sign", "GET", &verifier.pack()]);
    }
    for at in 0..50 {
        let (user, ticket) = (User::new(), verifier.ticket(&format!("user-{at}")));
        let enroll = ["enroll", &verifier.url(), "--token", &ticket];
        user.kill(&enroll, moment(length * 3));
        user.say(&enroll);
        user.reaches(&verifier);
    }
    // A verifier takes 32 successors of an identity in a day, and of these some get there before the kill.
    for name in ["alice", "bob"] {
        let user = verifier.enrolled(name);
        for _ in 0..25 {
            user.kill(&["rotate"], moment(length * 4));
            user.reaches(&verifier);
            assert_eq!(user.say(&["key", "list"]).lines().count(), 1, "{}", user.say(&["key", "list"]));
        }
        user.say(&["rotate"]);
        user.reaches(&verifier);
        let files = user.files();
        let pems = files.iter().filter(|file| file.ends_with(".pem")).count();
        assert_eq!(pems, 1, "nothing is left of what was killed: {files:?}");
    }
    for at in 0..50 {
        let user = verifier.enrolled(&format!("leaver-{at}"));
        let thief = user.copy();
        user.kill(&["revoke"], moment(length * 3));
        let called = user.call(&verifier);
        if called.status.success() {
            user.say(&["revoke"]);
        }
        let (status, told) = user.fail(&["call", "GET", &verifier.pack()]);
        assert!(told.contains("there is no identity") || told.contains("revoked"), "{status} {told}");
        let again = user.run(&["revoke"]);
        assert!(again.status.success() || String::from_utf8_lossy(&again.stderr).contains("no identity"));
        thief.is_refused(&verifier, "revoked");
    }
}

/// Whatever is said, by whichever program, and however much: no private key, and no ticket at the verifier.
#[test]
fn nothing_secret_is_said() {
    let verifier = Verifier::start();
    let (alice, ticket) = (User::new(), verifier.ticket("alice"));
    let mut said = String::new();
    let mut secrets = vec![];
    let mut run = |arguments: &[&str]| {
        let output = alice.run(arguments);
        said.push_str(&String::from_utf8_lossy(&output.stdout));
        said.push_str(&String::from_utf8_lossy(&output.stderr));
        for file in alice.files().iter().filter(|file| file.ends_with(".pem") || file.ends_with(".call")) {
            let text = std::fs::read_to_string(alice.home.path().join(file)).unwrap();
            let pem = &text[text.find("-----BEGIN PRIVATE KEY-----").unwrap()..];
            let line = pem.lines().nth(1).unwrap();
            let der = <base64ct::Base64 as base64ct::Encoding>::decode_vec(line).unwrap();
            let seed = &der[16..48];
            let hex: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
            secrets.extend([line.to_owned(), hex]);
            secrets.push(<base64ct::Base64 as base64ct::Encoding>::encode_string(seed));
            secrets.push(<base64ct::Base64UrlUnpadded as base64ct::Encoding>::encode_string(seed));
        }
    };
    let (url, pack) = (verifier.url(), verifier.pack());
    for arguments in [
        &["enroll", &url, "--token", "tkt_wrong"][..],
        &["enroll", &url, "--token", &ticket, "--json"],
        &["key", "list", "--json"],
        &["key", "show", "--json"],
        &["key", "export"],
        &["sign", "GET", &pack, "--format", "json"],
        &["call", "GET", &pack],
        &["certify", "--for", "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK", "--json"],
        &["rotate", "--json"],
        &["pack", "list", "--json"],
        &["ticket", "mallory", "--at", &url],
        &["revoke", "--save", "retirement.json"],
        &["revoke"],
        &["call", "GET", &pack],
    ] {
        run(arguments);
    }
    assert!(said.contains("alice") && said.contains("unauthenticated"), "{said}");
    assert!(verifier.program.logs("retired"));
    let log = verifier.program.log();
    secrets.sort();
    secrets.dedup();
    // Two identity keys and two call keys, at least, in four spellings.
    assert!(secrets.len() >= 16, "{}", secrets.len());
    for secret in &secrets {
        assert!(!said.contains(secret.as_str()) && !log.contains(secret.as_str()), "a private key was said");
    }
    assert!(!log.contains(&ticket) && !log.contains("tkt_"), "a ticket is in the log");
    let store = std::fs::read(verifier.data.path().join("store.sqlite-wal")).unwrap();
    let holds = |text: &str| store.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("alice") && !holds(&ticket) && !holds(&ticket[4..]), "the ticket is in the store");
}
