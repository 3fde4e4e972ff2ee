//! The cache in memory against a map that forgets nothing.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod caller;

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{LazyLock, Mutex};
use std::task::{Context, Poll, Waker};

use caller::{Alice, Arriving, NOW, code};
use envelope_core::{
    Algorithm, Code, Identity, Memory, MemoryReplayCache, NonceUse, Refusal, ReplayCache, ReplayError,
    ReplayKey, Request, SharedReplayCache, Signature, SignatureUse, SigningKey, Thumbprint, Timestamp,
};
use proptest::prelude::*;

fn identities() -> [Identity; 2] {
    ["alice", "bob"].map(|name| Identity::new(name).unwrap())
}

fn keys() -> [Thumbprint; 2] {
    [1, 2].map(|byte| {
        SigningKey::from_bytes(Algorithm::Ed25519, &[byte; 32]).unwrap().verifying_key().thumbprint()
    })
}

/// A use of the nonce `n` by Alice.
fn use_of(keyid: Thumbprint, keep_until: Timestamp) -> NonceUse<'static> {
    static ALICE: LazyLock<Identity> = LazyLock::new(caller::alice);
    NonceUse { keyid, nonce: "n", keep_until, identity: &ALICE, fingerprint: None }
}

#[derive(Clone, Debug)]
struct Use {
    key: usize,
    identity: usize,
    nonce: u8,
    /// Seconds from the clock to `keep_until`.
    keep: i64,
    /// How the clock moves before.
    clock: i64,
}

fn uses(clock: std::ops::Range<i64>) -> impl Strategy<Value = Vec<Use>> {
    let clock = prop_oneof![3 => Just(0), 2 => clock, 1 => 0..400i64];
    let one = (0..2usize, 0..2usize, 0..12u8, -2..400i64, clock)
        .prop_map(|(key, identity, nonce, keep, clock)| Use { key, identity, nonce, keep, clock });
    proptest::collection::vec(one, 1..120)
}

fn at(clock: i64) -> Timestamp {
    Timestamp::from_unix(clock.try_into().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn a_pair_that_is_kept_is_never_taken_again(uses in uses(0..40), capacity in 1..20usize, share in 1..20usize) {
        let (keys, identities) = (keys(), identities());
        let mut cache = MemoryReplayCache::new(capacity, [3; 16]).with_share(share);
        let mut kept: HashMap<(usize, u8), i64> = HashMap::new();
        let mut whose: HashMap<(usize, u8), usize> = HashMap::new();
        let mut clock = 1_767_225_600;
        for step in uses {
            clock += step.clock;
            let keep_until = clock + step.keep;
            let nonce = format!("nonce {}", step.nonce);
            let identity = &identities[step.identity];
            let wanted = NonceUse { keyid: keys[step.key], nonce: &nonce, keep_until: at(keep_until), identity, fingerprint: None };
            let theirs = |lasts: fn(i64) -> i64| {
                kept.iter().filter(|(pair, until)| whose[*pair] == step.identity && lasts(**until) >= clock).count()
            };
            let known = kept.get(&(step.key, step.nonce)).copied();
            let live = kept.values().filter(|until| **until >= clock).count();
            // Nonces whose ends lie in the same 32 seconds leave together.
            let held = kept.values().filter(|until| (**until / 32 + 1) * 32 > clock).count();
            let before = cache.len();
            match cache.remember(&wanted, at(clock)) {
                Ok(()) => {
                    prop_assert!(step.keep >= 0, "too late to know");
                    prop_assert!(known.is_none_or(|until| until < clock), "a pair that is kept was taken again");
                    prop_assert!(live < capacity, "over capacity");
                    prop_assert!(theirs(|until| until) < share, "over the share");
                    kept.insert((step.key, step.nonce), keep_until);
                    whose.insert((step.key, step.nonce), step.identity);
                }
                Err(ReplayError::Replayed) => {
                    prop_assert!(known.is_some_and(|until| (until / 32 + 1) * 32 > clock), "never seen, or long gone");
                }
                Err(ReplayError::Capacity) => prop_assert!(held >= capacity, "there was room"),
                Err(ReplayError::Share) => {
                    prop_assert!(theirs(|until| until / 32 * 32 + 31) >= share, "there was room for this caller");
                }
                Err(ReplayError::Unavailable) => prop_assert!(step.keep < 0, "it was not too late"),
            }
            prop_assert!(cache.len() <= capacity && cache.len() <= before + 1);
        }
    }

    /// A clock that is put back by up to the skew: what is forgotten by then cannot be verified any more.
    #[test]
    fn a_clock_that_goes_back_by_the_skew_does_not_matter(uses in uses(-5..20)) {
        let (keys, identities) = (keys(), identities());
        let mut cache = MemoryReplayCache::new(1000, [3; 16]);
        let mut taken: HashMap<(usize, u8), i64> = HashMap::new();
        let (mut clock, mut latest) = (1_767_225_600, 1_767_225_600);
        for step in uses {
            clock = (clock + step.clock).max(latest - 5);
            latest = latest.max(clock);
            let expires = clock + step.keep;
            let nonce = format!("nonce {}", step.nonce);
            let identity = &identities[step.identity];
            let wanted = NonceUse { keyid: keys[step.key], nonce: &nonce, keep_until: at(expires + 5), identity, fingerprint: None };
            if cache.remember(&wanted, at(clock)).is_ok() {
                let before = taken.insert((step.key, step.nonce), expires);
                prop_assert!(before.is_none_or(|expires| expires < clock), "taken again while it verifies");
            }
        }
    }
}

#[test]
fn it_grows_and_forgets_nothing() {
    let [key, other] = keys();
    let mut cache = MemoryReplayCache::new(20_000, [3; 16]);
    assert!(cache.is_empty());
    for round in 0..2 {
        for number in 0..10_000u64 {
            let nonce = format!("{number:022}");
            let keep_until = NOW.plus(number % 300);
            let wanted = NonceUse { nonce: &nonce, ..use_of(key, keep_until) };
            let expected = if round == 0 { Ok(()) } else { Err(ReplayError::Replayed) };
            assert_eq!(cache.remember(&wanted, NOW), expected, "{number}");
        }
    }
    assert_eq!(cache.len(), 10_000);
    assert!(!cache.is_empty());
    let first = format!("{:022}", 1);
    let wanted = NonceUse { nonce: &first, ..use_of(other, NOW) };
    assert_eq!(cache.remember(&wanted, NOW), Ok(()));
    let wanted = NonceUse { nonce: "later", keep_until: NOW.plus(2000), ..wanted };
    assert_eq!(cache.remember(&wanted, NOW.plus(1000)), Ok(()));
    assert_eq!(cache.len(), 1, "what has ended is gone");
    assert_eq!(format!("{cache:?}"), "MemoryReplayCache(1 of 20000)");
}

#[test]
fn the_end_of_time_does_not_matter() {
    let [key, _] = keys();
    let mut cache = MemoryReplayCache::new(10, [3; 16]);
    let end = Timestamp::from_unix(u64::MAX);
    let wanted = use_of(key, end);
    assert_eq!(cache.remember(&wanted, NOW), Ok(()));
    assert_eq!(cache.remember(&wanted, NOW), Err(ReplayError::Replayed));
}

#[test]
fn what_comes_too_late_cannot_be_known() {
    let [key, _] = keys();
    let mut cache = MemoryReplayCache::new(10, [3; 16]);
    let wanted = use_of(key, NOW);
    assert_eq!(cache.remember(&wanted, NOW.plus(1)), Err(ReplayError::Unavailable));
    assert_eq!(cache.remember(&wanted, NOW), Ok(()), "nothing was remembered");
}

/// What was dropped cannot be known any more, until the clock has caught up.
#[test]
fn a_clock_that_is_set_back_lets_nothing_through() {
    let [key, _] = keys();
    let mut cache = MemoryReplayCache::new(10, [3; 16]);
    let until = |nonce, keep_until| NonceUse { nonce, ..use_of(key, keep_until) };
    assert_eq!(cache.remember(&until("a", NOW.plus(65)), NOW), Ok(()));
    assert_eq!(cache.remember(&until("b", NOW.plus(4000)), NOW.plus(3935)), Ok(()));
    for nonce in ["a", "c"] {
        assert_eq!(
            cache.remember(&until(nonce, NOW.plus(65)), NOW),
            Err(ReplayError::Unavailable),
            "{nonce}"
        );
    }
    assert_eq!(cache.remember(&until("b", NOW.plus(4000)), NOW), Err(ReplayError::Replayed));
    assert_eq!(cache.remember(&until("c", NOW.plus(4000)), NOW.plus(3935)), Ok(()));
}

/// Whoever has filled their share is refused, by whatever key, until it has expired; others go on.
#[test]
fn one_identity_cannot_fill_the_cache() {
    let ([key, other], [alice, bob]) = (keys(), identities());
    let mut cache = MemoryReplayCache::new(100, [3; 16]).with_share(20);
    let mut take = |keyid, identity: &Identity, number: u64, keep: u64, now| {
        let nonce = format!("{number}");
        let wanted =
            NonceUse { keyid, nonce: &nonce, keep_until: NOW.plus(keep), identity, fingerprint: None };
        cache.remember(&wanted, now)
    };
    for number in 0..20 {
        // In two epochs.
        assert_eq!(take(key, &alice, number, number % 2 * 100, NOW), Ok(()), "{number}");
    }
    assert_eq!(take(key, &alice, 20, 0, NOW), Err(ReplayError::Share));
    assert_eq!(take(other, &alice, 20, 300, NOW), Err(ReplayError::Share), "another key is the same caller");
    assert_eq!(take(key, &alice, 0, 0, NOW), Err(ReplayError::Replayed), "a replay is told as such");
    assert_eq!(take(other, &bob, 20, 0, NOW), Ok(()));
    let later = NOW.plus(70);
    for number in 30..40 {
        assert_eq!(take(key, &alice, number, 130, later), Ok(()), "{number}: half of it has expired");
    }
    assert_eq!(take(key, &alice, 40, 130, later), Err(ReplayError::Share));
    assert_eq!(Refusal::from(ReplayError::Share).code(), Code::ReplayCapacity);
}

/// Who may fill the cache alone is not counted.
#[test]
fn a_share_of_everything_takes_nothing() {
    let [key, _] = keys();
    let bytes = |share| {
        let mut cache = MemoryReplayCache::new(100, [3; 16]).with_share(share);
        assert_eq!(cache.remember(&use_of(key, NOW), NOW), Ok(()));
        cache.allocated_bytes()
    };
    assert_eq!(bytes(100), bytes(usize::MAX));
    assert!(bytes(100) < bytes(99));
}

/// A nonce and its signature belong to the same part of a larger cache, and every part has its share.
#[test]
fn parts_of_a_cache_have_as_much_each() {
    let ([keyid, _], key) = (keys(), ReplayKey::new([3; 16]));
    let signature = Signature::from_bytes([1; 64]);
    for parts in [1, 3, 64] {
        let mut held = vec![0; parts];
        for number in 0..100 * parts {
            let nonce = format!("{number:022}");
            let part = key.hash(&NonceUse { nonce: &nonce, ..use_of(keyid, NOW) }).part(parts);
            let signed = SignatureUse { keyid, nonce: &nonce, base: b"base", signature: &signature };
            assert_eq!(key.hash_signature(&signed).part(parts), part);
            held[part] += 1;
        }
        assert!(held.iter().all(|count| (50..=150).contains(count)), "{held:?}");
    }
}

/// Only the same signature over the same base, by the same key, with a nonce that is remembered.
#[test]
fn a_signature_that_has_verified_is_known_again() {
    let [key, other] = keys();
    let mut cache = MemoryReplayCache::new(100, [3; 16]);
    let (first, second) = (Signature::from_bytes([1; 64]), Signature::from_bytes([2; 64]));
    let signed = SignatureUse { keyid: key, nonce: "n", base: b"base", signature: &first };
    let memory = cache.recall(&signed);
    assert!(memory.fingerprint.is_some() && !memory.has_verified);
    let wanted = NonceUse { fingerprint: memory.fingerprint, ..use_of(key, NOW.plus(65)) };
    assert_eq!(cache.remember(&wanted, NOW), Ok(()));
    assert!(cache.recall(&signed).has_verified);
    for others in [
        SignatureUse { keyid: other, ..signed },
        SignatureUse { nonce: "m", ..signed },
        SignatureUse { base: b"bases", ..signed },
        SignatureUse { base: b"bas", ..signed },
        SignatureUse { signature: &second, ..signed },
    ] {
        assert!(!cache.recall(&others).has_verified, "{others:?}");
    }
    // What was remembered without a fingerprint is no signature that has verified.
    assert_eq!(cache.remember(&NonceUse { nonce: "m", ..use_of(key, NOW) }, NOW), Ok(()));
    assert!(!cache.recall(&SignatureUse { nonce: "m", ..signed }).has_verified);
    // What has expired is forgotten with the next use.
    let later = NonceUse { nonce: "later", ..use_of(key, NOW.plus(1000)) };
    assert_eq!(cache.remember(&later, NOW.plus(1000)), Ok(()));
    assert!(!cache.recall(&signed).has_verified);
}

/// A cache that other threads share.
struct Shared(Mutex<MemoryReplayCache>);

impl SharedReplayCache for Shared {
    async fn remember(&self, nonce: &NonceUse<'_>, now: Timestamp) -> Result<(), ReplayError> {
        self.0.lock().unwrap().remember(nonce, now)
    }
}

fn poll<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing here waits"),
    }
}

#[test]
fn a_shared_cache_says_the_same() {
    let keys = Alice::ed25519();
    let request = Request::new("GET", "https://pack.example/", &[]);
    let signed = keys.signer().sign(&request, None, NOW, &[1; 16]).unwrap();
    let arriving = Arriving::new(&request, "/", None, &signed);
    let cache = Shared(Mutex::new(MemoryReplayCache::new(1, [3; 16])));
    let admit = |arriving: &Arriving| -> Result<(), Refusal> {
        poll(arriving.check(&keys.trusted(), NOW)?.fresh_in(&cache, NOW)).map(|fresh| {
            assert_eq!(fresh.call().identity(), &caller::alice());
        })
    };
    assert_eq!(admit(&arriving), Ok(()));
    assert_eq!(code(admit(&arriving)), Code::Replayed);
    let signed = keys.signer().sign(&request, None, NOW, &[2; 16]).unwrap();
    assert_eq!(code(admit(&Arriving::new(&request, "/", None, &signed))), Code::ReplayCapacity);
}

/// The cache is told to keep the nonce for the skew longer than the signature is good.
#[test]
fn a_nonce_is_kept_until_the_skew_has_passed() {
    struct Asked(Option<Timestamp>);
    impl ReplayCache for Asked {
        fn remember(&mut self, nonce: &NonceUse<'_>, now: Timestamp) -> Result<(), ReplayError> {
            assert_eq!(now, NOW);
            self.0 = Some(nonce.keep_until);
            Ok(())
        }
    }
    let keys = Alice::ed25519();
    let request = Request::new("GET", "https://pack.example/", &[]);
    let signed = keys.signer().sign(&request, None, NOW, &[1; 16]).unwrap();
    let mut cache = Asked(None);
    let intact = Arriving::new(&request, "/", None, &signed).check(&keys.trusted(), NOW).unwrap();
    let _ = intact.fresh(&mut cache, NOW).unwrap();
    assert_eq!(cache.0, Some(NOW.plus(65)));
}

/// A replay costs no second verification, and every request hears what it would have heard without.
#[test]
fn what_is_recalled_changes_no_answer() {
    /// Counts what it recalls.
    struct Recalling(MemoryReplayCache, std::cell::Cell<u32>);
    impl ReplayCache for Recalling {
        fn remember(&mut self, nonce: &NonceUse<'_>, now: Timestamp) -> Result<(), ReplayError> {
            self.0.remember(nonce, now)
        }
        fn recall(&self, signature: &SignatureUse<'_>) -> Memory {
            let memory = self.0.recall(signature);
            self.1.set(self.1.get() + u32::from(memory.has_verified));
            memory
        }
    }
    let keys = Alice::ed25519();
    let request = Request::new("POST", "https://pack.example/", &[]);
    let signed = keys.signer().sign(&request, Some(b"body"), NOW, &[1; 16]).unwrap();
    let arriving = Arriving::new(&request, "/", Some(b"body"), &signed);
    let mut cache = Recalling(MemoryReplayCache::new(10, [3; 16]), std::cell::Cell::new(0));
    let mut admit = |arriving: &Arriving, now| -> (Result<Code, ()>, u32) {
        let before = cache.1.get();
        let passed = arriving.check_recalling(&keys.trusted(), |signature| cache.recall(signature), now);
        let passed = passed.and_then(|intact| intact.fresh(&mut cache, now));
        (passed.map_or_else(|refusal| Ok(refusal.code()), |_| Err(())), cache.1.get() - before)
    };
    assert_eq!(admit(&arriving, NOW), (Err(()), 0), "it passes");
    assert_eq!(admit(&arriving, NOW), (Ok(Code::Replayed), 1));
    assert_eq!(
        admit(&Arriving { body: b"other".to_vec(), ..arriving.clone() }, NOW),
        (Ok(Code::DigestMismatch), 1)
    );
    assert_eq!(
        admit(&Arriving { target: "/other".into(), ..arriving.clone() }, NOW),
        (Ok(Code::BadSignature), 0)
    );
    let mut forged = arriving.clone();
    let at = forged.field("signature").len() - 10;
    let byte = &mut forged.field("signature")[at];
    *byte = if *byte == b'A' { b'B' } else { b'A' };
    assert_eq!(admit(&forged, NOW), (Ok(Code::BadSignature), 0));
    assert_eq!(admit(&arriving, NOW.plus(61)), (Ok(Code::Expired), 0));
}

/// A memory that is wrong lets nothing through.
#[test]
fn what_is_recalled_never_passes() {
    let keys = Alice::ed25519();
    let request = Request::new("GET", "https://pack.example/", &[]);
    let signed = keys.signer().sign(&request, None, NOW, &[1; 16]).unwrap();
    let arriving = Arriving::new(&request, "/", None, &signed);
    let mut cache = MemoryReplayCache::new(10, [3; 16]);
    let liar = |_: &SignatureUse<'_>| Memory { fingerprint: None, has_verified: true };
    let intact = arriving.check_recalling(&keys.trusted(), liar, NOW).unwrap();
    assert_eq!(code(intact.fresh(&mut cache, NOW)), Code::Replayed);
}
