//! Keys in the keyring of the desktop: GNOME Keyring, on a bus of its own.
#![cfg(feature = "keyring")]

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use envelope_core::Thumbprint;

use crate::outside::{Home, Running, done, failed, judge, stderr, succeeded, thumbprint};

/// Runs one of the tests below in a session with nothing in it.
fn in_a_session(test: &str) {
    let home = Home::new();
    home.put("run/.keep", "");
    let mut command = home.program("dbus-run-session");
    command.arg("--").arg(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("keyring::{test}"), "--include-ignored", "--nocapture"]);
    command.env("HOME", home.path("")).env("XDG_DATA_HOME", home.path("data"));
    command.env("XDG_RUNTIME_DIR", home.path("run")).env("XDG_CACHE_HOME", home.path("cache"));
    let output = command.output().expect("dbus-run-session IS MISSING");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}{}", stderr(&output));
}

/// The keyring, unlocked.
fn unlocked() -> Running {
    let mut command = Command::new("gnome-keyring-daemon");
    command.args(["--foreground", "--unlock", "--components=secrets"]);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut child = child.expect("gnome-keyring-daemon IS MISSING");
    child.stdin.take().unwrap().write_all(b"password of the session").unwrap();
    let start = Instant::now();
    while !succeeded(&mut dbus("org.freedesktop.DBus", "/", "org.freedesktop.DBus.ListNames"))
        .contains("org.freedesktop.secrets")
    {
        assert!(start.elapsed() < Duration::from_secs(10), "GNOME Keyring does not come");
        std::thread::sleep(Duration::from_millis(20));
    }
    Running(child)
}

fn dbus(destination: &str, path: &str, method: &str) -> Command {
    let mut command = Command::new("dbus-send");
    command.args(["--session", "--print-reply", &format!("--dest={destination}"), path, method]);
    command
}

fn lock() {
    let service = "org.freedesktop.secrets";
    let mut command = dbus(service, "/org/freedesktop/secrets", "org.freedesktop.Secret.Service.Lock");
    succeeded(command.arg("array:objpath:/org/freedesktop/secrets/collection/login"));
}

fn check_that_it_signs(home: &Home, identity: &str, keyid: Thumbprint) {
    let document = done(&home.run(["sign", "GET", "http://a.example/", "--json", "--identity", identity]));
    assert_eq!(judge(&document, keyid).certificate().unwrap().identity_key(), keyid);
}

#[test]
fn keys_live_in_the_keyring() {
    in_a_session("inside_keys_live_in_the_keyring");
}

#[test]
#[ignore = "runs inside keys_live_in_the_keyring"]
fn inside_keys_live_in_the_keyring() {
    let _keyring = unlocked();
    let home = Home::new();
    for alg in ["ed25519", "p256"] {
        let made = done(&home.run(["keygen", "--keyring", "--identity", alg, "--alg", alg, "--json"]));
        assert!(made.contains(r#""encrypted":false,"home":"keyring""#), "{made}");
        let file = format!("home/identities/{alg}.pem");
        assert!(home.read(&file).starts_with("Home: keyring\n-----BEGIN PUBLIC KEY-----\n"));
        let public = home.other("openssl", ["pkey", "-pubin", "-in", &file, "-pubout"]);
        let keyid = thumbprint(&public);
        assert_eq!(home.keyid(alg), keyid);

        // It really is there (a keyid may start with a dash), and what is there is the private key.
        let lookup = ["lookup", "--", "service", "envelope", "username", &keyid.to_string()];
        let stored = home.other("secret-tool", lookup);
        home.put("stored.pem", &stored);
        assert_eq!(thumbprint(&home.other("openssl", ["pkey", "-in", "stored.pem", "-pubout"])), keyid);
        assert_eq!(done(&home.run(["key", "export", "--private", "--identity", alg])), stored);
        check_that_it_signs(&home, alg, keyid);
    }
    let twice = failed(&home.run(["keygen", "--keyring", "--identity", "p256"]));
    assert!(twice.contains("the identity p256 has a key already"), "{twice}");
    let list = done(&home.run(["key", "list"]));
    assert_eq!(list.lines().filter(|line| line.ends_with("  keyring")).count(), 2, "{list}");
}

#[test]
fn imported_keys_live_in_the_keyring() {
    in_a_session("inside_imported_keys_live_in_the_keyring");
}

#[test]
#[ignore = "runs inside imported_keys_live_in_the_keyring"]
fn inside_imported_keys_live_in_the_keyring() {
    let _keyring = unlocked();
    let home = Home::new();
    home.put("passphrase", "x");
    home.other("openssl", ["genpkey", "-algorithm", "ed25519", "-out", "plain.pem"]);
    let encrypt = ["-aes-256-cbc", "-pass", "pass:x", "-out", "encrypted.pem"];
    succeeded(home.program("openssl").args(["genpkey", "-algorithm", "ed25519"]).args(encrypt));
    for (name, passin) in [("plain", "pass:"), ("encrypted", "pass:x")] {
        let file = format!("{name}.pem");
        let mut import = home.envelope();
        import.args(["key", "import", &file, "--keyring", "--identity", name]);
        if name == "encrypted" {
            import.args(["--passphrase-file", "passphrase"]);
        }
        let keyid = done(&import.output().unwrap());
        let public = home.other("openssl", ["pkey", "-in", &file, "-passin", passin, "-pubout"]);
        assert_eq!(keyid.trim_end(), thumbprint(&public).to_string());
        check_that_it_signs(&home, name, thumbprint(&public));
    }
    let args =
        ["key", "import", "plain.pem", "--keyring", "--identity", "c", "--passphrase-file", "passphrase"];
    assert!(failed(&home.run(args)).contains("a key in the keyring has no passphrase of its own"));
}

#[test]
fn a_keyring_that_is_locked_or_has_lost_the_key_is_an_error() {
    in_a_session("inside_a_keyring_that_is_locked_or_has_lost_the_key_is_an_error");
}

#[test]
#[ignore = "runs inside a_keyring_that_is_locked_or_has_lost_the_key_is_an_error"]
fn inside_a_keyring_that_is_locked_or_has_lost_the_key_is_an_error() {
    let _keyring = unlocked();
    let home = Home::new();
    for name in ["default", "lost", "swapped"] {
        done(&home.run(["keygen", "--keyring", "--identity", name]));
    }
    let [lost, swapped] = ["lost", "swapped"].map(|name| home.keyid(name).to_string());
    home.other("secret-tool", ["clear", "--", "service", "envelope", "username", &lost]);
    let sign = |name: &str| failed(&home.run(["sign", "GET", "http://a.example/", "--identity", name]));
    assert!(sign("lost").contains("the key is no longer in the keyring"));

    let mut store = home.program("secret-tool");
    store
        .args(["store", "--label", "l", "--", "service", "envelope", "username", &swapped])
        .stdin(Stdio::piped());
    let mut store = store.spawn().unwrap();
    home.other("openssl", ["genpkey", "-algorithm", "ed25519", "-out", "other.pem"]);
    store.stdin.take().unwrap().write_all(home.read("other.pem").as_bytes()).unwrap();
    assert!(store.wait().unwrap().success());
    assert!(sign("swapped").contains("the keyring holds another key in its place"));

    lock();
    let said = sign("default");
    assert!(said.contains("the keyring stays locked"), "{said}");
    assert!(said.contains("envelope: hint: unlock it"), "{said}");
}

#[test]
fn without_a_keyring_it_says_so_and_makes_nothing() {
    let home = Home::new();
    let mut keygen = home.envelope();
    keygen.args(["keygen", "--keyring"]).env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent");
    let said = failed(&keygen.output().unwrap());
    assert!(said.contains("there is no keyring here"), "{said}");
    assert!(!home.path("home/identities/default.pem").exists());
}

#[test]
fn a_key_that_two_identities_have_stays_for_the_other() {
    in_a_session("inside_a_key_that_two_identities_have_stays_for_the_other");
}

#[test]
#[ignore = "runs inside a_key_that_two_identities_have_stays_for_the_other"]
fn inside_a_key_that_two_identities_have_stays_for_the_other() {
    let _keyring = unlocked();
    let home = Home::new();
    done(&home.run(["keygen", "--identity", "made"]));
    let pem = done(&home.run(["key", "export", "--private", "--identity", "made"]));
    home.put("one.pem", &pem);
    for identity in ["a", "b"] {
        done(&home.run(["key", "import", "one.pem", "--keyring", "--identity", identity]));
    }
    let keyid = home.keyid("a");
    done(&home.run(["rotate", "--force", "--identity", "a"]));
    assert_ne!(home.keyid("a"), keyid);
    let new = home.keyid("a");
    check_that_it_signs(&home, "a", new);
    check_that_it_signs(&home, "b", keyid);
    // Nobody has the key of `a` any more, so neither has the keyring.
    done(&home.run(["rotate", "--force", "--identity", "b"]));
    let lookup = ["lookup", "--", "service", "envelope", "username", &keyid.to_string()];
    let found = Command::new("secret-tool").args(lookup).output().unwrap();
    assert!(!found.status.success() && found.stdout.is_empty(), "{found:?}");
    let list = done(&home.run(["key", "list"]));
    assert_eq!(list.matches("keyring").count(), 2, "{list}");
}
