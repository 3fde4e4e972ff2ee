//! What the tests stand on: a home of their own, and other programs in it.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use envelope_core::{
    Authorities, Call, Document, Identity, Thumbprint, Timestamp, TrustList, Verifier, VerifyingKey,
};

/// A home directory with nothing in it.
pub(crate) struct Home(tempfile::TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Puts a private file there.
    pub(crate) fn put(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path.parent().unwrap()).unwrap();
        let mut options = fs::OpenOptions::new();
        let mut file = options.create(true).truncate(true).write(true).mode(0o600).open(&path).unwrap();
        file.write_all(content.as_bytes()).unwrap();
    }

    /// A program in this home, in no terminal.
    pub(crate) fn program(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command.env("ENVELOPE_HOME", self.path("home"));
        for variable in [
            "ENVELOPE_PASSPHRASE_FILE",
            "ENVELOPE_PASSPHRASE_COMMAND",
            "SSH_AUTH_SOCK",
            "SSH_ASKPASS",
            "DISPLAY",
        ] {
            command.env_remove(variable);
        }
        command.current_dir(self.0.path()).stdin(Stdio::null()).process_group(0);
        command
    }

    pub(crate) fn envelope(&self) -> Command {
        self.program(env!("CARGO_BIN_EXE_envelope"))
    }

    pub(crate) fn run<const N: usize>(&self, args: [&str; N]) -> Output {
        self.envelope().args(args).output().unwrap()
    }

    /// Runs the program with something on stdin.
    pub(crate) fn run_with<const N: usize>(&self, args: [&str; N], stdin: &str) -> Output {
        let mut command = self.envelope();
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// What another program prints, which has to be there and to succeed.
    pub(crate) fn other<const N: usize>(&self, name: &str, args: [&str; N]) -> String {
        succeeded(self.program(name).args(args))
    }

    /// The keyid of an identity.
    pub(crate) fn keyid(&self, identity: &str) -> Thumbprint {
        let shown = done(&self.run(["key", "show", "--format", "keyid", "--identity", identity]));
        Thumbprint::parse(shown.trim_end()).unwrap()
    }
}

/// Judges a document with core, for one trusted identity key.
pub(crate) fn judge(document: &str, identity: Thumbprint) -> Call {
    let document = Document::parse(document.as_bytes()).unwrap();
    let mut trust = TrustList::new();
    trust.trust(Identity::new("alice").unwrap(), identity);
    let fields = document.fields();
    let verifier = Verifier::new(Authorities::new(["a.example"]).unwrap());
    let now = Timestamp::from_unix(now());
    let verified = verifier.verify(&document.request(&fields), &trust, now).unwrap();
    verified.check_body(b"", now).unwrap().call().clone()
}

pub(crate) fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// What a command printed that did what it was asked for.
pub(crate) fn done(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What a command said that could not.
pub(crate) fn failed(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(2), "{}", stderr(output));
    assert!(stderr(output).starts_with("envelope: error: "), "{}", stderr(output));
    assert_eq!(output.stdout, b"");
    stderr(output)
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// What a program prints. One that is missing is no reason to pass.
pub(crate) fn succeeded(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} IS MISSING: {error}"));
    assert!(output.status.success(), "{command:?}: {}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// The thumbprint of a public key in any spelling that core reads.
pub(crate) fn thumbprint(public: &str) -> Thumbprint {
    let key = if public.starts_with("-----") {
        VerifyingKey::from_pem(public)
    } else {
        VerifyingKey::from_openssh(public.trim_end())
    };
    key.unwrap().thumbprint()
}

/// A process that ends with the test.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
