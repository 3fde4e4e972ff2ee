//! Certificates that were verified before, and keys that come again, shared by threads.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use envelope_core::{Certificate, CertificateCache, Thumbprint, VerifyingKey};

/// Keeps the certificates that were used last, the identity keys that signed them, and the call keys that are registered.
///
/// Only what the verifier knew gets here, so strangers cannot crowd others out. A thread that would have to wait for another
/// verifies the certificate itself.
pub struct ShardedCertificateCache {
    certificates: Generations<Tail, Arc<Certificate>>,
    keys: Generations<Thumbprint, Arc<VerifyingKey>>,
}

/// The end of a certificate: part of its signature, so no two that are honest have the same. Less to hash than the whole, which is
/// compared afterwards.
type Tail = [u8; 32];

impl ShardedCertificateCache {
    /// A cache that keeps the last `capacity` certificates, and at most twice as many; of keys the same. Each takes 1 to 2 KiB, and from
    /// its second use on the [table](VerifyingKey::prepare) of its key: up to 20 KiB.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { certificates: Generations::new(capacity), keys: Generations::new(capacity) }
    }

    /// How many certificates it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.certificates.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How often something was looked up and found, and how often not, so far.
    #[must_use]
    pub fn lookups(&self) -> (u64, u64) {
        let (certificates, keys) = (self.certificates.lookups(), self.keys.lookups());
        (certificates.0 + keys.0, certificates.1 + keys.1)
    }
}

impl CertificateCache for ShardedCertificateCache {
    fn recall(&self, jws: &str) -> Option<Arc<Certificate>> {
        let certificate = self.certificates.get(jws.as_bytes().last_chunk()?)?;
        (certificate.as_str() == jws).then_some(certificate)
    }

    fn keep(&self, certificate: Certificate) -> Arc<Certificate> {
        let certificate = Arc::new(certificate);
        if let Some(tail) = certificate.as_str().as_bytes().last_chunk() {
            self.certificates.put(tail, &certificate);
        }
        certificate
    }

    fn recall_key(&self, keyid: &Thumbprint) -> Option<Arc<VerifyingKey>> {
        self.keys.get(keyid)
    }

    fn keep_key(&self, key: Arc<VerifyingKey>) {
        self.keys.put(&key.thumbprint(), &key);
    }
}

impl fmt::Debug for ShardedCertificateCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ShardedCertificateCache({} certificates)", self.len())
    }
}

/// A map that forgets what was not used for long.
struct Generations<K, V> {
    shards: Vec<RwLock<Shard<K, V>>>,
    hits: AtomicU64,
    misses: AtomicU64,
    hasher: RandomState,
    capacity: usize,
}

/// Two generations: when the younger one is full, the older one goes.
struct Shard<K, V> {
    younger: HashMap<K, V>,
    older: HashMap<K, V>,
}

const SHARDS: usize = 16;

impl<K: Copy + Eq + Hash, V: Clone> Generations<K, V> {
    fn new(capacity: usize) -> Self {
        let shard = |_| RwLock::new(Shard { younger: HashMap::new(), older: HashMap::new() });
        Self {
            shards: (0..SHARDS).map(shard).collect(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            hasher: RandomState::new(),
            capacity: capacity.div_ceil(SHARDS).max(1),
        }
    }

    fn len(&self) -> usize {
        let held = |shard: &RwLock<Shard<K, V>>| {
            shard.read().map_or(0, |shard| shard.younger.len() + shard.older.len())
        };
        self.shards.iter().map(held).sum()
    }

    fn shard(&self, key: &K) -> Option<&RwLock<Shard<K, V>>> {
        let count = u64::try_from(self.shards.len()).ok()?;
        let chosen = self.hasher.hash_one(key).checked_rem(count)?;
        self.shards.get(usize::try_from(chosen).ok()?)
    }

    fn lookups(&self) -> (u64, u64) {
        (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed))
    }

    fn get(&self, key: &K) -> Option<V> {
        let found = self.find(key);
        let counter = if found.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    fn find(&self, key: &K) -> Option<V> {
        let shard = self.shard(key)?;
        let found = {
            let shard = shard.try_read().ok()?;
            if let Some(value) = shard.younger.get(key) {
                return Some(value.clone());
            }
            shard.older.get(key)?.clone()
        };
        if let Ok(mut shard) = shard.try_write() {
            shard.put(*key, found.clone(), self.capacity);
        }
        Some(found)
    }

    fn put(&self, key: &K, value: &V) {
        if let Some(mut shard) = self.shard(key).and_then(|shard| shard.try_write().ok()) {
            shard.put(*key, value.clone(), self.capacity);
        }
    }
}

impl<K: Eq + Hash, V> Shard<K, V> {
    fn put(&mut self, key: K, value: V, capacity: usize) {
        if self.younger.len() >= capacity && !self.younger.contains_key(&key) {
            self.older = std::mem::take(&mut self.younger);
        }
        self.younger.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use envelope_core::{Algorithm, Grant, Issue, SigningKey, Timestamp, UntrustedCertificate};

    use super::*;

    fn certificate(id: &str) -> Certificate {
        let key = |byte| SigningKey::from_bytes(Algorithm::Ed25519, &[byte; 32]).unwrap();
        let call_key = key(2);
        let issue = Issue {
            call_key: call_key.verifying_key(),
            issued: Timestamp::from_unix(1),
            lifetime: 60,
            id,
            grant: Grant::everything(),
        };
        UntrustedCertificate::parse(&issue.sign(&key(1)).unwrap()).unwrap().verify().unwrap()
    }

    #[test]
    fn what_was_used_last_is_kept_and_no_more_than_twice_the_capacity() {
        let cache = ShardedCertificateCache::new(32);
        let often = certificate("often");
        cache.keep(often.clone());
        for id in 0..200 {
            let kept = cache.keep(certificate(&id.to_string()));
            assert_eq!(cache.recall(kept.as_str()).as_ref(), Some(&kept));
            assert_eq!(cache.recall(often.as_str()).as_deref(), Some(&often), "after {id}");
            assert!(cache.len() <= 64, "{}", cache.len());
        }
        assert!(cache.len() >= 32, "{}", cache.len());
        assert_eq!(cache.recall(certificate("0").as_str()), None);
        assert_eq!(cache.recall(&often.as_str()[1..]), None, "the whole text counts");
        assert_eq!(cache.recall(&often.as_str()[often.as_str().len() - 31..]), None, "short of an end");
    }

    #[test]
    fn keys_are_kept_by_their_thumbprint() {
        let cache = ShardedCertificateCache::new(32);
        let keys: Vec<_> = (1..200)
            .map(|byte| {
                let key = SigningKey::from_bytes(Algorithm::Ed25519, &[byte; 32]).unwrap();
                Arc::new(key.verifying_key().clone())
            })
            .collect();
        for key in &keys {
            assert_eq!(cache.recall_key(&key.thumbprint()), None);
            cache.keep_key(Arc::clone(key));
            assert!(cache.recall_key(&key.thumbprint()).is_some_and(|known| Arc::ptr_eq(&known, key)));
        }
        assert_eq!(cache.recall_key(&keys[0].thumbprint()), None, "the first is forgotten");
        assert!(cache.is_empty(), "keys are no certificates");
    }
}
