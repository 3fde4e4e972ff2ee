//! Call keys: made once, shared, renewed, never half-written.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use envelope_core::{Algorithm, Call, Document, Grant, Issue, Thumbprint, Timestamp};

use crate::outside::{Home, done, ed25519_pem, failed, judge, key, now, program, stderr};

/// Signs, has core judge it, and gives what it says.
fn sign(home: &Home, identity: Thumbprint) -> Call {
    let document =
        Document::parse(done(&home.run(["sign", "GET", "http://a.example/", "--json"])).as_bytes()).unwrap();
    judge(&document.request(&document.fields()), b"", identity).unwrap()
}

/// A home with the identity key 9 and, unless it is `None`, this call key file.
fn home_with(call_key: Option<&[u8]>) -> (Home, Thumbprint) {
    let home = Home::new();
    home.put("home/identities/default.pem", ed25519_pem(9).as_bytes());
    let identity = key(Algorithm::Ed25519, 9).verifying_key().thumbprint();
    done(&home.run(["key", "show"]));
    if let Some(call_key) = call_key {
        home.put("home/run/default.call", call_key);
    }
    (home, identity)
}

/// The file of call key 10, certified by an identity key for the time from `issued` to `expires`.
fn call_key_file(identity: u8, issued: u64, expires: u64) -> String {
    let call_key = key(Algorithm::Ed25519, 10);
    let issue = Issue {
        call_key: call_key.verifying_key(),
        issued: Timestamp::from_unix(issued),
        lifetime: expires - issued,
        id: "1",
        grant: Grant::everything(),
    };
    let certificate = issue.sign(&key(Algorithm::Ed25519, identity)).unwrap();
    format!("{certificate}\n{}", ed25519_pem(10))
}

fn keyid_10() -> Thumbprint {
    key(Algorithm::Ed25519, 10).verifying_key().thumbprint()
}

#[test]
fn a_thousand_signatures_from_eight_processes_share_one_call_key() {
    let home = Home::new();
    let identity = home.keygen("default", "ed25519");
    let calls: Vec<Call> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| (0..125).map(|_| sign(&home, identity)).collect::<Vec<_>>()))
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert_eq!(calls.len(), 1000);
    let keyids: BTreeSet<_> = calls.iter().map(Call::keyid).collect();
    assert_eq!(keyids.len(), 1);
    let nonces: BTreeSet<_> = calls.iter().map(Call::nonce).collect();
    assert_eq!(nonces.len(), 1000);
    for call in &calls {
        let lifetime = call.certificate().unwrap().expires().since(call.created());
        assert!((300..=900).contains(&lifetime), "{lifetime}");
    }
    assert_eq!(home.names("home/run"), [".default.lock", "default.call"]);
}

#[test]
fn a_sign_that_is_killed_leaves_no_broken_file() {
    let home = Home::new();
    let identity = home.keygen("default", "p256");
    for round in 0..60 {
        let mut children: Vec<_> = (0..3)
            .map(|_| {
                let mut command = home.envelope();
                command.args(["sign", "GET", "http://a.example/"]);
                command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
            })
            .collect();
        std::thread::sleep(Duration::from_micros(200 * round));
        for child in &mut children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let keyid = sign(&home, identity).keyid();
        assert_eq!(sign(&home, identity).keyid(), keyid);
        let names = home.names("home/run");
        assert_eq!(names, [".default.lock", "default.call"]);
        std::fs::remove_file(home.path("home/run/default.call")).unwrap();
    }
    // The same where it was killed between writing and renaming.
    home.put("home/run/.default.tmp", b"half a k");
    sign(&home, identity);
    assert_eq!(home.names("home/run"), [".default.lock", "default.call"]);
}

#[test]
fn a_call_key_with_a_third_of_its_life_left_is_kept_and_with_less_renewed() {
    let now = now();
    for (issued, expires, kept) in [
        (now - 100, now + 800, true),
        (now - 500, now + 400, true),
        (now - 601, now + 299, false),
        (now - 899, now + 1, false),
        (now - 900, now, false),
        (now - 5000, now - 4100, false),
        // From the future: the clock has been set back.
        (now + 1000, now + 1900, false),
    ] {
        let (home, identity) = home_with(Some(call_key_file(9, issued, expires).as_bytes()));
        let call = sign(&home, identity);
        assert_eq!(call.keyid() == keyid_10(), kept, "{} {}", now - issued, expires);
        assert_eq!(sign(&home, identity).keyid(), call.keyid());
    }
}

#[test]
fn a_call_key_that_cannot_be_used_is_made_again() {
    let now = now();
    let good = call_key_file(9, now, now + 900);
    let (certificate, pem) = good.split_once('\n').unwrap();
    let mut broken: Vec<Vec<u8>> =
        (0..good.len()).step_by(97).map(|end| good.as_bytes()[..end].to_vec()).collect();
    broken.push(call_key_file(8, now, now + 900).into_bytes());
    broken.push(format!("{certificate}\n{}", ed25519_pem(11)).into_bytes());
    broken.push(format!("\n{pem}").into_bytes());
    broken.push(pem.into());
    broken.push(vec![0; 4096]);
    broken.push(vec![0xff; 100]);
    // One character of the certificate's signature is another.
    let last = if certificate.ends_with('A') { "Q" } else { "A" };
    broken.push(format!("{}{last}\n{pem}", &certificate[..certificate.len() - 1]).into_bytes());

    let (home, identity) = home_with(Some(good.as_bytes()));
    assert_eq!(sign(&home, identity).keyid(), keyid_10());
    for file in broken {
        let (home, identity) = home_with(Some(&file));
        let keyid = sign(&home, identity).keyid();
        assert_ne!(keyid, keyid_10());
        assert_eq!(sign(&home, identity).keyid(), keyid);
    }
}

#[test]
fn a_fresh_call_key_signs_without_the_secret_of_the_identity() {
    let home = Home::new();
    home.put("passphrase", b"x");
    let keygen = home.run(["keygen", "--passphrase-file", "passphrase"]);
    let identity = Thumbprint::parse(done(&keygen).trim_end()).unwrap();
    done(&home.run(["sign", "GET", "http://a.example/", "--passphrase-file", "passphrase"]));
    let keyid = sign(&home, identity).keyid();
    // The passphrase is not even looked for.
    let sign_with = |file| home.run(["sign", "GET", "http://a.example/", "--passphrase-file", file]);
    done(&sign_with("missing"));
    assert_eq!(sign(&home, identity).keyid(), keyid);
    std::fs::remove_file(home.path("home/run/default.call")).unwrap();
    failed(&home.run(["sign", "GET", "http://a.example/"]), 2);
    failed(&sign_with("missing"), 2);
}

#[test]
fn where_no_call_key_can_be_kept_one_signs_all_the_same() {
    let (home, identity) = home_with(None);
    let run = home.path("home/run");
    let check = |output: &std::process::Output| {
        let said = stderr(output);
        let hint = format!("envelope: hint: no call key can be kept in {}: ", run.display());
        assert!(said.starts_with(&hint), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        let document = Document::parse(done(output).as_bytes()).unwrap();
        judge(&document.request(&document.fields()), b"", identity).unwrap();
    };
    let sign = ["sign", "GET", "http://a.example/", "--json"];
    // No directory can be made there.
    home.put("home/run", b"");
    check(&home.run(sign));
    std::fs::remove_file(&run).unwrap();
    std::os::unix::fs::symlink("nowhere", &run).unwrap();
    check(&home.run(sign));
    std::fs::remove_file(&run).unwrap();
    // It is full.
    check(&home.bash("trap '' XFSZ; ulimit -f 0; envelope sign GET http://a.example/ --json | cat"));
    assert_eq!(home.names("home/run"), [".default.lock"]);
    // A call key that runs out is not used to the end for that.
    home.put("home/run/default.call", call_key_file(9, now() - 800, now() + 100).as_bytes());
    check(&home.bash("trap '' XFSZ; ulimit -f 0; envelope sign GET http://a.example/ --json | cat"));
    assert_eq!(home.names("home/run"), [".default.lock", "default.call"]);
    // Without the identity's key there is nothing to sign with.
    std::fs::remove_dir_all(&run).unwrap();
    home.put("home/run", b"");
    home.put("home/identities/default.pem", b"not a key any more");
    assert!(failed(&home.run(sign), 2).contains("no private key"));
}

#[test]
fn a_directory_that_vanishes_is_made_again() {
    let home = Home::new();
    home.keygen("default", "ed25519");
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::SeqCst) {
                let _ = std::fs::remove_dir_all(home.path("home/run"));
            }
        });
        let outputs: Vec<_> = (0..200).map(|_| home.run(["sign", "GET", "http://a.example/"])).collect();
        stop.store(true, std::sync::atomic::Ordering::SeqCst);
        for output in outputs {
            done(&output);
        }
    });
}

#[test]
fn another_identity_key_under_the_same_name_gets_a_call_key_of_its_own() {
    let (home, identity) = home_with(None);
    let keyid = sign(&home, identity).keyid();
    home.put("home/identities/default.pem", ed25519_pem(12).as_bytes());
    std::fs::remove_file(home.path("home/identities/default.pub.jwk")).unwrap();
    let other = key(Algorithm::Ed25519, 12).verifying_key().thumbprint();
    assert_ne!(sign(&home, other).keyid(), keyid);
}

#[test]
fn identities_do_not_share_call_keys() {
    let home = Home::new();
    let (alice, bob) = (home.keygen("alice", "ed25519"), home.keygen("bob", "p256"));
    for (name, identity) in [("alice", alice), ("bob", bob)] {
        let json = done(&home.run(["sign", "GET", "http://a.example/", "--json", "--identity", name]));
        let document = Document::parse(json.as_bytes()).unwrap();
        let call = judge(&document.request(&document.fields()), b"", identity).unwrap();
        assert_eq!(call.certificate().unwrap().identity_key(), identity);
    }
    assert_eq!(home.names("home/run"), [".alice.lock", ".bob.lock", "alice.call", "bob.call"]);
}

#[test]
fn a_live_call_key_is_used_when_the_identity_key_cannot_be_opened() {
    let Some(mut openssl) = program("openssl") else { return };
    let now = now();
    let (home, identity) = home_with(Some(call_key_file(9, now - 650, now + 250).as_bytes()));
    home.put("plain.pem", ed25519_pem(9).as_bytes());
    openssl.args(["pkcs8", "-topk8", "-passout", "pass:x", "-in"]).arg(home.path("plain.pem"));
    let encrypted = openssl.output().unwrap();
    assert!(encrypted.status.success(), "{}", stderr(&encrypted));
    home.put("home/identities/default.pem", &encrypted.stdout);
    home.put("passphrase", b"x");
    done(&home.run(["key", "show", "--passphrase-file", "passphrase"]));

    let output = home.run(["sign", "GET", "http://a.example/", "--json"]);
    assert!(stderr(&output).starts_with("envelope: hint: the call key runs out at "), "{}", stderr(&output));
    let document = Document::parse(done(&output).as_bytes()).unwrap();
    let call = judge(&document.request(&document.fields()), b"", identity).unwrap();
    assert_eq!(call.keyid(), keyid_10());
    assert_eq!(call.expires().since(call.created()), 60);

    home.put("home/run/default.call", call_key_file(9, now - 900, now).as_bytes());
    failed(&home.run(["sign", "GET", "http://a.example/"]), 2);
}
