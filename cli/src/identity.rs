//! Identity keys at rest: `NAME.pem`, the private key, and beside it `NAME.pub.jwk`, so that looking at an identity and
//! signing with a live call key need no passphrase.

use std::fmt;
use std::str::FromStr;

use envelope_core::{SigningKey, VerifyingKey};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::home::Home;
use crate::passphrase::{Passphrase, PassphraseFile};
use crate::pem;
use crate::private_dir::{Locked, PrivateDir};
use crate::public_file;

/// The name of an identity, good as a file name: 1 to 64 characters of `A-Z a-z 0-9 . _ -`, not starting with a dot or a
/// dash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name(String);

impl Name {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the one that is meant when none is named.
    pub(crate) fn is_default(&self) -> bool {
        self.0 == "default"
    }
}

impl FromStr for Name {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let ok = (1..=64).contains(&text.len())
            && !text.starts_with(['.', '-'])
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if ok {
            Ok(Self(text.into()))
        } else {
            Err("a name has 1 to 64 characters of A-Z a-z 0-9 . _ - and does not start with a dot or a dash")
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The names of the identities that are here, in order.
pub(crate) fn list(home: &Home) -> Result<Vec<Name>, Error> {
    let names = home.identities.names()?;
    let names = names.iter().filter_map(|name| name.strip_suffix(".pem")?.parse().ok());
    let mut names: Vec<Name> = names.collect();
    names.sort();
    Ok(names)
}

/// The key of one identity.
#[derive(Debug)]
pub(crate) struct Identity<'a> {
    dir: &'a PrivateDir,
    name: &'a Name,
}

impl<'a> Identity<'a> {
    pub(crate) fn new(home: &'a Home, name: &'a Name) -> Self {
        Self { dir: &home.identities, name }
    }

    /// The file of the private key.
    pub(crate) fn private_file(&self) -> String {
        format!("{}.pem", self.name)
    }

    fn public_file(&self) -> String {
        format!("{}.pub.jwk", self.name)
    }

    /// Whether there is a key.
    pub(crate) fn exists(&self) -> Result<bool, Error> {
        self.dir.holds(&self.private_file())
    }

    /// Keeps a new key. One that is there already stays.
    pub(crate) fn create(&self, key: &SigningKey, passphrase: Option<&Passphrase>) -> Result<(), Error> {
        let file = self.private_file();
        let pem = pem::encode(key, passphrase).map_err(|error| Error::Pem(self.dir.path(&file), error))?;
        let lock = self.lock()?;
        if !lock.create(&file, pem.as_bytes())? {
            return Err(Error::IdentityExists(self.name.clone()));
        }
        self.write_public(&lock, key.verifying_key(), pem.as_bytes())
    }

    /// The public half, without a passphrase; `None` when only an encrypted key itself can say what it is.
    pub(crate) fn public(&self) -> Result<Option<VerifyingKey>, Error> {
        let pem = self.read_private()?;
        if pem::is_encrypted(&pem) {
            return self.written(&pem);
        }
        self.decode(&pem, None).map(|key| Some(key.verifying_key().clone()))
    }

    /// Whether a passphrase is needed to open it.
    pub(crate) fn is_encrypted(&self) -> Result<bool, Error> {
        self.read_private().map(|pem| pem::is_encrypted(&pem))
    }

    /// Opens the key.
    pub(crate) fn open(&self, passphrase: &PassphraseFile) -> Result<SigningKey, Error> {
        let pem = self.read_private()?;
        let passphrase = if pem::is_encrypted(&pem) { passphrase.read()? } else { None };
        let key = self.decode(&pem, passphrase.as_ref())?;
        self.correct_public(key.verifying_key(), &pem)?;
        Ok(key)
    }

    /// The public half, from beside the key where it is there, else from the key.
    pub(crate) fn verifying_key(&self, passphrase: &PassphraseFile) -> Result<VerifyingKey, Error> {
        match self.public()? {
            Some(key) => Ok(key),
            None => self.open(passphrase).map(|key| key.verifying_key().clone()),
        }
    }

    fn read_private(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        let file = self.private_file();
        match self.dir.read(&file)? {
            Some(pem) => Ok(pem),
            None if self.dir.is_link(&file) => Err(Error::Dangling(self.dir.path(&file))),
            None => Err(Error::NoIdentity(self.name.clone())),
        }
    }

    fn decode(&self, pem: &[u8], passphrase: Option<&Passphrase>) -> Result<SigningKey, Error> {
        let key = pem::decode(pem, passphrase);
        key.map_err(|error| Error::Pem(self.dir.path(&self.private_file()), error))
    }

    /// The public half as it is written beside the key; `None` when that is missing, or was written for another key.
    fn written(&self, pem: &[u8]) -> Result<Option<VerifyingKey>, Error> {
        let text = self.dir.read(&self.public_file())?;
        Ok(text.and_then(|text| public_file::read(&text, pem)))
    }

    /// The key is what counts: what is written beside it is made to agree.
    fn correct_public(&self, key: &VerifyingKey, pem: &[u8]) -> Result<(), Error> {
        if self.written(pem)?.as_ref() == Some(key) {
            return Ok(());
        }
        // Where the directory cannot be written the key still signs; it is opened every time then.
        let _ = self.lock().and_then(|lock| self.write_public(&lock, key, pem));
        Ok(())
    }

    fn write_public(&self, lock: &Locked<'_>, key: &VerifyingKey, pem: &[u8]) -> Result<(), Error> {
        lock.replace(&self.public_file(), public_file::write(key, pem).as_bytes())
    }

    fn lock(&self) -> Result<Locked<'a>, Error> {
        // One lock for all identities: whatever a killed process leaves behind is at one place.
        self.dir.lock("identities")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_good_as_file_names() {
        let long = "a".repeat(64);
        for name in ["default", "a", "A.b_c-9", "a..b", long.as_str()] {
            assert_eq!(name.parse::<Name>().unwrap().as_str(), name);
        }
        for name in ["", ".", "..", ".a", "-a", "a/b", "a b", "a\n", "ä", "a=b", "*", &"a".repeat(65)] {
            assert!(name.parse::<Name>().is_err(), "{name}");
        }
    }
}
