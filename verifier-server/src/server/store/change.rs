//! A change: one transaction, alone on the database, all of it or nothing.

use envelope_core::{Identity, Record, Role, Thumbprint, Timestamp};
use sqlx::{Executor, Sqlite, Transaction};

use super::rows::{KeyRow, moment, seconds};
use super::{Store, StoreError};

/// A change that is not in force yet. Dropped, it never was.
#[derive(Debug)]
pub(crate) struct Change {
    transaction: Transaction<'static, Sqlite>,
    number: i64,
    now: i64,
}

/// The right to register one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) identity: Identity,
    pub(crate) created_by: String,
    pub(crate) expires: Timestamp,
    /// The key that was registered with it.
    pub(crate) used_by: Option<Thumbprint>,
}

#[derive(sqlx::FromRow)]
struct TicketRow {
    identity: String,
    created_by: String,
    expires: i64,
    used_by: Option<String>,
}

impl TicketRow {
    fn ticket(self) -> Result<Ticket, StoreError> {
        Ok(Ticket {
            identity: Identity::new(&self.identity).ok_or(StoreError::Row)?,
            created_by: self.created_by,
            expires: moment(self.expires)?,
            used_by: match self.used_by {
                Some(text) => Some(Thumbprint::parse(&text).ok_or(StoreError::Row)?),
                None => None,
            },
        })
    }
}

impl Store {
    /// Begins a change: what it reads, nobody else changes before it ends.
    pub(crate) async fn change(&self, now: Timestamp) -> Result<Change, StoreError> {
        let mut transaction = self.writer.begin().await?;
        // First of all, since this is what makes everybody else wait.
        let number = sqlx::query_scalar("UPDATE change SET value = value + 1 WHERE id = 1 RETURNING value")
            .fetch_one(&mut *transaction)
            .await?;
        Ok(Change { transaction, number, now: seconds(now) })
    }

    /// What is written down of a key, at this moment.
    pub(crate) async fn record(&self, key: &Thumbprint) -> Result<Option<Record>, StoreError> {
        record(&self.writer, key).await
    }

    /// Whether there is, or was, such a ticket.
    pub(crate) async fn has_ticket(&self, digest: &str) -> Result<bool, StoreError> {
        let found: Option<i64> = sqlx::query_scalar("SELECT created FROM ticket WHERE digest = $1")
            .bind(digest)
            .fetch_optional(&self.writer)
            .await?;
        Ok(found.is_some())
    }
}

impl Change {
    /// Ends it: on the disk, and in force for everybody who looks.
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        Ok(self.transaction.commit().await?)
    }

    /// What is written down of a key.
    pub(crate) async fn record(&mut self, key: &Thumbprint) -> Result<Option<Record>, StoreError> {
        record(&mut *self.transaction, key).await
    }

    /// What is written down of the keys of an identity.
    pub(crate) async fn records_of(&mut self, identity: &Identity) -> Result<Vec<Record>, StoreError> {
        let rows: Vec<KeyRow> = sqlx::query_as("SELECT * FROM known_key WHERE identity = $1")
            .bind(identity.as_str())
            .fetch_all(&mut *self.transaction)
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
        .fetch_one(&mut *self.transaction)
        .await?;
        Ok(found > 0)
    }

    /// Puts a record in place of the one that its key has. Who registered and who revoked it first is kept; `None` is the
    /// configuration.
    pub(crate) async fn put(
        &mut self,
        record: &Record,
        registered_by: Option<&str>,
        by: &str,
    ) -> Result<(), StoreError> {
        let (role, jwk) = match &record.role {
            Role::Nobodys => (None, None),
            Role::IdentityKey(_) => (Some("identity"), None),
            Role::CallKey(_, key) => (Some("call"), Some(key.to_jwk())),
        };
        let identity = record.owner().map(Identity::as_str);
        if let Some(identity) = identity {
            sqlx::query(
                "INSERT INTO identity (name, registered, registered_by) VALUES ($1, $2, $3) \
                 ON CONFLICT (name) DO NOTHING",
            )
            .bind(identity)
            .bind(self.now)
            .bind(registered_by)
            .execute(&mut *self.transaction)
            .await?;
        }
        sqlx::query(
            "INSERT INTO known_key (thumbprint, identity, role, jwk, expires, issued_from, revoked, revoked_by, \
             successor, registered, registered_by, changed) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
             ON CONFLICT (thumbprint) DO UPDATE SET identity = excluded.identity, role = excluded.role, \
             jwk = excluded.jwk, expires = excluded.expires, issued_from = excluded.issued_from, \
             revoked = COALESCE(known_key.revoked, excluded.revoked), \
             revoked_by = COALESCE(known_key.revoked_by, excluded.revoked_by), \
             successor = excluded.successor, changed = excluded.changed",
        )
        .bind(record.key.to_string())
        .bind(identity)
        .bind(role)
        .bind(jwk)
        .bind(record.expires.map(seconds))
        .bind(seconds(record.issued_from))
        .bind(record.revoked.then_some(self.now))
        .bind(record.revoked.then_some(by))
        .bind(record.successor.map(|key| key.to_string()))
        .bind(self.now)
        .bind(registered_by)
        .bind(self.number)
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// Revokes one certificate, until nobody would take it anyway.
    pub(crate) async fn revoke_certificate(
        &mut self,
        identity_key: &Thumbprint,
        id: &str,
        by: &str,
        forget_after: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO revoked_certificate (identity_key, jti, revoked, revoked_by, forget_after, changed) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (identity_key, jti) DO UPDATE SET \
             forget_after = excluded.forget_after, changed = excluded.changed",
        )
        .bind(identity_key.to_string())
        .bind(id)
        .bind(self.now)
        .bind(by)
        .bind(seconds(forget_after))
        .bind(self.number)
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// Writes down a ticket by its digest.
    pub(crate) async fn issue_ticket(&mut self, digest: &str, ticket: &Ticket) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO ticket (digest, identity, created, created_by, expires) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(digest)
        .bind(ticket.identity.as_str())
        .bind(self.now)
        .bind(&ticket.created_by)
        .bind(seconds(ticket.expires))
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// The ticket with this digest.
    pub(crate) async fn ticket(&mut self, digest: &str) -> Result<Option<Ticket>, StoreError> {
        let row: Option<TicketRow> =
            sqlx::query_as("SELECT identity, created_by, expires, used_by FROM ticket WHERE digest = $1")
                .bind(digest)
                .fetch_optional(&mut *self.transaction)
                .await?;
        row.map(TicketRow::ticket).transpose()
    }

    /// Uses a ticket up for a key.
    pub(crate) async fn use_ticket(&mut self, digest: &str, key: &Thumbprint) -> Result<(), StoreError> {
        sqlx::query("UPDATE ticket SET used = $1, used_by = $2 WHERE digest = $3")
            .bind(self.now)
            .bind(key.to_string())
            .bind(digest)
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }

    /// Lets the tickets of an identity that nobody has used run out now.
    pub(crate) async fn end_tickets(&mut self, identity: &Identity) -> Result<(), StoreError> {
        sqlx::query("UPDATE ticket SET expires = $1 WHERE identity = $2 AND used IS NULL AND expires > $1")
            .bind(self.now)
            .bind(identity.as_str())
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }

    /// Keeps the statement by which a key changed: the evidence.
    pub(crate) async fn keep_statement(&mut self, digest: &str, content: &str) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO statement (digest, content, received) VALUES ($1, $2, $3) \
             ON CONFLICT (digest) DO NOTHING",
        )
        .bind(digest)
        .bind(content)
        .bind(self.now)
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// Takes out what means nothing any more: revoked certificates that nobody would take, and tickets that ran out long ago.
    pub(crate) async fn prune(&mut self) -> Result<(), StoreError> {
        const LONG_AGO: i64 = 30 * 86_400;
        sqlx::query("DELETE FROM revoked_certificate WHERE forget_after < $1")
            .bind(self.now)
            .execute(&mut *self.transaction)
            .await?;
        sqlx::query("DELETE FROM ticket WHERE expires < $1")
            .bind(self.now.saturating_sub(LONG_AGO))
            .execute(&mut *self.transaction)
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
