//! `envelope keygen`: makes an identity key.

use envelope_core::Algorithm;

use crate::args::{KeyAlgorithm, Keygen};
use crate::error::Error;
use crate::home::Home;
use crate::identity::{Identity, Name};
use crate::passphrase::PassphraseFile;
use crate::random;
use crate::report::{self, Fact, Facts};

pub(crate) fn run(name: &Name, args: Keygen) -> Result<(), Error> {
    let home = Home::find()?;
    let identity = Identity::new(&home, name);
    // Said before a passphrase is read; what decides is that the file can be made.
    if identity.exists()? {
        return Err(Error::IdentityExists(name.clone()));
    }
    let algorithm = match args.alg {
        KeyAlgorithm::Ed25519 => Algorithm::Ed25519,
        KeyAlgorithm::P256 => Algorithm::P256,
    };
    let passphrase = PassphraseFile::new(args.passphrase.passphrase_file).read()?;
    let key = random::key(algorithm)?;
    identity.create(&key, passphrase.as_ref())?;

    let keyid = key.verifying_key().thumbprint().to_string();
    if !args.json.json {
        return report::line(&keyid);
    }
    let facts = Facts::default()
        .with("identity", name.as_str())
        .with("keyid", keyid.as_str())
        .with("alg", algorithm.http_name())
        .with("encrypted", Fact::Flag(passphrase.is_some()));
    facts.print(true)
}
