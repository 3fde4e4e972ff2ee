//! A revocation list from a file: what a verifier that cannot ask another one is told by it.
//!
//! What was taken is held in memory only: at its start a verifier takes any list that verifies, however much newer the one was that
//! it held before.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use envelope_core::{Refusal, RevocationList, Thumbprint, Timestamp};
use rustix::fs::{Mode, OFlags};

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

    /// Two lists of the same second: nobody can say which of them came first, so both hold.
    fn take(&self, list: RevocationList) {
        let held = self.list.load_full();
        let list = if list.issued() == held.issued() { held.as_ref().clone().and(list) } else { list };
        self.list.store(Arc::new(list));
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
                self.take(list);
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
    let json = contents(&source.path).map_err(|error| error.to_string())?;
    if json.len() > RevocationList::MAX_LENGTH {
        return Err("it is longer than 16 MiB".into());
    }
    RevocationList::verify(json.trim_ascii(), &source.issuer, now).map_err(|refusal| refusal.to_string())
}

/// At most one byte more than a list may have. A pipe or a device, which may never end, is not read at all.
fn contents(path: &Path) -> io::Result<Vec<u8>> {
    // Without that, a pipe that nobody writes to would not even open.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let limit = u64::try_from(RevocationList::MAX_LENGTH).unwrap_or(u64::MAX).saturating_add(1);
    let mut contents = Vec::new();
    file.take(limit).read_to_end(&mut contents)?;
    Ok(contents)
}
