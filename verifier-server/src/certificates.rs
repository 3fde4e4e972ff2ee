//! Certificates that were verified before, shared by threads: a call key signs many requests.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, RwLock};

use envelope_core::{Certificate, CertificateCache};

/// Keeps the certificates that were used last, with call keys that are prepared to verify.
///
/// Only certificates of identities that the verifier knew get here, so strangers cannot crowd others out. A thread that would
/// have to wait for another verifies the certificate itself.
pub struct ShardedCertificateCache {
    shards: Vec<RwLock<Shard>>,
    hasher: RandomState,
    capacity: usize,
}

/// Two generations: when the younger one is full, the older one goes.
#[derive(Default)]
struct Shard {
    younger: HashMap<Box<str>, Arc<Certificate>>,
    older: HashMap<Box<str>, Arc<Certificate>>,
}

const SHARDS: usize = 16;

impl ShardedCertificateCache {
    /// A cache that keeps the last `capacity` certificates, and at most twice as many. Each takes about 24 KiB.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let shards = (0..SHARDS).map(|_| RwLock::default()).collect();
        Self { shards, hasher: RandomState::new(), capacity: capacity.div_ceil(SHARDS).max(1) }
    }

    /// How many certificates it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        let held =
            |shard: &RwLock<Shard>| shard.read().map_or(0, |shard| shard.younger.len() + shard.older.len());
        self.shards.iter().map(held).sum()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, jws: &str) -> Option<&RwLock<Shard>> {
        let count = u64::try_from(self.shards.len()).ok()?;
        let chosen = self.hasher.hash_one(jws).checked_rem(count)?;
        self.shards.get(usize::try_from(chosen).ok()?)
    }
}

impl CertificateCache for ShardedCertificateCache {
    fn recall(&self, jws: &str) -> Option<Arc<Certificate>> {
        let shard = self.shard(jws)?;
        let found = {
            let shard = shard.try_read().ok()?;
            if let Some(certificate) = shard.younger.get(jws) {
                return Some(Arc::clone(certificate));
            }
            Arc::clone(shard.older.get(jws)?)
        };
        if let Ok(mut shard) = shard.try_write() {
            shard.put(Arc::clone(&found), self.capacity);
        }
        Some(found)
    }

    fn keep(&self, certificate: Certificate) -> Arc<Certificate> {
        let certificate = Arc::new(certificate.prepare());
        if let Some(mut shard) = self.shard(certificate.as_str()).and_then(|shard| shard.try_write().ok()) {
            shard.put(Arc::clone(&certificate), self.capacity);
        }
        certificate
    }
}

impl Shard {
    fn put(&mut self, certificate: Arc<Certificate>, capacity: usize) {
        if self.younger.len() >= capacity {
            self.older = std::mem::take(&mut self.younger);
        }
        self.younger.insert(certificate.as_str().into(), certificate);
    }
}

impl fmt::Debug for ShardedCertificateCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ShardedCertificateCache({} certificates)", self.len())
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
    }
}
