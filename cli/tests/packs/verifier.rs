//! A verifier with a pack server behind it, as far as `spec/packs.md` says what a client sees of one. Envelopes are judged by
//! envelope-core.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use envelope_core::{
    Algorithm, Authorities, Call, Code, Grant, Identity, Issue, Issuer, Refusal, Request, SigningKey,
    Thumbprint, Timestamp, TrustList, UntrustedCertificate, Window,
};
use serde_json::{Value, json};

use crate::outside::{fields, key, now};
use crate::server::{Answer, Seen, Server};

/// What the verifier knows, and how it behaves.
pub(crate) struct State {
    /// Identity keys, and whose they are.
    pub(crate) known: Vec<(Thumbprint, String)>,
    /// By guid in lower case: PACK, section 6, and the tokens by name.
    pub(crate) packs: BTreeMap<String, (Value, BTreeMap<String, String>)>,
    /// Tokens of identity providers, and whose they are.
    pub(crate) users: BTreeMap<String, String>,
    /// The member `login` of `/.well-known/envelope`.
    pub(crate) login: Value,
    /// How long a login certificate is good.
    pub(crate) login_ttl: u64,
    /// When it was issued, in seconds before now.
    pub(crate) login_age: u64,
    /// How many signed requests are told that the replay cache began anew.
    pub(crate) anew: u32,
    /// What is answered to `METHOD path` in place of what should be.
    pub(crate) instead: BTreeMap<String, (u16, &'static str, String)>,
    pub(crate) minted: u64,
}

pub(crate) struct Verifier {
    pub(crate) server: Server,
    state: Arc<Mutex<State>>,
}

/// Who calls.
pub(crate) enum Caller {
    Nobody,
    Signed(Box<Call>),
    Bearer(String),
}

impl Verifier {
    pub(crate) fn start() -> Self {
        let state = Arc::new(Mutex::new(State {
            known: vec![],
            packs: BTreeMap::new(),
            users: BTreeMap::new(),
            login: json!([]),
            login_ttl: 3600,
            login_age: 0,
            anew: 0,
            instead: BTreeMap::new(),
            minted: 0,
        }));
        let known = Arc::clone(&state);
        Self { server: Server::start(move |seen| known.lock().unwrap().answer(seen)), state }
    }

    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut MutexGuard<'_, State>) -> T) -> T {
        change(&mut self.state.lock().unwrap())
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    pub(crate) fn pack(&self, guid: &str) -> String {
        format!("{}/api/pack/{guid}", self.url())
    }

    /// Answers this in place of what should be.
    pub(crate) fn instead(&self, what: &str, status: u16, body: &str) {
        let answer = (status, "Content-Type: application/json", body.to_owned());
        self.with(|state| state.instead.insert(what.into(), answer));
    }
}

pub(crate) fn issuer() -> SigningKey {
    key(Algorithm::Ed25519, 77)
}

pub(crate) fn problem(code: &str) -> Answer {
    let code = Code::parse(code).unwrap();
    let body =
        json!({"code": code.as_str(), "title": code.title(), "status": code.status(), "server_time": now()});
    Answer { status: code.status(), field: "Content-Type: application/problem+json", body: body.to_string() }
}

impl State {
    fn answer(&mut self, seen: &Seen) -> Answer {
        if let Some((status, field, body)) = self.instead.get(&format!("{} {}", seen.method, seen.target)) {
            return Answer { status: *status, field, body: body.clone() };
        }
        let caller = match self.caller(seen) {
            Ok(caller) => caller,
            Err(refusal) => return problem(refusal.code().on_the_wire().as_str()),
        };
        if matches!(caller, Caller::Signed(_)) && self.anew > 0 {
            self.anew -= 1;
            return problem("replay-unavailable");
        }
        self.route(seen, &caller).unwrap_or_else(problem)
    }

    /// Section 3.
    fn caller(&self, seen: &Seen) -> Result<Caller, Refusal> {
        if seen.value("signature").is_none() {
            let bearer = seen.value("authorization").map(|it| it.strip_prefix("Bearer ").unwrap().to_owned());
            return Ok(bearer.map_or(Caller::Nobody, Caller::Bearer));
        }
        let mut trust = TrustList::new();
        for (keyid, name) in &self.known {
            trust.trust(Identity::new(name).unwrap(), *keyid);
        }
        let issuer = Arc::new(issuer().verifying_key().clone());
        trust.trust_issuer(Issuer { url: seen.value("host").unwrap().into(), key: issuer });
        if seen.target == "/api/login" {
            // Whoever certified it stands for nobody.
            let field = seen.value("signature-key").unwrap();
            let jws = field.split('"').nth(1).unwrap();
            let key = UntrustedCertificate::parse(jws).unwrap().identity_key().thumbprint();
            assert!(
                !self.known.iter().any(|(known, _)| *known == key),
                "a login proves a key that nobody knows"
            );
            trust.trust(Identity::new("nobody").unwrap(), key);
        }
        let verifier = envelope_core::Verifier::new(Authorities::new([seen.value("host").unwrap()]).unwrap());
        let verifier = verifier.with_window(Window::new(300).unwrap());
        let now = Timestamp::from_unix(now());
        let fields = fields(&seen.header);
        let request = Request::new(&seen.method, &seen.target, &fields);
        let intact = verifier.verify(&request, &trust, now)?.check_body(seen.body.as_bytes(), now)?;
        Ok(Caller::Signed(Box::new(intact.call().clone())))
    }

    fn route(&mut self, seen: &Seen, caller: &Caller) -> Result<Answer, &'static str> {
        let path: Vec<&str> = seen.target.trim_start_matches('/').split('/').collect();
        let body: Value = serde_json::from_str(&seen.body).unwrap_or_default();
        match (seen.method.as_str(), path.as_slice()) {
            ("GET", [".well-known", "envelope"]) => Ok(Answer::json(200, json!({"login": self.login}))),
            ("GET", ["api", "me"]) => {
                let Caller::Signed(call) = caller else { return Err("unauthenticated") };
                let keyid = call.certificate().unwrap().identity_key().to_string();
                Ok(Answer::json(
                    200,
                    json!({"identity": call.identity().as_str(), "keyid": keyid, "packs": []}),
                ))
            }
            ("POST", ["api", "login"]) => self.login(seen, caller),
            ("POST", ["api", kind @ ("pack" | "swarm"), "deploy"]) => self.deploy(kind, &body, caller),
            ("POST", ["api", "pack" | "swarm", guid, "agent"]) => self.agent(guid, &body, caller),
            ("POST", ["api", "packs"]) => self.register(body["guid"].as_str().unwrap(), &body, caller),
            (_, ["api", "packs", guid, rest @ ..]) => {
                let Caller::Signed(_) = caller else { return Err("unauthenticated") };
                self.administer(&seen.method, guid, rest, &body)
            }
            _ => Err("not-allowed"),
        }
    }

    /// What the pack server behind it answers: what came.
    fn agent(&self, guid: &str, body: &Value, caller: &Caller) -> Result<Answer, &'static str> {
        let by = match (caller, self.packs.get(&guid.to_ascii_lowercase())) {
            (Caller::Signed(call), _) => call.identity().as_str().to_owned(),
            (Caller::Bearer(token), Some((_, tokens))) if tokens.values().any(|it| it == token) => {
                "token".into()
            }
            (Caller::Nobody, None) => "nobody".into(),
            _ => return Err("unauthenticated"),
        };
        Ok(Answer::json(200, json!({"by": by, "name": body["name"], "args": body["args"]})))
    }

    /// Section 3.3.
    fn login(&self, seen: &Seen, caller: &Caller) -> Result<Answer, &'static str> {
        let Caller::Signed(call) = caller else { return Err("unauthenticated") };
        assert_eq!(call.grant().unwrap().scopes().unwrap(), ["login"]);
        assert!(call.base().as_str().contains("\"authorization\": Bearer "), "{}", call.base().as_str());
        let bearer = seen.value("authorization").unwrap();
        let user = self.users.get(bearer.strip_prefix("Bearer ").unwrap()).ok_or("unauthenticated")?;
        let certificate = call.certificate().unwrap();
        let issue = Issue {
            call_key: certificate.call_key(),
            issued: Timestamp::from_unix(now() - self.login_age),
            lifetime: self.login_ttl,
            id: "login",
            grant: Grant::everything(),
        };
        let identity = Identity::new(user).unwrap();
        let jws = issue.sign_login(&issuer(), &seen.value("host").unwrap(), &identity, &[]).unwrap();
        let expires = now() - self.login_age + self.login_ttl;
        Ok(Answer::json(
            200,
            json!({"identity": user, "certificate": jws, "expires": expires, "packs": ["b1946ac9"]}),
        ))
    }
}
