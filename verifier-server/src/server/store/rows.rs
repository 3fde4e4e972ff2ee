//! Rows, and the records that they are.

use std::sync::Arc;

use envelope_core::{Identity, Record, Role, Thumbprint, Timestamp, VerifyingKey};

use super::{RevokedCertificate, StoreError};

/// A row of `known_key`.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct KeyRow {
    pub(super) thumbprint: String,
    pub(super) identity: Option<String>,
    pub(super) role: Option<String>,
    pub(super) jwk: Option<String>,
    pub(super) expires: Option<i64>,
    pub(super) issued_from: i64,
    pub(super) revoked: Option<i64>,
    pub(super) successor: Option<String>,
    pub(super) registered: i64,
    pub(super) registered_by: Option<String>,
    pub(super) changed: i64,
}

impl KeyRow {
    /// What the rules look at. A row that no verifier writes is an error: nothing is guessed about keys.
    pub(crate) fn record(&self) -> Result<Record, StoreError> {
        Ok(Record {
            key: Thumbprint::parse(&self.thumbprint).ok_or(StoreError::Row)?,
            role: self.role()?,
            expires: self.expires.map(moment).transpose()?,
            issued_from: moment(self.issued_from)?,
            revoked: self.revoked.is_some(),
            successor: match &self.successor {
                Some(text) => Some(Thumbprint::parse(text).ok_or(StoreError::Row)?),
                None => None,
            },
        })
    }

    fn role(&self) -> Result<Role, StoreError> {
        let Some(role) = &self.role else { return Ok(Role::Nobodys) };
        let identity = self.identity.as_deref().and_then(Identity::new).ok_or(StoreError::Row)?;
        match (role.as_str(), &self.jwk) {
            ("identity", _) => Ok(Role::IdentityKey(identity)),
            ("call", Some(jwk)) => {
                let key = VerifyingKey::from_jwk(jwk).map_err(|_| StoreError::Row)?;
                Ok(Role::CallKey(identity, Arc::new(key)))
            }
            _ => Err(StoreError::Row),
        }
    }
}

/// What is read of `revoked_certificate`.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct CertificateRow {
    identity_key: String,
    jti: String,
}

impl CertificateRow {
    pub(crate) fn revoked(self) -> Result<RevokedCertificate, StoreError> {
        Ok(RevokedCertificate {
            identity_key: Thumbprint::parse(&self.identity_key).ok_or(StoreError::Row)?,
            id: self.jti,
        })
    }
}

/// A time as a column holds it.
pub(super) fn seconds(time: Timestamp) -> i64 {
    i64::try_from(time.as_unix()).unwrap_or(i64::MAX)
}

/// A time from a column.
pub(super) fn moment(seconds: i64) -> Result<Timestamp, StoreError> {
    u64::try_from(seconds).map(Timestamp::from_unix).map_err(|_| StoreError::Row)
}
