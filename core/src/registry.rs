//! What a verifier writes down of keys, and the rules by which it changes (`spec/keys.md`, section 6). Each rule looks at
//! records and gives those that take their place; where records are kept is for others to say.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::error::{Code, Refusal};
use crate::key::{Thumbprint, VerifyingKey};
use crate::retirement::UntrustedRetirement;
use crate::statement::check_issued;
use crate::succession::UntrustedSuccession;
use crate::time::Timestamp;
use crate::trust::{Identity, Standing};

/// What is written down of a key. It is never taken out again: a key that was known once is never new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The key.
    pub key: Thumbprint,
    /// What it is.
    pub role: Role,
    /// The moment from which on it is not good any more; `None` for no end.
    pub expires: Option<Timestamp>,
    /// Certificates that it issued before are revoked.
    pub issued_from: Timestamp,
    /// It must not be used any more.
    pub revoked: bool,
    /// The key that came after it.
    pub successor: Option<Thumbprint>,
}

/// What a key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Nobody's: it was revoked, or narrowed, before anybody had registered it.
    Nobodys,
    /// An identity key.
    IdentityKey(Identity),
    /// A call key that is registered, and signs without a certificate.
    CallKey(Identity, Arc<VerifyingKey>),
}

impl Record {
    /// An identity key without an end.
    #[must_use]
    pub const fn identity(identity: Identity, key: Thumbprint) -> Self {
        Self::new(key, Role::IdentityKey(identity), None)
    }

    /// A call key that is registered until `expires`.
    #[must_use]
    pub fn call_key(identity: Identity, key: VerifyingKey, expires: Timestamp) -> Self {
        Self::new(key.thumbprint(), Role::CallKey(identity, Arc::new(key)), Some(expires))
    }

    /// A key that is nobody's: to be revoked, or narrowed, before anybody registers it.
    #[must_use]
    pub const fn nobodys(key: Thumbprint) -> Self {
        Self::new(key, Role::Nobodys, None)
    }

    const fn new(key: Thumbprint, role: Role, expires: Option<Timestamp>) -> Self {
        Self { key, role, expires, issued_from: Timestamp::from_unix(0), revoked: false, successor: None }
    }

    /// Whose it is.
    #[must_use]
    pub const fn owner(&self) -> Option<&Identity> {
        match &self.role {
            Role::Nobodys => None,
            Role::IdentityKey(identity) | Role::CallKey(identity, _) => Some(identity),
        }
    }

    /// What it means for a verification.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let (expires, issued_from) = (self.expires, self.issued_from);
        match (&self.role, self.revoked) {
            (_, true) => Standing::Revoked,
            (Role::Nobodys, false) => Standing::Unknown,
            (Role::IdentityKey(identity), false) => {
                Standing::Identity { identity: identity.clone(), expires, issued_from }
            }
            (Role::CallKey(identity, key), false) => Standing::CallKey {
                identity: identity.clone(),
                key: Arc::clone(key),
                expires: expires.unwrap_or_default(),
            },
        }
    }
}

/// Where records are looked up.
pub trait Records {
    /// What is written down of a key.
    fn record(&self, key: &Thumbprint) -> Option<Record>;

    /// All that is written down of the keys of an identity.
    fn records_of(&self, identity: &Identity) -> Vec<Record>;
}

/// How long a call key is registered when nothing else is said, in seconds: 24 hours.
pub const DEFAULT_REGISTRATION: u64 = 86_400;
/// The longest time for which a call key can be registered, in seconds: 90 days.
pub const MAX_REGISTRATION: u64 = 90 * 86_400;

const fn refused(detail: &'static str) -> Refusal {
    Refusal::new(Code::KeyRefused, detail)
}

const KNOWN: Refusal = refused("the key is known already");
const REVOKED: Refusal = Refusal::new(Code::Revoked, "the key has been revoked");

/// Registers a key. One that is there already is registered anew when nothing but its end changes: keys.md, R1.
///
/// # Errors
/// [`Code::Revoked`]; [`Code::KeyRefused`] for a key that is known as something else, or that has a successor, and for a call
/// key that has no end, or one that lies more than [`MAX_REGISTRATION`] ahead.
pub fn register(records: &impl Records, new: Record, now: Timestamp) -> Result<Record, Refusal> {
    if matches!(new.role, Role::CallKey(..)) {
        match new.expires {
            Some(expires) if expires > now && expires.since(now) <= MAX_REGISTRATION => {}
            _ => return Err(refused("a call key is registered for 1 second to 90 days")),
        }
    }
    match records.record(&new.key) {
        None => Ok(new),
        Some(known) if known.revoked => Err(REVOKED),
        // What was said of the key before it was anybody's holds on.
        Some(known) if known.role == Role::Nobodys && known.successor.is_none() => Ok(Record {
            issued_from: known.issued_from.max(new.issued_from),
            expires: known.expires.into_iter().chain(new.expires).min(),
            ..new
        }),
        Some(known) if known.role != new.role => Err(KNOWN),
        Some(known) if known.successor.is_some() => Err(refused("the key has a successor")),
        Some(known) => Ok(Record { expires: new.expires, ..known }),
    }
}

/// A key names its successor: keys.md, R2. What can be told without looking at the signatures comes first.
///
/// # Errors
/// [`Code::NotYetValid`], [`Code::Revoked`], [`Code::UnknownKey`], [`Code::Replayed`], [`Code::KeyRefused`],
/// [`Code::CertificateExpired`], [`Code::BadSignature`].
pub fn succeed(
    records: &impl Records,
    statement: &UntrustedSuccession,
    now: Timestamp,
) -> Result<[Record; 2], Refusal> {
    check_issued(statement.issued(), now)?;
    let [old, new] = statement.keys().map(VerifyingKey::thumbprint);
    let unknown = Refusal::new(Code::UnknownKey, "the key that speaks is no identity key that is known here");
    let known = records.record(&old).ok_or(unknown)?;
    if known.revoked {
        return Err(REVOKED);
    }
    let Role::IdentityKey(identity) = &known.role else { return Err(unknown) };
    match known.successor {
        Some(successor) if successor == new => {
            return Err(Refusal::new(Code::Replayed, "the succession is in force already"));
        }
        Some(_) => return Err(refused("the key has named another successor before")),
        None => {}
    }
    if known.expires.is_some_and(|expires| now >= expires) {
        return Err(Refusal::new(Code::CertificateExpired, "the time of the identity key is over"));
    }
    match records.record(&new) {
        Some(record) if record.revoked => return Err(REVOKED),
        Some(_) => return Err(KNOWN),
        None => {}
    }
    statement.verify()?;
    // The new key may what the old one could, for as long, and no longer.
    let record = Record {
        expires: known.expires,
        issued_from: known.issued_from,
        ..Record::identity(identity.clone(), new)
    };
    let until = known.expires.into_iter().chain([statement.until()]).min();
    Ok([Record { expires: until, successor: Some(new), ..known }, record])
}

/// A key retires itself: keys.md, R3.
///
/// # Errors
/// [`Code::NotYetValid`], [`Code::UnknownKey`], [`Code::Replayed`], [`Code::BadSignature`].
pub fn retire(
    records: &impl Records,
    statement: &UntrustedRetirement,
    now: Timestamp,
) -> Result<Record, Refusal> {
    check_issued(statement.issued(), now)?;
    let known = records
        .record(&statement.key().thumbprint())
        .ok_or(Refusal::new(Code::UnknownKey, "the key that speaks is not known here"))?;
    if known.revoked {
        return Err(Refusal::new(Code::Replayed, "the key is revoked already"));
    }
    statement.verify()?;
    Ok(Record { revoked: true, ..known })
}

/// An admin revokes a key, also one that nobody has registered yet: keys.md, R4.
#[must_use]
pub fn revoke_key(records: &impl Records, key: Thumbprint) -> Record {
    let known = records.record(&key).unwrap_or(Record::nobodys(key));
    Record { revoked: true, ..known }
}

/// An admin revokes an identity: every key that it has now. keys.md, R5.
#[must_use]
pub fn revoke_identity(records: &impl Records, identity: &Identity) -> Vec<Record> {
    let live = records.records_of(identity).into_iter().filter(|record| !record.revoked);
    live.map(|record| Record { revoked: true, ..record }).collect()
}

/// An admin revokes every certificate that an identity issued before a moment: keys.md, R6.
#[must_use]
pub fn revoke_issued_before(records: &impl Records, identity: &Identity, moment: Timestamp) -> Vec<Record> {
    let is_concerned = |record: &Record| {
        matches!(record.role, Role::IdentityKey(_)) && !record.revoked && record.issued_from < moment
    };
    let concerned = records.records_of(identity).into_iter().filter(is_concerned);
    concerned.map(|record| Record { issued_from: moment, ..record }).collect()
}
