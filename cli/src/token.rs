//! The token of `envelope enroll`.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::Error;
use crate::private_dir::{read_private, read_secret};

/// The token that is given on the command line, on stdin or in a file.
pub(crate) fn read(given: Option<String>, file: Option<&Path>) -> Result<Option<Zeroizing<String>>, Error> {
    let text = match (given, file) {
        (None, None) => return Ok(None),
        (Some(token), _) if token != "-" => Zeroizing::new(token.into_bytes()),
        (Some(_), _) => {
            let stdin = io::stdin().as_fd().try_clone_to_owned().map_err(Error::Stdin)?;
            read_secret(File::from(stdin), Path::new("stdin"))?
        }
        (None, Some(path)) => read_private(path)?,
    };
    // RFC 6750 section 2.1.
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
    let token = text.trim_ascii();
    if token.is_empty() || token.len() > 1024 || !token.iter().all(is_token) {
        return Err(Error::Token);
    }
    Ok(Some(Zeroizing::new(String::from_utf8_lossy(token).into_owned())))
}
