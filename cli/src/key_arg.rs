//! KEY on the command line: a file (PEM, JWK, OpenSSH `.pub`), a `did:key`, or a thumbprint.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use envelope_core::key::format::KeyRef;
use envelope_core::{Identity, Thumbprint, TrustList, VerifyingKey};

use crate::error::{Error, KeyError};

/// Reads a KEY.
pub(crate) fn read(text: &str) -> Result<KeyRef, Error> {
    // What is spelled out could be a private key by mistake: it is not repeated.
    let shown = if text.starts_with(['{', '-']) { "the text that is given" } else { text };
    let error = |error| Error::Key(shown.into(), error);
    let refused = |refusal| error(KeyError::Refused(refusal));
    if is_spelled_out(text) {
        return KeyRef::parse(text).map_err(refused);
    }
    let file = read_file(text).map_err(|problem| error(KeyError::Unreadable(problem)))?;
    KeyRef::parse(&file).map_err(refused)
}

/// Reads a KEY that must be the key itself.
pub(crate) fn read_full(text: &str) -> Result<VerifyingKey, Error> {
    match read(text)? {
        KeyRef::Key(key) => Ok(key),
        KeyRef::Thumbprint(_) => Err(Error::Key(text.into(), KeyError::ThumbprintAlone)),
    }
}

/// Reads the list of `[NAME=]KEY`. An identity without a name is called by the thumbprint of its key.
pub(crate) fn read_trust(list: &[String]) -> Result<TrustList, Error> {
    let mut trust = TrustList::new();
    for entry in list {
        let (name, key) = split_name(entry);
        let key = read(key)?.thumbprint();
        let name = name.map_or_else(|| key.to_string(), Into::into);
        trust.trust(Identity::new(&name).ok_or(Error::TrustName(name))?, key);
    }
    Ok(trust)
}

/// A file whose name holds `=` is a KEY without a name.
fn split_name(entry: &str) -> (Option<&str>, &str) {
    match entry.split_once('=') {
        Some((name, key)) if !is_spelled_out(entry) && !Path::new(entry).exists() => (Some(name), key),
        _ => (None, entry),
    }
}

fn is_spelled_out(text: &str) -> bool {
    // A line of OpenSSH has a space in it; without one it is a file such as ssh-key.pub.
    let is_openssh =
        text.contains(' ') && ["ssh-", "ecdsa-", "sk-"].iter().any(|start| text.starts_with(start));
    let is_other = ["did:", "{", "-----BEGIN"].iter().any(|start| text.starts_with(start));
    is_openssh || is_other || Thumbprint::parse(text).is_some()
}

fn read_file(path: &str) -> io::Result<String> {
    const LIMIT: u64 = 64 * 1024;
    let mut text = String::new();
    File::open(path)?.take(LIMIT).read_to_string(&mut text)?;
    Ok(text)
}
