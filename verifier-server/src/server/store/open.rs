//! Opening the store, or why it cannot be.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::Mutex;

use super::watch::Watch;
use super::{Store, StoreError};
use crate::server::config::ConfigError;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// How long a change waits for one of another process.
const PATIENCE: Duration = Duration::from_secs(5);

impl Store {
    /// Opens the file, makes it where it is missing, and brings its tables up to date.
    ///
    /// # Errors
    /// When it cannot be written, is no store, or was written by a newer version.
    pub(crate) async fn open(path: &Path) -> Result<Self, ConfigError> {
        let unusable = |error: StoreError| explain(path, &error);
        // One process at a time makes the file and its tables.
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let alone = File::open(directory.unwrap_or(Path::new("."))).and_then(|directory| {
            directory.lock()?;
            Ok(directory)
        });
        let alone = alone.map_err(|error| unwritable(path, &error))?;
        make(path).map_err(|error| unwritable(path, &error))?;
        // SQLite keeps its other files beside the file itself, not beside a link to it.
        let path = path.canonicalize().map_err(|error| unwritable(path, &error))?;
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .journal_mode(SqliteJournalMode::Wal)
            // What was answered survives a power cut.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(PATIENCE)
            .foreign_keys(true)
            .disable_statement_logging();
        let mut reader = options.connect().await.map_err(|error| unusable(error.into()))?;
        MIGRATIONS.run_direct(None, &mut reader, false).await.map_err(|error| outdated(&path, error))?;
        let watch = Watch::open(&path).map_err(|error| unusable(StoreError::Watch(error)))?;
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .acquire_timeout(PATIENCE)
            .connect_with(options)
            .await
            .map_err(|error| unusable(error.into()))?;
        drop(alone);
        reader.ping().await.map_err(|error| unusable(error.into()))?;
        Ok(Self { path, reader: Mutex::new(reader), writer, watch })
    }
}

/// SQLite would make the file readable for everybody; its other files take the mode of this one.
fn make(path: &Path) -> io::Result<()> {
    match OpenOptions::new().create_new(true).write(true).mode(0o600).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}

fn unwritable(path: &Path, error: &io::Error) -> ConfigError {
    ConfigError::new(
        format!("{}: {error}", path.display()),
        "give --store or --data-dir a path that this verifier can write, in a directory that is there",
    )
}

fn outdated(path: &Path, error: MigrateError) -> ConfigError {
    match error {
        MigrateError::VersionMissing(_) | MigrateError::VersionTooNew(..) => ConfigError::new(
            format!("{} was written by a newer version of envelope-verifier", path.display()),
            "run that version, or give --store another file",
        ),
        MigrateError::VersionMismatch(_) | MigrateError::Dirty(_) => ConfigError::new(
            format!("{} has tables of another program", path.display()),
            "give --store a file of its own",
        ),
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            explain(path, &StoreError::Database(error))
        }
        error => ConfigError::new(format!("{}: {error}", path.display()), "give --store another file"),
    }
}

/// What is wrong with a store, and what to do about it.
pub(crate) fn explain(path: &Path, error: &StoreError) -> ConfigError {
    // SQLITE_CORRUPT and SQLITE_NOTADB.
    let code = match error {
        StoreError::Database(sqlx::Error::Database(error)) => error.code(),
        _ => None,
    };
    let damaged = matches!(error, StoreError::Row) || matches!(code.as_deref(), Some("11" | "26"));
    if damaged {
        ConfigError::new(
            format!("{} is no store of keys, or is damaged: {error}", path.display()),
            "put a copy from before in its place, or give --store another file",
        )
    } else {
        ConfigError::new(
            format!("{}: {error}", path.display()),
            "give --store or --data-dir a path that this verifier can write",
        )
    }
}
