//! `envelope keygen`: makes an identity key.

use envelope_core::Algorithm;

use crate::args::{KeyAlgorithm, Keygen};
use crate::command::key;
use crate::error::{Error, PassphraseError};
use crate::home::Home;
use crate::identity::{Identity, Name};
use crate::passphrase::PassphraseSource;
use crate::random;
use crate::report;

pub(crate) fn run(name: &Name, args: Keygen) -> Result<(), Error> {
    let home = Home::find()?;
    let identity = Identity::new(&home, name);
    // Said before a passphrase is read; what decides is that the file can be made.
    identity.check_new()?;
    let algorithm = match args.alg {
        KeyAlgorithm::Ed25519 => Algorithm::Ed25519,
        KeyAlgorithm::P256 => Algorithm::P256,
    };
    let source = PassphraseSource::for_new_key(args.passphrase)?;
    if args.keyring && source.encrypts() {
        return Err(PassphraseError::InKeyring.into());
    }
    let passphrase = source.read_new(&format!("the identity {name}"))?;
    let key = random::key(algorithm)?;
    let key_home = if args.keyring {
        identity.create_in_keyring(&key)?
    } else {
        identity.create(&key, passphrase.as_ref())?
    };
    let public = key.verifying_key().clone();
    drop(key);
    if args.json.json {
        key::facts(name, &public, key_home).print(true)
    } else {
        report::line(&public.thumbprint().to_string())
    }
}
