//! A statement that is right in everything, to be changed in one thing and then signed.

use envelope_test_vectors::statement::List;
use serde::Serialize;

use super::super::draft::quoted;
use super::super::keys::{Key, Sign, base64url};
use super::super::members::Members;

/// What a statement that is taken does.
#[derive(Clone)]
pub(super) enum Effect {
    Succession { old: String, new: String, until: u64 },
    Retirement { key: String },
    List { issuer: String, list: List },
}

pub(crate) struct Draft {
    pub(super) effect: Effect,
    pub(super) claims: Members,
    pub(super) signers: Vec<Signer>,
    /// Changes the JSON of the claims before they are signed.
    pub(super) respell_claims: fn(String) -> Vec<u8>,
    /// Changes the object around it after it was signed.
    pub(super) tamper: fn(&mut Members),
    /// Changes the text after it was signed.
    pub(super) respell: fn(String) -> String,
}

/// A key that signs, and how.
pub(super) struct Signer {
    pub key: Key,
    pub header: Members,
    /// Signs in place of the key.
    pub signer: Option<Key>,
    pub sign: Sign,
    /// Changes the JSON of the header before it is signed.
    pub respell_header: fn(String) -> Vec<u8>,
    /// Changes the entry after it was signed.
    pub tamper: fn(&mut Members),
}

impl Signer {
    fn new(typ: &str, key: &Key) -> Self {
        let header = Members::new([
            ("typ", quoted(typ)),
            ("alg", quoted(key.algorithm().jose_name())),
            ("jwk", key.jwk()),
        ]);
        Self {
            key: key.clone(),
            header,
            signer: None,
            sign: Key::sign,
            respell_header: String::into_bytes,
            tamper: |_| (),
        }
    }

    fn to_json(&self, claims: &str) -> String {
        let header = base64url(&(self.respell_header)(self.header.to_json()));
        let key = self.signer.as_ref().unwrap_or(&self.key);
        let signature = base64url(&(self.sign)(key, format!("{header}.{claims}").as_bytes()));
        let mut entry = Members::new([("protected", quoted(&header)), ("signature", quoted(&signature))]);
        (self.tamper)(&mut entry);
        entry.to_json()
    }
}

impl Draft {
    /// `new` comes after `old`, and `old` goes at `until`.
    pub(crate) fn succession(old: &Key, new: &Key, issued: u64, until: u64) -> Self {
        let (iss, sub) = (old.thumbprint(), new.thumbprint());
        let claims = [
            ("iss", urn(&iss)),
            ("sub", urn(&sub)),
            ("iat", issued.to_string()),
            ("until", until.to_string()),
        ];
        let effect = Effect::Succession { old: iss, new: sub, until };
        Self::new("envelope-succession", &[old, new], Members::new(claims), effect)
    }

    /// `key` must not be used any more.
    pub(crate) fn retirement(key: &Key, issued: u64) -> Self {
        let claims = [("iss", urn(&key.thumbprint())), ("iat", issued.to_string())];
        let effect = Effect::Retirement { key: key.thumbprint() };
        Self::new("envelope-retirement", &[key], Members::new(claims), effect)
    }

    /// What `issuer` knows that must not be trusted.
    pub(crate) fn list(issuer: &Key, list: List) -> Self {
        let claims = Members::new([
            ("iss", urn(&issuer.thumbprint())),
            ("iat", list.iat.to_string()),
            ("keys", json(&list.keys)),
            ("certificates", json(&list.certificates)),
            ("issued_from", json(&list.issued_from)),
            ("until", json(&list.until)),
        ]);
        let effect = Effect::List { issuer: issuer.thumbprint(), list };
        Self::new("envelope-revocations", &[issuer], claims, effect)
    }

    fn new(typ: &str, keys: &[&Key], claims: Members, effect: Effect) -> Self {
        Self {
            effect,
            claims,
            signers: keys.iter().map(|key| Signer::new(typ, key)).collect(),
            respell_claims: String::into_bytes,
            tamper: |_| (),
            respell: |text| text,
        }
    }

    /// Signs it.
    pub(crate) fn to_text(&self) -> String {
        let claims = base64url(&(self.respell_claims)(self.claims.to_json()));
        let signatures: Vec<String> = self.signers.iter().map(|signer| signer.to_json(&claims)).collect();
        let signatures = format!("[{}]", signatures.join(","));
        let mut general = Members::new([("payload", quoted(&claims)), ("signatures", signatures)]);
        (self.tamper)(&mut general);
        (self.respell)(general.to_json())
    }

    /// The JSON of the header with this number, and of the claims.
    pub(crate) fn parts(&self) -> (Vec<String>, String) {
        (self.signers.iter().map(|signer| signer.header.to_json()).collect(), self.claims.to_json())
    }
}

pub(super) fn urn(thumbprint: &str) -> String {
    quoted(&format!("urn:jkt:sha-256:{thumbprint}"))
}

fn json(entries: &impl Serialize) -> String {
    serde_json::to_string(entries).unwrap()
}
