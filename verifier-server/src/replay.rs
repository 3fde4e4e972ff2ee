//! The replay cache of one process, shared by its threads.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Mutex;

use envelope_core::{MemoryReplayCache, NonceUse, ReplayCache, ReplayError, SharedReplayCache, Timestamp};

/// A [`MemoryReplayCache`] in several parts, so that threads seldom wait for each other.
pub struct ShardedReplayCache {
    shards: Vec<Mutex<MemoryReplayCache>>,
    hasher: RandomState,
}

const SHARDS: usize = 16;

impl ShardedReplayCache {
    /// A cache for `capacity` live nonces; each of its parts takes its share of them.
    ///
    /// # Errors
    /// When the system has no random bytes to seed it.
    pub fn new(capacity: usize) -> Result<Self, getrandom::Error> {
        let shards = if capacity < 1024 { 1 } else { SHARDS };
        let shard = |_| {
            let mut seed = [0; 16];
            getrandom::fill(&mut seed)?;
            Ok(Mutex::new(MemoryReplayCache::new(capacity.div_ceil(shards), seed)))
        };
        Ok(Self { shards: (0..shards).map(shard).collect::<Result<_, _>>()?, hasher: RandomState::new() })
    }

    /// How many nonces it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        let held = |shard: &Mutex<MemoryReplayCache>| shard.lock().map_or(0, |shard| shard.len());
        self.shards.iter().map(held).sum()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl SharedReplayCache for ShardedReplayCache {
    async fn remember(&self, nonce: &NonceUse<'_>, now: Timestamp) -> Result<(), ReplayError> {
        let count = u64::try_from(self.shards.len()).unwrap_or(1);
        let chosen = self.hasher.hash_one((nonce.keyid, nonce.nonce)) % count;
        let shard = usize::try_from(chosen).ok().and_then(|chosen| self.shards.get(chosen));
        // A thread that died with the lock may have left the table half-written: fail closed.
        let mut shard =
            shard.ok_or(ReplayError::Unavailable)?.lock().map_err(|_| ReplayError::Unavailable)?;
        shard.remember(nonce, now)
    }
}

impl fmt::Debug for ShardedReplayCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ShardedReplayCache({} nonces)", self.len())
    }
}
