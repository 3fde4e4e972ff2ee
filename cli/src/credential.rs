//! Which key signs what goes to a verifier.

use envelope_core::Thumbprint;

use crate::call_key::CallKey;
use crate::clock;
use crate::delivery;
use crate::error::Error;
use crate::handover;
use crate::home::Home;
use crate::identity::{Identity, Name};
use crate::origin::Origin;
use crate::passphrase::PassphraseSource;
use crate::report;
use crate::wallet::Wallet;

/// An identity, and which of its keys.
#[derive(Debug)]
pub(crate) struct Credential {
    name: Name,
    /// The key that the verifier knows, where that is not the newest.
    retired: Option<Thumbprint>,
}

impl Credential {
    /// What the wallet has for a verifier: the identity that is named, else the one that is known there, else the default one;
    /// and of its keys the newest that the verifier has heard of.
    pub(crate) fn for_origin(
        home: &Home,
        wallet: &Wallet,
        url: &Origin,
        name: Option<&Name>,
    ) -> Result<Self, Error> {
        let verifier = wallet.find(url, name);
        if verifier.is_none() && name.is_none() {
            let known: Vec<String> = wallet.at(url).map(|it| it.identity.to_string()).collect();
            if !known.is_empty() {
                return Err(Error::WhichIdentity(url.clone(), known));
            }
        }
        let name = verifier.map(|it| it.identity.clone()).or_else(|| name.cloned()).unwrap_or_default();
        handover::resume(home, &name, wallet)?;
        let now = clock::now()?;
        let known = verifier.and_then(|verifier| wallet.known_key(verifier, now));
        let retired = match known {
            Some(key) if Identity::retired(home, &name, &key).exists()? => Some(key),
            _ => None,
        };
        Ok(Self { name, retired })
    }

    /// Tells the verifier what it is owed; it then knows the newest key.
    pub(crate) async fn catch_up(self, home: &Home, url: &Origin) -> Result<Self, Error> {
        delivery::deliver(home, delivery::PATIENCE, |it| it.url == *url && it.identity == self.name).await?;
        let wallet = Wallet::load(home)?;
        let refusal = wallet.find(url, Some(&self.name)).and_then(|it| it.trouble.as_ref());
        if let Some(trouble) = refusal.filter(|trouble| trouble.refused) {
            let why = report::printable(&trouble.why);
            report::hint_that(&format!("{url} refused the newer key of {}: {why}", self.name));
        }
        Self::for_origin(home, &wallet, url, Some(&self.name))
    }

    /// The identity that is named, or the default one, for a URL of which the wallet can know nothing.
    pub(crate) fn default_for(name: Option<&Name>) -> Self {
        Self { name: name.cloned().unwrap_or_default(), retired: None }
    }

    pub(crate) fn call_key(&self, home: &Home, source: &PassphraseSource) -> Result<CallKey, Error> {
        if let Some(key) = &self.retired {
            match CallKey::of(home, &Identity::retired(home, &self.name, key), source) {
                // Another process has told the verifier of the new key meanwhile, and wiped this one.
                Err(Error::NoIdentity(_)) => {}
                call_key => return call_key,
            }
        }
        CallKey::of(home, &Identity::new(home, &self.name), source)
    }
}
