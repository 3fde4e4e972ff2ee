//! How keys change: the rules of [`registry`](envelope_core::registry) decide by what the store says at that moment, and
//! what they decide is in force when the caller is answered.

use base64ct::{Base64UrlUnpadded, Encoding};
use envelope_core::{
    Code, Identity, Record, Records, Refusal, Thumbprint, Timestamp, TrustList, Window, registry,
};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{Keys, NO_STORE, Stored, unseen};
use crate::server::issuer::Issuer;
use crate::server::store::{Change, KeyFacts, Store, StoreError, Ticket};

/// What an admin takes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Revocation {
    /// A key of either kind, also one that nobody has registered yet.
    Key(Thumbprint),
    /// Every key that an identity has now.
    Identity(Identity),
    /// One certificate, by the identity key and `jti`.
    Certificate(Thumbprint, String),
    /// Every certificate that an identity issued before a moment.
    IssuedBefore(Identity, Timestamp),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        unseen(error)
    }
}

/// A change of the store, and what the configuration says beside it.
pub(super) struct Draft<'a> {
    keys: &'a Keys,
    stored: &'a Stored,
    pub(super) change: Change,
}

impl Draft<'_> {
    /// These keys, for the rules to look at.
    pub(super) async fn known(&mut self, keys: &[Thumbprint]) -> Result<TrustList, StoreError> {
        let mut known = TrustList::new();
        for key in keys {
            self.keys.add(&mut known, key, self.change.record(key).await?);
        }
        Ok(known)
    }

    /// The keys of an identity, for the rules to look at.
    async fn known_of(&mut self, identity: &Identity) -> Result<TrustList, StoreError> {
        let configured: Vec<Thumbprint> =
            self.keys.configured.records_of(identity).iter().map(|record| record.key).collect();
        let mut known = self.known(&configured).await?;
        for stored in self.change.records_of(identity).await? {
            known.insert(self.keys.combined(stored));
        }
        Ok(known)
    }

    pub(super) async fn put(&mut self, record: &Record, by: &str) -> Result<(), StoreError> {
        let is_configured = self.keys.configured.record(&record.key).is_some();
        self.change.put(record, (!is_configured).then_some(by), by).await
    }

    /// On the disk first, then in memory, and only then answered.
    pub(super) async fn commit(self) -> Result<(), StoreError> {
        self.change.commit().await?;
        self.keys.follow(self.stored).await
    }
}

impl Keys {
    /// Refuses when there is no store.
    pub(crate) fn check_store(&self) -> Result<(), Refusal> {
        self.stored().map(drop)
    }

    /// The key by which the store's verifiers sign.
    pub(crate) fn issuer(&self) -> Option<&Issuer> {
        self.store.as_ref().map(|stored| &stored.issuer)
    }

    pub(super) fn stored(&self) -> Result<&Stored, Refusal> {
        self.store.as_ref().ok_or(NO_STORE)
    }

    pub(super) fn store(&self) -> Result<&Store, Refusal> {
        self.stored().map(|stored| &stored.store)
    }

    pub(super) async fn draft(&self, now: Timestamp) -> Result<Draft<'_>, Refusal> {
        let stored = self.stored()?;
        Ok(Draft { keys: self, stored, change: stored.store.change(now).await? })
    }

    /// Makes a ticket by which one key can be registered for an identity.
    pub(crate) async fn issue_ticket(
        &self,
        identity: Identity,
        expires: Timestamp,
        by: &Identity,
        now: Timestamp,
    ) -> Result<Zeroizing<String>, Refusal> {
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *secret).map_err(|error| {
            tracing::error!(%error, "no random bytes");
            Refusal::new(Code::ReplayUnavailable, "the verifier has no random bytes")
        })?;
        let ticket = Zeroizing::new(format!("{TICKET}{}", Base64UrlUnpadded::encode_string(&*secret)));
        let mut draft = self.draft(now).await?;
        let row = Ticket { identity, created_by: by.to_string(), expires, used_by: None };
        draft.change.issue_ticket(&digest(ticket.as_bytes()), &row).await?;
        draft.commit().await?;
        Ok(ticket)
    }

    /// Refuses a ticket that there never was, before anything is done for whoever brings it.
    pub(crate) async fn check_ticket(&self, ticket: &str) -> Result<(), Refusal> {
        let looks_right = ticket.strip_prefix(TICKET).is_some_and(|secret| secret.len() == 43);
        if looks_right && self.store()?.has_ticket(&digest(ticket.as_bytes())).await? {
            Ok(())
        } else {
            Err(NO_TICKET)
        }
    }

    /// Registers the identity key that a ticket was brought for: ticket and key together, or neither. The same key with the
    /// same ticket is told the same again.
    pub(crate) async fn enroll(
        &self,
        ticket: &str,
        key: Thumbprint,
        now: Timestamp,
    ) -> Result<Record, Refusal> {
        let digest = digest(ticket.as_bytes());
        let mut draft = self.draft(now).await?;
        let ticket = draft.change.ticket(&digest).await?.ok_or(NO_TICKET)?;
        let known = draft.known(&[key]).await?;
        if ticket.used_by == Some(key) {
            return known.record(&key).ok_or(NO_TICKET);
        }
        if ticket.used_by.is_some() || now >= ticket.expires {
            return Err(NO_TICKET);
        }
        let record = registry::register(&known, Record::identity(ticket.identity, key), now)?;
        draft.put(&record, &ticket.created_by).await?;
        draft.change.use_ticket(&digest, &key).await?;
        draft.commit().await?;
        Ok(record)
    }

    /// Registers a key by the word of an admin.
    pub(crate) async fn register(
        &self,
        record: Record,
        by: &Identity,
        now: Timestamp,
    ) -> Result<Option<KeyFacts>, Refusal> {
        let key = record.key;
        let mut draft = self.draft(now).await?;
        let known = draft.known(&[key]).await?;
        let record = registry::register(&known, record, now)?;
        draft.put(&record, by.as_str()).await?;
        draft.commit().await?;
        let combine = |record| self.combined(record);
        Ok(self.store()?.key_facts(&key.to_string(), &combine).await?)
    }

    /// Adds what is known of a key: the record of the store, else that of the configuration.
    pub(super) fn add(&self, known: &mut TrustList, key: &Thumbprint, stored: Option<Record>) {
        match stored {
            Some(stored) => known.insert(self.combined(stored)),
            None => known.apply(self.configured.record(key)),
        }
    }

    /// Takes back what an admin says; gives the keys concerned.
    pub(crate) async fn revoke(
        &self,
        revocation: &Revocation,
        by: &Identity,
        now: Timestamp,
    ) -> Result<Vec<Thumbprint>, Refusal> {
        let mut draft = self.draft(now).await?;
        let records = match revocation {
            Revocation::Key(key) => vec![registry::revoke_key(&draft.known(&[*key]).await?, *key)],
            Revocation::Identity(identity) => {
                let known = draft.known_of(identity).await?;
                check_heard_of(&mut draft, identity).await?;
                // Whoever holds a ticket of theirs must not come back with it.
                draft.change.end_tickets(identity).await?;
                registry::revoke_identity(&known, identity)
            }
            Revocation::Certificate(key, id) => {
                let forget_after = now.plus(envelope_core::Issue::MAX_LIFETIME).plus(Window::SKEW);
                draft.change.revoke_certificate(key, id, by.as_str(), forget_after).await?;
                draft.commit().await?;
                return Ok(vec![*key]);
            }
            Revocation::IssuedBefore(identity, moment) => {
                let known = draft.known_of(identity).await?;
                check_heard_of(&mut draft, identity).await?;
                registry::revoke_issued_before(&known, identity, *moment)
            }
        };
        for record in &records {
            draft.put(record, by.as_str()).await?;
        }
        draft.commit().await?;
        Ok(records.into_iter().map(|record| record.key).collect())
    }
}

/// What a ticket begins with.
const TICKET: &str = "tkt_";

/// One text for all: nobody can ask which tickets there are.
pub(crate) const NO_TICKET: Refusal =
    Refusal::new(Code::Unauthenticated, "there is no ticket with which this key can be registered");

/// A name that was mistyped must not look as if somebody had been revoked.
async fn check_heard_of(draft: &mut Draft<'_>, identity: &Identity) -> Result<(), Refusal> {
    let is_configured = !draft.keys.configured.records_of(identity).is_empty();
    if is_configured || draft.change.has_heard_of(identity).await? {
        Ok(())
    } else {
        Err(Refusal::new(Code::NotAllowed, "no identity of this name is known here"))
    }
}

/// By what a secret, or a statement, is found again.
pub(super) fn digest(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(&Sha256::digest(bytes))
}
