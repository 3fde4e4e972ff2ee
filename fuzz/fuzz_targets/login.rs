//! A login certificate that we read is a JWT to the crate `jsonwebtoken`, with the same claims; one that verifies does so there, too, under
//! one key, and bending it ends it; what it says can be issued anew.
#![no_main]

use std::sync::LazyLock;

use base64ct::{Base64UrlUnpadded, Encoding};
use envelope_core::issue::attach;
use envelope_core::{Algorithm, Certificate, Identity, Issue, SigningKey, UntrustedLogin};
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use jsonwebtoken::{DecodingKey, Validation};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// The keys of the verifier in the vectors, and two that are nobody's.
static ISSUERS: LazyLock<[SigningKey; 4]> = LazyLock::new(|| {
    let issuer = Sha256::digest("envelope test key: verifier issuer").into();
    [
        (Algorithm::Ed25519, issuer),
        (Algorithm::P256, issuer),
        (Algorithm::Ed25519, [9; 32]),
        (Algorithm::P256, [9; 32]),
    ]
    .map(|(algorithm, bytes)| SigningKey::from_bytes(algorithm, &bytes).unwrap())
});

/// The certificate by the only key that it verifies under, and that key.
fn verified(text: &str) -> Option<(Certificate, &'static SigningKey)> {
    let read = UntrustedLogin::parse(text).ok()?;
    let mut found =
        ISSUERS.iter().filter_map(|key| Some((read.clone().verify(key.verifying_key()).ok()?, key)));
    let first = found.next();
    assert!(found.next().is_none(), "two keys have signed one text");
    first
}

fn json(part: &str) -> Value {
    serde_json::from_slice(&Base64UrlUnpadded::decode_vec(part).unwrap()).unwrap()
}

/// These members of an object, where they are there.
fn only(object: &Value, names: &[&str]) -> Value {
    let member = |name: &&str| object.get(name).map(|value| ((*name).to_owned(), value.clone()));
    names.iter().filter_map(member).collect::<Map<_, _>>().into()
}

fn jwk(value: &Value) -> Jwk {
    serde_json::from_value(only(value, &["kty", "crv", "x", "y"])).unwrap()
}

/// The text with those members of its header that section 5.2 names, and EdDSA for the name Ed25519 of RFC 9864, which the crate does not
/// know yet. It has types for members that are of no interest here, and would refuse them.
fn plain(text: &str) -> (String, jsonwebtoken::Algorithm) {
    let (header, rest) = text.split_once('.').unwrap();
    let mut header = only(&json(header), &["typ", "alg", "kid"]);
    let algorithm = match header["alg"].as_str() {
        Some("ES256") => jsonwebtoken::Algorithm::ES256,
        _ => jsonwebtoken::Algorithm::EdDSA,
    };
    header["alg"] = json!(algorithm);
    (format!("{}.{rest}", Base64UrlUnpadded::encode_string(header.to_string().as_bytes())), algorithm)
}

/// What it reads of the text, when it reads the text as it is, signature and all.
fn decoded(text: &str, key: &DecodingKey, algorithm: jsonwebtoken::Algorithm) -> Option<Value> {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    (validation.validate_exp, validation.validate_aud) = (false, false);
    Some(jsonwebtoken::decode::<Value>(text, key, &validation).ok()?.claims)
}

// A place, what is put there, whose key signs (nobody's: the text is a certificate already), and the header and the claims on a line each.
fuzz_target!(|input: (u16, u8, u8, &str)| {
    let (at, with, kind, text) = input;
    let signed = match (kind % 3, text.split_once('\n')) {
        (0, _) | (_, None) => text.to_owned(),
        (kind, Some((header, claims))) => {
            let part = |json: &str| Base64UrlUnpadded::encode_string(json.as_bytes());
            let input = format!("{}.{}", part(header), part(claims));
            let signature = ISSUERS[usize::from(kind) - 1].sign(input.as_bytes());
            attach(input, &signature)
        }
    };
    let text = &*signed;
    let Ok(read) = UntrustedLogin::parse(text) else { return };

    let (plain, algorithm) = plain(text);
    let jwt = jsonwebtoken::dangerous::insecure_decode::<Value>(&plain).unwrap();
    let claims = &jwt.claims;
    assert_eq!(jwt.header.typ.as_deref(), Some("envelope-login+jwt"));
    assert_eq!(jwt.header.kid, Some(read.issuer_key().to_string()));
    assert_eq!(claims["iat"].as_u64(), Some(read.issued().as_unix()));
    assert_eq!(claims["exp"].as_u64(), Some(read.expires().as_unix()));
    assert_eq!(claims["sub"].as_str(), read.identity().map(Identity::as_str));
    let thumbprint = jwk(&claims["cnf"]["jwk"]).thumbprint(ThumbprintHash::SHA256).unwrap();
    assert_eq!(thumbprint, read.call_key().thumbprint().to_string());

    let Some((certificate, key)) = verified(text) else { return };
    assert_eq!(certificate.as_str(), text);
    let login = certificate.login().unwrap();
    assert_eq!(claims["iss"].as_str(), Some(login.issuer()));
    assert_eq!(claims["sub"].as_str(), Some(login.identity().as_str()));
    assert_eq!(claims["jti"].as_str(), certificate.id());
    assert_eq!(claims.get("groups").unwrap_or(&json!([])), &json!(**login.groups()));
    let audience = match &claims["aud"] {
        one @ Value::String(_) => json!([one]),
        other => other.clone(),
    };
    assert_eq!(audience, json!(certificate.grant().audiences()));
    let scope = certificate.grant().scopes().map(|scopes| scopes.join(" "));
    assert_eq!(claims["scope"].as_str(), scope.as_deref());

    let decoding_key = DecodingKey::from_jwk(&jwk(&key.verifying_key().to_jwk().parse().unwrap())).unwrap();
    let (input, signature) = text.rsplit_once('.').unwrap();
    assert_eq!(jsonwebtoken::crypto::verify(signature, input.as_bytes(), &decoding_key, algorithm), Ok(true));
    match decoded(text, &decoding_key, algorithm) {
        Some(decoded) => assert_eq!(&decoded, claims),
        None => assert_ne!(json(text.split_once('.').unwrap().0), json(plain.split_once('.').unwrap().0)),
    }

    let mut bent = text.as_bytes().to_vec();
    let at = usize::from(at) % bent.len();
    if bent[at] != with {
        bent[at] = with;
        assert!(std::str::from_utf8(&bent).ok().and_then(verified).is_none(), "another text verifies, too");
    }

    // Our own spelling can be longer by a name of the algorithm and an empty `jti`.
    if text.len() < 8000 {
        let (issued, grant) = (certificate.issued(), certificate.grant().clone());
        let (lifetime, id) = (certificate.expires().since(issued), certificate.id().unwrap_or_default());
        let issue = Issue { call_key: certificate.call_key(), issued, lifetime, id, grant };
        let again = issue.sign_login(key, login.issuer(), login.identity(), login.groups());
        let (again, _) = again.ok().and_then(|text| verified(&text)).expect("what was read is written");
        assert_eq!(again.login(), certificate.login());
        assert_eq!(again.grant(), certificate.grant());
        assert_eq!(
            (again.issued(), again.expires(), again.call_key(), again.id()),
            (certificate.issued(), certificate.expires(), certificate.call_key(), Some(id))
        );
    }
});
