//! A directory that is this user's alone, in which files appear complete or not at all.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::error::Error;

/// The longest file of secrets: many times what a key takes.
const MAX_LENGTH: usize = 64 * 1024;
/// Room beyond what a file is said to hold, by which its end is seen.
const SPARE: usize = 64;
/// How often a directory that vanishes is made again.
const TRIES: u32 = 5;

/// A directory of mode 0700 that belongs to this user.
#[derive(Clone, Debug)]
pub(crate) struct PrivateDir(PathBuf);

impl PrivateDir {
    /// The directory at `path`, which need not be there yet.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self(path)
    }

    pub(crate) fn as_path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The names in it; none when it is not there.
    pub(crate) fn names(&self) -> Result<Vec<String>, Error> {
        if !self.exists()? {
            return Ok(Vec::new());
        }
        let unreadable = |error| Error::io("cannot list", &self.0, error);
        let names = fs::read_dir(&self.0).map_err(unreadable)?;
        let names = names.map(|entry| Ok(entry.map_err(unreadable)?.file_name()));
        let names: Vec<_> = names.collect::<Result<_, Error>>()?;
        Ok(names.into_iter().filter_map(|name| name.into_string().ok()).collect())
    }

    /// Whether the private file `name` is there. It is not opened.
    pub(crate) fn holds(&self, name: &str) -> Result<bool, Error> {
        let path = self.path(name);
        if !self.exists()? {
            return Ok(false);
        }
        let Some(metadata) = found(fs::metadata(&path), &path)? else { return Ok(false) };
        check_file(&metadata, &path).map(|()| true)
    }

    /// Whether `name` is a link, wherever it leads.
    pub(crate) fn is_link(&self, name: &str) -> bool {
        fs::symlink_metadata(self.path(name)).is_ok_and(|metadata| metadata.is_symlink())
    }

    /// Reads the private file `name`; `None` when it is not there.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        self.read_up_to(name, MAX_LENGTH)
    }

    /// The same for a file that may be `limit` bytes long.
    pub(crate) fn read_up_to(&self, name: &str, limit: usize) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        let path = self.path(name);
        if !self.holds(name)? {
            return Ok(None);
        }
        let Some(file) = found(File::open(&path), &path)? else { return Ok(None) };
        read_checked(file, &path, limit).map(Some)
    }

    /// Makes the directory where it is missing, and waits until nobody else writes under the lock `name`.
    pub(crate) fn lock(&self, name: &str) -> Result<Locked<'_>, Error> {
        self.lock_file(name, File::lock).map(|lock| self.locked(name, lock))
    }

    /// The same without waiting; `None` when somebody else has the lock.
    pub(crate) fn try_lock(&self, name: &str) -> Result<Option<Locked<'_>>, Error> {
        let path = self.path(&format!(".{name}.lock"));
        let lock = self.lock_file(name, |_| Ok(()))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(self.locked(name, lock))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(Error::io("cannot lock", &path, error)),
        }
    }

    fn lock_file(&self, name: &str, lock: impl Fn(&File) -> io::Result<()>) -> Result<File, Error> {
        let path = self.path(&format!(".{name}.lock"));
        let mut tries = 0;
        loop {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.0);
            made.map_err(|error| Error::io("cannot make", &self.0, error))?;
            self.exists()?;
            let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
            match file.and_then(|file| lock(&file).map(|()| file)) {
                // Somebody has removed the directory again.
                Err(error) if error.kind() == io::ErrorKind::NotFound && tries < TRIES => tries += 1,
                file => break file.map_err(|error| Error::io("cannot lock", &path, error)),
            }
        }
    }

    fn locked(&self, name: &str, lock: File) -> Locked<'_> {
        Locked { dir: self, temporary: self.path(&format!(".{name}.tmp")), _lock: lock }
    }

    /// Removes a file; one that is not there is removed already.
    pub(crate) fn remove(&self, name: &str) -> Result<(), Error> {
        let path = self.path(name);
        found(fs::remove_file(&path), &path).map(|_| ())
    }

    fn sync(&self) -> Result<(), Error> {
        let synced = File::open(&self.0).and_then(|dir| dir.sync_all());
        synced.map_err(|error| Error::io("cannot write", &self.0, error))
    }

    /// Whether the system would not let this directory be used, or something in it: it is read-only, full, or not there.
    /// What others may use is not meant: that is refused.
    pub(crate) fn is_unusable(&self, error: &Error) -> bool {
        matches!(error, Error::Io(_, path, _) if path.starts_with(&self.0))
    }

    /// Whether the error is that the directory, or a file in it, is gone.
    pub(crate) fn is_gone(&self, error: &Error) -> bool {
        let is_missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        matches!(error, Error::Io(_, path, error) if path.starts_with(&self.0) && is_missing(error))
    }

    /// Whether it is there; refused when others may use it.
    fn exists(&self) -> Result<bool, Error> {
        let Some(metadata) = found(fs::metadata(&self.0), &self.0)? else { return Ok(false) };
        check_private(&metadata, &self.0)?;
        Ok(true)
    }
}

/// The right to write. It ends when this is dropped or the process dies.
#[derive(Debug)]
pub(crate) struct Locked<'a> {
    dir: &'a PrivateDir,
    /// Always the same name: what a killed process has left there, the next one removes.
    temporary: PathBuf,
    _lock: File,
}

impl Locked<'_> {
    /// Writes a new file that survives a power cut; `false` when there is one of that name already.
    pub(crate) fn create(&self, name: &str, bytes: &[u8]) -> Result<bool, Error> {
        let path = self.dir.path(name);
        let file = self.write(bytes)?;
        let synced = file.sync_all();
        self.cleared(synced.map_err(|error| Error::io("cannot write", &self.temporary, error)))?;
        let linked = fs::hard_link(&self.temporary, &path);
        self.remove_temporary()?;
        match linked {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            linked => linked.map_err(|error| Error::io("cannot write", &path, error))?,
        }
        self.dir.sync().map(|()| true)
    }

    /// As [`Locked::replace`], and it survives a power cut.
    pub(crate) fn replace_for_good(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let path = self.dir.path(name);
        let file = self.write(bytes)?;
        let renamed = file.sync_all().and_then(|()| fs::rename(&self.temporary, &path));
        self.cleared(renamed.map_err(|error| Error::io("cannot write", &path, error)))?;
        self.dir.sync()
    }

    /// Moves a file of another directory here, in place of what was there. One that is not there stays so.
    pub(crate) fn move_from(&self, dir: &PrivateDir, from: &str, to: &str) -> Result<(), Error> {
        let (from, to) = (dir.path(from), self.dir.path(to));
        found(fs::rename(&from, &to), &to)?;
        dir.sync()?;
        self.dir.sync()
    }

    /// Gives a file of another directory a second name here. One that is not there gets none, one that has it keeps it.
    pub(crate) fn link_from(&self, dir: &PrivateDir, from: &str, to: &str) -> Result<(), Error> {
        let to = self.dir.path(to);
        match fs::hard_link(dir.path(from), &to) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            linked => drop(found(linked, &to)?),
        }
        self.dir.sync()
    }

    /// Writes a file in place of what was there; readers see the old one or the new one. It is something that can be made
    /// again, so no power cut is waited for.
    pub(crate) fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let path = self.dir.path(name);
        self.write(bytes)?;
        let renamed = fs::rename(&self.temporary, &path);
        self.cleared(renamed.map_err(|error| Error::io("cannot write", &path, error)))
    }

    fn write(&self, bytes: &[u8]) -> Result<File, Error> {
        self.remove_temporary()?;
        let file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&self.temporary);
        let written = file.and_then(|mut file| file.write_all(bytes).map(|()| file));
        self.cleared(written.map_err(|error| Error::io("cannot write", &self.temporary, error)))
    }

    /// What went wrong leaves nothing behind: half a secret helps nobody.
    fn cleared<T>(&self, outcome: Result<T, Error>) -> Result<T, Error> {
        if outcome.is_err() {
            let _ = fs::remove_file(&self.temporary);
        }
        outcome
    }

    fn remove_temporary(&self) -> Result<(), Error> {
        found(fs::remove_file(&self.temporary), &self.temporary).map(|_| ())
    }
}

/// Writes a new file that only its owner can read, anywhere.
pub(crate) fn create_private(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path);
    let mut file = file.map_err(|error| Error::io("cannot write", path, error))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|error| {
        // Half a file would be taken for a whole one.
        let _ = fs::remove_file(path);
        Error::io("cannot write", path, error)
    })
}

/// Reads a private file that lies anywhere.
pub(crate) fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let unreadable = |error| Error::io("cannot read", path, error);
    check_file(&fs::metadata(path).map_err(unreadable)?, path)?;
    read_checked(File::open(path).map_err(unreadable)?, path, MAX_LENGTH)
}

/// What was looked at before it was opened may be another file by now; this one stays the same.
fn read_checked(file: File, path: &Path, limit: usize) -> Result<Zeroizing<Vec<u8>>, Error> {
    let metadata = file.metadata().map_err(|error| Error::io("cannot look at", path, error))?;
    check_file(&metadata, path)?;
    // All of the memory is wiped afterwards, so it is no more than the file takes: a wallet may be a thousand times that.
    let length = usize::try_from(metadata.len()).unwrap_or(limit);
    let room = length.saturating_add(SPARE);
    if room <= limit {
        let bytes = read_wiped(&file, path, room)?;
        if bytes.len() < room {
            return Ok(bytes);
        }
        // It holds more than it says.
        (&file).rewind().map_err(|error| Error::io("cannot read", path, error))?;
    }
    read_limited(&file, path, limit)
}

/// Reads a file into memory that is wiped, without leaving pieces of it in memory that is not.
pub(crate) fn read_secret(file: File, path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    read_limited(&file, path, MAX_LENGTH)
}

fn read_limited(file: &File, path: &Path, limit: usize) -> Result<Zeroizing<Vec<u8>>, Error> {
    let bytes = read_wiped(file, path, limit + 1)?;
    if bytes.len() > limit { Err(Error::TooLong(path.into(), limit)) } else { Ok(bytes) }
}

/// The first `room` bytes, or all where it has less.
fn read_wiped(file: &File, path: &Path, room: usize) -> Result<Zeroizing<Vec<u8>>, Error> {
    // Memory that grows leaves pieces behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    let read = file.take(u64::try_from(room).unwrap_or(u64::MAX)).read_to_end(&mut bytes);
    read.map_err(|error| Error::io("cannot read", path, error))?;
    Ok(bytes)
}

fn found<T>(result: io::Result<T>, path: &Path) -> Result<Option<T>, Error> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some).map_err(|error| Error::io("cannot use", path, error)),
    }
}

fn check_file(metadata: &Metadata, path: &Path) -> Result<(), Error> {
    if !metadata.is_file() {
        return Err(Error::NotAFile(path.into()));
    }
    check_private(metadata, path)
}

fn check_private(metadata: &Metadata, path: &Path) -> Result<(), Error> {
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(Error::Foreign(path.into()));
    }
    check_mode(metadata, path)
}

/// Refuses what others than its owner may use.
pub(crate) fn check_mode(metadata: &Metadata, path: &Path) -> Result<(), Error> {
    if metadata.mode() & 0o077 != 0 {
        return Err(Error::Loose(path.into(), metadata.mode() & 0o7777));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_is_read_whole_and_up_to_its_limit() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("file");
        for length in [0, 1, SPARE, 1000 - SPARE, 1001 - SPARE, 999, 1000, 1001, 5000] {
            fs::write(&path, vec![b'x'; length]).unwrap();
            fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
            match read_checked(File::open(&path).unwrap(), &path, 1000) {
                Ok(bytes) => {
                    assert_eq!((bytes.len(), bytes.capacity()), (length, (length + SPARE).min(1001)))
                }
                Err(error) => {
                    assert!(length > 1000 && matches!(error, Error::TooLong(..)), "{length}: {error}")
                }
            }
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_file_that_holds_more_than_it_says_is_read_whole() {
        let path = Path::new("/proc/self/environ");
        assert_eq!(fs::metadata(path).unwrap().len(), 0);
        assert_eq!(*read_private(path).unwrap(), fs::read(path).unwrap());
    }
}
