//! Stage 7: every nonce once (spec, V7.1 to V7.3).

use alloc::vec::Vec;
use core::fmt;
use core::future::Future;

use sha2::{Digest, Sha256};

use crate::error::{Code, Refusal};
use crate::key::Thumbprint;
use crate::time::{Timestamp, Window};
use crate::verify::{Call, Intact};

/// A nonce that is about to be used.
#[derive(Clone, Copy, Debug)]
pub struct NonceUse<'a> {
    /// The key that signed.
    pub keyid: Thumbprint,
    /// Its nonce.
    pub nonce: &'a str,
    /// The last second in which it must be remembered: `expires` and the skew of the clocks.
    pub keep_until: Timestamp,
}

/// Why a nonce cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayError {
    /// It was used before.
    Replayed,
    /// There is no room to remember it.
    Capacity,
    /// The cache does not answer.
    Unavailable,
}

impl From<ReplayError> for Refusal {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Replayed => Self::new(Code::Replayed, "the nonce was used before"),
            ReplayError::Capacity => Self::new(Code::ReplayCapacity, "the replay cache is full"),
            ReplayError::Unavailable => {
                Self::new(Code::ReplayUnavailable, "the replay cache does not answer")
            }
        }
    }
}

/// Remembers nonces until they expire. Looking up and remembering is one atomic step.
pub trait ReplayCache {
    /// Remembers (keyid, nonce) until `keep_until` has passed. When it has passed already, because the cache was slow,
    /// that is [`ReplayError::Unavailable`]: an earlier use may have been forgotten.
    ///
    /// # Errors
    /// [`ReplayError`]; nothing is remembered then.
    fn remember(&mut self, nonce: &NonceUse<'_>, now: Timestamp) -> Result<(), ReplayError>;
}

/// The same for a cache that is shared between threads or lies across a network.
pub trait SharedReplayCache {
    /// Remembers (keyid, nonce) until `keep_until` has passed. When it has passed already, because the cache was slow,
    /// that is [`ReplayError::Unavailable`]: an earlier use may have been forgotten.
    ///
    /// # Errors
    /// [`ReplayError`]; nothing is remembered then.
    fn remember(
        &self,
        nonce: &NonceUse<'_>,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), ReplayError>> + Send;
}

impl Intact {
    /// Stage 7 with a cache of one's own.
    ///
    /// # Errors
    /// [`Code::Replayed`], [`Code::ReplayCapacity`], [`Code::ReplayUnavailable`].
    pub fn fresh(self, cache: &mut impl ReplayCache, now: Timestamp) -> Result<Fresh, Refusal> {
        cache.remember(&self.nonce_use(), now)?;
        Ok(Fresh { call: self.call })
    }

    /// Stage 7 with a shared cache.
    ///
    /// # Errors
    /// [`Code::Replayed`], [`Code::ReplayCapacity`], [`Code::ReplayUnavailable`].
    pub async fn fresh_in(self, cache: &impl SharedReplayCache, now: Timestamp) -> Result<Fresh, Refusal> {
        cache.remember(&self.nonce_use(), now).await?;
        Ok(Fresh { call: self.call })
    }

    fn nonce_use(&self) -> NonceUse<'_> {
        NonceUse {
            keyid: self.call.keyid(),
            nonce: self.call.nonce(),
            keep_until: self.call.expires().plus(Window::SKEW),
        }
    }
}

/// The request is whole, and was never seen before.
#[derive(Debug)]
#[must_use = "nothing has decided yet whether the caller may do this"]
pub struct Fresh {
    call: Call,
}

impl Fresh {
    /// What the envelope says.
    #[must_use]
    pub const fn call(&self) -> &Call {
        &self.call
    }

    /// The caller, for the policy.
    #[must_use]
    pub fn into_caller(self) -> crate::caller::Caller {
        crate::caller::Caller::new(self.call)
    }
}

/// A cache in memory, for one owner.
///
/// It keeps 16 bytes of a keyed hash of (keyid, nonce): two that collide are refused, never both accepted. Nonces that expire
/// in the same 64 seconds share a table, which is dropped whole when the last of them has expired. A clock that is set back does
/// not bring back what was dropped: uses that would belong there are refused until it has caught up.
pub struct MemoryReplayCache {
    tables: Vec<Table>,
    /// The first epoch of which nothing has been dropped yet.
    first: u64,
    capacity: usize,
    seed: [u8; 16],
}

/// Seconds of expiry that share a table; a power of two.
const EPOCH: u64 = 64;

impl MemoryReplayCache {
    /// A cache for at most `capacity` live nonces. `seed` is random, so that nobody can choose nonces that collide in the
    /// table.
    #[must_use]
    pub const fn new(capacity: usize, seed: [u8; 16]) -> Self {
        Self { tables: Vec::new(), first: 0, capacity, seed }
    }

    /// How many nonces it holds; those of a table whose end has passed count until the next use.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tables.iter().map(|table| table.length).sum()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn digest(&self, nonce: &NonceUse<'_>) -> u128 {
        let mut hasher = Sha256::new();
        hasher.update(self.seed);
        hasher.update(nonce.keyid.as_bytes());
        hasher.update(nonce.nonce.as_bytes());
        let digest: [u8; 32] = hasher.finalize().into();
        let (half, _) = digest.split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
        // Zero marks an empty slot.
        u128::from_le_bytes(*half).max(1)
    }
}

impl ReplayCache for MemoryReplayCache {
    fn remember(&mut self, nonce: &NonceUse<'_>, now: Timestamp) -> Result<(), ReplayError> {
        self.first = self.first.max(now.as_unix() / EPOCH);
        self.tables.retain(|table| table.epoch >= self.first);
        let epoch = nonce.keep_until.as_unix() / EPOCH;
        // Too late, or the clock was set back: an earlier use may have been forgotten.
        if nonce.keep_until < now || epoch < self.first {
            return Err(ReplayError::Unavailable);
        }
        let digest = self.digest(nonce);
        if self.tables.iter().any(|table| table.contains(digest)) {
            return Err(ReplayError::Replayed);
        }
        if self.len() >= self.capacity {
            return Err(ReplayError::Capacity);
        }
        match self.tables.iter_mut().find(|table| table.epoch == epoch) {
            Some(table) => table.insert(digest),
            None => {
                let mut table = Table { epoch, slots: Vec::new(), length: 0 };
                table.insert(digest);
                self.tables.push(table);
            }
        }
        Ok(())
    }
}

impl fmt::Debug for MemoryReplayCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryReplayCache({} of {})", self.len(), self.capacity)
    }
}

/// Open addressing with linear probing over digests, which are already uniform. Nothing is ever removed from it.
struct Table {
    epoch: u64,
    slots: Vec<u128>,
    length: usize,
}

impl Table {
    /// The slot of `digest`, or the empty one where it belongs; `None` when there are no slots.
    fn slot(&self, digest: u128) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        let low = u64::try_from(digest & u128::from(u64::MAX)).unwrap_or_default();
        let mut at = usize::try_from(low & u64::from(u32::MAX)).unwrap_or_default() & mask;
        // At most three quarters of the slots are taken, so this ends.
        while self.slots.get(at).is_some_and(|&slot| slot != 0 && slot != digest) {
            at = (at + 1) & mask;
        }
        Some(at)
    }

    fn contains(&self, digest: u128) -> bool {
        self.slot(digest).and_then(|at| self.slots.get(at)) == Some(&digest)
    }

    fn insert(&mut self, digest: u128) {
        if self.length * 4 >= self.slots.len() * 3 {
            let larger = alloc::vec![0; (self.slots.len() * 2).max(64)];
            for digest in core::mem::replace(&mut self.slots, larger) {
                if digest != 0 {
                    self.place(digest);
                }
            }
        }
        self.place(digest);
        self.length += 1;
    }

    fn place(&mut self, digest: u128) {
        if let Some(slot) = self.slot(digest).and_then(|at| self.slots.get_mut(at)) {
            *slot = digest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nobody who does not know the seed can choose nonces that collide.
    #[test]
    fn the_seed_the_key_and_the_nonce_decide_the_place() {
        let keys = [1, 2].map(|byte| {
            crate::SigningKey::from_bytes(crate::Algorithm::Ed25519, &[byte; 32])
                .unwrap()
                .verifying_key()
                .thumbprint()
        });
        let digest = |seed, keyid, nonce| {
            let nonce = NonceUse { keyid, nonce, keep_until: Timestamp::default() };
            MemoryReplayCache::new(1, [seed; 16]).digest(&nonce)
        };
        let first = digest(1, keys[0], "a");
        assert_eq!(digest(1, keys[0], "a"), first);
        for other in [digest(2, keys[0], "a"), digest(1, keys[1], "a"), digest(1, keys[0], "b")] {
            assert_ne!(other, first);
        }
    }
}
