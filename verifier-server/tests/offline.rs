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
use support::admin::{
    AUTHORITY, TARGET, admin, refused, register, revoke, start, state, succession, thumbprint,
};
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

/// A list by a key of this test, from `issued` on, that revokes `labels`.
fn list(issued: u64, labels: &[&str]) -> String {
    let mut trust = TrustList::new();
    labels.iter().for_each(|label| trust.revoke(key(label).verifying_key().thumbprint()));
    RevocationList::of(Timestamp::from_unix(issued), trust.iter(), []).sign(&key("issuer")).unwrap()
}

#[test]
fn the_rules_of_a_store_look_at_the_list_too() {
    let (pack, directory) = (PackServer::start(), tempfile::tempdir().unwrap());
    let (store, file) = (directory.path().join("store.sqlite"), directory.path().join("list"));
    std::fs::write(&file, list(now(), &["alice", "bob", "nobody"])).unwrap();
    let (file, issuer) = (file.to_str().unwrap(), thumbprint("issuer"));
    let offline = ["--revocations", file, "--revocations-key", &issuer];
    let bob = Person::new("bob").trust("bob");
    let both = |more: &[&str]| start(&pack, &store, &[&["--trust", &bob], more].concat());
    register(&both(&[]), "alice", "alice");
    let verifier = both(&offline);
    for name in ["alice", "bob"] {
        assert_eq!(Person::new(name).calls(&verifier), "revoked");
        let next = format!("{name} 2");
        assert_eq!(state(&verifier, &succession(&key(name), &key(&next), now(), 0)).code(), "revoked");
        assert_eq!(Person::new(&next).calls(&verifier), "bad-signature");
    }
    register(&verifier, "carol", "carol");
    assert_eq!(state(&verifier, &succession(&key("carol"), &key("nobody"), now(), 0)).code(), "revoked");
    let registration = json!({"identity": "x", "key": thumbprint("nobody")});
    assert_eq!(refused(&verifier, "/api/keys", &registration), "revoked");
    let shown = admin(&verifier, "GET", "/api/identities", None)["identities"].clone();
    for name in ["alice", "bob"] {
        let of = shown.as_array().unwrap().iter().find(|identity| identity["identity"] == name).unwrap();
        assert_eq!(of["keys"][0]["revoked"], true, "{name}");
    }
}

#[test]
fn of_two_lists_of_one_second_both_hold() {
    let s = Setting::new();
    let issued = now();
    s.put(&list(issued, &["alice"]));
    let issuer = thumbprint("issuer");
    let s = Setting { issuer, ..s };
    let offline = s.offline(&[]);
    let calls = |name: &str| Person::new(name).calls(&offline);
    assert_eq!((calls("alice"), calls("bob")), ("revoked".into(), "200".into()));
    s.put(&list(issued, &["bob"]));
    assert!(offline.logs("revocation list taken"));
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!((calls("alice"), calls("bob")), ("revoked".into(), "revoked".into()));
    s.put(&list(issued + 1, &["bob"]));
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!((calls("alice"), calls("bob")), ("200".into(), "revoked".into()), "a newer one stands alone");
}

#[test]
fn a_list_is_a_file_of_a_length_that_a_list_can_have() {
    let s = Setting::new();
    s.put(&s.export());
    let offline = s.offline(&[]);
    std::fs::remove_file(s.list()).unwrap();
    assert!(Command::new("mkfifo").arg(s.list()).status().unwrap().success());
    assert!(offline.logs("cannot be taken error=it is not a file"));
    std::fs::remove_file(s.list()).unwrap();
    std::fs::write(s.list(), vec![b' '; (16 << 20) + 1]).unwrap();
    assert!(offline.logs("cannot be taken error=it is longer than 16 MiB"));
    assert_eq!(Person::new("alice").calls(&offline), "200");
}

#[test]
fn with_a_list_that_is_too_old_no_statement_is_taken_either() {
    let (pack, directory) = (PackServer::start(), tempfile::tempdir().unwrap());
    let (store, file) = (directory.path().join("store.sqlite"), directory.path().join("list"));
    register(&start(&pack, &store, &[]), "alice", "alice");
    std::fs::write(&file, list(now() - 100, &[])).unwrap();
    let issuer = thumbprint("issuer");
    let file = file.to_str().unwrap();
    let more = ["--revocations", file, "--revocations-key", &issuer, "--revocations-max-age", "50"];
    let verifier = start(&pack, &store, &more);
    let answer = state(&verifier, &succession(&key("alice"), &key("alice 2"), now(), 0));
    assert_eq!((answer.status, answer.code().as_str()), (503, "revocation-stale"));
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
