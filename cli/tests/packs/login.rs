//! `envelope login`: the device flow in all its branches, and what renews the login.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::json as json_of;
use crate::outside::{Home, done, failed, stderr};
use crate::provider::Provider;
use crate::verifier::Verifier;
use crate::wallet;

fn pending() -> (u16, Value) {
    (400, json!({"error": "authorization_pending"}))
}

pub(crate) fn granted() -> (u16, Value) {
    (200, json!({"access_token": "TOKEN-SECRET", "token_type": "bearer"}))
}

/// The scheme of the credential of the last call, and who it was.
pub(crate) fn called(home: &Home, verifier: &Verifier) -> (String, Value) {
    let answer = json_of(&home.run(["call", &verifier.pack("b1946ac9"), "A"]));
    let field = verifier.server.last().value("signature-key").unwrap();
    (field.split(';').next().unwrap().to_owned(), answer["by"].clone())
}

/// How often the verifier was asked for a certificate.
pub(crate) fn logins(verifier: &Verifier) -> usize {
    verifier.server.seen().iter().filter(|seen| seen.target == "/api/login").count()
}

pub(crate) fn files(home: &Home, dir: &str) -> Vec<String> {
    home.names(dir).into_iter().filter(|name| !name.starts_with('.')).collect()
}

#[test]
fn whoever_logs_in_signs_from_then_on() {
    // GitHub tells that nobody has said yes yet with the status 200.
    let script = [(200, json!({"error": "authorization_pending"})), pending(), granted()];
    let (provider, verifier) = Provider::with_verifier(&script, "github");
    let home = Home::new();
    let output = home.run(["login", &verifier.url()]);
    assert_eq!(done(&output), "github:alice\n");
    let told =
        "envelope: to log in at github, open https://provider.example/device and enter the code ABCD-1234\n";
    assert_eq!(stderr(&output), told);
    assert_eq!(provider.server.seen()[0].body, "client_id=envelope%20cli&scope=openid%20read%3Aorg");
    let asked = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code=DEVICE-SECRET&client_id=envelope%20cli";
    assert_eq!(provider.asked(), [asked; 3]);

    for _ in 0..2 {
        assert_eq!(called(&home, &verifier), ("sig=jwt".into(), json!("github:alice")));
    }
    assert_eq!(logins(&verifier), 1);
    let fields = done(&home.run(["sign", "GET", &verifier.pack("b1946ac9")]));
    assert!(fields.contains("Signature-Key: sig=jwt;jwt=\""), "{fields}");

    let kept = wallet(&home);
    assert_eq!(
        kept["logins"],
        json!([{"url": verifier.url(), "name": "github:alice", "packs": ["b1946ac9"]}])
    );
    assert!(!kept.to_string().contains("SECRET"));
    let row = json_of(&home.run(["pack", "list", "--json"]));
    assert_eq!((&row[0]["credential"], &row[0]["name"]), (&json!("login"), &json!("github:alice")));
    assert_eq!((files(&home, "home/run").len(), files(&home, "home/logins").len()), (1, 1));
    for dir in ["home/run", "home/logins"] {
        let file = home.path(dir).join(&files(&home, dir)[0]);
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&file).unwrap());
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }

    done(&home.run(["logout", &verifier.url()]));
    assert_eq!((files(&home, "home/run"), files(&home, "home/logins")), (vec![], vec![]));
    assert_eq!(wallet(&home).get("logins"), None);
    assert!(failed(&home.run(["logout", &verifier.url()]), 2).contains("nobody is logged in"));
}

#[test]
fn the_provider_says_how_fast_and_until_when() {
    let (_provider, verifier) =
        Provider::with_verifier(&[(400, json!({"error": "slow_down"})), granted()], "github");
    let begun = Instant::now();
    done(&Home::new().run(["login", &verifier.url()]));
    assert!(begun.elapsed() >= Duration::from_secs(7), "one second, and then six");

    let (provider, verifier) = Provider::with_verifier(&[pending()], "github");
    provider.device.lock().unwrap().1["expires_in"] = 2.into();
    let said = failed_login(&verifier, 1);
    assert!(said.contains("envelope: error: the code was not entered in time\n"), "{said}");
    assert!(provider.asked().len() <= 2);

    // A provider that is not there for a moment is asked again, less often.
    let (provider, verifier) = Provider::with_verifier(&[(503, json!({})), granted()], "github");
    done(&Home::new().run(["login", &verifier.url()]));
    assert_eq!(provider.asked().len(), 2);
}

/// What is said when a login fails; the code was told before.
fn failed_login(verifier: &Verifier, status: i32) -> String {
    let home = Home::new();
    let output = home.run(["login", &verifier.url()]);
    assert_eq!(output.status.code(), Some(status), "{}", stderr(&output));
    assert!(!stderr(&output).contains("SECRET"), "{}", stderr(&output));
    assert_eq!((files(&home, "home/run"), files(&home, "home/logins")), (vec![], vec![]));
    assert!(!home.path("home/wallet/wallet.json").exists());
    stderr(&output)
}

#[test]
fn a_login_fails_in_as_many_ways_as_there_are() {
    for (answer, status, said) in [
        (
            (400, json!({"error": "access_denied"})),
            1,
            "error: the login was denied at the identity provider\n",
        ),
        ((400, json!({"error": "expired_token"})), 1, "hint: run the same command again"),
        (
            (401, json!({"error": "invalid_client", "error_description": "no\u{1b}[2J \u{9b}way"})),
            1,
            "error: the identity provider refused: invalid_client (no\\u{1b}[2J \\u{9b}way)\n",
        ),
        (
            (200, json!({"token_type": "bearer"})),
            2,
            "error: 127.0.0.1 answered something else than an identity provider does\n",
        ),
        ((200, json!("TOKEN-SECRET")), 2, "answered something else"),
        ((200, json!({"access_token": "a b"})), 2, "answered something else"),
        ((302, json!({})), 2, "answered something else"),
        ((200, json!({"access_token": "STRANGER-SECRET"})), 1, "error: unauthenticated: "),
    ] {
        let (_provider, verifier) = Provider::with_verifier(std::slice::from_ref(&answer), "github");
        let told = failed_login(&verifier, status);
        assert!(told.contains(said), "{answer:?}: {told}");
    }
}

#[test]
fn what_a_provider_says_first_is_looked_at_before_it_is_shown() {
    let (provider, verifier) = Provider::with_verifier(&[granted()], "github");
    let good = provider.device.lock().unwrap().1.clone();
    for (member, value, said) in [
        ("user_code", json!("A\u{1b}[2JB"), "answered something else"),
        ("user_code", json!(""), "answered something else"),
        ("user_code", json!("A".repeat(65)), "answered something else"),
        (
            "verification_uri",
            json!("http://provider.example/"),
            "error: a login goes over HTTPS only: http://provider.example/\n",
        ),
        ("verification_uri", json!("javascript:alert(1)"), "HTTPS only"),
        ("verification_uri_complete", json!("http://a.example"), "HTTPS only"),
        ("device_code", Value::Null, "answered something else"),
        (
            "error",
            json!("device_flow_disabled"),
            "error: the identity provider refused: device_flow_disabled\n",
        ),
    ] {
        let mut answer = good.clone();
        answer[member] = value;
        *provider.device.lock().unwrap() = (200, answer);
        let told = failed_login(&verifier, if member == "error" { 1 } else { 2 });
        assert!(told.contains(said), "{member}: {told}");
    }
    assert_eq!(provider.asked(), <[String; 0]>::default());
    let mut answer = good;
    answer["verification_uri"] = json!("https://provider.example/\u{1b}[2J\u{202e}");
    answer["verification_uri_complete"] = json!("https://provider.example/device?c=ABCD");
    *provider.device.lock().unwrap() = (200, answer);
    let told = stderr(&Home::new().run(["login", &verifier.url()]));
    assert!(told.contains("https://provider.example/%1B[2J%E2%80%AE and enter"), "{told}");
    assert!(told.contains("envelope: or open https://provider.example/device?c=ABCD\n"), "{told}");
}

#[test]
fn which_provider_is_meant_has_to_be_clear() {
    let (provider, verifier) = Provider::with_verifier(&[granted()], "github");
    let (github, other) = (provider.entry("github", "github"), provider.entry("acme", "saml"));
    let set = |login: Value| verifier.with(|state| state.login = login);
    set(json!([github, other]));
    let home = Home::new();
    let login = |more: &[&str]| home.envelope().args(["login", &verifier.url()]).args(more).output().unwrap();
    let said = failed(&login(&[]), 2);
    assert_eq!(
        said,
        "envelope: error: there are 2 identity providers\nenvelope: hint: name one of them: --provider github, --provider acme\n"
    );
    assert!(failed(&login(&["--provider", "gitlab"]), 2).contains("there is no identity provider gitlab\n"));
    assert!(failed(&login(&["--provider", "acme"]), 2).contains("no identity provider of the kind saml\n"));
    let facts = json_of(&login(&["--provider", "github", "--json"]));
    assert_eq!((&facts["provider"], &facts["name"]), (&json!("github"), &json!("github:alice")));
    for nothing in [json!([]), Value::Null] {
        set(nothing);
        assert!(
            failed(&login(&[]), 2)
                .contains("there is no identity provider to log in by at http://127.0.0.1:")
        );
    }
    for wrong in [json!({}), json!([1]), json!([{"provider": "x"}])] {
        set(wrong);
        assert!(failed(&login(&[]), 2).contains("answered something else than a verifier does"));
    }
    let mut plain = provider.entry("github", "github");
    plain["token_endpoint"] = "http://provider.example/token".into();
    set(json!([plain]));
    assert!(failed(&login(&[]), 2).contains("a login goes over HTTPS only: http://provider.example/token\n"));
    let said = failed(&home.run(["login", "http://pack.invalid"]), 2);
    assert!(said.contains("a login goes over HTTPS only: http://pack.invalid\n"), "{said}");
}

#[test]
fn a_certificate_that_is_not_for_this_login_is_refused() {
    let (_provider, verifier) = Provider::with_verifier(&[granted()], "github");
    let other = {
        use envelope_core::{Algorithm, Grant, Identity, Issue, Timestamp};
        let call_key = crate::outside::key(Algorithm::Ed25519, 9);
        let issued = Timestamp::from_unix(crate::outside::now());
        let issue = Issue {
            call_key: call_key.verifying_key(),
            issued,
            lifetime: 900,
            id: "1",
            grant: Grant::everything(),
        };
        issue
            .sign_login(&crate::verifier::issuer(), "x", &Identity::new("github:alice").unwrap(), &[])
            .unwrap()
    };
    for body in [
        json!({"identity": "github:alice", "certificate": other, "expires": 1, "packs": []}),
        json!({"identity": "github:\u{1b}[2J", "certificate": other, "packs": []}),
        json!({"identity": "github:alice", "certificate": "a.b.c"}),
        json!({"identity": "github:alice"}),
        json!([]),
    ] {
        verifier.instead("POST /api/login", 200, &body.to_string());
        let said = failed_login(&verifier, 2);
        assert!(said.contains("answered something else than a verifier does"), "{body}: {said}");
        assert!(!said.contains('\u{1b}'));
    }
}
