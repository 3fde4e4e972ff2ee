//! What is measured: our cache, and others that could remember nonces.

use std::collections::HashSet;
use std::hint::black_box;
use std::pin::pin;
use std::sync::{LazyLock, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use envelope_core::replay::{Memory, SignatureUse};
use envelope_core::{
    Algorithm, Identity, NonceUse, SharedReplayCache, Signature, SigningKey, Thumbprint, Timestamp,
};
use envelope_verifier::ShardedReplayCache;

const BEGUN: u64 = 1_767_225_600;

static KEYID: LazyLock<Thumbprint> = LazyLock::new(|| {
    SigningKey::from_bytes(Algorithm::Ed25519, &[1; 32]).unwrap().verifying_key().thumbprint()
});
static IDENTITIES: LazyLock<Vec<Identity>> =
    LazyLock::new(|| (0..8).map(|number| Identity::new(&format!("caller-{number}")).unwrap()).collect());

/// A nonce as it comes in a request: 22 characters.
pub struct Wire {
    nonce: [u8; 22],
    number: u64,
}

impl Wire {
    pub fn new(number: u64) -> Self {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let (low, high) = (mixed(number), mixed(!number));
        let mut nonce = [0; 22];
        for (at, character) in nonce.iter_mut().enumerate() {
            let bits = if at < 11 { low >> (at * 6) } else { high >> ((at - 11) * 6) };
            *character = ALPHABET[(bits & 63) as usize];
        }
        // The last characters of each half have four bits only: no two numbers have one nonce, since mixing loses nothing.
        Self { nonce, number }
    }

    pub fn arrival(&self, second: u64) -> Arrival {
        Arrival { wire: Self { ..*self }, second }
    }
}

/// SplitMix64: no two numbers give the same.
fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// A nonce that arrives in a second.
pub struct Arrival {
    wire: Wire,
    second: u64,
}

impl Arrival {
    pub fn at(number: u64, second: u64) -> Self {
        Self { wire: Wire::new(number), second }
    }

    /// One of `count` that come one after the other within a minute.
    pub fn within_a_minute(number: usize, count: usize) -> Self {
        Self::at(number as u64, (number * 60 / count) as u64)
    }

    fn nonce(&self) -> &str {
        std::str::from_utf8(&self.wire.nonce).unwrap()
    }

    /// What another cache would be given: 16 bytes.
    fn bytes(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&mixed(self.wire.number).to_le_bytes());
        bytes[8..].copy_from_slice(&mixed(!self.wire.number).to_le_bytes());
        bytes
    }
}

pub trait Cache: Send + Sync + 'static {
    /// What is said of it behind a figure.
    const SUFFIX: &str;
    fn new(capacity: usize) -> Self;
    /// Remembers what it has not seen.
    fn insert(&self, arrival: &Arrival);
    /// Does what it has put off.
    fn settle(&self) {}
}

pub struct Ours(ShardedReplayCache);

impl Ours {
    pub fn recall(&self, arrival: &Arrival, base: &[u8]) -> Memory {
        let signature = Signature::from_bytes([7; 64]);
        self.0.recall(&SignatureUse { keyid: *KEYID, nonce: arrival.nonce(), base, signature: &signature })
    }
}

impl Cache for Ours {
    const SUFFIX: &str = "";

    fn new(capacity: usize) -> Self {
        Self(ShardedReplayCache::new(capacity).unwrap())
    }

    fn insert(&self, arrival: &Arrival) {
        let now = Timestamp::from_unix(BEGUN + arrival.second);
        let wanted = NonceUse {
            keyid: *KEYID,
            nonce: arrival.nonce(),
            keep_until: now.plus(65),
            identity: &IDENTITIES[(arrival.wire.number % 8) as usize],
            fingerprint: None,
        };
        let future = pin!(self.0.remember(&wanted, now));
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result.unwrap(),
            Poll::Pending => unreachable!("it does not wait"),
        }
    }
}

/// What everybody writes first. It never forgets.
pub struct Hash(Mutex<HashSet<[u8; 16]>>);

impl Cache for Hash {
    const SUFFIX: &str = ", HashSet behind a Mutex";

    fn new(_: usize) -> Self {
        Self(Mutex::new(HashSet::new()))
    }

    fn insert(&self, arrival: &Arrival) {
        assert!(self.0.lock().unwrap().insert(arrival.bytes()));
    }
}

/// When it is full, it forgets what is live still.
pub struct Moka(moka::sync::Cache<[u8; 16], ()>);

impl Cache for Moka {
    const SUFFIX: &str = ", moka";

    fn new(capacity: usize) -> Self {
        let builder = moka::sync::Cache::builder().max_capacity(capacity as u64);
        Self(builder.time_to_live(Duration::from_secs(65)).build())
    }

    fn insert(&self, arrival: &Arrival) {
        assert!(self.0.entry(arrival.bytes()).or_insert(()).is_fresh());
    }

    fn settle(&self) {
        self.0.run_pending_tasks();
    }
}

/// The same, without a time to live.
pub struct Quick(quick_cache::sync::Cache<[u8; 16], ()>);

impl Cache for Quick {
    const SUFFIX: &str = ", quick_cache";

    fn new(capacity: usize) -> Self {
        Self(quick_cache::sync::Cache::new(capacity))
    }

    fn insert(&self, arrival: &Arrival) {
        let mut fresh = false;
        let inserted: Result<(), ()> = self.0.get_or_insert_with(&arrival.bytes(), || {
            fresh = true;
            Ok(())
        });
        assert!(inserted.is_ok() && fresh);
    }
}

/// Remembers nothing: what the machine alone makes a turn wait.
pub struct Nothing;

impl Cache for Nothing {
    const SUFFIX: &str = ", no cache at all";

    fn new(_: usize) -> Self {
        Self
    }

    fn insert(&self, arrival: &Arrival) {
        black_box(arrival.bytes());
    }
}
