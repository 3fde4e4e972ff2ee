//! What can be made of names, windows, authorities, rules; and what errors and secrets say of themselves.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod caller;

use caller::{Alice, Arriving, NOW, alice, code};
use envelope_core::{
    Access, Algorithm, Authorities, Code, Decision, Field, Identity, Issue, Pack, Policy, Refusal, Request,
    Stage, Standing, Timestamp, Trust, TrustList, Users, Verifier, Window, is_enveloped,
};

#[test]
fn identities() {
    let long = "a".repeat(128);
    for name in ["a", "alice", "github:alice", "A.b_c-d:e@f+g/h0", long.as_str()] {
        let identity = Identity::new(name).unwrap();
        assert_eq!((identity.as_str(), identity.to_string()), (name, name.to_owned()));
        assert_eq!(format!("{identity:?}"), format!("\"{name}\""));
    }
    let longer = "a".repeat(129);
    for name in ["", " ", "a b", "a\n", "a\"", "a,b", "a;b", "a=b", "\u{e4}", "*", "a\\b", longer.as_str()] {
        assert_eq!(Identity::new(name), None, "{name:?}");
    }
}

#[test]
fn windows() {
    assert_eq!(Window::default().seconds(), 60);
    assert_eq!(Verifier::new(Authorities::new(["a"]).unwrap()).window(), Window::default());
    for seconds in [1, 60, 300] {
        assert_eq!(Window::new(seconds).map(Window::seconds), Some(seconds));
    }
    for seconds in [0, 301, u64::MAX] {
        assert_eq!(Window::new(seconds), None);
    }
}

#[test]
fn timestamps_do_not_overflow() {
    let end = Timestamp::from_unix(u64::MAX);
    assert_eq!(end.plus(1), end);
    assert_eq!(NOW.plus(3).since(NOW), 3);
    assert_eq!(NOW.since(NOW.plus(3)), 0);
    assert_eq!(Timestamp::default().as_unix(), 0);
}

#[test]
fn authorities() {
    for entry in [
        "a",
        "pack.example",
        "Pack.EXAMPLE",
        "a:1",
        "a:65535",
        "127.0.0.1:80",
        "[::1]",
        "[::1]:443",
        "a_b~c-d",
    ] {
        let authorities = Authorities::new([entry]).unwrap();
        assert_eq!(authorities.iter().collect::<Vec<_>>(), [entry.to_ascii_lowercase()]);
    }
    for entry in [
        "",
        ":80",
        "a:",
        "a:0",
        "a:080",
        "a:65536",
        "a:x",
        "a:+1",
        "a b",
        "a/b",
        "https://a",
        "u@a",
        "a?b",
        "a#b",
        "a,b",
        "*",
        "[]",
        "[::1",
        "::1]",
        "[::g]",
        "[::1]x",
        "a[::1]",
        "\u{e4}",
        "a\n",
    ] {
        assert_eq!(code(Authorities::new([entry])), Code::WrongAuthority, "{entry:?}");
    }
    assert_eq!(code(Authorities::new(["a", ""])), Code::WrongAuthority);
    let verifier = Verifier::new(Authorities::new(["a", "b"]).unwrap());
    assert_eq!(verifier.authorities().iter().count(), 2);
}

#[test]
fn trust_is_a_list() {
    let keys = Alice::ed25519();
    let (identity, call) =
        (keys.identity_key.verifying_key().thumbprint(), keys.call_key.verifying_key().thumbprint());
    let mut trust = TrustList::new();
    assert!(matches!(trust.standing(&identity), Standing::Unknown));
    trust.trust(alice(), identity);
    trust.register(Identity::new("bob").unwrap(), keys.call_key.verifying_key().clone(), NOW);
    assert!(matches!(trust.standing(&identity), Standing::Identity { identity, .. } if identity == alice()));
    assert!(matches!(trust.standing(&call), Standing::CallKey { expires: NOW, .. }));
    assert!(is_call_key(&&trust, &call));
    assert!(is_call_key(&std::sync::Arc::new(trust.clone()), &call));
    assert_eq!(trust.identities().into_iter().collect::<Vec<_>>(), ["alice", "bob"]);
    trust.revoke(identity);
    assert!(matches!(trust.standing(&identity), Standing::Revoked));
    assert_eq!(trust.identities().into_iter().collect::<Vec<_>>(), ["bob"]);
}

fn is_call_key(trust: &impl Trust, key: &envelope_core::Thumbprint) -> bool {
    matches!(trust.standing(key), Standing::CallKey { .. })
}

#[test]
fn errors_are_one_table() {
    for code in Code::ALL {
        assert_eq!(Code::parse(code.as_str()), Some(*code));
        assert_eq!(code.to_string(), code.as_str());
        assert!((1..=8).contains(&code.stage().number()));
        assert!([400, 401, 403, 413, 429, 503].contains(&code.status()));
        assert!(!code.title().is_empty());
    }
    let numbers: Vec<u8> = Code::ALL.iter().map(|code| code.stage().number()).collect();
    assert!(numbers.is_sorted() && numbers[0] == 1 && numbers[numbers.len() - 1] == 8);
    let mut names: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Code::ALL.len());
    assert_eq!(Code::parse("Malformed"), None);
    assert_eq!(Stage::Policy.number(), 8);
}

#[test]
fn an_unknown_key_looks_like_a_bad_signature() {
    let refusals: Vec<Refusal> =
        Code::ALL.iter().map(|code| Refusal::new(*code, "detail").on_the_wire()).collect();
    for (code, refusal) in Code::ALL.iter().zip(&refusals) {
        match code {
            Code::UnknownKey | Code::BadSignature => {
                assert_eq!(refusal.code(), Code::BadSignature);
                assert_ne!(refusal.detail(), "detail");
            }
            _ => assert_eq!((refusal.code(), refusal.detail()), (*code, "detail")),
        }
    }
    let told: Vec<&Refusal> =
        refusals.iter().filter(|refusal| refusal.code() == Code::BadSignature).collect();
    assert_eq!(told.len(), 2);
    assert_eq!(told[0], told[1]);
    assert_eq!(Refusal::new(Code::Expired, "late").to_string(), "expired: late");
}

#[test]
fn algorithms_have_two_names() {
    assert_eq!((Algorithm::Ed25519.http_name(), Algorithm::Ed25519.jose_name()), ("ed25519", "Ed25519"));
    assert_eq!((Algorithm::P256.http_name(), Algorithm::P256.jose_name()), ("ecdsa-p256-sha256", "ES256"));
}

#[test]
fn any_of_three_fields_makes_an_envelope() {
    for name in ["Signature", "signature-input", "SIGNATURE-KEY"] {
        let fields: [Field<'_>; 1] = [(name, b"")];
        assert!(is_enveloped(&Request::new("GET", "/", &fields)), "{name}");
    }
    let fields: [Field<'_>; 2] = [("Content-Digest", b"sha-256=:AAAA:"), ("Authorization", b"Signature x")];
    assert!(!is_enveloped(&Request::new("GET", "/", &fields)));
}

/// A signed POST with a body, and one GET without.
fn signed(body: Option<&[u8]>) -> (Alice, Arriving) {
    let keys = Alice::ed25519();
    let request = Request::new("POST", "https://pack.example/", &[]);
    let signed = keys.signer().sign(&request, body, NOW, &[1; 16]).unwrap();
    let arriving = Arriving::new(&request, "/", body, &signed);
    (keys, arriving)
}

fn verified(keys: &Alice, arriving: &Arriving) -> envelope_core::Verified {
    let fields: Vec<Field<'_>> =
        arriving.fields.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
    let request = Request::new(&arriving.method, &arriving.target, &fields);
    caller::verifier().verify(&request, &keys.trusted(), NOW).unwrap()
}

/// No vector: HTTP libraries give it to a server as `/?a`.
#[test]
fn an_absolute_form_with_a_query_and_no_path_is_refused() {
    let (keys, mut arriving) = signed(None);
    arriving.target = "https://pack.example".into();
    assert!(arriving.check(&keys.trusted(), NOW).is_ok());
    arriving.target = "https://pack.example?a".into();
    assert_eq!(code(arriving.check(&keys.trusted(), NOW)), Code::TargetNotCanonical);
}

#[test]
fn a_body_may_come_in_pieces() {
    let (keys, arriving) = signed(Some(b"one two three"));
    let pieces = |pieces: &[&[u8]]| {
        let mut body = verified(&keys, &arriving).body();
        for piece in pieces {
            body.update(piece);
        }
        assert!(format!("{body:?}").contains("bytes"));
        body.finish(NOW).map(|intact| intact.call().identity().clone())
    };
    assert_eq!(pieces(&[b"one two three"]), Ok(alice()));
    assert_eq!(pieces(&[b"one", b"", b" two thre", b"e"]), Ok(alice()));
    assert_eq!(code(pieces(&[b"one two thre"])), Code::DigestMismatch);
    assert_eq!(code(pieces(&[])), Code::DigestMismatch);
    let (keys, arriving) = signed(None);
    let mut body = verified(&keys, &arriving).body();
    body.update(b"");
    assert!(body.finish(NOW.plus(60)).is_ok());
    let mut body = verified(&keys, &arriving).body();
    body.update(b"x");
    assert_eq!(code(body.finish(NOW)), Code::DigestMissing);
}

#[test]
fn a_body_may_be_checked_elsewhere() {
    let (keys, arriving) = signed(Some(b"body"));
    for expected in [true, false] {
        assert!(verified(&keys, &arriving).body_checked_elsewhere(expected).is_ok());
    }
    let (keys, arriving) = signed(None);
    assert!(verified(&keys, &arriving).body_checked_elsewhere(false).is_ok());
    assert_eq!(code(verified(&keys, &arriving).body_checked_elsewhere(true)), Code::DigestMissing);
}

#[test]
fn a_verified_call_says_what_was_signed() {
    let (keys, arriving) = signed(Some(b"body"));
    let verified = verified(&keys, &arriving);
    let call = verified.call();
    assert_eq!(call.identity(), &alice());
    assert_eq!(call.keyid(), keys.call_key.verifying_key().thumbprint());
    assert_eq!(call.certificate().unwrap().as_str(), keys.certificate);
    assert_eq!(call.grant().unwrap().audiences(), None);
    assert_eq!((call.created(), call.expires()), (NOW, NOW.plus(60)));
    assert_eq!(call.nonce(), "AQEBAQEBAQEBAQEBAQEBAQ");
    assert_eq!(call.base().authority(), "pack.example");
    assert!(keys.call_key.verifying_key().verify(call.base().as_str().as_bytes(), call.signature()).is_ok());
}

#[test]
fn a_policy_of_its_own_for_each_pack() {
    let mut policy = Policy::new(Pack::trusted());
    assert!(!policy.is_open());
    policy.insert("p1", Pack::open());
    assert!(policy.is_open());
    assert!(policy.pack(Some("p1")).open && !policy.pack(Some("p2")).open && !policy.pack(None).open);
    let access = |pack| Access { pack: Some(pack), agent: None, scope: "call" };
    assert_eq!(policy.decide(None, &access("p1")), Decision::Allow);
    assert_eq!(policy.decide(None, &access("p1")).into_result(), Ok(()));
    assert_eq!(code(policy.decide(None, &access("p2")).into_result()), Code::Unauthenticated);
    assert_eq!(code(policy.decide(None, &Access::CALL).into_result()), Code::Unauthenticated);
    policy.insert("p1", Pack { allowed_users: Users::Named(vec![alice()]), ..Pack::trusted() });
    assert!(!policy.is_open());
    assert!(Policy::new(Pack::open()).is_open());
    let (keys, arriving) = signed(None);
    let caller = arriving.admit(&keys.trusted(), NOW).unwrap();
    assert_eq!(policy.decide(Some(&caller), &access("p1")), Decision::Allow);
}

/// A certificate for a call key whose identity is known under two names is not decided by chance.
#[test]
fn the_last_name_of_a_key_counts() {
    let keys = Alice::ed25519();
    let mut trust = keys.trusted();
    trust.trust(Identity::new("carol").unwrap(), keys.identity_key.verifying_key().thumbprint());
    let (_, arriving) = signed(None);
    assert_eq!(arriving.admit(&trust, NOW).unwrap().identity().as_str(), "carol");
    assert_eq!(Issue::MAX_LIFETIME, 86_400);
}
