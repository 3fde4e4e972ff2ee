//! Certificates that were revoked one by one: few, and none for longer than a day.

use std::collections::BTreeMap;
use std::sync::Arc;

use envelope_core::{Thumbprint, Timestamp};

use crate::server::store::RevokedCertificate;

/// By identity key, the identifiers of its certificates that must not be used any more, each until nobody would take it anyway.
#[derive(Debug, Default)]
pub(crate) struct RevokedCertificates(papaya::HashMap<Thumbprint, Arc<BTreeMap<String, Timestamp>>>);

impl RevokedCertificates {
    pub(crate) fn insert(&self, certificate: RevokedCertificate) {
        let RevokedCertificate { identity_key, id, forget_after } = certificate;
        let by_key = self.0.pin();
        let mut ids = by_key.get(&identity_key).cloned().unwrap_or_default();
        Arc::make_mut(&mut ids).insert(id, forget_after);
        by_key.insert(identity_key, ids);
    }

    pub(crate) fn contains(&self, identity_key: &Thumbprint, id: &str) -> bool {
        self.0.pin().get(identity_key).is_some_and(|ids| ids.contains_key(id))
    }

    /// Those that still mean something.
    pub(crate) fn all(&self, now: Timestamp) -> Vec<(Thumbprint, String)> {
        let by_key = self.0.pin();
        let live = by_key.iter().flat_map(|(key, ids)| {
            ids.iter().filter(|(_, forget_after)| now <= **forget_after).map(|(id, _)| (*key, id.clone()))
        });
        live.collect()
    }

    /// Forgets the others.
    pub(crate) fn prune(&self, now: Timestamp) {
        let by_key = self.0.pin();
        for (key, ids) in &by_key {
            if ids.values().any(|forget_after| now > *forget_after) {
                by_key.update(*key, |ids| {
                    let live = ids.iter().filter(|(_, forget_after)| now <= **forget_after);
                    Arc::new(live.map(|(id, forget_after)| (id.clone(), *forget_after)).collect())
                });
            }
        }
    }
}
