//! A revocation list from a file: what a verifier that cannot ask another one is told by it.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use envelope_core::{Refusal, RevocationList, Thumbprint, Timestamp};

use super::config::ConfigError;
use crate::clock::Clock;

/// Where a list comes from, and what it is held to.
#[derive(Clone, Debug)]
pub struct Revocations {
    /// The file.
    pub path: PathBuf,
    /// The key that must have signed it.
    pub issuer: Thumbprint,
    /// How old it may be, in seconds.
    pub max_age: u64,
}

/// The list that was taken last.
#[derive(Debug)]
pub(crate) struct OfflineList {
    source: Revocations,
    clock: Clock,
    list: ArcSwap<RevocationList>,
    /// What the file looked like when it was read last.
    seen: ArcSwap<Option<Appearance>>,
}

/// What tells one file from another without reading it.
type Appearance = (u64, u64, i64, i64);

/// Between two looks at the file.
const BEAT: Duration = Duration::from_secs(1);
/// The longest file that is read, in bytes: the longest list.
const MAX_LENGTH: u64 = 64 << 20;

impl OfflineList {
    /// Reads the list.
    ///
    /// # Errors
    /// When there is none that verifies. One that is too old is taken: what it forbids is forbidden all the same.
    pub(crate) fn open(source: &Revocations, clock: Clock) -> Result<Self, ConfigError> {
        let appearance = look(&source.path);
        let list = read(source, clock.now()).map_err(|error| {
            ConfigError::new(
                format!("the revocation list {}: {error}", source.path.display()),
                "give --revocations the answer of GET /api/keys/revocations, and --revocations-key its issuer",
            )
        })?;
        let (list, seen) = (ArcSwap::from_pointee(list), ArcSwap::from_pointee(appearance));
        Ok(Self { source: source.clone(), clock, list, seen })
    }

    /// The list.
    pub(crate) fn current(&self) -> Guard<Arc<RevocationList>> {
        self.list.load()
    }

    /// Refuses to go by a list that is too old.
    pub(crate) fn check_age(&self, now: Timestamp) -> Result<(), Refusal> {
        self.list.load().check_age(self.source.max_age, now)
    }

    /// Takes newer lists as they come, for ever.
    pub(crate) async fn keep_looking(self: Arc<Self>) {
        loop {
            tokio::time::sleep(BEAT).await;
            let list = Arc::clone(&self);
            // A long list takes a while, which requests need not wait for.
            if let Err(error) = tokio::task::spawn_blocking(move || list.look_again()).await {
                tracing::error!(%error, "revocation list");
            }
        }
    }

    fn look_again(&self) {
        let appearance = look(&self.source.path);
        if **self.seen.load() == appearance {
            return;
        }
        self.seen.store(Arc::new(appearance));
        match read(&self.source, self.clock.now()) {
            Ok(list) if list.issued() < self.list.load().issued() => {
                tracing::warn!("the revocation list is older than the one before: not taken");
            }
            Ok(list) => {
                tracing::info!(issued = list.issued().as_unix(), "revocation list taken");
                self.list.store(Arc::new(list));
            }
            Err(error) => tracing::warn!(%error, "the revocation list cannot be taken"),
        }
    }
}

fn look(path: &Path) -> Option<Appearance> {
    let appearance = |file: Metadata| (file.ino(), file.len(), file.mtime(), file.mtime_nsec());
    fs::metadata(path).map(appearance).ok()
}

fn read(source: &Revocations, now: Timestamp) -> Result<RevocationList, String> {
    let length = fs::metadata(&source.path).map_err(|error| error.to_string())?.len();
    if length > MAX_LENGTH {
        return Err("it is longer than 64 MiB".into());
    }
    let json = fs::read(&source.path).map_err(|error| error.to_string())?;
    RevocationList::verify(json.trim_ascii(), &source.issuer, now).map_err(|refusal| refusal.to_string())
}
