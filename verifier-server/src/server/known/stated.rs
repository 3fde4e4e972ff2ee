//! What a key says of itself: anybody may bring it, and the rules of [`registry`](envelope_core::registry) decide what it changes.

use envelope_core::{
    Code, Identity, Record, Refusal, Thumbprint, Timestamp, TrustList, UntrustedStatement, VerifyingKey,
    registry,
};

use super::Known;
use super::change::{Draft, digest};

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

impl Known {
    /// Does what a key says of itself, and keeps the statement.
    pub(crate) async fn state(&self, json: &[u8]) -> Result<Stated, Refusal> {
        let statement = UntrustedStatement::parse(json)?;
        let keys = keys_of(&statement);
        // Anybody may send statements: who cannot speak here makes nobody wait for a change.
        decide(&statement, &self.glance(&keys).await?, self.clock.now())?;
        let mut draft = self.draft().await?;
        let now = draft.change.now();
        let Decision { narrowed, granted, stated } = decide(&statement, &draft.known(&keys).await?, now)?;
        let by = stated.identity().as_str();
        draft.narrow(&narrowed, by).await?;
        if let Some(granted) = granted {
            draft.check_pace(stated.identity()).await?;
            draft.grant(&granted, by).await?;
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

impl Draft<'_> {
    /// Refuses an identity whose keys follow each other faster than people rotate them: what they leave is kept for ever.
    async fn check_pace(&mut self, identity: &Identity) -> Result<(), Refusal> {
        const DAY: u64 = 86_400;
        const MOST: i64 = 32;
        let since = Timestamp::from_unix(self.change.now().as_unix().saturating_sub(DAY));
        if self.change.successions(identity, since).await? < MOST {
            return Ok(());
        }
        Err(Refusal::new(Code::NotAllowed, "the identity has named 32 successors within 24 hours"))
    }
}

/// What a statement comes to.
struct Decision {
    /// The key that speaks, with less than it had.
    narrowed: Record,
    /// The key that comes after it.
    granted: Option<Record>,
    /// What is answered.
    stated: Stated,
}

fn decide(statement: &UntrustedStatement, known: &TrustList, now: Timestamp) -> Result<Decision, Refusal> {
    const UNOWNED: Refusal = Refusal::new(Code::UnknownKey, "the key that speaks is nobody's");
    match statement {
        UntrustedStatement::Succession(succession) => {
            let [old, new] = registry::succeed(known, succession, now)?;
            let identity = old.owner().cloned().ok_or(UNOWNED)?;
            let until = old.expires.unwrap_or_default();
            let stated = Stated::Succession { identity, old: old.key, new: new.key, until };
            Ok(Decision { narrowed: old, granted: Some(new), stated })
        }
        UntrustedStatement::Retirement(retirement) => {
            let record = registry::retire(known, retirement, now)?;
            let identity = record.owner().cloned().ok_or(UNOWNED)?;
            let stated = Stated::Retirement { identity, key: record.key };
            Ok(Decision { narrowed: record, granted: None, stated })
        }
    }
}
