//! A login goes on as long as the provider goes along with it.

use serde_json::{Value, json};

use crate::login::{called, files, granted, logins};
use crate::outside::{Home, done, failed, stderr};
use crate::provider::Provider;

fn oidc(id_token: &str, refresh_token: &str) -> (u16, Value) {
    (200, json!({"access_token": "ignored", "id_token": id_token, "refresh_token": refresh_token}))
}

#[test]
fn a_login_of_github_is_renewed_with_the_same_token_until_it_is_none() {
    let (provider, verifier) = Provider::with_verifier(&[granted()], "github");
    let home = Home::new();
    // A tenth of its life is left: it is good, and due.
    verifier.with(|state| (state.login_ttl, state.login_age) = (1000, 950));
    done(&home.run(["login", &verifier.url()]));
    verifier.with(|state| state.login_age = 0);
    for _ in 0..2 {
        assert_eq!(called(&home, &verifier).1, "github:alice");
    }
    assert_eq!((logins(&verifier), provider.asked().len()), (2, 1));

    verifier.with(|state| state.login_age = 950);
    for name in files(&home, "home/run") {
        std::fs::remove_file(home.path("home/run").join(name)).unwrap();
    }
    called(&home, &verifier);
    verifier.with(|state| state.users.clear());
    let output = home.run(["call", &verifier.pack("b1946ac9"), "A"]);
    done(&output);
    assert!(
        stderr(&output).contains("and cannot be renewed: the login at http://127.0.0.1:"),
        "{}",
        stderr(&output)
    );
    for name in files(&home, "home/run") {
        std::fs::remove_file(home.path("home/run").join(name)).unwrap();
    }
    let said = failed(&home.run(["call", &verifier.pack("b1946ac9"), "A"]), 1);
    let url = verifier.url();
    let expected = format!(
        "envelope: error: the login at {url} has ended: the identity provider does not renew it\nenvelope: hint: envelope login {url}\n"
    );
    assert_eq!(said, expected);
}

#[test]
fn a_login_of_openid_connect_is_renewed_by_a_refresh_token_that_the_verifier_never_sees() {
    let script = [
        oidc("TOKEN-SECRET", "REFRESH-1-SECRET"),
        oidc("TOKEN-SECRET", "REFRESH-2-SECRET"),
        (400, json!({"error": "invalid_grant"})),
    ];
    let (provider, verifier) = Provider::with_verifier(&script, "oidc");
    let home = Home::new();
    verifier.with(|state| (state.login_ttl, state.login_age) = (1000, 950));
    done(&home.run(["login", &verifier.url()]));
    // What the verifier says later leads the refresh token nowhere else.
    verifier.with(|state| state.login = json!([Provider::start(&[granted()]).entry("oidc", "oidc")]));
    called(&home, &verifier);
    assert_eq!(
        provider.asked()[1],
        "grant_type=refresh_token&refresh_token=REFRESH-1-SECRET&client_id=envelope%20cli"
    );
    let output = home.run(["call", &verifier.pack("b1946ac9"), "A"]);
    done(&output);
    assert!(provider.asked()[2].contains("REFRESH-2-SECRET"));
    assert!(stderr(&output).contains("cannot be renewed"), "{}", stderr(&output));
    for seen in verifier.server.seen() {
        assert!(!format!("{seen:?}").contains("REFRESH"), "{seen:?}");
    }

    // Without a refresh token a login lasts as long as its certificate.
    let (provider, verifier) = Provider::with_verifier(&[(200, json!({"id_token": "TOKEN-SECRET"}))], "oidc");
    let home = Home::new();
    verifier.with(|state| (state.login_ttl, state.login_age) = (1000, 950));
    done(&home.run(["login", &verifier.url()]));
    let output = home.run(["call", &verifier.pack("b1946ac9"), "A"]);
    assert_eq!((done(&output).is_empty(), provider.asked().len()), (false, 1));
    assert!(stderr(&output).contains("cannot be renewed"));
}

#[test]
fn eight_processes_renew_once() {
    let (_provider, verifier) = Provider::with_verifier(&[granted()], "github");
    let home = Home::new();
    verifier.with(|state| (state.login_ttl, state.login_age) = (1000, 950));
    done(&home.run(["login", &verifier.url()]));
    verifier.with(|state| state.login_age = 0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(called(&home, &verifier).1, "github:alice"));
        }
    });
    assert_eq!(logins(&verifier), 2);
}
