//! `envelope keygen`: makes an identity key.

use envelope_core::{Algorithm, SigningKey};

use crate::args::{KeyAlgorithm, Keygen, NewKey};
use crate::command::key;
use crate::error::{Error, PassphraseError};
use crate::handover;
use crate::home::Home;
use crate::identity::{Identity, KeyHome, Name};
use crate::passphrase::PassphraseSource;
use crate::random;
use crate::report;
use crate::wallet::Wallet;
use crate::wiping::wiped;

pub(crate) fn run(name: &Name, args: Keygen) -> Result<(), Error> {
    let home = Home::find()?;
    // Nothing is printed while a secret is in memory.
    let (public, key_home) = wiped(|| {
        let (key, key_home) = make(&home, name, args.key)?;
        Ok::<_, Error>((key.verifying_key().clone(), key_home))
    })?;
    if args.json.json {
        key::facts(name, &public, key_home).print(true)
    } else {
        report::line(&public.thumbprint().to_string())
    }
}

/// Makes the key of an identity that has none.
pub(super) fn make(home: &Home, name: &Name, args: NewKey) -> Result<(SigningKey, KeyHome), Error> {
    handover::resume(home, name, &Wallet::load(home)?)?;
    let identity = Identity::new(home, name);
    // Said before a passphrase is read; what decides is that the file can be made.
    identity.check_new()?;
    let source = PassphraseSource::for_new_key(args.passphrase)?;
    if args.keyring && source.encrypts() {
        return Err(PassphraseError::InKeyring.into());
    }
    let passphrase = source.read_new(&format!("the identity {name}"))?;
    let key = random::key(algorithm(args.alg))?;
    let key_home = if args.keyring {
        identity.create_in_keyring(&key)?
    } else {
        identity.create(&key, passphrase.as_ref())?
    };
    Ok((key, key_home))
}

pub(super) const fn algorithm(named: KeyAlgorithm) -> Algorithm {
    match named {
        KeyAlgorithm::Ed25519 => Algorithm::Ed25519,
        KeyAlgorithm::P256 => Algorithm::P256,
    }
}
