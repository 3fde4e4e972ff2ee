//! Both programs and real curl, as a person at a shell uses them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use std::path::Path;
use std::process::{Command, Output};

use support::{PackServer, Program, programs};

/// A shell in a directory of its own, with both programs in its path.
struct Shell {
    home: tempfile::TempDir,
}

impl Shell {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    fn run(&self, script: &str) -> Output {
        let path = format!("{}:{}", programs().display(), std::env::var("PATH").unwrap());
        Command::new("bash")
            .args(["-euo", "pipefail", "-c", script])
            .current_dir(self.home.path())
            .env("PATH", path)
            .env("ENVELOPE_HOME", self.home.path().join("home"))
            .output()
            .unwrap()
    }

    fn text(&self, script: &str) -> String {
        let output = self.run(script);
        assert!(output.status.success(), "{script}\n{output:?}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    fn file(&self, name: &str, text: &str) {
        std::fs::write(self.home.path().join(name), text).unwrap();
    }
}

fn start(pack: &PackServer, keyid: &str) -> Program {
    let (upstream, trust) = (pack.url(), format!("alice={keyid}"));
    Program::serve(&["--upstream", &upstream, "--trust", &trust, "--auth-required"])
}

#[test]
fn curl_with_the_fields_of_envelope_sign() {
    for algorithm in ["ed25519", "p256"] {
        let (pack, shell) = (PackServer::start(), Shell::new());
        let keyid = shell.text(&format!("envelope keygen --alg {algorithm}"));
        let verifier = start(&pack, &keyid);
        let url = format!("http://{}/api/pack/p1/agent?a=b", verifier.address);
        shell.file("req.json", r#"{"name":"Weather"}"#);

        let sent = shell.text(&format!(
            "curl -sS -w ' %{{http_code}}' -H @<(envelope sign POST '{url}' --body req.json) --data-binary @req.json '{url}'"
        ));
        assert_eq!(sent, r#"{"hello":"from the pack"} 200"#);
        let arrived = pack.requests();
        assert!(arrived[0].starts_with("POST /api/pack/p1/agent?a=b HTTP/1.1\r\n"), "{}", arrived[0]);
        assert!(
            arrived[0].to_ascii_lowercase().contains("\r\nenvelope-identity: alice\r\n"),
            "{}",
            arrived[0]
        );
        assert!(arrived[0].contains("\r\nContent-Type: application/json\r\n"), "{}", arrived[0]);
        assert!(arrived[0].ends_with("\r\n\r\n{\"name\":\"Weather\"}"), "{}", arrived[0]);

        // The same fields twice: saved, and sent with curl once more.
        let twice = shell.text(&format!(
            "envelope sign POST '{url}' --body req.json > fields\n\
             for i in 1 2; do curl -sS -o answer -w '%{{http_code}} ' -H @fields --data-binary @req.json '{url}'; done; cat answer"
        ));
        assert!(twice.starts_with("200 401 ") && twice.contains(r#""code":"replayed""#), "{twice}");

        // A field of the caller's own, GET without a body, the command that envelope writes itself.
        let mine = shell.text(&format!(
            "curl -sS -o /dev/null -w '%{{http_code}}' -H 'Accept: text/plain' -H @<(envelope sign GET '{url}' -H 'Accept: text/plain') '{url}'"
        ));
        assert_eq!(mine, "200");
        let written =
            shell.text(&format!("eval \"$(envelope sign POST '{url}' --body req.json --format curl)\""));
        assert!(written.contains("from the pack"), "{written}");
        assert_eq!(
            shell.text(&format!("envelope call POST '{url}' --body req.json")),
            r#"{"hello":"from the pack"}"#
        );
        assert_eq!(pack.requests().len(), 5);
    }
}

#[test]
fn a_refused_call_exits_1_and_names_the_code() {
    let (pack, shell) = (PackServer::start(), Shell::new());
    shell.text("envelope keygen");
    let verifier = start(&pack, "59CCHWMQhoRB9YwDiOcacjlSDkqOLVMc8mrcHyqu_MY");
    let url = format!("http://{}/api/pack/p1/agent", verifier.address);
    let refused = shell.run(&format!("envelope call GET '{url}'"));
    let told = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(told.contains("envelope: error: bad-signature"), "{told}");
    assert_eq!(pack.requests(), Vec::<String>::new());
}

#[test]
fn a_certificate_carries_no_further_than_it_says() {
    let (pack, shell) = (PackServer::start(), Shell::new());
    let keyid = shell.text("envelope keygen");
    let verifier = start(&pack, &keyid);
    let agent = support::key("an agent process");
    shell.file("agent.jwk", &agent.verifying_key().to_jwk());
    let call = |options: &str, target: &str| {
        let certificate = shell.text(&format!("envelope certify --for agent.jwk {options}"));
        let signer = envelope_core::Signer::certified(&agent, &certificate).unwrap();
        let request = support::Http::new("GET", target, &verifier.authority()).sign(&signer, support::now());
        let answer = verifier.send(&request);
        if answer.status == 200 { "ok".into() } else { answer.code() }
    };
    assert_eq!(call("--ttl 90s", "/api/pack/p1/x"), "ok");
    assert_eq!(call("--aud p1 --aud other.example", "/api/pack/p1/x"), "ok");
    assert_eq!(call("--aud p1", "/api/pack/p2/x"), "audience-mismatch");
    assert_eq!(call(&format!("--aud {}", verifier.authority()), "/api/pack/p2/x"), "ok");
    assert_eq!(call("--scope call --scope deploy", "/api/pack/p1/x"), "ok");
    assert_eq!(call("--scope deploy", "/api/pack/p1/x"), "scope-missing");
}

/// The demonstration, and then the three commands that it prints, as they stand.
#[test]
fn the_demonstration_and_its_three_commands() {
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    let demo = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--profile", profile, "-p", "envelope-verifier", "--example", "demo"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap())
        .output()
        .unwrap();
    let text = String::from_utf8(demo.stdout).unwrap();
    assert!(demo.status.success(), "{text}\n{}", String::from_utf8_lossy(&demo.stderr));
    for code in ["unauthenticated", "replayed", "digest-mismatch", "expired", "bad-signature"] {
        assert!(text.contains(&format!("\"code\":\"{code}\"")), "{code} is missing\n{text}");
    }
    assert_eq!(text.matches(r#"{"answer":"sunny","asked_by":"alice"}"#).count(), 2, "{text}");

    let mut commands: Vec<&str> = text.lines().rev().take(3).collect();
    commands.reverse();
    let _pack = PackServer::start_at("127.0.0.1:8000");
    // The second runs until it is stopped; the third must wait until it listens.
    let wait = "while ! (exec 3<>/dev/tcp/127.0.0.1/7998) 2>/dev/null; do sleep 0.1; done";
    let script =
        format!("trap 'kill $(jobs -p)' EXIT\n{}\n{}\n{wait}\n{}", commands[0], commands[1], commands[2]);
    let home = tempfile::tempdir().unwrap();
    let output = Command::new("timeout")
        .args(["60", "bash", "-euo", "pipefail", "-c", &script])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap())
        .env("ENVELOPE_HOME", home.path())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains(r#"{"hello":"from the pack"}"#), "{said}");
}
