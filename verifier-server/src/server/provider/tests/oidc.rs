//! What a good token of an issuer says of somebody.

use super::*;

/// An issuer with one key, and a verifier that goes by it.
fn issuer() -> (FakeIssuer, IssuerKey) {
    let (issuer, key) = (FakeIssuer::start(), IssuerKey::new("one", Algorithm::ES256));
    issuer.publish(&[key.jwk()]);
    (issuer, key)
}

#[tokio::test]
async fn a_token_of_every_algorithm_is_good() {
    let issuer = FakeIssuer::start();
    let algorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];
    let config = OidcConfig { algorithms: algorithms.map(String::from).to_vec(), ..oidc_at(&issuer.url()) };
    let providers = with_oidc(config);
    let keys: Vec<_> = algorithms.iter().map(|name| IssuerKey::new(name, name.parse().unwrap())).collect();
    issuer.publish(&keys.iter().map(IssuerKey::jwk).collect::<Vec<_>>());
    for key in &keys {
        assert_eq!(providers.check(&key.sign(&claims(&issuer))).await, user("oidc:alice", &[]), "{}", key.id);
    }
    assert_eq!(issuer.fetched(), 1);
}

#[tokio::test]
async fn groups_are_organisations_and_teams() {
    let (issuer, key) = issuer();
    let providers = with_oidc(oidc_at(&issuer.url()));
    for (listed, groups) in [
        (json!(["acme/sales"]), &["acme", "sales@acme"][..]),
        (json!(["/acme/sales"]), &["acme", "sales@acme"]),
        (json!(["sales@acme"]), &["acme", "sales@acme"]),
        (json!(["acme", "sales@acme", "acme/sales", "beta"]), &["acme", "beta", "sales@acme"]),
        (
            json!(["acme/sales/emea", "/acme", "@acme", "sales@", "a@b@c", "a/b@c", "/", "//", ""]),
            &["/", "//", "/acme", "@acme", "a/b@c", "a@b@c", "acme/sales/emea", "sales@"],
        ),
        (json!([7, null, { "name": "acme" }, "acme"]), &["acme"]),
        (json!("acme"), &[]),
        (json!(null), &[]),
    ] {
        let token = key.sign(&changed(claims(&issuer), "groups", listed.clone()));
        assert_eq!(providers.check(&token).await, user("oidc:alice", groups), "{listed}");
    }
}

#[tokio::test]
async fn what_may_differ_between_good_tokens() {
    let (issuer, key) = issuer();
    let providers = with_oidc(oidc_at(&issuer.url()));
    let alice = user("oidc:alice", &[]);
    for (name, value) in [
        ("aud", json!(["pack", "envelope"])),
        ("exp", json!(NOW - 4)),
        ("exp", json!(1_699_999_996.5)),
        ("nbf", json!(NOW + 5)),
        ("nbf", json!(1_700_000_004.5)),
        ("nonce", json!("whatever")),
    ] {
        let token = key.sign(&changed(claims(&issuer), name, value.clone()));
        assert_eq!(providers.check(&token).await, alice, "{name}: {value}");
    }
    for kind in [None, Some("JWT"), Some("jwt"), Some("at+jwt"), Some("application/at+JWT")] {
        let header = Header { typ: kind.map(String::from), ..key.header() };
        assert_eq!(providers.check(&key.sign_with(&header, &claims(&issuer))).await, alice, "{kind:?}");
    }
}

#[tokio::test]
async fn the_configuration_says_who_is_who() {
    let (issuer, key) = issuer();
    let providers = with_oidc(OidcConfig {
        name: "acme-sso".into(),
        client_id: None,
        audience: Some("https://pack.example".into()),
        user_claim: "preferred_username".into(),
        groups_claim: "roles".into(),
        ..oidc_at(&issuer.url())
    });
    let mut claims = claims(&issuer);
    claims["aud"] = "https://pack.example".into();
    claims["preferred_username"] = "bob".into();
    claims["roles"] = json!(["acme/sales"]);
    assert_eq!(providers.check(&key.sign(&claims)).await, user("acme-sso:bob", &["acme", "sales@acme"]));
    let elsewhere = changed(claims.clone(), "aud", "envelope".into());
    assert_eq!(providers.check(&key.sign(&elsewhere)).await, Ok(None));
    // OpenID Connect requires it, whatever names the user.
    claims.as_object_mut().unwrap().remove("sub");
    assert_eq!(providers.check(&key.sign(&claims)).await, Ok(None));
}

#[tokio::test]
async fn an_address_names_somebody_once_it_is_verified() {
    let (issuer, key) = issuer();
    let providers = with_oidc(OidcConfig { user_claim: "email".into(), ..oidc_at(&issuer.url()) });
    let claims = changed(claims(&issuer), "email", "alice@acme.example".into());
    assert_eq!(providers.check(&key.sign(&claims)).await, Ok(None));
    for unverified in [json!(false), json!("true"), json!(1)] {
        let token = key.sign(&changed(claims.clone(), "email_verified", unverified));
        assert_eq!(providers.check(&token).await, Ok(None));
    }
    let token = key.sign(&changed(claims, "email_verified", true.into()));
    assert_eq!(providers.check(&token).await, user("oidc:alice@acme.example", &[]));
}

#[tokio::test]
async fn a_bearer_goes_to_the_provider_that_issues_such_tokens() {
    let (issuer, key) = issuer();
    let github = FakeGithub::start();
    let token = key.sign(&claims(&issuer));
    github.token("gho_bob", "bob", &[], &[]);
    github.token(&token, "mallory", &[], &[]);

    let both = ProviderConfig { oidc: Some(oidc_at(&issuer.url())), ..github_at(&github.url()) };
    let both = providers(&both);
    assert_eq!(both.check(&token).await, user("oidc:alice", &[]));
    assert_eq!(both.check("gho_bob").await, user("github:bob", &[]));
    assert_eq!(both.check("x.y.z").await, Ok(None));
    assert!(github.server.asked().iter().all(|asked| asked.bearer() == Some("gho_bob")));
    for not_three in ["x.y", "x..z", ".y.z", "x.y.", "w.x.y.z", "x.y+.z"] {
        assert_eq!(both.check(not_three).await, Ok(None));
        assert_eq!(github.server.asked().last().unwrap().bearer(), Some(not_three));
    }

    assert_eq!(with_github(&github).check(&token).await, user("github:mallory", &[]));
    assert_eq!(with_oidc(oidc_at(&issuer.url())).check("gho_bob").await, Ok(None));
    assert_eq!(with_oidc(oidc_at(&issuer.url())).recall("gho_bob").await, Some(None));
}
