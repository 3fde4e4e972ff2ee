//! `/verify`: what a proxy asks, by hand and by real nginx and Caddy.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use std::net::{SocketAddr, TcpListener};

use support::proxy::Proxy;
use support::{Answer, Http, PackServer, Person, Program, exchange, key};

const TARGET: &str = "/api/pack/p1/agent?trace=1";
const AUTHORITY: &str = "pack.example";

fn start(alice: &Person, more: &[&str]) -> Program {
    let trust = alice.trust("alice");
    Program::serve(&[&["--trust", &trust, "--authority", AUTHORITY, "--auth-required"], more].concat())
}

/// The request that a proxy makes for one that it holds.
fn asked(request: &Http, described: &[(&str, &str)]) -> Http {
    let mut ask = Http::new("GET", "/verify", AUTHORITY);
    let kept = request.headers.iter().filter(|(name, _)| name != "Host" && name != "Content-Length").cloned();
    ask.headers.extend(kept);
    described.iter().fold(ask, |ask, (name, value)| ask.header(name, value))
}

fn told(answer: &Answer) -> (u16, Option<&str>, Option<&str>) {
    (answer.status, answer.header("envelope-identity"), answer.header("envelope-keyid"))
}

#[test]
fn both_kinds_of_proxies_are_understood() {
    let alice = Person::new("alice");
    let verifier = start(&alice, &[]);
    let nginx = [("X-Original-Method", "POST"), ("X-Original-URI", TARGET)];
    let caddy =
        [("X-Forwarded-Method", "POST"), ("X-Forwarded-Uri", TARGET), ("X-Forwarded-Host", AUTHORITY)];
    for described in [&nginx[..], &caddy[..]] {
        let request = alice.post(AUTHORITY, TARGET, "{}");
        let ask = asked(&request, described);
        let keyid = alice.keyid();
        assert_eq!(told(&verifier.send(&ask)), (200, Some("alice"), Some(keyid.as_str())));
        let again = verifier.send(&ask);
        assert_eq!((again.code().as_str(), told(&again)), ("replayed", (401, Some(""), Some(""))));
    }
    // Caddy sends its own Host to the verifier; the original one is in X-Forwarded-Host.
    let request = alice.post(AUTHORITY, TARGET, "{}");
    assert_eq!(verifier.send(&asked(&request, &caddy).change("Host", |_| "127.0.0.1".into())).status, 200);
}

#[test]
fn only_401_and_403_refuse() {
    let alice = Person::new("alice");
    let verifier = start(&alice, &[]);
    let described = [("X-Original-Method", "POST"), ("X-Original-URI", TARGET)];
    let ask = |request: &Http| verifier.send(&asked(request, &described));
    let signed = || alice.post(AUTHORITY, TARGET, "{}");

    let cases = [
        (ask(&signed().without("Signature")), 403, "malformed"),
        (ask(&signed().header("Authorization", "Bearer x")), 403, "not-covered"),
        (ask(&signed().change("Signature-Key", |_| "a".repeat(9000))), 403, "too-large"),
        (ask(&Person::new("stranger").post(AUTHORITY, TARGET, "{}")), 401, "bad-signature"),
        (ask(&alice.post(AUTHORITY, "/api/pack/p2/agent", "{}")), 401, "bad-signature"),
        (ask(&alice.post("other.example", TARGET, "{}")), 401, "bad-signature"),
        (ask(&Http::new("POST", TARGET, AUTHORITY)), 401, "unauthenticated"),
        (
            ask(&Http::new("POST", TARGET, AUTHORITY).header("X-HTTP-Method-Override", "GET")),
            403,
            "malformed",
        ),
        (
            ask(&Http::new("POST", TARGET, AUTHORITY).sign(&alice.signer(), support::now())),
            401,
            "digest-missing",
        ),
    ];
    for (answer, status, code) in cases {
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{answer:?}");
        assert_eq!(told(&answer), (status, Some(""), Some("")));
    }
}

#[test]
fn the_description_of_the_request_is_not_the_clients_to_give() {
    let alice = Person::new("alice");
    let verifier = start(&alice, &[]);
    let nginx = [("X-Original-Method", "POST"), ("X-Original-URI", TARGET)];
    let request = alice.post(AUTHORITY, TARGET, "{}");
    let code = |more: &[(&str, &str)]| verifier.send(&asked(&request, more)).code();

    assert_eq!(code(&[]), "malformed", "nobody says what is asked");
    assert_eq!(code(&nginx[..1]), "malformed");
    assert_eq!(code(&[nginx[0], nginx[1], nginx[1]]), "duplicate");
    assert_eq!(
        code(&[nginx[0], nginx[1], ("X-Forwarded-Uri", "/public")]),
        "malformed",
        "two kinds of proxies"
    );
    assert_eq!(code(&[("X-Forwarded-Method", "POST"), ("X-Forwarded-Uri", TARGET)]), "malformed", "no host");
    assert_eq!(
        code(&[
            ("X-Forwarded-Method", "POST"),
            ("X-Forwarded-Uri", TARGET),
            ("X-Forwarded-Host", "other.example")
        ]),
        "wrong-authority"
    );
    assert_eq!(code(&[nginx[0], ("X-Original-URI", "//api/pack/p1/agent")]), "target-not-canonical");
    assert_eq!(code(&[nginx[0], ("X-Original-URI", &format!("{TARGET}#x"))]), "target-not-canonical");
    assert_eq!(code(&[nginx[0], ("X-Original-URI", "http://pack.example/x")]), "target-not-canonical");

    let elsewhere = start(&alice, &["--trusted-proxy", "192.0.2.1"]);
    assert_eq!(
        elsewhere.send(&asked(&request, &nginx)).code(),
        "not-allowed",
        "the peer is no trusted proxy"
    );
    assert_eq!(verifier.send(&asked(&request, &nginx)).status, 200, "none of that used the nonce up");
}

#[test]
fn without_auth_required_the_caller_may_be_nobody() {
    let alice = Person::new("alice");
    let trust = alice.trust("alice");
    let verifier = Program::serve(&["--trust", &trust, "--authority", AUTHORITY]);
    let ask =
        asked(&Http::new("GET", "/", AUTHORITY), &[("X-Original-Method", "GET"), ("X-Original-URI", "/")]);
    assert_eq!(told(&verifier.send(&ask.header("Envelope-Identity", "alice"))), (200, Some(""), Some("")));
}

/// What README shows, with the ports of this test in place of those that are printed there.
fn recipe(name: &str, proxy: SocketAddr, verifier: SocketAddr, pack: SocketAddr) -> String {
    let readme = include_str!("../README.md");
    let start = readme.find(&format!("```{name}\n")).unwrap() + name.len() + 4;
    let end = start + readme[start..].find("```").unwrap();
    readme[start..end]
        .replace("127.0.0.1:7998", &verifier.to_string())
        .replace("127.0.0.1:8000", &pack.to_string())
        .replace("pack.example:8080", &format!("127.0.0.1:{}", proxy.port()))
        .replace("8080", &proxy.port().to_string())
}

fn through(start: impl FnOnce(SocketAddr, SocketAddr) -> Proxy) {
    let (pack, alice) = (PackServer::start(), Person::new("alice"));
    // The authority is that of the proxy: its port is known only when it runs.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let verifier_address = listener.local_addr().unwrap();
    drop(listener);
    let proxy = start(verifier_address, pack.address);
    let (authority, trust) = (format!("127.0.0.1:{}", proxy.address.port()), alice.trust("alice"));
    let listen = verifier_address.to_string();
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store.sqlite");
    let verifier = Program::serve(&[
        "--store",
        store.to_str().unwrap(),
        "--admin",
        "alice",
        "--listen",
        &listen,
        "--trust",
        &trust,
        "--authority",
        &authority,
        "--auth-required",
    ]);
    assert_eq!(verifier.address, verifier_address);

    let request =
        alice.post(&authority, TARGET, r#"{"name":"Weather"}"#).header("Envelope-Identity", "mallory");
    let answer = exchange(proxy.address, &request.bytes());
    assert_eq!((answer.status, answer.body.contains("hello")), (200, true), "{answer:?}\n{}", verifier.log());
    // The verifier's own endpoints are reached, and the pack server hears of none of it.
    let described = exchange(proxy.address, &Http::new("GET", "/.well-known/envelope", &authority).bytes());
    assert_eq!((described.status, described.json()["enroll"].as_bool()), (200, Some(true)));
    let signed = |method: &str, target: &str, body: Option<&str>| {
        let request = Http::new(method, target, &authority);
        let request = match body {
            Some(body) => request.header("Content-Type", "application/json").body(body),
            None => request,
        };
        exchange(proxy.address, &request.sign(&alice.signer(), support::now()).bytes())
    };
    assert_eq!(signed("GET", "/api/me", None).json()["identity"], "alice");
    let ticket = signed("POST", "/api/keys/tickets", Some(r#"{"identity":"bob"}"#)).json();
    assert!(ticket["ticket"].is_string(), "{ticket}");
    assert!(signed("GET", "/api/keys?after=x", None).json()["keys"].is_array());
    assert!(signed("GET", "/api/identities", None).json()["identities"].is_array());
    assert_eq!(signed("POST", "/api/statements", Some("{}")).code(), "malformed");
    assert_eq!(signed("POST", "/api/enroll", None).code(), "unauthenticated");
    let arrived = pack.requests();
    assert_eq!(arrived.len(), 1);
    let fields: Vec<String> = arrived[0]
        .lines()
        .filter(|line| line.to_ascii_lowercase().starts_with("envelope-"))
        .map(str::to_ascii_lowercase)
        .collect();
    let keyid = format!("envelope-keyid: {}", alice.keyid()).to_ascii_lowercase();
    assert!(fields.contains(&"envelope-identity: alice".to_owned()) && fields.contains(&keyid), "{fields:?}");
    assert_eq!(fields.len(), 2, "{fields:?}");
    assert!(arrived[0].ends_with(r#"{"name":"Weather"}"#));

    for (request, statuses) in [
        (request.clone(), [401; 2]),
        (Http::new("GET", TARGET, &authority).header("Envelope-Identity", "alice"), [401; 2]),
        (alice.post(&authority, "/api/pack/p2/agent", "{}").without("Signature"), [403; 2]),
        (Http { target: "/api/pack/p2/agent".into(), ..alice.post(&authority, TARGET, "{}") }, [401; 2]),
        // What the other kind of proxy would say, said by the client: taken out by Caddy, refused behind nginx.
        (
            Http::new("POST", "/api/pack/p2/agent", &authority)
                .header("X-Original-Method", "POST")
                .header("X-Original-URI", TARGET)
                .header("X-Forwarded-Method", "POST")
                .header("X-Forwarded-Uri", TARGET),
            [401, 403],
        ),
        (
            alice.post(&authority, "/api/pack/p2/agent", "{}").header("X-Forwarded-Host", "other.example"),
            [200; 2],
        ),
    ] {
        let answer = exchange(proxy.address, &request.bytes());
        assert!(statuses.contains(&answer.status), "{request:?}\n{answer:?}\n{}", verifier.log());
    }
    assert_eq!(pack.requests().len(), 2);
    // Nobody on the way takes the identity out again.
    let named =
        alice.post(&authority, TARGET, "{}").header("Connection", "close, Envelope-Identity, Envelope-Keyid");
    assert_eq!(exchange(proxy.address, &named.bytes()).status, 200);
    assert!(
        pack.requests()[2].to_ascii_lowercase().contains("envelope-identity: alice"),
        "{}",
        pack.requests()[2]
    );

    // Without a credential, where none is needed, the upstream hears of no identity: not even of a placeholder.
    drop(verifier);
    let _open = Program::serve(&["--listen", &listen, "--trust", &trust, "--authority", &authority]);
    let unsigned = Http::new("GET", TARGET, &authority)
        .header("Envelope-Identity", "alice")
        .header("Envelope_Identity", "alice")
        .header("Envelope-Keyid", "x");
    assert_eq!(exchange(proxy.address, &unsigned.bytes()).status, 200);
    let last = pack.requests().pop().unwrap();
    for line in last.lines().filter(|line| line.to_ascii_lowercase().starts_with("envelope")) {
        assert_eq!(line.split_once(':').unwrap().1.trim(), "", "{last}");
    }
}

#[test]
fn nginx() {
    through(|verifier, pack| {
        Proxy::start("nginx", &["-c"], |[address, _], directory| {
            support::proxy::nginx(&recipe("nginx", address, verifier, pack), directory)
        })
    });
}

#[test]
fn caddy() {
    through(|verifier, pack| {
        Proxy::start("caddy", &["run", "--adapter", "caddyfile", "--config"], |[address, _], _| {
            support::proxy::caddyfile(&recipe("caddyfile", address, verifier, pack))
        })
    });
}

/// The rules of a pack hold for every path that could be its own, and for none that only looks like it.
#[test]
fn no_spelling_of_a_path_gets_other_rules() {
    let alice = Person::new("alice");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("verifier.toml");
    let config = format!(
        "trust = [\"{}\"]\nauthority = [\"{AUTHORITY}\"]\n[[pack]]\nguid = \"closed\"\nowner = \"bob\"\nallowed-users = []\n",
        alice.trust("alice")
    );
    std::fs::write(&file, config).unwrap();
    let verifier = Program::serve(&["--config", file.to_str().unwrap()]);
    let unsigned = |path: &str| {
        let described = [("X-Original-Method", "DELETE"), ("X-Original-URI", path)];
        let answer = verifier.send(&asked(&Http::new("DELETE", path, AUTHORITY), &described));
        if answer.status == 200 { "ok".into() } else { answer.code() }
    };
    for path in ["/api/pack/closed/x", "/api/pack/closed/x?x=1", "/api/swarm/closed/x/", "/api/pack/CLOSED/x"]
    {
        assert_eq!(unsigned(path), "unauthenticated", "{path}");
    }
    for path in [
        // The pack itself: what is asked for may be to tear it down.
        "/api/pack/closed",
        "/api/pack/closed?x=1",
        "/api/swarm/closed/",
        "/api/pack/closed;v/x",
        "/API/pack/closed/x",
        "/api/packs",
        "/api/pack/deploy",
        "/api/pack/deploy/",
        "/api/pack",
    ] {
        assert_eq!(unsigned(path), "not-allowed", "{path}");
    }
    for path in ["/api/keys", "/api/keys/revocations", "/api/me", "/.well-known/envelope"] {
        assert_eq!(unsigned(path), "not-allowed", "{path}: the verifier's own");
    }
    assert_eq!(unsigned("/elsewhere"), "ok");
    let preflight = Http::new("OPTIONS", "/verify", AUTHORITY)
        .header("Origin", "https://any.example")
        .header("Access-Control-Request-Method", "POST")
        .header("Access-Control-Request-Headers", "signature, signature-input");
    assert_eq!(verifier.send(&preflight).status, 403, "a proxy asks; no browser does");
}

#[test]
fn a_pack_with_rules_per_agent_needs_the_gateway() {
    let alice = Person::new("alice");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("verifier.toml");
    let config = format!(
        "trust = [\"{}\"]\nauthority = [\"{AUTHORITY}\"]\n[[pack]]\nguid = \"p1\"\n[[pack.agent]]\nname = \"Weather\"\nallowed-users = \"*\"\n",
        alice.trust("alice")
    );
    std::fs::write(&file, config).unwrap();
    let verifier = Program::serve(&["--config", file.to_str().unwrap()]);
    let ask = asked(
        &alice.post(AUTHORITY, TARGET, "{}"),
        &[("X-Original-Method", "POST"), ("X-Original-URI", TARGET)],
    );
    assert_eq!(verifier.send(&ask).code(), "agent-not-allowed");
    assert!(!verifier.log().contains(&key("alice").verifying_key().thumbprint().to_string()));
}
