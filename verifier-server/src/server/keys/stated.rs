//! What a key says of itself: anybody may bring it, and the rules of [`registry`](envelope_core::registry) decide what it changes.

use envelope_core::{
    Code, Identity, Record, Refusal, Thumbprint, Timestamp, TrustList, UntrustedStatement, VerifyingKey,
    registry,
};

use super::Keys;
use super::change::digest;

/// What a statement has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stated {
    /// The key that ends, with its end, and the one after it.
    Succession { identity: Identity, old: Thumbprint, new: Thumbprint, until: Timestamp },
    /// The key that must not be used any more.
    Retirement { identity: Identity, key: Thumbprint },
}

impl Stated {
    /// Whose key has spoken.
    const fn identity(&self) -> &Identity {
        match self {
            Self::Succession { identity, .. } | Self::Retirement { identity, .. } => identity,
        }
    }
}

impl Keys {
    /// Does what a key says of itself, and keeps the statement.
    pub(crate) async fn state(&self, json: &[u8], now: Timestamp) -> Result<Stated, Refusal> {
        let statement = UntrustedStatement::parse(json)?;
        let keys = keys_of(&statement);
        // Anybody may send statements: who cannot speak here makes nobody wait for a change.
        decide(&statement, &self.glance(&keys).await?, now)?;
        let mut draft = self.draft(now).await?;
        let (records, stated) = decide(&statement, &draft.known(&keys).await?, now)?;
        for record in &records {
            draft.put(record, stated.identity().as_str()).await?;
        }
        // What was read as JSON is text.
        draft.change.keep_statement(&digest(json), &String::from_utf8_lossy(json)).await?;
        draft.commit().await?;
        Ok(stated)
    }

    /// These keys as they are now; they may be others in a moment.
    async fn glance(&self, keys: &[Thumbprint]) -> Result<TrustList, Refusal> {
        let mut known = TrustList::new();
        for key in keys {
            self.add(&mut known, key, self.store()?.record(key).await?);
        }
        Ok(known)
    }
}

/// The keys that a statement is about.
fn keys_of(statement: &UntrustedStatement) -> Vec<Thumbprint> {
    match statement {
        UntrustedStatement::Succession(succession) => {
            succession.keys().map(VerifyingKey::thumbprint).to_vec()
        }
        UntrustedStatement::Retirement(retirement) => vec![retirement.key().thumbprint()],
    }
}

/// What a statement comes to: the records that change, and what is answered.
fn decide(
    statement: &UntrustedStatement,
    known: &TrustList,
    now: Timestamp,
) -> Result<(Vec<Record>, Stated), Refusal> {
    const UNOWNED: Refusal = Refusal::new(Code::UnknownKey, "the key that speaks is nobody's");
    match statement {
        UntrustedStatement::Succession(succession) => {
            let [old, new] = registry::succeed(known, succession, now)?;
            let identity = old.owner().cloned().ok_or(UNOWNED)?;
            let until = old.expires.unwrap_or_default();
            let stated = Stated::Succession { identity, old: old.key, new: new.key, until };
            Ok((vec![old, new], stated))
        }
        UntrustedStatement::Retirement(retirement) => {
            let record = registry::retire(known, retirement, now)?;
            let identity = record.owner().cloned().ok_or(UNOWNED)?;
            let stated = Stated::Retirement { identity, key: record.key };
            Ok((vec![record], stated))
        }
    }
}
