//! A directory that is this user's alone, in which files appear complete or not at all.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::error::Error;

/// The longest file of secrets: many times what a key takes.
const MAX_LENGTH: usize = 64 * 1024;
/// How often a directory that vanishes is made again.
const TRIES: u32 = 5;

/// A directory of mode 0700 that belongs to this user.
#[derive(Debug)]
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
        let path = self.path(name);
        if !self.holds(name)? {
            return Ok(None);
        }
        let Some(file) = found(File::open(&path), &path)? else { return Ok(None) };
        read_checked(file, &path).map(Some)
    }

    /// Makes the directory where it is missing, and waits until nobody else writes under the lock `name`.
    pub(crate) fn lock(&self, name: &str) -> Result<Locked<'_>, Error> {
        let path = self.path(&format!(".{name}.lock"));
        let mut tries = 0;
        let file = loop {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.0);
            made.map_err(|error| Error::io("cannot make", &self.0, error))?;
            self.exists()?;
            let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
            match file.and_then(|file| file.lock().map(|()| file)) {
                // Somebody has removed the directory again.
                Err(error) if error.kind() == io::ErrorKind::NotFound && tries < TRIES => tries += 1,
                file => break file.map_err(|error| Error::io("cannot lock", &path, error))?,
            }
        };
        Ok(Locked { dir: self, temporary: self.path(&format!(".{name}.tmp")), _lock: file })
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
        let synced = File::open(&self.dir.0).and_then(|dir| dir.sync_all());
        synced.map(|()| true).map_err(|error| Error::io("cannot write", &self.dir.0, error))
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

/// Reads a private file that lies anywhere.
pub(crate) fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let unreadable = |error| Error::io("cannot read", path, error);
    check_file(&fs::metadata(path).map_err(unreadable)?, path)?;
    read_checked(File::open(path).map_err(unreadable)?, path)
}

/// What was looked at before it was opened may be another file by now; this one stays the same.
fn read_checked(file: File, path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let metadata = file.metadata().map_err(|error| Error::io("cannot look at", path, error))?;
    check_file(&metadata, path)?;
    read_secret(file, path)
}

/// Reads a file into memory that is wiped, without leaving pieces of it in memory that is not.
pub(crate) fn read_secret(file: File, path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_LENGTH + 1));
    let limit = u64::try_from(MAX_LENGTH + 1).unwrap_or(u64::MAX);
    let read = file.take(limit).read_to_end(&mut bytes);
    read.map_err(|error| Error::io("cannot read", path, error))?;
    if bytes.len() > MAX_LENGTH { Err(Error::TooLong(path.into(), "64 KiB")) } else { Ok(bytes) }
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
