//! The store: what is written down of keys, in one SQLite file that several verifiers on a host may share.
//!
//! Everybody writes through [`Change`], one after the other. Whether somebody has written is seen without asking the
//! database ([`watch`](self::watch)); what was written since is read by one connection that does nothing else.

mod change;
mod files;
mod listing;
mod open;
mod pack;
mod rows;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test panics when it fails")]
mod tests;
mod ticket;
mod watch;

use std::path::{Path, PathBuf};

use envelope_core::{Record, Thumbprint};
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, SqliteConnection, SqlitePool};
use tokio::sync::{Mutex, MutexGuard};

pub(crate) use self::change::Change;
pub(crate) use self::listing::{IdentityPage, KeyFacts, KeyPage};
pub(crate) use self::open::explain;
pub(crate) use self::pack::{NewPack, PackRow, TokenRow};
pub(crate) use self::ticket::Ticket;
pub(crate) use self::watch::Header;

use self::files::Files;
use self::rows::{CertificateRow, KeyRow};
use self::watch::Watch;

/// The file, opened.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    /// Reads what has changed. It stays open for as long as the store, so the file that [`Watch`] looks at stays, too.
    reader: Mutex<SqliteConnection>,
    /// One connection: the changes of this process wait for each other here, and not in the database.
    writer: SqlitePool,
    watch: Watch,
    files: Files,
}

/// The database did not do what it was asked.
#[derive(Debug)]
pub(crate) enum StoreError {
    Database(sqlx::Error),
    /// The file that tells of changes cannot be read.
    Watch(std::io::Error),
    /// A row holds what no verifier writes.
    Row,
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Database(error) => error.fmt(f),
            Self::Watch(error) => error.fmt(f),
            Self::Row => f.write_str("a row cannot be read"),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

/// What was written after a change.
#[derive(Debug)]
pub(crate) struct News<'a> {
    pub(super) reader: MutexGuard<'a, SqliteConnection>,
}

/// A certificate that must not be used any more.
#[derive(Debug)]
pub(crate) struct RevokedCertificate {
    pub(crate) identity_key: Thumbprint,
    pub(crate) id: String,
}

/// A row, and where in its table it lies.
#[derive(sqlx::FromRow)]
struct Placed<T> {
    place: i64,
    #[sqlx(flatten)]
    row: T,
}

/// How many records are held in memory at a time while they are read.
const PORTION: i64 = 10_000;

impl Store {
    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Something that is another whenever somebody has committed a change.
    pub(crate) fn header(&self) -> Result<Header, StoreError> {
        self.watch.header().map_err(StoreError::Watch)
    }

    /// Whether the path still leads to the files that are open here.
    ///
    /// # Errors
    /// What has become of them.
    pub(crate) fn check_files(&self) -> std::io::Result<()> {
        self.files.check()
    }

    /// Reads news; one at a time.
    pub(crate) async fn news(&self) -> News<'_> {
        News { reader: self.reader.lock().await }
    }
}

impl News<'_> {
    /// The number of the last change. Read before the records, it counts no change that they do not have.
    pub(crate) async fn last_change(&mut self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar("SELECT value FROM change").fetch_one(&mut *self.reader).await?)
    }

    /// Records that were written after a change.
    pub(crate) async fn records(
        &mut self,
        after: i64,
        mut take: impl FnMut(Record),
    ) -> Result<(), StoreError> {
        if after == 0 {
            let all = "SELECT rowid AS place, * FROM known_key WHERE rowid > $1 ORDER BY rowid LIMIT $2";
            return self.all(all, |row: KeyRow| row.record().map(&mut take)).await;
        }
        let mut last = (after.saturating_add(1), String::new());
        loop {
            let rows: Vec<KeyRow> = sqlx::query_as(
                "SELECT * FROM known_key WHERE (changed, thumbprint) > ($1, $2) \
                 ORDER BY changed, thumbprint LIMIT $3",
            )
            .bind(last.0)
            .bind(&last.1)
            .bind(PORTION)
            .fetch_all(&mut *self.reader)
            .await?;
            for row in &rows {
                take(row.record()?);
            }
            match rows.into_iter().next_back() {
                Some(row) => last = (row.changed, row.thumbprint),
                None => return Ok(()),
            }
        }
    }

    /// Every row of a table, in the order in which they lie in the file: by an index, a million rows are a million places to read from.
    async fn all<R>(
        &mut self,
        query: &'static str,
        mut take: impl FnMut(R) -> Result<(), StoreError>,
    ) -> Result<(), StoreError>
    where
        R: for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
    {
        let mut last = i64::MIN;
        loop {
            let rows: Vec<Placed<R>> =
                sqlx::query_as(query).bind(last).bind(PORTION).fetch_all(&mut *self.reader).await?;
            match rows.last() {
                Some(row) => last = row.place,
                None => return Ok(()),
            }
            rows.into_iter().try_for_each(|row| take(row.row))?;
        }
    }

    /// Certificates that were revoked after a change.
    pub(crate) async fn certificates(&mut self, after: i64) -> Result<Vec<RevokedCertificate>, StoreError> {
        let rows: Vec<CertificateRow> =
            sqlx::query_as("SELECT identity_key, jti FROM revoked_certificate WHERE changed > $1")
                .bind(after)
                .fetch_all(&mut *self.reader)
                .await?;
        rows.into_iter().map(CertificateRow::revoked).collect()
    }
}
