//! Tokens that are no good. Each differs from a good one in one thing.

use base64ct::{Base64UrlUnpadded, Encoding};

use super::*;

struct Setting {
    issuer: FakeIssuer,
    es256: IssuerKey,
    rs256: IssuerKey,
    providers: Providers,
}

impl Setting {
    async fn new() -> Self {
        let issuer = FakeIssuer::start();
        let es256 = IssuerKey::new("ec", Algorithm::ES256);
        let rs256 = IssuerKey::new("rsa", Algorithm::RS256);
        issuer.publish(&[es256.jwk(), rs256.jwk()]);
        let providers = with_oidc(oidc_at(&issuer.url()));
        let setting = Self { issuer, es256, rs256, providers };
        for key in [&setting.es256, &setting.rs256] {
            let token = key.sign(&claims(&setting.issuer));
            assert_eq!(setting.providers.check(&token).await, user("oidc:alice", &[]));
        }
        setting
    }

    async fn refuses(&self, token: &str, why: &str) {
        assert_eq!(self.providers.check(token).await, Ok(None), "{why}");
    }

    async fn refuses_claims(&self, name: &str, value: Value) {
        let token = self.es256.sign(&changed(claims(&self.issuer), name, value.clone()));
        self.refuses(&token, &format!("{name}: {value}")).await;
    }
}

/// A compact JWS of a header as it stands, signed by what `sign` does.
fn jws(header: &Value, claims: &Value, sign: impl FnOnce(&str) -> Vec<u8>) -> String {
    let part = |value: &Value| Base64UrlUnpadded::encode_string(value.to_string().as_bytes());
    let message = format!("{}.{}", part(header), part(claims));
    let signature = Base64UrlUnpadded::encode_string(&sign(&message));
    format!("{message}.{signature}")
}

#[tokio::test]
async fn claims_that_do_not_hold() {
    let setting = Setting::new().await;
    for (name, value) in [
        ("iss", json!("https://issuer.example")),
        ("iss", json!(format!("{}/", setting.issuer.url()))),
        ("iss", json!(null)),
        ("aud", json!("pack")),
        ("aud", json!(["pack", "Envelope"])),
        ("aud", json!([])),
        ("aud", json!(null)),
        ("exp", json!(NOW - 5)),
        ("exp", json!(1_699_999_994.5)),
        ("exp", json!(0)),
        ("exp", json!(-1)),
        ("exp", json!("2030-01-01T00:00:00Z")),
        ("exp", json!(null)),
        ("nbf", json!(NOW + 6)),
        ("nbf", json!("soon")),
        ("nbf", json!(-1)),
        ("sub", json!("")),
        ("sub", json!(7)),
        ("sub", json!(null)),
        ("sub", json!("alice liddell")),
        ("sub", json!("alice*")),
        ("sub", json!("älice")),
        ("sub", json!("a".repeat(124))),
        ("cnf", json!({ "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" })),
    ] {
        setting.refuses_claims(name, value).await;
    }
    for name in ["iss", "aud", "exp", "sub"] {
        let mut claims = claims(&setting.issuer);
        claims.as_object_mut().unwrap().remove(name);
        setting.refuses(&setting.es256.sign(&claims), &format!("no {name}")).await;
    }
    setting.refuses(&setting.es256.sign(&json!([])), "claims that are a list").await;
}

#[tokio::test]
async fn headers_that_are_not_for_this() {
    let setting = Setting::new().await;
    let (key, claims) = (&setting.es256, claims(&setting.issuer));
    for kind in ["logout+jwt", "secevent+jwt", "dpop+jwt", "jkt-s256+jwt", "JWS", ""] {
        let header = Header { typ: Some(kind.into()), ..key.header() };
        setting.refuses(&key.sign_with(&header, &claims), kind).await;
    }
    let mut header = key.header();
    header.crit = Some(vec!["exp".into()]);
    setting.refuses(&key.sign_with(&header, &claims), "crit").await;
    header.crit = Some(Vec::new());
    setting.refuses(&key.sign_with(&header, &claims), "an empty crit").await;
    // A key that comes with the token proves nothing.
    let stranger = IssuerKey::new("ec", Algorithm::ES256);
    let jwk = serde_json::from_value(stranger.jwk()).unwrap();
    let header = Header { jwk: Some(jwk), ..stranger.header() };
    setting.refuses(&stranger.sign_with(&header, &claims), "jwk").await;
}

#[tokio::test]
async fn signatures_that_are_none() {
    let setting = Setting::new().await;
    let claims = claims(&setting.issuer);
    let stranger = IssuerKey::new("ec", Algorithm::ES256);
    setting.refuses(&stranger.sign(&claims), "somebody else's signature").await;

    let token = setting.es256.sign(&claims);
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (header, _) = message.split_once('.').unwrap();
    let mallory =
        Base64UrlUnpadded::encode_string(changed(claims.clone(), "sub", json!("m")).to_string().as_bytes());
    setting.refuses(&format!("{header}.{mallory}.{signature}"), "other claims").await;
    setting.refuses(&format!("{message}.{}", &signature[1..]), "a shorter signature").await;
    let zeros = Base64UrlUnpadded::encode_string(&[0; 64]);
    setting.refuses(&format!("{message}.{zeros}"), "a signature of zeros").await;

    for name in ["none", "None", "NONE", ""] {
        let unsigned = jws(&json!({ "alg": name, "kid": "ec", "typ": "JWT" }), &claims, |_| b"x".to_vec());
        setting.refuses(&unsigned, name).await;
        setting.refuses(unsigned.trim_end_matches("eA"), "nothing for a signature").await;
    }
}

/// The classic: the public key taken for the secret of a MAC.
#[tokio::test]
async fn a_public_key_is_no_secret() {
    let setting = Setting::new().await;
    let claims = claims(&setting.issuer);
    let jwk = setting.rs256.jwk();
    let modulus = Base64UrlUnpadded::decode_vec(jwk["n"].as_str().unwrap()).unwrap();
    for secret in [modulus, jwk.to_string().into_bytes(), jwk["n"].as_str().unwrap().into(), Vec::new()] {
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            for id in ["rsa", "ec"] {
                let header = Header { kid: Some(id.into()), ..Header::new(algorithm) };
                let key = EncodingKey::from_secret(&secret);
                let token = jsonwebtoken::encode(&header, &claims, &key).unwrap();
                setting.refuses(&token, "a MAC").await;
            }
        }
    }
    // Nor does the issuer's publishing one make it a key here.
    setting.issuer.publish(&[json!({ "kty": "oct", "kid": "mac", "alg": "HS256", "k": "AAAA" })]);
    pass(MINUTE).await;
    let header = Header { kid: Some("mac".into()), ..Header::new(Algorithm::HS256) };
    let token = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(&[0, 0, 0])).unwrap();
    setting.refuses(&token, "an oct key").await;
}

#[tokio::test]
async fn the_key_and_the_configuration_say_which_algorithm() {
    let setting = Setting::new().await;
    let claims = claims(&setting.issuer);
    // Its JWK says RS256.
    let header = Header { kid: Some("rsa".into()), ..Header::new(Algorithm::PS256) };
    setting.refuses(&setting.rs256.sign_with(&header, &claims), "an algorithm that is not the key's").await;
    // An RSA key named where an EC key is meant, and the other way round.
    let header = Header { kid: Some("ec".into()), ..Header::new(Algorithm::RS256) };
    setting.refuses(&setting.rs256.sign_with(&header, &claims), "another kind of key").await;
    let header = Header { kid: Some("rsa".into()), ..Header::new(Algorithm::ES256) };
    setting.refuses(&setting.es256.sign_with(&header, &claims), "another kind of key").await;
    // RS384 is not configured, even for a key that says nothing.
    let mut jwk = setting.rs256.jwk();
    jwk.as_object_mut().unwrap().remove("alg");
    setting.issuer.publish(&[jwk]);
    pass(MINUTE * 60).await;
    for (algorithm, good) in [(Algorithm::RS256, true), (Algorithm::PS256, true), (Algorithm::RS384, false)] {
        let header = Header { kid: Some("rsa".into()), ..Header::new(algorithm) };
        let answer = setting.providers.check(&setting.rs256.sign_with(&header, &claims)).await;
        assert_eq!(answer.unwrap().is_some(), good, "{algorithm:?}");
    }
}

#[tokio::test]
async fn things_that_look_like_a_token_are_none() {
    let setting = Setting::new().await;
    let part = |text: &str| Base64UrlUnpadded::encode_string(text.as_bytes());
    for header in ["", "{", "[]", "null", "{}", "{\"alg\":7}", "{\"alg\":\"ES256\",\"alg\":\"ES256\"}"] {
        let token = format!("{}.e30.AAAA", part(header));
        setting.refuses(&token, header).await;
    }
    setting.refuses("x.y.z", "no base64url of anything").await;
    assert_eq!(setting.issuer.fetched(), 1, "nothing of that is worth a question");
}
