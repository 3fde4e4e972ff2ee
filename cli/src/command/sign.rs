//! `envelope sign`: prints what to add to a request.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use envelope_core::Signed;

use crate::args::{Sign, SignFormat};
use crate::call_key::CallKey;
use crate::choice::Choice;
use crate::credential::Credential;
use crate::error::Error;
use crate::handed_key;
use crate::home::Home;
use crate::identity::Name;
use crate::origin::Origin;
use crate::outgoing::Outgoing;
use crate::passphrase::PassphraseSource;
use crate::report;
use crate::wallet::Wallet;
use crate::wiping::wiped;

pub(crate) fn run(name: Option<&Name>, args: Sign) -> Result<(), Error> {
    let format = match args.format {
        None if args.json => SignFormat::Json,
        Some(other) if args.json && !matches!(other, SignFormat::Json) => return Err(Error::Formats(other)),
        format => format.unwrap_or(SignFormat::Headers),
    };
    let request = Outgoing::read(&args.request)?;
    let passphrase = PassphraseSource::new(args.passphrase)?;
    // Nothing is printed while a secret is in memory.
    let signed = wiped(|| match handed_key::read(&args.handed, &passphrase)? {
        Some(handed) => request.sign(&handed, args.ttl),
        None => {
            let home = Home::find()?;
            request.sign(&call_key(&home, &args.request.url, name, &passphrase)?, args.ttl)
        }
    })?;
    match format {
        SignFormat::Json => report::line(&request.document(&signed)?.to_json()),
        SignFormat::Headers => {
            let lines: String =
                request.added(&signed).iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
            report::data(lines.as_bytes())
        }
        SignFormat::Curl => report::data(&curl(&request, &signed, args.request.body.as_deref())),
    }
}

/// That of the identity, or of the login, that the wallet has for the URL.
fn call_key(
    home: &Home,
    url: &str,
    name: Option<&Name>,
    source: &PassphraseSource,
) -> Result<CallKey, Error> {
    if let Some(origin) = Origin::of(url) {
        let wallet = Wallet::load(home)?;
        let choice = Choice::of(home, &wallet, &origin, None, name, None)?;
        if let Some(call_key) = choice.call_key(home, source)? {
            return Ok(call_key);
        }
    }
    // Clients that take this spelling of a URL are not ours.
    Credential::default_for(name).call_key(home, source)
}

/// A command that sends the request as it was signed.
fn curl(request: &Outgoing, signed: &Signed, body: Option<&Path>) -> Vec<u8> {
    let mut command = b"curl".to_vec();
    match (request.method(), body) {
        ("GET", None) => {}
        // With --request HEAD curl would wait for a body that never comes.
        ("HEAD", None) => command.extend(b" --head"),
        (method, _) => command.extend(format!(" --request {}", shell_quote(method)).bytes()),
    }
    for (name, value) in request.given().chain(request.added(signed)) {
        command.extend(format!(" --header {}", shell_quote(&format!("{name}: {value}"))).bytes());
    }
    if let Some(body) = body {
        let mut argument = b"@".to_vec();
        argument.extend(body.as_os_str().as_bytes());
        command.extend(b" --data-binary ");
        command.extend(quote(OsStr::from_bytes(&argument)));
    }
    command.extend(format!(" {}\n", shell_quote(request.url())).bytes());
    command
}

/// The text as one word of a shell.
pub(crate) fn shell_quote(text: &str) -> String {
    String::from_utf8_lossy(&quote(OsStr::new(text))).into_owned()
}

fn quote(word: &OsStr) -> Vec<u8> {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(byte);
    let word = word.as_bytes();
    if !word.is_empty() && word.iter().all(is_plain) {
        return word.into();
    }
    let mut quoted = b"'".to_vec();
    for byte in word {
        // Nothing is special between single quotes but the quote itself.
        if *byte == b'\'' { quoted.extend(br"'\''") } else { quoted.push(*byte) }
    }
    quoted.push(b'\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stays_one_word() {
        assert_eq!(shell_quote("http://a/b?c=d"), "'http://a/b?c=d'");
        assert_eq!(shell_quote("http://a/b"), "http://a/b");
        assert_eq!(shell_quote("it's $HOME `x` \"y\" \\"), r#"'it'\''s $HOME `x` "y" \'"#);
        assert_eq!(shell_quote(""), "''");
    }
}
