//! What the end-to-end tests share: callers with keys, the program under test, and a pack server that records.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test takes what it needs")]

pub mod admin;
pub mod audit;
pub mod github;
pub mod oidc;
pub mod oidc_provider;
pub mod packs;
pub mod people;
pub mod proxy;
pub mod serving;
pub mod stand_in;

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, SystemTime};

use envelope_core::{Algorithm, Grant, Issue, Request, Signer, SigningKey, Timestamp};
use sha2::{Digest, Sha256};

/// The time, in seconds.
pub fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// 16 bytes that nobody else has.
pub fn nonce() -> [u8; 16] {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).unwrap();
    nonce
}

/// A key of its own for every label.
pub fn key(label: &str) -> SigningKey {
    let seed: [u8; 32] = Sha256::digest(format!("envelope end-to-end test: {label}")).into();
    SigningKey::from_bytes(Algorithm::Ed25519, &seed).unwrap()
}

/// Somebody with an identity key and a certified call key.
pub struct Person {
    pub identity_key: SigningKey,
    pub call_key: SigningKey,
    pub certificate: String,
}

impl Person {
    pub fn new(name: &str) -> Self {
        Self::with_grant(name, Grant::everything())
    }

    pub fn with_grant(name: &str, grant: Grant) -> Self {
        Self::certified(name, grant, now() - 1, 900)
    }

    pub fn certified(name: &str, grant: Grant, issued: u64, lifetime: u64) -> Self {
        let (identity_key, call_key) = (key(name), key(&format!("{name}, call key")));
        let issue = Issue {
            call_key: call_key.verifying_key(),
            issued: Timestamp::from_unix(issued),
            lifetime,
            id: "test",
            grant,
        };
        let certificate = issue.sign(&identity_key).unwrap();
        Self { identity_key, call_key, certificate }
    }

    pub fn keyid(&self) -> String {
        self.call_key.verifying_key().thumbprint().to_string()
    }

    /// `NAME=THUMBPRINT`, as `--trust` takes it.
    pub fn trust(&self, name: &str) -> String {
        format!("{name}={}", self.identity_key.verifying_key().thumbprint())
    }

    pub fn signer(&self) -> Signer<'_> {
        Signer::certified(&self.call_key, &self.certificate).unwrap()
    }

    /// A signed `POST` with a JSON body.
    pub fn post(&self, authority: &str, target: &str, body: &str) -> Http {
        Http::new("POST", target, authority)
            .header("Content-Type", "application/json")
            .body(body)
            .sign(&self.signer(), now())
    }
}

/// A request in pieces that can be taken apart and changed.
#[derive(Clone, Debug)]
pub struct Http {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<Vec<u8>>,
}

impl Http {
    pub fn new(method: &str, target: &str, authority: &str) -> Self {
        let headers = vec![("Host".into(), authority.into())];
        Self { method: method.into(), target: target.into(), headers, body: None }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn body(mut self, body: &str) -> Self {
        self.headers.push(("Content-Length".into(), body.len().to_string()));
        self.body = Some(body.as_bytes().to_vec());
        self
    }

    /// Signs everything but `Host` and `Content-Length`.
    pub fn sign(mut self, signer: &Signer<'_>, created: u64) -> Self {
        let url = format!("http://{}{}", self.headers[0].1, self.target);
        let covered = self.headers.iter().filter(|(name, _)| name != "Host" && name != "Content-Length");
        let fields: Vec<_> = covered.map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let request = Request::new(&self.method, &url, &fields);
        let signed =
            signer.sign(&request, self.body.as_deref(), Timestamp::from_unix(created), &nonce()).unwrap();
        self.headers.extend(signed.fields().map(|(name, value)| (name.to_owned(), value.to_owned())));
        self
    }

    /// Changes the value of the last line called `name`.
    pub fn change(mut self, name: &str, change: impl FnOnce(&str) -> String) -> Self {
        let line = self.headers.iter_mut().rfind(|(known, _)| known == name).unwrap();
        line.1 = change(&line.1);
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    pub fn value(&self, name: &str) -> &str {
        &self.headers.iter().find(|(known, _)| known == name).unwrap().1
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend(format!("{name}: {value}\r\n").bytes());
        }
        bytes.extend(b"\r\n");
        bytes.extend(self.body.iter().flatten());
        bytes
    }
}

/// An answer, read whole.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// The code of a refusal, after checking that the answer is a well-formed problem document.
    pub fn code(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        let code = problem["code"].as_str().unwrap().to_owned();
        assert_eq!(problem["type"], format!("urn:envelope:error:{code}"));
        assert_eq!(problem["status"], self.status);
        assert!(!problem["title"].as_str().unwrap().is_empty());
        assert!(!problem["detail"].as_str().unwrap().is_empty());
        assert!(problem["server_time"].as_u64().unwrap().abs_diff(now()) < 5);
        assert_eq!(self.status == 401, self.header("www-authenticate").is_some());
        assert_eq!(self.status == 401, self.header("accept-signature").is_some());
        code
    }
}

/// Sends bytes, and reads one answer.
pub fn exchange(address: SocketAddr, bytes: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    // A server that refuses early may close before it has read everything.
    let _ = stream.write_all(bytes);
    read_answer(&mut BufReader::new(stream)).expect("an answer")
}

/// Reads one answer with its body; `None` when the connection is closed before.
pub fn read_answer(stream: &mut impl BufRead) -> Option<Answer> {
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let mut answer = Answer { status, head, body: String::new() };
    let mut body = Vec::new();
    if let Some(length) = answer.header("content-length") {
        body.resize(length.parse().unwrap(), 0);
        stream.read_exact(&mut body).ok()?;
    } else if answer.header("transfer-encoding") == Some("chunked") {
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).ok()?;
            let length = usize::from_str_radix(line.trim(), 16).ok()?;
            let mut chunk = vec![0; length + 2];
            stream.read_exact(&mut chunk).ok()?;
            body.extend(&chunk[..length]);
            if length == 0 {
                break;
            }
        }
    }
    answer.body = String::from_utf8(body).unwrap();
    Some(answer)
}

/// A pack server without auth: records every request as it came, and answers `{"hello":"…"}`.
pub struct PackServer {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl PackServer {
    pub fn start() -> Self {
        Self::answering(hello)
    }

    pub fn start_at(address: &str) -> Self {
        Self::serve(address, hello)
    }

    pub fn answering(answer: impl Fn(&[u8], &mut TcpStream) + Send + Sync + 'static) -> Self {
        Self::serve("127.0.0.1:0", answer)
    }

    fn serve(address: &str, answer: impl Fn(&[u8], &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (record, answer) = (Arc::clone(&requests), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (record, answer) = (Arc::clone(&record), Arc::clone(&answer));
                std::thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    let mut reader = BufReader::new(stream.try_clone().unwrap());
                    while let Some(request) = read_request(&mut reader) {
                        record.lock().unwrap().push(request.clone());
                        answer(&request, &mut stream);
                    }
                });
            }
        });
        Self { address, requests }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What has arrived so far.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().iter().map(|bytes| String::from_utf8(bytes.clone()).unwrap()).collect()
    }
}

fn hello(_: &[u8], stream: &mut TcpStream) {
    let body = r#"{"hello":"from the pack"}"#;
    let _ = write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Pack: yes\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
}

fn read_request(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut request = Vec::new();
    let mut length = 0;
    loop {
        let start = request.len();
        if reader.read_until(b'\n', &mut request).ok()? == 0 {
            return None;
        }
        let line = String::from_utf8_lossy(&request[start..]).to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let start = request.len();
    request.resize(start + length, 0);
    reader.read_exact(&mut request[start..]).ok()?;
    Some(request)
}

/// The directory of both programs, as this test was built.
pub fn programs() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--profile", profile, "-p", "envelope-cli"])
            .status();
        assert!(built.unwrap().success(), "envelope-cli does not build");
        Path::new(env!("CARGO_BIN_EXE_envelope-verifier")).parent().unwrap().to_owned()
    })
}

/// The program under test; killed when it is dropped.
pub struct Program {
    pub child: Child,
    pub address: SocketAddr,
    pub log: Arc<Mutex<String>>,
}

impl Program {
    /// Runs `envelope-verifier serve` with `args`, on a free port unless they say which.
    pub fn serve(args: &[&str]) -> Self {
        Self::run(Command::new(env!("CARGO_BIN_EXE_envelope-verifier")), args)
    }

    /// The same for one whose files can be forbidden to grow ([`Program::limit_files`]): a write is an error then, and no
    /// signal.
    pub fn serve_within_limits(args: &[&str]) -> Self {
        let mut command = Command::new("env");
        command.args(["--ignore-signal=XFSZ", env!("CARGO_BIN_EXE_envelope-verifier")]);
        Self::run(command, args)
    }

    /// From now on no file of the program can be written beyond so many bytes; `None` for no limit.
    pub fn limit_files(&self, bytes: Option<u64>) {
        let limit = bytes.map_or("unlimited".into(), |bytes| bytes.to_string());
        let mut prlimit = Command::new("prlimit");
        prlimit.args(["--pid", &self.child.id().to_string(), &format!("--fsize={limit}:")]);
        assert!(prlimit.status().unwrap().success());
    }

    /// Runs a command that ends in the program, but for its arguments.
    pub fn run(mut program: Command, args: &[&str]) -> Self {
        let listen: &[&str] = if args.contains(&"--listen") { &[] } else { &["--listen", "127.0.0.1:0"] };
        let mut child = program
            .arg("serve")
            .args(listen)
            .args(args)
            // All that it could say.
            .env("ENVELOPE_LOG", "trace")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let log = Arc::new(Mutex::new(String::new()));
        let mut address = None;
        for line in lines.by_ref() {
            let line = line.unwrap();
            log.lock().unwrap().push_str(&format!("{line}\n"));
            if let Some(text) = line.strip_prefix("envelope-verifier: listening on http") {
                address = Some(text.trim_start_matches(['s', ':', '/']).parse().unwrap());
                break;
            }
        }
        let keep = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                keep.lock().unwrap().push_str(&format!("{line}\n"));
            }
        });
        let address = address.unwrap_or_else(|| panic!("it did not start:\n{}", log.lock().unwrap()));
        Self { child, address, log }
    }

    pub fn authority(&self) -> String {
        self.address.to_string()
    }

    pub fn send(&self, request: &Http) -> Answer {
        exchange(self.address, &request.bytes())
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Whether the log says `text`, now or soon: it comes through a pipe of its own.
    pub fn logs(&self, text: &str) -> bool {
        for _ in 0..100 {
            if self.log().contains(text) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
