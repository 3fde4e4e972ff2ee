//! Revocation lists: what a verifier knows that must not be trusted, signed and dated, for verifiers that cannot ask it
//! (`spec/keys.md`, section 5).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;

use crate::error::{Code, Refusal};
use crate::json::{Object, Value};
use crate::key::{SigningKey, Thumbprint};
use crate::login::Issuer;
use crate::registry::{Record, Role};
use crate::statement::{self, Unsigned, Untrusted, check_issued, malformed, only, text, time};
use crate::time::Timestamp;
use crate::trust::{Standing, Trust};

/// The `typ` in the header.
const TYP: &str = "envelope-revocations";

/// What must not be trusted, whoever trusted it before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RevocationList {
    issued: Timestamp,
    keys: BTreeSet<Thumbprint>,
    certificates: BTreeSet<(Thumbprint, String)>,
    issued_from: BTreeMap<Thumbprint, Timestamp>,
    until: BTreeMap<Thumbprint, Timestamp>,
}

#[derive(Serialize)]
struct Claims {
    iss: String,
    iat: u64,
    keys: Vec<String>,
    certificates: Vec<RevokedCertificate>,
    issued_from: Vec<From>,
    until: Vec<Until>,
}

#[derive(Serialize)]
struct RevokedCertificate {
    key: String,
    jti: String,
}

#[derive(Serialize)]
struct From {
    key: String,
    from: u64,
}

#[derive(Serialize)]
struct Until {
    key: String,
    until: u64,
}

impl RevocationList {
    /// The longest list, in bytes: 16 MiB.
    pub const MAX_LENGTH: usize = 16 << 20;

    /// What these records and revoked certificates say of what must not be trusted, at this moment.
    #[must_use]
    pub fn of<'a>(
        issued: Timestamp,
        records: impl IntoIterator<Item = &'a Record>,
        certificates: impl IntoIterator<Item = (Thumbprint, String)>,
    ) -> Self {
        let mut list = Self { issued, certificates: certificates.into_iter().collect(), ..Self::default() };
        for record in records {
            if record.revoked {
                list.keys.insert(record.key);
                continue;
            }
            if record.issued_from > Timestamp::default() {
                list.issued_from.insert(record.key, record.issued_from);
            }
            if let (Some(until), Role::IdentityKey(_)) = (record.expires, &record.role) {
                list.until.insert(record.key, until);
            }
        }
        list
    }

    /// Signs the list with the key of the verifier that issues it.
    ///
    /// # Errors
    /// [`Code::Malformed`] when it cannot be written.
    pub fn sign(&self, issuer: &SigningKey) -> Result<String, Refusal> {
        let claims = Claims {
            iss: statement::urn(&issuer.verifying_key().thumbprint()),
            iat: self.issued.as_unix(),
            keys: self.keys.iter().map(alloc::string::ToString::to_string).collect(),
            certificates: (self.certificates.iter())
                .map(|(key, jti)| RevokedCertificate { key: alloc::format!("{key}"), jti: jti.clone() })
                .collect(),
            issued_from: (self.issued_from.iter())
                .map(|(key, from)| From { key: alloc::format!("{key}"), from: from.as_unix() })
                .collect(),
            until: (self.until.iter())
                .map(|(key, until)| Until { key: alloc::format!("{key}"), until: until.as_unix() })
                .collect(),
        };
        let unsigned = Unsigned::new(TYP, &claims, [issuer.verifying_key()])?;
        let signatures: Vec<_> =
            unsigned.signing_inputs().map(|input| issuer.sign(input.as_bytes())).collect();
        unsigned.attach(&signatures)
    }

    /// Reads a list, and verifies that this key has issued it.
    ///
    /// # Errors
    /// Those of [`UntrustedSuccession::parse`](crate::succession::UntrustedSuccession::parse); [`Code::NotYetValid`];
    /// [`Code::UnknownKey`] when another key has signed; [`Code::BadSignature`].
    pub fn verify(json: &[u8], issuer: &Thumbprint, now: Timestamp) -> Result<Self, Refusal> {
        let claims = ["iss", "iat", "keys", "certificates", "issued_from", "until"];
        let statement = Untrusted::<1>::parse(json, Self::MAX_LENGTH, TYP, &claims)?;
        let issued = statement.time("iat")?;
        let claims = statement.claims();
        let keys = list(claims, "keys", |entry| {
            entry.as_str().and_then(Thumbprint::parse).ok_or(malformed("a revoked key is no thumbprint"))
        })?;
        let certificates = objects(claims, "certificates", &["key", "jti"], |entry| {
            Ok((key(entry)?, String::from(text(entry, "jti")?)))
        })?;
        let issued_from = objects(claims, "issued_from", &["key", "from"], |entry| {
            Ok((key(entry)?, time(entry, "from")?))
        })?;
        let until =
            objects(claims, "until", &["key", "until"], |entry| Ok((key(entry)?, time(entry, "until")?)))?;
        let list = Self {
            issued,
            keys: each_once(keys, BTreeSet::len)?,
            certificates: each_once(certificates, BTreeSet::len)?,
            issued_from: each_once(issued_from, BTreeMap::len)?,
            until: each_once(until, BTreeMap::len)?,
        };
        check_issued(issued, now)?;
        let [signer] = statement.keys();
        if signer.thumbprint() != *issuer {
            return Err(Refusal::new(Code::UnknownKey, "the list was signed by another key"));
        }
        statement.verify()?;
        Ok(list)
    }

    /// When it was issued.
    #[must_use]
    pub const fn issued(&self) -> Timestamp {
        self.issued
    }

    /// The standing of a key, as far as the list leaves it.
    #[must_use]
    pub fn narrow(&self, key: &Thumbprint, standing: Standing) -> Standing {
        if self.keys.contains(key) {
            return Standing::Revoked;
        }
        match standing {
            Standing::Identity { identity, expires, issued_from } => {
                let until = self.until.get(key).copied();
                Standing::Identity {
                    identity,
                    expires: expires.into_iter().chain(until).min(),
                    issued_from: self.issued_from.get(key).copied().unwrap_or_default().max(issued_from),
                }
            }
            standing => standing,
        }
    }

    /// What is written down of a key, as far as the list leaves it: what the rules of [`registry`](crate::registry) are to look
    /// at. A key that nobody has registered is written down by being revoked.
    #[must_use]
    pub fn narrow_record(&self, key: &Thumbprint, record: Option<Record>) -> Option<Record> {
        let Some(record) = record else {
            return self.keys.contains(key).then(|| Record { revoked: true, ..Record::nobodys(*key) });
        };
        let until = match record.role {
            Role::IdentityKey(_) => self.until.get(key).copied(),
            Role::Nobodys | Role::CallKey(..) => None,
        };
        Some(Record {
            revoked: record.revoked || self.keys.contains(key),
            expires: record.expires.into_iter().chain(until).min(),
            issued_from: self.issued_from.get(key).copied().unwrap_or_default().max(record.issued_from),
            ..record
        })
    }

    /// This list and another one: whatever either of them forbids. It is as old as the newer of the two.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.issued = self.issued.max(other.issued);
        self.keys.extend(other.keys);
        self.certificates.extend(other.certificates);
        for (key, from) in other.issued_from {
            let known = self.issued_from.entry(key).or_default();
            *known = from.max(*known);
        }
        for (key, until) in other.until {
            let known = self.until.entry(key).or_insert(until);
            *known = until.min(*known);
        }
        self
    }

    /// Whether it has the certificate with this `jti`, by this identity key.
    #[must_use]
    pub fn has_revoked(&self, identity_key: &Thumbprint, id: &str) -> bool {
        self.certificates.contains(&(*identity_key, id.into()))
    }

    /// Checks that it is at most so many seconds old.
    ///
    /// # Errors
    /// [`Code::RevocationStale`].
    pub fn check_age(&self, limit: u64, now: Timestamp) -> Result<(), Refusal> {
        if now.since(self.issued) > limit {
            return Err(Refusal::new(Code::RevocationStale, "the revocation list is too old"));
        }
        Ok(())
    }
}

fn key(entry: &Object) -> Result<Thumbprint, Refusal> {
    Thumbprint::parse(text(entry, "key")?).ok_or(malformed("a key is no thumbprint"))
}

fn objects<T>(
    claims: &Object,
    name: &str,
    members: &[&str],
    read: impl Fn(&Object) -> Result<T, Refusal>,
) -> Result<Vec<T>, Refusal> {
    list(claims, name, |entry| {
        let entry = entry.as_object().ok_or(malformed("an entry of the list is not an object"))?;
        only(entry, members)?;
        read(entry)
    })
}

fn list<T>(
    claims: &Object,
    name: &str,
    read: impl Fn(&Value) -> Result<T, Refusal>,
) -> Result<Vec<T>, Refusal> {
    match claims.get(name) {
        Some(Value::Array(entries)) => entries.iter().map(read).collect(),
        _ => Err(malformed("a part of the list is missing, or not a list")),
    }
}

/// The entries, none of them twice: of two times for one key, which would hold?
fn each_once<T, C: FromIterator<T>>(entries: Vec<T>, count: fn(&C) -> usize) -> Result<C, Refusal> {
    let expected = entries.len();
    let collected = entries.into_iter().collect();
    if count(&collected) == expected {
        Ok(collected)
    } else {
        Err(Refusal::new(Code::Duplicate, "an entry of the list is there twice"))
    }
}

/// The keys that a verifier knows, as far as a list leaves them: for verifiers that cannot ask the one that issued it.
#[derive(Clone, Debug)]
pub struct WithRevocations<T> {
    trust: T,
    list: RevocationList,
    max_age: u64,
}

impl<T: Trust> WithRevocations<T> {
    /// These keys, this list, and how old that may be, in seconds.
    pub const fn new(trust: T, list: RevocationList, max_age: u64) -> Self {
        Self { trust, list, max_age }
    }
}

impl<T: Trust> Trust for WithRevocations<T> {
    fn standing(&self, key: &Thumbprint) -> Standing {
        self.list.narrow(key, self.trust.standing(key))
    }

    fn has_revoked(&self, identity_key: &Thumbprint, id: &str) -> bool {
        self.list.has_revoked(identity_key, id) || self.trust.has_revoked(identity_key, id)
    }

    fn check_current(&self, now: Timestamp) -> Result<(), Refusal> {
        self.list.check_age(self.max_age, now)?;
        self.trust.check_current(now)
    }

    fn issuer(&self, key: &Thumbprint) -> Option<Issuer> {
        self.trust.issuer(key)
    }

    fn is_registered(&self, name: &str) -> bool {
        self.trust.is_registered(name)
    }
}
