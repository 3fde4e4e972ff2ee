//! KEY on the command line: a file (PEM, JWK, OpenSSH `.pub`), a `did:key`, or a thumbprint.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use envelope_core::key::format::KeyRef;
use envelope_core::{Identity, Standing, Thumbprint, Trust, TrustList, VerifyingKey};

use crate::error::{Error, KeyError};

/// Reads a KEY.
pub(crate) fn read(text: &str) -> Result<KeyRef, Error> {
    let error = |error| Error::Key(repeatable(text).into(), error);
    let refused = |refusal| error(KeyError::Refused(refusal));
    let file;
    let spelled = if is_spelled_out(text) {
        text
    } else {
        file = read_file(text).map_err(|problem| error(KeyError::Unreadable(problem)))?;
        &file
    };
    match KeyRef::parse(spelled) {
        Err(_) if spelled.trim_ascii_start().starts_with("sk-") => Err(error(KeyError::SecurityKey)),
        key => key.map_err(refused),
    }
}

/// Reads a KEY that must be the key itself.
pub(crate) fn read_full(text: &str) -> Result<VerifyingKey, Error> {
    match read(text)? {
        KeyRef::Key(key) => Ok(key),
        KeyRef::Thumbprint(_) => Err(Error::Key(repeatable(text).into(), KeyError::ThumbprintAlone)),
    }
}

/// The text as an error repeats it. It could be a private key by mistake: what looks like anything but the name of a file, a
/// `did:key` or a thumbprint is not repeated.
fn repeatable(text: &str) -> &str {
    let is_short = text.len() <= 256;
    if is_short && !text.contains(['{', '"', '\n', '\r']) && !text.contains("-----BEGIN") {
        text
    } else {
        "the text that is given"
    }
}

/// Reads the list of `[NAME=]KEY`. An identity without a name is called by the thumbprint of its key.
pub(crate) fn read_trust(list: &[String]) -> Result<TrustList, Error> {
    let mut trust = TrustList::new();
    for entry in list {
        let (name, key) = split_name(entry);
        let key = read(key)?.thumbprint();
        let name = name.map_or_else(|| key.to_string(), Into::into);
        let name = Identity::new(&name).ok_or_else(|| Error::TrustName(repeatable(&name).into()))?;
        // A request has one identity: which of two names it should be nobody can say.
        match trust.standing(&key) {
            Standing::Identity { identity: other, .. } if other != name => {
                return Err(Error::TwoNames(other, name));
            }
            _ => trust.trust(name, key),
        }
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
    let text = text.trim_ascii_start();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_secret_is_not_repeated() {
        for text in ["alice.pub", "did:key:z6Mk", "a b", "./ssh-key.pub"] {
            assert_eq!(repeatable(text), text);
        }
        let long = "a".repeat(257);
        for text in ["{", " {\"d\":\"x\"}", "[{", "x-----BEGIN", "\"d", "a\nb", &long] {
            assert_eq!(repeatable(text), "the text that is given", "{text}");
        }
    }
}
