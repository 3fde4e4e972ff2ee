//! The keys that the program knows: those of the configuration, those of the store, and what a revocation list takes away.
//!
//! A request reads them from memory, without a lock. What other processes write to the store is in force at the next request:
//! [`Keys::catch_up`] comes before every decision.

pub(crate) mod change;
mod open;
mod revoked;
mod shown;
pub(crate) mod stated;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test panics when it fails")]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arc_swap::ArcSwap;
use envelope_core::{
    Code, Record, Records, Refusal, Role, Standing, Thumbprint, Timestamp, Trust, TrustList,
};

use self::revoked::RevokedCertificates;
use super::issuer::Issuer;
use super::offline::OfflineList;
use super::store::{Header, News, Store, StoreError};
use crate::clock::Clock;

/// Everything that the program knows of keys.
#[derive(Debug)]
pub struct Keys {
    configured: TrustList,
    /// What a verification needs of each key, and no more: there may be a million of them.
    standings: papaya::HashMap<Thumbprint, Standing>,
    certificates: RevokedCertificates,
    store: Option<Stored>,
    list: Option<Arc<OfflineList>>,
}

#[derive(Debug)]
struct Stored {
    store: Store,
    issuer: Issuer,
    /// What the store looked like before it was read the last time.
    seen: ArcSwap<Header>,
    /// The last change that is in memory.
    change: AtomicI64,
}

/// A verifier that cannot see its store must not go by what it remembers.
const UNSEEN: Refusal = Refusal::new(Code::RevocationStale, "the store of keys cannot be used");

/// No store is configured.
const NO_STORE: Refusal = Refusal::new(Code::NotAllowed, "this verifier keeps no keys");

impl Keys {
    /// Brings memory up to what the store holds now. When nothing has changed, that is one look at shared memory.
    ///
    /// # Errors
    /// [`Code::RevocationStale`].
    pub(crate) async fn catch_up(&self) -> Result<(), Refusal> {
        let Some(stored) = &self.store else { return Ok(()) };
        self.follow(stored).await.map_err(unseen)
    }

    async fn follow(&self, stored: &Stored) -> Result<(), StoreError> {
        if stored.store.header()? == **stored.seen.load() {
            return Ok(());
        }
        self.load(stored, |_| ()).await
    }

    async fn load(&self, stored: &Stored, mut look: impl FnMut(&Record)) -> Result<(), StoreError> {
        let mut news = stored.store.news().await;
        // Before anything is read: what is committed after that is seen at the next look.
        let header = stored.store.header()?;
        if header == **stored.seen.load() {
            // Somebody else has read it meanwhile.
            return Ok(());
        }
        let after = stored.change.load(Ordering::SeqCst);
        let last = self.take(&mut news, after, &mut look).await?;
        stored.change.store(last, Ordering::SeqCst);
        stored.seen.store(Arc::new(header));
        Ok(())
    }

    async fn take(
        &self,
        news: &mut News<'_>,
        after: i64,
        look: &mut impl FnMut(&Record),
    ) -> Result<i64, StoreError> {
        let last = news.last_change().await?;
        news.records(after, |record| {
            look(&record);
            self.put(&self.combined(record));
        })
        .await?;
        for certificate in news.certificates(after).await? {
            self.certificates.insert(certificate);
        }
        Ok(last)
    }

    fn put(&self, record: &Record) {
        self.standings.pin().insert(record.key, record.standing());
    }

    /// A record of the store, and what the configuration adds to it: a key that it revokes stays revoked.
    fn combined(&self, stored: Record) -> Record {
        let Some(configured) = self.configured.record(&stored.key) else { return stored };
        let role = if stored.role == Role::Nobodys { configured.role } else { stored.role };
        Record { role, revoked: stored.revoked || configured.revoked, ..stored }
    }

    /// Keeps the revocation list current, and forgets what means nothing any more; for ever.
    pub async fn keep_current(&self, clock: &Clock) {
        tokio::join!(self.keep_list(), self.keep_pruning(clock));
    }

    async fn keep_list(&self) {
        if let Some(list) = &self.list {
            Arc::clone(list).keep_looking().await;
        }
    }

    async fn keep_pruning(&self, clock: &Clock) {
        const HOUR: std::time::Duration = std::time::Duration::from_secs(3600);
        loop {
            self.certificates.prune(clock.now());
            if let Some(stored) = &self.store
                && let Err(error) = prune(&stored.store, clock.now()).await
            {
                tracing::warn!(%error, "the store cannot be pruned");
            }
            tokio::time::sleep(HOUR).await;
        }
    }
}

async fn prune(store: &Store, now: Timestamp) -> Result<(), StoreError> {
    let mut change = store.change(now).await?;
    change.prune().await?;
    change.commit().await
}

fn unseen(error: StoreError) -> Refusal {
    tracing::error!(%error, "the store of keys");
    UNSEEN
}

impl Trust for Keys {
    fn standing(&self, key: &Thumbprint) -> Standing {
        let standing = self.standings.pin().get(key).cloned().unwrap_or(Standing::Unknown);
        match &self.list {
            Some(list) => list.current().narrow(key, standing),
            None => standing,
        }
    }

    fn has_revoked(&self, identity_key: &Thumbprint, id: &str) -> bool {
        self.certificates.contains(identity_key, id)
            || self.list.as_ref().is_some_and(|list| list.current().has_revoked(identity_key, id))
    }

    fn check_current(&self, now: Timestamp) -> Result<(), Refusal> {
        self.list.as_ref().map_or(Ok(()), |list| list.check_age(now))
    }
}
