//! A directory that is this user's alone, in which files appear complete or not at all.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use zeroize::Zeroizing;

use crate::error::Error;

/// The longest file of secrets: many times what a key takes.
const MAX_LENGTH: usize = 64 * 1024;

/// A directory of mode 0700 that belongs to this user.
#[derive(Debug)]
pub(crate) struct PrivateDir(PathBuf);

impl PrivateDir {
    /// The directory at `path`, which need not be there yet.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self(path)
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

    /// When the private file `name` was last written; `None` when it is not there. It is not opened.
    pub(crate) fn modified(&self, name: &str) -> Result<Option<SystemTime>, Error> {
        let path = self.path(name);
        if !self.exists()? {
            return Ok(None);
        }
        let Some(metadata) = found(fs::metadata(&path), &path)? else { return Ok(None) };
        check_file(&metadata, &path)?;
        metadata.modified().map(Some).map_err(|error| Error::io("cannot look at", &path, error))
    }

    /// Reads the private file `name`; `None` when it is not there.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        let path = self.path(name);
        if self.modified(name)?.is_none() {
            return Ok(None);
        }
        let Some(file) = found(File::open(&path), &path)? else { return Ok(None) };
        // What was looked at above may be another file by now; this one stays the same.
        let metadata = file.metadata().map_err(|error| Error::io("cannot look at", &path, error))?;
        check_file(&metadata, &path)?;
        read_secret(file, &path).map(Some)
    }

    /// Makes the directory where it is missing, and waits until nobody else writes under the lock `name`.
    pub(crate) fn lock(&self, name: &str) -> Result<Locked<'_>, Error> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.0);
        made.map_err(|error| Error::io("cannot make", &self.0, error))?;
        self.exists()?;
        let path = self.path(&format!(".{name}.lock"));
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = file.and_then(|file| file.lock().map(|()| file));
        let file = file.map_err(|error| Error::io("cannot lock", &path, error))?;
        Ok(Locked { dir: self, temporary: self.path(&format!(".{name}.tmp")), _lock: file })
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
        file.sync_all().map_err(|error| Error::io("cannot write", &self.temporary, error))?;
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
        fs::rename(&self.temporary, &path).map_err(|error| Error::io("cannot write", &path, error))
    }

    fn write(&self, bytes: &[u8]) -> Result<File, Error> {
        self.remove_temporary()?;
        let file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&self.temporary);
        let written = file.and_then(|mut file| file.write_all(bytes).map(|()| file));
        written.map_err(|error| Error::io("cannot write", &self.temporary, error))
    }

    fn remove_temporary(&self) -> Result<(), Error> {
        found(fs::remove_file(&self.temporary), &self.temporary).map(|_| ())
    }
}

/// Reads a file into memory that is wiped, without leaving pieces of it in memory that is not.
pub(crate) fn read_secret(file: File, path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_LENGTH + 1));
    let limit = u64::try_from(MAX_LENGTH + 1).unwrap_or(u64::MAX);
    let read = file.take(limit).read_to_end(&mut bytes);
    read.map_err(|error| Error::io("cannot read", path, error))?;
    if bytes.len() > MAX_LENGTH { Err(Error::TooLong(path.into())) } else { Ok(bytes) }
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
    if metadata.mode() & 0o077 != 0 {
        return Err(Error::Loose(path.into(), metadata.mode() & 0o7777));
    }
    Ok(())
}
