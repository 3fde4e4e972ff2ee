//! The program as a gateway, over real sockets: what passes, and how.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use support::{Http, PackServer, Person, Program, exchange, now, read_answer};

const TARGET: &str = "/api/pack/p1/agent?trace=1";

fn start(pack: &PackServer, alice: &Person, more: &[&str]) -> Program {
    let (upstream, trust) = (pack.url(), alice.trust("alice"));
    let args = [&["--upstream", &upstream, "--trust", &trust, "--auth-required"], more].concat();
    Program::serve(&args)
}

#[test]
fn a_signed_call_reaches_the_upstream_as_sent_and_once() {
    let (pack, alice) = (PackServer::start(), Person::new("alice"));
    let verifier = start(&pack, &alice, &[]);
    let request = alice
        .post(&verifier.authority(), TARGET, r#"{"name":"Weather"}"#)
        .header("envelope-identity", "mallory")
        .header("envelope-keyid", "stolen")
        .header("Envelope-Anything", "else")
        .header("Envelope_Identity", "mallory")
        .header("X-Forwarded-For", "192.0.2.1")
        .header("Connection", "keep-alive, X-Hop")
        .header("Keep-Alive", "timeout=5")
        .header("X-Plain", "kept");

    let answer = verifier.send(&request);
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"hello":"from the pack"}"#));
    assert_eq!(answer.header("x-pack"), Some("yes"));

    let arrived = pack.requests();
    assert_eq!(arrived.len(), 1);
    let lines: Vec<&str> = arrived[0].lines().collect();
    assert_eq!(lines[0], "POST /api/pack/p1/agent?trace=1 HTTP/1.1");
    for (name, value) in &request.headers[..7] {
        assert!(lines.contains(&format!("{name}: {value}").as_str()), "{name} is missing in {}", arrived[0]);
    }
    assert!(lines.contains(&"X-Plain: kept"));
    assert!(arrived[0].ends_with("\r\n\r\n{\"name\":\"Weather\"}"));
    let ours: Vec<&&str> =
        lines.iter().filter(|line| line.to_ascii_lowercase().starts_with("envelope")).collect();
    assert_eq!(ours, [&"envelope-identity: alice", &format!("envelope-keyid: {}", alice.keyid()).as_str()]);
    assert!(lines.contains(&"x-forwarded-proto: http"));
    assert!(
        lines.iter().any(|line| line.eq_ignore_ascii_case("x-forwarded-for: 192.0.2.1, 127.0.0.1")),
        "{lines:?}"
    );
    assert!(!arrived[0].to_ascii_lowercase().contains("keep-alive"));

    let again = verifier.send(&request);
    assert_eq!((again.status, again.code().as_str()), (401, "replayed"));
    assert_eq!(pack.requests().len(), 1);
}

#[test]
fn forwarding_fields_of_a_peer_that_is_no_proxy_are_not_believed() {
    let (pack, alice) = (PackServer::start(), Person::new("alice"));
    let verifier = start(&pack, &alice, &["--trusted-proxy", "192.0.2.9"]);
    let request = alice
        .post(&verifier.authority(), TARGET, "{}")
        .header("X-Forwarded-For", "192.0.2.1")
        .header("X-Forwarded-Host", "elsewhere.example")
        .header("X_Forwarded_Host", "elsewhere.example")
        .header("X-Forwarded-Proto", "https")
        .header("Forwarded", "for=192.0.2.1");
    assert_eq!(verifier.send(&request).status, 200);
    let arrived = pack.requests()[0].to_ascii_lowercase();
    assert!(
        arrived.contains("x-forwarded-for: 127.0.0.1\r\n") && arrived.contains("x-forwarded-proto: http\r\n"),
        "{arrived}"
    );
    assert!(!arrived.contains("elsewhere") && !arrived.contains("192.0.2.1"), "{arrived}");
}

#[test]
fn an_open_pack_goes_on_working_and_an_envelope_is_never_downgraded() {
    let (pack, alice, stranger) = (PackServer::start(), Person::new("alice"), Person::new("stranger"));
    let (upstream, trust) = (pack.url(), alice.trust("alice"));
    let verifier = Program::serve(&["--upstream", &upstream, "--trust", &trust]);
    let unsigned =
        Http::new("GET", "/api/swarm/old/health?x[]=1", "127.0.0.1").header("Envelope-Identity", "alice");
    assert_eq!(verifier.send(&unsigned).status, 200);
    assert!(!pack.requests()[0].to_ascii_lowercase().contains("envelope-"));

    let wrong =
        stranger.post(&verifier.authority(), TARGET, "{}").header("Authorization", "Bearer tok_whatever");
    assert_eq!(verifier.send(&wrong).code(), "not-covered");
    let wrong = stranger.post(&verifier.authority(), TARGET, "{}");
    assert_eq!(verifier.send(&wrong).code(), "bad-signature");
    assert!(verifier.logs("unknown-key"), "the log tells what the wire does not");
    assert_eq!(pack.requests().len(), 1);
}

#[test]
fn whatever_else_arrives_is_refused() {
    let (pack, alice) = (PackServer::start(), Person::new("alice"));
    let (upstream, trust) = (pack.url(), alice.trust("alice"));
    let verifier = Program::serve(&["--upstream", &upstream, "--trust", &trust]);
    for (target, code) in [
        ("/", "not-allowed"),
        ("/api/packs", "not-allowed"),
        ("/api/pack/deploy", "not-allowed"),
        ("/api/pack/deploy/", "not-allowed"),
        ("/api/swarm/deploy/x", "not-allowed"),
        ("/API/pack/p1/x", "not-allowed"),
        ("/api/pack/p1", "not-allowed"),
        ("/api/pack//x", "target-not-canonical"),
        ("/api/pack/p1/../../admin", "target-not-canonical"),
        ("/api/pack/p1/..%2F..%2Fadmin", "target-not-canonical"),
        ("/api/pack/p1/%2e%2e/x", "target-not-canonical"),
        ("/api/pack/p%201/x", "not-allowed"),
        ("/api/pack/p1/x%5Cy", "target-not-canonical"),
    ] {
        assert_eq!(verifier.send(&Http::new("GET", target, "h")).code(), code, "{target}");
    }
    let to_pack = |method: &str, name: &str, value: &str| {
        verifier.send(&Http::new(method, "/api/pack/p1/x", "127.0.0.1").header(name, value)).code()
    };
    assert_eq!(to_pack("get", "X-Plain", "x"), "malformed");
    for name in
        ["X-HTTP-Method-Override", "X-Rewrite-Url", "X-Original-Url", "Content_Length", "Transfer_Encoding"]
    {
        assert_eq!(to_pack("GET", name, "x"), "malformed", "{name}");
    }
    assert_eq!(to_pack("POST", "Transfer-Encoding", "gzip, chunked"), "malformed");
    // A name that somebody else can have rebound to this address.
    assert_eq!(verifier.send(&Http::new("GET", "/api/pack/p1/x", "evil.example")).code(), "wrong-authority");
    let absolute = |start: &str| {
        exchange(verifier.address, format!("{start}://127.0.0.1/api/pack/p1/x HTTP/1.1\r\n\r\n").as_bytes())
    };
    assert_eq!(absolute("GET ftp").code(), "target-not-canonical");
    assert_eq!(absolute("CONNECT http").code(), "malformed");
    assert_eq!(pack.requests(), Vec::<String>::new());
    assert_eq!(absolute("GET http").status, 200);
    let arrived = pack.requests()[0].to_ascii_lowercase();
    assert!(arrived.contains("\r\nhost: 127.0.0.1\r\n"), "{arrived}");
}

#[test]
fn connection_cannot_take_out_what_was_signed() {
    let (pack, alice) = (PackServer::start(), Person::new("alice"));
    let verifier = start(&pack, &alice, &[]);
    for name in ["content-type", "Content-Digest", "host", "Signature"] {
        let request =
            alice.post(&verifier.authority(), TARGET, "{}").header("Connection", &format!("close, {name}"));
        assert_eq!(verifier.send(&request).code(), "malformed", "{name}");
    }
    assert_eq!(pack.requests(), Vec::<String>::new());
}

#[test]
fn the_answer_is_streamed() {
    let pack = PackServer::answering(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
        std::thread::sleep(Duration::from_secs(3));
        let _ = stream.write_all(b"6\r\nsecond\r\n0\r\n\r\n");
    });
    let alice = Person::new("alice");
    let verifier = start(&pack, &alice, &[]);
    let request = alice.post(&verifier.authority(), TARGET, "{}");
    let mut stream = TcpStream::connect(verifier.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(&request.bytes()).unwrap();
    let mut seen = String::new();
    while !seen.contains("first") {
        let mut piece = [0; 1024];
        let read = stream.read(&mut piece).unwrap();
        assert!(read > 0, "{seen}");
        seen.push_str(std::str::from_utf8(&piece[..read]).unwrap());
    }
    assert!(!seen.contains("second"), "the first part came only with the second");
    let mut rest = [0; 1024];
    let read = stream.read(&mut rest).unwrap();
    assert!(std::str::from_utf8(&rest[..read]).unwrap().contains("second"));
}

#[test]
fn an_upstream_that_is_gone_or_late_is_told() {
    let alice = Person::new("alice");
    let gone = PackServer::start();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (upstream, trust) = (format!("http://{free}"), alice.trust("alice"));
    let verifier = Program::serve(&["--upstream", &upstream, "--trust", &trust]);
    let answer = verifier.send(&alice.post(&verifier.authority(), TARGET, "{}"));
    assert_eq!((answer.status, answer.json()["title"].as_str()), (502, Some("the upstream does not answer")));
    drop(gone);

    let late = PackServer::answering(|_, _| std::thread::sleep(Duration::from_secs(20)));
    let verifier = start(&late, &alice, &["--upstream-timeout", "1"]);
    let answer = verifier.send(&alice.post(&verifier.authority(), TARGET, "{}"));
    assert_eq!(
        (answer.status, answer.json()["title"].as_str()),
        (504, Some("the upstream did not answer in time"))
    );
}

#[test]
fn what_is_in_flight_finishes_at_shutdown() {
    let pack = PackServer::answering(|_, stream| {
        std::thread::sleep(Duration::from_secs(2));
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone");
    });
    let alice = Person::new("alice");
    let mut verifier = start(&pack, &alice, &[]);
    let address = verifier.address;
    let request = alice.post(&verifier.authority(), TARGET, "{}").bytes();
    let call = std::thread::spawn(move || exchange(address, &request));
    while pack.requests().is_empty() {
        std::thread::sleep(Duration::from_millis(10));
    }
    verifier.signal("TERM");
    let answer = call.join().unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, "done"));
    assert!(verifier.child.wait().unwrap().success());
    assert!(TcpStream::connect(address).is_err(), "it does not listen any more");
}

#[test]
fn hostile_sockets_do_not_disturb_others() {
    let (pack, alice) = (PackServer::start(), Person::new("alice"));
    let verifier =
        start(&pack, &alice, &["--head-timeout", "2", "--body-timeout", "2", "--max-body", "1000"]);
    let valid = || verifier.send(&alice.post(&verifier.authority(), TARGET, "{}")).status;
    let connect = || {
        let stream = TcpStream::connect(verifier.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    };
    let answer = |stream: TcpStream| read_answer(&mut BufReader::new(stream)).map(|answer| answer.status);

    let garbage = exchange(verifier.address, b"\x16\x03\x01\x02\x00garbage\r\n\r\n");
    assert_eq!(garbage.code(), "malformed");
    let huge = format!("GET /api/pack/p1/x HTTP/1.1\r\nHost: h\r\nX-Huge: {}\r\n\r\n", "a".repeat(100 << 10));
    assert_eq!(exchange(verifier.address, huge.as_bytes()).code(), "too-large");
    let many = format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "A: b\r\n".repeat(500));
    assert_eq!(exchange(verifier.address, many.as_bytes()).code(), "too-large");

    // Half a head, half a body, a body that never ends: all at once, and a valid call beside them.
    let mut half_head = connect();
    half_head.write_all(b"POST /api/pack/p1/agent HTTP/1.1\r\nHost: ").unwrap();
    let mut half_body = connect();
    let request = alice.post(&verifier.authority(), TARGET, "{\"half\": true}").bytes();
    half_body.write_all(&request[..request.len() - 3]).unwrap();
    let mut endless = connect();
    let request = alice
        .post(&verifier.authority(), TARGET, "{}")
        .without("Content-Length")
        .header("Transfer-Encoding", "chunked");
    let request = request.bytes();
    endless.write_all(&request[..request.len() - 2]).unwrap();
    for _ in 0..20 {
        if endless.write_all(format!("64\r\n{}\r\n", "x".repeat(100)).as_bytes()).is_err() {
            break;
        }
    }
    assert_eq!(valid(), 200);
    assert_eq!(answer(endless), Some(413));
    assert_eq!(answer(half_body), Some(400));
    assert_eq!(answer(half_head), Some(400), "a head that does not come");
    assert_eq!(valid(), 200);
    assert_eq!(pack.requests().len(), 2);
}

#[test]
fn preflights_are_answered_and_only_signed_calls_may_cross_origins() {
    let (pack, alice) = (PackServer::start(), Person::new("alice"));
    let (upstream, trust) = (pack.url(), alice.trust("alice"));
    let verifier = Program::serve(&[
        "--upstream",
        &upstream,
        "--trust",
        &trust,
        "--cors-origin",
        "https://chat.example",
    ]);
    let preflight = |origin: &str, headers: &str| {
        let request = Http::new("OPTIONS", TARGET, "h")
            .header("Origin", origin)
            .header("Access-Control-Request-Method", "POST");
        verifier.send(&if headers.is_empty() {
            request
        } else {
            request.header("Access-Control-Request-Headers", headers)
        })
    };

    let signed = preflight(
        "https://any.example",
        "content-digest,content-type,signature,signature-input,signature-key",
    );
    assert_eq!(signed.status, 204);
    assert_eq!(signed.header("access-control-allow-origin"), Some("https://any.example"));
    assert_eq!(signed.header("access-control-allow-methods"), Some("POST"));
    assert_eq!(signed.header("access-control-max-age"), Some("0"));
    let allowed = signed.header("access-control-allow-headers").unwrap();
    for name in ["content-digest", "signature-key", "signature-input", "signature", "content-type"] {
        assert!(allowed.split(", ").any(|known| known == name), "{allowed}");
    }
    for headers in ["", "content-type", "content-type, x-signature"] {
        assert_eq!(
            preflight("https://any.example", headers).header("access-control-allow-origin"),
            None,
            "{headers}"
        );
    }
    let known = preflight("https://chat.example", "content-type");
    assert_eq!(known.header("access-control-allow-origin"), Some("https://chat.example"));
    assert_eq!(known.header("access-control-max-age"), Some("600"));
    assert_eq!(pack.requests(), Vec::<String>::new());

    let from = |request: Http, origin: &str| verifier.send(&request.header("Origin", origin));
    let read = from(alice.post(&verifier.authority(), TARGET, "{}"), "https://any.example");
    assert_eq!((read.status, read.header("access-control-allow-origin")), (200, Some("https://any.example")));
    let unsigned = |origin: &str| {
        from(
            Http::new("POST", TARGET, "localhost:7998").header("Content-Type", "text/plain").body("{}"),
            origin,
        )
    };
    for origin in ["https://any.example", "null", "http://localhost:7998"] {
        let refused = unsigned(origin);
        assert_eq!(
            (refused.code().as_str(), refused.header("access-control-allow-origin")),
            ("not-allowed", None),
            "{origin}"
        );
    }
    let known = unsigned("https://chat.example");
    assert_eq!(
        (known.status, known.header("access-control-allow-origin")),
        (200, Some("https://chat.example"))
    );
    assert_eq!(unsigned(&format!("http://{}", verifier.authority())).status, 200, "a page of our own");
    let refused = from(alice.post("other.example", TARGET, "{}"), "https://any.example");
    assert_eq!(
        (refused.code().as_str(), refused.header("access-control-allow-origin")),
        ("wrong-authority", Some("https://any.example"))
    );
}

#[test]
fn it_describes_itself() {
    let alice = Person::new("alice");
    let verifier =
        Program::serve(&["--trust", &alice.trust("alice"), "--authority", "Pack.Example", "--window", "30"]);
    assert_eq!(verifier.send(&Http::new("GET", "/health", "h")).json(), serde_json::json!({"status": "ok"}));
    let mut described = verifier.send(&Http::new("GET", "/.well-known/envelope", "h")).json();
    assert!(described["server_time"].take().as_u64().unwrap().abs_diff(now()) < 5);
    assert_eq!(
        described,
        serde_json::json!({
            "profile": "envelope/1", "algorithms": ["ed25519", "ecdsa-p256-sha256"], "window": 30, "skew": 5,
            "authorities": ["pack.example"], "issuer": "https://pack.example", "issuer_key": null, "audit_key": null,
            "enroll": false, "login": [], "server_time": null,
        })
    );
}
