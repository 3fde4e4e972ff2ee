//! `envelope key import`: makes a key that is there already the key of an identity.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use envelope_core::VerifyingKey;
use zeroize::Zeroizing;

use crate::args::{KeyImport, NewPassphrase};
use crate::command::key;
use crate::error::{Error, PassphraseError};
use crate::handover;
use crate::home::Home;
use crate::identity::{Identity, KeyHome, Name};
use crate::passphrase::PassphraseSource;
use crate::private_dir::{read_private, read_secret};
use crate::private_key::Spelling;
use crate::report::{self, printable};
use crate::ssh_agent::Agent;
use crate::wallet::Wallet;

pub(crate) fn run(name: &Name, args: KeyImport) -> Result<(), Error> {
    let home = Home::find()?;
    handover::resume(&home, name, &Wallet::load(&home)?)?;
    let identity = Identity::new(&home, name);
    // Said before anybody is asked for anything; what decides is that the file can be made.
    identity.check_new()?;
    let (public, key_home) = match (args.ssh_agent, args.file) {
        (Some(key), _) => from_agent(&identity, &key)?,
        (None, file) => {
            from_file(&identity, &file.unwrap_or_else(|| "-".into()), args.keyring, args.passphrase)?
        }
    };
    if args.json.json {
        key::facts(name, &public, key_home).print(true)
    } else {
        report::line(&public.thumbprint().to_string())
    }
}

fn from_agent(identity: &Identity<'_>, key: &str) -> Result<(VerifyingKey, KeyHome), Error> {
    let public = Agent::find(key)?;
    let key_home = identity.create_in_agent(&public)?;
    Ok((public, key_home))
}

fn from_file(
    identity: &Identity<'_>,
    path: &Path,
    keyring: bool,
    passphrase: NewPassphrase,
) -> Result<(VerifyingKey, KeyHome), Error> {
    let unreadable = |error| Error::Pem(path.into(), error);
    let source = PassphraseSource::for_new_key(passphrase)?;
    let text = read(path)?;
    let spelling = Spelling::of(&text).map_err(unreadable)?;
    let whose = format!("the key in {}", printable(&path.to_string_lossy()));
    let passphrase = if spelling.is_encrypted(&text).map_err(unreadable)? {
        source.read(&whose)?
    } else if keyring && source.encrypts() {
        return Err(PassphraseError::InKeyring.into());
    } else {
        source.read_new(&whose)?
    };
    let key = spelling.read(&text, passphrase.as_ref()).map_err(unreadable)?;
    let key_home = if keyring {
        identity.create_in_keyring(&key)?
    } else {
        identity.create(&key, passphrase.as_ref())?
    };
    Ok((key.verifying_key().clone(), key_home))
}

/// The file, which is held to what key files are held to, or stdin.
fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    if path != Path::new("-") {
        return read_private(path);
    }
    // Not through the buffer of `io::Stdin`, which nobody wipes.
    let stdin = io::stdin().as_fd().try_clone_to_owned().map_err(Error::Stdin)?;
    read_secret(File::from(stdin), Path::new("stdin"))
}
