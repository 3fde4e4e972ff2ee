//! The replay cache of one process, shared by its threads.

use std::fmt;
use std::sync::{Mutex, MutexGuard};

use envelope_core::replay::{Memory, ReplayKey, SignatureUse};
use envelope_core::{MemoryReplayCache, NonceUse, ReplayError, SharedReplayCache, Timestamp};

/// A [`MemoryReplayCache`] in several parts, so that threads seldom wait for each other.
///
/// Each part takes its share of everything. The parts are chosen by a hash, so one of them is full a little before the whole
/// is: some percent, in the smallest caches that have more than one part.
pub struct ShardedReplayCache {
    shards: Vec<Shard>,
    capacity: usize,
    key: ReplayKey,
}

/// On cache lines of its own, so that to lock one is not to slow down the next.
#[repr(align(128))]
struct Shard(Mutex<MemoryReplayCache>);

/// No more parts than this.
const SHARDS: usize = 8;
/// No part in which one caller may hold less than this: chance would decide who is refused.
const SMALLEST: usize = 4096;
/// What one caller may always hold, be the cache ever so small.
const LEAST_SHARE: usize = 1024;

impl ShardedReplayCache {
    /// A cache for `capacity` live nonces. One identity may hold a quarter of them, or 1024 where that is more.
    ///
    /// # Errors
    /// When the system has no random bytes to seed it.
    pub fn new(capacity: usize) -> Result<Self, getrandom::Error> {
        Self::with_share(capacity, Self::usual_share(capacity))
    }

    /// The same where one identity may hold `share` of them.
    ///
    /// # Errors
    /// When the system has no random bytes to seed it.
    pub fn with_share(capacity: usize, share: usize) -> Result<Self, getrandom::Error> {
        let mut seed = [0; 16];
        getrandom::fill(&mut seed)?;
        let key = ReplayKey::new(seed);
        let count = (capacity.min(share) / SMALLEST).clamp(1, SHARDS);
        let part = || {
            MemoryReplayCache::with_key(capacity.div_ceil(count), key.clone())
                .with_share(share.div_ceil(count))
        };
        Ok(Self { shards: (0..count).map(|_| Shard(Mutex::new(part()))).collect(), capacity, key })
    }

    /// What one identity may hold of `capacity` unless somebody says otherwise.
    #[must_use]
    pub fn usual_share(capacity: usize) -> usize {
        (capacity / 4).max(LEAST_SHARE)
    }

    /// How many nonces it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        let held = |shard: &Shard| shard.0.lock().map_or(0, |shard| shard.len());
        self.shards.iter().map(held).sum()
    }

    /// How many it holds at most.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The part, locked. A thread that died with the lock may have left the table half-written: fail closed.
    fn lock(&self, part: usize) -> Option<MutexGuard<'_, MemoryReplayCache>> {
        self.shards.get(part)?.0.lock().ok()
    }
}

impl SharedReplayCache for ShardedReplayCache {
    async fn remember(&self, nonce: &NonceUse<'_>, now: Timestamp) -> Result<(), ReplayError> {
        let nonce = self.key.hash(nonce);
        let mut shard = self.lock(nonce.part(self.shards.len())).ok_or(ReplayError::Unavailable)?;
        shard.remember_hashed(&nonce, now)
    }

    fn recall(&self, signature: &SignatureUse<'_>) -> Memory {
        let signature = self.key.hash_signature(signature);
        let shard = self.lock(signature.part(self.shards.len()));
        signature.memory(shard.is_some_and(|shard| shard.has_verified(&signature)))
    }
}

impl fmt::Debug for ShardedReplayCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ShardedReplayCache({} nonces)", self.len())
    }
}
