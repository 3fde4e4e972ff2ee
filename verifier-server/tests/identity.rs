//! Option B, and the way from it to signed calls: GitHub's endpoints (a stand-in), a real OpenID provider (npm's `oidc-provider`),
//! the real verifier and the real command.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use support::github::{Behaviour, Github};
use support::oidc_provider::OidcProvider;
use support::people::User;
use support::{Answer, Http, PackServer, Program};

const PACK: &str = "b1946ac9-2a44-4c0b-8f5e-3a1d1e9f6d11";

/// A verifier with a pack behind it, an admin, and an identity provider.
struct Place {
    program: Program,
    pack: PackServer,
    admin: User,
    _data: tempfile::TempDir,
}

impl Place {
    fn start(provider: &[&str]) -> Self {
        let (pack, admin, data) = (PackServer::start(), User::new(), tempfile::tempdir().unwrap());
        let trust = format!("ops={}", admin.say(&["keygen"]));
        let (upstream, directory) = (pack.url(), data.path().display().to_string());
        let args = ["--upstream", &upstream, "--trust", &trust, "--admin", "ops", "--auth-required"];
        let program = Program::serve(&[&args, ["--data-dir", &directory].as_slice(), provider].concat());
        let place = Self { program, pack, admin, _data: data };
        place.admin.say(&["enroll", &place.url()]);
        place
    }

    fn url(&self) -> String {
        format!("http://{}", self.program.address)
    }

    fn register(&self, arguments: &[&str]) {
        self.admin.say(&[&["pack", "register", PACK, "--at", &self.url()], arguments].concat());
    }

    fn get(&self, bearer: &str) -> Answer {
        self.get_from(bearer, "192.0.2.1")
    }

    /// A call through a proxy on this machine, for a client elsewhere.
    fn get_from(&self, bearer: &str, client: &str) -> Answer {
        let call = Http::new("GET", &format!("/api/pack/{PACK}/x"), &self.program.authority());
        let call = call.header("X-Forwarded-For", client);
        self.program.send(&call.header("Authorization", &format!("Bearer {bearer}")))
    }

    fn code(&self, bearer: &str) -> String {
        self.get(bearer).code()
    }
}

fn github() -> (Github, Place) {
    let github = Github::start();
    let url = github.url();
    let place = Place::start(&["--github-api", &url, "--github-web", &url, "--github-client-id", "envelope"]);
    place.register(&[
        "--accept",
        "identity",
        "--allow",
        "alice",
        "--allow",
        "bob@acme",
        "--allow",
        "sales@acme",
    ]);
    github.token("gho_alice", "Alice", &[], &[]);
    github.token("gho_bob", "bob", &["Acme"], &[]);
    github.token("gho_bob2", "bob", &["other"], &[]);
    github.token("gho_carol", "carol", &["acme"], &["Sales@acme"]);
    github.token("gho_dave", "dave", &["acme"], &["support@acme"]);
    (github, place)
}

#[test]
fn a_token_of_the_provider_opens_what_its_user_is_listed_for() {
    let (_github, place) = github();
    for bearer in ["gho_alice", "gho_bob", "gho_carol"] {
        assert_eq!(place.get(bearer).status, 200, "{bearer}");
    }
    for bearer in ["gho_bob2", "gho_dave"] {
        let answer = place.get(bearer);
        assert_eq!((answer.status, answer.code().as_str()), (403, "not-allowed"), "{bearer}");
    }
    let unknown = place.get("gho_unknown");
    assert_eq!((unknown.status, unknown.code().as_str()), (401, "unauthenticated"));
    let arrived = place.pack.requests();
    assert_eq!(arrived.len(), 3, "nothing else reached the pack");
    assert!(arrived[0].contains("envelope-identity: github:alice") && !arrived[0].contains("envelope-keyid"));
    assert!(!arrived.concat().contains("gho_") && !place.program.log().contains("gho_"));
}

#[test]
fn a_name_that_somebody_has_here_is_nobody_elses() {
    let (_github, place) = github();
    assert_eq!(place.get("gho_alice").status, 200);
    let ticket = place.admin.say(&["ticket", "alice", "--at", &place.url()]);
    User::new().say(&["enroll", &place.url(), "--token", &ticket]);
    assert_eq!(place.code("gho_alice"), "not-allowed");
    assert_eq!(place.get("gho_bob").status, 200, "bob@acme says which bob");
}

#[test]
fn while_the_provider_is_down_what_is_known_counts_and_nothing_else() {
    let (github, place) = github();
    assert_eq!(place.get("gho_alice").status, 200);
    for trouble in [Behaviour::Down, Behaviour::Status(500), Behaviour::RateLimited, Behaviour::Malformed] {
        github.behave(trouble.clone());
        assert_eq!(place.get("gho_alice").status, 200, "{trouble:?}");
        let bob = place.get("gho_bob");
        assert_eq!((bob.status, bob.code().as_str()), (503, "provider-unavailable"), "{trouble:?}");
        assert!(bob.header("retry-after").is_some());
    }
    github.behave(Behaviour::Ok);
    assert_eq!(place.get("gho_bob").status, 200, "nothing of the trouble was kept");
}

#[test]
fn who_guesses_waits_and_nobody_else() {
    let (_github, place) = github();
    assert_eq!(place.get("gho_alice").status, 200);
    let codes: Vec<u16> = (0..32).map(|number| place.get(&format!("gho_guess{number}")).status).collect();
    assert_eq!(codes, [vec![401; 30], vec![429; 2]].concat());
    let waits = place.get("gho_guess");
    assert_eq!((waits.code().as_str(), waits.header("retry-after")), ("too-many-attempts", Some("60")));
    assert_eq!(place.get("gho_alice").status, 200, "a good one that is known is no guess");
    assert_eq!(place.get_from("gho_bob", "192.0.2.2").status, 200, "nor is anything from elsewhere");
    assert_eq!(place.get_from("gho_no", "192.0.2.2").status, 401);
}

/// Runs `envelope login` up to where it says what to do; gives the last line of that: the code is at its end, or the URL to open.
fn begin(user: &User, url: &str, lines: usize) -> (Child, BufReader<std::process::ChildStderr>, String) {
    let mut command = user.command(&["login", url]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    for _ in 0..lines {
        line.clear();
        told.read_line(&mut line).unwrap();
    }
    let last = line.trim_end().rsplit(' ').next().unwrap().to_owned();
    (child, told, last)
}

fn end(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[test]
fn a_login_at_github_turns_into_signed_calls_that_ask_nobody() {
    let (github, place) = github();
    let alice = User::new();
    let (child, _told, code) = begin(&alice, &place.url(), 1);
    github.approve(&code, "gho_alice");
    assert_eq!(end(child), "github:alice");

    // From now on nobody is asked: the provider may as well be away.
    github.behave(Behaviour::Down);
    let call = ["call", "GET", &format!("{}/api/pack/{PACK}/x", place.url())];
    assert_eq!(alice.say(&call), r#"{"hello":"from the pack"}"#);
    let arrived = place.pack.requests();
    let last = arrived.last().unwrap();
    assert!(last.contains("envelope-identity: github:alice") && last.contains("envelope-keyid: "), "{last}");
    assert!(last.contains("sig=jwt;jwt=") && !last.contains("gho_"), "{last}");

    // Off the list, and out at the next call; on it, and in again.
    place.admin.say(&["pack", "deny", PACK, "alice"]);
    let (status, told) = alice.fail(&call);
    assert!(status == 1 && told.contains("not-allowed"), "{told}");
    place.admin.say(&["pack", "allow", PACK, "alice"]);
    assert_eq!(alice.say(&call), r#"{"hello":"from the pack"}"#);

    // Without a list nobody is taken off it, and the command that makes one takes the place of what there was.
    place.admin.say(&["pack", "set", PACK, "--allow", "*"]);
    let (_, told) = place.admin.fail(&["pack", "deny", PACK, "alice"]);
    assert!(told.contains("there is no list to change"), "{told}");
    let shown = place.admin.say(&["pack", "set", PACK, "--accept", "signed", "--allow", "bob,carol"]);
    assert!(shown.contains("bob carol") && shown.contains("signed"), "{shown}");
    assert!(alice.fail(&call).1.contains("not-allowed"));
    place.admin.say(&["pack", "set", PACK, "--accept", "identity", "--allow", "alice"]);
    assert_eq!(alice.say(&call), r#"{"hello":"from the pack"}"#);
    assert!(place.admin.fail(&["pack", "set", PACK]).1.contains("nothing is said of how"));

    // An admin takes the call key back.
    let keyid = last.split_once("envelope-keyid: ").unwrap().1.lines().next().unwrap().to_owned();
    place.admin.say(&["revoke", "--key", &keyid, "--at", &place.url()]);
    let (_, told) = alice.fail(&call);
    assert!(told.contains("revoked"), "{told}");
    assert!(!place.program.log().contains("gho_"));
}

#[test]
fn who_is_on_no_list_may_log_in_and_call_nothing() {
    let (github, place) = github();
    let dave = User::new();
    let (child, _told, code) = begin(&dave, &place.url(), 1);
    github.approve(&code, "gho_dave");
    assert_eq!(end(child), "github:dave");
    for target in [format!("/api/pack/{PACK}/x"), "/api/pack/unlisted/x".into()] {
        let (_, told) = dave.fail(&["call", "GET", &format!("{}{target}", place.url())]);
        assert!(told.contains("not-allowed"), "{target}: {told}");
    }
    for own in ["/api/keys", "/api/identities"] {
        let (_, told) = dave.fail(&["call", "GET", &format!("{}{own}", place.url())]);
        assert!(told.contains("not-allowed"), "{own}: {told}");
    }
    assert_eq!(place.pack.requests().len(), 0);
}

#[test]
fn somebody_logs_in_at_a_real_openid_provider() {
    let provider = OidcProvider::start();
    let place = Place::start(&[
        "--oidc-issuer",
        &provider.issuer,
        "--oidc-client-id",
        "envelope",
        "--oidc-scope",
        "openid offline_access",
    ]);
    place.register(&["--accept", "identity", "--allow", "sales@acme"]);
    let alice = User::new();
    let (child, _told, page) = begin(&alice, &place.url(), 2);
    provider.approve(&page, "alice");
    assert_eq!(end(child), "oidc:alice");
    let call = ["call", "GET", &format!("{}/api/pack/{PACK}/x", place.url())];
    assert_eq!(alice.say(&call), r#"{"hello":"from the pack"}"#);
    assert!(place.pack.requests()[0].contains("envelope-identity: oidc:alice"));
    place.admin.say(&["pack", "deny", PACK, "sales@acme"]);
    let (_, told) = alice.fail(&call);
    assert!(told.contains("not-allowed"), "{told}");
}
