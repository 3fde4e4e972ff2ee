//! Whether the path of the store still leads to what is open: a file that was moved, removed or replaced takes changes that
//! nobody else would ever see.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The files of a database, as they were when it was opened. They stay open for as long as the store, so no other file
/// can have their numbers.
#[derive(Debug)]
pub(super) struct Files(Vec<(PathBuf, Number)>);

/// Device and inode.
type Number = (u64, u64);

impl Files {
    /// The database itself, before it is opened.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        Ok(Self(vec![(path.into(), number(path)?)]))
    }

    /// The same, and the files that SQLite has put beside it.
    pub(super) fn with_others(mut self, path: &Path) -> io::Result<Self> {
        for ending in ["-wal", "-shm"] {
            let path = beside(path, ending);
            let number = number(&path)?;
            self.0.push((path, number));
        }
        self.check()?;
        Ok(self)
    }

    /// Looks at all of them.
    pub(super) fn check(&self) -> io::Result<()> {
        for (path, known) in &self.0 {
            if number(path)? != *known {
                return Err(io::Error::other(format!("{} is another file now", path.display())));
            }
        }
        Ok(())
    }
}

/// What SQLite calls a file that belongs to a database.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn number(path: &Path) -> io::Result<Number> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    fs::metadata(path).map(|file| (file.dev(), file.ino())).map_err(named)
}
