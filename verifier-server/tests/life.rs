//! The life of keys, as people at shells and the programs live it: enrolled, handed over, revoked, killed in between.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use support::{PackServer, Program, programs};

/// Somebody with a home of their own.
struct User {
    home: tempfile::TempDir,
}

impl User {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(programs().join("envelope"));
        command.args(arguments).env("ENVELOPE_HOME", self.home.path()).current_dir(self.home.path());
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What a command that succeeds prints.
    fn say(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}\n{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// What a command that fails says, and its exit status.
    fn fail(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{arguments:?}\n{}", String::from_utf8_lossy(&output.stdout));
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }

    /// Runs a command and kills it after a while, if it has not ended before.
    fn kill(&self, arguments: &[&str], after: Duration) {
        let mut command = self.command(arguments);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(after);
        let _ = child.kill();
        child.wait().unwrap();
    }

    fn keyid(&self) -> String {
        self.say(&["key", "show", "--format", "keyid"])
    }

    fn call(&self, verifier: &Verifier) -> Output {
        self.run(&["call", "GET", &verifier.pack()])
    }

    /// Calls, and expects the answer of the pack.
    fn reaches(&self, verifier: &Verifier) {
        assert_eq!(self.say(&["call", "GET", &verifier.pack()]), r#"{"hello":"from the pack"}"#);
    }

    /// Calls, and expects this code.
    fn is_refused(&self, verifier: &Verifier, code: &str) {
        let (status, told) = self.fail(&["call", "GET", &verifier.pack()]);
        assert!(status == 1 && told.contains(&format!("error: {code}:")), "{status} {told}");
    }

    /// A second home with everything that is in this one: what a thief of the laptop has.
    fn copy(&self) -> Self {
        let copy = Self::new();
        let done =
            Command::new("cp").arg("-a").arg(self.home.path().join(".")).arg(copy.home.path()).status();
        assert!(done.unwrap().success());
        copy
    }

    /// The files under the home, without those that only lock.
    fn files(&self) -> Vec<String> {
        let mut find = Command::new("find");
        find.args([".", "-type", "f", "-size", "+0"]).current_dir(self.home.path());
        let found = find.output().unwrap();
        let mut files: Vec<String> =
            String::from_utf8(found.stdout).unwrap().lines().map(|line| line[2..].to_owned()).collect();
        files.sort();
        files
    }
}

/// A verifier with a store, an admin, and a pack behind it.
struct Verifier {
    program: Program,
    data: tempfile::TempDir,
    pack: PackServer,
    admin: User,
}

impl Verifier {
    fn start() -> Self {
        let (pack, admin, data) = (PackServer::start(), User::new(), tempfile::tempdir().unwrap());
        let trust = format!("ops={}", admin.say(&["keygen"]));
        let program = Self::serve(&pack, &trust, &data, "127.0.0.1:0");
        Self { program, data, pack, admin }
    }

    fn serve(pack: &PackServer, trust: &str, data: &tempfile::TempDir, listen: &str) -> Program {
        let (upstream, data) = (pack.url(), data.path().display().to_string());
        Program::serve(&[
            "--upstream",
            &upstream,
            "--trust",
            trust,
            "--admin",
            "ops",
            "--auth-required",
            "--data-dir",
            &data,
            "--listen",
            listen,
        ])
    }

    fn url(&self) -> String {
        format!("http://{}", self.program.address)
    }

    fn pack(&self) -> String {
        format!("{}/api/pack/p1/agents", self.url())
    }

    /// The admin asks this verifier for something.
    fn admin(&self, arguments: &[&str]) -> String {
        self.admin.say(&[arguments, &["--at", &self.url()]].concat())
    }

    fn ticket(&self, name: &str) -> String {
        self.admin(&["ticket", name])
    }

    /// Somebody new, whose key this verifier knows.
    fn enrolled(&self, name: &str) -> User {
        let user = User::new();
        user.say(&["enroll", &self.url(), "--token", &self.ticket(name)]);
        user
    }

    /// Stops it, in good order, and says how to start it again.
    fn stop(self) -> impl FnOnce() -> Self {
        let (address, pack, data, admin) =
            (self.program.address.to_string(), self.pack, self.data, self.admin);
        let mut program = self.program;
        program.signal("TERM");
        program.child.wait().unwrap();
        drop(program);
        move || {
            let trust = format!("ops={}", admin.keyid());
            let program = Self::serve(&pack, &trust, &data, &address);
            Self { program, data, pack, admin }
        }
    }
}

fn random(below: u64) -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    u64::from_le_bytes(bytes) % below
}

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
    let alice = verifier.enrolled("alice");
    for _ in 0..50 {
        alice.kill(&["rotate"], moment(length * 4));
        alice.reaches(&verifier);
        assert_eq!(alice.say(&["key", "list"]).lines().count(), 1, "{}", alice.say(&["key", "list"]));
    }
    alice.say(&["rotate"]);
    alice.reaches(&verifier);
    let files = alice.files();
    let pems = files.iter().filter(|file| file.ends_with(".pem")).count();
    assert_eq!(pems, 1, "nothing is left of what was killed: {files:?}");
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
