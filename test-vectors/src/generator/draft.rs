//! A request that is right in everything, to be changed in one thing and then signed.

use base64ct::{Base64, Encoding};
use envelope_core::Algorithm;
use envelope_test_vectors::{Access, Message, Registered, Request, Step, Trusted, Verifier};
use sha2::{Digest, Sha256, Sha512};

use super::certificate::Draft as Certificate;
use super::keys::{Key, Sign, base64url};

/// The clock of the vectors: 2026-01-01T00:00:00Z.
pub(super) const NOW: u64 = 1_767_225_600;

/// What is changed after the signature was made.
type Tamper = Box<dyn FnOnce(&mut Request)>;

pub(super) struct Draft {
    pub method: String,
    pub target: String,
    /// What `@authority` is signed as.
    pub authority: String,
    /// The fields that are not of the envelope, `Host` first.
    pub headers: Vec<(String, String)>,
    pub body: Option<Vec<u8>>,
    /// The value of `Content-Digest`.
    pub digest: Option<String>,
    /// The call key.
    pub key: Key,
    pub certificate: Option<Certificate>,
    /// The value of `Signature-Key` behind the label, in place of `jkt-jwt` and the certificate.
    pub scheme: Option<String>,
    pub label: String,
    /// The covered components as written; `None`: what the spec demands.
    pub components: Option<Vec<String>>,
    /// The parameters as written: name and value, quotation marks included.
    pub parameters: Vec<(String, String)>,
    pub sign: Sign,
    tampers: Vec<Tamper>,
    pub now: u64,
    pub now_after_body: Option<u64>,
    pub now_at_replay: Option<u64>,
    pub restart: Option<u64>,
    pub access: Option<Access>,
    pub verifier: Verifier,
    /// Whose the identity key is.
    pub identity: String,
}

impl Draft {
    /// The request of the example in the spec: Alice posts a body, with Ed25519 keys. The nonce is made of `seed`.
    pub(super) fn new(seed: &str) -> Self {
        let (identity, key) = (Key::ed25519("alice identity"), Key::ed25519("alice call"));
        let nonce = Sha256::digest(format!("envelope test nonce: {seed}").as_bytes());
        let mut draft = Self {
            method: "POST".into(),
            target: "/api/pack/p1/agent?lang=en".into(),
            authority: "pack.example".into(),
            headers: vec![
                ("Host".into(), "pack.example".into()),
                ("Content-Type".into(), "application/json".into()),
            ],
            body: None,
            digest: None,
            key,
            certificate: None,
            scheme: None,
            label: "sig".into(),
            components: None,
            parameters: Vec::new(),
            sign: Key::sign,
            tampers: Vec::new(),
            now: NOW,
            now_after_body: None,
            now_at_replay: None,
            restart: None,
            access: None,
            verifier: Verifier {
                authorities: vec!["pack.example".into()],
                window: 60,
                trust: Vec::new(),
                registered: Vec::new(),
                revoked: Vec::new(),
                revoked_certificates: Vec::new(),
                issuer: None,
                revocations: None,
                max_body: None,
                replay: None,
                policy: None,
            },
            identity: "alice".into(),
        };
        for (name, value) in [
            ("created", NOW.to_string()),
            ("expires", (NOW + 60).to_string()),
            ("nonce", quoted(&base64url(&nonce[..16]))),
            ("keyid", quoted(&draft.key.thumbprint())),
            ("tag", quoted("envelope/1")),
        ] {
            draft.parameters.push((name.into(), value));
        }
        draft.identity_key(identity);
        draft.body(br#"{"prompt":"What does the fox say?"}"#);
        draft
    }

    /// The same with keys of these algorithms.
    pub(super) fn algorithms(&mut self, identity: Algorithm, call: Algorithm) {
        self.identity_key(Key::new(identity, "alice identity"));
        self.call_key(Key::new(call, "alice call"));
    }

    /// Another certificate, whose issuer is trusted as Alice.
    pub(super) fn certify(&mut self, certificate: Certificate) {
        self.verifier.trust = vec![Trusted::new("alice", certificate.issuer.thumbprint())];
        self.certificate = Some(certificate);
    }

    /// Another call key, and a certificate of Alice's for it.
    pub(super) fn call_key(&mut self, key: Key) {
        self.set("keyid", quoted(&key.thumbprint()));
        let issuer = self.certificate().issuer.clone();
        self.certify(Certificate::new(issuer, &key));
        self.key = key;
    }

    /// Another identity key, which is trusted.
    pub(super) fn identity_key(&mut self, issuer: Key) {
        self.certify(Certificate::new(issuer, &self.key.clone()));
    }

    pub(super) fn certificate(&mut self) -> &mut Certificate {
        self.certificate.as_mut().unwrap()
    }

    /// The call key is registered in place of a certificate, for an hour.
    pub(super) fn register(&mut self) {
        let jwk = serde_json::from_str(&self.key.jwk()).unwrap();
        let identity = self.identity.clone();
        self.verifier.registered.push(Registered { identity, jwk, expires: NOW + 3600 });
        self.verifier.trust.clear();
        self.certificate = None;
    }

    /// `GET` without body.
    pub(super) fn get(&mut self) {
        self.method = "GET".into();
        self.headers.retain(|(name, _)| name != "Content-Type");
        self.no_body();
    }

    pub(super) fn body(&mut self, body: &[u8]) {
        self.body = Some(body.into());
        self.digest = Some(sha256(body));
    }

    pub(super) fn no_body(&mut self) {
        self.body = None;
        self.digest = None;
    }

    pub(super) fn header(&mut self, name: &str, value: &str) {
        self.headers.push((name.into(), value.into()));
    }

    /// What `Host` says, in place of `pack.example`; nothing: there is none.
    pub(super) fn host(&mut self, host: Option<&str>) {
        self.headers.retain(|(name, _)| name != "Host");
        if let Some(host) = host {
            self.headers.insert(0, ("Host".into(), host.into()));
        }
    }

    /// Sets a parameter, in place of the one that is there; `value` as written.
    pub(super) fn set(&mut self, name: &str, value: impl Into<String>) {
        let value = value.into();
        match self.parameters.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.add(name, value),
        }
    }

    /// Adds a parameter, even if it is there.
    pub(super) fn add(&mut self, name: &str, value: impl Into<String>) {
        self.parameters.push((name.into(), value.into()));
    }

    pub(super) fn drop_parameter(&mut self, name: &str) {
        self.parameters.retain(|(known, _)| known != name);
    }

    /// The time of the signature.
    pub(super) fn times(&mut self, created: u64, expires: u64) {
        self.set("created", created.to_string());
        self.set("expires", expires.to_string());
    }

    /// Covers one more component, as written.
    pub(super) fn cover(&mut self, component: &str) {
        let mut components = self.components();
        components.push(component.into());
        self.components = Some(components);
    }

    /// Does not cover a component.
    pub(super) fn uncover(&mut self, name: &str) {
        let mut components = self.components();
        components.retain(|known| *known != quoted(name));
        self.components = Some(components);
    }

    /// Another text of the component list.
    pub(super) fn respell(&mut self, from: &str, to: &str) {
        let mut components = self.components();
        for component in &mut components {
            if component == from {
                *component = to.into();
            }
        }
        self.components = Some(components);
    }

    /// Changes the request after it was signed.
    pub(super) fn tamper(&mut self, change: impl FnOnce(&mut Request) + 'static) {
        self.tampers.push(Box::new(change));
    }

    /// Changes a field after the request was signed.
    pub(super) fn tamper_field(&mut self, name: &'static str, change: impl FnOnce(&str) -> String + 'static) {
        self.tamper(move |request| {
            let field = request.headers.iter_mut().find(|(known, _)| known == name).unwrap();
            field.1 = change(&field.1);
        });
    }

    /// Respells one piece of a field after the request was signed.
    pub(super) fn tamper_text(&mut self, name: &'static str, from: &'static str, to: &'static str) {
        self.tamper_field(name, move |value| {
            assert!(value.contains(from), "{value} does not hold {from}");
            value.replacen(from, to, 1)
        });
    }

    fn components(&self) -> Vec<String> {
        if let Some(components) = &self.components {
            return components.clone();
        }
        let mut names: Vec<&str> = vec!["@method", "@authority", "@path", "@query"];
        for name in [
            "content-type",
            "content-digest",
            "signature-key",
            "authorization",
            "idempotency-key",
            "mcp-session-id",
            "mcp-protocol-version",
        ] {
            let present = self.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
            let envelope = match name {
                "content-digest" => self.digest.is_some(),
                "signature-key" => self.certificate.is_some() || self.scheme.is_some(),
                _ => false,
            };
            if present || envelope {
                names.push(name);
            }
        }
        names.into_iter().map(quoted).collect()
    }

    /// The value of the `Signature-Input` member.
    pub(super) fn signature_params(&self) -> String {
        let parameters: Vec<String> = self.parameters.iter().map(written).collect();
        format!("({}){}", self.components().join(" "), parameters.concat())
    }

    /// Signs the request.
    pub(super) fn seal(self) -> Sealed {
        let components = self.components();
        let mut headers = self.headers.clone();
        if let Some(digest) = &self.digest {
            headers.push(("Content-Digest".into(), digest.clone()));
        }
        let certificate = self.certificate.as_ref().map(Certificate::to_jws);
        let scheme = self.scheme.clone().or(certificate.as_ref().map(|jws| format!("jkt-jwt;jwt=\"{jws}\"")));
        if let Some(scheme) = scheme {
            headers.push(("Signature-Key".into(), format!("{}={scheme}", self.label)));
        }
        let signature_params = self.signature_params();

        let mut base: Vec<String> = components
            .iter()
            .map(|component| format!("{component}: {}", self.value(component, &headers)))
            .collect();
        base.push(format!("\"@signature-params\": {signature_params}"));
        let signature = Base64::encode_string(&(self.sign)(&self.key, base.join("\n").as_bytes()));

        headers.push(("Signature-Input".into(), format!("{}={signature_params}", self.label)));
        headers.push(("Signature".into(), format!("{}=:{signature}:", self.label)));
        let mut request = Request {
            method: self.method,
            target: self.target,
            headers,
            body: self.body.as_deref().map(Base64::encode_string),
        };
        for tamper in self.tampers {
            tamper(&mut request);
        }
        Sealed {
            request,
            base,
            identity: self.identity,
            keyid: self.key.thumbprint(),
            now: self.now,
            now_after_body: self.now_after_body,
            now_at_replay: self.now_at_replay,
            restart: self.restart,
            access: self.access,
            verifier: self.verifier,
        }
    }

    /// The value of a component (RFC 9421 section 2), of those the profile refuses, too.
    fn value(&self, component: &str, headers: &[(String, String)]) -> String {
        let name = component.trim_start_matches('"').split('"').next().unwrap_or_default();
        let (path, query) = origin(&self.target);
        match name {
            "@method" => self.method.clone(),
            "@authority" => self.authority.clone(),
            "@path" => path.into(),
            "@query" => format!("?{query}"),
            "@target-uri" => format!("https://{}{}", self.authority, self.target),
            "@request-target" => self.target.clone(),
            "@scheme" => "https".into(),
            "@query-param" => "en".into(),
            "@status" => "200".into(),
            _ => {
                let lines = headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
                let lines: Vec<&str> = lines.map(|(_, value)| value.trim_matches([' ', '\t'])).collect();
                lines.join(", ")
            }
        }
    }
}

/// Path and query of an origin-form or absolute-form target.
fn origin(target: &str) -> (&str, &str) {
    let rest =
        target.split_once("://").map_or(target, |(_, rest)| rest.find('/').map_or("/", |at| &rest[at..]));
    rest.split_once('?').unwrap_or((rest, ""))
}

fn written((name, value): &(String, String)) -> String {
    if value.is_empty() { format!(";{name}") } else { format!(";{name}={value}") }
}

pub(super) fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

pub(super) fn sha256(body: &[u8]) -> String {
    format!("sha-256=:{}:", Base64::encode_string(&Sha256::digest(body)))
}

pub(super) fn sha512(body: &[u8]) -> String {
    format!("sha-512=:{}:", Base64::encode_string(&Sha512::digest(body)))
}

/// A request that was signed, and perhaps changed thereafter.
pub(super) struct Sealed {
    pub request: Request,
    pub base: Vec<String>,
    pub identity: String,
    pub keyid: String,
    pub now: u64,
    pub now_after_body: Option<u64>,
    pub now_at_replay: Option<u64>,
    pub restart: Option<u64>,
    pub access: Option<Access>,
    pub verifier: Verifier,
}

impl Sealed {
    /// The step of a vector that is valid.
    pub(super) fn valid(self) -> Step {
        let (identity, keyid, base) = (self.identity.clone(), self.keyid.clone(), self.base.clone());
        Step {
            identity: Some(identity),
            keyid: Some(keyid),
            base: Some(base),
            ..self.expecting("valid", None)
        }
    }

    /// The step of a vector that is refused.
    pub(super) fn expecting(self, expect: &str, stage: Option<u8>) -> Step {
        Step {
            expect: expect.into(),
            stage,
            identity: None,
            keyid: None,
            now: self.now,
            now_after_body: self.now_after_body,
            now_at_replay: self.now_at_replay,
            restart: self.restart,
            access: self.access,
            message: Message::Request(self.request),
            base: None,
        }
    }
}
