//! A configuration makes sense, or says what is wrong with it; and it says where people log in.

use super::*;

fn error(config: ProviderConfig) -> String {
    let error = Providers::new(&config).expect_err("it makes no sense");
    assert!(!error.hint().is_empty());
    error.to_string()
}

#[test]
fn without_a_provider_there_are_none() {
    assert!(Providers::new(&ProviderConfig::default()).unwrap().is_none());
}

#[test]
fn a_provider_is_asked_over_https_or_on_this_machine() {
    for good in [
        "https://api.github.com",
        "https://ghe.example/api/v3",
        "http://127.0.0.1:8000",
        "http://[::1]:8000",
        "http://localhost:8000",
    ] {
        assert!(Providers::new(&github_at(good)).unwrap().is_some(), "{good}");
        let oidc = ProviderConfig { github: None, oidc: Some(oidc_at(good)) };
        assert!(Providers::new(&oidc).unwrap().is_some(), "{good}");
    }
    for (bad, what) in [
        ("", "is no URL"),
        ("api.github.com", "is no URL"),
        ("http://api.github.com", "could be read and changed on the way"),
        ("http://127.0.0.1.example", "could be read and changed on the way"),
        ("http://localhost.example", "could be read and changed on the way"),
        ("ftp://127.0.0.1", "could be read and changed on the way"),
        ("file:///etc/passwd", "could be read and changed on the way"),
        ("https://user:password@ghe.example", "has more than a host and a path"),
        ("https://ghe.example?a=b", "has more than a host and a path"),
        ("https://ghe.example#a", "has more than a host and a path"),
    ] {
        assert_eq!(error(github_at(bad)), format!("the API of GitHub {what}"), "{bad}");
        let mut config = github_at("https://api.github.com");
        config.github.as_mut().unwrap().web = bad.into();
        assert_eq!(error(config), format!("the address of GitHub {what}"), "{bad}");
        let oidc = ProviderConfig { github: None, oidc: Some(oidc_at(bad)) };
        assert_eq!(error(oidc), format!("the issuer of OpenID tokens {what}"), "{bad}");
    }
}

#[test]
fn what_an_issuer_is_held_to_makes_sense() {
    let with = |change: fn(&mut OidcConfig)| {
        let mut oidc = oidc_at("https://issuer.example");
        change(&mut oidc);
        error(ProviderConfig { github: None, oidc: Some(oidc) })
    };
    for (message, what) in [
        (with(|oidc| oidc.name = "github".into()), "is called github"),
        (with(|oidc| oidc.name = String::new()), "is no name of a provider"),
        (with(|oidc| oidc.name = "a:b".into()), "is no name of a provider"),
        (with(|oidc| oidc.client_id = None), "for whom the tokens"),
        (with(|oidc| oidc.audience = Some(String::new())), "for whom the tokens"),
        (
            with(|oidc| (oidc.client_id, oidc.audience) = (Some(String::new()), Some("a".into()))),
            "client_id of a provider is empty",
        ),
        (with(|oidc| oidc.algorithms.clear()), "no algorithm"),
        (with(|oidc| oidc.algorithms.push("HS256".into())), "\"HS256\" is no algorithm"),
        (with(|oidc| oidc.algorithms.push("none".into())), "\"none\" is no algorithm"),
        (with(|oidc| oidc.user_claim.clear()), "is empty"),
        (with(|oidc| oidc.groups_claim.clear()), "is empty"),
        (with(|oidc| oidc.scope.clear()), "is empty"),
    ] {
        assert!(message.contains(what), "{message}: {what}");
    }
}

#[tokio::test]
async fn people_are_told_where_to_log_in() {
    let issuer = FakeIssuer::start();
    let mut config = github_at("https://api.github.com");
    config.oidc =
        Some(OidcConfig { client_id: None, audience: Some("pack".into()), ..oidc_at(&issuer.url()) });
    assert_eq!(providers(&config).login_options().await, json!([]));

    config.github.as_mut().unwrap().client_id = Some("Iv1.8a61f9b3a7aba766".into());
    config.oidc.as_mut().unwrap().client_id = Some("envelope".into());
    let providers = providers(&config);
    let github = json!({
        "provider": "github",
        "kind": "github",
        "client_id": "Iv1.8a61f9b3a7aba766",
        "device_authorization_endpoint": "https://github.com/login/device/code",
        "token_endpoint": "https://github.com/login/oauth/access_token",
        "scope": "read:org",
    });
    let mut oidc = json!({
        "provider": "oidc",
        "kind": "oidc",
        "issuer": issuer.url(),
        "client_id": "envelope",
        "scope": "openid",
    });
    // What the issuer does not say yet is left out.
    issuer.behave(fake_oidc::Behaviour::Down);
    assert_eq!(providers.login_options().await, json!([github, oidc]));
    issuer.behave(fake_oidc::Behaviour::Ok);
    pass(Duration::from_secs(5)).await;
    oidc["device_authorization_endpoint"] = format!("{}/device/auth", issuer.url()).into();
    oidc["token_endpoint"] = format!("{}/token", issuer.url()).into();
    assert_eq!(providers.login_options().await, json!([github, oidc]));
    assert_eq!(providers.login_options().await, json!([github, oidc]));
    assert_eq!(issuer.fetched(), 1);
}
