//! The hand-over from one key of an identity to the next, in the files here.
//!
//! The next key waits in a place of its own until what the old key has said of it is in the wallet: from that moment on it is
//! certain, and whatever kills this process, the next one goes on from there. Then verifiers are told; then the next key takes
//! the place of the old one, in one step. An old key that some verifier may need yet is put by, until it has heard or the key
//! is not good any more.

use envelope_core::{Thumbprint, Timestamp};

use crate::call_key::CallKey;
use crate::clock;
use crate::error::Error;
use crate::home::Home;
use crate::identity::{Identity, Name};
use crate::private_dir::Locked;
use crate::report;
use crate::wallet::{Statement, Wallet};

/// One for each identity: one that waits for a verifier holds up nobody else.
fn lock_name(name: &Name) -> String {
    format!("handover.{name}")
}

/// The right to change which key is that of an identity.
#[derive(Debug)]
pub(crate) struct Handover<'a> {
    home: &'a Home,
    name: &'a Name,
    _lock: Locked<'a>,
}

/// Finishes what a process that was killed has left, unless another one is at it.
pub(crate) fn resume(home: &Home, name: &Name, wallet: &Wallet) -> Result<(), Error> {
    if wallet.unsettled(name).next().is_none() && !Identity::next(home, name).exists()? {
        return Ok(());
    }
    match home.next.try_lock(&lock_name(name))? {
        None => Ok(()),
        Some(lock) => Handover { home, name, _lock: lock }.settle(),
    }
}

impl<'a> Handover<'a> {
    /// Waits for whoever else is at it, and finishes what was left.
    pub(crate) fn begin(home: &'a Home, name: &'a Name) -> Result<Self, Error> {
        let handover = Self { home, name, _lock: home.next.lock(&lock_name(name))? };
        handover.settle()?;
        Ok(handover)
    }

    /// Where the next key waits.
    pub(crate) fn next(&self) -> Identity<'a> {
        Identity::next(self.home, self.name)
    }

    /// Makes the files agree with what the keys have said.
    pub(crate) fn settle(&self) -> Result<(), Error> {
        let wallet = Wallet::load(self.home)?;
        for statement in wallet.unsettled(self.name) {
            match statement.successor {
                Some(successor) => self.switch(statement.key, successor.key)?,
                None => self.remove(statement.key)?,
            }
            Wallet::change(self.home, |wallet| {
                wallet.settle(&statement.id);
                Ok(())
            })?;
        }
        // A key of which nobody was told is nobody's. That it cannot be wiped now keeps nobody from signing.
        if let Err(error) = self.next().wipe(self.home) {
            report::hint_that(&format!("a key that was never used cannot be wiped: {error}"));
        }
        clear_retired(self.home);
        Ok(())
    }

    /// The keys before this one that may be needed yet.
    pub(crate) fn retired(&self) -> Result<Vec<Identity<'a>>, Error> {
        let wallet = Wallet::load(self.home)?;
        let of_this = |key: &Thumbprint| {
            let speaks = |it: &Statement| it.identity == *self.name && it.key == *key;
            wallet.statements().iter().any(speaks)
        };
        let keys = retired_keys(self.home)?.into_iter().filter(of_this);
        Ok(keys.map(|key| Identity::retired(self.home, self.name, &key)).collect())
    }

    fn switch(&self, old: Thumbprint, new: Thumbprint) -> Result<(), Error> {
        let (next, current) = (self.next(), Identity::new(self.home, self.name));
        // An encrypted key beside which nothing is written does not say what it is: then it is the one that was waited for.
        let is = |identity: &Identity<'_>, key: Thumbprint| -> Result<bool, Error> {
            Ok(identity.exists()? && identity.public()?.is_none_or(|public| public.thumbprint() == key))
        };
        if is(&next, new)? && is(&current, old)? {
            let retired = Identity::retired(self.home, self.name, &old);
            current.put_by(&retired)?;
            // Where the new key is not known yet, the call key of the old one goes on without a passphrase.
            CallKey::put_by(self.home, &current, &retired);
            next.take_place_of(&current)?;
        }
        Ok(())
    }

    fn remove(&self, key: Thumbprint) -> Result<(), Error> {
        for identity in [Identity::new(self.home, self.name), Identity::retired(self.home, self.name, &key)] {
            if identity.exists()? && identity.public()?.is_some_and(|public| public.thumbprint() == key) {
                CallKey::forget(self.home, &identity)?;
                identity.wipe(self.home)?;
            }
        }
        Ok(())
    }
}

/// Wipes the keys that were put by and that nobody needs any more. What cannot be wiped now can be wiped later: nothing depends
/// on it.
pub(crate) fn clear_retired(home: &Home) {
    if let Err(error) = try_to_clear_retired(home) {
        report::hint_that(&format!("a key that has a successor cannot be wiped: {error}"));
    }
}

fn try_to_clear_retired(home: &Home) -> Result<(), Error> {
    let keys = retired_keys(home)?;
    if keys.is_empty() {
        return Ok(());
    }
    let (wallet, now): (_, Timestamp) = (Wallet::load(home)?, clock::now()?);
    let name = Name::default();
    for key in keys.iter().filter(|key| !wallet.needs(key, now)) {
        let identity = Identity::retired(home, &name, key);
        CallKey::forget(home, &identity)?;
        identity.wipe(home)?;
    }
    Ok(())
}

fn retired_keys(home: &Home) -> Result<Vec<Thumbprint>, Error> {
    let names = home.retired.names()?;
    Ok(names.iter().filter_map(|name| Thumbprint::parse(name.strip_suffix(".pem")?)).collect())
}
