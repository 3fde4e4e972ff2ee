//! Whether somebody has written since: the header of SQLite's wal-index, which is another after every commit
//! (<https://www.sqlite.org/walformat.html>, section 2.1).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::files::beside;

/// The first copy of the header. SQLite writes it last, when everything that it tells of can be read.
pub(crate) type Header = [u8; 48];

/// The file of the wal-index, which every process that has the database open maps.
#[derive(Debug)]
pub(crate) struct Watch {
    file: &'static File,
}

impl Watch {
    /// Watches the database at `path`, which this process has open in WAL mode already.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        // Never closed: POSIX takes every lock of the process on a file away when any descriptor of it is closed, and
        // SQLite holds locks on this one.
        Ok(Self { file: Box::leak(Box::new(File::open(beside(path, "-shm"))?)) })
    }

    /// What it says now: memory that processes share, so this reads no disk and takes no lock.
    pub(crate) fn header(&self) -> io::Result<Header> {
        let mut header = Header::from([0; 48]);
        self.file.read_exact_at(&mut header, 0)?;
        Ok(header)
    }
}
