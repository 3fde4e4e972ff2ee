//! A verifier with a store of keys, its admin, and what people say to it.

use std::path::Path;

use envelope_core::{Retirement, Signature, SigningKey, Succession, Timestamp};
use serde_json::{Value, json};

use super::{Answer, Http, PackServer, Person, Program, key, now};

pub const AUTHORITY: &str = "pack.example";
pub const TARGET: &str = "/api/pack/p1/agent";

/// A verifier with its store at `store`, and `root` as its admin.
pub fn start(pack: &PackServer, store: &Path, more: &[&str]) -> Program {
    start_with(Program::serve, pack, store, more)
}

/// The same, started in another way.
pub fn start_with(
    serve: impl FnOnce(&[&str]) -> Program,
    pack: &PackServer,
    store: &Path,
    more: &[&str],
) -> Program {
    let (upstream, trust) = (pack.url(), Person::new("root").trust("root"));
    let args: &[&str] = &[
        "--upstream",
        &upstream,
        "--authority",
        AUTHORITY,
        "--auth-required",
        "--trust",
        &trust,
        "--admin",
        "root",
        "--store",
        store.to_str().unwrap(),
    ];
    serve(&[args, more].concat())
}

pub fn thumbprint(label: &str) -> String {
    key(label).verifying_key().thumbprint().to_string()
}

impl Person {
    /// A signed request; `body` is JSON.
    pub fn request(&self, method: &str, target: &str, body: Option<&str>) -> Http {
        let request = Http::new(method, target, AUTHORITY);
        let request = match body {
            Some(body) => request.header("Content-Type", "application/json").body(body),
            None => request,
        };
        request.sign(&self.signer(), now())
    }

    pub fn enrolls(&self, ticket: &str) -> Http {
        Http::new("POST", "/api/enroll", AUTHORITY)
            .header("Authorization", &format!("Bearer {ticket}"))
            .sign(&self.signer(), now())
    }

    /// What a call of theirs comes to: `200`, or the code of the refusal.
    pub fn calls(&self, verifier: &Program) -> String {
        told(&verifier.send(&self.post(AUTHORITY, TARGET, "{}")))
    }
}

/// `200`, or the code of the refusal.
pub fn told(answer: &Answer) -> String {
    if answer.status == 200 { "200".into() } else { answer.code() }
}

/// What the admin asks for, and the answer, which must be 200.
pub fn admin(verifier: &Program, method: &str, target: &str, body: Option<&Value>) -> Value {
    let body = body.map(Value::to_string);
    let answer = verifier.send(&Person::new("root").request(method, target, body.as_deref()));
    assert_eq!(answer.status, 200, "{target} {body:?}: {answer:?}\n{}", verifier.log());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    answer.json()
}

/// What the admin is refused.
pub fn refused(verifier: &Program, target: &str, body: &Value) -> String {
    let body = body.to_string();
    verifier.send(&Person::new("root").request("POST", target, Some(&body))).code()
}

pub fn ticket(verifier: &Program, identity: &str) -> String {
    let answer = admin(verifier, "POST", "/api/keys/tickets", Some(&json!({"identity": identity})));
    answer["ticket"].as_str().unwrap().to_owned()
}

pub fn register(verifier: &Program, identity: &str, label: &str) -> Value {
    let body = json!({"identity": identity, "key": thumbprint(label)});
    admin(verifier, "POST", "/api/keys", Some(&body))
}

pub fn revoke(verifier: &Program, body: &Value) -> Value {
    admin(verifier, "POST", "/api/keys/revocations", Some(body))
}

pub fn succession(old: &SigningKey, new: &SigningKey, issued: u64, overlap: u64) -> String {
    let (issued, keys) = (Timestamp::from_unix(issued), [old, new]);
    let draft =
        Succession { old: old.verifying_key(), new: new.verifying_key(), issued, overlap }.draft().unwrap();
    let signatures: Vec<Signature> =
        draft.signing_inputs().zip(keys).map(|(input, key)| key.sign(input.as_bytes())).collect();
    draft.attach(&signatures).unwrap()
}

pub fn retirement(key: &SigningKey) -> String {
    let draft = Retirement { key: key.verifying_key(), issued: Timestamp::from_unix(now()) }.draft().unwrap();
    let signatures: Vec<Signature> = draft.signing_inputs().map(|input| key.sign(input.as_bytes())).collect();
    draft.attach(&signatures).unwrap()
}

/// Sends a statement, which needs no envelope.
pub fn state(verifier: &Program, statement: &str) -> Answer {
    let request = Http::new("POST", "/api/statements", AUTHORITY);
    verifier.send(&request.header("Content-Type", "application/jose+json").body(statement))
}
