//! A passphrase on the one line of a file. `openssl -passin file:F` takes the same of it.

use std::fs::File;
use std::path::Path;

use super::Passphrase;
use crate::error::{Error, PassphraseError};
use crate::private_dir::{check_mode, read_secret};

pub(super) fn read(path: &Path) -> Result<Passphrase, Error> {
    let unreadable = |error| Error::io("cannot open", path, error);
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    // Who may read a pipe or a terminal its mode does not say.
    if metadata.is_file() {
        check_mode(&metadata, path)?;
    }
    let text = read_secret(file, path)?;
    Passphrase::read(text).map_err(|flaw| PassphraseError::File(path.into(), flaw).into())
}
