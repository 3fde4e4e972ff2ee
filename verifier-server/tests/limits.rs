//! What there may be at once: who is over their limit hears so, and others do not notice.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use std::io::{BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use support::{Answer, Http, PackServer, Person, Program, exchange, now, read_answer};

const TARGET: &str = "/api/pack/p1/agent";

/// A connection from one of the addresses of this machine.
fn connect(verifier: &Program, from: u8) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let from = IpAddr::from(Ipv4Addr::new(127, 0, 0, from));
    socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
    socket.connect(&verifier.address.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

fn ask(mut stream: &TcpStream, bytes: &[u8]) -> Option<Answer> {
    // A server that refuses early may close before it has read everything.
    let _ = stream.write_all(bytes);
    read_answer(&mut BufReader::new(stream))
}

fn health(verifier: &Program) -> Vec<u8> {
    Http::new("GET", "/.well-known/envelope", &verifier.authority()).bytes()
}

fn told(answer: Option<Answer>) -> (u16, String, Option<String>) {
    let answer = answer.expect("an answer");
    let wait = answer.header("retry-after").map(str::to_owned);
    (answer.status, answer.code(), wait)
}

fn is_closed(mut stream: &TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    matches!(stream.read(&mut [0]), Ok(0))
}

/// Of all addresses of this machine but one, callers come by themselves.
fn start(pack: &PackServer, more: &[&str]) -> Program {
    let upstream = pack.url();
    let trusted = ["alice", "bob", "carol"].map(|name| Person::new(name).trust(name));
    let mut args = vec!["--upstream", &upstream, "--trusted-proxy", "127.0.0.9", "--auth-required"];
    trusted.iter().for_each(|trust| args.extend(["--trust", trust]));
    args.extend(more);
    Program::serve(&args)
}

/// How many answers may be given.
#[derive(Default)]
struct Gate(Mutex<usize>, Condvar);

impl Gate {
    fn open(&self, count: usize) {
        *self.0.lock().unwrap() += count;
        self.1.notify_all();
    }

    fn pass(&self) {
        let mut left = self.1.wait_while(self.0.lock().unwrap(), |left| *left == 0).unwrap();
        *left -= 1;
    }
}

/// A pack server that gives an answer each time it is let.
fn waiting() -> (PackServer, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let wait = Arc::clone(&gate);
    let pack = PackServer::answering(move |_, stream| {
        wait.pass();
        let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    (pack, gate)
}

/// Waits until so many requests have reached the pack.
fn arrived(pack: &PackServer, count: usize) {
    let start = Instant::now();
    while pack.requests().len() < count {
        assert!(start.elapsed() < Duration::from_secs(20), "{} of {count} arrived", pack.requests().len());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn an_address_has_so_many_connections() {
    let pack = PackServer::start();
    let verifier = start(&pack, &["--client-connections", "2"]);
    let first = [1, 1].map(|from| connect(&verifier, from));
    for stream in &first {
        assert_eq!(ask(stream, &health(&verifier)).unwrap().status, 200);
    }
    let third = connect(&verifier, 1);
    let told = told(ask(&third, &health(&verifier)));
    assert_eq!(told, (429, "too-many-requests".into(), Some("1".into())));
    assert!(is_closed(&third));
    assert_eq!(ask(&connect(&verifier, 2), &health(&verifier)).unwrap().status, 200, "others do not notice");
    let proxied = [9; 4].map(|from| connect(&verifier, from));
    for stream in &proxied {
        assert_eq!(ask(stream, &health(&verifier)).unwrap().status, 200, "a proxy has many clients");
    }
    drop(first);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(ask(&connect(&verifier, 1), &health(&verifier)).unwrap().status, 200);
}

#[test]
fn who_says_nothing_makes_room_for_others() {
    let pack = PackServer::start();
    let verifier = start(&pack, &["--max-connections", "4"]);
    let honest = connect(&verifier, 2);
    assert_eq!(ask(&honest, &health(&verifier)).unwrap().status, 200);
    let mut idle = Vec::new();
    for _ in 0..3 {
        idle.push(connect(&verifier, 1));
        (&idle[idle.len() - 1]).write_all(b"GET /health HTTP/1.1\r\nX-Slow: ").unwrap();
        std::thread::sleep(Duration::from_millis(50));
    }
    let newcomer = connect(&verifier, 3);
    assert_eq!(ask(&newcomer, &health(&verifier)).unwrap().status, 200);
    assert!(is_closed(&idle[0]), "it had waited longest, of the address that has most");
    assert!(!is_closed(&idle[1]) && !is_closed(&idle[2]));
    assert_eq!(ask(&honest, &health(&verifier)).unwrap().status, 200, "it goes on");
}

#[test]
fn when_every_connection_is_answered_the_next_hears_so() {
    let (pack, gate) = waiting();
    let verifier = start(&pack, &["--max-connections", "2"]);
    let calls = [Person::new("alice"), Person::new("bob")].map(|person| {
        let (stream, call) = (connect(&verifier, 1), person.post(&verifier.authority(), TARGET, "{}"));
        (&stream).write_all(&call.bytes()).unwrap();
        stream
    });
    arrived(&pack, 2);
    let answer = told(ask(&connect(&verifier, 2), &health(&verifier)));
    assert_eq!(answer, (503, "overloaded".into(), Some("1".into())));
    gate.open(2);
    for stream in &calls {
        assert_eq!(read_answer(&mut BufReader::new(stream)).unwrap().status, 200, "nobody was cut off");
    }
    assert_eq!(ask(&calls[0], &health(&verifier)).unwrap().status, 200);
}

#[test]
fn so_many_requests_are_in_flight() {
    let (pack, gate) = waiting();
    let more = ["--max-in-flight", "3", "--client-in-flight", "1"];
    let verifier = start(&pack, &more);
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(Person::new);
    let send = |from, person: &Person| {
        let (stream, call) = (connect(&verifier, from), person.post(&verifier.authority(), TARGET, "{}"));
        (&stream).write_all(&call.bytes()).unwrap();
        stream
    };
    let first = send(1, &alice);
    arrived(&pack, 1);
    let over = || (429, "too-many-requests".to_owned(), Some("1".to_owned()));
    assert_eq!(told(read_answer(&mut BufReader::new(send(1, &bob)))), over(), "the address has one");
    assert_eq!(told(read_answer(&mut BufReader::new(send(2, &alice)))), over(), "the identity has one");
    let second = send(2, &bob);
    arrived(&pack, 2);
    let third = send(3, &carol);
    arrived(&pack, 3);
    let answer = told(ask(&connect(&verifier, 4), &health(&verifier)));
    assert_eq!(answer, (503, "overloaded".into(), Some("1".into())));
    let watch = Http::new("GET", "/health", &verifier.authority()).bytes();
    assert_eq!(ask(&connect(&verifier, 4), &watch).unwrap().status, 200, "it can be watched all the same");
    gate.open(3);
    for stream in [first, second, third] {
        assert_eq!(read_answer(&mut BufReader::new(&stream)).unwrap().status, 200);
    }
    let again = send(1, &alice);
    arrived(&pack, 4);
    gate.open(1);
    assert_eq!(read_answer(&mut BufReader::new(&again)).unwrap().status, 200, "its place is free again");
}

/// Whose answer is being read holds a place until all of it is gone.
#[test]
fn an_answer_that_is_streamed_is_in_flight() {
    let gate = Arc::new(Gate::default());
    let wait = Arc::clone(&gate);
    let pack = PackServer::answering(move |_, stream| {
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok").unwrap();
        wait.pass();
        stream.write_all(b"ay").unwrap();
    });
    let verifier = start(&pack, &["--client-in-flight", "1"]);
    let alice = Person::new("alice");
    let call = || alice.post(&verifier.authority(), TARGET, "{}").bytes();
    let mut first = connect(&verifier, 1);
    first.write_all(&call()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\nok") {
        let mut byte = [0];
        first.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert_eq!(told(ask(&connect(&verifier, 2), &call())).1, "too-many-requests");
    gate.open(1);
    first.read_exact(&mut [0; 2]).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let second = connect(&verifier, 2);
    (&second).write_all(&call()).unwrap();
    arrived(&pack, 2);
    gate.open(1);
    assert_eq!(read_answer(&mut BufReader::new(&second)).unwrap().status, 200);
}

#[test]
fn bodies_take_so_much_memory_when_they_are_read() {
    let pack = PackServer::start();
    // Three quarters of it are for bodies.
    let verifier = start(&pack, &["--request-memory", "100000"]);
    let [alice, bob] = ["alice", "bob"].map(Person::new);
    let body = format!("\"{}\"", "x".repeat(50_000));
    let large = |person: &Person| person.post(&verifier.authority(), TARGET, &body).bytes();
    let (bytes, slow) = (large(&alice), connect(&verifier, 1));
    let (most, rest) = bytes.split_at(bytes.len() - 5);
    (&slow).write_all(most).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let answer = told(ask(&connect(&verifier, 2), &large(&bob)));
    assert_eq!(answer, (503, "overloaded".into(), Some("1".into())));
    // Who is a stranger takes none, however much is announced.
    let stranger = Person::new("stranger").post(&verifier.authority(), TARGET, &body).bytes();
    assert_eq!(told(ask(&connect(&verifier, 2), &stranger)).1, "bad-signature");
    assert_eq!(ask(&slow, rest).unwrap().status, 200, "who came first is served");
    assert_eq!(ask(&connect(&verifier, 2), &large(&bob)).unwrap().status, 200, "there is room again");
    assert_eq!(pack.requests().len(), 2);
}

#[test]
fn the_bodies_of_one_take_a_part_of_the_memory() {
    let (pack, gate) = waiting();
    // A quarter of three quarters, and one body in any case.
    let verifier = start(&pack, &["--request-memory", "100000", "--max-body", "20000"]);
    let [alice, bob] = ["alice", "bob"].map(Person::new);
    let body = format!("\"{}\"", "x".repeat(15_000));
    let large = |person: &Person| person.post(&verifier.authority(), TARGET, &body).bytes();
    let (bytes, slow) = (large(&alice), connect(&verifier, 1));
    let (most, rest) = bytes.split_at(bytes.len() - 5);
    (&slow).write_all(most).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let answer = told(ask(&connect(&verifier, 1), &large(&bob)));
    assert_eq!(answer, (429, "too-many-requests".into(), Some("1".into())));
    // From elsewhere there is room; and when the upstream has the body, though it does not answer, there is room again.
    let elsewhere = connect(&verifier, 2);
    (&elsewhere).write_all(&large(&bob)).unwrap();
    arrived(&pack, 1);
    (&slow).write_all(rest).unwrap();
    arrived(&pack, 2);
    let again = connect(&verifier, 1);
    (&again).write_all(&large(&alice)).unwrap();
    arrived(&pack, 3);
    gate.open(3);
    for stream in [&slow, &elsewhere, &again] {
        assert_eq!(read_answer(&mut BufReader::new(stream)).unwrap().status, 200);
    }
}

/// Where nobody may deploy without a credential, no body is waited for.
#[test]
fn what_nobody_may_ask_for_takes_no_memory() {
    let pack = PackServer::start();
    let verifier = start(&pack, &[]);
    for (method, target) in [("POST", "/api/pack/deploy"), ("DELETE", "/api/pack/p1")] {
        let head = Http::new(method, target, &verifier.authority()).header("Content-Length", "1000").bytes();
        assert_eq!(told(ask(&connect(&verifier, 1), &head)).1, "unauthenticated", "{method}");
    }
    assert_eq!(pack.requests().len(), 0);
}

#[test]
fn headers_that_are_not_whole_take_so_much_memory() {
    let pack = PackServer::start();
    // A quarter of it is for headers.
    let verifier = start(&pack, &["--request-memory", "100000"]);
    let begin = |from, length: usize| {
        let stream = connect(&verifier, from);
        let bytes = [b"GET /health HTTP/1.1\r\nX: ".as_slice(), &vec![b'x'; length]].concat();
        (&stream).write_all(&bytes).unwrap();
        std::thread::sleep(Duration::from_millis(200));
        stream
    };
    let (large, small) = (begin(1, 15_000), begin(2, 5_000));
    assert!(!is_closed(&large));
    let last = begin(3, 9_000);
    assert!(is_closed(&large) && !is_closed(&small) && !is_closed(&last), "the largest makes room");
    let end = format!("\r\nHost: {}\r\n\r\n", verifier.authority());
    for stream in [small, last] {
        assert_eq!(ask(&stream, end.as_bytes()).unwrap().status, 200);
    }
}

/// Who does not take the answer is not waited for.
#[test]
fn a_client_that_does_not_read_is_let_go() {
    let (sender, gone) = std::sync::mpsc::channel();
    let pack = PackServer::answering(move |_, stream| {
        let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
        while stream.write_all(&[b'x'; 65_536]).is_ok() {}
        sender.send(()).unwrap();
    });
    let verifier = start(&pack, &["--write-timeout", "1"]);
    let stream = connect(&verifier, 1);
    (&stream).write_all(&Person::new("alice").post(&verifier.authority(), TARGET, "{}").bytes()).unwrap();
    gone.recv_timeout(Duration::from_secs(20)).expect("the upstream is let go, too");
}

#[test]
fn a_header_that_cannot_be_read_is_refused_in_our_words() {
    let pack = PackServer::start();
    let verifier = start(&pack, &["--head-timeout", "1"]);
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(70_000));
    let much = format!("GET / HTTP/1.1\r\nX: {}\r\nY: {}\r\n\r\n", "x".repeat(40_000), "x".repeat(40_000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(300));
    for (header, code) in [
        (long.as_str(), "too-large"),
        (&much, "too-large"),
        (&many, "too-large"),
        ("GET / HTTP/1.1\r\nHost : x\r\n\r\n", "malformed"),
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n", "malformed"),
        ("GET / HTTP/7.1\r\nHost: x\r\n\r\n", "malformed"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "malformed"),
        ("\0\0\0", "malformed"),
        ("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 2\r\n\r\n", "malformed"),
        // Not whole, and nothing more comes.
        ("GET / HTTP/1.1\r\nHost: x", "malformed"),
    ] {
        let answer = exchange(verifier.address, header.as_bytes());
        let start = header.get(..40).unwrap_or(header);
        assert_eq!(answer.code(), code, "{start}");
        assert_eq!(answer.header("connection"), Some("close"), "{start}");
        assert_eq!(answer.header("envelope-request-id").map(str::len), Some(22), "{start}");
    }
    // Who ends in the middle can still hear it; who says nothing at all is not talked to.
    let half = connect(&verifier, 1);
    (&half).write_all(b"GET / HT").unwrap();
    half.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(read_answer(&mut BufReader::new(&half)).unwrap().code(), "malformed");
    let silent = connect(&verifier, 1);
    assert_eq!((&silent).read(&mut [0]).unwrap(), 0);
    assert_eq!(pack.requests(), Vec::<String>::new());
}

/// What is pipelined behind a good request is answered in its turn.
#[test]
fn a_bad_header_behind_a_good_request_does_not_cost_its_answer() {
    let pack = PackServer::start();
    let verifier = start(&pack, &[]);
    let bytes = [health(&verifier), b"GET / HTTP/1.1\r\nHost : x\r\n\r\n".to_vec()].concat();
    let stream = connect(&verifier, 1);
    (&stream).write_all(&bytes).unwrap();
    let mut reader = BufReader::new(&stream);
    assert_eq!(read_answer(&mut reader).unwrap().status, 200);
    assert_eq!(read_answer(&mut reader).unwrap().code(), "malformed");
    assert!(read_answer(&mut reader).is_none());
}

/// Who is refused before the body was read, and goes on sending it, gets to read why.
#[test]
fn a_refusal_arrives_although_the_body_is_still_on_its_way() {
    let pack = PackServer::start();
    let verifier = start(&pack, &[]);
    let body = "x".repeat(900_000);
    let request = Http::new("POST", TARGET, &verifier.authority()).body(&body).bytes();
    for round in 0..20 {
        let mut stream = connect(&verifier, 1);
        for piece in request.chunks(100_000) {
            stream.write_all(piece).unwrap_or_else(|error| panic!("round {round}: {error}"));
            std::thread::sleep(Duration::from_millis(2));
        }
        assert_eq!(read_answer(&mut BufReader::new(&stream)).expect("an answer").code(), "unauthenticated");
    }
}

#[test]
fn what_is_signed_too_early_is_no_call() {
    // Limits come before everything: a request that they refuse is not remembered.
    let (pack, gate) = waiting();
    let verifier = start(&pack, &["--max-in-flight", "1"]);
    let first = connect(&verifier, 1);
    (&first).write_all(&Person::new("bob").post(&verifier.authority(), TARGET, "{}").bytes()).unwrap();
    arrived(&pack, 1);
    let call = Http::new("POST", TARGET, &verifier.authority())
        .header("Content-Type", "application/json")
        .body("{}")
        .sign(&Person::new("alice").signer(), now())
        .bytes();
    assert_eq!(told(ask(&connect(&verifier, 2), &call)).1, "overloaded");
    gate.open(1);
    assert_eq!(read_answer(&mut BufReader::new(&first)).unwrap().status, 200);
    drop(first);
    std::thread::sleep(Duration::from_millis(200));
    let again = connect(&verifier, 2);
    (&again).write_all(&call).unwrap();
    arrived(&pack, 2);
    gate.open(1);
    assert_eq!(read_answer(&mut BufReader::new(&again)).unwrap().status, 200, "the same request, later");
}

/// How often somebody had to wait: for calls, and for refusals.
fn held(verifier: &Program) -> (u64, u64) {
    let page = ask(&connect(verifier, 9), &Http::new("GET", "/metrics", &verifier.authority()).bytes());
    let page = page.unwrap();
    assert_eq!(page.status, 200);
    let text = page.body;
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name} in {text}")).trim().parse().unwrap()
    };
    (value("envelope_calls_held_total"), value("envelope_refusals_held_total"))
}

#[test]
fn who_is_refused_often_waits_for_it_and_nobody_else() {
    let pack = PackServer::start();
    let verifier = start(&pack, &["--refusal-rate", "2", "--metrics-from", "127.0.0.9"]);
    let (alice, stranger) = (Person::new("alice"), Person::new("mallory"));
    let call = |from, person: &Person| {
        let call = person.post(&verifier.authority(), TARGET, "{}");
        let answer = ask(&connect(&verifier, from), &call.bytes()).unwrap();
        if answer.status == 200 { "200".into() } else { answer.code() }
    };
    assert_eq!(call(1, &stranger), "bad-signature");
    assert_eq!(held(&verifier), (0, 0), "the first one is told at once");
    assert_eq!(call(1, &stranger), "bad-signature");
    assert_eq!(held(&verifier), (0, 1));
    assert_eq!(call(1, &alice), "200");
    assert_eq!(call(2, &stranger), "bad-signature");
    assert_eq!(held(&verifier), (0, 1), "neither who shares the address, nor another address");
    let unreadable = ask(&connect(&verifier, 1), b"GET / HTTP/1.1\r\nBad Header\r\n\r\n").unwrap();
    assert_eq!((unreadable.code(), held(&verifier)), ("malformed".into(), (0, 2)));
    for _ in 0..3 {
        assert_eq!(call(9, &stranger), "bad-signature");
    }
    let proxied = stranger.post(&verifier.authority(), TARGET, "{}").header("X-Forwarded-For", "192.0.2.1");
    for _ in 0..3 {
        assert_eq!(ask(&connect(&verifier, 9), &proxied.bytes()).unwrap().code(), "bad-signature");
    }
    assert_eq!(held(&verifier), (0, 2), "a proxy speaks for many");
}

/// Else a hundred who are refused would keep others from being answered.
#[test]
fn who_waits_for_a_refusal_is_not_in_flight() {
    let pack = PackServer::start();
    let more = ["--refusal-rate", "1", "--max-in-flight", "1", "--metrics-from", "127.0.0.9"];
    let verifier = start(&pack, &more);
    let bad = Person::new("mallory").post(&verifier.authority(), TARGET, "{}");
    assert_eq!(ask(&connect(&verifier, 1), &bad.bytes()).unwrap().status, 401);
    let waiting = connect(&verifier, 1);
    (&waiting).write_all(&bad.bytes()).unwrap();
    while held(&verifier) != (0, 1) {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(ask(&connect(&verifier, 2), &health(&verifier)).unwrap().status, 200);
    assert_eq!(read_answer(&mut BufReader::new(&waiting)).unwrap().status, 401, "it is told in the end");
}

/// Nor a place among the connections: whoever has many that wait loses those to others.
#[test]
fn who_waits_for_a_refusal_makes_room_for_others() {
    let pack = PackServer::start();
    let verifier = start(&pack, &["--refusal-rate", "1", "--max-connections", "3"]);
    let unsigned = Http::new("GET", "/api/pack/p1/x", &verifier.authority()).bytes();
    assert_eq!(ask(&connect(&verifier, 1), &unsigned).unwrap().status, 401);
    std::thread::sleep(Duration::from_millis(100));
    // The next ones would be told in one second, in two, and in three.
    let refused: [&[u8]; 3] = [&unsigned, &unsigned, b"GET / HTTP/1.1\r\nBad Header\r\n\r\n"];
    let waiting = refused.map(|bytes| {
        let stream = connect(&verifier, 1);
        (&stream).write_all(bytes).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        stream
    });
    let others = [2, 3, 4].map(|from| {
        let stream = connect(&verifier, from);
        assert_eq!(ask(&stream, &health(&verifier)).unwrap().status, 200);
        stream
    });
    for stream in &waiting {
        assert!(is_closed(stream));
    }
    for stream in &others {
        assert_eq!(ask(stream, &health(&verifier)).unwrap().status, 200, "they go on");
    }
}

#[test]
fn who_calls_too_fast_waits_and_nobody_else() {
    let pack = PackServer::start();
    let verifier = start(&pack, &["--client-rate", "1", "--metrics-from", "127.0.0.9"]);
    let call = |from, name| {
        let call = Person::new(name).post(&verifier.authority(), TARGET, "{}");
        ask(&connect(&verifier, from), &call.bytes()).unwrap().status
    };
    assert_eq!((call(1, "alice"), call(1, "bob")), (200, 200));
    assert_eq!(held(&verifier), (0, 0), "each has a pace of their own");
    assert_eq!(call(2, "alice"), 200);
    assert_eq!(held(&verifier), (1, 0), "from wherever it is");
    for _ in 0..2 {
        assert_eq!(ask(&connect(&verifier, 4), &health(&verifier)).unwrap().status, 200);
    }
    assert_eq!(held(&verifier), (2, 0), "where nobody says who calls, it is the address");
}
