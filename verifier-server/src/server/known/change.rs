//! How keys change: the rules of [`registry`](envelope_core::registry) decide by what the store says at that moment, and
//! what they decide is in force when the caller is answered.

use std::sync::atomic::Ordering;

use base64ct::{Base64UrlUnpadded, Encoding};
use envelope_core::{
    Backing, Caller, Code, Identity, Record, Records, Refusal, Role, Thumbprint, Timestamp, TrustList,
    registry,
};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::admin::Admin;
use super::{Known, NO_STORE, Stored, UNSEEN, unseen};
use crate::server::issuer::Issuer;
use crate::server::packs::token;
use crate::server::random;
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
    pub(super) keys: &'a Known,
    pub(super) stored: &'a Stored,
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
            known.apply(self.keys.shown(stored));
        }
        Ok(known)
    }

    /// Makes a key somebody's.
    pub(super) async fn grant(&mut self, record: &Record, by: &str) -> Result<(), StoreError> {
        if let Some(identity) = record.owner() {
            let is_configured = !self.keys.configured.records_of(identity).is_empty();
            self.change.name(identity, (!is_configured).then_some(by)).await?;
        }
        self.change.put(record, by).await
    }

    /// Takes something away from a key. Whose it is, is not written down by that: what the configuration alone gave, it alone can
    /// still take out.
    pub(super) async fn narrow(&mut self, record: &Record, by: &str) -> Result<(), StoreError> {
        let stored = self.change.record(&record.key).await?;
        let role = stored.map_or(Role::Nobodys, |stored| stored.role);
        self.change.put(&Record { role, ..record.clone() }, by).await
    }

    /// On the disk first, then in memory, and only then answered.
    pub(super) async fn commit(self) -> Result<(), Refusal> {
        let number = self.change.commit().await?;
        self.keys.follow(self.stored).await?;
        self.stored.check_there()?;
        // Another connection must have seen it: what this one says of itself is no evidence.
        if self.stored.change.load(Ordering::SeqCst) < number {
            tracing::error!(number, "a change was committed, and is not there");
            return Err(UNSEEN);
        }
        Ok(())
    }
}

impl Known {
    /// Refuses when there is no store.
    pub(crate) fn check_store(&self) -> Result<(), Refusal> {
        self.stored().map(drop)
    }

    /// The key by which the store's verifiers sign.
    pub(crate) fn issuer_key(&self) -> Option<&Issuer> {
        self.store.as_ref().map(|stored| &stored.issuer)
    }

    pub(super) fn stored(&self) -> Result<&Stored, Refusal> {
        self.store.as_ref().ok_or(NO_STORE)
    }

    pub(super) fn store(&self) -> Result<&Store, Refusal> {
        self.stored().map(|stored| &stored.store)
    }

    pub(super) async fn draft(&self) -> Result<Draft<'_>, Refusal> {
        let stored = self.stored()?;
        stored.check_there()?;
        let change = stored.store.change(&self.clock).await?;
        // Waiting for a turn takes time, and a new connection may have been opened.
        stored.check_there()?;
        Ok(Draft { keys: self, stored, change })
    }

    pub(super) async fn draft_by(&self, admin: &Admin) -> Result<Draft<'_>, Refusal> {
        let mut draft = self.draft().await?;
        draft.check(admin).await?;
        Ok(draft)
    }

    /// Makes a ticket by which one key can be registered for an identity; says until when.
    pub(crate) async fn issue_ticket(
        &self,
        identity: Identity,
        ttl: u64,
        by: &Admin,
    ) -> Result<(Zeroizing<String>, Timestamp), Refusal> {
        let ticket = random::secret(TICKET)?;
        let mut draft = self.draft_by(by).await?;
        let created = draft.change.now();
        let expires = created.plus(ttl);
        let row = Ticket { identity, created, created_by: by.identity().to_string(), expires, used: None };
        draft.change.issue_ticket(&digest(ticket.as_bytes()), &row).await?;
        draft.commit().await?;
        Ok((ticket, expires))
    }

    /// Refuses a ticket that can do nothing, before anything is done for whoever brings it.
    pub(crate) async fn check_ticket(&self, ticket: &str) -> Result<(), Refusal> {
        let looks_right = ticket.strip_prefix(TICKET).is_some_and(|secret| secret.len() == 43);
        if !looks_right {
            return Err(NO_TICKET);
        }
        match self.store()?.ticket(&digest(ticket.as_bytes())).await? {
            Some(ticket) if ticket.is_live(self.clock.now()) => Ok(()),
            _ => Err(NO_TICKET),
        }
    }

    /// Registers the identity key that a ticket was brought for: ticket and key together, or neither. The same key with the
    /// same ticket is told the same again.
    pub(crate) async fn enroll(&self, ticket: &str, key: Thumbprint) -> Result<Record, Refusal> {
        let digest = digest(ticket.as_bytes());
        let mut draft = self.draft().await?;
        let now = draft.change.now();
        let ticket = draft.change.ticket(&digest).await?.ok_or(NO_TICKET)?;
        let known = draft.known(&[key]).await?;
        if !ticket.is_live(now) {
            return Err(NO_TICKET);
        }
        match ticket.used {
            Some(used) if used.by == key => return known.record(&key).ok_or(NO_TICKET),
            Some(_) => return Err(NO_TICKET),
            None => {}
        }
        let record = registry::register(&known, Record::identity(ticket.identity, key), now)?;
        draft.grant(&record, &ticket.created_by).await?;
        draft.change.use_ticket(&digest, &key).await?;
        draft.commit().await?;
        Ok(record)
    }

    /// Refuses a token that opens nothing, before anything is done for whoever brings it.
    pub(crate) fn check_token(&self, token: &str) -> Result<(), Refusal> {
        let mac = self.stored()?.issuer.tokens().hash(token);
        let live = token::is_well_formed(token).then(|| self.packs.live(&mac, self.clock.now())).flatten();
        live.map(drop).ok_or(NO_TICKET)
    }

    /// Registers an identity key for whoever holds a token of a pack: it opens what the token opens, for as long.
    pub(crate) async fn enroll_by_token(&self, token: &str, key: Thumbprint) -> Result<Record, Refusal> {
        let mac = token::encode(&self.stored()?.issuer.tokens().hash(token));
        let mut draft = self.draft().await?;
        let now = draft.change.now();
        let row = draft.change.token(&mac).await?.ok_or(NO_TICKET)?;
        if !row.is_live(now)? {
            return Err(NO_TICKET);
        }
        let holder = Identity::of_token(&row.pack, &row.name, row.serial()?).ok_or(StoreError::Row)?;
        let known = draft.known(&[key]).await?;
        let is_holders = |record: &Record| record.owner() == Some(&holder) && !record.revoked;
        if let Some(record) = known.record(&key).filter(is_holders) {
            // The answer may have been lost.
            return Ok(record);
        }
        let holders = draft.change.records_of(&holder).await?;
        if holders.iter().filter(|record| !record.revoked).count() >= MOST_HOLDERS {
            return Err(Refusal::new(Code::NotAllowed, "the token has enrolled 64 keys already"));
        }
        let record = registry::register(&known, Record::identity(holder.clone(), key), now)?;
        draft.grant(&record, holder.as_str()).await?;
        draft.change.end_repetition(&row.pack).await?;
        draft.commit().await?;
        Ok(record)
    }

    /// The packs that an identity may call whose key is registered here, in order.
    pub(crate) fn packs_of(&self, identity: &Identity) -> Vec<String> {
        self.callable(&Caller::by_bearer(identity.clone(), Backing::of_registered(identity)))
    }

    /// The packs that somebody may call with an envelope, in order.
    pub(crate) fn callable(&self, caller: &Caller) -> Vec<String> {
        self.packs.callable(caller)
    }

    /// Registers a key by the word of an admin.
    pub(crate) async fn register(&self, record: Record, by: &Admin) -> Result<Option<KeyFacts>, Refusal> {
        let key = record.key;
        let mut draft = self.draft_by(by).await?;
        let known = draft.known(&[key]).await?;
        let record = registry::register(&known, record, draft.change.now())?;
        draft.grant(&record, by.identity().as_str()).await?;
        draft.commit().await?;
        let combine = |record| self.shown(record);
        Ok(self.store()?.key_facts(&key.to_string(), &combine).await?)
    }

    /// Takes back what an admin says; gives the keys concerned.
    pub(crate) async fn revoke(
        &self,
        revocation: &Revocation,
        by: &Admin,
    ) -> Result<Vec<Thumbprint>, Refusal> {
        let mut draft = self.draft_by(by).await?;
        let by = by.identity().as_str();
        let concerned = match revocation {
            Revocation::Key(key) => vec![registry::revoke_key(&draft.known(&[*key]).await?, *key)],
            Revocation::Identity(identity) => draft.end(identity, by).await?,
            Revocation::Certificate(key, id) => {
                draft.known(&[*key]).await?.record(key).ok_or(NO_SUCH_KEY)?;
                draft.change.revoke_certificate(key, id, by).await?;
                draft.commit().await?;
                return Ok(vec![*key]);
            }
            Revocation::IssuedBefore(identity, moment) => {
                let known = draft.known_of(identity).await?;
                check_heard_of(&mut draft, identity).await?;
                registry::revoke_issued_before(&known, identity, *moment)
            }
        };
        for record in &concerned {
            draft.narrow(record, by).await?;
        }
        draft.commit().await?;
        Ok(concerned.into_iter().map(|record| record.key).collect())
    }
}

impl Draft<'_> {
    /// Ends an identity as it is now; gives the keys that were still good.
    async fn end(&mut self, identity: &Identity, by: &str) -> Result<Vec<Record>, Refusal> {
        let known = self.known_of(identity).await?;
        check_heard_of(self, identity).await?;
        // Whoever holds a ticket of theirs must not come back with it.
        self.change.end_tickets(identity).await?;
        // What the configuration or a list has revoked stays so without them.
        for record in known.iter().filter(|record| record.revoked) {
            self.narrow(record, by).await?;
        }
        Ok(registry::revoke_identity(&known, identity))
    }
}

const NO_SUCH_KEY: Refusal = Refusal::new(Code::NotAllowed, "no key of this thumbprint is known here");

/// The most keys that a token enrolls.
const MOST_HOLDERS: usize = 64;

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
