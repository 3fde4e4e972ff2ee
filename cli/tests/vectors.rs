//! Every vector that `envelope verify` can be asked about, as a raw HTTP message and as a document, put to the program.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use envelope_test_vectors::{Message, Step, Vector, load};

/// `verify` knows trusted identities, authorities, a window and a time; it has no registered or revoked keys, no replay
/// cache, no policy and no issuer of login certificates, and reads its clock once.
fn can_be_asked(vector: &Vector) -> bool {
    let told = &vector.verifier;
    vector.steps().len() == 1
        && !told.trust.is_empty()
        && !told.trust.iter().any(|key| is_published(&key.keyid))
        && told.registered.is_empty()
        && told.revoked.is_empty()
        && !told.needs_registry()
        && told.max_body.is_none()
        && told.replay.is_none()
        && told.policy.is_none()
        && vector.steps()[0].now_after_body.is_none()
        && vector.steps()[0].now_at_replay.is_none()
        && vector.steps()[0].restart.is_none()
        && vector.steps()[0].stage != Some(8)
}

/// Why a vector is left out that nothing but what its verifier is told keeps from the program; it knows no issuers of login
/// certificates, no end of a key and no age of revocations.
fn is_left_out(vector: &Vector) -> Option<&'static str> {
    let told = &vector.verifier;
    if told.issuer.is_some() {
        Some("issuer")
    } else if told.needs_registry() {
        Some("needs_registry")
    } else if told.policy.is_some() {
        Some("policy")
    } else {
        (!can_be_asked(vector)).then_some("another reason")
    }
}

/// The program refuses to be told to trust a key that is printed in an RFC.
fn is_published(keyid: &str) -> bool {
    envelope_core::key::PUBLISHED.iter().any(|(_, known)| *known == keyid)
}

fn verify(vector: &Vector, step: &Step, message: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_envelope"));
    command.args([
        "verify",
        "--json",
        "--at",
        &step.now.to_string(),
        "--window",
        &vector.verifier.window.to_string(),
    ]);
    for authority in &vector.verifier.authorities {
        command.args(["--authority", authority]);
    }
    for key in &vector.verifier.trust {
        command.arg(format!("--trust={}={}", key.identity, key.keyid));
    }
    command.arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A message that is refused early need not be read whole.
    let _ = child.stdin.take().unwrap().write_all(message);
    child.wait_with_output().unwrap()
}

fn check(vector: &Vector, message: &[u8], kind: &str) {
    let step = &vector.steps()[0];
    let output = verify(vector, step, message);
    let told = String::from_utf8(output.stderr.clone()).unwrap();
    if step.expect == "valid" {
        assert_eq!(output.status.code(), Some(0), "{} as {kind}: {told}", vector.name);
        let facts: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            facts["identity"].as_str(),
            step.identity.as_deref(),
            "{} as {kind}: {facts}",
            vector.name
        );
        assert_eq!(facts["keyid"].as_str(), step.keyid.as_deref(), "{} as {kind}: {facts}", vector.name);
    } else {
        assert_eq!(output.status.code(), Some(1), "{} as {kind}: {told}", vector.name);
        // What is no HTTP is refused before there is a request to verify.
        let expect = if kind == "HTTP" && is_no_http(message) { "malformed" } else { &step.expect };
        let code = format!("envelope: error: {expect}: ");
        assert!(told.starts_with(&code), "{} as {kind}: expected {expect}, {told}", vector.name);
        let facts: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            (&facts["valid"], &facts["code"]),
            (&false.into(), &expect.into()),
            "{} as {kind}",
            vector.name
        );
    }
}

/// A control character in the header, or a first line that is not ASCII.
fn is_no_http(message: &[u8]) -> bool {
    let end = message.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let line = message.iter().position(|byte| *byte == b'\r').unwrap();
    let is_control = |byte: &u8| byte.is_ascii_control() && !b"\r\n\t".contains(byte);
    message[..end].iter().any(is_control) || !message[..line].is_ascii()
}

#[test]
fn every_vector_that_can_be_asked_about() {
    let vectors = load().unwrap();
    let mut left_out: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in vectors.iter().filter_map(is_left_out) {
        *left_out.entry(reason).or_default() += 1;
    }
    println!("vectors that are left out: {left_out:?}");
    assert!(left_out["issuer"] >= 100, "{left_out:?}");
    let work: Vec<(Vector, Vec<u8>, &str)> = vectors
        .into_iter()
        .filter(can_be_asked)
        .flat_map(|vector| match &vector.steps()[0].message {
            Message::Document(document) => vec![(vector.clone(), document.clone().into_bytes(), "document")],
            Message::Request(request) => {
                let document =
                    request.to_document().map(|document| (vector.clone(), document.into_bytes(), "document"));
                let http = request.to_http().map(|http| (vector.clone(), http, "HTTP"));
                document.into_iter().chain(http).collect()
            }
        })
        .collect();
    let (next, count) = (AtomicUsize::new(0), work.len());
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some((vector, message, kind)) = work.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let outcome = std::panic::catch_unwind(|| check(vector, message, kind));
                    if outcome.is_err() {
                        failures.lock().unwrap().push(format!("{} as {kind}", vector.name));
                    }
                }
            });
        }
    });
    println!("{count} messages put");
    assert_eq!(*failures.lock().unwrap(), Vec::<String>::new());
    assert!(count >= 1200, "{count}");
}
