//! Identity keys at rest.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Output, Stdio};
use std::time::Duration;

use envelope_core::key::format::KeyRef;
use envelope_core::{Algorithm, Thumbprint};

use crate::outside::{Home, done, ed25519_pem, failed, key, program, stderr};

const PASSPHRASE: &str = "correct horse battery staple";

/// The public key that OpenSSL finds in a private key file.
fn found_by_openssl(home: &Home, name: &str, passin: &[&str]) -> Option<Thumbprint> {
    let file = home.path(&format!("home/identities/{name}.pem"));
    let output =
        program("openssl")?.args(["pkey", "-pubout", "-in"]).arg(file).args(passin).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    Some(KeyRef::parse(std::str::from_utf8(&output.stdout).unwrap()).unwrap().thumbprint())
}

#[test]
fn openssl_reads_our_keys() {
    let home = Home::new();
    home.put("passphrase", format!("{PASSPHRASE}\n").as_bytes());
    for alg in ["ed25519", "p256"] {
        let keyid = home.keygen(alg, alg);
        let Some(found) = found_by_openssl(&home, alg, &[]) else { return };
        assert_eq!(found, keyid);

        let name = format!("{alg}-encrypted");
        let output =
            home.run(["keygen", "--alg", alg, "--identity", &name, "--passphrase-file", "passphrase"]);
        let keyid = Thumbprint::parse(done(&output).trim_end()).unwrap();
        let pem = fs::read_to_string(home.path(&format!("home/identities/{name}.pem"))).unwrap();
        assert!(pem.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
        let passin = format!("pass:{PASSPHRASE}");
        assert_eq!(found_by_openssl(&home, &name, &["-passin", &passin]), Some(keyid));
    }
}

#[test]
fn an_encrypted_key_needs_its_passphrase_when_a_call_key_is_made_and_not_before() {
    let home = Home::new();
    home.put("passphrase", PASSPHRASE.as_bytes());
    home.put("wrong", b"incorrect horse");
    let keygen = ["keygen", "--passphrase-file", "passphrase", "--json"];
    assert!(done(&home.run(keygen)).contains(r#""encrypted":true"#));
    assert!(done(&home.run(["key", "list"])).trim_end().ends_with("encrypted"));
    assert!(done(&home.run(["key", "show", "--format", "did"])).starts_with("did:key:z6Mk"));

    let sign = ["sign", "GET", "http://a.example/"];
    assert!(failed(&home.run(sign), 2).contains("encrypted"));
    let wrong = home.run(["sign", "GET", "http://a.example/", "--passphrase-file", "wrong"]);
    let said = failed(&wrong, 2);
    assert!(said.contains("does not open"), "{said}");
    assert!(!said.contains("horse"), "a passphrase was said: {said}");

    let output = home.envelope().args(sign).env("ENVELOPE_PASSPHRASE_FILE", "passphrase").output().unwrap();
    done(&output);
    done(&home.run(sign));
    // A passphrase on the command line would be seen by every process of the machine.
    failed(&home.run(["sign", "GET", "http://a.example/", "--passphrase", PASSPHRASE]), 2);
}

#[test]
fn keys_that_openssl_made_are_read() {
    let home = Home::new();
    for (name, args) in [
        ("ed25519", &["-algorithm", "ed25519"][..]),
        ("p256", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
        ("encrypted", &["-algorithm", "ed25519", "-aes-256-cbc", "-pass", "pass:x"]),
    ] {
        let Some(mut openssl) = program("openssl") else { return };
        let output = openssl.arg("genpkey").args(args).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        home.put(&format!("home/identities/{name}.pem"), &output.stdout);
        home.put("passphrase", b"x\n");
        let found = found_by_openssl(&home, name, &["-passin", "pass:x"]).unwrap();
        let show =
            ["key", "show", "--identity", name, "--format", "keyid", "--passphrase-file", "passphrase"];
        assert_eq!(done(&home.run(show)).trim_end(), found.to_string());
    }
}

#[test]
fn looking_makes_nothing() {
    let home = Home::new();
    assert_eq!(done(&home.run(["key", "list"])), "");
    assert_eq!(done(&home.run(["key", "list", "--json"])), "[]\n");
    failed(&home.run(["key", "show"]), 2);
    failed(&home.run(["sign", "GET", "http://a.example/", "--identity", "missing"]), 2);
    assert!(!home.path("home/identities").exists());
}

#[test]
fn files_are_for_their_owner_alone() {
    let home = Home::new();
    home.keygen("default", "ed25519");
    done(&home.run(["sign", "GET", "http://a.example/"]));
    let mode = |name: &str| fs::metadata(home.path(name)).unwrap().mode() & 0o7777;
    for dir in ["home", "home/identities", "home/run"] {
        assert_eq!(mode(dir), 0o700, "{dir}");
    }
    for file in ["identities/default.pem", "identities/default.pub.jwk", "run/default.call"] {
        assert_eq!(mode(&format!("home/{file}")), 0o600, "{file}");
    }
}

#[test]
fn loose_permissions_are_refused() {
    let home = Home::new();
    home.keygen("default", "ed25519");
    done(&home.run(["sign", "GET", "http://a.example/"]));
    for (name, mode, right) in [
        ("home/identities/default.pem", 0o640, 0o600),
        ("home/identities/default.pem", 0o602, 0o600),
        ("home/identities", 0o750, 0o700),
        ("home/run/default.call", 0o604, 0o600),
        ("home/run", 0o701, 0o700),
    ] {
        let set = |mode| fs::set_permissions(home.path(name), fs::Permissions::from_mode(mode)).unwrap();
        set(mode);
        let said = failed(&home.run(["sign", "GET", "http://a.example/"]), 2);
        assert!(said.contains("others may use"), "{said}");
        assert!(said.contains(&format!("envelope: hint: chmod {right:o} ")), "{said}");
        set(right);
        done(&home.run(["sign", "GET", "http://a.example/"]));
    }
}

#[test]
fn of_many_keygens_at_once_one_makes_the_key() {
    let home = Home::new();
    let children: Vec<_> = (0..12)
        .map(|_| home.envelope().arg("keygen").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
        .collect();
    let outputs: Vec<Output> = children.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
    let made: Vec<_> = outputs.iter().filter(|output| output.status.success()).collect();
    assert_eq!(made.len(), 1);
    for output in outputs.iter().filter(|output| !output.status.success()) {
        assert!(failed(output, 2).contains("has a key already"));
    }
    assert_eq!(done(&home.run(["key", "show", "--format", "keyid"])), done(made[0]));
}

#[test]
fn a_keygen_that_is_killed_leaves_a_whole_key_or_none() {
    let home = Home::new();
    for round in 0..60 {
        let name = format!("k{round}");
        let mut child =
            home.envelope().args(["keygen", "--identity", &name]).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(100 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        if home.names("home/identities").contains(&format!("{name}.pem")) {
            done(&home.run(["sign", "GET", "http://a.example/", "--identity", &name]));
        }
    }
    // What was left half-written is no key, and the next one who writes removes it.
    home.put("home/identities/.identities.tmp", b"half a k");
    let listed = done(&home.run(["key", "list"]));
    let keys = home.names("home/identities").iter().filter(|name| name.ends_with(".pem")).count();
    assert_eq!(listed.lines().count(), keys);
    home.keygen("last", "ed25519");
    let names = home.names("home/identities");
    assert!(!names.iter().any(|name| name.ends_with(".tmp")), "{names:?}");
}

#[test]
fn the_public_file_is_never_believed_against_the_key() {
    let home = Home::new();
    home.put("home/identities/default.pem", ed25519_pem(9).as_bytes());
    let other = key(Algorithm::Ed25519, 8).verifying_key().to_jwk();
    home.put("home/identities/default.pub.jwk", other.as_bytes());
    done(&home.run(["sign", "GET", "http://a.example/"]));
    let keyid = key(Algorithm::Ed25519, 9).verifying_key().thumbprint().to_string();
    assert_eq!(done(&home.run(["key", "show", "--format", "keyid"])).trim_end(), keyid);
    let inspected = home
        .run_with(["inspect"], done(&home.run(["sign", "GET", "http://a.example/", "--json"])).as_bytes());
    assert!(done(&inspected).contains(&format!("identity key         {keyid}")));
}

/// Two encrypted identities, `alice` and `bob`, each of which has signed, and their keyids.
fn two_encrypted(home: &Home) -> [Thumbprint; 2] {
    home.put("passphrase", PASSPHRASE.as_bytes());
    ["alice", "bob"].map(|name| {
        let keygen = ["keygen", "--identity", name, "--passphrase-file", "passphrase"];
        let keyid = Thumbprint::parse(done(&home.run(keygen)).trim_end()).unwrap();
        assert_eq!(signer(home, name), keyid);
        keyid
    })
}

/// The identity key behind what an identity signs.
fn signer(home: &Home, name: &str) -> Thumbprint {
    let sign =
        ["sign", "GET", "http://a.example/", "--json", "--identity", name, "--passphrase-file", "passphrase"];
    let inspected = home.run_with(["inspect", "--json"], done(&home.run(sign)).as_bytes());
    let facts: serde_json::Value = serde_json::from_str(&done(&inspected)).unwrap();
    Thumbprint::parse(facts["untrusted"]["identity_key"].as_str().unwrap()).unwrap()
}

fn shown(home: &Home, name: &str) -> Thumbprint {
    let show = ["key", "show", "--identity", name, "--format", "keyid", "--passphrase-file", "passphrase"];
    Thumbprint::parse(done(&home.run(show)).trim_end()).unwrap()
}

#[test]
fn a_key_that_is_moved_over_another_is_the_one_that_signs_and_is_shown() {
    for (encrypted, command) in [(true, "mv"), (true, "cp -p"), (false, "mv"), (false, "cp -p")] {
        let home = Home::new();
        let [alice, bob] = if encrypted {
            two_encrypted(&home)
        } else {
            home.put("passphrase", b"x");
            ["alice", "bob"].map(|name| home.keygen(name, "ed25519"))
        };
        assert_eq!(signer(&home, "bob"), bob);
        // The older key keeps its time, so that no file says by its age that it is another one.
        let line = format!("{command} home/identities/alice.pem home/identities/bob.pem");
        assert!(home.bash(&line).status.success());
        assert_eq!(shown(&home, "bob"), alice, "{command}");
        assert_eq!(signer(&home, "bob"), alice, "{command}");
    }
}

#[test]
fn the_public_file_of_another_key_is_not_believed() {
    let home = Home::new();
    let [alice, _] = two_encrypted(&home);
    let public = |name: &str| home.path(&format!("home/identities/{name}.pub.jwk"));
    fs::copy(public("bob"), public("alice")).unwrap();
    // Nobody can say what the key is without opening it.
    assert!(failed(&home.run(["key", "show", "--identity", "alice"]), 2).contains("encrypted"));
    assert_eq!(shown(&home, "alice"), alice);
    assert_eq!(signer(&home, "alice"), alice);
    // Opening it has put the file right again.
    done(&home.run(["key", "show", "--identity", "alice"]));
}

#[test]
fn the_public_file_is_a_jwk_that_a_verifier_takes() {
    let home = Home::new();
    home.keygen("default", "p256");
    let json = done(&home.run(["sign", "GET", "http://a.example/", "--json"]));
    let trust = format!("alice={}", home.path("home/identities/default.pub.jwk").display());
    done(&home.run_with(["verify", "--trust", &trust], json.as_bytes()));
}

#[test]
fn one_odd_file_does_not_hide_the_others() {
    use std::os::unix::fs::symlink;
    let home = Home::new();
    for name in ["a", "b", "z"] {
        home.keygen(name, "ed25519");
    }
    let file = |name: &str| home.path(&format!("home/identities/{name}.pem"));
    fs::set_permissions(file("b"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::create_dir(file("dir")).unwrap();
    symlink("nowhere", file("link")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(file("fifo")).status().unwrap().success());
    home.put("home/identities/junk.pem", b"junk");
    let listed = home.run(["key", "list"]);
    let said = failed(&listed, 2);
    for what in [
        "others may use ",
        "envelope: hint: chmod 600 ",
        "dir.pem\n",
        "link.pem is a dangling link\n",
        "fifo.pem\n",
        "no private key",
        "envelope: error: 5 keys are not listed\n",
    ] {
        assert!(said.contains(what), "{what}: {said}");
    }
    let names: Vec<_> = std::str::from_utf8(&listed.stdout).unwrap().lines().map(|line| &line[..2]).collect();
    assert_eq!(names, ["a ", "z "]);
    let json = home.run(["key", "list", "--json"]);
    failed(&json, 2);
    let list: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 2);
    assert!(failed(&home.run(["key", "show", "--identity", "link"]), 2).contains("is a dangling link"));
}

#[test]
fn a_passphrase_file_is_its_owners_alone_or_a_pipe() {
    let home = Home::new();
    home.put("passphrase", PASSPHRASE.as_bytes());
    done(&home.run(["keygen", "--passphrase-file", "passphrase"]));
    let certify = |file: &str| {
        let did = key(Algorithm::Ed25519, 2).verifying_key().to_did();
        home.run(["certify", "--for", &did, "--passphrase-file", file])
    };
    done(&certify("passphrase"));
    for mode in [0o640, 0o604] {
        fs::set_permissions(home.path("passphrase"), fs::Permissions::from_mode(mode)).unwrap();
        let said = failed(&certify("passphrase"), 2);
        assert!(said.contains("others may use passphrase"), "{said}");
        assert!(said.contains("envelope: hint: chmod 600 passphrase\n"), "{said}");
    }
    let did = key(Algorithm::Ed25519, 2).verifying_key().to_did();
    let piped = ["certify", "--for", &did, "--passphrase-file", "/dev/stdin"];
    done(&home.run_with(piped, format!("{PASSPHRASE}\n").as_bytes()));
    for end in ["\r", "\r\n"] {
        home.put("windows", format!("{PASSPHRASE}{end}").as_bytes());
        let said = failed(&certify("windows"), 2);
        assert!(said.contains("a carriage return ends the passphrase"), "{said}");
        assert!(said.contains("envelope: hint: end the line with LF alone"), "{said}");
    }
}

#[test]
fn an_empty_variable_names_no_passphrase_file() {
    let home = Home::new();
    let run =
        |args: &[&str]| home.envelope().args(args).env("ENVELOPE_PASSPHRASE_FILE", "").output().unwrap();
    assert!(done(&run(&["keygen", "--json"])).contains(r#""encrypted":false"#));
    done(&run(&["sign", "GET", "http://a.example/"]));
    // A flag without a name is a mistake.
    failed(&run(&["keygen", "--identity", "other", "--passphrase-file", ""]), 2);
}

#[test]
fn a_home_is_an_absolute_path() {
    let home = Home::new();
    let output = home.envelope().arg("keygen").env("ENVELOPE_HOME", "home").output().unwrap();
    let said = failed(&output, 2);
    assert!(said.contains("not an absolute path\nenvelope: hint: "), "{said}");
    assert!(!home.path("home").exists());
}

#[test]
fn a_write_that_fails_leaves_nothing_behind() {
    let home = Home::new();
    let output = home.bash("trap '' XFSZ; ulimit -f 0; exec envelope keygen");
    assert!(failed(&output, 2).contains("cannot write"));
    assert_eq!(home.names("home/identities"), [".identities.lock"]);
    home.keygen("default", "ed25519");
}

#[test]
fn a_key_of_another_kind_comes_with_the_way_to_convert_it() {
    let home = Home::new();
    let Some(mut openssl) = program("openssl") else { return };
    let output = openssl.args(["ecparam", "-name", "prime256v1", "-genkey"]).output().unwrap();
    home.put("home/identities/default.pem", &output.stdout);
    let said = failed(&home.run(["key", "show"]), 2);
    let hint = "envelope: hint: openssl pkcs8 -topk8 -v2 aes-256-cbc -in ";
    assert!(said.contains(hint), "{said}");
    let file = home.path("home/identities/default.pem");
    let mut openssl = program("openssl").unwrap();
    openssl.args(["pkcs8", "-topk8", "-v2", "aes-256-cbc", "-passout", "pass:x", "-in"]).arg(file);
    home.put("home/identities/converted.pem", &openssl.output().unwrap().stdout);
    home.put("passphrase", b"x");
    shown(&home, "converted");
}

#[test]
fn what_is_no_key_is_refused() {
    let home = Home::new();
    let sign = ["sign", "GET", "http://a.example/"];
    // RFC 8032 section 7.1, TEST 1: a key that everybody has.
    let published = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g";
    let published = format!("-----BEGIN PRIVATE KEY-----\n{published}\n-----END PRIVATE KEY-----\n");
    for (content, what) in [
        (published.as_str(), "printed in an RFC"),
        ("", "no private key"),
        ("-----BEGIN PRIVATE KEY-----\n", "no private key"),
        (&ed25519_pem(9)[..80], "no private key"),
    ] {
        home.put("home/identities/default.pem", content.as_bytes());
        let said = failed(&home.run(sign), 2);
        assert!(said.contains(what), "{said}");
    }
    fs::remove_file(home.path("home/identities/default.pem")).unwrap();
    fs::create_dir(home.path("home/identities/default.pem")).unwrap();
    assert!(failed(&home.run(sign), 2).contains("not a regular file"));
}

#[test]
fn homes_follow_the_xdg_specification() {
    let home = Home::new();
    let run = |variables: &[(&str, &str)], args: &[&str]| {
        let mut command = home.envelope();
        for name in ["ENVELOPE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME"] {
            command.env_remove(name);
        }
        command.env("HOME", home.path("me"));
        command.envs(variables.iter().map(|(name, dir)| (*name, home.path(dir))));
        done(&command.args(args).output().unwrap())
    };
    fs::create_dir(home.path("runtime")).unwrap();
    let sign = ["sign", "GET", "http://a.example/"];
    run(&[], &["keygen"]);
    run(&[], &sign);
    assert!(home.names("me/.local/share/envelope/identities").contains(&"default.pem".to_owned()));
    assert!(home.names("me/.cache/envelope").contains(&"default.call".to_owned()));
    let xdg = [("XDG_DATA_HOME", "data"), ("XDG_RUNTIME_DIR", "runtime"), ("XDG_CACHE_HOME", "cache")];
    run(&xdg, &["keygen"]);
    run(&xdg, &sign);
    assert!(home.names("data/envelope/identities").contains(&"default.pem".to_owned()));
    assert!(home.names("runtime/envelope").contains(&"default.call".to_owned()));
    let xdg = [("XDG_DATA_HOME", "data"), ("XDG_RUNTIME_DIR", "missing"), ("XDG_CACHE_HOME", "cache")];
    run(&xdg, &sign);
    assert!(home.names("cache/envelope").contains(&"default.call".to_owned()));
}
