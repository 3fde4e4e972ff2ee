//! Tickets: each the right to register one key, written down by its digest.

use envelope_core::{Identity, Thumbprint, Timestamp};
use sqlx::{Executor, Sqlite};

use super::rows::{moment, seconds};
use super::{Change, Store, StoreError};

/// The right to register one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) identity: Identity,
    pub(crate) created: Timestamp,
    pub(crate) created_by: String,
    pub(crate) expires: Timestamp,
    pub(crate) used: Option<Use>,
}

/// What became of a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Use {
    /// The key that was registered with it.
    pub(crate) by: Thumbprint,
    pub(crate) at: Timestamp,
}

impl Ticket {
    /// Whether there is anything that it could still do. A used one answers again, to the same key, for as long as it would have been
    /// good: the first answer may have been lost.
    pub(crate) fn is_live(&self, now: Timestamp) -> bool {
        match &self.used {
            None => now < self.expires,
            Some(used) => now.since(used.at) < self.expires.since(self.created),
        }
    }
}

#[derive(sqlx::FromRow)]
struct TicketRow {
    identity: String,
    created: i64,
    created_by: String,
    expires: i64,
    used: Option<i64>,
    used_by: Option<String>,
}

impl TicketRow {
    fn ticket(self) -> Result<Ticket, StoreError> {
        let used = match (self.used, self.used_by) {
            (None, None) => None,
            (Some(at), Some(by)) => {
                Some(Use { by: Thumbprint::parse(&by).ok_or(StoreError::Row)?, at: moment(at)? })
            }
            _ => return Err(StoreError::Row),
        };
        Ok(Ticket {
            identity: Identity::new(&self.identity).ok_or(StoreError::Row)?,
            created: moment(self.created)?,
            created_by: self.created_by,
            expires: moment(self.expires)?,
            used,
        })
    }
}

impl Store {
    /// The ticket with this digest, as it is at this moment.
    pub(crate) async fn ticket(&self, digest: &str) -> Result<Option<Ticket>, StoreError> {
        ticket(&self.writer, digest).await
    }
}

impl Change {
    /// The ticket with this digest.
    pub(crate) async fn ticket(&mut self, digest: &str) -> Result<Option<Ticket>, StoreError> {
        ticket(&mut *self.connection, digest).await
    }

    /// Writes down a ticket by its digest.
    pub(crate) async fn issue_ticket(&mut self, digest: &str, ticket: &Ticket) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO ticket (digest, identity, created, created_by, expires) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(digest)
        .bind(ticket.identity.as_str())
        .bind(seconds(ticket.created))
        .bind(&ticket.created_by)
        .bind(seconds(ticket.expires))
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Uses a ticket up for a key.
    pub(crate) async fn use_ticket(&mut self, digest: &str, key: &Thumbprint) -> Result<(), StoreError> {
        sqlx::query("UPDATE ticket SET used = $1, used_by = $2 WHERE digest = $3")
            .bind(seconds(self.now))
            .bind(key.to_string())
            .bind(digest)
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    /// Ends the tickets of an identity that nobody has used, whatever a clock may say later.
    pub(crate) async fn end_tickets(&mut self, identity: &Identity) -> Result<(), StoreError> {
        sqlx::query("UPDATE ticket SET expires = 0 WHERE identity = $1 AND used IS NULL")
            .bind(identity.as_str())
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    /// Takes out tickets that ran out long ago.
    pub(crate) async fn prune(&mut self) -> Result<(), StoreError> {
        const LONG_AGO: i64 = 30 * 86_400;
        sqlx::query("DELETE FROM ticket WHERE expires < $1 AND (used IS NULL OR used < $1)")
            .bind(seconds(self.now).saturating_sub(LONG_AGO))
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }
}

async fn ticket<'a>(
    database: impl Executor<'a, Database = Sqlite>,
    digest: &str,
) -> Result<Option<Ticket>, StoreError> {
    let row: Option<TicketRow> = sqlx::query_as("SELECT * FROM ticket WHERE digest = $1")
        .bind(digest)
        .fetch_optional(database)
        .await?;
    row.map(TicketRow::ticket).transpose()
}
