//! People with homes of their own, at shells, and a verifier that lets them in.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use super::{PackServer, Program, programs};

/// Somebody with a home of their own.
pub struct User {
    pub home: tempfile::TempDir,
}

impl User {
    pub fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(programs().join("envelope"));
        command.args(arguments).env("ENVELOPE_HOME", self.home.path()).current_dir(self.home.path());
        command.stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What a command that succeeds prints.
    pub fn say(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}\n{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// What a command that fails says, and its exit status.
    pub fn fail(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{arguments:?}\n{}", String::from_utf8_lossy(&output.stdout));
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }

    /// Runs a command and kills it after a while, if it has not ended before.
    pub fn kill(&self, arguments: &[&str], after: Duration) {
        let mut command = self.command(arguments);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(after);
        let _ = child.kill();
        child.wait().unwrap();
    }

    pub fn keyid(&self) -> String {
        self.say(&["key", "show", "--format", "keyid"])
    }

    pub fn call(&self, verifier: &Verifier) -> Output {
        self.run(&["call", "GET", &verifier.pack()])
    }

    /// Calls, and expects the answer of the pack.
    pub fn reaches(&self, verifier: &Verifier) {
        assert_eq!(self.say(&["call", "GET", &verifier.pack()]), r#"{"hello":"from the pack"}"#);
    }

    /// Calls, and expects this code.
    pub fn is_refused(&self, verifier: &Verifier, code: &str) {
        let (status, told) = self.fail(&["call", "GET", &verifier.pack()]);
        assert!(status == 1 && told.contains(&format!("error: {code}:")), "{status} {told}");
    }

    /// A second home with everything that is in this one: what a thief of the laptop has.
    pub fn copy(&self) -> Self {
        let copy = Self::new();
        let done =
            Command::new("cp").arg("-a").arg(self.home.path().join(".")).arg(copy.home.path()).status();
        assert!(done.unwrap().success());
        copy
    }

    /// The files under the home, without those that only lock.
    pub fn files(&self) -> Vec<String> {
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
pub struct Verifier {
    pub program: Program,
    pub data: tempfile::TempDir,
    pub pack: PackServer,
    pub admin: User,
}

impl Verifier {
    pub fn start() -> Self {
        let (pack, admin, data) = (PackServer::start(), User::new(), tempfile::tempdir().unwrap());
        let trust = format!("ops={}", admin.say(&["keygen"]));
        let program = Self::serve(&pack, &trust, &data, "127.0.0.1:0");
        Self { program, data, pack, admin }
    }

    pub fn serve(pack: &PackServer, trust: &str, data: &tempfile::TempDir, listen: &str) -> Program {
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

    pub fn url(&self) -> String {
        format!("http://{}", self.program.address)
    }

    pub fn pack(&self) -> String {
        format!("{}/api/pack/p1/agents", self.url())
    }

    /// The admin asks this verifier for something.
    pub fn admin(&self, arguments: &[&str]) -> String {
        self.admin.say(&[arguments, &["--at", &self.url()]].concat())
    }

    pub fn ticket(&self, name: &str) -> String {
        self.admin(&["ticket", name])
    }

    /// Somebody new, whose key this verifier knows.
    pub fn enrolled(&self, name: &str) -> User {
        let user = User::new();
        user.say(&["enroll", &self.url(), "--token", &self.ticket(name)]);
        user
    }

    /// Stops it, in good order, and says how to start it again.
    pub fn stop(self) -> impl FnOnce() -> Self {
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
