//! A whole login at a real OpenID provider. Needs `node`, and what `npm ci` installs.

use super::oidc_provider::OidcProvider;
use super::*;

const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Posts a form to an endpoint.
async fn post(url: &Value, form: &str) -> Value {
    let client = reqwest::Client::builder().tls_certs_only([]).no_proxy().build().unwrap();
    let request = client.post(url.as_str().unwrap()).body(form.to_owned());
    let answer = request.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}

#[tokio::test]
async fn somebody_logs_in_at_a_real_provider() {
    for algorithm in OidcConfig::ALGORITHMS.into_iter().filter(|name| *name != "PS256") {
        let provider = OidcProvider::start_with(&["--alg", algorithm]);
        let config = OidcConfig { scope: "openid offline_access".into(), ..oidc_at(&provider.issuer) };
        let config = ProviderConfig { github: None, oidc: Some(config) };
        let providers = Providers::new(&config).unwrap().unwrap();

        let option = &providers.login_options().await[0];
        let scope = option["scope"].as_str().unwrap().replace(' ', "+");
        let client_id = option["client_id"].as_str().unwrap();
        let ask = format!("client_id={client_id}&scope={scope}");
        let device = post(&option["device_authorization_endpoint"], &ask).await;
        let grant = format!(
            "client_id=envelope&grant_type={DEVICE_CODE}&device_code={}",
            device["device_code"].as_str().unwrap()
        );
        let pending = post(&option["token_endpoint"], &grant).await;
        assert_eq!(pending["error"], "authorization_pending");

        provider.approve(device["verification_uri_complete"].as_str().unwrap(), "alice");
        let tokens = post(&option["token_endpoint"], &grant).await;
        let id_token = tokens["id_token"].as_str().unwrap();
        let alice = user("oidc:alice", &["acme", "sales@acme"]);
        assert_eq!(providers.check(id_token).await, alice, "{algorithm}");
        // Its access token is for the provider itself.
        assert_eq!(providers.check(tokens["access_token"].as_str().unwrap()).await, Ok(None));

        let refresh = tokens["refresh_token"].as_str().unwrap();
        let refresh = format!("client_id=envelope&grant_type=refresh_token&refresh_token={refresh}");
        let renewed = post(&option["token_endpoint"], &refresh).await;
        assert_eq!(providers.check(renewed["id_token"].as_str().unwrap()).await, alice);
        // For another audience, it is no good.
        let elsewhere = OidcConfig { audience: Some("pack".into()), ..oidc_at(&provider.issuer) };
        assert_eq!(with_oidc(elsewhere).check(id_token).await, Ok(None));
    }
}
