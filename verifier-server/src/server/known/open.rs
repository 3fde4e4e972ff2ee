//! The start: what the configuration names is opened, and must hold together with what the store has.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64};

use arc_swap::ArcSwap;
use envelope_core::{Identity, Records};

use super::revoked::RevokedCertificates;
use super::{Known, Stored};
use crate::clock::Clock;
use crate::server::attempts::Attempts;
use crate::server::config::{Config, ConfigError, Placed};
use crate::server::hop::Proxies;
use crate::server::issuer::Issuer;
use crate::server::offline::OfflineList;
use crate::server::packs::Packs;
use crate::server::provider::Providers;
use crate::server::store::{Store, explain};

impl Known {
    /// Opens what the configuration names, for a program that listens on `address`.
    ///
    /// # Errors
    /// When the store or the revocation list cannot be read, or contradicts the configuration.
    pub async fn open(config: &Config, address: SocketAddr, clock: &Clock) -> Result<Self, ConfigError> {
        let keys = Self {
            clock: clock.clone(),
            packs: Packs::new(config.policy.clone(), config.auth_required),
            attempts: Attempts::new(config.attempts),
            proxies: Proxies::new(config.trusted_proxies.clone()),
            url: config.url_at(address).into(),
            login_ttl: config.login_ttl,
            configured: config.trust.clone(),
            open_in_configuration: config.open.clone(),
            names: papaya::HashSet::new(),
            standings: papaya::HashMap::new(),
            certificates: RevokedCertificates::default(),
            providers: Providers::new(&config.providers)?,
            store: match &config.store {
                Some(path) => Some(Stored::open(path).await.at(config.store_key())?),
                None => None,
            },
            list: match &config.revocations {
                Some(revocations) => {
                    Some(Arc::new(OfflineList::open(revocations, clock.clone()).at("revocations")?))
                }
                None => None,
            },
        };
        config.trust.iter().for_each(|record| keys.put(record));
        if let Some(stored) = &keys.store {
            keys.load_first(stored).await.at(config.store_key())?;
        }
        keys.check_admins(&config.admins).await.at(config.store_key())?;
        Ok(keys)
    }

    async fn load_first(&self, stored: &Stored) -> Result<(), ConfigError> {
        let mut contradiction = None;
        let load = self.load(stored, |record| {
            if self.contradicts(record) {
                contradiction = Some(record.key);
            }
        });
        load.await.map_err(|error| explain(stored.store.path(), &error))?;
        match contradiction {
            None => Ok(()),
            Some(key) => Err(ConfigError::new(
                format!("the store and the configuration know the key {key} as two different ones"),
                "take it out of the configuration; the store keeps what it knows",
            )),
        }
    }

    /// A revoked key counts here: an admin whose key is lost must not keep the verifier from starting.
    async fn check_admins(&self, admins: &[Identity]) -> Result<(), ConfigError> {
        for (index, admin) in admins.iter().enumerate() {
            let Some(stored) = &self.store else {
                return Err(ConfigError::new(
                    "there is an --admin, and no store of keys to administer",
                    "add --data-dir or --store",
                )
                .at(("admin", index)));
            };
            let has_key = stored.store.has_key_of(admin).await;
            let has_key = has_key.map_err(|error| explain(stored.store.path(), &error))?;
            if !has_key && self.configured.records_of(admin).is_empty() {
                return Err(ConfigError::new(
                    format!("the admin {admin} has no key, neither in the configuration nor in the store"),
                    "give it one with --trust NAME=KEY",
                )
                .at(("admin", index)));
            }
        }
        Ok(())
    }

    /// How many keys and identities the store has; `None` without one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn counts(&self) -> Result<Option<(i64, i64)>, ConfigError> {
        let Some(stored) = &self.store else { return Ok(None) };
        stored.store.counts().await.map(Some).map_err(|error| explain(stored.store.path(), &error))
    }
}

impl Stored {
    async fn open(path: &Path) -> Result<Self, ConfigError> {
        let store = Store::open(path).await?;
        let issuer = Issuer::open(store.path())?;
        // No header of a database is all zeroes: the first look reads everything.
        let seen = ArcSwap::from_pointee([0; 48]);
        let is_gone = AtomicBool::new(false);
        Ok(Self { store, issuer, seen, change: AtomicI64::new(0), is_gone })
    }
}
