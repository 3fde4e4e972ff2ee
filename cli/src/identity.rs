//! Identity keys at rest: `NAME.pem`, the private key or where it lives, and beside a private key `NAME.pub.jwk`, so that
//! looking at an identity and signing with a live call key need no passphrase.

mod name;

use envelope_core::{SigningKey, Thumbprint, VerifyingKey};
use zeroize::Zeroizing;

use crate::elsewhere::{self, Place};
use crate::error::Error;
use crate::home::Home;
use crate::identity_key::IdentityKey;
use crate::keyring;
use crate::passphrase::{Passphrase, PassphraseSource};
use crate::pem::{self, PemError};
use crate::private_dir::{Locked, PrivateDir};
use crate::public_file;

pub(crate) use name::Name;

/// The names of the identities that are here, in order.
pub(crate) fn list(home: &Home) -> Result<Vec<Name>, Error> {
    let names = home.identities.names()?;
    let names = names.iter().filter_map(|name| name.strip_suffix(".pem")?.parse().ok());
    let mut names: Vec<Name> = names.collect();
    names.sort();
    Ok(names)
}

/// Where a key lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyHome {
    /// In its file, as it is.
    File,
    /// In its file, encrypted.
    Encrypted,
    Elsewhere(Place),
}

impl KeyHome {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Encrypted => "encrypted",
            Self::Elsewhere(place) => place.as_str(),
        }
    }
}

/// What the file of a private key holds.
#[allow(clippy::large_enum_variant, reason = "one is looked at at a time")]
enum Kept {
    Here(Zeroizing<Vec<u8>>),
    Elsewhere(Place, VerifyingKey),
}

/// The key of one identity.
#[derive(Debug)]
pub(crate) struct Identity<'a> {
    dir: &'a PrivateDir,
    name: &'a Name,
    /// What its files are called, but for the ending.
    stem: String,
}

impl<'a> Identity<'a> {
    pub(crate) fn new(home: &'a Home, name: &'a Name) -> Self {
        Self { dir: &home.identities, name, stem: name.to_string() }
    }

    /// The key that is to take the place of the identity's.
    pub(crate) fn next(home: &'a Home, name: &'a Name) -> Self {
        Self { dir: &home.next, name, stem: name.to_string() }
    }

    /// A key that the identity had before.
    pub(crate) fn retired(home: &'a Home, name: &'a Name, key: &Thumbprint) -> Self {
        Self { dir: &home.retired, name, stem: key.to_string() }
    }

    /// The file of its call key, and the name of the lock on that.
    pub(crate) fn call_key_files(&self, home: &Home) -> (String, String) {
        if std::ptr::eq(self.dir, &home.retired) {
            (format!("retired.{}.call", self.stem), format!("retired.{}", self.stem))
        } else {
            (format!("{}.call", self.stem), self.stem.clone())
        }
    }

    /// The file of the private key.
    pub(crate) fn private_file(&self) -> String {
        format!("{}.pem", self.stem)
    }

    fn public_file(&self) -> String {
        format!("{}.pub.jwk", self.stem)
    }

    /// Whether there is a key.
    pub(crate) fn exists(&self) -> Result<bool, Error> {
        self.dir.holds(&self.private_file())
    }

    /// Fails when there is one: what is there already stays.
    pub(crate) fn check_new(&self) -> Result<(), Error> {
        if self.exists()? { Err(self.taken()) } else { Ok(()) }
    }

    /// Keeps a new key in its file.
    pub(crate) fn create(&self, key: &SigningKey, passphrase: Option<&Passphrase>) -> Result<KeyHome, Error> {
        let pem = pem::encode(key, passphrase).map_err(|error| self.unreadable(error))?;
        let lock = self.lock()?;
        self.write_new(&lock, pem.as_bytes())?;
        self.write_public(&lock, key.verifying_key(), pem.as_bytes())?;
        Ok(if passphrase.is_some() { KeyHome::Encrypted } else { KeyHome::File })
    }

    /// Keeps a new key in the keyring.
    pub(crate) fn create_in_keyring(&self, key: &SigningKey) -> Result<KeyHome, Error> {
        let lock = self.lock()?;
        self.check_new()?;
        // First, so that no file names an entry that is not there. One that no file names may be another identity's.
        keyring::keep(key).map_err(Error::Keyring)?;
        self.write_elsewhere(&lock, Place::Keyring, key.verifying_key())
    }

    /// The same for a key of which nobody has heard yet: a file without an entry is wiped like one with it, and no entry stays
    /// behind without a file.
    pub(crate) fn create_next_in_keyring(&self, key: &SigningKey) -> Result<KeyHome, Error> {
        let kept = self.write_elsewhere(&self.lock()?, Place::Keyring, key.verifying_key())?;
        keyring::keep(key).map_err(Error::Keyring)?;
        Ok(kept)
    }

    /// Notes a key that the ssh-agent holds.
    pub(crate) fn create_in_agent(&self, key: &VerifyingKey) -> Result<KeyHome, Error> {
        self.write_elsewhere(&self.lock()?, Place::SshAgent, key)
    }

    /// Where the key lives.
    pub(crate) fn home(&self) -> Result<KeyHome, Error> {
        Ok(match self.kept()? {
            Kept::Elsewhere(place, _) => KeyHome::Elsewhere(place),
            Kept::Here(pem) if pem::is_encrypted(&pem) => KeyHome::Encrypted,
            Kept::Here(_) => KeyHome::File,
        })
    }

    /// The public half, without a passphrase; `None` when only an encrypted key itself can say what it is.
    pub(crate) fn public(&self) -> Result<Option<VerifyingKey>, Error> {
        match self.kept()? {
            Kept::Elsewhere(_, key) => Ok(Some(key)),
            Kept::Here(pem) if pem::is_encrypted(&pem) => self.written(&pem),
            Kept::Here(pem) => match self.written(&pem) {
                // As good as the key itself, and the secret in it need not be touched.
                Ok(Some(key)) => Ok(Some(key)),
                _ => self.decode(&pem, None).map(|key| Some(key.verifying_key().clone())),
            },
        }
    }

    /// Opens the key.
    pub(crate) fn open(&self, passphrase: &PassphraseSource) -> Result<IdentityKey, Error> {
        self.open_with_passphrase(passphrase).map(|(key, _)| key)
    }

    /// Opens the key; gives the passphrase that it is encrypted under, too.
    pub(crate) fn open_with_passphrase(
        &self,
        passphrase: &PassphraseSource,
    ) -> Result<(IdentityKey, Option<Passphrase>), Error> {
        match self.kept()? {
            Kept::Elsewhere(Place::SshAgent, key) => Ok((IdentityKey::in_agent(key), None)),
            kept => self.secret(&kept, passphrase).map(|(key, passphrase)| (key.into(), passphrase)),
        }
    }

    /// Keeps a second hold on the files of this key at `place`.
    pub(crate) fn put_by(&self, place: &Self) -> Result<(), Error> {
        let lock = place.lock()?;
        lock.link_from(self.dir, &self.private_file(), &place.private_file())?;
        lock.link_from(self.dir, &self.public_file(), &place.public_file())
    }

    /// Takes the place of another key, in one step.
    pub(crate) fn take_place_of(&self, other: &Self) -> Result<(), Error> {
        let lock = other.lock()?;
        lock.move_from(self.dir, &self.private_file(), &other.private_file())?;
        // Until this is done, the public half of the other one is beside it, and not believed.
        lock.move_from(self.dir, &self.public_file(), &other.public_file())
    }

    /// Wipes the key, here and in the keyring. One that is not there is wiped already.
    pub(crate) fn wipe(&self, home: &Home) -> Result<(), Error> {
        if self.exists()? {
            if let Kept::Elsewhere(Place::Keyring, key) = self.kept()?
                && !self.shares_its_entry(home, &key)
            {
                keyring::forget(&key.thumbprint()).map_err(Error::Keyring)?;
            }
            self.dir.remove(&self.private_file())?;
        }
        self.dir.remove(&self.public_file())
    }

    /// Whether another file names the same entry of the keyring.
    fn shares_its_entry(&self, home: &Home, key: &VerifyingKey) -> bool {
        let own = self.dir.path(&self.private_file());
        [&home.identities, &home.next, &home.retired].into_iter().any(|dir| {
            let names = dir.names().unwrap_or_default();
            names.iter().filter(|name| name.ends_with(".pem") && dir.path(name) != own).any(|name| {
                let file = dir.read(name).ok().flatten().unwrap_or_default();
                matches!(elsewhere::read(&file), Ok(Some((Place::Keyring, named))) if named == *key)
            })
        })
    }

    /// The public half, from beside the key where it is there, else from the key.
    pub(crate) fn verifying_key(&self, passphrase: &PassphraseSource) -> Result<VerifyingKey, Error> {
        match self.public()? {
            Some(key) => Ok(key),
            None => self.open(passphrase).map(|key| key.verifying_key().clone()),
        }
    }

    /// The private key in the spelling in which it is kept: an encrypted one stays encrypted.
    pub(crate) fn private_pem(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        match self.kept()? {
            Kept::Here(pem) => Ok(pem),
            Kept::Elsewhere(Place::Keyring, key) => {
                let key = keyring::fetch(&key.thumbprint()).map_err(Error::Keyring)?;
                let pem = pem::encode(&key, None).map_err(|error| self.unreadable(error))?;
                Ok(Zeroizing::new(pem.as_bytes().into()))
            }
            Kept::Elsewhere(Place::SshAgent, _) => Err(Error::StaysInAgent),
        }
    }

    /// The private key, to be spelled in another way, and the passphrase that it is encrypted under.
    pub(crate) fn private_key(
        &self,
        passphrase: &PassphraseSource,
    ) -> Result<(SigningKey, Option<Passphrase>), Error> {
        self.secret(&self.kept()?, passphrase)
    }

    fn secret(
        &self,
        kept: &Kept,
        passphrase: &PassphraseSource,
    ) -> Result<(SigningKey, Option<Passphrase>), Error> {
        match kept {
            Kept::Here(pem) => {
                let passphrase = self.passphrase(pem, passphrase)?;
                let key = self.decode(pem, passphrase.as_ref())?;
                self.correct_public(key.verifying_key(), pem)?;
                Ok((key, passphrase))
            }
            Kept::Elsewhere(Place::Keyring, key) => {
                keyring::fetch(&key.thumbprint()).map(|key| (key, None)).map_err(Error::Keyring)
            }
            Kept::Elsewhere(Place::SshAgent, _) => Err(Error::StaysInAgent),
        }
    }

    fn kept(&self) -> Result<Kept, Error> {
        let pem = self.read_private()?;
        Ok(match elsewhere::read(&pem).map_err(|error| self.unreadable(error))? {
            Some((place, key)) => Kept::Elsewhere(place, key),
            None => Kept::Here(pem),
        })
    }

    fn read_private(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        let file = self.private_file();
        match self.dir.read(&file)? {
            Some(pem) => Ok(pem),
            None if self.dir.is_link(&file) => Err(Error::Dangling(self.dir.path(&file))),
            None => Err(Error::NoIdentity(self.name.clone())),
        }
    }

    /// The passphrase of the key in `pem`, where it needs one.
    fn passphrase(&self, pem: &[u8], source: &PassphraseSource) -> Result<Option<Passphrase>, Error> {
        if pem::is_encrypted(pem) { source.read(&format!("the identity {}", self.name)) } else { Ok(None) }
    }

    fn decode(&self, pem: &[u8], passphrase: Option<&Passphrase>) -> Result<SigningKey, Error> {
        pem::decode(pem, passphrase).map_err(|error| self.unreadable(error))
    }

    pub(crate) fn unreadable(&self, error: PemError) -> Error {
        Error::Pem(self.dir.path(&self.private_file()), error)
    }

    fn taken(&self) -> Error {
        Error::IdentityExists(self.name.clone())
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

    fn write_new(&self, lock: &Locked<'_>, bytes: &[u8]) -> Result<(), Error> {
        if lock.create(&self.private_file(), bytes)? { Ok(()) } else { Err(self.taken()) }
    }

    fn write_elsewhere(&self, lock: &Locked<'_>, place: Place, key: &VerifyingKey) -> Result<KeyHome, Error> {
        self.write_new(lock, elsewhere::write(place, key).as_bytes())?;
        Ok(KeyHome::Elsewhere(place))
    }

    fn write_public(&self, lock: &Locked<'_>, key: &VerifyingKey, pem: &[u8]) -> Result<(), Error> {
        lock.replace(&self.public_file(), public_file::write(key, pem).as_bytes())
    }

    fn lock(&self) -> Result<Locked<'a>, Error> {
        // One lock for all identities: whatever a killed process leaves behind is at one place.
        self.dir.lock("identities")
    }
}
