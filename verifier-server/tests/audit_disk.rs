//! The audit log on a disk that has no room for its next file, and when the verifier is ended while it is called.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use support::audit::{files, key, lines, receipts, start, stop, verified};
use support::{Http, PackServer, Person, Program, read_answer};

const TARGET: &str = "/api/pack/p1/agent";

/// A file system of its own for the log of a data directory, which no other file is on, and which any user may make: it lives in the
/// namespaces of a process, and is reached through that.
struct SmallDisk {
    holder: Child,
    path: PathBuf,
    data: tempfile::TempDir,
}

impl SmallDisk {
    /// `options` are those of a tmpfs.
    fn new(options: &str) -> Self {
        let data = tempfile::tempdir().unwrap();
        let place = data.path().join("disk");
        fs::create_dir(&place).unwrap();
        let mut unshare = Command::new("unshare");
        unshare.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
        unshare.args([r#"mount -t tmpfs -o "$1" tmpfs "$2" && echo mounted && exec cat"#, "sh", options]);
        let mut holder =
            unshare.arg(&place).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("unshare");
        let mut said = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "mounted\n", "unshare and mount make a tmpfs of one's own");
        let place = place.strip_prefix("/").unwrap();
        let path = Path::new("/proc").join(holder.id().to_string()).join("root").join(place);
        std::os::unix::fs::symlink(&path, data.path().join("audit")).unwrap();
        Self { holder, path, data }
    }

    fn data(&self) -> &Path {
        self.data.path()
    }

    /// A file that takes room, of so many bytes or as many as there is room for.
    fn fill(&self, name: &str, bytes: usize) -> PathBuf {
        let path = self.path.join(name);
        let _ = fs::File::create_new(&path).unwrap().write_all(&vec![b'.'; bytes]);
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

fn call(verifier: &Program, alice: &Person) -> (u16, String) {
    let answer = verifier.send(&alice.post(&verifier.authority(), TARGET, "{}"));
    (answer.status, if answer.status == 200 { String::new() } else { answer.code() })
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn where_no_next_file_can_be_made_the_last_one_is_gone_on_with() {
    let (pack, alice) = (PackServer::start(), Person::new("alice"));
    // The directory, the log, and what takes the place of the next file.
    let disk = SmallDisk::new("size=4m,nr_inodes=3");
    let verifier = start(&pack, &alice, disk.data(), &["--audit-file-size", "8192"]);
    let audit_key = key(&verifier);
    let filler = disk.fill("filler", 0);
    assert!(fs::File::create_new(disk.path.join("more")).is_err(), "there is room for another file");
    for _ in 0..20 {
        assert_eq!(call(&verifier, &alice), (200, String::new()));
    }
    let all = files(disk.data());
    assert_eq!(all.len(), 1, "{all:?}");
    assert!(fs::metadata(&all[0]).unwrap().len() > 2 * 8192);
    assert_eq!(receipts(disk.data()).len(), 20);
    assert_eq!(verifier.send(&Http::new("GET", "/health", &verifier.authority())).status, 200);
    assert!(verifier.logs("the next file of the audit log cannot be begun"));
    fs::remove_file(filler).unwrap();
    // Nobody calls: it is tried again all the same.
    wait_until("no next file is begun", || files(disk.data()).len() == 2);
    assert!(verifier.logs("the audit log goes on in its next file"));
    assert_eq!(verifier.log().matches("the next file of the audit log cannot be begun").count(), 1, "once");
    assert!(!verifier.log().contains("the audit log cannot be written"), "{}", verifier.log());
    assert_eq!(call(&verifier, &alice), (200, String::new()));
    stop(verifier);
    let found = verified(disk.data(), &audit_key);
    assert_eq!((&found["allowed"], &found["first"], &found["unsigned"]), (&21.into(), &1.into(), &0.into()));
    let first = fs::read_to_string(&files(disk.data())[0]).unwrap();
    assert!(first.lines().last().unwrap().contains(r#""type":"checkpoint""#), "each file ends with one");
}

#[test]
fn where_the_disk_is_full_nothing_is_lost_between_two_files() {
    let (pack, alice) = (PackServer::start(), Person::new("alice"));
    let disk = SmallDisk::new("size=256k");
    let verifier = start(&pack, &alice, disk.data(), &["--audit-file-size", "8192"]);
    let audit_key = key(&verifier);
    // Room for a few files more.
    let filler = disk.fill("filler", (256 - 48) << 10);
    let mut calls = 0..200;
    let refused = calls.find_map(|_| Some(call(&verifier, &alice)).filter(|(status, _)| *status != 200));
    assert_eq!(refused, Some((503, "audit-unavailable".into())), "the disk is not full");
    let (passed, begun) = (pack.requests().len(), files(disk.data()).len());
    assert!(passed > 5 && begun > 1, "{passed} {begun}");
    for _ in 0..3 {
        assert_eq!(call(&verifier, &alice), (503, "audit-unavailable".into()));
    }
    assert_eq!(pack.requests().len(), passed, "nothing has reached the upstream");
    for file in files(disk.data()) {
        assert_ne!(fs::metadata(&file).unwrap().len(), 0, "{} was left behind", file.display());
    }
    // The next file was begun, had no room for its first line, and was taken away again.
    assert!(verifier.logs("the next file of the audit log cannot be begun"), "{}", verifier.log());
    fs::remove_file(filler).unwrap();
    for _ in 0..10 {
        assert_eq!(call(&verifier, &alice), (200, String::new()));
    }
    wait_until("no next file is begun", || files(disk.data()).len() > begun);
    stop(verifier);
    let found = verified(disk.data(), &audit_key);
    assert_eq!(found["allowed"], pack.requests().len(), "{found}");
    assert_eq!((&found["lost"], &found["torn"], &found["unsigned"]), (&0.into(), &0.into(), &0.into()));
}

/// Ended while it is called from all sides and lines wait for the disk, a verifier has a receipt of all that it let through, and signs for
/// them. It shows nothing of lines that still wait when nobody can send any more: there are hardly ever any.
#[test]
fn ended_while_it_is_called_it_signs_for_all_that_it_let_through() {
    for mode in ["required", "best-effort"] {
        let (pack, alice) = (PackServer::start(), Person::new("alice"));
        let data = tempfile::tempdir().unwrap();
        // Each batch begins a file, and waits for the disk to do so.
        let mut verifier = start(&pack, &alice, data.path(), &["--audit", mode, "--audit-file-size", "1"]);
        let (audit_key, address, authority) = (key(&verifier), verifier.address, verifier.authority());
        let begun = Barrier::new(9);
        let answered: usize = std::thread::scope(|scope| {
            let callers: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let mut stream = TcpStream::connect(address).unwrap();
                        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
                        let mut reader = BufReader::new(stream.try_clone().unwrap());
                        let mut answered = 0;
                        begun.wait();
                        // Until it has gone: what it refuses before has an answer too.
                        while stream.write_all(&alice.post(&authority, TARGET, "{}").bytes()).is_ok() {
                            let Some(answer) = read_answer(&mut reader) else { break };
                            answered += usize::from(answer.status == 200);
                        }
                        answered
                    })
                })
                .collect();
            begun.wait();
            wait_until("nobody calls", || pack.requests().len() >= 24);
            wait_until("no line waits", || waiting(&verifier) >= 3);
            verifier.signal("TERM");
            assert!(verifier.child.wait().unwrap().success());
            callers.into_iter().map(|caller| caller.join().unwrap()).sum()
        });
        let found = verified(data.path(), &audit_key);
        let seen = pack.requests().len();
        // Each of the callers waits for one answer at most.
        assert!(answered >= 24 - 8 && answered <= seen, "{answered} {seen}");
        assert_eq!((&found["lost"], &found["torn"], &found["unsigned"]), (&0.into(), &0.into(), &0.into()));
        assert_eq!(found["allowed"], seen, "{mode}: {found}");
        assert_eq!(lines(data.path()).last().unwrap()["type"], "checkpoint");
    }
}

/// How many lines wait for the writer.
fn waiting(verifier: &Program) -> u64 {
    let page = verifier.send(&Http::new("GET", "/metrics", &verifier.authority())).body;
    let line = page.lines().find(|line| line.starts_with("envelope_audit_waiting"));
    line.and_then(|line| line.rsplit_once(' ')?.1.parse().ok()).unwrap_or_default()
}
