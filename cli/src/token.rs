//! Tokens that are given to a command: the ticket of `envelope enroll`, the token of a pack.

use std::env;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::{Error, PackError};
use crate::private_dir::{read_private, read_secret};
use crate::secret::Secret;

/// Where the token of a pack is when no file is named.
const VARIABLE: &str = "ENVELOPE_TOKEN";
/// The longest ticket.
const MAX_LENGTH: usize = 1024;

/// The ticket that is given on the command line, on stdin or in a file.
pub(crate) fn read(given: Option<String>, file: Option<&Path>) -> Result<Option<Secret>, Error> {
    let text = match (given, file) {
        (None, None) => return Ok(None),
        (Some(token), _) if token != "-" => Zeroizing::new(token.into_bytes()),
        (Some(_), _) => read_stdin()?,
        (None, Some(path)) => read_private(path)?,
    };
    // RFC 6750 section 2.1.
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
    let token = text.trim_ascii();
    let token = Some(token).filter(|token| token.len() <= MAX_LENGTH && token.iter().all(is_token));
    let token = token.and_then(|token| Secret::token(std::str::from_utf8(token).ok()?));
    token.ok_or(Error::Token).map(Some)
}

/// The token of a pack: in a file, on stdin (`-`), or in the environment.
pub(crate) fn read_for_pack(file: Option<&Path>) -> Result<Secret, Error> {
    let text = match file {
        Some(path) if path == Path::new("-") => read_stdin()?,
        Some(path) => read_private(path)?,
        None => {
            let variable = env::var_os(VARIABLE).filter(|value| !value.is_empty());
            Zeroizing::new(variable.ok_or(PackError::NoTokenGiven)?.into_vec())
        }
    };
    let token = std::str::from_utf8(text.trim_ascii()).ok().and_then(Secret::pack_token);
    token.ok_or_else(|| PackError::NotAToken.into())
}

fn read_stdin() -> Result<Zeroizing<Vec<u8>>, Error> {
    let stdin = io::stdin().as_fd().try_clone_to_owned().map_err(Error::Stdin)?;
    read_secret(File::from(stdin), Path::new("stdin"))
}
