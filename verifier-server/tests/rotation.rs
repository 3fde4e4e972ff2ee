//! Keys that hand over to the next one: people at shells, and the programs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use support::PackServer;
use support::people::{User, Verifier};

/// An agent of this test's own, with the keys that `ssh-keygen` makes.
struct Agent {
    directory: tempfile::TempDir,
    child: std::process::Child,
}

impl Agent {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("socket");
        let child = Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn();
        let child = child.expect("ssh-agent is needed");
        while !socket.exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        Self { directory, child }
    }

    /// Makes a key, puts it into the agent, and removes the private half from the disk; gives the public file.
    fn key(&self, kind: &str) -> String {
        let file = self.directory.path().join(kind);
        let made = Command::new("ssh-keygen").args(["-q", "-t", kind, "-N", "", "-f"]).arg(&file).status();
        assert!(made.unwrap().success());
        let added = Command::new("ssh-add").arg("-q").arg(&file).env("SSH_AUTH_SOCK", self.socket()).status();
        assert!(added.unwrap().success());
        std::fs::remove_file(&file).unwrap();
        file.with_extension("pub").display().to_string()
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("socket")
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn rotation_reaches_every_verifier_also_those_that_are_down() {
    let (near, far) = (Verifier::start(), Verifier::start());
    let alice = near.enrolled("alice");
    alice.say(&["enroll", &far.url(), "--token", &far.ticket("alice-there")]);
    let first = alice.keyid();
    let far_url = far.url();
    let start_again = far.stop();

    let second = alice.say(&["rotate"]);
    let third = alice.say(&["rotate"]);
    assert!(first != second && second != third && third == alice.keyid());
    alice.reaches(&near);
    let listed = alice.say(&["key", "list"]);
    assert!(listed.contains(&third) && listed.contains(&format!("owes {far_url}")), "{listed}");
    assert!(!listed.contains(&near.url()), "{listed}");

    // What is signed for a verifier that has not heard is signed with the key that it knows.
    let far = start_again();
    let signed = alice.say(&["sign", "GET", &far.pack(), "--format", "json"]);
    let signed: serde_json::Value = serde_json::from_str(&signed).unwrap();
    let certificate = signed["headers"]["signature-key"].as_str().unwrap().split('"').nth(1).unwrap();
    let read = envelope_core::UntrustedCertificate::parse(certificate).unwrap();
    assert_eq!(read.identity_key().thumbprint().to_string(), first);

    alice.reaches(&far);
    assert!(!alice.say(&["key", "list"]).contains("owes"));
    let kept = alice.files();
    assert!(!kept.iter().any(|file| file.starts_with("retired/") || file.starts_with("next/")), "{kept:?}");
    near.admin(&["revoke", "--key", &second]);
    alice.reaches(&near);
}

#[test]
fn both_keys_work_during_the_overlap_and_one_after_it() {
    let verifier = Verifier::start();
    let alice = verifier.enrolled("alice");
    alice.reaches(&verifier);
    let old = alice.copy();
    alice.say(&["rotate", "--overlap", "3s"]);
    let end = Instant::now() + Duration::from_secs(4);
    old.reaches(&verifier);
    alice.reaches(&verifier);
    std::thread::sleep(end.saturating_duration_since(Instant::now()));
    old.is_refused(&verifier, "certificate-expired");
    alice.reaches(&verifier);
    // The old key names nobody else, and whoever has it is told so.
    let (status, told) = old.fail(&["rotate"]);
    assert!(status == 1 && told.contains("key-refused"), "{told}");
    alice.reaches(&verifier);
}

#[test]
fn a_client_that_calls_without_pause_notices_no_rotation() {
    let verifier = Verifier::start();
    let alice = verifier.enrolled("alice");
    let (stop, calls) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    alice.reaches(&verifier);
                    calls.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        for _ in 0..8 {
            let before = calls.load(Ordering::SeqCst);
            alice.say(&["rotate", "--overlap", "60s"]);
            while calls.load(Ordering::SeqCst) < before + 8 {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        stop.store(true, Ordering::SeqCst);
    });
    assert!(calls.load(Ordering::SeqCst) >= 64);
}

#[test]
fn a_key_behind_a_passphrase_hands_over_to_one_behind_the_same() {
    let verifier = Verifier::start();
    let alice = User::new();
    std::fs::write(alice.home.path().join("secret"), "correct horse\n").unwrap();
    Command::new("chmod").args(["600", "secret"]).current_dir(alice.home.path()).status().unwrap();
    let ticket = verifier.ticket("alice");
    alice.say(&["enroll", &verifier.url(), "--token", &ticket, "--passphrase-file", "secret"]);
    alice.say(&["rotate", "--passphrase-file", "secret"]);
    // The call key was made while the new key was open.
    alice.reaches(&verifier);
    let listed = alice.say(&["key", "list"]);
    assert!(listed.contains("encrypted"), "{listed}");
    let pem = alice.home.path().join("identities/default.pem");
    let opened = Command::new("openssl")
        .args(["pkey", "-noout", "-passin", "file:secret", "-in"])
        .arg(pem)
        .current_dir(alice.home.path())
        .status();
    assert!(opened.unwrap().success());
}

#[test]
fn a_key_in_the_agent_hands_over_to_another_one_and_to_a_file() {
    let (verifier, agent, alice) = (Verifier::start(), Agent::start(), User::new());
    let with_agent = |arguments: &[&str]| {
        let output = alice.command(arguments).env("SSH_AUTH_SOCK", agent.socket()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}\n{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    };
    let first = with_agent(&["key", "import", "--ssh-agent", &agent.key("ed25519")]);
    with_agent(&["enroll", &verifier.url(), "--token", &verifier.ticket("alice")]);
    let second = with_agent(&["rotate", "--ssh-agent", &agent.key("ecdsa")]);
    alice.reaches(&verifier);
    assert!(with_agent(&["key", "list"]).contains("ssh-agent"));
    let third = with_agent(&["rotate", "--overlap", "0s"]);
    alice.reaches(&verifier);
    let listed = alice.say(&["key", "list"]);
    assert!(first != second && listed.contains(&third) && listed.contains("file"), "{listed}");
}

#[test]
fn a_key_that_nobody_could_hear_of_is_not_made() {
    let alice = User::new();
    let keyid = alice.say(&["keygen"]);
    let (status, told) = alice.fail(&["rotate"]);
    assert!(status == 2 && told.contains("no verifier that could be told"), "{told}");
    assert_eq!(alice.keyid(), keyid);
    assert_ne!(alice.say(&["rotate", "--force"]), keyid);
}

/// A captive portal answers 200 to everything, another one nothing at all: neither has heard, and neither keeps the others
/// from hearing.
#[test]
fn whoever_has_not_heard_is_not_taken_for_one_that_has() {
    let verifier = Verifier::start();
    let alice = verifier.enrolled("alice");
    let portal = PackServer::answering(|request, stream| {
        use std::io::Write;
        let is_me = request.starts_with(b"GET /api/me ");
        let me = r#"{"identity":"alice","keyid":"59CCHWMQhoRB9YwDiOcacjlSDkqOLVMc8mrcHyqu_MY","packs":[]}"#;
        let body = if is_me { me } else { "<p>Welcome" };
        let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    });
    let silent = PackServer::answering(|request, stream| {
        use std::io::Write;
        if request.starts_with(b"GET /api/me ") {
            let me =
                r#"{"identity":"alice","keyid":"59CCHWMQhoRB9YwDiOcacjlSDkqOLVMc8mrcHyqu_MY","packs":[]}"#;
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{me}", me.len());
        }
    });
    for url in [portal.url(), silent.url()] {
        alice.say(&["enroll", &url]);
    }
    let rotated = alice.run(&["rotate", "--json"]);
    assert_eq!(rotated.status.code(), Some(1));
    let facts: serde_json::Value = serde_json::from_slice(&rotated.stdout).unwrap();
    assert_eq!(facts["told"], serde_json::json!([verifier.url()]));
    let owed: Vec<&str> =
        facts["owed"].as_array().unwrap().iter().map(|owed| owed["verifier"].as_str().unwrap()).collect();
    assert_eq!(owed, [portal.url(), silent.url()]);
    assert_eq!(facts["owed"][1]["why"], "no answer within 10 s");
    alice.reaches(&verifier);
    let (status, told) = alice.fail(&["forget", &silent.url()]);
    assert!(status == 2 && told.contains("--force"), "{told}");
    alice.say(&["forget", &silent.url(), "--force"]);
}

#[test]
fn a_live_call_key_outlasts_a_rotation_that_was_not_heard() {
    let verifier = Verifier::start();
    let alice = User::new();
    std::fs::write(alice.home.path().join("secret"), "correct horse\n").unwrap();
    Command::new("chmod").args(["600", "secret"]).current_dir(alice.home.path()).status().unwrap();
    let with = ["--passphrase-file", "secret"];
    let enroll = ["enroll", &verifier.url(), "--token", &verifier.ticket("alice")];
    alice.say(&[&enroll[..], &with].concat());
    let first = alice.keyid();
    let start_again = verifier.stop();
    alice.say(&[&["rotate"][..], &with].concat());
    let verifier = start_again();
    // Nobody gives a passphrase: the call key of the old key is there yet.
    let signed = alice.say(&["sign", "GET", &verifier.pack(), "--format", "json"]);
    let signed: serde_json::Value = serde_json::from_str(&signed).unwrap();
    let certificate = signed["headers"]["signature-key"].as_str().unwrap().split('"').nth(1).unwrap();
    let read = envelope_core::UntrustedCertificate::parse(certificate).unwrap();
    assert_eq!(read.identity_key().thumbprint().to_string(), first);
    alice.reaches(&verifier);
}
