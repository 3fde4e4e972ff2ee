//! A vector put to `envelope-core`.

use std::error::Error;

use envelope_core::{
    self as core, Code, Refusal, RevocationList, Timestamp, TrustList, UntrustedStatement, registry,
};

use super::format::{Act, List, Record, Revocation, Role, Step, Vector};
use crate::known::{identity, thumbprint, verifying_key};

/// What came of each step of a vector, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome(pub Vec<Verdict>);

/// What came of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was taken, and this is written down now.
    Written(Vec<Record>),
    /// It is a list that holds this.
    Holds(List),
    /// It was refused.
    Refused(Code),
}

/// Puts a vector to core, through its public interface.
///
/// # Errors
/// A vector that cannot be put: what is written down makes no sense. A list that is taken and holds something else than the
/// vector says.
pub fn run(vector: &Vector) -> Result<Outcome, Box<dyn Error>> {
    let mut trust = TrustList::new();
    for record in &vector.records {
        trust.insert(record.read()?);
    }
    vector.steps.iter().map(|step| take(&mut trust, step)).collect::<Result<_, _>>().map(Outcome)
}

fn take(trust: &mut TrustList, step: &Step) -> Result<Verdict, Box<dyn Error>> {
    let now = Timestamp::from_unix(step.now);
    let changed = match &step.act {
        Act::Statement { statement } => hear(trust, statement, now),
        Act::List { list, issuer } => {
            let verified = RevocationList::verify(list.as_bytes(), &thumbprint(issuer)?, now);
            return match (verified, &step.content) {
                (Err(refusal), _) => Ok(Verdict::Refused(refusal.code())),
                (Ok(list), Some(content)) if list == content.read()? => Ok(Verdict::Holds(content.clone())),
                (Ok(list), _) => Err(format!("the list was taken, and holds {list:?}").into()),
            };
        }
        Act::Register { register } => {
            registry::register(trust, register.read()?, now).map(|record| vec![record])
        }
        Act::Revoke { revoke } => Ok(match revoke {
            Revocation::Key { key } => vec![registry::revoke_key(trust, thumbprint(key)?)],
            Revocation::Identity { identity: name } => registry::revoke_identity(trust, &identity(name)?),
            Revocation::IssuedBefore { identity: name, issued_before } => {
                let moment = Timestamp::from_unix(*issued_before);
                registry::revoke_issued_before(trust, &identity(name)?, moment)
            }
        }),
    };
    Ok(match changed {
        Err(refusal) => Verdict::Refused(refusal.code()),
        Ok(changed) => {
            trust.apply(changed);
            Verdict::Written(trust.iter().map(Record::written).collect::<Result<_, _>>()?)
        }
    })
}

fn hear(trust: &TrustList, statement: &str, now: Timestamp) -> Result<Vec<core::Record>, Refusal> {
    match UntrustedStatement::parse(statement.as_bytes())? {
        UntrustedStatement::Succession(succession) => {
            registry::succeed(trust, &succession, now).map(Vec::from)
        }
        UntrustedStatement::Retirement(retirement) => {
            registry::retire(trust, &retirement, now).map(|record| vec![record])
        }
    }
}

impl Record {
    /// The record as core has it.
    fn read(&self) -> Result<core::Record, Box<dyn Error>> {
        let role = match (self.role, &self.identity, &self.jwk) {
            (None, None, None) => core::Role::Nobodys,
            (Some(Role::Identity), Some(name), None) => core::Role::IdentityKey(identity(name)?),
            (Some(Role::Call), Some(name), Some(jwk)) => {
                core::Role::CallKey(identity(name)?, verifying_key(jwk)?.into())
            }
            _ => return Err("a role goes with an identity, and call with a jwk".into()),
        };
        Ok(core::Record {
            key: thumbprint(&self.key)?,
            role,
            expires: self.expires.map(Timestamp::from_unix),
            issued_from: Timestamp::from_unix(self.issued_from.unwrap_or_default()),
            revoked: self.revoked,
            successor: self.successor.as_deref().map(thumbprint).transpose()?,
        })
    }

    /// The record as the vectors have it.
    fn written(record: &core::Record) -> Result<Self, Box<dyn Error>> {
        let (role, jwk) = match &record.role {
            core::Role::Nobodys => (None, None),
            core::Role::IdentityKey(_) => (Some(Role::Identity), None),
            core::Role::CallKey(_, key) => (Some(Role::Call), Some(serde_json::from_str(&key.to_jwk())?)),
        };
        Ok(Self {
            key: record.key.to_string(),
            role,
            identity: record.owner().map(ToString::to_string),
            jwk,
            expires: record.expires.map(Timestamp::as_unix),
            issued_from: Some(record.issued_from.as_unix()).filter(|from| *from > 0),
            revoked: record.revoked,
            successor: record.successor.map(|key| key.to_string()),
        })
    }
}

impl List {
    /// The list as core has it: it can be compared there, and not be read. One record says one thing.
    fn read(&self) -> Result<RevocationList, Box<dyn Error>> {
        let plain = |key: &str| -> Result<core::Record, Box<dyn Error>> {
            Ok(core::Record::identity(identity("of-the-list")?, thumbprint(key)?))
        };
        let mut records = Vec::new();
        for key in &self.keys {
            records.push(core::Record { revoked: true, ..plain(key)? });
        }
        for entry in &self.issued_from {
            records
                .push(core::Record { issued_from: Timestamp::from_unix(entry.from), ..plain(&entry.key)? });
        }
        for entry in &self.until {
            records.push(core::Record {
                expires: Some(Timestamp::from_unix(entry.until)),
                ..plain(&entry.key)?
            });
        }
        let mut certificates = Vec::new();
        for entry in &self.certificates {
            certificates.push((thumbprint(&entry.key)?, entry.jti.clone()));
        }
        Ok(RevocationList::of(Timestamp::from_unix(self.iat), &records, certificates))
    }
}
