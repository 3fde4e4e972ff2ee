//! Certificates that were revoked one by one: few, and for ever, as every revocation is.

use std::sync::Arc;

use envelope_core::Thumbprint;

use crate::server::store::RevokedCertificate;

/// By identity key, the identifiers of its certificates that must not be used any more.
#[derive(Debug, Default)]
pub(crate) struct RevokedCertificates(papaya::HashMap<Thumbprint, Arc<papaya::HashSet<String>>>);

impl RevokedCertificates {
    pub(crate) fn insert(&self, certificate: RevokedCertificate) {
        let RevokedCertificate { identity_key, id } = certificate;
        let by_key = self.0.pin();
        by_key.get_or_insert_with(identity_key, Arc::default).pin().insert(id);
    }

    pub(crate) fn contains(&self, identity_key: &Thumbprint, id: &str) -> bool {
        self.0.pin().get(identity_key).is_some_and(|ids| ids.pin().contains(id))
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<(Thumbprint, String)> {
        let by_key = self.0.pin();
        let mut all = Vec::new();
        for (key, ids) in &by_key {
            all.extend(ids.pin().iter().map(|id| (*key, id.clone())));
        }
        all
    }
}
