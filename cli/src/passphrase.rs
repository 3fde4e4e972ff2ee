//! The passphrase of an identity key: from a file, never from the command line.

use std::env;
use std::fs::File;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::error::{Error, PassphraseError};
use crate::private_dir::{check_mode, read_secret};

const VARIABLE: &str = "ENVELOPE_PASSPHRASE_FILE";

/// Where the passphrase is; it is read when a key has to be opened, and not before.
#[derive(Debug)]
pub(crate) struct PassphraseFile(Option<PathBuf>);

/// A passphrase, wiped when dropped.
pub(crate) struct Passphrase(Zeroizing<Vec<u8>>);

impl PassphraseFile {
    /// The one of the command line, else of the environment, where an empty name is none.
    pub(crate) fn new(given: Option<PathBuf>) -> Self {
        let of_environment = || env::var_os(VARIABLE).filter(|name| !name.is_empty()).map(PathBuf::from);
        Self(given.or_else(of_environment))
    }

    /// No file at all.
    pub(crate) const fn none() -> Self {
        Self(None)
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

/// The one line of the file. `openssl -passin file:F` takes the same of it: its first line, without the LF.
fn read(path: &Path) -> Result<Passphrase, Error> {
    let unreadable = |error| Error::io("cannot open", path, error);
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    // Who may read a pipe or a terminal its mode does not say.
    if metadata.is_file() {
        check_mode(&metadata, path)?;
    }
    let mut text = read_secret(file, path)?;
    if text.ends_with(b"\n") {
        text.pop();
    }
    let error = |error| Error::PassphraseFile(path.into(), error);
    // OpenSSL would take it for a part of the passphrase.
    if text.ends_with(b"\r") {
        return Err(error(PassphraseError::CarriageReturn));
    }
    let one_line = !text.is_empty() && !text.iter().any(|byte| matches!(byte, b'\n' | b'\r' | 0));
    if one_line { Ok(Passphrase(text)) } else { Err(error(PassphraseError::NotOneLine)) }
}
