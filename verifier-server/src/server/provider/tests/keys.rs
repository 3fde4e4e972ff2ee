//! An issuer's keys come, go, and outlast the issuer's bad days.

use super::fake_oidc::{Behaviour, DISCOVERY, JWKS};
use super::stand_in::{StandIn, Told};
use super::*;

/// An issuer with the first of three keys, and a verifier that has seen it.
async fn seen() -> (FakeIssuer, [IssuerKey; 3], Arc<Providers>) {
    let issuer = FakeIssuer::start();
    let keys = ["one", "two", "three"].map(|id| IssuerKey::new(id, Algorithm::EdDSA));
    issuer.publish(&[keys[0].jwk()]);
    let providers = Arc::new(with_oidc(oidc_at(&issuer.url())));
    assert_eq!(providers.check(&keys[0].sign(&claims(&issuer))).await, user("oidc:alice", &[]));
    assert_eq!((issuer.server.count(DISCOVERY), issuer.fetched()), (1, 1));
    (issuer, keys, providers)
}

#[tokio::test]
async fn a_new_key_is_fetched_when_its_first_token_comes() {
    let (issuer, [one, two, _], providers) = seen().await;
    let token = two.sign(&claims(&issuer));
    issuer.publish(&[two.jwk()]);
    pass(MINUTE).await;
    assert_eq!(providers.recall(&token).await, None);
    assert_eq!(providers.check(&token).await, user("oidc:alice", &[]));
    assert_eq!(providers.recall(&token).await.map(Ok), Some(user("oidc:alice", &[])));
    assert_eq!(providers.check(&one.sign(&claims(&issuer))).await, Ok(None), "the old one is gone");
    assert_eq!(issuer.fetched(), 2);
}

#[tokio::test]
async fn unknown_keys_are_asked_for_once_a_minute() {
    let (issuer, [one, _, _], providers) = seen().await;
    let made_up = |number: usize| {
        let header = Header { kid: Some(format!("made-up-{number}")), ..one.header() };
        one.sign_with(&header, &claims(&issuer))
    };
    for number in 0..50 {
        assert_eq!(providers.check(&made_up(number)).await, Ok(None));
    }
    assert_eq!(issuer.fetched(), 1);
    pass(MINUTE).await;
    let checks = (0..50).map(|number| {
        let (token, providers) = (made_up(number), Arc::clone(&providers));
        tokio::spawn(async move { providers.check(&token).await })
    });
    for check in checks.collect::<Vec<_>>() {
        assert_eq!(check.await.unwrap(), Ok(None));
    }
    assert_eq!(issuer.fetched(), 2);
}

#[tokio::test]
async fn keys_are_fetched_anew_every_hour() {
    let (issuer, [one, two, _], providers) = seen().await;
    let token = one.sign(&claims(&issuer));
    issuer.publish(&[two.jwk()]);
    pass(60 * MINUTE - MOMENT).await;
    assert_eq!(providers.check(&token).await, user("oidc:alice", &[]));
    assert_eq!(issuer.fetched(), 1);
    pass(MOMENT).await;
    assert_eq!(providers.recall(&token).await, None);
    assert_eq!(providers.check(&token).await, Ok(None));
    assert_eq!(issuer.fetched(), 2);
}

#[tokio::test]
async fn a_known_key_outlasts_its_issuer() {
    for (fault, error) in [
        (Behaviour::Down, Unavailable::Unreachable),
        (Behaviour::Status(500), Unavailable::Status(StatusCode::INTERNAL_SERVER_ERROR)),
        (Behaviour::Status(429), Unavailable::RateLimited),
    ] {
        let (issuer, [one, two, _], providers) = seen().await;
        let (known, unknown) = (one.sign(&claims(&issuer)), two.sign(&claims(&issuer)));
        issuer.publish(&[one.jwk(), two.jwk()]);
        issuer.behave(fault);
        pass(24 * 60 * MINUTE).await;
        for _ in 0..5 {
            assert_eq!(providers.check(&known).await, user("oidc:alice", &[]));
            // Nobody can say whether it is good.
            assert_eq!(providers.check(&unknown).await, Err(error));
        }
        assert_eq!(issuer.server.count(DISCOVERY), 2, "a minute has not passed");
        issuer.behave(Behaviour::Ok);
        pass(MINUTE).await;
        assert_eq!(providers.check(&unknown).await, user("oidc:alice", &[]));
    }
}

#[tokio::test]
async fn without_any_key_the_issuer_is_asked_more_often() {
    let (issuer, key) = (FakeIssuer::start(), IssuerKey::new("one", Algorithm::ES256));
    issuer.publish(&[key.jwk()]);
    issuer.behave(Behaviour::Down);
    let providers = with_oidc(oidc_at(&issuer.url()));
    let token = key.sign(&claims(&issuer));
    for _ in 0..5 {
        assert_eq!(providers.check(&token).await, Err(Unavailable::Unreachable));
    }
    assert_eq!(issuer.server.asked().len(), 1);
    issuer.behave(Behaviour::Ok);
    pass(Duration::from_secs(5)).await;
    assert_eq!(providers.check(&token).await, user("oidc:alice", &[]));
}

#[tokio::test]
async fn who_goes_away_does_not_break_off_the_fetching() {
    let (issuer, [_, two, _], providers) = seen().await;
    let token = two.sign(&claims(&issuer));
    issuer.publish(&[two.jwk()]);
    issuer.behave(Behaviour::Slow);
    pass(MINUTE).await;
    let check = {
        let (token, providers) = (token.clone(), Arc::clone(&providers));
        tokio::spawn(async move { providers.check(&token).await })
    };
    until(|| issuer.server.waiting() == 1).await;
    check.abort();
    assert!(check.await.unwrap_err().is_cancelled());
    issuer.behave(Behaviour::Ok);
    assert_eq!(providers.check(&token).await, user("oidc:alice", &[]));
    assert_eq!((issuer.server.count(DISCOVERY), issuer.fetched()), (2, 2));
}

/// Time passes whenever nothing else happens.
#[tokio::test(start_paused = true)]
async fn a_slow_issuer_is_not_waited_for() {
    let (issuer, key) = (FakeIssuer::start(), IssuerKey::new("one", Algorithm::ES256));
    issuer.behave(Behaviour::Slow);
    let providers = with_oidc(oidc_at(&issuer.url()));
    let begun = tokio::time::Instant::now();
    assert_eq!(providers.check(&key.sign(&claims(&issuer))).await, Err(Unavailable::Late));
    assert!(begun.elapsed() < Duration::from_secs(11));
}

#[tokio::test]
async fn keys_for_other_things_are_left_out() {
    let (issuer, [one, two, three], providers) = seen().await;
    issuer.publish(&[
        json!({ "kty": "RSA", "kid": "broken" }),
        json!("no key"),
        json!({ "kty": "EC", "crv": "secp256k1", "kid": "x", "x": "AAAA", "y": "AAAA" }),
        json!({ "kty": "AKP", "kid": "later", "alg": "ML-DSA-44", "pub": "AAAA" }),
        changed(one.jwk(), "use", json!("enc")),
        changed(two.jwk(), "key_ops", json!(["sign"])),
        three.jwk(),
    ]);
    pass(60 * MINUTE).await;
    for (key, good) in [(one, false), (two, false), (three, true)] {
        let answer = providers.check(&key.sign(&claims(&issuer))).await.unwrap();
        assert_eq!(answer.is_some(), good, "{}", key.id);
    }
    // A key that is for encryption by its algorithm.
    let (issuer, [one, _, _], providers) = seen().await;
    issuer.publish(&[changed(one.jwk(), "alg", json!("ECDH-ES"))]);
    pass(60 * MINUTE).await;
    assert_eq!(providers.check(&one.sign(&claims(&issuer))).await, Ok(None));
}

#[tokio::test]
async fn a_token_that_names_no_key_leaves_no_choice() {
    let (issuer, [one, two, _], providers) = seen().await;
    let token = one.sign_with(&Header { kid: None, ..one.header() }, &claims(&issuer));
    assert_eq!(providers.check(&token).await, user("oidc:alice", &[]));
    issuer.publish(&[one.jwk(), two.jwk()]);
    pass(60 * MINUTE).await;
    assert_eq!(providers.check(&token).await, Ok(None));
}

#[tokio::test]
async fn a_discovery_document_that_is_none() {
    for (members, what) in [
        (json!({ "issuer": "https://issuer.example" }), "it speaks for another issuer"),
        (json!({ "issuer": null }), "it is not the JSON that it should be"),
        (json!({ "jwks_uri": "http://issuer.example/jwks" }), "jwks_uri is no safe URL"),
        (json!({ "jwks_uri": "/jwks" }), "jwks_uri is no safe URL"),
        (json!({ "jwks_uri": null }), "it is not the JSON that it should be"),
    ] {
        let (issuer, key) = (FakeIssuer::start(), IssuerKey::new("one", Algorithm::ES256));
        issuer.publish(&[key.jwk()]);
        issuer.discovery(members.clone());
        let providers = with_oidc(oidc_at(&issuer.url()));
        let answer = providers.check(&key.sign(&claims(&issuer))).await;
        assert_eq!(answer, Err(Unavailable::Malformed(what)), "{members}");
        assert_eq!(issuer.fetched(), 0);
    }
}

#[tokio::test]
async fn answers_that_are_no_keys() {
    let padding = "x".repeat(1 << 20);
    for body in
        ["[]".into(), "{}".into(), "{\"keys\":7}".into(), "{".into(), format!("{{\"keys\":[\"{padding}\"]}}")]
    {
        let server = StandIn::start(move |asked| {
            let url = format!("http://{}", asked.field("host").unwrap());
            Some(match asked.path() {
                DISCOVERY => Told::json(200, &json!({ "issuer": url, "jwks_uri": format!("{url}{JWKS}") })),
                _ => Told::text(200, body.clone()),
            })
        });
        let key = IssuerKey::new("one", Algorithm::ES256);
        let providers = with_oidc(oidc_at(&server.url()));
        let token = key.sign(&json!({}));
        assert!(matches!(providers.check(&token).await, Err(Unavailable::Malformed(_))));
    }
}

#[tokio::test]
async fn a_path_of_the_issuer_stays_in_front() {
    let key = IssuerKey::new("one", Algorithm::ES256);
    let jwk = key.jwk();
    let server = StandIn::start(move |asked| {
        let realm = format!("http://{}/realms/acme/", asked.field("host").unwrap());
        match asked.path() {
            "/realms/acme/.well-known/openid-configuration" => {
                Some(Told::json(200, &json!({ "issuer": realm, "jwks_uri": format!("{realm}keys") })))
            }
            "/realms/acme/keys" => Some(Told::json(200, &json!({ "keys": [jwk] }))),
            _ => Some(Told::text(404, "")),
        }
    });
    let issuer = format!("{}/realms/acme/", server.url());
    let claims = json!({ "iss": issuer, "aud": "envelope", "sub": "alice", "exp": NOW + 600 });
    assert_eq!(with_oidc(oidc_at(&issuer)).check(&key.sign(&claims)).await, user("oidc:alice", &[]));
}
