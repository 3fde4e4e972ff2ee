//! What is known of one key, from everywhere at once: the configuration, the store, and the list of another verifier. Wherever
//! two of them speak of the same key, the more severe one counts.

use envelope_core::{Record, Records, Role, Thumbprint, TrustList};

use super::Known;

impl Known {
    /// All that is known of a key: what the rules look at, and what admins are shown.
    pub(super) fn whole(&self, key: &Thumbprint, stored: Option<Record>) -> Option<Record> {
        let record = match stored {
            Some(stored) => Some(self.combined(stored)),
            None => self.configured.record(key),
        };
        match &self.list {
            Some(list) => list.current().narrow_record(key, record),
            None => record,
        }
    }

    /// The same for an answer.
    pub(super) fn shown(&self, stored: Record) -> Option<Record> {
        let key = stored.key;
        self.whole(&key, Some(stored))
    }

    /// Adds all that is known of a key.
    pub(super) fn add(&self, known: &mut TrustList, key: &Thumbprint, stored: Option<Record>) {
        known.apply(self.whole(key, stored));
    }

    /// A record of the store, and what the configuration says of the same key. What changes, without the list: that is looked at
    /// anew whenever somebody asks.
    pub(super) fn combined(&self, stored: Record) -> Record {
        let Some(configured) = self.configured.record(&stored.key) else { return stored };
        Record {
            key: stored.key,
            revoked: stored.revoked || configured.revoked || self.contradicts(&stored),
            expires: stored.expires.into_iter().chain(configured.expires).min(),
            issued_from: stored.issued_from.max(configured.issued_from),
            successor: stored.successor.or(configured.successor),
            role: if configured.role == Role::Nobodys { stored.role } else { configured.role },
        }
    }

    /// Whether the configuration gives the key to somebody else, or another role.
    pub(super) fn contradicts(&self, stored: &Record) -> bool {
        let configured = self.configured.record(&stored.key).map(|record| record.role);
        match (configured, &stored.role) {
            (None | Some(Role::Nobodys), _) | (_, Role::Nobodys) => false,
            (Some(configured), stored) => configured != *stored,
        }
    }
}
