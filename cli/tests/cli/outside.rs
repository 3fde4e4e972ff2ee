//! What the tests stand on: a home of their own, other programs, a server, and envelope-core as the judge.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{SystemTime, UNIX_EPOCH};

use base64ct::{Base64, Encoding};
use envelope_core::{
    Algorithm, Authorities, Call, Field, Identity, Refusal, Request, SigningKey, Thumbprint, Timestamp,
    TrustList, Verifier, Window,
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

    /// The names in a directory of it, in order.
    pub(crate) fn names(&self, dir: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(dir)).into_iter().flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The program, in this home.
    pub(crate) fn envelope(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_envelope"));
        self.settle(&mut command);
        command
    }

    /// Puts another program into this home.
    pub(crate) fn settle(&self, command: &mut Command) {
        command.env("ENVELOPE_HOME", self.0.path().join("home"));
        for name in [
            "ENVELOPE_PASSPHRASE_FILE",
            "ENVELOPE_PASSPHRASE_COMMAND",
            "ENVELOPE_TOKEN",
            "http_proxy",
            "HTTP_PROXY",
            "all_proxy",
            "ALL_PROXY",
            "no_proxy",
            "NO_PROXY",
        ] {
            command.env_remove(name);
        }
        // Not in front of the terminal, where it would ask for passphrases.
        command.current_dir(self.0.path()).stdin(Stdio::null()).process_group(0);
    }

    pub(crate) fn run<const N: usize>(&self, args: [&str; N]) -> Output {
        self.envelope().args(args).output().unwrap()
    }

    /// Runs a line of bash with `envelope` on the path.
    pub(crate) fn bash(&self, line: &str) -> Output {
        let mut bash = Command::new("bash");
        self.settle(&mut bash);
        let bin = Path::new(env!("CARGO_BIN_EXE_envelope")).parent().unwrap();
        let path = std::env::var("PATH").unwrap();
        bash.env("PATH", format!("{}:{path}", bin.display())).args(["-c", line]).output().unwrap()
    }

    /// Runs it with something on stdin.
    pub(crate) fn run_with<const N: usize>(&self, args: [&str; N], stdin: &[u8]) -> Output {
        let mut command = self.envelope();
        let child =
            command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap();
        let mut pipe = child.stdin.take().unwrap();
        let stdin = stdin.to_vec();
        let writer = std::thread::spawn(move || pipe.write_all(&stdin));
        let output = child.wait_with_output().unwrap();
        let _ = writer.join().unwrap();
        output
    }

    /// Makes an identity and gives its keyid.
    pub(crate) fn keygen(&self, name: &str, alg: &str) -> Thumbprint {
        let output = self.run(["keygen", "--identity", name, "--alg", alg]);
        Thumbprint::parse(done(&output).trim_end()).unwrap()
    }

    /// Puts a private file there, as `envelope` itself would.
    pub(crate) fn put(&self, name: &str, content: &[u8]) {
        let path = self.path(name);
        let dir = path.parent().unwrap();
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).unwrap();
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.create(true).truncate(true).write(true).mode(0o600).open(&path).unwrap();
        file.write_all(content).unwrap();
    }
}

/// What a command printed that did what it was asked for.
pub(crate) fn done(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What a command said that did not, and its exit status.
pub(crate) fn failed(output: &Output, status: i32) -> String {
    assert_eq!(output.status.code(), Some(status), "{}", stderr(output));
    assert!(stderr(output).starts_with("envelope: error: "), "{}", stderr(output));
    stderr(output)
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A key that is the same in every run.
pub(crate) fn key(algorithm: Algorithm, seed: u8) -> SigningKey {
    SigningKey::from_bytes(algorithm, &[seed; 32]).unwrap()
}

/// A private key of Ed25519 in the form of RFC 8410, written without the code under test.
pub(crate) fn ed25519_pem(seed: u8) -> String {
    let mut der =
        vec![0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    der.extend([seed; 32]);
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", Base64::encode_string(&der))
}

/// Judges a request with core, for one trusted identity key.
pub(crate) fn judge(request: &Request<'_>, body: &[u8], identity: Thumbprint) -> Result<Call, Refusal> {
    let host = request.values("host").next().map(|host| std::str::from_utf8(host).unwrap());
    let mut trust = TrustList::new();
    trust.trust(Identity::new("alice").unwrap(), identity);
    let verifier = Verifier::new(Authorities::new(host).unwrap()).with_window(Window::new(300).unwrap());
    let now = Timestamp::from_unix(now());
    let intact = verifier.verify(request, &trust, now)?.check_body(body, now)?;
    Ok(intact.call().clone())
}

/// The lines `Name: value` of a header.
pub(crate) fn fields(lines: &str) -> Vec<Field<'_>> {
    let fields = lines.lines().map(|line| line.split_once(": ").unwrap());
    fields.map(|(name, value)| (name, value.as_bytes())).collect()
}

/// A program that is not this one. Without it the test cannot say anything, and fails unless told to pass.
pub(crate) fn program(name: &str) -> Option<Command> {
    let found = Command::new(name).arg("--version").output().is_ok_and(|output| !output.stdout.is_empty())
        || Command::new(name).arg("version").output().is_ok_and(|output| output.status.success());
    if found {
        return Some(Command::new(name));
    }
    let name = name.to_uppercase();
    eprintln!("{name} IS MISSING: WHAT IT WOULD HAVE CHECKED IS NOT CHECKED");
    let skip = std::env::var(format!("ENVELOPE_SKIP_{name}")).is_ok_and(|value| value == "1");
    assert!(skip, "{name} IS MISSING; ENVELOPE_SKIP_{name}=1 passes without it");
    None
}

/// A request as a server received it.
pub(crate) struct Received {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) header: String,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn read(stream: &mut TcpStream) -> Self {
        let mut header = Vec::new();
        while !header.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            header.push(byte[0]);
        }
        let header = String::from_utf8(header).unwrap();
        let (first, header) = header.trim_end().split_once("\r\n").unwrap();
        let mut words = first.split(' ');
        let (method, target) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
        let length = fields(header)
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .map_or(0, |(_, value)| std::str::from_utf8(value).unwrap().parse().unwrap());
        let mut body = vec![0; length];
        stream.read_exact(&mut body).unwrap();
        Self { method, target, header: header.to_owned(), body }
    }

    /// Judges it with core.
    pub(crate) fn judge(&self, identity: Thumbprint) -> Result<Call, Refusal> {
        let fields = fields(&self.header);
        judge(&Request::new(&self.method, &self.target, &fields), &self.body, identity)
    }
}

/// A server that answers one request with these bytes, and hands over what it received.
pub(crate) fn serve(answer: String) -> (String, Receiver<Received>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let received = Received::read(&mut stream);
        stream.write_all(answer.as_bytes()).unwrap();
        sender.send(received).unwrap();
    });
    (authority, receiver)
}

/// An answer with a body.
pub(crate) fn answer(status: &str, field: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\n{field}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// A file of `tests/data`.
pub(crate) fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}
