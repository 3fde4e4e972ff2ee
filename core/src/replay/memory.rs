//! The replay cache in memory.

use alloc::vec::Vec;
use core::fmt;
use core::hash::Hasher as _;

use siphasher::sip::SipHasher13;
use siphasher::sip128::{Hasher128 as _, SipHasher24};

use super::slots::{Name, Slots};
use super::{Memory, NonceUse, ReplayCache, ReplayError, SignatureUse};
use crate::key::Thumbprint;
use crate::time::Timestamp;

/// A cache in memory, for one owner.
///
/// It keeps 80 bits of a keyed hash of (keyid, nonce): two that collide are refused, never both accepted. Nonces that expire
/// in the same 32 seconds share a table, which is dropped when the last of them has expired. A clock that is set back does
/// not bring back what was dropped: uses that would belong there are refused until it has caught up.
///
/// A nonce takes 21 to 27 bytes, and as many again where each is of another identity and there is a
/// [share](Self::with_share). Tables grow, and go, a few nonces at a time: no use of the cache waits for that.
pub struct MemoryReplayCache {
    epochs: Vec<Epoch>,
    /// Tables of what has expired, given back a few segments with each use.
    leaving: Vec<Slots>,
    /// The first epoch of which nothing has been dropped yet.
    first: u64,
    capacity: usize,
    share: usize,
    key: ReplayKey,
}

/// What expires in the same 32 seconds.
struct Epoch {
    number: u64,
    /// Nonces, each with the fingerprint of its signature; 0 where none was given.
    nonces: Slots,
    /// Identities, each with how many of the nonces are theirs. Empty where nobody counts.
    callers: Slots,
}

/// Seconds of expiry that share a table; a power of two.
const EPOCH: u64 = 32;
/// Segments that are given back with each use: some hundred nonces.
const FREED: usize = 8;

impl MemoryReplayCache {
    /// A cache for at most `capacity` live nonces. `seed` is random, so that nobody can choose nonces that collide in the
    /// table.
    #[must_use]
    pub const fn new(capacity: usize, seed: [u8; 16]) -> Self {
        Self::with_key(capacity, ReplayKey::new(seed))
    }

    /// The same with a key that others have, too: the parts of a larger cache.
    #[must_use]
    pub const fn with_key(capacity: usize, key: ReplayKey) -> Self {
        Self { epochs: Vec::new(), leaving: Vec::new(), first: 0, capacity, share: usize::MAX, key }
    }

    /// The same, with at most so many live nonces of one identity, so that nobody fills the cache for others. What it holds
    /// already was not counted.
    #[must_use]
    pub const fn with_share(mut self, share: usize) -> Self {
        self.share = share;
        self
    }

    /// How many nonces it holds; those of a table whose end has passed count until the next use.
    #[must_use]
    pub fn len(&self) -> usize {
        self.epochs.iter().map(|epoch| epoch.nonces.len()).sum()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes that it has taken from the allocator, with what has expired and was not given back yet. This looks at every segment.
    #[must_use]
    pub fn allocated_bytes(&self) -> usize {
        let of_epoch = |epoch: &Epoch| epoch.nonces.allocated_bytes() + epoch.callers.allocated_bytes();
        self.epochs.iter().map(of_epoch).sum::<usize>()
            + self.leaving.iter().map(Slots::allocated_bytes).sum::<usize>()
            + self.epochs.capacity() * size_of::<Epoch>()
            + self.leaving.capacity() * size_of::<Slots>()
    }

    /// [`ReplayCache::remember`] for what was hashed with the key of this cache.
    ///
    /// # Errors
    /// [`ReplayError`]; nothing is remembered then.
    pub fn remember_hashed(&mut self, nonce: &HashedUse, now: Timestamp) -> Result<(), ReplayError> {
        self.first = self.first.max(now.as_unix() / EPOCH);
        self.expire();
        let number = nonce.keep_until.as_unix() / EPOCH;
        // Too late, or the clock was set back: an earlier use may have been forgotten.
        if nonce.keep_until < now || number < self.first {
            return Err(ReplayError::Unavailable);
        }
        // In large tables this is most of the time that it takes: the slots of all epochs come while the first is looked at.
        self.epochs.iter().for_each(|epoch| epoch.nonces.touch(nonce.name));
        if self.epochs.iter().any(|epoch| epoch.nonces.value(nonce.name).is_some()) {
            return Err(ReplayError::Replayed);
        }
        if self.len() >= self.capacity {
            return Err(ReplayError::Capacity);
        }
        // Who may fill the cache alone is not counted.
        let counts = self.share < self.capacity;
        if counts && self.held_by(nonce.caller) >= self.share {
            return Err(ReplayError::Share);
        }
        if let Some(epoch) = self.epoch(number) {
            let fingerprint = nonce.fingerprint.map_or(0, |fingerprint| fingerprint.0);
            epoch.nonces.update(nonce.name, |_| fingerprint);
            if counts {
                epoch.callers.update(nonce.caller, |held| held + 1);
            }
        }
        Ok(())
    }

    /// [`ReplayCache::recall`] for what was hashed with the key of this cache.
    #[must_use]
    pub fn has_verified(&self, signature: &HashedSignature) -> bool {
        self.epochs.iter().any(|epoch| epoch.nonces.value(signature.name) == Some(signature.fingerprint.0))
    }

    fn held_by(&self, caller: Name) -> usize {
        let held = self.epochs.iter().filter_map(|epoch| epoch.callers.value(caller)).sum::<u64>();
        usize::try_from(held).unwrap_or(usize::MAX)
    }

    fn epoch(&mut self, number: u64) -> Option<&mut Epoch> {
        let at = self.epochs.iter().position(|epoch| epoch.number == number).unwrap_or_else(|| {
            self.epochs.reserve_exact(1);
            self.epochs.push(Epoch { number, nonces: Slots::new(), callers: Slots::new() });
            self.epochs.len() - 1
        });
        self.epochs.get_mut(at)
    }

    /// Drops what has expired: the tables at once, their segments a few at a time.
    fn expire(&mut self) {
        let first = self.first;
        for epoch in self.epochs.extract_if(.., |epoch| epoch.number < first) {
            self.leaving.extend([epoch.nonces, epoch.callers]);
        }
        for _ in 0..FREED {
            let Some(table) = self.leaving.last_mut() else { break };
            if !table.free() {
                self.leaving.pop();
            }
        }
    }
}

impl ReplayCache for MemoryReplayCache {
    fn remember(&mut self, nonce: &NonceUse<'_>, now: Timestamp) -> Result<(), ReplayError> {
        self.remember_hashed(&self.key.hash(nonce), now)
    }

    fn recall(&self, signature: &SignatureUse<'_>) -> Memory {
        let hashed = self.key.hash_signature(signature);
        hashed.memory(self.has_verified(&hashed))
    }
}

impl fmt::Debug for MemoryReplayCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryReplayCache({} of {})", self.len(), self.capacity)
    }
}

/// The key of the hash by which a cache finds nonces. Whoever does not know it cannot choose nonces that collide.
#[derive(Clone)]
pub struct ReplayKey([u8; 16]);

impl ReplayKey {
    /// A key of 16 random bytes.
    #[must_use]
    pub const fn new(seed: [u8; 16]) -> Self {
        Self(seed)
    }

    /// Hashes a nonce, outside of whatever lock the cache is behind.
    #[must_use]
    pub fn hash(&self, nonce: &NonceUse<'_>) -> HashedUse {
        let hash = self.hash_nonce(&nonce.keyid, nonce.nonce);
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(nonce.identity.as_str().as_bytes());
        let caller = Name::of(hasher.finish128().into());
        let (keep_until, fingerprint) = (nonce.keep_until, nonce.fingerprint);
        HashedUse { name: Name::of(hash), spread: spread(hash), caller, keep_until, fingerprint }
    }

    /// Hashes a signature that is about to be verified, outside of whatever lock the cache is behind.
    #[must_use]
    pub fn hash_signature(&self, signature: &SignatureUse<'_>) -> HashedSignature {
        let hash = self.hash_nonce(&signature.keyid, signature.nonce);
        let mut hasher = SipHasher13::new_with_key(&self.0);
        hasher.write(signature.signature.as_bytes());
        hasher.write(signature.base);
        // Zero says that there is none.
        let fingerprint = Fingerprint((hasher.finish() >> 16).max(1));
        HashedSignature { name: Name::of(hash), spread: spread(hash), fingerprint }
    }

    fn hash_nonce(&self, keyid: &Thumbprint, nonce: &str) -> u128 {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(keyid.as_bytes());
        hasher.write(nonce.as_bytes());
        hasher.finish128().into()
    }
}

impl fmt::Debug for ReplayKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplayKey")
    }
}

/// A [`NonceUse`], hashed.
#[derive(Clone, Copy, Debug)]
pub struct HashedUse {
    name: Name,
    spread: u32,
    caller: Name,
    keep_until: Timestamp,
    fingerprint: Option<Fingerprint>,
}

/// A [`SignatureUse`], hashed.
#[derive(Clone, Copy, Debug)]
pub struct HashedSignature {
    name: Name,
    spread: u32,
    fingerprint: Fingerprint,
}

/// 48 bits of a keyed hash of a signature and what was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(u64);

impl HashedUse {
    /// Which of so many parts of a cache it belongs to.
    #[must_use]
    pub fn part(&self, parts: usize) -> usize {
        part(self.spread, parts)
    }
}

impl HashedSignature {
    /// Which of so many parts of a cache its nonce belongs to.
    #[must_use]
    pub fn part(&self, parts: usize) -> usize {
        part(self.spread, parts)
    }

    /// What the cache says of it.
    #[must_use]
    pub const fn memory(&self, has_verified: bool) -> Memory {
        Memory { fingerprint: Some(self.fingerprint), has_verified }
    }
}

/// Bits that are not in the name, so that the names in a part are uniform, too.
fn spread(hash: u128) -> u32 {
    u32::try_from(hash & u128::from(u32::MAX)).unwrap_or_default()
}

fn part(spread: u32, parts: usize) -> usize {
    let parts = u64::try_from(parts).unwrap_or_default();
    usize::try_from(u64::from(spread).saturating_mul(parts) >> 32).unwrap_or_default()
}
