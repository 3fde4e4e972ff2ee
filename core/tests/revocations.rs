//! Revocation lists: what is issued is what is read, and a list takes and never gives.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use std::sync::Arc;

use envelope_core::*;
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::from_unix(1_767_225_600);

fn issuer(algorithm: Algorithm) -> SigningKey {
    SigningKey::from_bytes(algorithm, &[9; 32]).unwrap()
}

/// One of four keys.
fn key() -> impl Strategy<Value = Thumbprint> {
    (0..4u8).prop_map(|number| {
        let text = format!("{}{}", char::from(b'A' + number), "A".repeat(42));
        Thumbprint::parse(&text).unwrap()
    })
}

fn alice() -> Identity {
    Identity::new("alice").unwrap()
}

fn time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![0..4u64, any::<u64>()].prop_map(Timestamp::from_unix)
}

fn record() -> impl Strategy<Value = Record> {
    (key(), proptest::option::of(time()), time(), proptest::bool::weighted(0.2)).prop_map(
        |(key, expires, issued_from, revoked)| Record {
            expires,
            issued_from,
            revoked,
            ..Record::identity(alice(), key)
        },
    )
}

fn certificate() -> impl Strategy<Value = (Thumbprint, String)> {
    let jti = prop_oneof!["[12]", "\\PC{0,8}", Just("\"\\\u{0}\u{1f600}".to_owned())];
    (key(), jti)
}

fn list() -> impl Strategy<Value = RevocationList> {
    let records = proptest::collection::vec(record(), 0..6);
    (0..=NOW.as_unix(), records, proptest::collection::vec(certificate(), 0..4)).prop_map(
        |(issued, records, certificates)| {
            RevocationList::of(Timestamp::from_unix(issued), &records, certificates)
        },
    )
}

fn standing() -> impl Strategy<Value = Standing> {
    let call_key = issuer(Algorithm::Ed25519).verifying_key().clone();
    prop_oneof![
        1 => Just(Standing::Unknown),
        1 => Just(Standing::Revoked),
        1 => time().prop_map(move |expires| Standing::CallKey {
            identity: alice(),
            key: Arc::new(call_key.clone()),
            expires
        }),
        4 => (proptest::option::of(time()), time()).prop_map(|(expires, issued_from)| Standing::Identity {
            identity: alice(),
            expires,
            issued_from
        }),
    ]
}

/// Whether a key that stood like `before` may do nothing now that it could not do then.
fn is_no_better(after: &Standing, before: &Standing) -> bool {
    use Standing::{CallKey, Identity, Revoked, Unknown};
    match (after, before) {
        (Revoked, _) | (Unknown, Unknown) => true,
        (CallKey { identity, key, expires }, CallKey { identity: whose, key: other, expires: end }) => {
            (identity, key) == (whose, other) && expires <= end
        }
        (
            Identity { identity, expires, issued_from },
            Identity { identity: whose, expires: end, issued_from: from },
        ) => {
            let forever = Timestamp::from_unix(u64::MAX);
            identity == whose && expires.unwrap_or(forever) <= end.unwrap_or(forever) && issued_from >= from
        }
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5000, ..ProptestConfig::default() })]

    #[test]
    fn a_list_makes_no_standing_better(list in list(), key in key(), standing in standing()) {
        let narrowed = list.narrow(&key, standing.clone());
        prop_assert!(is_no_better(&narrowed, &standing), "{:?} became {:?}", standing, narrowed);
        let again = list.narrow(&key, narrowed.clone());
        prop_assert!(is_no_better(&narrowed, &again) && is_no_better(&again, &narrowed));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_list_that_is_signed_reads_back(list in list(), p256 in any::<bool>()) {
        let issuer = issuer(if p256 { Algorithm::P256 } else { Algorithm::Ed25519 });
        let told = issuer.verifying_key().thumbprint();
        let text = list.sign(&issuer).unwrap();
        prop_assert_eq!(RevocationList::verify(text.as_bytes(), &told, NOW), Ok(list));
    }
}

#[test]
fn a_list_is_too_old_one_second_after_its_limit() {
    let list = RevocationList::of(NOW, [], []);
    assert_eq!(list.issued(), NOW);
    assert_eq!(list.check_age(60, NOW.plus(60)), Ok(()));
    assert_eq!(list.check_age(60, NOW.plus(61)).unwrap_err().code(), Code::RevocationStale);
    let held = WithRevocations::new(TrustList::new(), list, 60);
    assert_eq!(held.check_current(NOW.plus(60)), Ok(()));
    assert_eq!(held.check_current(NOW.plus(61)).unwrap_err().code(), Code::RevocationStale);
}

#[test]
fn a_list_of_no_use_is_refused_before_it_is_read() {
    let told = issuer(Algorithm::Ed25519).verifying_key().thumbprint();
    let long = vec![b' '; (16 << 20) + 1];
    assert_eq!(RevocationList::verify(&long, &told, NOW).unwrap_err().code(), Code::TooLarge);
    let full = &long[1..];
    assert_eq!(RevocationList::verify(full, &told, NOW).unwrap_err().code(), Code::Malformed);
}

/// Two lists together forbid what either of them forbids.
#[test]
fn two_lists_are_as_severe_as_both() {
    let at = Timestamp::from_unix;
    let [one, two] = [1u8, 2].map(|byte| {
        SigningKey::from_bytes(Algorithm::Ed25519, &[byte; 32]).unwrap().verifying_key().thumbprint()
    });
    let alice = || Identity::new("alice").unwrap();
    let record = |key, until, from| Record {
        expires: Some(at(until)),
        issued_from: at(from),
        ..Record::identity(alice(), key)
    };
    let revoked = Record { revoked: true, ..Record::nobodys(two) };
    let first = RevocationList::of(at(100), [&record(one, 500, 10)], [(one, String::from("1"))]);
    let second = RevocationList::of(at(90), [&record(one, 400, 20), &revoked], []);
    for both in [first.clone().and(second.clone()), second.and(first)] {
        assert_eq!(both.issued(), at(100));
        assert!(both.has_revoked(&one, "1"));
        let narrowed = both.narrow_record(&one, Some(record(one, 450, 15))).unwrap();
        assert_eq!(narrowed, record(one, 400, 20));
        assert_eq!(both.narrow_record(&two, None), Some(revoked.clone()));
        assert_eq!(both.narrow_record(&one, None), None);
        assert!(both.narrow_record(&two, Some(Record::identity(alice(), two))).unwrap().revoked);
    }
}

/// What was said of a key before anybody had it holds when somebody gets it.
#[test]
fn a_key_that_was_narrowed_before_it_was_known_stays_narrow() {
    let at = Timestamp::from_unix;
    let key = SigningKey::from_bytes(Algorithm::Ed25519, &[3; 32]).unwrap().verifying_key().thumbprint();
    let mut trust = TrustList::new();
    trust.insert(Record { issued_from: at(50), expires: Some(at(70)), ..Record::nobodys(key) });
    assert!(matches!(trust.standing(&key), Standing::Unknown));
    let new = Record::identity(Identity::new("alice").unwrap(), key);
    let registered = registry::register(&trust, new.clone(), at(60)).unwrap();
    assert_eq!(registered, Record { issued_from: at(50), expires: Some(at(70)), ..new.clone() });
    trust.insert(Record { successor: Some(key), ..Record::nobodys(key) });
    let refused = registry::register(&trust, new, at(60)).unwrap_err();
    assert_eq!(refused.code(), Code::KeyRefused);
}
