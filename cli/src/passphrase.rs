//! The passphrase of an identity key: from a file, never from the command line.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::error::Error;
use crate::private_dir::read_secret;

/// Where the passphrase is; it is read when a key has to be opened, and not before.
#[derive(Debug)]
pub(crate) struct PassphraseFile(Option<PathBuf>);

/// A passphrase, wiped when dropped.
pub(crate) struct Passphrase(Zeroizing<Vec<u8>>);

impl PassphraseFile {
    pub(crate) fn new(path: Option<PathBuf>) -> Self {
        Self(path)
    }

    /// Reads it; `None` when no file was named.
    pub(crate) fn read(&self) -> Result<Option<Passphrase>, Error> {
        self.0.as_deref().map(read).transpose()
    }
}

impl Passphrase {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The one line of the file, as `openssl -passin file:F` takes it.
fn read(path: &Path) -> Result<Passphrase, Error> {
    let file = std::fs::File::open(path).map_err(|error| Error::io("cannot open", path, error))?;
    let mut text = read_secret(file, path)?;
    if text.ends_with(b"\n") {
        text.pop();
    }
    if text.ends_with(b"\r") {
        text.pop();
    }
    let one_line = !text.is_empty() && !text.iter().any(|byte| matches!(byte, b'\n' | b'\r' | 0));
    if one_line { Ok(Passphrase(text)) } else { Err(Error::PassphraseFile(path.into())) }
}
