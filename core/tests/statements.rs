//! Statements of keys: the vectors; what is signed is what is read; what was changed is not.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use std::collections::{BTreeMap, BTreeSet};

use envelope_core::*;
use envelope_test_vectors::statement::{Act, Verdict, load, run};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

#[test]
fn every_vector_comes_out_as_it_says() {
    let mut wrong = Vec::new();
    for vector in load().unwrap() {
        match run(&vector) {
            Ok(outcome) if outcome == vector.expected() => {}
            Ok(outcome) => wrong.push(format!(
                "{} ({}):\nexpected {:?}\nfound    {:?}",
                vector.name,
                vector.spec,
                vector.expected().0,
                outcome.0
            )),
            Err(error) => wrong.push(format!("{}: {error}", vector.name)),
        }
    }
    assert!(wrong.is_empty(), "{} vectors:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_code_of_keys_md_is_reached() {
    let mut reached = BTreeSet::new();
    for vector in load().unwrap() {
        for verdict in run(&vector).unwrap().0 {
            if let Verdict::Refused(code) = verdict {
                reached.insert(code);
            }
        }
    }
    let codes = [
        Code::TooLarge,
        Code::Malformed,
        Code::Duplicate,
        Code::KeyRefused,
        Code::AlgorithmMismatch,
        Code::WindowTooLong,
        Code::NotYetValid,
        Code::Revoked,
        Code::UnknownKey,
        Code::Replayed,
        Code::CertificateExpired,
        Code::BadSignature,
    ];
    assert_eq!(reached, codes.into_iter().collect());
}

/// The key of the vectors with this label.
fn labelled(algorithm: Algorithm, label: &str) -> SigningKey {
    let bytes = Sha256::digest(format!("envelope test key: {label}").as_bytes());
    SigningKey::from_bytes(algorithm, &bytes.into()).unwrap()
}

/// What the first step of a vector shows.
fn shown(name: &str) -> String {
    let vector = load().unwrap().into_iter().find(|vector| vector.name == name).unwrap();
    match vector.steps[0].act.clone() {
        Act::Statement { statement } => statement,
        Act::List { list, .. } => list,
        act => panic!("{name} shows {act:?}"),
    }
}

/// The generator of the vectors does not know this crate, and writes the same bytes.
#[test]
fn what_is_signed_here_is_what_the_vectors_hold() {
    use Algorithm::{Ed25519, P256};
    let issued = Timestamp::from_unix(1_767_225_600);
    for (name, old, new) in [
        ("ed25519", Ed25519, Ed25519),
        ("p256", P256, P256),
        ("ed25519-to-p256", Ed25519, P256),
        ("p256-to-ed25519", P256, Ed25519),
    ] {
        let (old, new) = (labelled(old, "alice identity"), labelled(new, "alice second identity"));
        let succession =
            Succession { old: old.verifying_key(), new: new.verifying_key(), issued, overlap: 86_400 };
        let text = sign(&succession.draft().unwrap(), &[&old, &new]);
        assert_eq!(text, shown(&format!("succession-{name}")));
    }
    for (name, algorithm) in [("ed25519", Ed25519), ("p256", P256)] {
        let key = labelled(algorithm, "alice identity");
        let text = sign(&Retirement { key: key.verifying_key(), issued }.draft().unwrap(), &[&key]);
        assert_eq!(text, shown(&format!("retirement-{name}")));
    }
    for name in ["ed25519", "p256", "empty", "long", "several"] {
        let issuer = labelled(if name == "p256" { P256 } else { Ed25519 }, "verifier");
        let text = shown(&format!("list-{name}"));
        let told = issuer.verifying_key().thumbprint();
        let list = RevocationList::verify(text.as_bytes(), &told, issued).unwrap();
        // A list is written in the order of the bytes of its keys: the vector holds them in any.
        let signed = list.sign(&issuer).unwrap();
        assert_eq!(RevocationList::verify(signed.as_bytes(), &told, issued), Ok(list));
        assert!(name == "several" || signed == text, "list-{name}");
    }
}

fn sign(unsigned: &statement::Unsigned, keys: &[&SigningKey]) -> String {
    let inputs = unsigned.signing_inputs();
    let signatures: Vec<Signature> =
        inputs.zip(keys).map(|(input, key)| key.sign(input.as_bytes())).collect();
    unsigned.attach(&signatures).unwrap()
}

#[test]
fn what_no_reader_would_take_is_not_written() {
    let [old, new] = [1, 2].map(|byte| SigningKey::from_bytes(Algorithm::Ed25519, &[byte; 32]).unwrap());
    let (old_key, new_key, issued) = (old.verifying_key(), new.verifying_key(), Timestamp::from_unix(1));
    let succession = |new, overlap| Succession { old: old_key, new, issued, overlap };
    let refused = |succession: Succession<'_>| succession.draft().unwrap_err().code();
    assert_eq!(refused(succession(new_key, Succession::MAX_OVERLAP + 1)), Code::WindowTooLong);
    assert_eq!(refused(succession(old_key, 0)), Code::KeyRefused);
    assert!(succession(new_key, Succession::MAX_OVERLAP).draft().is_ok());
    let unsigned = succession(new_key, 0).draft().unwrap();
    let signature = Signature::from_bytes([0; 64]);
    for signatures in [[].as_slice(), &[signature], &[signature; 3]] {
        assert_eq!(unsigned.attach(signatures).unwrap_err().code(), Code::Malformed);
    }
}

fn key(place: u8) -> impl Strategy<Value = (Algorithm, [u8; 32])> {
    // Two places never have the same key, and no scalar of P-256 is too large.
    let algorithm = prop_oneof![Just(Algorithm::Ed25519), Just(Algorithm::P256)];
    (algorithm, any::<[u8; 31]>()).prop_map(move |(algorithm, rest)| {
        let mut bytes = [place; 32];
        bytes[1..].copy_from_slice(&rest);
        (algorithm, bytes)
    })
}

fn keys() -> impl Strategy<Value = [SigningKey; 2]> {
    let read = |(algorithm, bytes): (Algorithm, [u8; 32])| SigningKey::from_bytes(algorithm, &bytes).unwrap();
    (key(1), key(2)).prop_map(move |(old, new)| [read(old), read(new)])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn what_is_drafted_and_signed_reads_back(keys in keys(), at in any::<u32>(), overlap in 0..=604_800u64) {
        let [old, new] = &keys;
        let issued = Timestamp::from_unix(at.into());
        let succession =
            Succession { old: old.verifying_key(), new: new.verifying_key(), issued, overlap };
        let text = sign(&succession.draft().unwrap(), &[old, new]);
        let read = UntrustedSuccession::parse(text.as_bytes()).unwrap();
        prop_assert_eq!(read.keys(), [old.verifying_key(), new.verifying_key()]);
        prop_assert_eq!((read.issued(), read.until()), (issued, issued.plus(overlap)));
        prop_assert_eq!(read.verify(), Ok(()));
        let either = UntrustedStatement::parse(text.as_bytes());
        prop_assert_eq!(either, Ok(UntrustedStatement::Succession(read.into())));

        let retirement = Retirement { key: old.verifying_key(), issued };
        let text = sign(&retirement.draft().unwrap(), &[old]);
        let read = UntrustedRetirement::parse(text.as_bytes()).unwrap();
        prop_assert_eq!((read.key(), read.issued()), (old.verifying_key(), issued));
        prop_assert_eq!(read.verify(), Ok(()));
        let either = UntrustedStatement::parse(text.as_bytes());
        prop_assert_eq!(either, Ok(UntrustedStatement::Retirement(read.into())));
    }
}

/// The vectors that are changed.
const CHANGED: [&str; 5] = [
    "succession-ed25519",
    "succession-p256",
    "succession-ed25519-to-p256",
    "retirement-ed25519",
    "retirement-p256",
];

thread_local! {
    static ORIGINALS: BTreeMap<&'static str, String> = CHANGED.map(|name| (name, shown(name))).into();
}

/// One byte put in, taken out or replaced.
fn changed(text: &str, kind: u8, byte: u8, at: prop::sample::Index) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    match kind {
        0 => bytes.insert(at.index(bytes.len() + 1), byte),
        1 => {
            bytes.remove(at.index(bytes.len()));
        }
        _ => {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    /// What reads as the same is the same, in its keys, claims and signatures; everything else does not verify.
    #[test]
    fn what_was_changed_in_one_byte_does_not_verify(
        name in prop::sample::select(CHANGED.to_vec()),
        kind in 0..3u8,
        byte in prop_oneof![any::<u8>(), prop::sample::select(b"AQgw_-=/+ \n\\\"{}[]:,".to_vec())],
        at in any::<prop::sample::Index>(),
    ) {
        let original = ORIGINALS.with(|originals| originals[name].clone());
        let bytes = changed(&original, kind, byte, at);
        let verified = |statement: &UntrustedStatement| match statement {
            UntrustedStatement::Succession(succession) => succession.verify(),
            UntrustedStatement::Retirement(retirement) => retirement.verify(),
        };
        if let Ok(statement) = UntrustedStatement::parse(&bytes) {
            let is_same = UntrustedStatement::parse(original.as_bytes()).as_ref() == Ok(&statement);
            prop_assert!(is_same || verified(&statement).is_err(), "{}", String::from_utf8_lossy(&bytes));
        }
    }
}
