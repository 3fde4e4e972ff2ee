//! The example log of `spec/receipts.md`: one line of each type, and a receipt of each kind.

use std::sync::Arc;

use envelope_core::receipt::{Entry, Evidence, Head, LoginIssuer, Omitted, Open, Receipt, Verdict};
use envelope_core::{
    Algorithm, Authorities, Call, Grant, Identity, Issue, Issuer, Refusal, Request, Signer, SigningKey,
    Standing, Thumbprint, Timestamp, Trust, Verifier, VerifyingKey,
};
use sha2::{Digest, Sha256};

const NOW: Timestamp = Timestamp::from_unix(1_700_000_000);
const URL: &str = "https://pack.example";

fn key(algorithm: Algorithm, label: &str) -> SigningKey {
    let seed: [u8; 32] = Sha256::digest(format!("envelope test key: {label}")).into();
    SigningKey::from_bytes(algorithm, &seed).unwrap()
}

/// The log, and the thumbprint of the key that signs it.
pub(crate) fn example() -> (String, Thumbprint) {
    let audit = key(Algorithm::Ed25519, "audit");
    let issuer = key(Algorithm::Ed25519, "issuer");
    let json: &[(&str, &[u8])] = &[("Content-Type", b"application/json")];
    let secret: &[(&str, &[u8])] = &[("Authorization", b"Bearer tok_example")];
    let lines: &[(&str, &[u8])] = &[("X-Trace", b"1"), ("X-Trace", b"")];
    let omitted = [("replayed".to_owned(), 12), ("unknown-key".to_owned(), 4193)];
    let opening = |torn| {
        let issuer = LoginIssuer { url: URL.into(), key: issuer.verifying_key().into() };
        let version = Open::VERSION.into();
        let key = audit.verifying_key().into();
        Entry::Open(Open { time: NOW.as_unix(), version, key, issuer: Some(issuer), torn })
    };
    let stranger = Receipt {
        decision: Verdict::Deny,
        code: Some("unknown-key".into()),
        identity: None,
        keyid: None,
        envelope: None,
        ..receipt(3, "alice", &certified(3, json))
    };
    let agent = Receipt {
        decision: Verdict::Deny,
        code: Some("agent-not-allowed".into()),
        agent: Some("Kr\u{e4}he \"1\"".into()),
        ..receipt(4, "alice", &certified(4, lines))
    };
    let unsigned = Receipt {
        identity: Some("pack:p1/default/1".into()),
        keyid: None,
        envelope: None,
        ..receipt(7, "alice", &certified(7, json))
    };
    let entries = [
        Entry::Receipt(receipt(2, "alice", &certified(2, json))),
        Entry::Receipt(stranger),
        Entry::Receipt(agent),
        Entry::Receipt(receipt(5, "ci", &registered(5))),
        Entry::Receipt(receipt(6, "github:bob", &logged_in(6, &issuer))),
        Entry::Receipt(unsigned),
        Entry::Receipt(receipt(8, "alice", &certified(8, secret))),
        Entry::Omitted(Omitted { time: NOW.plus(9).as_unix(), sampled: omitted.into(), lost: 0 }),
    ];
    let (mut head, mut text) = (Head::START, String::new());
    let mut append = |entry: &Entry| {
        let (line, next) = head.append(&entry.to_json());
        text.push_str(&format!("{line}\n"));
        head = next;
        head
    };
    let mut last = append(&opening(None));
    last = append(&last.checkpoint(NOW, &audit));
    for entry in &entries {
        last = append(entry);
    }
    append(&last.checkpoint(NOW.plus(10), &audit));
    last = append(&opening(Some(17)));
    append(&last.checkpoint(NOW.plus(11), &audit));
    (text, audit.verifying_key().thumbprint())
}

fn receipt(number: u8, identity: &str, (call, key): &(Call, SigningKey)) -> Receipt {
    Receipt {
        time: NOW.plus(u64::from(number)).as_unix(),
        id: format!("example-{number}"),
        decision: Verdict::Allow,
        code: None,
        identity: Some(identity.into()),
        keyid: Some(call.keyid().to_string()),
        pack: Some("p1".into()),
        agent: None,
        peer: "192.0.2.1".into(),
        micros: 200 + u64::from(number),
        envelope: Some(Evidence::of(call, Some(key.verifying_key()))),
    }
}

fn issue<'a>(call_key: &'a SigningKey) -> Issue<'a> {
    let call_key = call_key.verifying_key();
    Issue { call_key, issued: NOW, lifetime: 900, id: "example", grant: Grant::everything() }
}

fn certified(number: u8, fields: &[(&str, &[u8])]) -> (Call, SigningKey) {
    let (identity_key, call_key) =
        (key(Algorithm::P256, "alice"), key(Algorithm::Ed25519, "alice, call key"));
    let certificate = issue(&call_key).sign(&identity_key).unwrap();
    let call = call(number, &Signer::certified(&call_key, &certificate).unwrap(), fields, &Known::Alice);
    (call, call_key)
}

fn registered(number: u8) -> (Call, SigningKey) {
    let call_key = key(Algorithm::P256, "ci");
    let known = Known::CallKey(Arc::new(call_key.verifying_key().clone()));
    (call(number, &Signer::registered(&call_key), &[], &known), call_key)
}

fn logged_in(number: u8, issuer: &SigningKey) -> (Call, SigningKey) {
    let call_key = key(Algorithm::Ed25519, "bob, call key");
    let bob = Identity::new("github:bob").unwrap();
    let jws = issue(&call_key).sign_login(issuer, URL, &bob, &["acme".into()]).unwrap();
    let known = Known::Issuer(Issuer { url: URL.into(), key: issuer.verifying_key().clone().into() });
    (call(number, &Signer::logged_in(&call_key, &jws).unwrap(), &[], &known), call_key)
}

fn call(number: u8, signer: &Signer<'_>, fields: &[(&str, &[u8])], known: &Known) -> Call {
    let target = "/api/pack/p1/agent?a=%20b";
    let url = format!("{URL}{target}");
    let signed = signer.sign(&Request::new("POST", &url, fields), Some(b"{}"), NOW, &[number; 16]).unwrap();
    let mut header: Vec<(&str, &[u8])> = vec![("Host", b"pack.example")];
    header.extend(fields);
    header.extend(signed.fields().map(|(name, value)| (name, value.as_bytes())));
    let verifier = Verifier::new(Authorities::new(["pack.example"]).unwrap());
    let now = NOW.plus(u64::from(number));
    verifier.verify(&Request::new("POST", target, &header), known, now).unwrap().call().clone()
}

/// What the verifier of the example knows.
enum Known {
    Alice,
    CallKey(Arc<VerifyingKey>),
    Issuer(Issuer),
}

impl Trust for Known {
    fn standing(&self, thumbprint: &Thumbprint) -> Standing {
        let alice = key(Algorithm::P256, "alice");
        match self {
            Self::Alice if alice.verifying_key().thumbprint() == *thumbprint => Standing::Identity {
                identity: Identity::new("alice").unwrap(),
                expires: None,
                issued_from: Timestamp::default(),
            },
            Self::CallKey(key) => Standing::CallKey {
                identity: Identity::new("ci").unwrap(),
                key: Arc::clone(key),
                expires: NOW.plus(900),
            },
            _ => Standing::Unknown,
        }
    }

    fn has_revoked(&self, _: &Thumbprint, _: &str) -> bool {
        false
    }

    fn check_current(&self, _: Timestamp) -> Result<(), Refusal> {
        Ok(())
    }

    fn issuer(&self, key: &Thumbprint) -> Option<Issuer> {
        match self {
            Self::Issuer(issuer) if issuer.key.thumbprint() == *key => Some(issuer.clone()),
            _ => None,
        }
    }
}
