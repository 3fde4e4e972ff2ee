//! Where what is taken ends: the last that is, the first that is not, and what the accessors say. Each of these would let a change
//! of one operator pass that nothing else notices.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod caller;

use base64ct::{Base64UrlUnpadded, Encoding};
use caller::{Alice, HOST, NOW, alice, issue};
use envelope_core::*;

fn code<T>(result: Result<T, Refusal>) -> Option<Code> {
    result.err().map(|refusal| refusal.code())
}

/// p = 2²⁵⁵ - 19, plus or minus a little, little-endian; with or without the sign bit.
fn near_p(difference: i16, sign: bool) -> [u8; 32] {
    let mut bytes = [0xff; 32];
    // The lowest byte of p is 0xed; all above are ones, but for the sign.
    bytes[0] = u8::try_from(0xed + difference).unwrap();
    bytes[31] = if sign { 0xff } else { 0x7f };
    bytes
}

fn is_taken(bytes: &[u8; 32]) -> bool {
    VerifyingKey::ed25519(bytes).is_ok()
}

#[test]
fn an_ed25519_key_is_reduced_or_refused() {
    let decodes =
        |bytes: &[u8; 32]| ed25519_dalek::VerifyingKey::from_bytes(bytes).is_ok_and(|key| !key.is_weak());
    let (mut taken, mut refused) = (0, 0);
    for sign in [false, true] {
        for below in 1..=0xed {
            let bytes = near_p(-below, sign);
            assert_eq!(is_taken(&bytes), decodes(&bytes), "{bytes:x?}");
            taken += u32::from(is_taken(&bytes));
        }
        for above in 0..=18 {
            let bytes = near_p(above, sign);
            assert!(!is_taken(&bytes), "{bytes:x?}");
            refused += u32::from(decodes(&bytes));
        }
    }
    assert!(taken > 100 && refused > 5, "{taken} {refused}");
    // The highest byte of p, and a lowest one that is not below that of p, but something between that is.
    let mut between = 0;
    for above in 0..=0x12 {
        for place in 1..31 {
            let mut bytes = near_p(above, false);
            bytes[place] = 0x5a;
            assert_eq!(is_taken(&bytes), decodes(&bytes), "{bytes:x?}");
            between += u32::from(is_taken(&bytes));
        }
    }
    assert!(between > 100, "{between}");
}

#[test]
fn two_keys_are_not_one() {
    let [one, other] = [Algorithm::Ed25519, Algorithm::P256].map(|it| Alice::new(it, it));
    for (a, b) in [
        (&one.identity_key, &one.call_key),
        (&other.identity_key, &other.call_key),
        (&one.call_key, &other.call_key),
    ] {
        assert_ne!(a.verifying_key(), b.verifying_key());
        let prepared = a.verifying_key().clone();
        prepared.prepare();
        assert_eq!(a.verifying_key(), &prepared);
    }
}

#[test]
fn what_debug_shows_names_the_key() {
    let key = Alice::ed25519().call_key;
    let thumbprint = key.verifying_key().thumbprint().to_string();
    assert_eq!(format!("{:?}", key.verifying_key()), format!("VerifyingKey(Ed25519 {thumbprint})"));
    assert_eq!(format!("{:?}", key.verifying_key().thumbprint()), thumbprint);
    assert_eq!(format!("{key:?}"), format!("SigningKey(Ed25519 {thumbprint})"));
    assert_eq!(format!("{:?}", alice()), "\"alice\"");
    assert_eq!(format!("{:?}", MemoryReplayCache::new(7, [0; 16])), "MemoryReplayCache(0 of 7)");
}

#[test]
fn a_certificate_is_issued_for_a_day_and_with_256_characters_at_most() {
    let alice = Alice::ed25519();
    let long = "j".repeat(257);
    let sign = |lifetime, id: usize| {
        let issue = Issue { lifetime, id: &long[..id], ..issue(&alice.call_key) };
        code(issue.sign(&alice.identity_key))
    };
    for (lifetime, id) in [(1, 3), (86_400, 256)] {
        assert_eq!(sign(lifetime, id), None, "{lifetime} {id}");
        let issue = Issue { lifetime, id: &long[..id], ..issue(&alice.call_key) };
        let jws = issue.sign(&alice.identity_key).unwrap();
        let read = UntrustedCertificate::parse(&jws).unwrap();
        assert_eq!((read.id(), read.expires()), (Some(&long[..id]), NOW.plus(lifetime)));
        assert_eq!(code(read.check_time(NOW.plus(lifetime - 1))), None);
        assert_eq!(code(read.check_time(NOW.plus(lifetime))), Some(Code::CertificateExpired));
        let verified = read.verify().unwrap();
        assert_eq!((verified.id(), verified.expires()), (Some(&long[..id]), NOW.plus(lifetime)));
        // As kept, too, it ends with that second.
        assert_eq!(code(verified.check_time(NOW.plus(lifetime - 1))), None);
        assert_eq!(code(verified.check_time(NOW.plus(lifetime))), Some(Code::CertificateExpired));
    }
    let public = alice.identity_key.verifying_key();
    for (lifetime, id) in [(0, 3), (86_401, 3), (900, 257)] {
        assert_eq!(sign(lifetime, id), Some(Code::CertificateInvalid), "{lifetime} {id}");
        // A key that is held elsewhere is not shown it either.
        let issue = Issue { lifetime, id: &long[..id], ..issue(&alice.call_key) };
        assert_eq!(code(issue.signing_input(public)), Some(Code::CertificateInvalid), "{lifetime} {id}");
    }
    assert_eq!(code(issue(&alice.identity_key).signing_input(public)), Some(Code::CertificateInvalid));
}

#[test]
fn a_certificate_has_8192_bytes_at_most() {
    let jws = Alice::ed25519().certificate;
    let parts: Vec<&str> = jws.split('.').collect();
    // White space between members is the writer's business; the signature is not looked at yet.
    let spaced = |part: &str, spaces: usize| {
        let json = Base64UrlUnpadded::decode_vec(part).unwrap();
        Base64UrlUnpadded::encode_string(&[&b" ".repeat(spaces)[..], &json].concat())
    };
    let of_length = |length: usize| {
        let all = (0..3).flat_map(|header| (5400..5800).map(move |claims| (header, claims)));
        let mut texts = all.map(|(header, claims)| {
            format!("{}.{}.{}", spaced(parts[0], header), spaced(parts[1], claims), parts[2])
        });
        texts.find(|text| text.len() == length).unwrap()
    };
    for (length, expected) in [(8191, None), (8192, None), (8193, Some(Code::CertificateInvalid))] {
        assert_eq!(code(UntrustedCertificate::parse(&of_length(length))), expected, "{length}");
    }
}

#[test]
fn a_grant_says_what_it_was_given() {
    assert_eq!(Grant::everything(), Grant::default());
    let grant = Grant::everything().audience(["pack.example", "p1"]).scope(["call", "deploy"]);
    assert_eq!(grant.audiences(), Some(&["pack.example".to_owned(), "p1".to_owned()][..]));
    assert_eq!(grant.scopes(), Some(&["call".to_owned(), "deploy".to_owned()][..]));
}

#[test]
fn what_an_envelope_claims_can_be_looked_at() {
    let alice = Alice::ed25519();
    let request = Request::new("GET", "https://pack.example/a?b", &[]);
    let signed = alice.signer().sign(&request, None, NOW, &[7; 16]).unwrap();
    let fields: Vec<Field<'_>> = signed.fields().map(|(name, value)| (name, value.as_bytes())).collect();
    let request = Request::new("GET", "/a?b", &fields);
    let envelope = Envelope::parse(&request).unwrap();
    assert_eq!(envelope.untrusted_certificate(), Some(alice.certificate.as_str()));
    assert_eq!(envelope.untrusted_tag(), Some(TAG));
    assert_eq!(envelope.untrusted_keyid(), alice.call_key.verifying_key().thumbprint().to_string());

    let by_itself = Signer::registered(&alice.call_key);
    let signed =
        by_itself.sign(&Request::new("GET", "https://pack.example/", &[]), None, NOW, &[7; 16]).unwrap();
    let fields: Vec<Field<'_>> = signed.fields().map(|(name, value)| (name, value.as_bytes())).collect();
    assert_eq!(Envelope::parse(&Request::new("GET", "/", &fields)).unwrap().untrusted_certificate(), None);
}

#[test]
fn a_document_says_what_it_was_made_of() {
    let alice = Alice::ed25519();
    let fields = [("X-Tag", &b"one"[..]), ("X-Other", b"1"), ("x-tag", b"two")];
    let request = Request::new("POST", "https://pack.example/a?b=c", &fields);
    let signed = alice.signer().sign(&request, Some(b"{}"), NOW, &[7; 16]).unwrap();
    let document = Document::new(&request, Some(b"{}"), &signed).unwrap();
    assert_eq!(
        (document.method(), document.authority(), document.target(), document.body()),
        ("POST", HOST, "/a?b=c", &b"{}"[..])
    );
    assert!(
        document.fields().contains(&("x-tag", b"one, two")) && document.fields().contains(&("x-other", b"1"))
    );
    let read = Document::parse(document.to_json().as_bytes()).unwrap();
    assert_eq!(read, document);
    let without_query = Request::new("POST", "https://pack.example/a", &[]);
    let signed = alice.signer().sign(&without_query, None, NOW, &[7; 16]).unwrap();
    let document = Document::new(&without_query, None, &signed).unwrap();
    assert_eq!((document.target(), document.body()), ("/a", &b""[..]));
}

#[test]
fn only_the_port_of_its_own_scheme_is_left_out() {
    for (url, authority) in [
        ("http://a.example:80/", "a.example"),
        ("https://a.example:443/", "a.example"),
        ("http://a.example:443/", "a.example:443"),
        ("https://a.example:80/", "a.example:80"),
        ("HTTPS://A.example:443/", "a.example"),
    ] {
        assert_eq!(Url::parse(url).unwrap().authority(), authority, "{url}");
    }
}

#[test]
fn to_revoke_twice_what_was_issued_concerns_nobody() {
    let key = Alice::ed25519().identity_key.verifying_key().thumbprint();
    let mut trust = TrustList::new();
    trust.trust(alice(), key);
    let concerned = registry::revoke_issued_before(&trust, &alice(), NOW);
    assert_eq!(concerned.len(), 1);
    trust.apply(concerned);
    assert_eq!(registry::revoke_issued_before(&trust, &alice(), NOW), []);
    assert_eq!(registry::revoke_issued_before(&trust, &alice(), NOW.plus(1)).len(), 1);
}

#[test]
fn a_cache_that_holds_something_is_not_empty() {
    let keyid = Alice::ed25519().call_key.verifying_key().thumbprint();
    let mut cache = MemoryReplayCache::new(2, [3; 16]);
    assert!(cache.is_empty());
    // The last second in which it must be remembered, and that before.
    for (nonce, keep_until) in [("a", NOW), ("b", NOW.plus(1))] {
        let wanted = NonceUse { keyid, nonce, keep_until, identity: &alice(), fingerprint: None };
        cache.remember(&wanted, NOW).unwrap();
        assert!(!cache.is_empty());
    }
    let identity = &alice();
    let late = NonceUse { keyid, nonce: "c", keep_until: NOW, identity, fingerprint: None };
    assert_eq!(cache.remember(&late, NOW.plus(1)), Err(ReplayError::Unavailable));
}

/// What a verifier is told of keys, and no more than it must be.
struct Told<T>(T);

impl<T: Trust> Trust for Told<T> {
    fn standing(&self, key: &Thumbprint) -> Standing {
        self.0.standing(key)
    }

    fn has_revoked(&self, identity_key: &Thumbprint, id: &str) -> bool {
        self.0.has_revoked(identity_key, id)
    }

    fn check_current(&self, now: Timestamp) -> Result<(), Refusal> {
        self.0.check_current(now)
    }
}

/// All that can be asked, answered both ways where there are two.
fn asked(trust: &impl Trust, key: &Thumbprint) -> String {
    let revoked = [trust.has_revoked(key, "c-1"), trust.has_revoked(key, "c-2")];
    let current = [NOW, NOW.plus(61)].map(|now| code(trust.check_current(now)));
    let registered = [trust.is_registered("alice"), trust.is_registered("mallory")];
    let issuer = trust.issuer(key).map(|issuer| issuer.url);
    format!("{:?} {revoked:?} {current:?} {registered:?} {issuer:?}", trust.standing(key))
}

#[test]
fn who_is_asked_through_a_pointer_says_the_same() {
    let issuer = Alice::ed25519().identity_key.verifying_key().clone();
    let key = issuer.thumbprint();
    let mut list = TrustList::new();
    list.apply([Record::identity(alice(), key)]);
    let revoked = Alice::ed25519().call_key.verifying_key().thumbprint();
    let bob = Record::identity(Identity::new("bob").unwrap(), revoked);
    list.apply([Record { revoked: true, ..bob }]);
    list.revoke_certificate(key, "c-1");
    list.trust_issuer(Issuer { url: "https://v.example".into(), key: std::sync::Arc::new(issuer) });
    assert_eq!(list.identities().into_iter().collect::<Vec<_>>(), ["alice"]);
    let trust = WithRevocations::new(list, RevocationList::of(NOW, [], []), 60);
    let direct = asked(&trust, &key);
    assert!(
        direct.ends_with(
            "[true, false] [None, Some(RevocationStale)] [true, false] Some(\"https://v.example\")"
        ),
        "{direct}"
    );
    assert_eq!(asked(&&trust, &key), direct);
    // What nobody says: no issuer counts, and every name is taken.
    let told = asked(&Told(&trust), &key);
    assert!(told.ends_with("[None, Some(RevocationStale)] [true, true] None"), "{told}");
    assert_eq!(asked(&std::sync::Arc::new(trust), &key), direct);
}
