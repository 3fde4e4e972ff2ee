//! The files of a log: one is written to, those before it are whole.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use envelope_core::receipt::{Head, Line, MAX_LINE};

use crate::server::config::ConfigError;

/// How much of the end of a file is looked at: two lines at their longest, and what may follow.
const TAIL: u64 = 1 << 20;

const KEEP: &str =
    "move the file out of the directory, and keep it: `envelope audit verify` says where it is broken";

/// The file that is written to. What was written and counts ends at `length`; what may lie behind is taken out before anything
/// else is written.
#[derive(Debug)]
pub(super) struct LogFile {
    directory: PathBuf,
    path: PathBuf,
    file: File,
    length: u64,
    is_clean: bool,
    /// A next file that was begun in vain, and could not be taken away: what is written here must not come to lie before it.
    unwanted: Option<PathBuf>,
}

/// Where a log goes on.
#[derive(Debug)]
pub(super) struct Resumed {
    pub(super) file: LogFile,
    pub(super) head: Head,
    /// How many bytes were taken out at the end.
    pub(super) torn: Option<u64>,
}

impl LogFile {
    /// Goes on with the log in a directory, or begins one.
    ///
    /// # Errors
    /// When it cannot be read or written, or nothing at its end is a line of a log.
    pub(super) fn resume(directory: &Path) -> Result<Resumed, ConfigError> {
        let unusable = |error: io::Error| {
            ConfigError::new(
                format!("{}: {error}", directory.display()),
                "give --data-dir a directory that this verifier can write, on a disk that has room",
            )
        };
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(unusable)?;
        let mut torn = 0;
        for path in newest_first(directory).map_err(unusable)? {
            let end = End::of(&path).map_err(unusable)?;
            torn += end.torn;
            let Some(head) = end.head else {
                // Begun, and nothing of it counts: a crash came before its first line was whole.
                if end.length == 0 {
                    fs::rename(&path, path.with_extension("damaged")).map_err(unusable)?;
                    continue;
                }
                return Err(ConfigError::new(
                    format!("{} does not end with a line of an audit log", path.display()),
                    KEEP,
                ));
            };
            if !end.is_chained {
                return Err(ConfigError::new(
                    format!("the last line of {} does not follow the one before it", path.display()),
                    KEEP,
                ));
            }
            let file = Self::existing(directory, path, end.length).map_err(unusable)?;
            return Ok(Resumed { file, head, torn: (torn > 0).then_some(torn) });
        }
        let file = Self::create(directory, 1).map_err(unusable)?;
        Ok(Resumed { file, head: Head::START, torn: (torn > 0).then_some(torn) })
    }

    fn existing(directory: &Path, path: PathBuf, length: u64) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).open(&path)?;
        let mut file =
            Self { directory: directory.into(), path, file, length, is_clean: false, unwanted: None };
        file.clean()?;
        Ok(file)
    }

    /// A new file, named after its first line, so that names are in the order of the log.
    fn create(directory: &Path, first: u64) -> io::Result<Self> {
        let path = directory.join(format!("{first:020}.jsonl"));
        let file = OpenOptions::new().create_new(true).append(true).mode(0o600).open(&path)?;
        File::open(directory)?.sync_all()?;
        Ok(Self { directory: directory.into(), path, file, length: 0, is_clean: true, unwanted: None })
    }

    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    /// Writes lines to the operating system: all of them, or none that count. They count where whoever looks for the log finds
    /// them, so it is looked before, for nothing is written behind what others have changed, and again behind them.
    ///
    /// # Errors
    /// When it cannot be written, or is not [in its place](Self::in_place).
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.clean()?;
        self.in_place()?;
        self.is_clean = false;
        self.file.write_all(lines)?;
        let length = self.length.saturating_add(u64::try_from(lines.len()).unwrap_or(u64::MAX));
        self.holds(length)?;
        self.is_clean = true;
        self.length = length;
        Ok(())
    }

    /// Takes out what was begun and does not count. A file that others have cut is not made longer.
    pub(super) fn clean(&mut self) -> io::Result<()> {
        if let Some(unwanted) = &self.unwanted {
            match fs::remove_file(unwanted) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => self.unwanted = None,
            }
        }
        if !self.is_clean {
            if self.file.metadata()?.len() > self.length {
                self.file.set_len(self.length)?;
            }
            self.is_clean = true;
        }
        Ok(())
    }

    /// Whether the log is still the file of its name, and as long as it was written.
    ///
    /// # Errors
    /// When it was deleted, moved, replaced, cut or written to by others, or that cannot be seen.
    pub(super) fn in_place(&self) -> io::Result<()> {
        self.holds(self.length)
    }

    fn holds(&self, length: u64) -> io::Result<()> {
        let open = self.file.metadata()?;
        let is_it = match fs::metadata(&self.path) {
            Ok(named) => (named.dev(), named.ino()) == (open.dev(), open.ino()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        let path = self.path.display();
        if !is_it {
            return Err(io::Error::other(format!("{path} was deleted, moved or replaced; put it back")));
        }
        if open.len() != length {
            let found = open.len();
            return Err(io::Error::other(format!(
                "{path} was changed: it has {found} bytes, and {length} were written"
            )));
        }
        Ok(())
    }

    /// What was written is on the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Begins the next file, with these lines. Where that fails, this one is gone on with.
    ///
    /// # Errors
    /// When the next one cannot be written.
    pub(super) fn rotate(&mut self, first: u64, lines: &[u8]) -> io::Result<()> {
        let mut next = Self::create(&self.directory, first)?;
        match next.append(lines).and_then(|()| next.sync()) {
            Ok(()) => {
                *self = next;
                Ok(())
            }
            Err(error) => {
                self.unwanted = Some(next.path);
                // Where it cannot be taken away now, it is before the next line.
                let _ = self.clean();
                Err(error)
            }
        }
    }
}

fn newest_first(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            paths.push(path);
        }
    }
    paths.sort();
    paths.reverse();
    Ok(paths)
}

/// The end of a file, without what a crash has left there.
struct End {
    head: Option<Head>,
    length: u64,
    torn: u64,
    /// Whether the last line follows the one before it, where the file has one. A crash writes no such line: it is for an auditor to
    /// see, and nothing of it is taken out.
    is_chained: bool,
}

impl End {
    fn of(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let whole = file.metadata()?.len();
        let start = whole.saturating_sub(TAIL);
        file.seek(SeekFrom::Start(start))?;
        let mut tail = Vec::new();
        file.take(TAIL).read_to_end(&mut tail)?;
        // What has no end was never answered for. A disk that lost its power may hold worse: that is kept aside.
        let lines: Vec<&[u8]> = tail.split_inclusive(|byte| *byte == b'\n').collect();
        let mut torn = 0;
        let parse = |line: &[u8]| line.strip_suffix(b"\n").and_then(|line| Line::parse(line).ok());
        for (at, line) in lines.iter().enumerate().rev() {
            if let Some(line) = parse(line) {
                // The first that is seen of a longer file may have no beginning; there are others behind it.
                let before = at.checked_sub(1).and_then(|at| lines.get(at));
                let follows = |before: &Line| before.head().append(&line.entry().to_json()).1 == line.head();
                let is_chained = before.is_none_or(|before| parse(before).as_ref().is_some_and(follows));
                if is_chained {
                    keep_aside(path, &tail, torn)?;
                }
                let length = whole.saturating_sub(torn);
                return Ok(Self { head: Some(line.head()), length, torn, is_chained });
            }
            torn += u64::try_from(line.len()).unwrap_or(u64::MAX);
        }
        let has_lines = tail.contains(&b'\n') || start > 0;
        Ok(Self {
            head: None,
            length: if has_lines { whole } else { 0 },
            torn: if has_lines { 0 } else { torn },
            is_chained: true,
        })
    }
}

/// Keeps what is taken out of a file, where it is more than one line that was not finished.
fn keep_aside(path: &Path, tail: &[u8], torn: u64) -> io::Result<()> {
    let from = tail.len().saturating_sub(usize::try_from(torn).unwrap_or(usize::MAX));
    let damaged = tail.get(from..).unwrap_or_default();
    if !damaged.contains(&b'\n') && damaged.len() <= MAX_LINE {
        return Ok(());
    }
    let aside = path.with_extension("damaged");
    let mut aside = OpenOptions::new().create(true).append(true).mode(0o600).open(aside)?;
    aside.write_all(damaged)?;
    aside.sync_all()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test panics when it fails")]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_before_a_next_file_that_cannot_be_taken_away() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = LogFile::resume(directory.path()).unwrap().file;
        log.append(b"one\n").unwrap();
        // What no unlink takes away.
        let next = directory.path().join("next");
        fs::create_dir(&next).unwrap();
        log.unwanted = Some(next.clone());
        assert!(log.append(b"two\n").is_err());
        fs::remove_dir(next).unwrap();
        log.append(b"three\n").unwrap();
        assert_eq!(fs::read(&log.path).unwrap(), b"one\nthree\n");
    }
}
