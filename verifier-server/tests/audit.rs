//! Receipts, end to end: what was decided is in the log, with what proves it, whatever happens to the verifier or its disk.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use std::collections::BTreeSet;
use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use support::audit::{args, files, key, lines, receipts, start, start_with, stop, verified, verify};
use support::{Http, PackServer, Person, Program, now, read_answer};

const TARGET: &str = "/api/pack/p1/agent?trace=1";

fn text<'a>(receipt: &'a serde_json::Value, name: &str) -> &'a str {
    receipt[name].as_str().unwrap_or("-")
}

#[test]
fn every_decision_is_in_the_log_and_verifies() {
    let (pack, alice, stranger) = (PackServer::start(), Person::new("alice"), Person::new("stranger"));
    let data = tempfile::tempdir().unwrap();
    let verifier = start(&pack, &alice, data.path(), &["--admin", "alice"]);
    let (authority, audit_key) = (verifier.authority(), key(&verifier));
    let call = alice.post(&authority, TARGET, r#"{"name":"Weather"}"#);
    assert_eq!(verifier.send(&call).status, 200);
    assert_eq!(verifier.send(&call).code(), "replayed");
    assert_eq!(verifier.send(&stranger.post(&authority, TARGET, "{}")).code(), "bad-signature");
    assert_eq!(verifier.send(&Http::new("GET", "/api/pack/p1/x", &authority)).code(), "unauthenticated");
    let other_body = alice.post(&authority, TARGET, "{}");
    let other_body = Http { body: Some(b"[]".to_vec()), ..other_body };
    assert_eq!(verifier.send(&other_body).code(), "digest-mismatch");
    let secret = Http::new("GET", "/api/pack/p2/x", &authority).header("Authorization", "Bearer tok_secret");
    assert_eq!(verifier.send(&secret.sign(&alice.signer(), now())).status, 200);
    let me = Http::new("GET", "/api/keys", &authority).sign(&alice.signer(), now());
    assert_eq!(verifier.send(&me).status, 200);
    let asked = Http::new("GET", "/verify", &authority).sign_as(&alice, "GET", "/api/pack/p3/y");
    assert_eq!(verifier.send(&asked).status, 200);
    let no_scope = Person::with_grant("alice", envelope_core::Grant::everything().scope(["deploy"]));
    assert_eq!(verifier.send(&no_scope.post(&authority, TARGET, "{}")).code(), "scope-missing");
    let described = verifier.send(&Http::new("GET", "/.well-known/envelope", &authority)).json();
    assert_eq!(described["audit_key"]["crv"], "Ed25519");
    stop(verifier);

    let told: Vec<_> = receipts(data.path())
        .iter()
        .map(|it| [text(it, "decision"), text(it, "code"), text(it, "identity"), text(it, "pack")].join(" "))
        .collect();
    assert_eq!(
        told,
        [
            "allow - alice p1",
            "deny replayed alice p1",
            "deny unknown-key - p1",
            "deny unauthenticated - p1",
            "deny digest-mismatch alice p1",
            "allow - alice p2",
            "allow - alice -",
            "allow - alice p3",
            "deny scope-missing alice p1",
        ]
    );
    let first = &receipts(data.path())[0];
    assert_eq!((text(first, "peer"), text(first, "keyid")), ("127.0.0.1", alice.keyid().as_str()));
    assert!(text(&first["envelope"], "base").contains("\"@path\": /api/pack/p1/agent\n"));
    assert!(!std::fs::read_to_string(&files(data.path())[0]).unwrap().contains("tok_secret"));

    let found = verified(data.path(), &audit_key);
    assert_eq!((&found["allowed"], &found["denied"]), (&4.into(), &5.into()), "{found}");
    assert_eq!((&found["proven"], &found["withheld"]), (&6.into(), &1.into()), "{found}");
    assert_eq!(
        (&found["unsigned"], &found["torn"], &found["lost"]),
        (&0.into(), &0.into(), &0.into()),
        "{found}"
    );

    // By another key, and with a line changed, it does not verify.
    let other = verify(data.path(), &alice.keyid(), &[]);
    assert_eq!(other.status.code(), Some(1));
    let head = found["head"].as_str().unwrap();
    assert!(verify(data.path(), &audit_key, &["--head", head]).status.success());
    let file = &files(data.path())[0];
    let whole = std::fs::read_to_string(file).unwrap();
    std::fs::write(file, whole.replacen("scope-missing", "not-allowed", 1)).unwrap();
    let changed = verify(data.path(), &audit_key, &[]);
    let said: serde_json::Value = serde_json::from_slice(&changed.stdout).unwrap();
    let at = whole.lines().position(|line| line.contains("scope-missing")).unwrap() + 1;
    assert_eq!((changed.status.code(), &said["line"]), (Some(1), &(at + 1).into()), "{said}");
    let cut: String = whole.split_inclusive('\n').take(3).collect();
    std::fs::write(file, cut).unwrap();
    assert!(verify(data.path(), &audit_key, &[]).status.success());
    assert_eq!(verify(data.path(), &audit_key, &["--head", head]).status.code(), Some(1));
}

/// Killed while it is called from all sides, a verifier has lost no receipt of what the upstream has seen.
#[test]
fn killed_under_load_it_has_lost_nothing_that_it_let_through() {
    let (pack, alice) = (PackServer::start(), Person::new("alice"));
    let data = tempfile::tempdir().unwrap();
    let mut audit_key = String::new();
    for round in 0..3 {
        let mut verifier = start(&pack, &alice, data.path(), &["--window", "60"]);
        audit_key = key(&verifier);
        let (address, authority, ended) = (verifier.address, verifier.authority(), AtomicBool::new(false));
        // After a crash, what was signed before its end could be a copy.
        let begin = Instant::now();
        while verifier.send(&alice.post(&authority, TARGET, "{}")).status != 200 {
            assert!(begin.elapsed() < Duration::from_secs(30));
            std::thread::sleep(Duration::from_millis(200));
        }
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let Ok(mut stream) = TcpStream::connect(address) else { return };
                    let mut reader = BufReader::new(stream.try_clone().unwrap());
                    while !ended.load(Ordering::SeqCst) {
                        let request = alice.post(&authority, TARGET, "{}").bytes();
                        if stream.write_all(&request).is_err() || read_answer(&mut reader).is_none() {
                            return;
                        }
                        // Every line is verified twice below.
                        std::thread::sleep(Duration::from_millis(4));
                    }
                });
            }
            std::thread::sleep(Duration::from_millis(700 + 300 * round));
            verifier.child.kill().unwrap();
            verifier.child.wait().unwrap();
            ended.store(true, Ordering::SeqCst);
        });
    }
    // What a crash in the middle of a write would leave.
    let newest = files(data.path()).pop().unwrap();
    let mut file = std::fs::OpenOptions::new().append(true).open(newest).unwrap();
    file.write_all(br#"{"seq":9,"prev":"#).unwrap();
    drop(file);
    let found = verified(data.path(), &audit_key);
    assert_eq!(found["torn"], 1, "{found}");
    stop(start(&pack, &alice, data.path(), &[]));
    let found = verified(data.path(), &audit_key);
    assert_eq!((&found["torn"], &found["unsigned"]), (&1.into(), &0.into()), "{found}");

    let signature_of =
        |line: &str| line.strip_prefix("Signature: sig=:").map(|it| it.trim_end_matches(':').to_owned());
    let seen: Vec<String> =
        pack.requests().iter().map(|request| request.lines().find_map(signature_of).unwrap()).collect();
    let allowed = receipts(data.path());
    let proofs: BTreeSet<String> = allowed
        .iter()
        .filter(|receipt| receipt["decision"] == "allow")
        .map(|receipt| text(&receipt["envelope"], "signature").replace('-', "+").replace('_', "/"))
        .collect();
    assert!(seen.len() > 30, "{}", seen.len());
    for signature in &seen {
        assert!(proofs.contains(signature.trim_end_matches('=')), "a call has no receipt");
    }
}

#[test]
fn with_a_full_disk_nothing_passes_that_must_have_a_receipt() {
    let (pack, alice) = (PackServer::start(), Person::new("alice"));
    let data = tempfile::tempdir().unwrap();
    let verifier = start_with(Program::serve_within_limits, &pack, &alice, data.path(), &[]);
    let (authority, audit_key) = (verifier.authority(), key(&verifier));
    let call = || verifier.send(&alice.post(&authority, TARGET, "{}"));
    let length = |data: &Path| std::fs::metadata(&files(data)[0]).unwrap().len();
    // So that the limit is one for the log, and for no other file.
    while length(data.path()) < 400 << 10 {
        assert_eq!(call().status, 200);
    }
    verifier.limit_files(Some(length(data.path()) + 300));
    let passed = pack.requests().len();
    for _ in 0..3 {
        let refused = call();
        assert_eq!((refused.status, refused.code().as_str()), (503, "audit-unavailable"));
        assert_eq!(refused.header("retry-after"), Some("5"));
    }
    assert_eq!(pack.requests().len(), passed, "nothing has reached the upstream");
    let asked = Http::new("GET", "/verify", &authority).sign_as(&alice, "GET", "/api/pack/p3/y");
    let asked = verifier.send(&asked);
    assert_eq!((asked.status, asked.json()["code"].as_str()), (403, Some("audit-unavailable")));
    verifier.limit_files(None);
    assert_eq!(call().status, 200);
    stop(verifier);
    let found = verified(data.path(), &audit_key);
    assert_eq!((&found["torn"], &found["lost"]), (&0.into(), &0.into()), "{found}");
    let sampled: u64 =
        lines(data.path()).iter().filter_map(|it| it["sampled"]["audit-unavailable"].as_u64()).sum();
    let written = receipts(data.path()).iter().filter(|it| it["code"] == "audit-unavailable").count();
    assert_eq!(sampled + u64::try_from(written).unwrap(), 4, "they are counted");
    assert_eq!(found["allowed"], pack.requests().len(), "{found}");
}

#[test]
fn with_a_full_disk_best_effort_goes_on_and_counts() {
    let (pack, alice) = (PackServer::start(), Person::new("alice"));
    let data = tempfile::tempdir().unwrap();
    let more = ["--audit", "best-effort"];
    let verifier = start_with(Program::serve_within_limits, &pack, &alice, data.path(), &more);
    let (authority, audit_key) = (verifier.authority(), key(&verifier));
    let call = || verifier.send(&alice.post(&authority, TARGET, "{}"));
    let length = |data: &Path| std::fs::metadata(&files(data)[0]).unwrap().len();
    while length(data.path()) < 400 << 10 {
        assert_eq!(call().status, 200);
    }
    let wanted = pack.requests().len();
    let begin = Instant::now();
    while receipts(data.path()).len() < wanted {
        assert!(begin.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(50));
    }
    verifier.limit_files(Some(length(data.path())));
    for _ in 0..7 {
        assert_eq!(call().status, 200);
    }
    verifier.limit_files(None);
    assert_eq!(call().status, 200);
    stop(verifier);
    let found = verified(data.path(), &audit_key);
    assert_eq!((&found["torn"], &found["lost"]), (&0.into(), &7.into()), "{found}");
    assert_eq!(found["allowed"], pack.requests().len() - 7, "{found}");
}

#[test]
fn the_chain_goes_on_from_one_file_into_the_next() {
    let (pack, alice) = (PackServer::start(), Person::new("alice"));
    let data = tempfile::tempdir().unwrap();
    let verifier = start(&pack, &alice, data.path(), &["--audit-file-size", "8192"]);
    let (authority, audit_key) = (verifier.authority(), key(&verifier));
    for _ in 0..40 {
        assert_eq!(verifier.send(&alice.post(&authority, TARGET, "{}")).status, 200);
    }
    stop(verifier);
    let all = files(data.path());
    assert!(all.len() >= 4, "{all:?}");
    let found = verified(data.path(), &audit_key);
    assert_eq!((&found["allowed"], &found["first"], &found["unsigned"]), (&40.into(), &1.into(), &0.into()));
    for file in &all {
        let text = std::fs::read_to_string(file).unwrap();
        assert!(
            text.contains("\"type\":\"open\"")
                && text.trim_end().lines().last().unwrap().contains("checkpoint")
        );
    }
    // Without the first the rest is a log; without another one it is none.
    std::fs::remove_file(&all[0]).unwrap();
    assert_ne!(verified(data.path(), &audit_key)["first"], 1);
    std::fs::remove_file(&all[2]).unwrap();
    assert_eq!(verify(data.path(), &audit_key, &[]).status.code(), Some(1));
}

#[test]
fn strangers_do_not_fill_the_log() {
    let (pack, alice) = (PackServer::start(), Person::new("alice"));
    let data = tempfile::tempdir().unwrap();
    // Refusals are told at once: what is asked is how many of them are written down.
    let verifier = start(&pack, &alice, data.path(), &["--refusal-rate", "10000"]);
    let (authority, audit_key) = (verifier.authority(), key(&verifier));
    let copy = alice.post(&authority, TARGET, "{}");
    assert_eq!(verifier.send(&copy).status, 200);
    let begin = Instant::now();
    for _ in 0..300 {
        assert_eq!(verifier.send(&Http::new("GET", "/api/pack/p1/x", &authority)).code(), "unauthenticated");
        assert_eq!(verifier.send(&copy).code(), "replayed");
    }
    // Of each, 20 at once, and 10 a second.
    let most = 2 * (20 + 10 * (begin.elapsed().as_secs() + 1));
    stop(verifier);
    let found = verified(data.path(), &audit_key);
    let (denied, sampled) = (found["denied"].as_u64().unwrap(), found["sampled"].as_u64().unwrap());
    assert_eq!(denied + sampled, 600, "{found}");
    assert!(denied <= most && sampled > 0, "{found}");
}

#[test]
fn a_log_that_does_not_end_as_one_is_not_gone_on_with() {
    let (pack, alice) = (PackServer::start(), Person::new("alice"));
    let data = tempfile::tempdir().unwrap();
    stop(start(&pack, &alice, data.path(), &[]));
    let file = files(data.path()).pop().unwrap();
    std::fs::write(&file, "something else\n".repeat(9)).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_envelope-verifier"));
    let refused = command
        .arg("serve")
        .args(args(&pack, &alice, data.path()))
        .args(["--listen", "127.0.0.1:0"])
        .output();
    let refused = refused.unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("does not end with a line of an audit log"));
    assert!(
        std::fs::read_to_string(&file).unwrap().starts_with("something else\n"),
        "nothing of it was touched"
    );
}

trait SignAs {
    fn sign_as(self, who: &Person, method: &str, target: &str) -> Self;
}

impl SignAs for Http {
    /// What a proxy asks: the original request is signed, and described.
    fn sign_as(self, who: &Person, method: &str, target: &str) -> Self {
        let authority = self.value("Host").to_owned();
        let original = Http::new(method, target, &authority).sign(&who.signer(), now());
        let headers = original.headers.into_iter().chain([
            ("X-Original-Method".into(), method.to_owned()),
            ("X-Original-URI".into(), target.to_owned()),
        ]);
        Self { headers: headers.collect(), ..self }
    }
}
