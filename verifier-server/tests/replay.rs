//! The replay cache of one process: between its threads, and between its callers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use std::pin::pin;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use envelope_core::{
    Grant, Identity, Issue, NonceUse, ReplayError, SharedReplayCache, Signature, SignatureUse, Thumbprint,
    Timestamp,
};
use envelope_verifier::ShardedReplayCache;
use support::{PackServer, Person, Program, key, now};

const TARGET: &str = "/api/pack/p1/agent";
const NOW: Timestamp = Timestamp::from_unix(1_767_225_600);

fn poll<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing here waits"),
    }
}

fn keyid() -> Thumbprint {
    key("a call key").verifying_key().thumbprint()
}

/// One caller fills what one caller may hold, with two call keys, and hears so; another goes on.
#[test]
fn one_caller_cannot_fill_the_cache_for_others() {
    let (pack, alice, bob) = (PackServer::start(), Person::new("alice"), Person::new("bob"));
    let second = key("alice, second call key");
    let issue = Issue {
        call_key: second.verifying_key(),
        issued: Timestamp::from_unix(now() - 1),
        lifetime: 900,
        id: "second",
        grant: Grant::everything(),
    };
    let again = Person {
        certificate: issue.sign(&alice.identity_key).unwrap(),
        identity_key: key("alice"),
        call_key: second,
    };
    let (upstream, trusted) = (pack.url(), [alice.trust("alice"), bob.trust("bob")]);
    let mut args = vec!["--upstream", &upstream, "--replay-capacity", "100", "--replay-share", "4"];
    trusted.iter().for_each(|trusted| args.extend(["--trust", trusted]));
    let verifier = Program::serve(&args);
    let call = |person: &Person| verifier.send(&person.post(&verifier.authority(), TARGET, "{}"));

    for person in [&alice, &again, &alice, &again] {
        assert_eq!(call(person).status, 200);
    }
    for person in [&alice, &again] {
        let answer = call(person);
        assert_eq!((answer.status, answer.code().as_str()), (503, "replay-capacity"));
    }
    for _ in 0..4 {
        assert_eq!(call(&bob).status, 200, "bob has a share of his own");
    }
    assert_eq!(call(&bob).code(), "replay-capacity");
    assert_eq!(pack.requests().len(), 8);
}

/// However many threads show a nonce at once, one of them passes.
#[test]
fn of_all_threads_one_passes() {
    const NONCES: usize = 20_000;
    const THREADS: usize = 4;
    let cache = ShardedReplayCache::new(1_000_000).unwrap();
    let (keyid, identity, barrier) = (keyid(), Identity::new("alice").unwrap(), Barrier::new(THREADS));
    let passed: Vec<AtomicUsize> = (0..NONCES).map(|_| AtomicUsize::new(0)).collect();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                barrier.wait();
                for (number, passed) in passed.iter().enumerate() {
                    let nonce = format!("{number:022}");
                    let keep_until = NOW.plus(if number % 2 == 0 { 5 } else { 65 });
                    let wanted =
                        NonceUse { keyid, nonce: &nonce, keep_until, identity: &identity, fingerprint: None };
                    match poll(cache.remember(&wanted, NOW)) {
                        Ok(()) => {
                            passed.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(error) => assert_eq!(error, ReplayError::Replayed),
                    }
                }
            });
        }
    });
    assert!(passed.iter().all(|passed| passed.load(Ordering::Relaxed) == 1));
    assert_eq!(cache.len(), NONCES);
}

/// A share that is spread over parts is never passed, and nearly reached; so is the capacity.
#[test]
fn the_parts_hold_what_the_whole_may() {
    let cache = ShardedReplayCache::with_share(150_000, 60_000).unwrap();
    let (keyid, identities) = (keyid(), ["alice", "bob", "carol"].map(|name| Identity::new(name).unwrap()));
    let fill = |identity: &Identity, refusal| {
        let mut first = None;
        for number in 0..80_000 {
            let nonce = format!("{identity} {number:022}");
            let keep_until = NOW.plus(65);
            let wanted = NonceUse { keyid, nonce: &nonce, keep_until, identity, fingerprint: None };
            if let Err(error) = poll(cache.remember(&wanted, NOW)) {
                assert_eq!(error, refusal);
                first.get_or_insert(number);
            }
        }
        first.unwrap_or(0)
    };
    let first = fill(&identities[0], ReplayError::Share);
    assert!((57_000..=60_000).contains(&first), "{first}");
    assert_eq!(cache.len(), 60_000);
    fill(&identities[1], ReplayError::Share);
    assert_eq!(cache.len(), 120_000);
    fill(&identities[2], ReplayError::Capacity);
    assert_eq!(cache.len(), 150_000);
}

#[test]
fn a_part_knows_the_signatures_of_its_nonces() {
    let cache = ShardedReplayCache::new(1_000_000).unwrap();
    let (keyid, identity) = (keyid(), Identity::new("alice").unwrap());
    for number in 0..200 {
        let (nonce, signature) = (format!("{number:022}"), Signature::from_bytes([number; 64]));
        let signed = SignatureUse { keyid, nonce: &nonce, base: nonce.as_bytes(), signature: &signature };
        let memory = cache.recall(&signed);
        assert!(!memory.has_verified);
        let (keep_until, fingerprint) = (NOW.plus(65), memory.fingerprint);
        let wanted = NonceUse { keyid, nonce: &nonce, keep_until, identity: &identity, fingerprint };
        assert_eq!(poll(cache.remember(&wanted, NOW)), Ok(()));
        assert!(cache.recall(&signed).has_verified);
        assert!(!cache.recall(&SignatureUse { base: b"another", ..signed }).has_verified);
    }
}
