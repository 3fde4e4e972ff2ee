//! A certificate that is right in everything, to be changed in one thing and then signed.

use super::draft::NOW;
use super::keys::{Key, Sign, base64url};
use super::members::Members;

pub(super) struct Draft {
    pub issuer: Key,
    pub header: Members,
    pub claims: Members,
    /// Signs in place of the issuer.
    pub signer: Option<Key>,
    pub sign: Sign,
    /// Changes the JSON of the header before it is signed.
    pub respell_header: fn(String) -> Vec<u8>,
    /// Changes the JSON of the claims before it is signed.
    pub respell_claims: fn(String) -> Vec<u8>,
    /// Changes the compact JWS after it was signed.
    pub tamper: fn(String) -> String,
}

impl Draft {
    /// For fifteen minutes, for everything.
    pub(super) fn new(issuer: Key, call_key: &Key) -> Self {
        let header = [
            ("typ", r#""jkt-s256+jwt""#.into()),
            ("alg", format!("\"{}\"", issuer.algorithm().jose_name())),
            ("jwk", issuer.jwk()),
        ];
        let claims = [
            ("iss", format!("\"urn:jkt:sha-256:{}\"", issuer.thumbprint())),
            ("iat", NOW.to_string()),
            ("exp", (NOW + 900).to_string()),
            ("jti", r#""c-1""#.into()),
            ("cnf", format!(r#"{{"jwk":{}}}"#, call_key.jwk())),
        ];
        Self {
            issuer,
            header: Members::new(header),
            claims: Members::new(claims),
            signer: None,
            sign: Key::sign,
            respell_header: String::into_bytes,
            respell_claims: String::into_bytes,
            tamper: |jws| jws,
        }
    }

    /// The `cnf` claim with this JWK.
    pub(super) fn confirm(&mut self, jwk: &str) {
        self.claims.set("cnf", format!(r#"{{"jwk":{jwk}}}"#));
    }

    pub(super) fn times(&mut self, issued: u64, expires: u64) {
        self.claims.set("iat", issued.to_string());
        self.claims.set("exp", expires.to_string());
    }

    pub(super) fn to_jws(&self) -> String {
        let header = base64url(&(self.respell_header)(self.header.to_json()));
        let claims = base64url(&(self.respell_claims)(self.claims.to_json()));
        let input = format!("{header}.{claims}");
        let signature = (self.sign)(self.signer.as_ref().unwrap_or(&self.issuer), input.as_bytes());
        (self.tamper)(format!("{input}.{}", base64url(&signature)))
    }
}
