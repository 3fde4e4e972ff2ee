//! Whom a verifier knows: from the thumbprint of a key to the name of an identity.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use crate::error::Refusal;
use crate::key::{Thumbprint, VerifyingKey};
use crate::login::Issuer;
use crate::registry::{self, Record, Records};
use crate::time::Timestamp;

/// The name of an identity: `alice`, `github:alice`. It can stand in a header field as it is.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity(Arc<str>);

impl Identity {
    /// 1 to 128 characters of `A-Z a-z 0-9 . _ - : @ + /`; `None` for anything else.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let ok = (1..=128).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-:@+/".contains(&byte));
        ok.then(|| Self(name.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The identity provider that vouches for somebody of such a name, and what it calls them: `github` and `alice` of
    /// `github:alice`. `None` for a name that no provider gives.
    #[must_use]
    pub fn provider(&self) -> Option<(&str, &str)> {
        self.0.split_once(':').filter(|(provider, name)| !provider.is_empty() && !name.is_empty())
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// What a verifier knows of a key.
#[derive(Clone, Debug)]
pub enum Standing {
    /// Nothing.
    Unknown,
    /// That it must not be used any more.
    Revoked,
    /// It is an identity key: it certifies call keys for this identity.
    Identity {
        /// Whose it is.
        identity: Identity,
        /// The moment from which on it is not good any more; `None` for no end.
        expires: Option<Timestamp>,
        /// Certificates that it issued before are revoked.
        issued_from: Timestamp,
    },
    /// It is a call key that was registered, and needs no certificate.
    CallKey {
        /// Whose it is.
        identity: Identity,
        /// The key.
        key: Arc<VerifyingKey>,
        /// The moment from which on it is not good any more.
        expires: Timestamp,
    },
}

/// The keys that a verifier knows.
pub trait Trust {
    /// What is known of the key with this thumbprint.
    fn standing(&self, key: &Thumbprint) -> Standing;

    /// Whether the certificate with this `jti`, by this identity key, has been revoked.
    fn has_revoked(&self, identity_key: &Thumbprint, id: &str) -> bool;

    /// Whether what is known of revocations is recent enough to decide by.
    ///
    /// # Errors
    /// [`Code::RevocationStale`](crate::Code::RevocationStale).
    fn check_current(&self, now: Timestamp) -> Result<(), Refusal>;

    /// The verifier that issues login certificates with the key of this thumbprint, if its word counts here.
    fn issuer(&self, key: &Thumbprint) -> Option<Issuer> {
        let _ = key;
        None
    }

    /// Whether an identity of this name, in upper or lower case, has a key here. Rules that name it mean nobody else then: no user of
    /// an identity provider who has the same name there.
    fn is_registered(&self, name: &str) -> bool {
        let _ = name;
        true
    }
}

impl<T: Trust + ?Sized> Trust for &T {
    fn standing(&self, key: &Thumbprint) -> Standing {
        (**self).standing(key)
    }

    fn has_revoked(&self, identity_key: &Thumbprint, id: &str) -> bool {
        (**self).has_revoked(identity_key, id)
    }

    fn check_current(&self, now: Timestamp) -> Result<(), Refusal> {
        (**self).check_current(now)
    }

    fn issuer(&self, key: &Thumbprint) -> Option<Issuer> {
        (**self).issuer(key)
    }

    fn is_registered(&self, name: &str) -> bool {
        (**self).is_registered(name)
    }
}

impl<T: Trust + ?Sized> Trust for Arc<T> {
    fn standing(&self, key: &Thumbprint) -> Standing {
        (**self).standing(key)
    }

    fn has_revoked(&self, identity_key: &Thumbprint, id: &str) -> bool {
        (**self).has_revoked(identity_key, id)
    }

    fn check_current(&self, now: Timestamp) -> Result<(), Refusal> {
        (**self).check_current(now)
    }

    fn issuer(&self, key: &Thumbprint) -> Option<Issuer> {
        (**self).issuer(key)
    }

    fn is_registered(&self, name: &str) -> bool {
        (**self).is_registered(name)
    }
}

/// Keys held in memory.
#[derive(Clone, Debug, Default)]
pub struct TrustList {
    records: BTreeMap<Thumbprint, Record>,
    certificates: BTreeSet<(Thumbprint, String)>,
    issuer: Option<Issuer>,
}

impl TrustList {
    /// Nobody.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts an identity key; an identity may have several.
    pub fn trust(&mut self, identity: Identity, key: Thumbprint) {
        self.insert(Record::identity(identity, key));
    }

    /// Registers a call key that may sign without a certificate until `expires`.
    pub fn register(&mut self, identity: Identity, key: VerifyingKey, expires: Timestamp) {
        self.insert(Record::call_key(identity, key, expires));
    }

    /// Revokes a key of either kind.
    pub fn revoke(&mut self, key: Thumbprint) {
        let record = registry::revoke_key(self, key);
        self.insert(record);
    }

    /// Revokes one certificate: that with this `jti`, by this identity key.
    pub fn revoke_certificate(&mut self, identity_key: Thumbprint, id: &str) {
        self.certificates.insert((identity_key, id.into()));
    }

    /// Takes login certificates of this issuer for good.
    pub fn trust_issuer(&mut self, issuer: Issuer) {
        self.issuer = Some(issuer);
    }

    /// Puts a record in place of the one that its key has, if it has one.
    pub fn insert(&mut self, record: Record) {
        self.records.insert(record.key, record);
    }

    /// The same for what [`registry`] decides.
    pub fn apply(&mut self, records: impl IntoIterator<Item = Record>) {
        records.into_iter().for_each(|record| self.insert(record));
    }

    /// All records, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = &Record> {
        self.records.values()
    }

    /// The names of the identities that have a key here that is not revoked, each once, in order.
    #[must_use]
    pub fn identities(&self) -> BTreeSet<String> {
        let live = self.records.values().filter(|record| !record.revoked);
        live.filter_map(|record| record.owner()).map(|identity| identity.as_str().into()).collect()
    }
}

impl Records for TrustList {
    fn record(&self, key: &Thumbprint) -> Option<Record> {
        self.records.get(key).cloned()
    }

    fn records_of(&self, identity: &Identity) -> Vec<Record> {
        self.records.values().filter(|record| record.owner() == Some(identity)).cloned().collect()
    }
}

impl Trust for TrustList {
    fn standing(&self, key: &Thumbprint) -> Standing {
        self.records.get(key).map_or(Standing::Unknown, Record::standing)
    }

    fn has_revoked(&self, identity_key: &Thumbprint, id: &str) -> bool {
        // Nothing is allocated for the usual case.
        !self.certificates.is_empty() && self.certificates.contains(&(*identity_key, String::from(id)))
    }

    /// A list in memory is what its owner last said: always recent.
    fn check_current(&self, _: Timestamp) -> Result<(), Refusal> {
        Ok(())
    }

    fn issuer(&self, key: &Thumbprint) -> Option<Issuer> {
        self.issuer.clone().filter(|issuer| issuer.key.thumbprint() == *key)
    }

    fn is_registered(&self, name: &str) -> bool {
        self.records.values().filter_map(Record::owner).any(|owner| owner.as_str().eq_ignore_ascii_case(name))
    }
}
