//! TLS at the listener, with real OpenSSL and curl at the other end.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use support::people::User;
use support::{Http, PackServer, Person, Program, exchange};

const TARGET: &str = "/api/pack/p1/agent";

/// An authority of our own, and what it certifies.
struct Authority(tempfile::TempDir);

impl Authority {
    fn new() -> Self {
        let authority = Self(tempfile::tempdir().unwrap());
        let new =
            ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
        authority.openssl(
            &[&new, ["-subj", "/CN=test authority", "-keyout", "ca.key", "-out", "ca.pem"].as_slice()]
                .concat(),
        );
        authority
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn openssl(&self, arguments: &[&str]) {
        let output = Command::new("openssl").args(arguments).current_dir(self.0.path()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// `NAME.pem` and `NAME.key`, for localhost and 127.0.0.1; `kind` is what OpenSSL calls the key.
    fn certify(&self, name: &str, kind: &[&str]) {
        let (key, request, pem) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.pem"));
        self.openssl(&[&["genpkey", "-out", &key], kind].concat());
        let subject = format!("/CN={name}");
        self.openssl(&["req", "-new", "-key", &key, "-subj", &subject, "-out", &request]);
        fs::write(self.path("ext"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n").unwrap();
        let sign = ["x509", "-req", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2", "-extfile", "ext"];
        self.openssl(&[&sign, ["-in", &request, "-out", &pem].as_slice()].concat());
    }

    fn certify_ec(&self, name: &str) {
        self.certify(name, &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    }
}

fn arguments(pack: &PackServer, cert: &Path, key: &Path) -> Vec<String> {
    let file = |path: &Path| path.display().to_string();
    ["--upstream", &pack.url(), "--tls-cert", &file(cert), "--tls-key", &file(key)]
        .map(str::to_owned)
        .to_vec()
}

fn start(pack: &PackServer, cert: &Path, key: &Path, more: &[&str]) -> Program {
    let arguments = arguments(pack, cert, key);
    Program::serve(&arguments.iter().map(String::as_str).chain(more.iter().copied()).collect::<Vec<_>>())
}

/// The subject that a new connection is shown.
fn shown(verifier: &Program, more: &[&str]) -> Result<String, String> {
    let address = verifier.address.to_string();
    let mut client = Command::new("openssl");
    client.args(["s_client", "-connect", &address, "-alpn", "h2,http/1.1", "-brief"]).args(more);
    let output = client.stdin(Stdio::null()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(told) } else { Err(told) }
}

fn curl(verifier: &Program, authority: &Authority, path: &str, more: &[&str]) -> Output {
    let url = format!("https://localhost:{}{path}", verifier.address.port());
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--cacert", authority.path("ca.pem").to_str().unwrap()]).args(more).arg(url);
    curl.output().unwrap()
}

#[test]
fn curl_and_openssl_speak_to_it() {
    let (pack, authority) = (PackServer::start(), Authority::new());
    let kinds: [(&str, &[&str]); 3] = [
        ("ec", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
        ("ed25519", &["-algorithm", "ed25519"]),
        ("rsa", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]),
    ];
    for (name, kind) in kinds {
        authority.certify(name, kind);
        let (cert, key) = (authority.path(&format!("{name}.pem")), authority.path(&format!("{name}.key")));
        let verifier = start(&pack, &cert, &key, &[]);
        let output = curl(&verifier, &authority, "/api/pack/p1/x", &["-H", "X-Forwarded-Proto: http"]);
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(told.contains("from the pack"), "{name}: {told}{}", String::from_utf8_lossy(&output.stderr));
        for (version, expected) in [("-tls1_3", "TLSv1.3"), ("-tls1_2", "TLSv1.2")] {
            let told = shown(&verifier, &[version]).unwrap();
            assert!(told.contains(expected) && told.contains(&format!("CN = {name}")), "{told}");
        }
        assert!(shown(&verifier, &["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"]).is_err());
    }
    let told = pack.requests().concat().to_ascii_lowercase();
    assert_eq!(told.matches("x-forwarded-proto: https\r\n").count(), 0, "a trusted proxy says what it was");
}

#[test]
fn what_is_spoken_is_http_1_1_and_the_upstream_hears_of_tls() {
    let (pack, authority) = (PackServer::start(), Authority::new());
    authority.certify_ec("one");
    let verifier = start(&pack, &authority.path("one.pem"), &authority.path("one.key"), &[]);
    let output = curl(&verifier, &authority, "/api/pack/p1/x", &["--http2", "-w", "%{http_version}"]);
    assert!(String::from_utf8_lossy(&output.stdout).ends_with("1.1"));
    assert!(pack.requests()[0].to_ascii_lowercase().contains("x-forwarded-proto: https\r\n"));
    let output = curl(&verifier, &authority, "/.well-known/envelope", &[]);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["issuer"], format!("https://{}", verifier.address));
    // Who does not trust the authority does not go on.
    assert!(
        !Command::new("curl")
            .args(["-s", &format!("https://{}/", verifier.address)])
            .status()
            .unwrap()
            .success()
    );
}

/// The command, with an authority that it is told of as programs are on this system.
#[test]
fn the_command_calls_through_it() {
    let (pack, authority, alice) = (PackServer::start(), Authority::new(), User::new());
    authority.certify_ec("one");
    let trust = format!("alice={}", alice.say(&["keygen"]));
    let more = ["--auth-required", "--trust", &trust];
    let verifier = start(&pack, &authority.path("one.pem"), &authority.path("one.key"), &more);
    let url = format!("https://{}{TARGET}", verifier.address);
    let call = |with: Option<&Path>| {
        let mut command = alice.command(&["call", "POST", &url, "--body", "-"]);
        command.env("SSL_CERT_FILE", with.unwrap_or(Path::new("/dev/null"))).stdin(Stdio::null());
        command.output().unwrap()
    };
    let output = call(Some(&authority.path("ca.pem")));
    assert_eq!(String::from_utf8_lossy(&output.stdout), r#"{"hello":"from the pack"}"#, "{output:?}");
    assert_eq!(call(None).status.code(), Some(2), "nobody vouches for the server");
    assert_eq!(pack.requests().len(), 1);
}

#[test]
fn what_is_no_pair_does_not_start() {
    let (pack, authority) = (PackServer::start(), Authority::new());
    for name in ["one", "two"] {
        authority.certify_ec(name);
    }
    authority.openssl(&["pkey", "-in", "one.key", "-aes256", "-passout", "pass:x", "-out", "locked.key"]);
    let path = |name: &str| authority.path(name);
    let refused = |arguments: &[String]| {
        let output = Command::new(env!("CARGO_BIN_EXE_envelope-verifier"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    for (cert, key, told) in [
        (path("one.pem"), path("two.key"), "two.key: it is not the key of "),
        (path("one.key"), path("one.key"), "one.key: there is no certificate in it"),
        (path("one.pem"), path("one.pem"), "one.pem: there is no private key in it that is not encrypted"),
        (
            path("one.pem"),
            path("locked.key"),
            "locked.key: there is no private key in it that is not encrypted",
        ),
        (path("none.pem"), path("one.key"), "none.pem: No such file"),
        (path("one.pem"), path("none.key"), "none.key: No such file"),
    ] {
        let error = refused(&arguments(&pack, &cert, &key));
        assert!(error.contains(told) && error.contains("envelope-verifier: hint: "), "{told}: {error}");
        assert!(!error.contains("BEGIN") && !error.contains("MIG"), "{error}");
    }
    for (flag, file, told) in [
        ("--tls-cert", "one.pem", "there is a --tls-cert, and no key for it"),
        ("--tls-key", "one.key", "there is a --tls-key, and no certificate for it"),
    ] {
        let error = refused(&[flag.to_owned(), path(file).display().to_string()]);
        assert!(
            error.contains(told) && error.contains("hint: write --tls-cert FILE --tls-key FILE"),
            "{error}"
        );
    }
}

/// Waits until new connections see this certificate.
fn becomes(verifier: &Program, name: &str) -> bool {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(20) {
        if shown(verifier, &[]).is_ok_and(|told| told.contains(&format!("CN = {name}"))) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    false
}

/// Files are replaced one after the other, and as a link that is turned; calls go on all the while.
#[test]
fn a_new_pair_is_shown_and_no_call_notices() {
    let (pack, authority) = (PackServer::start(), Authority::new());
    for name in ["one", "two", "three"] {
        authority.certify_ec(name);
        let directory = authority.path(&format!("{name}.d"));
        fs::create_dir(&directory).unwrap();
        for end in ["pem", "key"] {
            fs::copy(authority.path(&format!("{name}.{end}")), directory.join(format!("tls.{end}"))).unwrap();
        }
    }
    symlink("one.d", authority.path("current")).unwrap();
    let (cert, key) = (authority.path("current/tls.pem"), authority.path("current/tls.key"));
    let verifier = start(&pack, &cert, &key, &[]);
    let (done, failed, calls) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                let output = curl(&verifier, &authority, "/api/pack/p1/x", &[]);
                calls.fetch_add(1, Ordering::SeqCst);
                if !String::from_utf8_lossy(&output.stdout).contains("from the pack") {
                    failed.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        assert!(becomes(&verifier, "one"));
        // A link that is turned, as certbot and Kubernetes do it.
        symlink("two.d", authority.path("next")).unwrap();
        fs::rename(authority.path("next"), authority.path("current")).unwrap();
        assert!(becomes(&verifier, "two"));
        // One file, then the other; in between they are no pair.
        let replace = |from: &str, to: &Path| {
            fs::copy(authority.path(from), authority.path("new")).unwrap();
            fs::rename(authority.path("new"), to).unwrap();
        };
        replace("three.pem", &cert);
        assert!(verifier.logs("the certificate before is still shown"));
        assert!(shown(&verifier, &[]).unwrap().contains("CN = two"));
        replace("three.key", &key);
        assert!(becomes(&verifier, "three"));
        // Broken, and gone: the one that was there goes on.
        fs::write(&cert, "-----BEGIN CERTIFICATE-----\nbroken").unwrap();
        assert!(verifier.logs("there is no certificate in it"));
        fs::remove_file(&cert).unwrap();
        assert!(verifier.logs("No such file"));
        std::thread::sleep(Duration::from_secs(3));
        assert!(shown(&verifier, &[]).unwrap().contains("CN = three"));
        let said = verifier.log().matches("No such file").count();
        assert_eq!(said, 1, "once is enough");
        done.store(true, Ordering::SeqCst);
    });
    assert_eq!(failed.load(Ordering::SeqCst), 0);
    assert!(calls.load(Ordering::SeqCst) > 10);
}

#[test]
fn a_key_that_everybody_can_read_is_told() {
    use std::os::unix::fs::PermissionsExt;
    let (pack, authority) = (PackServer::start(), Authority::new());
    authority.certify_ec("one");
    let key = authority.path("one.key");
    for (mode, told) in [(0o644, true), (0o640, false)] {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        let verifier = start(&pack, &authority.path("one.pem"), &key, &[]);
        assert!(shown(&verifier, &[]).is_ok());
        assert_eq!(verifier.log().contains("everybody on this machine can read the key"), told, "{mode:o}");
    }
}

/// Whoever stops in the middle is let go, and nobody waits for them.
#[test]
fn half_a_handshake_holds_nobody_up() {
    let (pack, authority) = (PackServer::start(), Authority::new());
    authority.certify_ec("one");
    let more = ["--head-timeout", "2"];
    let verifier = start(&pack, &authority.path("one.pem"), &authority.path("one.key"), &more);
    // The beginning of a ClientHello, and nothing.
    let begin: Vec<TcpStream> = (0..50)
        .map(|number| {
            let mut stream = TcpStream::connect(verifier.address).unwrap();
            if number % 2 == 0 {
                stream.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]).unwrap();
            }
            stream
        })
        .collect();
    let output = curl(&verifier, &authority, "/api/pack/p1/x", &[]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("from the pack"));
    for mut stream in begin {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    }
    // HTTP without TLS is not answered as if it had it.
    let mut plain = TcpStream::connect(verifier.address).unwrap();
    plain.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    plain.write_all(&Http::new("GET", "/health", &verifier.authority()).bytes()).unwrap();
    let mut told = Vec::new();
    let _ = plain.read_to_end(&mut told);
    assert!(!told.starts_with(b"HTTP"), "{told:?}");
}

/// Limits hold for connections with TLS as for others.
#[test]
fn who_is_over_the_limit_hears_it_through_tls() {
    let (pack, authority) = (PackServer::start(), Authority::new());
    authority.certify_ec("one");
    let more = ["--client-connections", "1", "--trusted-proxy", "127.0.0.9"];
    let verifier = start(&pack, &authority.path("one.pem"), &authority.path("one.key"), &more);
    let _held = TcpStream::connect(verifier.address).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let output = curl(&verifier, &authority, "/health", &["-w", " %{http_code}"]);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("too-many-requests") && told.ends_with(" 429"), "{told}");
}

/// Without the flags nothing is different.
#[test]
fn without_a_certificate_it_speaks_http() {
    let (pack, alice) = (PackServer::start(), Person::new("alice"));
    let verifier = Program::serve(&["--upstream", &pack.url(), "--trust", &alice.trust("alice")]);
    let answer = exchange(verifier.address, &alice.post(&verifier.authority(), TARGET, "{}").bytes());
    assert_eq!(answer.status, 200);
    assert!(pack.requests()[0].to_ascii_lowercase().contains("x-forwarded-proto: http\r\n"));
    assert!(shown(&verifier, &[]).is_err());
}
