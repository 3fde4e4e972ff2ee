//! The directory of what outlives the program: one verifier at a time, and the mark below which envelopes are refused.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use envelope_core::{Timestamp, Window};

use super::config::ConfigError;
use crate::clock::Clock;
use crate::mark::Mark;

/// How far the mark is reserved ahead, in seconds: the skew of clocks, and two beats of the task that does it. For as long, a verifier that has
/// crashed refuses what is signed; so no longer than must be.
const AHEAD: u64 = Window::SKEW + 2;
/// Between two of those.
const BEAT: Duration = Duration::from_secs(1);

/// The directory, while this process has it.
#[derive(Debug)]
pub struct DataDir(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    mark: Arc<Mark>,
    /// One writes at a time, and nobody after it was closed.
    is_closed: Mutex<bool>,
    _lock: File,
}

impl DataDir {
    /// Takes the directory, makes it where it is missing, and reserves the first seconds.
    ///
    /// # Errors
    /// When another verifier has it, or it cannot be used.
    pub fn open(path: &Path, clock: &Clock) -> Result<Self, ConfigError> {
        let hint = "give --data-dir a directory of this verifier's own, which it can write";
        let unusable = |error: io::Error| ConfigError::new(format!("{}: {error}", path.display()), hint);
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path.join("lock"));
        let lock = lock.map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(ConfigError::new(
                    format!("another verifier runs on {}", path.display()),
                    "each verifier has a data directory of its own",
                ));
            }
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        let begin = match fs::read_to_string(path.join("replay-mark")) {
            Ok(text) => text.trim_ascii().parse().map_err(|_| {
                ConfigError::new(
                    format!("{} is no time in seconds", path.join("replay-mark").display()),
                    "wait for as long as signatures are good, then remove it",
                )
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(unusable(error)),
        };
        let (now, begin) = (clock.now(), Timestamp::from_unix(begin));
        if begin > now.plus(AHEAD) {
            tracing::warn!(
                seconds = begin.as_unix().saturating_sub(now.as_unix()),
                "the clock is behind the replay mark, and until it gets there calls are refused: if it was ahead before, remove replay-mark"
            );
        }
        let inner = Inner {
            path: path.into(),
            mark: Arc::new(Mark::new(begin)),
            is_closed: Mutex::new(false),
            _lock: lock,
        };
        inner.reserve(now).map_err(unusable)?;
        Ok(Self(Arc::new(inner)))
    }

    /// The mark.
    #[must_use]
    pub fn mark(&self) -> Arc<Mark> {
        Arc::clone(&self.0.mark)
    }

    /// Keeps reserving the next seconds, for ever. While that fails, or a disk takes its time, envelopes are refused, and nothing else waits.
    pub async fn keep_reserving(&self, clock: &Clock) {
        loop {
            tokio::time::sleep(BEAT).await;
            let (inner, now) = (Arc::clone(&self.0), clock.now());
            let reserved = tokio::task::spawn_blocking(move || inner.reserve(now)).await;
            if let Err(error) = reserved.unwrap_or_else(|error| Err(io::Error::other(error))) {
                tracing::error!(%error, "the replay mark cannot be written");
            }
        }
    }

    /// Lets nothing pass any more, and writes down what was really accepted, so that the next run can begin at once.
    pub fn close(self) {
        if let Err(error) = self.0.close() {
            // The mark that was reserved holds all the same.
            tracing::warn!(%error, "the replay mark cannot be written");
        }
    }
}

impl Inner {
    fn reserve(&self, now: Timestamp) -> io::Result<()> {
        let is_closed = self.is_closed.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_closed {
            return Ok(());
        }
        // A clock that is set back does not take back what may have been accepted.
        let until = now.plus(AHEAD).max(self.mark.reserved());
        self.write(until)?;
        self.mark.reserve(until);
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        let mut is_closed = self.is_closed.lock().unwrap_or_else(PoisonError::into_inner);
        *is_closed = true;
        self.write(self.mark.close())
    }

    /// The old mark or the new one, never half of one, and on the disk before it counts.
    fn write(&self, mark: Timestamp) -> io::Result<()> {
        let temporary = self.path.join("replay-mark.tmp");
        let mut file =
            OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&temporary)?;
        writeln!(file, "{}", mark.as_unix())?;
        file.sync_all()?;
        fs::rename(&temporary, self.path.join("replay-mark"))?;
        File::open(&self.path)?.sync_all()
    }
}
