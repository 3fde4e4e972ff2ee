//! A passphrase that a command prints first, such as `pass show envelope`.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::Passphrase;
use crate::error::{Error, PassphraseError};
use crate::private_dir::read_secret;

/// Runs it in a shell. Its text may hold a secret and is not repeated.
pub(super) fn read(command: &OsStr) -> Result<Passphrase, Error> {
    let broken = |error: io::Error| Error::from(PassphraseError::Command(error));
    let child = Command::new("sh").arg("-c").arg(command).stdout(Stdio::piped()).spawn();
    let mut child = child.map_err(broken)?;
    let text = read_output(&mut child);
    let status = child.wait().map_err(broken)?;
    let mut text = text?;
    if !status.success() {
        return Err(PassphraseError::CommandFailed(status).into());
    }
    let end = text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
    text.truncate(end);
    Passphrase::read(text).map_err(|flaw| PassphraseError::CommandOutput(flaw).into())
}

fn read_output(child: &mut Child) -> Result<zeroize::Zeroizing<Vec<u8>>, Error> {
    let pipe = child.stdout.take().ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe));
    let pipe = pipe.map_err(PassphraseError::Command)?;
    read_secret(File::from(OwnedFd::from(pipe)), Path::new("the output of the passphrase command"))
}
