//! What is signed verifies, and what was changed in any byte does not.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod caller;

use caller::{Alice, Arriving, HOST, NOW, alice};
use envelope_core::{Algorithm, Code, Document, Field, Request, Signer};
use proptest::prelude::*;

/// A request as a client has it, everything canonical.
#[derive(Clone, Debug)]
struct Sending {
    method: String,
    target: String,
    fields: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    identity: Algorithm,
    call: Algorithm,
    registered: bool,
    created: u64,
    nonce: [u8; 16],
}

impl Sending {
    /// The signed request, its keys, and the same as a document, where it can be one.
    fn sign(&self) -> (Arriving, Alice, Option<Document>) {
        let alice = Alice::new(self.identity, self.call);
        let url = format!("https://{HOST}{}", self.target);
        let fields: Vec<Field<'_>> =
            self.fields.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let request = Request::new(&self.method, &url, &fields);
        let signer = if self.registered { Signer::registered(&alice.call_key) } else { alice.signer() };
        let created = NOW.plus(self.created);
        let signed = signer.sign(&request, self.body.as_deref(), created, &self.nonce).unwrap();
        let document = Document::new(&request, self.body.as_deref(), &signed);
        let document = if self.has_empty_end() {
            assert_eq!(caller::code(document), Code::Malformed);
            None
        } else {
            Some(document.unwrap())
        };
        (Arriving::new(&request, &self.target, self.body.as_deref(), &signed), alice, document)
    }

    /// Whether a field is on several lines of which the last is empty.
    fn has_empty_end(&self) -> bool {
        self.fields.iter().any(|(name, _)| {
            let lines = self.fields.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name)).skip(1);
            lines.last().is_some_and(|(_, value)| value.trim_matches([' ', '\t']).is_empty())
        })
    }

    fn trust(&self, alice: &Alice) -> envelope_core::TrustList {
        if self.registered { alice.registered() } else { alice.trusted() }
    }
}

fn algorithm() -> impl Strategy<Value = Algorithm> {
    prop_oneof![Just(Algorithm::Ed25519), Just(Algorithm::P256)]
}

fn target() -> impl Strategy<Value = String> {
    let segment = "([A-Za-z0-9_~!$&'()*+,;=:@-]|%20|%C3%A9|%3A){1,8}";
    let query = "([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%20|%25){1,20}";
    (proptest::collection::vec(segment, 0..4), any::<bool>(), proptest::option::of(query)).prop_map(
        |(segments, slash, query)| {
            let slash = if slash && !segments.is_empty() { "/" } else { "" };
            let query = query.map(|query| format!("?{query}")).unwrap_or_default();
            format!("/{}{slash}{query}", segments.join("/"))
        },
    )
}

fn fields() -> impl Strategy<Value = Vec<(String, String)>> {
    let value = "[ -~\t]{0,30}";
    let listed = prop_oneof![
        Just("Content-Type".to_owned()),
        Just("authorization".to_owned()),
        Just("Idempotency-Key".to_owned()),
        Just("MCP-Session-Id".to_owned()),
        Just("mcp-protocol-version".to_owned()),
    ];
    let listed = proptest::collection::btree_map(listed, value, 0..4);
    let others = proptest::collection::vec(("[Xx]-[A-Ca-c]{1,2}", value), 0..5);
    (listed, others).prop_map(|(listed, others)| listed.into_iter().chain(others).collect())
}

fn sending() -> impl Strategy<Value = Sending> {
    let body = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..200));
    let keys = (algorithm(), algorithm(), any::<bool>());
    ("[A-Z-]{1,32}", target(), fields(), body, keys, 0u64..6, any::<[u8; 16]>()).prop_map(
        |(method, target, fields, body, (identity, call, registered), created, nonce)| Sending {
            method,
            target,
            fields,
            body,
            identity,
            call,
            registered,
            created,
            nonce,
        },
    )
}

/// One byte put in, taken out or replaced.
#[derive(Clone, Copy, Debug)]
enum Change {
    Insert(u8),
    Remove,
    Replace(u8),
}

fn change() -> impl Strategy<Value = Change> {
    let byte = prop_oneof![any::<u8>(), prop::sample::select(b" \t\"=:;,%?&/.()\\A0".to_vec())];
    (0..3, byte).prop_map(|(kind, byte)| match kind {
        0 => Change::Insert(byte),
        1 => Change::Remove,
        _ => Change::Replace(byte),
    })
}

fn apply(change: Change, bytes: &mut Vec<u8>, at: prop::sample::Index) {
    match change {
        Change::Insert(byte) => bytes.insert(at.index(bytes.len() + 1), byte),
        Change::Remove if bytes.is_empty() => {}
        Change::Remove => {
            bytes.remove(at.index(bytes.len()));
        }
        Change::Replace(_) if bytes.is_empty() => {}
        Change::Replace(byte) => {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
    }
}

fn apply_text(change: Change, text: &mut String, at: prop::sample::Index) -> bool {
    let mut bytes = text.clone().into_bytes();
    apply(change, &mut bytes, at);
    match String::from_utf8(bytes) {
        Ok(changed) => {
            *text = changed;
            true
        }
        Err(_) => false,
    }
}

/// The request as far as the profile tells two apart: the case of names and of `Host`, and white space around values
/// are not of it.
fn meaning(request: &Arriving) -> Arriving {
    let mut request = request.clone();
    for (name, value) in &mut request.fields {
        name.make_ascii_lowercase();
        let trimmed = String::from_utf8_lossy(value).trim_matches([' ', '\t']).to_owned();
        if std::str::from_utf8(value).is_ok() {
            *value = trimmed.into_bytes();
        }
        if name == "host" {
            value.make_ascii_lowercase();
        }
    }
    request
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_is_signed_verifies(sending in sending()) {
        let (arriving, keys, document) = sending.sign();
        let trust = sending.trust(&keys);
        let caller = arriving.admit(&trust, NOW).unwrap();
        prop_assert_eq!(caller.identity(), &alice());
        prop_assert_eq!(caller.keyid().unwrap(), keys.call_key.verifying_key().thumbprint());
        prop_assert_eq!(caller.call().unwrap().expires().since(caller.call().unwrap().created()), 60);

        let Some(document) = document else { return Ok(()) };
        let read = Document::parse(document.to_json().as_bytes()).unwrap();
        prop_assert_eq!(&read, &document);
        let fields = read.fields();
        let verified = caller::verifier().verify(&read.request(&fields), &trust, NOW).unwrap();
        let intact = verified.check_body(read.body(), NOW).unwrap();
        prop_assert_eq!(intact.call().base(), caller.call().unwrap().base());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn what_was_changed_in_one_byte_does_not(
        sending in sending(),
        change in change(),
        place in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
    ) {
        let (arriving, keys, _) = sending.sign();
        let trust = sending.trust(&keys);
        let mut changed = arriving.clone();
        let is_text = match place.index(3 + 2 * changed.fields.len()) {
            0 => apply_text(change, &mut changed.method, at),
            1 => apply_text(change, &mut changed.target, at),
            2 => {
                apply(change, &mut changed.body, at);
                true
            }
            field if field % 2 == 1 => apply_text(change, &mut changed.fields[(field - 3) / 2].0, at),
            field => {
                apply(change, &mut changed.fields[(field - 3) / 2].1, at);
                true
            }
        };
        prop_assume!(is_text && meaning(&changed) != meaning(&arriving));
        prop_assert!(changed.admit(&trust, NOW).is_err(), "{:?} became {:?}", arriving, changed);
    }
}
