//! Real nginx, HAProxy and Caddy in front of the gateway: which configurations keep an envelope valid, and what breaks it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use envelope_core::Grant;
use support::proxy::{self, Proxy};
use support::{Answer, Http, PackServer, Person, Program, exchange, now, read_answer};

/// Where the proxy is known to its clients, and where a port belongs to that.
const AUTHORITY: &str = "pack.example";
const WITH_PORT: &str = "agents.example:8443";

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It reaches the pack, and its answer the caller.
    Valid,
    /// The gateway refuses it.
    Refused(u16, &'static str),
    /// It gets a status without a code: from the proxy, or from the HTTP layer of the gateway.
    Status(u16),
}
use Fate::{Refused, Status, Valid};

const BAD_SIGNATURE: Fate = Refused(401, "bad-signature");
const WRONG_AUTHORITY: Fate = Refused(401, "wrong-authority");
const NOT_COVERED: Fate = Refused(400, "not-covered");
const MALFORMED: Fate = Refused(400, "malformed");

/// A kind of calls: its name, what it is, and how it is made for a path that begins with a prefix.
struct Kind {
    name: &'static str,
    what: &'static str,
    make: fn(&Person, &str) -> Http,
}

const KINDS: [Kind; 13] = [
    Kind { name: "get", what: "`GET` with a query", make: |alice, prefix| sign(alice, get(prefix)) },
    Kind { name: "post", what: "`POST` with a JSON body", make: |alice, prefix| sign(alice, post(prefix)) },
    Kind {
        name: "chunked",
        what: "the same, sent in chunks",
        make: |alice, prefix| chunked(sign(alice, post(prefix))),
    },
    Kind { name: "h2", what: "the same, sent in HTTP/2", make: |alice, prefix| sign(alice, post(prefix)) },
    Kind {
        name: "escapes",
        what: "percent-escapes in path and query",
        make: |alice, prefix| {
            let target = format!("{prefix}/api/pack/p1/a%20b%25%C3%A9%3B%3A(c)?q=%26%3D%2B+x;y=[0]&z");
            sign(alice, Http::new("GET", &target.replace("[0]", "%5B0%5D"), AUTHORITY))
        },
    },
    Kind {
        name: "two lines",
        what: "a field on two lines, covered",
        make: |alice, prefix| sign(alice, get(prefix).header("X-Part", "one").header("X-Part", "two, three")),
    },
    Kind {
        name: "authorization",
        what: "`Authorization`, covered as it must be",
        make: |alice, prefix| sign(alice, get(prefix).header("Authorization", "Bearer tok")),
    },
    Kind {
        name: "x-forwarded-for",
        what: "`X-Forwarded-For`, covered",
        make: |alice, prefix| sign(alice, get(prefix).header("X-Forwarded-For", "192.0.2.1")),
    },
    Kind {
        name: "underscore",
        what: "a field with `_` in its name, covered",
        make: |alice, prefix| sign(alice, get(prefix).header("X_Trace", "1")),
    },
    Kind {
        name: "port",
        what: "an authority with a port",
        make: |alice, prefix| sign(alice, get(prefix).change("Host", |_| WITH_PORT.into())),
    },
    Kind {
        name: "8 KB",
        what: "a `Signature-Key` of nearly 8 KiB, the longest that is taken",
        make: |_, prefix| sign(&certified_at_length(), get(prefix)),
    },
    Kind {
        name: "40 KB",
        what: "five more fields of 8000 bytes, covered",
        make: |alice, prefix| {
            let long = "x".repeat(8000);
            sign(alice, (1..=5).fold(get(prefix), |call, at| call.header(&format!("X-Long-{at}"), &long)))
        },
    },
    Kind {
        name: "2 MB",
        what: "a body of 2 MiB, to a gateway with `max-body = 4194304`",
        make: |alice, prefix| {
            let target = format!("{prefix}/api/pack/p1/upload");
            let call = Http::new("POST", &target, AUTHORITY).header("Content-Type", "text/plain");
            sign(alice, call.body(&"x".repeat(2 << 20)))
        },
    },
];

fn get(prefix: &str) -> Http {
    Http::new("GET", &format!("{prefix}/api/pack/p1/agent?trace=1&b=2&a=3"), AUTHORITY)
}

fn post(prefix: &str) -> Http {
    let call = Http::new("POST", &format!("{prefix}/api/pack/p1/agent?trace=1"), AUTHORITY);
    call.header("Content-Type", "application/json").body(r#"{"name":"Weather"}"#)
}

fn sign(person: &Person, call: Http) -> Http {
    call.sign(&person.signer(), now())
}

fn chunked(call: Http) -> Http {
    let body = call.body.clone().unwrap();
    let mut chunks = Vec::new();
    for chunk in body.chunks(7) {
        chunks.extend(format!("{:x}\r\n", chunk.len()).bytes());
        chunks.extend(chunk);
        chunks.extend(b"\r\n");
    }
    chunks.extend(b"0\r\n\r\n");
    let call = call.without("Content-Length").header("Transfer-Encoding", "chunked");
    Http { body: Some(chunks), ..call }
}

/// Alice, with a certificate for so many audiences that `Signature-Key` is nearly as long as it may be.
fn certified_at_length() -> Person {
    let packs = (0..90).map(|at| format!("{at:060}")).chain([AUTHORITY.to_owned()]);
    let alice = Person::with_grant("alice", Grant::everything().audience(packs));
    let length = alice.certificate.len() + r#"sig=jkt-jwt;jwt="""#.len();
    assert!((8180..=8192).contains(&length), "{length}");
    alice
}

/// A configuration: how it is written down, and what becomes of the calls.
struct Configuration {
    /// As the table has it.
    name: &'static str,
    /// What the file says; empty where README shows it.
    lines: &'static str,
    /// What the path begins with that the proxy takes off.
    prefix: &'static str,
    /// What becomes of most kinds.
    most: Fate,
    /// What becomes of the others, by their name.
    but: &'static [(&'static str, Fate)],
}

impl Configuration {
    fn fate(&self, kind: &Kind) -> Fate {
        let other = self.but.iter().find(|(name, _)| *name == kind.name);
        other.map_or(self.most, |(_, fate)| *fate)
    }

    /// The row of the table.
    fn row(&self, proxy: &str) -> String {
        let keeps: Vec<&str> =
            KINDS.iter().filter(|kind| self.fate(kind) == Valid).map(|kind| kind.name).collect();
        let mut breaks: Vec<(Fate, Vec<&str>)> = Vec::new();
        for kind in KINDS.iter().filter(|kind| self.fate(kind) != Valid) {
            let fate = self.fate(kind);
            match breaks.iter_mut().find(|(known, _)| *known == fate) {
                Some((_, names)) => names.push(kind.name),
                None => breaks.push((fate, vec![kind.name])),
            }
        }
        breaks.sort_by_key(|(_, names)| usize::MAX - names.len());
        let keeps = match keeps.len() {
            length if length == KINDS.len() => "all".to_owned(),
            0 => "none".to_owned(),
            length if length * 2 > KINDS.len() => "all others".to_owned(),
            _ => keeps.join(", "),
        };
        let many = |names: &[&str]| names.len() * 2 > KINDS.len();
        let breaks: Vec<String> = breaks
            .iter()
            .map(|(fate, names)| {
                let names = match names.len() {
                    length if length == KINDS.len() => "all".to_owned(),
                    _ if many(names) => "all others".to_owned(),
                    _ => names.join(", "),
                };
                match fate {
                    Refused(_, code) => format!("{names}: `{code}`"),
                    Status(status) => format!("{names}: {status}"),
                    Valid => unreachable!(),
                }
            })
            .collect();
        format!("| {proxy} | {} | {keeps} | {} |", self.name, breaks.join("; "))
    }
}

/// The lines of a configuration, put into what the proxy needs around them.
type Around = fn(lines: &str, addresses: [SocketAddr; 2], directory: &str) -> String;

/// A proxy and its configurations; the first is what README shows.
struct Product {
    name: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
    around: Around,
    configurations: &'static [Configuration],
}

const NGINX: Product = Product {
    name: "nginx",
    program: "nginx",
    arguments: &["-c"],
    around: |lines, [address, second], directory| {
        let server = if lines.contains("server {") {
            lines.replace("listen 8080;", &format!("listen {address};\nlisten {second} http2;"))
        } else {
            format!("server {{\nlisten {address};\nlisten {second} http2;\n{lines}\n}}\n")
        };
        proxy::nginx(&server, directory)
    },
    configurations: &[
        Configuration {
            name: "as above",
            lines: "",
            prefix: "",
            most: Valid,
            but: &[("x-forwarded-for", BAD_SIGNATURE), ("underscore", NOT_COVERED)],
        },
        Configuration {
            name: "`proxy_pass http://127.0.0.1:7998;` and nothing else",
            lines: "location / { proxy_pass http://127.0.0.1:7998; }",
            prefix: "",
            most: WRONG_AUTHORITY,
            but: &[("8 KB", Status(400)), ("40 KB", Status(400)), ("2 MB", Status(413))],
        },
        Configuration {
            name: "besides, `proxy_set_header Host $host;`",
            lines: "location / { proxy_set_header Host $host; proxy_pass http://127.0.0.1:7998; }",
            prefix: "",
            most: Valid,
            but: &[
                ("underscore", NOT_COVERED),
                ("port", WRONG_AUTHORITY),
                ("8 KB", Status(400)),
                ("40 KB", Status(400)),
                ("2 MB", Status(413)),
            ],
        },
        Configuration {
            name: "as above, with a path behind the port: `proxy_pass http://127.0.0.1:7998/;`",
            lines: "large_client_header_buffers 4 16k; client_max_body_size 0;
                location / { proxy_set_header Host $http_host; proxy_pass http://127.0.0.1:7998/; }",
            prefix: "",
            most: Valid,
            but: &[("underscore", NOT_COVERED), ("escapes", BAD_SIGNATURE)],
        },
        Configuration {
            name: "a prefix taken off: `location /packs/ { proxy_pass http://127.0.0.1:7998/; }`",
            lines: "large_client_header_buffers 4 16k; client_max_body_size 0;
                location /packs/ { proxy_set_header Host $http_host; proxy_pass http://127.0.0.1:7998/; }",
            prefix: "/packs",
            most: BAD_SIGNATURE,
            but: &[("underscore", NOT_COVERED)],
        },
        Configuration {
            name: "as above, and `proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;`, `X-Real-IP`, `X-Forwarded-Proto`",
            lines: "large_client_header_buffers 4 16k; client_max_body_size 0;
                location / {
                    proxy_set_header Host $http_host;
                    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                    proxy_set_header X-Real-IP $remote_addr;
                    proxy_set_header X-Forwarded-Proto $scheme;
                    proxy_pass http://127.0.0.1:7998;
                }",
            prefix: "",
            most: Valid,
            but: &[("underscore", NOT_COVERED), ("x-forwarded-for", BAD_SIGNATURE)],
        },
        Configuration {
            name: "as above, and `proxy_http_version 1.1;`, `proxy_request_buffering off;`",
            lines: "large_client_header_buffers 4 16k; client_max_body_size 0; underscores_in_headers off;
                location / {
                    proxy_set_header Host $http_host;
                    proxy_http_version 1.1;
                    proxy_set_header Connection \"\";
                    proxy_request_buffering off;
                    proxy_pass http://127.0.0.1:7998;
                }",
            prefix: "",
            most: Valid,
            but: &[("underscore", NOT_COVERED)],
        },
        Configuration {
            name: "as above, and `underscores_in_headers on;`",
            lines: "large_client_header_buffers 4 16k; client_max_body_size 0; underscores_in_headers on;
                location / { proxy_set_header Host $http_host; proxy_pass http://127.0.0.1:7998; }",
            prefix: "",
            most: Valid,
            but: &[],
        },
        Configuration {
            name: "as above, and `proxy_set_header X-Original-URL $request_uri;`",
            lines: "large_client_header_buffers 4 16k; client_max_body_size 0;
                location / {
                    proxy_set_header Host $http_host;
                    proxy_set_header X-Original-URL $request_uri;
                    proxy_pass http://127.0.0.1:7998;
                }",
            prefix: "",
            most: MALFORMED,
            but: &[],
        },
        Configuration {
            name: "as above, and `proxy_set_header Authorization \"Basic …\";`",
            lines: "large_client_header_buffers 4 16k; client_max_body_size 0;
                location / {
                    proxy_set_header Host $http_host;
                    proxy_set_header Authorization \"Basic cHJveHk6cHJveHk=\";
                    proxy_pass http://127.0.0.1:7998;
                }",
            prefix: "",
            most: NOT_COVERED,
            but: &[("authorization", BAD_SIGNATURE)],
        },
    ],
};

const HAPROXY: Product = Product {
    name: "HAProxy",
    program: "haproxy",
    arguments: &["-db", "-q", "-f"],
    around: |lines, [address, second], _| {
        let bind = format!("bind {address}\n    bind {second}");
        if lines.contains("frontend ") {
            return lines.replace("bind :8080", &bind);
        }
        format!(
            "defaults\n    mode http\n    timeout connect 5s\n    timeout client 30s\n    timeout server 30s\n\
             frontend calls\n    {bind}\n    default_backend gateway\nbackend gateway\n{lines}\n"
        )
    },
    configurations: &[
        Configuration {
            name: "as above",
            lines: "",
            prefix: "",
            most: Valid,
            but: &[("x-forwarded-for", BAD_SIGNATURE)],
        },
        Configuration {
            name: "without `tune.bufsize`",
            lines: "    server gateway 127.0.0.1:7998",
            prefix: "",
            most: Valid,
            but: &[("40 KB", Status(400))],
        },
        Configuration {
            name: "the same, and `option forwardfor`",
            lines: "    option forwardfor\n    server gateway 127.0.0.1:7998",
            prefix: "",
            most: Valid,
            but: &[("40 KB", Status(400)), ("x-forwarded-for", BAD_SIGNATURE)],
        },
        Configuration {
            name: "the same, and `http-request replace-path /packs(/.*) \\1`",
            lines: "    http-request replace-path /packs(/.*) \\1\n    server gateway 127.0.0.1:7998",
            prefix: "/packs",
            most: BAD_SIGNATURE,
            but: &[("40 KB", Status(400))],
        },
        Configuration {
            name: "the same, and `http-request set-header Host gateway.internal`",
            lines: "    http-request set-header Host gateway.internal\n    server gateway 127.0.0.1:7998",
            prefix: "",
            most: WRONG_AUTHORITY,
            but: &[("40 KB", Status(400))],
        },
        Configuration {
            name: "the same, and `http-request del-header Authorization`",
            lines: "    http-request del-header Authorization\n    server gateway 127.0.0.1:7998",
            prefix: "",
            most: Valid,
            but: &[("40 KB", Status(400)), ("authorization", NOT_COVERED)],
        },
        Configuration {
            name: "`server … send-proxy`",
            lines: "    server gateway 127.0.0.1:7998 send-proxy",
            prefix: "",
            most: Refused(400, "malformed"),
            but: &[("40 KB", Status(400))],
        },
    ],
};

const CADDY: Product = Product {
    name: "Caddy",
    program: "caddy",
    arguments: &["run", "--adapter", "caddyfile", "--config"],
    around: |lines, [address, second], _| {
        let sites = format!("http://:{}, http://:{} {{", address.port(), second.port());
        let lines = match lines.strip_prefix("http://pack.example:8080 {") {
            Some(rest) => format!("{sites}{rest}"),
            None => format!("{sites}\n{lines}\n}}\n"),
        };
        proxy::caddyfile(&lines)
    },
    configurations: &[
        Configuration {
            name: "as above",
            lines: "",
            prefix: "",
            most: Valid,
            but: &[("x-forwarded-for", BAD_SIGNATURE)],
        },
        Configuration {
            name: "`header_up Host {upstream_hostport}`",
            lines: "reverse_proxy 127.0.0.1:7998 {\nheader_up Host {upstream_hostport}\n}",
            prefix: "",
            most: WRONG_AUTHORITY,
            but: &[],
        },
        Configuration {
            name: "`header_up Host {host}`",
            lines: "reverse_proxy 127.0.0.1:7998 {\nheader_up Host {host}\n}",
            prefix: "",
            most: Valid,
            but: &[("x-forwarded-for", BAD_SIGNATURE), ("port", WRONG_AUTHORITY)],
        },
        Configuration {
            name: "`handle_path /packs/*`",
            lines: "handle_path /packs/* {\nreverse_proxy 127.0.0.1:7998\n}",
            prefix: "/packs",
            most: BAD_SIGNATURE,
            but: &[],
        },
        Configuration {
            name: "`header_up -Authorization`",
            lines: "reverse_proxy 127.0.0.1:7998 {\nheader_up -Authorization\n}",
            prefix: "",
            most: Valid,
            but: &[("x-forwarded-for", BAD_SIGNATURE), ("authorization", NOT_COVERED)],
        },
        Configuration {
            name: "`request_body { max_size 1MB }`",
            lines: "request_body {\nmax_size 1MB\n}\nreverse_proxy 127.0.0.1:7998",
            prefix: "",
            most: Valid,
            but: &[("x-forwarded-for", BAD_SIGNATURE), ("2 MB", Status(502))],
        },
        Configuration {
            name: "`transport http { versions h2c }`",
            lines: "reverse_proxy 127.0.0.1:7998 {\ntransport http {\nversions h2c\n}\n}",
            prefix: "",
            most: Status(502),
            but: &[],
        },
    ],
};

/// The section of README that is about these.
fn section() -> &'static str {
    let readme = include_str!("../README.md");
    let start = readme.find("## Behind a reverse proxy\n").expect("README has a section on this");
    let rest = &readme[start + 3..];
    &rest[..rest.find("\n## ").unwrap()]
}

impl Product {
    /// The lines of a configuration; those of the first are in README.
    fn lines(&self, configuration: &Configuration) -> String {
        if !configuration.lines.is_empty() {
            return configuration.lines.to_owned();
        }
        let fence = format!("```{}\n", self.program);
        let fence = if self.program == "caddy" { "```caddyfile\n".to_owned() } else { fence };
        let start = section().find(&fence).expect("README shows it") + fence.len();
        section()[start..].split("```").next().unwrap().to_owned()
    }

    fn start(&self, lines: &str, gateway: SocketAddr) -> Proxy {
        let proxy = Proxy::start(self.program, self.arguments, |addresses, directory| {
            (self.around)(&lines.replace("127.0.0.1:7998", &gateway.to_string()), addresses, directory)
        });
        proxy.wait_for_second();
        proxy
    }

    /// Puts every kind of call through every configuration.
    fn check(&self) {
        let (pack, alice) = (PackServer::start(), Person::new("alice"));
        let gateway = gateway(&pack, &alice);
        let mut wrong = Vec::new();
        for configuration in self.configurations {
            let proxy = self.start(&self.lines(configuration), gateway.address);
            for kind in &KINDS {
                let call = (kind.make)(&alice, configuration.prefix);
                let before = pack.requests().len();
                let answer = match kind.name {
                    "h2" => curl(proxy.second, &call),
                    _ => send(proxy.address, &call.bytes()),
                };
                let (fate, expected) = (answer.as_ref().map(fate), configuration.fate(kind));
                let arrived = pack.requests().len() - before;
                if fate != Some(expected) || arrived != usize::from(expected == Valid) {
                    wrong.push(format!(
                        "{} {}: {}: {fate:?} and not {expected:?}; {arrived} arrived\n{answer:.300?}",
                        self.name, configuration.name, kind.name
                    ));
                }
            }
            // A refusal comes back whole, with the fields that say what is wanted.
            if configuration.most == Valid {
                let refused = exchange(proxy.address, &get(configuration.prefix).bytes());
                assert_eq!((refused.status, refused.code().as_str()), (401, "unauthenticated"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

fn gateway(pack: &PackServer, alice: &Person) -> Program {
    let (upstream, trust) = (pack.url(), alice.trust("alice"));
    let names =
        ["--authority", AUTHORITY, "--authority", WITH_PORT, "--auth-required", "--max-body", "4194304"];
    Program::serve(&[&["--upstream", &upstream, "--trust", &trust], &names[..]].concat())
}

fn fate(answer: &Answer) -> Fate {
    match answer.header("content-type") {
        Some("application/problem+json") if answer.json()["code"].is_string() => {
            let code: &'static str = answer.code().leak();
            Refused(answer.status, code)
        }
        _ if answer.status == 200 && answer.body.contains("hello") => Valid,
        _ => Status(answer.status),
    }
}

/// Sends a call; there is no answer where the connection was closed on it.
fn send(address: SocketAddr, bytes: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let _ = stream.write_all(bytes);
    read_answer(&mut BufReader::new(stream))
}

/// The same over HTTP/2, by a client that knows that the server speaks it.
fn curl(address: SocketAddr, call: &Http) -> Option<Answer> {
    let mut curl = Command::new("curl");
    curl.args([
        "--silent",
        "--show-error",
        "--max-time",
        "30",
        "--include",
        "--http2-prior-knowledge",
        "--path-as-is",
        "--globoff",
    ]);
    curl.args(["--connect-to", &format!("::{address}"), "--request", &call.method, "--data-binary"]);
    curl.arg(String::from_utf8(call.body.clone().unwrap()).unwrap());
    for (name, value) in call.headers.iter().filter(|(name, _)| name != "Host" && name != "Content-Length") {
        curl.args(["--header", &format!("{name}: {value}")]);
    }
    curl.arg(format!("http://{}{}", call.value("Host"), call.target));
    let output = curl.stderr(Stdio::inherit()).output().expect("CURL IS NOT INSTALLED: apt-get install curl");
    let text = String::from_utf8(output.stdout).unwrap();
    let (head, body) = text.split_once("\r\n\r\n")?;
    assert!(head.starts_with("HTTP/2 "), "{head}");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Some(Answer { status, head: head.to_owned(), body: body.to_owned() })
}

#[test]
fn nginx() {
    NGINX.check();
}

#[test]
fn haproxy() {
    HAPROXY.check();
}

#[test]
fn caddy() {
    CADDY.check();
}

/// Behind the proxies of README nobody has the address that they say they have.
#[test]
fn what_a_client_says_of_its_address_is_not_believed() {
    let (pack, alice, data) = (PackServer::start(), Person::new("alice"), tempfile::tempdir().unwrap());
    let gateway = support::audit::start(&pack, &alice, data.path(), &["--authority", AUTHORITY]);
    let call = || sign(&alice, get("")).header("X-Forwarded-For", "192.0.2.1").bytes();
    assert_eq!(exchange(gateway.address, &call()).status, 200);
    for product in [NGINX, HAPROXY, CADDY] {
        let proxy = product.start(&product.lines(&product.configurations[0]), gateway.address);
        assert_eq!(exchange(proxy.address, &call()).status, 200, "{}", product.name);
    }
    let peers: Vec<_> = support::audit::receipts(data.path())
        .iter()
        .map(|receipt| receipt["peer"].as_str().unwrap().to_owned())
        .collect();
    // This machine is a proxy that is believed.
    assert_eq!(peers, ["192.0.2.1", "127.0.0.1", "127.0.0.1", "127.0.0.1"]);
}

/// A proxy that sends a call again when its first try failed makes it a copy.
#[test]
fn a_call_that_the_proxy_sends_again_is_a_replay() {
    let pack = PackServer::answering(|_, stream| {
        let _ = stream.shutdown(std::net::Shutdown::Both);
    });
    let alice = Person::new("alice");
    let gateway = gateway(&pack, &alice);
    let again = "large_client_header_buffers 4 16k;\nlocation / {\nproxy_set_header Host $http_host;\n\
                 proxy_next_upstream error timeout http_502;\nproxy_pass http://gateways;\n}";
    let proxy = Proxy::start(NGINX.program, NGINX.arguments, |[address, _], directory| {
        let servers = format!("server {};\n", gateway.address).repeat(2);
        proxy::nginx(
            &format!("upstream gateways {{\n{servers}}}\nserver {{\nlisten {address};\n{again}\n}}\n"),
            directory,
        )
    });
    let answer = exchange(proxy.address, &sign(&alice, get("")).bytes());
    assert_eq!((answer.status, answer.code().as_str()), (401, "replayed"));
    let once = NGINX.start(
        "location / { proxy_set_header Host $http_host; proxy_pass http://127.0.0.1:7998; }",
        gateway.address,
    );
    assert_eq!(exchange(once.address, &sign(&alice, get("")).bytes()).status, 502);
}

/// The table of README is this list.
#[test]
fn the_readme_says_what_comes_of_it() {
    let mut wanted = vec!["| call | what it is |".to_owned(), "|---|---|".to_owned()];
    wanted.extend(KINDS.iter().map(|kind| format!("| {} | {} |", kind.name, kind.what)));
    let mut rows =
        vec!["| proxy | configuration | valid | broken |".to_owned(), "|---|---|---|---|".to_owned()];
    for product in [NGINX, HAPROXY, CADDY] {
        rows.extend(product.configurations.iter().map(|configuration| configuration.row(product.name)));
    }
    for table in [wanted, rows] {
        let table = table.join("\n");
        assert!(section().contains(&format!("\n\n{table}\n\n")), "README should have\n\n{table}\n");
    }
}
