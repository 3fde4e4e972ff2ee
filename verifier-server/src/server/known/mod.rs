//! What the program knows: keys and packs, those of the configuration and those of the store, and what a revocation list takes away.
//!
//! A request reads them from memory, without a lock. What other processes write to the store is in force at the next request:
//! [`Rules::catch_up`](crate::Rules::catch_up) comes before every decision.

pub(crate) mod admin;
pub(crate) mod bearer;
pub(crate) mod change;
mod combined;
pub(crate) mod deploying;
mod login;
mod open;
pub(crate) mod packs;
mod revoked;
mod shown;
pub(crate) mod stated;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test panics when it fails")]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use envelope_core::{Code, Record, Refusal, Standing, Thumbprint, Timestamp, Trust, TrustList};

use self::revoked::RevokedCertificates;
use super::attempts::Attempts;
use super::hop::Proxies;
use super::issuer::Issuer;
use super::offline::OfflineList;
use super::packs::{Packs, token};
use super::provider::Providers;
use super::store::{Header, News, Store, StoreError};
use crate::clock::Clock;

/// Everything that the program knows, and by which it decides.
#[derive(Debug)]
pub struct Known {
    clock: Clock,
    packs: Packs,
    attempts: Attempts,
    proxies: Proxies,
    /// The URL by which this verifier issues login certificates.
    url: Arc<str>,
    /// How long those are good, in seconds.
    login_ttl: u64,
    configured: TrustList,
    /// The packs of the configuration that accept anybody.
    open_in_configuration: Vec<String>,
    /// The name of every identity that has, or had, a key here, in lower case.
    names: papaya::HashSet<String>,
    /// What a verification needs of each key, and no more: there may be a million of them.
    standings: papaya::HashMap<Thumbprint, Standing>,
    certificates: RevokedCertificates,
    providers: Option<Providers>,
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
    /// The path of the store leads elsewhere, or nowhere.
    is_gone: AtomicBool,
}

/// A verifier that cannot see its store must not go by what it remembers.
const UNSEEN: Refusal = Refusal::new(Code::RevocationStale, "the store of keys cannot be used");

/// No store is configured.
const NO_STORE: Refusal = Refusal::new(Code::NotAllowed, "this verifier keeps no keys");

impl Known {
    /// Brings memory up to what the store holds now. When nothing has changed, that is one look at shared memory.
    async fn read_news(&self) -> Result<(), Refusal> {
        let Some(stored) = &self.store else { return Ok(()) };
        if stored.is_gone.load(Ordering::SeqCst) {
            return Err(UNSEEN);
        }
        self.follow(stored).await.map_err(unseen)
    }

    async fn follow(&self, stored: &Stored) -> Result<(), StoreError> {
        if stored.store.header()? == **stored.seen.load() {
            return Ok(());
        }
        Box::pin(self.load(stored, |_| ())).await
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
            if self.contradicts(&record) {
                tracing::error!(key = %record.key, "store and configuration give it to two: it counts as revoked");
            }
            self.put(&self.combined(record));
        })
        .await?;
        for certificate in news.certificates(after).await? {
            self.certificates.insert(certificate);
        }
        // Tokens first: nobody shall find a pack and not its tokens.
        news.tokens(after, |row| self.packs.take_token(&row)).await?;
        news.packs(after, |row| self.packs.take_pack(row)).await?;
        Ok(last)
    }

    fn put(&self, record: &Record) {
        self.standings.pin().insert(record.key, record.standing());
        if let Some(owner) = record.owner() {
            self.names.pin().insert(owner.as_str().to_ascii_lowercase());
        }
    }

    /// Keeps the revocation list current, looks whether the store is still there, and forgets what means nothing any more; for
    /// ever.
    pub async fn keep_current(&self) {
        tokio::join!(self.keep_list(), self.keep_watching(), self.keep_pruning(), self.keep_noting());
        // A verifier without a list and a store has nothing to do here, and goes on all the same.
        std::future::pending().await
    }

    async fn keep_list(&self) {
        if let Some(list) = &self.list {
            Arc::clone(list).keep_looking().await;
        }
    }

    async fn keep_watching(&self) {
        const BEAT: Duration = Duration::from_secs(1);
        let Some(stored) = &self.store else { return };
        loop {
            tokio::time::sleep(BEAT).await;
            // What it finds is said there, and kept.
            let _ = stored.check_there();
        }
    }

    async fn keep_pruning(&self) {
        const HOUR: Duration = Duration::from_secs(3600);
        let Some(stored) = &self.store else { return };
        loop {
            if let Err(error) = prune(stored, &self.clock).await {
                tracing::warn!(%error, "the store cannot be pruned");
            }
            tokio::time::sleep(HOUR).await;
        }
    }
}

impl Known {
    /// The packs that anybody could call if no credential were required.
    #[must_use]
    pub fn open_packs(&self) -> Vec<String> {
        let mut open = self.packs.open();
        open.extend(self.open_in_configuration.iter().cloned());
        open.sort_unstable();
        open.dedup();
        open
    }

    async fn keep_noting(&self) {
        const MINUTE: Duration = Duration::from_secs(60);
        if self.store.is_none() {
            return;
        }
        loop {
            tokio::time::sleep(MINUTE).await;
            self.note_uses().await;
            self.packs.forget_ended(self.clock.now());
        }
    }

    /// Writes down when tokens were last used: once a minute, and at the end.
    pub async fn note_uses(&self) {
        let uses = self.packs.unnoted();
        let Some(stored) = &self.store else { return };
        if uses.is_empty() {
            return;
        }
        let noted = async {
            stored.check_there()?;
            let mut change = stored.store.change(&self.clock).await?;
            for (mac, at) in &uses {
                change.used(&token::encode(mac), *at).await?;
            }
            change.commit().await.map_err(Refusal::from)
        };
        match noted.await {
            Ok(_) => self.packs.noted(&uses),
            Err(_) => tracing::warn!("when tokens were last used cannot be written down"),
        }
    }
}

impl Stored {
    /// Refuses when the path of the store leads elsewhere; says so when that begins, and when it ends.
    fn check_there(&self) -> Result<(), Refusal> {
        let found = self.store.check_files();
        let was_gone = self.is_gone.swap(found.is_err(), Ordering::SeqCst);
        match (found, was_gone) {
            (Ok(()), was_gone) => {
                if was_gone {
                    tracing::info!("the store of keys is there again");
                }
                Ok(())
            }
            (Err(error), was_gone) => {
                if !was_gone {
                    tracing::error!(%error, "the store of keys was moved, removed or replaced: nothing passes");
                }
                Err(UNSEEN)
            }
        }
    }
}

async fn prune(stored: &Stored, clock: &Clock) -> Result<(), Refusal> {
    stored.check_there()?;
    let mut change = stored.store.change(clock).await?;
    change.prune().await?;
    change.commit().await?;
    Ok(())
}

fn unseen(error: StoreError) -> Refusal {
    tracing::error!(%error, "the store of keys");
    UNSEEN
}

impl Trust for Known {
    fn standing(&self, key: &Thumbprint) -> Standing {
        let standing = self.standings.pin().get(key).cloned().unwrap_or(Standing::Unknown);
        let standing = match &self.list {
            Some(list) => list.current().narrow(key, standing),
            None => standing,
        };
        match &standing {
            // What was enrolled by a token ends with it.
            Standing::Identity { identity, .. } | Standing::CallKey { identity, .. }
                if identity.is_reserved() && !self.packs.is_live_holder(identity, self.clock.now()) =>
            {
                Standing::Revoked
            }
            _ => standing,
        }
    }

    fn has_revoked(&self, identity_key: &Thumbprint, id: &str) -> bool {
        self.certificates.contains(identity_key, id)
            || self.list.as_ref().is_some_and(|list| list.current().has_revoked(identity_key, id))
    }

    fn check_current(&self, now: Timestamp) -> Result<(), Refusal> {
        self.list.as_ref().map_or(Ok(()), |list| list.check_age(now))
    }

    fn issuer(&self, key: &Thumbprint) -> Option<envelope_core::Issuer> {
        let public = self.issuer_key()?.public();
        (public.thumbprint() == *key)
            .then(|| envelope_core::Issuer { url: Arc::clone(&self.url), key: Arc::clone(public) })
    }

    fn is_registered(&self, name: &str) -> bool {
        self.names.pin().contains(&name.to_ascii_lowercase())
    }
}
