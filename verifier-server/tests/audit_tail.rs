//! What lies at the end of an audit log when a verifier starts: what a crash leaves is taken out and told, and anything else is found.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use envelope_core::receipt::{Entry, Head, Line, Omitted};
use serde_json::Value;
use support::audit::{args, files, key, lines, start, stop, verified, verify};
use support::{PackServer, Person};

/// A log that has ended well, its file, and the verifier's key.
struct Log {
    pack: PackServer,
    alice: Person,
    data: tempfile::TempDir,
    path: PathBuf,
    key: String,
    whole: Vec<u8>,
}

impl Log {
    fn new() -> Self {
        let (pack, alice, data) = (PackServer::start(), Person::new("alice"), tempfile::tempdir().unwrap());
        let verifier = start(&pack, &alice, data.path(), &[]);
        let (authority, key) = (verifier.authority(), key(&verifier));
        assert_eq!(verifier.send(&alice.post(&authority, "/api/pack/p1/x", "{}")).status, 200);
        stop(verifier);
        let path = files(data.path()).pop().unwrap();
        let whole = fs::read(&path).unwrap();
        assert_eq!(
            whole.iter().filter(|byte| **byte == b'\n').count(),
            4,
            "open, checkpoint, call, checkpoint"
        );
        Self { pack, alice, data, path, key, whole }
    }

    fn ends_with(&self, more: &[u8]) {
        fs::write(&self.path, [&self.whole, more].concat()).unwrap();
    }

    /// What `envelope audit verify` says is wrong: the line, and what with it.
    fn flaw(&self) -> (u64, String) {
        let output = verify(self.data.path(), &self.key, &[]);
        assert_eq!(output.status.code(), Some(1));
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        (said["line"].as_u64().unwrap(), said["detail"].as_str().unwrap().to_owned())
    }

    fn damaged(&self) -> PathBuf {
        self.path.with_extension("damaged")
    }

    /// A verifier goes on from the last whole line, and says how much it took out.
    fn is_gone_on_with(&self, torn: usize) {
        let verifier = start(&self.pack, &self.alice, self.data.path(), &[]);
        assert!(verifier.logs("the audit log ended in the middle of a line"));
        stop(verifier);
        assert!(fs::read(&self.path).unwrap().starts_with(&self.whole), "what was whole is not touched");
        assert_eq!(lines(self.data.path())[4]["torn"], torn);
        let found = verified(self.data.path(), &self.key);
        assert_eq!(
            (&found["torn"], &found["allowed"], &found["unsigned"]),
            (&1.into(), &1.into(), &0.into())
        );
    }

    /// No verifier goes on, and nothing is changed.
    fn is_refused(&self, said: &str) {
        let before = fs::read(&self.path).unwrap();
        // One that starts all the same does not end by itself.
        let output = Command::new("timeout")
            .args(["30", env!("CARGO_BIN_EXE_envelope-verifier"), "serve"])
            .args(args(&self.pack, &self.alice, self.data.path()))
            .args(["--listen", "127.0.0.1:0"])
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(said) && told.contains("envelope audit verify"), "{told}");
        assert_eq!(fs::read(&self.path).unwrap(), before);
        assert!(!self.damaged().exists());
    }

    fn head(&self) -> Head {
        head(&self.path)
    }
}

fn head(path: &Path) -> Head {
    let text = fs::read_to_string(path).unwrap();
    Line::parse(text.lines().last().unwrap().as_bytes()).unwrap().head()
}

fn counted(lost: u64) -> String {
    Entry::Omitted(Omitted { time: 1, sampled: [].into(), lost }).to_json()
}

#[test]
fn a_line_that_was_not_finished_is_taken_out_and_told() {
    let log = Log::new();
    let (next, _) = log.head().append(&counted(1));
    // At every length, up to the line without its end.
    for length in [1, 9, 60, next.len() - 1, next.len()] {
        log.ends_with(&next.as_bytes()[..length]);
        assert_eq!(verified(log.data.path(), &log.key)["torn"], 1, "it is told, and is no flaw");
        log.is_gone_on_with(length);
        assert!(!log.damaged().exists());
    }
}

#[test]
fn what_is_no_line_is_found_and_then_kept_aside() {
    let garbage = [&b"\0\0\0\0\n"[..], b"{}\n", b"half of a li"].concat();
    let log = Log::new();
    log.ends_with(&garbage);
    assert_eq!(log.flaw(), (5, "it is no line of an audit log, in the one spelling of one".into()));
    log.is_gone_on_with(garbage.len());
    assert_eq!(fs::read(log.damaged()).unwrap(), garbage);
}

#[test]
fn a_whole_line_that_does_not_follow_is_found_and_not_gone_on_with() {
    let log = Log::new();
    let head = log.head();
    let not_after = "it does not hold the hash of the line before: one of the two was changed";
    let other_hash = Head::parse(&format!("{}:{}", head.seq(), "A".repeat(43))).unwrap();
    log.ends_with(format!("{}\n", other_hash.append(&counted(1)).0).as_bytes());
    assert_eq!(log.flaw(), (5, not_after.into()));
    log.is_refused("does not follow the one before it");
    // Dropped, as if one line were missing before it; with half of a line behind it; and behind what is no line.
    let (_, skipped) = head.append(&counted(1));
    let later = skipped.append(&counted(2)).0;
    log.ends_with(format!("{later}\n").as_bytes());
    assert_eq!(log.flaw(), (5, "its number does not follow that of the line before".into()));
    log.is_refused("does not follow the one before it");
    log.ends_with(format!("{later}\n{{\"seq\":").as_bytes());
    log.is_refused("does not follow the one before it");
    log.ends_with(format!("\0\0\0\n{later}\n").as_bytes());
    assert_eq!(log.flaw().0, 5);
    log.is_refused("does not follow the one before it");
    // The line before it was changed.
    let text = String::from_utf8(log.whole.clone()).unwrap();
    fs::write(&log.path, text.replacen("\"micros\":", "\"micros\":1", 1)).unwrap();
    assert_eq!(log.flaw(), (4, not_after.into()));
    log.is_refused("does not follow the one before it");
}
