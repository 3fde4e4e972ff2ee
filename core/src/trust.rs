//! Whom a verifier knows: from the thumbprint of a key to the name of an identity.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

use crate::key::{Thumbprint, VerifyingKey};
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
    Identity(Identity),
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
}

impl<T: Trust + ?Sized> Trust for &T {
    fn standing(&self, key: &Thumbprint) -> Standing {
        (**self).standing(key)
    }
}

impl<T: Trust + ?Sized> Trust for Arc<T> {
    fn standing(&self, key: &Thumbprint) -> Standing {
        (**self).standing(key)
    }
}

/// Keys held in memory.
#[derive(Clone, Debug, Default)]
pub struct TrustList(BTreeMap<Thumbprint, Standing>);

impl TrustList {
    /// Nobody.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts an identity key; an identity may have several.
    pub fn trust(&mut self, identity: Identity, key: Thumbprint) {
        self.0.insert(key, Standing::Identity(identity));
    }

    /// Registers a call key that may sign without a certificate until `expires`.
    pub fn register(&mut self, identity: Identity, key: VerifyingKey, expires: Timestamp) {
        self.0.insert(key.thumbprint(), Standing::CallKey { identity, key: Arc::new(key), expires });
    }

    /// Revokes a key of either kind.
    pub fn revoke(&mut self, key: Thumbprint) {
        self.0.insert(key, Standing::Revoked);
    }

    /// The names of the identities that have a key here, each once, in order.
    #[must_use]
    pub fn identities(&self) -> alloc::collections::BTreeSet<String> {
        let name = |standing: &Standing| match standing {
            Standing::Identity(identity) | Standing::CallKey { identity, .. } => {
                Some(identity.as_str().into())
            }
            Standing::Unknown | Standing::Revoked => None,
        };
        self.0.values().filter_map(name).collect()
    }
}

impl Trust for TrustList {
    fn standing(&self, key: &Thumbprint) -> Standing {
        self.0.get(key).cloned().unwrap_or(Standing::Unknown)
    }
}
