//! A verifier that cannot ask another one goes by the list that it has signed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use envelope_core::{RevocationList, Timestamp, TrustList};
use serde_json::json;
use support::admin::{AUTHORITY, TARGET, revoke, start, state, succession, thumbprint};
use support::{Http, PackServer, Person, Program, key, now};

struct Setting {
    pack: PackServer,
    directory: tempfile::TempDir,
    online: Program,
    issuer: String,
}

impl Setting {
    /// A verifier that knows alice, bob and carol by its configuration, and has revoked mallory there.
    fn new() -> Self {
        let (pack, directory) = (PackServer::start(), tempfile::tempdir().unwrap());
        let config = directory.path().join("online.toml");
        std::fs::write(&config, format!("revoked = [\"{}\"]", thumbprint("mallory"))).unwrap();
        let mut args = vec!["--config".to_owned(), config.display().to_string()];
        for name in ["alice", "bob", "carol"] {
            args.extend(["--trust".into(), Person::new(name).trust(name)]);
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let online = start(&pack, &directory.path().join("store.sqlite"), &args);
        let described = online.send(&Http::new("GET", "/.well-known/envelope", AUTHORITY)).json();
        Self { pack, directory, online, issuer: described["issuer_key"].to_string() }
    }

    fn list(&self) -> PathBuf {
        self.directory.path().join("revocations.json")
    }

    fn export(&self) -> String {
        let answer = self.online.send(&Person::new("root").request("GET", "/api/keys/revocations", None));
        assert_eq!(answer.header("content-type"), Some("application/jose+json"));
        assert_eq!(answer.status, 200);
        answer.body
    }

    fn put(&self, list: &str) {
        let temporary = self.directory.path().join("revocations.tmp");
        std::fs::write(&temporary, list).unwrap();
        std::fs::rename(temporary, self.list()).unwrap();
    }

    fn offline(&self, more: &[&str]) -> Program {
        let upstream = self.pack.url();
        let list = self.list();
        let mut args = vec!["--upstream", &upstream, "--authority", AUTHORITY, "--auth-required"];
        args.extend(["--revocations", list.to_str().unwrap(), "--revocations-key", &self.issuer]);
        let names: Vec<String> =
            ["alice", "bob", "carol", "mallory"].iter().map(|name| Person::new(name).trust(name)).collect();
        args.extend(names.iter().flat_map(|name| ["--trust", name]));
        args.extend(more);
        Program::serve(&args)
    }
}

#[test]
fn what_the_list_says_holds_and_newer_lists_are_taken() {
    let s = Setting::new();
    let before = s.export();
    s.put(&before);
    let offline = s.offline(&[]);
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(Person::new);
    assert_eq!(Person::new("mallory").calls(&offline), "revoked", "revoked by configuration there");
    for person in [&alice, &bob, &carol] {
        assert_eq!(person.calls(&offline), "200");
    }
    std::thread::sleep(Duration::from_secs(1));
    revoke(&s.online, &json!({"key": thumbprint("alice")}));
    revoke(&s.online, &json!({"key": thumbprint("bob"), "jti": "test"}));
    assert_eq!(state(&s.online, &succession(&key("carol"), &key("carol 2"), now(), 1)).status, 200);
    let after = s.export();
    s.put(&after);
    assert!(offline.logs("revocation list taken"));
    let carol_2 = Person::new("carol 2");
    std::thread::sleep(Duration::from_secs(1));
    let holds = || {
        assert_eq!(alice.calls(&offline), "revoked");
        assert_eq!(bob.calls(&offline), "revoked");
        assert_eq!(carol.calls(&offline), "certificate-expired", "the rotation's end");
        assert_eq!(carol_2.calls(&offline), "bad-signature", "a list makes nobody known");
    };
    holds();

    s.put(&before);
    assert!(offline.logs("older than the one before: not taken"));
    holds();
    let nothing = RevocationList::of(Timestamp::from_unix(now()), TrustList::new().iter(), []);
    s.put(&nothing.sign(&key("forger")).unwrap());
    assert!(offline.logs("the revocation list cannot be taken error=unknown-key"));
    holds();
    s.put(&after.replace("\"signature\":\"", "\"signature\":\"AA"));
    assert!(offline.logs("cannot be taken error=malformed"));
    std::fs::remove_file(s.list()).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    holds();
}

#[test]
fn a_list_that_is_too_old_lets_nothing_signed_pass() {
    let s = Setting::new();
    s.put(&s.export());
    let offline = s.offline(&["--revocations-max-age", "2"]);
    let alice = Person::new("alice");
    assert_eq!(alice.calls(&offline), "200");
    std::thread::sleep(Duration::from_secs(4));
    let refused = offline.send(&alice.post(AUTHORITY, TARGET, "{}"));
    assert_eq!((refused.status, refused.code().as_str()), (503, "revocation-stale"));
    s.put(&s.export());
    assert!(offline.logs("revocation list taken"));
    assert_eq!(alice.calls(&offline), "200");
}

#[test]
fn a_verifier_does_not_start_without_the_list_that_it_is_told_of() {
    let directory = tempfile::tempdir().unwrap();
    let list = directory.path().join("list");
    let error = |list: &Path, key: &str, more: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_envelope-verifier"))
            .args(["serve", "--listen", "127.0.0.1:0", "--revocations"])
            .arg(list)
            .args(["--revocations-key", key])
            .args(more)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    let issuer = key("issuer");
    let by = thumbprint("issuer");
    assert!(error(&list, &by, &[]).contains("No such file"));
    std::fs::write(&list, "{}").unwrap();
    assert!(error(&list, &by, &[]).contains("malformed"));
    let signed = RevocationList::of(Timestamp::from_unix(now()), TrustList::new().iter(), []).sign(&issuer);
    std::fs::write(&list, signed.unwrap()).unwrap();
    assert!(error(&list, &thumbprint("other"), &[]).contains("unknown-key"));
    assert!(error(&list, "nonsense", &[]).contains("the key of the revocation list"));
    assert!(error(&list, &by, &["--admin", "root"]).contains("no store of keys"));
}
