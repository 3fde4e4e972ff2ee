//! A change: one transaction, alone on the database, all of it or nothing.

use envelope_core::{Identity, Record, Role, Thumbprint, Timestamp};
use sqlx::pool::PoolConnection;
use sqlx::{Executor, Sqlite};

use super::rows::{KeyRow, seconds};
use super::{Store, StoreError};
use crate::clock::Clock;

/// A change that is not in force yet. Dropped, it never was.
///
/// It begins and ends by statements of its own. SQLite itself ends a transaction in which the disk became full; whoever counts
/// beside it how many are open (as sqlx does) would then go on writing into one that is not there.
#[derive(Debug)]
pub(crate) struct Change {
    pub(super) connection: PoolConnection<Sqlite>,
    pub(super) number: i64,
    pub(super) now: Timestamp,
    is_committed: bool,
}

impl Drop for Change {
    fn drop(&mut self) {
        // Whatever state the connection is in: the next change has a new one.
        if !self.is_committed {
            self.connection.close_on_drop();
        }
    }
}

impl Store {
    /// Begins a change: what it reads, nobody else changes before it ends. Its time is that at which it had its turn.
    pub(crate) async fn change(&self, clock: &Clock) -> Result<Change, StoreError> {
        let connection = self.writer.acquire().await?;
        let mut change = Change { connection, number: 0, now: Timestamp::default(), is_committed: false };
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *change.connection).await?;
        change.number =
            sqlx::query_scalar("UPDATE change SET value = value + 1 WHERE id = 1 RETURNING value")
                .fetch_one(&mut *change.connection)
                .await?;
        change.now = clock.now();
        Ok(change)
    }

    /// What is written down of a key, at this moment.
    pub(crate) async fn record(&self, key: &Thumbprint) -> Result<Option<Record>, StoreError> {
        record(&self.writer, key).await
    }
}

impl Change {
    /// When it had its turn.
    pub(crate) const fn now(&self) -> Timestamp {
        self.now
    }

    /// Ends it: on the disk, and in force for everybody who looks. Gives its number.
    pub(crate) async fn commit(mut self) -> Result<i64, StoreError> {
        sqlx::query("COMMIT").execute(&mut *self.connection).await?;
        self.is_committed = true;
        Ok(self.number)
    }

    /// What is written down of a key.
    pub(crate) async fn record(&mut self, key: &Thumbprint) -> Result<Option<Record>, StoreError> {
        record(&mut *self.connection, key).await
    }

    /// What is written down of the keys of an identity.
    pub(crate) async fn records_of(&mut self, identity: &Identity) -> Result<Vec<Record>, StoreError> {
        let rows: Vec<KeyRow> = sqlx::query_as("SELECT * FROM known_key WHERE identity = $1")
            .bind(identity.as_str())
            .fetch_all(&mut *self.connection)
            .await?;
        rows.iter().map(KeyRow::record).collect()
    }

    /// Whether an identity has a row, or a ticket.
    pub(crate) async fn has_heard_of(&mut self, identity: &Identity) -> Result<bool, StoreError> {
        let found: i64 = sqlx::query_scalar(
            "SELECT (SELECT COUNT(*) FROM identity WHERE name = $1) \
             + (SELECT COUNT(*) FROM ticket WHERE identity = $1)",
        )
        .bind(identity.as_str())
        .fetch_one(&mut *self.connection)
        .await?;
        Ok(found > 0)
    }

    /// Writes down an identity, before the first of its keys; `None` is the configuration.
    pub(crate) async fn name(
        &mut self,
        identity: &Identity,
        registered_by: Option<&str>,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO identity (name, registered, registered_by) VALUES ($1, $2, $3) \
             ON CONFLICT (name) DO NOTHING",
        )
        .bind(identity.as_str())
        .bind(seconds(self.now))
        .bind(registered_by)
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Puts a record in place of the one that its key has. Who registered and who revoked it first is kept.
    pub(crate) async fn put(&mut self, record: &Record, by: &str) -> Result<(), StoreError> {
        let (role, jwk) = match &record.role {
            Role::Nobodys => (None, None),
            Role::IdentityKey(_) => (Some("identity"), None),
            Role::CallKey(_, key) => (Some("call"), Some(key.to_jwk())),
        };
        sqlx::query(
            "INSERT INTO known_key (thumbprint, identity, role, jwk, expires, issued_from, revoked, revoked_by, \
             successor, registered, registered_by, changed) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
             ON CONFLICT (thumbprint) DO UPDATE SET identity = excluded.identity, role = excluded.role, \
             jwk = excluded.jwk, expires = excluded.expires, issued_from = excluded.issued_from, \
             revoked = COALESCE(known_key.revoked, excluded.revoked), \
             revoked_by = COALESCE(known_key.revoked_by, excluded.revoked_by), \
             successor = excluded.successor, changed = excluded.changed, \
             registered = CASE WHEN known_key.role IS NULL THEN excluded.registered ELSE known_key.registered END, \
             registered_by = \
             CASE WHEN known_key.role IS NULL THEN excluded.registered_by ELSE known_key.registered_by END",
        )
        .bind(record.key.to_string())
        .bind(record.owner().map(Identity::as_str))
        .bind(role)
        .bind(jwk)
        .bind(record.expires.map(seconds))
        .bind(seconds(record.issued_from))
        .bind(record.revoked.then_some(seconds(self.now)))
        .bind(record.revoked.then_some(by))
        .bind(record.successor.map(|key| key.to_string()))
        .bind(seconds(self.now))
        .bind(by)
        .bind(self.number)
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// How many keys of an identity came after another one since a moment.
    pub(crate) async fn successions(
        &mut self,
        identity: &Identity,
        since: Timestamp,
    ) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar(
            "SELECT COUNT(*) FROM known_key AS later WHERE identity = $1 AND registered >= $2 \
             AND EXISTS (SELECT 1 FROM known_key WHERE successor = later.thumbprint)",
        )
        .bind(identity.as_str())
        .bind(seconds(since))
        .fetch_one(&mut *self.connection)
        .await?)
    }

    /// Revokes one certificate.
    pub(crate) async fn revoke_certificate(
        &mut self,
        identity_key: &Thumbprint,
        id: &str,
        by: &str,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO revoked_certificate (identity_key, jti, revoked, revoked_by, changed) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (identity_key, jti) DO UPDATE SET changed = excluded.changed",
        )
        .bind(identity_key.to_string())
        .bind(id)
        .bind(seconds(self.now))
        .bind(by)
        .bind(self.number)
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Whether one certificate has been revoked.
    pub(crate) async fn has_revoked(
        &mut self,
        identity_key: &Thumbprint,
        id: &str,
    ) -> Result<bool, StoreError> {
        let found: Option<i64> = sqlx::query_scalar(
            "SELECT revoked FROM revoked_certificate WHERE identity_key = $1 AND jti = $2",
        )
        .bind(identity_key.to_string())
        .bind(id)
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(found.is_some())
    }

    /// Keeps the statement by which a key changed: the evidence.
    pub(crate) async fn keep_statement(&mut self, digest: &str, content: &str) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO statement (digest, content, received) VALUES ($1, $2, $3) \
             ON CONFLICT (digest) DO NOTHING",
        )
        .bind(digest)
        .bind(content)
        .bind(seconds(self.now))
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }
}

async fn record<'a>(
    database: impl Executor<'a, Database = Sqlite>,
    key: &Thumbprint,
) -> Result<Option<Record>, StoreError> {
    let row: Option<KeyRow> = sqlx::query_as("SELECT * FROM known_key WHERE thumbprint = $1")
        .bind(key.to_string())
        .fetch_optional(database)
        .await?;
    row.map(|row| row.record()).transpose()
}
