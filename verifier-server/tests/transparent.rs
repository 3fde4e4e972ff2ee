//! A client of a pack server that knows nothing of the gateway: while auth is not required, it gets through the gateway what it gets
//! without, and the server hears the same from it. Two servers of the same kind, Python's `http.server` as such servers are built, are asked
//! the same, one of them through the gateway; what differs is listed here, and nothing else does. (In what order fields of different names
//! come is not compared: it means nothing.)

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};
use support::{Http, Program};

const REQUEST_ID: &str = "Envelope-Request-Id";
/// How the client calls the server; an address or `localhost` needs no `--authority`.
const HOST: &str = "localhost:8000";
/// A pack that the server had before anybody stood in front of it.
const OLD: &str = "old";
/// One that is deployed by the test.
const NEW: &str = "b1946ac9-2a44-4c0b-8f5e-3a1d1e9f6d11";

/// The server, and what it heard.
struct PackServer {
    child: Child,
    address: SocketAddr,
    heard: Receiver<Value>,
    _stdin: ChildStdin,
}

impl PackServer {
    fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/pack_server.py");
        let mut command = Command::new("python3");
        command.args(["-B", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("python3 IS NOT INSTALLED");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port: u16 = lines.next().unwrap().unwrap().parse().unwrap();
        let (send, heard) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if send.send(serde_json::from_str(&line).unwrap()).is_err() {
                    return;
                }
            }
        });
        let stdin = child.stdin.take().unwrap();
        Self { child, address: ([127, 0, 0, 1], port).into(), heard, _stdin: stdin }
    }

    /// The next request that it heard.
    fn hears(&self) -> Option<Heard> {
        let line = self.heard.recv_timeout(Duration::from_secs(10)).ok()?;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let field = |field: &Value| (text(&field[0]), text(&field[1]));
        Some(Heard {
            start: format!("{} {}", text(&line["method"]), text(&line["target"])),
            fields: sorted(line["fields"].as_array().unwrap().iter().map(field).collect()),
            body: text(&line["body"]),
        })
    }
}

impl Drop for PackServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A request as the server got it.
#[derive(Debug, PartialEq, Eq)]
struct Heard {
    start: String,
    fields: Fields,
    body: String,
}

/// An answer as it came: the framing is told by the fields that are for it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    start: String,
    fields: Fields,
    body: Vec<u8>,
    trailers: Fields,
}

type Fields = Vec<(String, String)>;

/// In order of the names, however they are written; lines of one name keep theirs.
fn sorted(mut fields: Fields) -> Fields {
    fields.sort_by_key(|(name, _)| name.to_ascii_lowercase());
    fields
}

fn without(fields: &Fields, names: &[&str]) -> Fields {
    let is_there = |name: &str| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    fields.iter().filter(|(name, _)| !is_there(name)).cloned().collect()
}

fn with(fields: &Fields, more: &[(&str, &str)]) -> Fields {
    let more = more.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    sorted(fields.iter().cloned().chain(more).collect())
}

/// With names as HTTP compares them.
fn lower(fields: &Fields) -> Fields {
    fields.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect()
}

impl Answer {
    fn field(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// What the gateway adds to every answer, the id of the request, taken out of it.
    fn unnamed(self) -> Self {
        let ids: Vec<_> =
            self.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case(REQUEST_ID)).collect();
        assert!(matches!(ids[..], [(_, id)] if id.len() == 22), "{}: {ids:?}", self.start);
        Self { fields: without(&self.fields, &[REQUEST_ID]), ..self }
    }

    fn status(&self) -> u16 {
        self.start.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

/// Latin-1, which is what a field is where it is not ASCII.
fn latin(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

fn line(stream: &mut impl BufRead) -> String {
    let mut line = Vec::new();
    stream.read_until(b'\n', &mut line).unwrap();
    latin(&line).trim_end_matches(['\r', '\n']).to_owned()
}

fn read_fields(stream: &mut impl BufRead) -> Fields {
    let lines = std::iter::from_fn(|| Some(line(stream)).filter(|line| !line.is_empty()));
    let field = |line: String| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_owned(), value.trim().to_owned())
    };
    sorted(lines.map(field).collect())
}

fn read_answer(stream: &mut impl BufRead, method: &str) -> Answer {
    let start = line(stream);
    let (fields, trailers) = (read_fields(stream), Fields::new());
    let mut answer = Answer { start, fields, body: Vec::new(), trailers };
    if answer.status() < 200 {
        return read_answer(stream, method);
    }
    if method == "HEAD" || matches!(answer.status(), 204 | 304) {
        return answer;
    }
    if answer.field("transfer-encoding") == Some("chunked") {
        loop {
            let size = usize::from_str_radix(line(stream).split(';').next().unwrap(), 16).unwrap();
            let mut chunk = vec![0; size];
            stream.read_exact(&mut chunk).unwrap();
            answer.body.extend(chunk);
            if size == 0 {
                break;
            }
            assert_eq!(line(stream), "");
        }
        answer.trailers = read_fields(stream);
    } else if let Some(length) = answer.field("content-length") {
        answer.body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut answer.body).unwrap();
    } else {
        stream.read_to_end(&mut answer.body).unwrap();
    }
    answer
}

fn send(address: SocketAddr, request: &Http) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(&request.bytes()).unwrap();
    read_answer(&mut BufReader::new(stream), &request.method)
}

/// What the gateway changes in a request or an answer of its kind, and why.
#[derive(Clone, Copy, Debug, Default)]
struct Changes {
    /// Fields that the server does not hear.
    unheard: &'static [&'static str],
    /// Fields that it hears besides.
    heard: &'static [(&'static str, &'static str)],
    /// Fields that are not in the answer.
    lost: &'static [&'static str],
    /// Fields that are in it besides.
    gained: &'static [(&'static str, &'static str)],
}

/// What it adds to every request: where that came from.
const FORWARDED: [(&str, &str); 2] = [("x-forwarded-for", "127.0.0.1"), ("x-forwarded-proto", "http")];

const NONE: Changes = Changes { unheard: &[], heard: &[], lost: &[], gained: &[] };
/// A list is looked into, so it must come whole and readable, and nobody else may be shown it.
const LIST: Changes = Changes {
    unheard: &["Accept-Encoding", "If-None-Match"],
    gained: &[("cache-control", "no-store")],
    ..NONE
};
/// A body in chunks was read whole: the server hears how long it is.
const CHUNKS: Changes =
    Changes { unheard: &["Transfer-Encoding"], heard: &[("content-length", "17")], ..NONE };
/// Fields for one connection stay there (RFC 9110, section 7.6.1), and so does who was asked to go on.
const HOP: Changes = Changes { unheard: &["Connection", "Keep-Alive", "TE", "Expect", "X-Hop"], ..NONE };
/// The same in an answer.
const HOP_BACK: Changes = Changes { lost: &["Keep-Alive"], ..NONE };
/// A body that ends with the connection comes in chunks, so that the connection can go on.
const CLOSED: Changes =
    Changes { lost: &["Connection"], gained: &[("transfer-encoding", "chunked")], ..NONE };
/// Trailers end at the gateway (RFC 9110, section 6.5.1), and so does what announces them.
const TRAILER: Changes = Changes { lost: &["Trailer", "X-Sum"], ..NONE };
/// What only a verifier says is not believed.
const OURS: Changes =
    Changes { unheard: &["Envelope-Identity", "envelope-keyid", "Envelope_Anything"], ..NONE };

fn get(target: &str) -> Http {
    Http::new("GET", target, HOST)
}

fn post(target: &str, body: &str) -> Http {
    Http::new("POST", target, HOST).header("Content-Type", "application/json").body(body)
}

/// What clients ask of the whole server.
fn of_the_server() -> Vec<(Http, Changes)> {
    let list = "/api/swarm/healthz";
    vec![
        (get(list), LIST),
        (get(list).header("Accept-Encoding", "gzip").header("If-None-Match", "\"v1\""), LIST),
        (get("/api/pack/healthz"), LIST),
        (post("/api/swarm/deploy", r#"{"name":"no agents"}"#), NONE),
        (post("/api/swarm/nobodys/agent", r#"{"name":"Weather"}"#), NONE),
        (get("/api/swarm/nobodys/healthz"), NONE),
        (Http::new("DELETE", "/api/swarm/nobodys", HOST), NONE),
    ]
}

/// What clients ask of a pack.
fn of_a_pack(guid: &str) -> Vec<(Http, Changes)> {
    let at = |path: &str| format!("/api/swarm/{guid}{path}");
    let agent = |body: &str| post(&at("/agent"), body);
    let plain = |method: &str, path: &str| Http::new(method, &at(path), HOST);
    let chunked = |body: &str| Http {
        body: Some(body.as_bytes().to_vec()),
        ..plain("POST", "/echo").header("Transfer-Encoding", "chunked")
    };
    let long = "x".repeat((1 << 20) - 40);
    vec![
        (plain("GET", "/healthz"), NONE),
        (plain("HEAD", "/healthz"), NONE),
        (agent(r#"{"name":"Weather","args":{"city":"Köln","n":1.50},"user_guid":"u-1"}"#), NONE),
        (agent(r#"{"args":1, "name" : "Echo", "args":2}"#), NONE),
        (agent(r#"{"name":"Nobody"}"#), NONE),
        (agent("no JSON"), NONE),
        (agent("").without("Content-Type"), NONE),
        (agent(&format!(r#"{{"name":"Echo","args":"{long}"}}"#)), NONE),
        (plain("GET", "/stream"), NONE),
        (plain("GET", "/trailer"), TRAILER),
        (plain("GET", "/until-close"), CLOSED),
        (plain("GET", "/large"), NONE),
        (plain("HEAD", "/large"), NONE),
        (chunked("8\r\n{\"half\":\r\n9;x=y\r\n\"other\"}\n\r\n0\r\n\r\n"), CHUNKS),
        (plain("GET", "/page"), NONE),
        (plain("GET", "/page").header("Accept-Encoding", "gzip, br"), NONE),
        (plain("HEAD", "/page").header("Accept-Encoding", "gzip"), NONE),
        (plain("GET", "/page").header("If-None-Match", "\"v1\""), NONE),
        (plain("GET", "/part").header("Range", "bytes=0-3"), NONE),
        (plain("GET", "/moved"), NONE),
        (plain("POST", "/moved").body("once more"), NONE),
        (plain("GET", "/cookies").header("Cookie", "a=1; b=\"2\"").header("cookie", "c=3"), NONE),
        (plain("GET", "/cases").header("x-MiXeD", "1").header("X-TWICE", "a").header("x-twice", "b"), NONE),
        (
            plain("GET", "/cases").header("X-Empty", "").header("Accept", "*/*").header("User-Agent", "py/1"),
            NONE,
        ),
        (plain("GET", "/hops"), HOP_BACK),
        (
            plain("POST", "/echo")
                .header("Connection", "keep-alive")
                .header("Keep-Alive", "timeout=5")
                .header("TE", "trailers")
                .header("Expect", "100-continue")
                .body("later"),
            HOP,
        ),
        (plain("GET", "/nothing"), NONE),
        (plain("DELETE", "/nothing"), NONE),
        (plain("GET", "/teapot"), NONE),
        (plain("GET", "/unauthorized"), NONE),
        (plain("GET", "/unauthorized").header("Authorization", "Basic YTpi"), NONE),
        (plain("GET", "/echo").header("authorization", "Bearer the-servers-own"), NONE),
        (plain("GET", "/echo").header("Authorization", "Bearer tok_unknown"), NONE),
        (plain("GET", "/broken"), NONE),
        (plain("GET", "/nowhere?a=1&&b=%20+[x]=y&c"), NONE),
        (plain("GET", "/a%20b/%C3%A9;v=1/~x:@!$&'()*,="), NONE),
        (plain("PUT", "/echo").header("Content-Type", "text/x; charset=\"utf-8\"").body("put"), NONE),
        (plain("PATCH", "/echo").body("patch"), NONE),
        (plain("OPTIONS", "/echo"), NONE),
        (
            plain("GET", "/echo")
                .header("Envelope-Identity", "mallory")
                .header("envelope-keyid", "x")
                .header("Envelope_Anything", "y"),
            OURS,
        ),
        (plain("GET", "/echo").header("Origin", &format!("http://{HOST}")), NONE),
    ]
}

/// A server that is asked directly, and one behind a gateway.
struct Pair {
    direct: PackServer,
    behind: PackServer,
    gateway: Program,
    wrong: Vec<String>,
}

impl Pair {
    fn start(more: &[&str]) -> Self {
        let (direct, behind) = (PackServer::start(), PackServer::start());
        let gateway = gateway(&behind, more);
        Self { direct, behind, gateway, wrong: Vec::new() }
    }

    /// Asks both the same: the one answer is the other, but for these changes, and so is what the servers heard.
    fn ask(&mut self, request: &Http, changes: Changes) {
        let about = format!("{} {}", request.method, request.target);
        let (plain, through) =
            (send(self.direct.address, request), send(self.gateway.address, request).unnamed());
        let expected =
            Answer { fields: with(&without(&plain.fields, changes.lost), changes.gained), ..plain };
        if (&through.start, &through.fields) != (&expected.start, &expected.fields) {
            let told = [&through, &expected].map(|answer| format!("{}\n{:?}", answer.start, answer.fields));
            self.wrong.push(format!("{about}: the answer is\n{}\nnot\n{}", told[0], told[1]));
        } else if through.body != expected.body {
            self.wrong.push(format!("{about}: the answer has another body"));
        }
        let (plain, through) = (self.direct.hears().unwrap(), self.behind.hears());
        let more: Vec<_> = changes.heard.iter().chain(&FORWARDED).copied().collect();
        let fields = with(&without(&plain.fields, changes.unheard), &more);
        let expected = Some(Heard { fields, ..plain });
        if through != expected {
            self.wrong.push(format!("{about}: the server hears\n{through:?}\nnot\n{expected:?}"));
        }
    }

    fn check(self) {
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n\n"));
        let Self { direct, behind, .. } = self;
        assert!(
            direct.heard.try_recv().is_err() && behind.heard.try_recv().is_err(),
            "nothing else was asked"
        );
    }
}

fn gateway(server: &PackServer, more: &[&str]) -> Program {
    let upstream = format!("http://{}", server.address);
    Program::serve(&[&["--upstream", &upstream, "--authority", HOST], more].concat())
}

fn bundle(guid: &str) -> String {
    format!(r#"{{"swarm_guid":"{guid}", "name":"crm","agents":[{{"name":"Weather"}},{{"name":"Echo"}}]}}"#)
}

/// A gateway that keeps nothing adds nothing: deploying, too, is what it was.
#[test]
fn without_a_store_everything_is_the_same() {
    let mut pair = Pair::start(&[]);
    pair.ask(&post("/api/swarm/deploy", &bundle(NEW)), NONE);
    pair.ask(&post("/api/swarm/deploy", r#"{"name":"its own guid","agents":[]}"#), NONE);
    for (request, changes) in of_the_server().into_iter().chain(of_a_pack(OLD)).chain(of_a_pack(NEW)) {
        pair.ask(&request, changes);
    }
    for guid in [NEW, OLD, OLD] {
        pair.ask(&Http::new("DELETE", &format!("/api/swarm/{guid}"), HOST), NONE);
    }
    pair.check();
}

/// With a store, who deploys gets a token with the answer. The client need not know: the pack stays open.
#[test]
fn with_a_store_an_answer_to_deploying_says_more() {
    let data = tempfile::tempdir().unwrap();
    let mut pair = Pair::start(&["--data-dir", data.path().to_str().unwrap()]);
    for (request, changes) in of_the_server() {
        pair.ask(&request, changes);
    }
    for body in [bundle(NEW), r#"{"name":"its own guid","agents":[]}"#.to_owned()] {
        // An answer that is added to must be readable.
        let request = post("/api/swarm/deploy", &body).header("Accept-Encoding", "gzip");
        let (plain, through) =
            (send(pair.direct.address, &request), send(pair.gateway.address, &request).unnamed());
        assert_eq!(through.start, plain.start);
        let length = through.body.len().to_string();
        let changed = with(
            &without(&plain.fields, &["Content-Length"]),
            &[("Content-Length", length.as_str()), ("cache-control", "no-store")],
        );
        assert_eq!(lower(&through.fields), lower(&changed));
        // Three members more; nothing else is another.
        let token = through.json()["swarm_token"].as_str().unwrap().to_owned();
        assert!(token.starts_with("rsk_") && token.len() == 47, "{token}");
        let mut expected = plain.json();
        expected["swarm_token"] = token.into();
        expected["owner"] = Value::Null;
        expected["allowed_users"] = Value::Null;
        assert_eq!(through.json(), expected);
        let (plain, through) = (pair.direct.hears().unwrap(), pair.behind.hears().unwrap());
        let fields = with(&without(&plain.fields, &["Accept-Encoding"]), &FORWARDED);
        assert_eq!(through, Heard { fields, ..plain });
    }
    for (request, changes) in of_the_server().into_iter().chain(of_a_pack(OLD)).chain(of_a_pack(NEW)) {
        pair.ask(&request, changes);
    }
    // What somebody who is nobody deploys anew is deployed, and gets no token.
    pair.ask(&post("/api/swarm/deploy", &format!(r#"{{"swarm_guid":"{NEW}","agents":[]}}"#)), NONE);
    pair.ask(&Http::new("DELETE", &format!("/api/swarm/{OLD}"), HOST), NONE);
    // What nobody has deployed, nobody may tear down.
    pair.ask(&Http::new("DELETE", &format!("/api/swarm/{NEW}"), HOST), NONE);
    pair.check();
}

/// `HEAD` asks for no list that could be looked into.
#[test]
fn a_list_is_there_for_head() {
    let pair = Pair::start(&[]);
    for target in ["/api/swarm/healthz", "/api/pack/healthz"] {
        let request = Http::new("HEAD", target, HOST);
        let [plain, through] =
            [pair.direct.address, pair.gateway.address].map(|address| send(address, &request));
        assert_eq!((&through.start, through.body.len()), (&plain.start, 0), "{target}");
    }
}

/// A connection carries one request after the other, as it does without.
#[test]
fn a_connection_goes_on() {
    let server = PackServer::start();
    let gateway = gateway(&server, &[]);
    let [plain, through] = [server.address, gateway.address].map(|address| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut answers = BufReader::new(stream.try_clone().unwrap());
        ["healthz", "stream", "nothing", "page", "teapot", "healthz"].map(|path| {
            stream.write_all(&get(&format!("/api/swarm/{OLD}/{path}")).bytes()).unwrap();
            read_answer(&mut answers, "GET")
        })
    });
    assert_eq!(through.map(Answer::unnamed), plain);
}

/// What the gateway refuses all the same, by its own word: the server would have answered, or misunderstood.
#[test]
fn what_is_refused_all_the_same() {
    let server = PackServer::start();
    let gateway = gateway(&server, &[]);
    let at = |path: &str| format!("/api/swarm/{OLD}{path}");
    let too_long = "x".repeat((1 << 20) + 1);
    for (request, status, code) in [
        // Nothing is passed on that the gateway does not know.
        (get("/"), 403, "not-allowed"),
        (get("/docs"), 403, "not-allowed"),
        (get(&format!("/api/swarm/{OLD}")), 403, "not-allowed"),
        (get("/API/swarm/old/healthz"), 403, "not-allowed"),
        // What one reader takes for another path than the next does.
        (get(&at("//healthz")), 400, "target-not-canonical"),
        (get(&at("/../new/healthz")), 400, "target-not-canonical"),
        (get(&at("/a%2fb")), 400, "target-not-canonical"),
        (get(&at("/%7ex")), 400, "target-not-canonical"),
        // What makes another request of it.
        (get(&at("/healthz")).header("X-HTTP-Method-Override", "DELETE"), 400, "malformed"),
        (get(&at("/echo")).header("Connection", "close, X-Hop").header("X-Hop", "1"), 400, "malformed"),
        // Another host, and pages of other origins.
        (get(&at("/healthz")).change("Host", |_| "evil.example".into()), 401, "wrong-authority"),
        (get(&at("/healthz")).header("Origin", "https://evil.example"), 403, "not-allowed"),
        // Limits, and a deployment that is none.
        (post(&at("/echo"), &too_long), 413, "too-large"),
        (post("/api/swarm/deploy", "no JSON"), 400, "malformed"),
        (post("/api/swarm/deploy", r#"{"swarm_guid":"a/b","agents":[]}"#), 400, "malformed"),
        (post("/api/swarm/deploy", r#"{"swarm_guid":"a","guid":"b","agents":[]}"#), 400, "malformed"),
    ] {
        let answer = send(gateway.address, &request);
        assert_eq!((answer.status(), &answer.json()["code"]), (status, &json!(code)), "{}", request.target);
    }
    assert!(server.heard.try_recv().is_err(), "the server hears nothing of it");
}
