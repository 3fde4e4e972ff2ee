//! The unit for systemd: that systemd takes it, how closed it is, that nothing it forbids is needed, and what the manager is told.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use std::collections::BTreeSet;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use support::people::User;
use support::{Http, PackServer, Person, Program};

const PROGRAM: &str = env!("CARGO_BIN_EXE_envelope-verifier");

/// The unit, with the program where it was built.
fn unit(directory: &tempfile::TempDir) -> PathBuf {
    let unit = include_str!("../systemd/envelope-verifier.service");
    assert!(unit.contains("\nExecStart=/usr/local/bin/envelope-verifier serve "));
    let path = directory.path().join("envelope-verifier.service");
    std::fs::write(&path, unit.replace("/usr/local/bin/envelope-verifier", PROGRAM)).unwrap();
    path
}

fn analyze(arguments: &[&str]) -> Output {
    let output = Command::new("systemd-analyze").args(["--no-pager"]).args(arguments).output();
    output.expect("SYSTEMD-ANALYZE IS NEEDED: INSTALL systemd")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn systemd_takes_the_unit() {
    let directory = tempfile::tempdir().unwrap();
    let unit = unit(&directory);
    let output = analyze(&["verify", "--man=no", unit.to_str().unwrap()]);
    let told = text(&output.stderr) + &text(&output.stdout);
    assert!(output.status.success(), "{told}");
    let ours: Vec<&str> = told.lines().filter(|line| line.contains("envelope-verifier")).collect();
    assert_eq!(ours, Vec::<&str>::new());
}

#[test]
fn the_unit_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    // In tenths: 1.5, of 10 for a service that may do everything.
    let most = "15";
    let unit = unit(&directory);
    let arguments = ["security", "--offline=true", "--threshold", most, unit.to_str().unwrap()];
    let output = analyze(&arguments);
    assert!(output.status.success(), "{}", text(&output.stdout));
    assert!(text(&output.stdout).contains("Overall exposure level"));
}

/// What is commented out for a port below 1024 opens just that.
#[test]
fn the_lines_for_a_low_port_do_what_they_say() {
    let directory = tempfile::tempdir().unwrap();
    let path = unit(&directory);
    let findings = |path: &Path| {
        let output = analyze(&["security", "--offline=true", path.to_str().unwrap()]);
        let told = text(&output.stdout);
        let open = told
            .lines()
            .filter_map(|line| line.strip_prefix("\u{2717} ")?.split(' ').next().map(str::to_owned));
        open.collect::<BTreeSet<_>>()
    };
    let closed = findings(&path);
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, block) = text.split_once("# With a port below 1024").unwrap();
    let (explained, lines) = block.split_once('\n').unwrap();
    let opened = format!("{before}#{explained}\n{}", lines.replace("\n#", "\n").trim_start_matches('#'));
    std::fs::write(&path, opened).unwrap();
    let more: Vec<_> = findings(&path).difference(&closed).cloned().collect();
    assert_eq!(
        more,
        [
            "AmbientCapabilities=",
            "CapabilityBoundingSet=~CAP_NET_(BIND_SERVICE|BROADCAST|RAW)",
            "PrivateUsers="
        ]
    );
}

/// The system calls that a set of systemd's has, with those of the sets in it.
fn calls(set: &str) -> BTreeSet<String> {
    let output = analyze(&["syscall-filter", set]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let listed = text(&output.stdout);
    let names =
        listed.lines().skip(1).map(str::trim).filter(|name| !name.is_empty() && !name.starts_with('#'));
    names
        .flat_map(|name| if name.starts_with('@') { calls(name) } else { BTreeSet::from([name.to_owned()]) })
        .collect()
}

/// What the filter of the unit lets through.
fn allowed() -> BTreeSet<String> {
    let mut allowed = BTreeSet::new();
    for line in include_str!("../systemd/envelope-verifier.service").lines() {
        let Some(filter) = line.strip_prefix("SystemCallFilter=") else { continue };
        let (takes_out, names) = filter.strip_prefix('~').map_or((false, filter), |names| (true, names));
        for name in names.split(' ') {
            let calls = if name.starts_with('@') { calls(name) } else { BTreeSet::from([name.to_owned()]) };
            if takes_out {
                allowed = allowed.difference(&calls).cloned().collect();
            } else {
                allowed.extend(calls);
            }
        }
    }
    allowed
}

/// Every system call of a life with a store, receipts, administration, metrics and an end is one that the unit allows.
#[test]
fn nothing_that_it_forbids_is_needed() {
    let (directory, pack, root) = (tempfile::tempdir().unwrap(), PackServer::start(), User::new());
    let trace = directory.path().join("trace");
    let trust = format!("root={}", root.say(&["keygen"]));
    let (upstream, data) = (pack.url(), directory.path().join("data").display().to_string());
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", trace.to_str().unwrap(), PROGRAM]);
    let arguments = [
        "--upstream",
        &upstream,
        "--trust",
        &trust,
        "--admin",
        "root",
        "--auth-required",
        "--data-dir",
        &data,
    ];
    let mut verifier = Program::run(strace, &arguments);
    let url = format!("http://{}", verifier.address);
    root.say(&["enroll", &url]);
    let ticket = root.say(&["ticket", "alice", "--at", &url]);
    let alice = User::new();
    alice.say(&["enroll", &url, "--token", &ticket]);
    assert!(alice.say(&["call", "GET", &format!("{url}/api/pack/p1/x")]).contains("from the pack"));
    assert_eq!(verifier.send(&Http::new("GET", "/metrics", &verifier.authority())).status, 200);
    std::thread::sleep(Duration::from_secs(2));
    // The child of strace, which ends with it.
    let program = Command::new("pkill").args(["-TERM", "-P", &verifier.child.id().to_string()]).status();
    assert!(program.unwrap().success());
    assert!(verifier.child.wait().unwrap().success());
    let trace = std::fs::read_to_string(trace).unwrap();
    let name = |line: &str| {
        let call = line.split_once(' ')?.1.trim_start();
        let call = call.strip_prefix("<... ").unwrap_or(call);
        let end = call.find(|character: char| {
            !character.is_ascii_lowercase() && !character.is_ascii_digit() && character != '_'
        })?;
        (end > 0).then(|| call[..end].to_owned())
    };
    let mut used: BTreeSet<String> = trace.lines().filter_map(name).collect();
    if rustix::process::geteuid().is_root() {
        // SQLite gives its files to the owner of the database, where it can; the service is no root.
        used.remove("fchown");
    }
    assert!(["accept4", "fdatasync", "epoll_wait"].iter().all(|call| used.contains(*call)), "{used:?}");
    let allowed = allowed();
    let forbidden: Vec<&String> = used.iter().filter(|call| !allowed.contains(*call)).collect();
    assert_eq!(forbidden, Vec::<&String>::new());
}

#[test]
fn the_manager_is_told_when_it_answers_and_when_it_stops() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let (pack, alice) = (PackServer::start(), Person::new("alice"));
    let mut command = Command::new(PROGRAM);
    command.env("NOTIFY_SOCKET", &path);
    let mut verifier = Program::run(command, &["--upstream", &pack.url(), "--trust", &alice.trust("alice")]);
    let hear = || {
        let mut told = [0; 256];
        let length = socket.recv(&mut told).unwrap();
        text(&told[..length])
    };
    assert_eq!(hear().trim_end(), "READY=1");
    let answer = verifier.send(&alice.post(&verifier.authority(), "/api/pack/p1/x", "{}"));
    assert_eq!(answer.status, 200);
    verifier.signal("TERM");
    assert_eq!(hear().trim_end(), "STOPPING=1");
    assert!(verifier.child.wait().unwrap().success());
}
