//! `envelope key export`: the key of an identity, for other programs.

use envelope_core::VerifyingKey;
use zeroize::Zeroizing;

use crate::args::{ExportFormat, KeyExport};
use crate::error::Error;
use crate::home::Home;
use crate::identity::{Identity, Name};
use crate::passphrase::PassphraseSource;
use crate::private_key::{jwk, openssh};
use crate::report;

pub(crate) fn run(name: &Name, args: KeyExport) -> Result<(), Error> {
    let home = Home::find()?;
    let identity = Identity::new(&home, name);
    let passphrase = PassphraseSource::new(args.passphrase)?;
    if args.private {
        let text = private(&identity, args.format, &passphrase)?;
        return report::data(&text);
    }
    let text = public(&identity.verifying_key(&passphrase)?, args.format);
    report::line(text.trim_ascii_end())
}

fn public(key: &VerifyingKey, format: ExportFormat) -> String {
    match format {
        ExportFormat::Pem => key.to_pem(),
        ExportFormat::Jwk => key.to_jwk(),
        ExportFormat::Openssh => key.to_openssh(),
        ExportFormat::Did => key.to_did(),
    }
}

fn private(
    identity: &Identity<'_>,
    format: ExportFormat,
    passphrase: &PassphraseSource,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let open = || identity.private_key(passphrase);
    match format {
        ExportFormat::Pem => identity.private_pem(),
        ExportFormat::Jwk => open().map(|(key, _)| line(&jwk::write(&key))),
        ExportFormat::Openssh => {
            let (key, passphrase) = open()?;
            openssh::write(&key, passphrase.as_ref())
                .map(|text| line(&text))
                .map_err(|error| identity.unreadable(error))
        }
        ExportFormat::Did => Err(Error::NoPrivateForm),
    }
}

/// The text, with an LF at its end and no copy left behind.
fn line(text: &str) -> Zeroizing<Vec<u8>> {
    let text = text.trim_ascii_end();
    let mut line = Zeroizing::new(Vec::with_capacity(text.len() + 1));
    line.extend_from_slice(text.as_bytes());
    line.push(b'\n');
    line
}
