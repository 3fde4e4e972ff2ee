//! Opening the store, or why it cannot be.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::Mutex;

use super::files::Files;
use super::watch::Watch;
use super::{Store, StoreError};
use crate::server::config::ConfigError;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// How long a change, or the start, waits for another process.
const PATIENCE: Duration = Duration::from_secs(5);

impl Store {
    /// Opens the file, makes it where it is missing, and brings its tables up to date.
    ///
    /// # Errors
    /// When it cannot be written, is no store, or was written by a newer version.
    pub(crate) async fn open(path: &Path) -> Result<Self, ConfigError> {
        let unusable = |error: StoreError| explain(path, &error);
        check_name(path)?;
        // One process at a time makes the file and its tables.
        let alone = alone(path).await?;
        make(path).map_err(|error| unwritable(path, &error))?;
        // SQLite keeps its other files beside the file itself, not beside a link to it.
        let path = path.canonicalize().map_err(|error| unwritable(path, &error))?;
        check_file(&path)?;
        let files = Files::of(&path).map_err(|error| unwritable(&path, &error))?;
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .journal_mode(SqliteJournalMode::Wal)
            // What was answered survives a power cut.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(PATIENCE)
            .foreign_keys(true)
            // The thread that asks SQLite does not wait for whoever takes the rows, nor those for it, at every few of them.
            .row_buffer_size(1024)
            .disable_statement_logging();
        let mut reader = options.connect().await.map_err(|error| unusable(error.into()))?;
        MIGRATIONS.run_direct(None, &mut reader, false).await.map_err(|error| outdated(&path, error))?;
        let files = files.with_others(&path).map_err(|error| unusable(StoreError::Watch(error)))?;
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
        Ok(Self { path, reader: Mutex::new(reader), writer, watch, files })
    }
}

/// The directory, while no other process makes a store in it.
async fn alone(path: &Path) -> Result<File, ConfigError> {
    const PAUSE: Duration = Duration::from_millis(50);
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = File::open(directory.unwrap_or(Path::new(".")));
    let directory = directory.map_err(|error| unwritable(path, &error))?;
    let begin = Instant::now();
    loop {
        match directory.try_lock() {
            Ok(()) => return Ok(directory),
            Err(TryLockError::Error(error)) => return Err(unwritable(path, &error)),
            Err(TryLockError::WouldBlock) if begin.elapsed() < PATIENCE => tokio::time::sleep(PAUSE).await,
            Err(TryLockError::WouldBlock) => {
                return Err(ConfigError::new(
                    format!("another program holds a lock on the directory of {}", path.display()),
                    "end that program, or give --store a file in another directory",
                ));
            }
        }
    }
}

/// A name of SQLite's own, or of the issuer's key, was not meant.
fn check_name(path: &Path) -> Result<(), ConfigError> {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    if name.is_empty() || ["-wal", "-shm", "-journal", ".pem"].iter().any(|ending| name.ends_with(ending)) {
        return Err(ConfigError::new(
            format!("{:?} is no name of a store", path.display().to_string()),
            "give --store the file itself, say store.sqlite: SQLite keeps others beside it",
        ));
    }
    Ok(())
}

/// A file, and nobody else's business: what stands there decides who is known.
fn check_file(path: &Path) -> Result<(), ConfigError> {
    let file = fs::metadata(path).map_err(|error| unwritable(path, &error))?;
    if !file.is_file() {
        return Err(ConfigError::new(
            format!("{} is not a file", path.display()),
            "give --store the file in which the keys are kept",
        ));
    }
    if file.permissions().mode() & 0o077 != 0 {
        return Err(ConfigError::new(
            format!("{} can be read or written by others", path.display()),
            "see who has written to it, then run chmod 600 on it",
        ));
    }
    Ok(())
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
