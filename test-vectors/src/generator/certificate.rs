//! A certificate that is right in everything, to be changed in one thing and then signed.

use super::draft::NOW;
use super::keys::{Key, Sign, base64url};

/// Members of a JSON object in order: name and value as written.
pub(super) struct Members(Vec<(String, String)>);

impl Members {
    /// Sets a member, in place of the one that is there.
    pub(super) fn set(&mut self, name: &str, json: impl Into<String>) {
        let json = json.into();
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = json,
            None => self.add(name, json),
        }
    }

    /// Adds a member, even if it is there.
    pub(super) fn add(&mut self, name: &str, json: impl Into<String>) {
        self.0.push((name.into(), json.into()));
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| known != name);
    }

    /// Removes a member and gives its value.
    pub(super) fn take(&mut self, name: &str) -> String {
        let value = self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        self.remove(name);
        value.unwrap()
    }

    pub(super) fn to_json(&self) -> String {
        let members: Vec<String> = self.0.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    }
}

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
        let members = |list: &[(&str, String)]| {
            Members(list.iter().map(|(name, value)| ((*name).into(), value.clone())).collect())
        };
        Self {
            issuer,
            header: members(&header),
            claims: members(&claims),
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
