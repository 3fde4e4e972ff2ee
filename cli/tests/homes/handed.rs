//! Power that is handed to somebody who holds a key of his own: a CI job.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use envelope_core::{Algorithm, Grant, Issue, SigningKey, Timestamp};

use crate::outside::{Home, done, failed, judge, now, thumbprint};

/// The key pair of a CI job, as the README makes it.
fn make_key(home: &Home) {
    home.other("openssl", ["genpkey", "-algorithm", "ed25519", "-out", "ci.pem"]);
    home.put("ci.pub.pem", &home.other("openssl", ["pkey", "-in", "ci.pem", "-pubout"]));
}

/// A certificate for that key, by the identity of the seed 1.
fn certificate(home: &Home, issued: u64, lifetime: u64) -> String {
    let identity = SigningKey::from_bytes(Algorithm::Ed25519, &[1; 32]).unwrap();
    let call_key = envelope_core::VerifyingKey::from_pem(&home.read("ci.pub.pem")).unwrap();
    let issued = Timestamp::from_unix(issued);
    let issue = Issue { call_key: &call_key, issued, lifetime, id: "1", grant: Grant::everything() };
    issue.sign(&identity).unwrap()
}

fn sign(home: &Home) -> Output {
    home.run(["sign", "GET", "http://a.example/", "--json", "--key", "ci.pem", "--certificate", "ci.jws"])
}

#[test]
fn a_ci_job_signs_with_what_it_was_handed() {
    let alice = Home::new();
    done(&alice.run(["keygen"]));
    let ci = Home::new();
    make_key(&ci);
    let public = ci.path("ci.pub.pem");
    let certify = alice.run(["certify", "--for", public.to_str().unwrap(), "--scope", "call"]);
    ci.put("ci.jws", &done(&certify));

    let call = judge(&done(&sign(&ci)), alice.keyid("default"));
    assert_eq!(call.keyid(), thumbprint(&ci.read("ci.pub.pem")));
    assert_eq!(call.certificate().unwrap().grant().scopes().unwrap(), ["call"]);
    // No identity was needed, and nothing is left behind.
    assert!(!ci.path("home").exists());
}

#[test]
fn a_certificate_that_does_not_fit_is_refused() {
    let home = Home::new();
    make_key(&home);
    let good = certificate(&home, now() - 10, 900);
    home.put("ci.jws", &good);
    done(&sign(&home));
    let (head, _) = good.rsplit_once('.').unwrap();
    for (text, what) in [
        (certificate(&home, now() - 901, 900), "certificate-expired: the certificate has run out"),
        (certificate(&home, now() + 60, 900), "certificate-invalid: the certificate is not good yet"),
        (format!("{head}.{}", "A".repeat(86)), "certificate-invalid: "),
        ("no certificate".into(), "certificate-invalid: "),
        (String::new(), "certificate-invalid: "),
    ] {
        home.put("ci.jws", &text);
        let said = failed(&sign(&home));
        assert!(said.starts_with(&format!("envelope: error: {what}")), "{said}");
    }
    fs::remove_file(home.path("ci.jws")).unwrap();
    assert!(failed(&sign(&home)).contains("cannot read ci.jws"));
    home.put("ci.jws", &good);
    fs::remove_file(home.path("ci.pem")).unwrap();
    assert!(failed(&sign(&home)).contains("cannot read ci.pem"));
    make_key(&home);
    let said = failed(&sign(&home));
    assert!(said.contains("certificate-invalid: the certificate is for another call key"), "{said}");
}

#[test]
fn the_key_is_its_holders_alone() {
    let home = Home::new();
    make_key(&home);
    home.put("ci.jws", &certificate(&home, now() - 10, 900));
    fs::set_permissions(home.path("ci.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(failed(&sign(&home)).contains("others may use ci.pem"));
    fs::set_permissions(home.path("ci.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    // The certificate is no secret.
    fs::set_permissions(home.path("ci.jws"), fs::Permissions::from_mode(0o644)).unwrap();
    done(&sign(&home));
    done(&home.run(["sign", "GET", "http://a.example/", "--key", "ci.pem", "--certificate", "ci.jws"]));
    let call = home.run(["call", "GET", "http://127.0.0.1:1/", "--key", "ci.pem", "--certificate", "ci.jws"]);
    assert!(failed(&call).contains("no answer"));
}
