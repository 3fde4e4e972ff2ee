//! `envelope certify`: certificates for keys of others.

use envelope_core::{Algorithm, Timestamp, UntrustedCertificate};

use crate::outside::{Home, data, done, ed25519_pem, failed, key, now};

#[test]
fn a_certificate_says_what_was_asked_for() {
    let home = Home::new();
    let identity = home.keygen("default", "p256");
    let before = Timestamp::from_unix(now());
    let agent = key(Algorithm::Ed25519, 2).verifying_key().to_did();
    let args = [
        "certify",
        "--for",
        &agent,
        "--ttl",
        "24h",
        "--aud",
        "pack.example",
        "--aud",
        "p1",
        "--scope",
        "call",
    ];
    let jws = done(&home.run(args));
    let certificate = UntrustedCertificate::parse(jws.trim_end()).unwrap();
    assert_eq!(certificate.identity_key().thumbprint(), identity);
    assert_eq!(certificate.call_key(), key(Algorithm::Ed25519, 2).verifying_key());
    assert!(certificate.issued() >= before);
    assert_eq!(certificate.expires().since(certificate.issued()), 86_400);
    assert_eq!(certificate.id().unwrap().len(), 22);
    assert_eq!(certificate.grant().audiences().unwrap(), ["pack.example", "p1"]);
    assert_eq!(certificate.grant().scopes().unwrap(), ["call"]);
    certificate.verify().unwrap();
}

#[test]
fn without_limits_it_is_good_for_everything_for_fifteen_minutes() {
    let home = Home::new();
    home.keygen("default", "ed25519");
    let jws = done(&home.envelope().args(["certify", "--for"]).arg(data("agent.pub")).output().unwrap());
    let certificate = UntrustedCertificate::parse(jws.trim_end()).unwrap();
    assert_eq!(certificate.grant(), &envelope_core::Grant::everything());
    assert_eq!(certificate.expires().since(certificate.issued()), 900);
}

#[test]
fn the_key_of_the_identity_itself_is_refused() {
    let home = Home::new();
    home.keygen("default", "ed25519");
    let own = done(&home.run(["key", "show", "--format", "did"]));
    let said = failed(&home.run(["certify", "--for", own.trim_end()]), 2);
    assert!(said.starts_with("envelope: error: certificate-invalid: "), "{said}");
}

#[test]
fn a_private_key_that_is_given_by_mistake_is_not_repeated() {
    let home = Home::new();
    home.keygen("default", "ed25519");
    let pem = ed25519_pem(9);
    let jwk = r#"{"kty":"OKP","crv":"Ed25519","x":"AA","d":"SECRET"}"#;
    for (text, secret) in [(pem.as_str(), "CQkJCQ"), (jwk, "SECRET")] {
        for before in ["", " ", "\n", "\u{feff}", "[", "alice=", " alice=", "'", "x "] {
            let given = format!("{before}{text}");
            let home_args = [["certify", "--for", &given], ["verify", "--trust", &given]];
            for args in home_args {
                let said = failed(&home.run(args), 2);
                assert!(!said.contains(secret), "{args:?} {said}");
            }
        }
    }
    let long = "SECRET".repeat(50);
    assert!(!failed(&home.run(["certify", "--for", &long]), 2).contains("SECRET"));
}
