//! What admins are shown: the keys, the identities, and everything that was taken back, signed.

use envelope_core::{Record, Refusal, RevocationList, Standing, Thumbprint, Timestamp, TrustList, registry};

use super::Keys;
use crate::server::store::{IdentityPage, KeyFacts, KeyPage, StoreError};

impl Keys {
    /// Everything that must not be trusted, signed.
    pub(crate) fn signed_revocations(&self, now: Timestamp) -> Result<String, Refusal> {
        self.revocations(now).sign(self.stored()?.issuer.key())
    }

    /// Keys, page by page; the first page begins with those that only the configuration knows.
    pub(crate) async fn page_of_keys(&self, after: Option<&str>) -> Result<KeyPage, Refusal> {
        let combine = |record| self.combined(record);
        let mut page = self.store()?.keys(after.unwrap_or_default(), &combine).await?;
        if after.is_none() {
            let configured = self.only_configured().await?;
            page.keys.splice(..0, configured.iter().map(KeyFacts::configured));
        }
        Ok(page)
    }

    /// Identities, page by page; the first page begins with the keys that only the configuration knows.
    pub(crate) async fn page_of_identities(&self, after: Option<&str>) -> Result<IdentityPage, Refusal> {
        let combine = |record| self.combined(record);
        let mut page = self.store()?.identities(after.unwrap_or_default(), &combine).await?;
        if after.is_none() {
            page.put_configured(&self.only_configured().await?);
        }
        Ok(page)
    }

    async fn only_configured(&self) -> Result<Vec<Record>, StoreError> {
        let mut records = Vec::new();
        if let Some(stored) = &self.store {
            for record in self.configured.iter() {
                if !stored.store.has_key(&record.key).await? {
                    records.push(record.clone());
                }
            }
        }
        Ok(records)
    }

    /// Everything that must not be trusted, at this moment.
    fn revocations(&self, now: Timestamp) -> RevocationList {
        let standings = self.standings.pin();
        let records: Vec<Record> =
            standings.iter().filter_map(|(key, standing)| narrowed(key, standing)).collect();
        RevocationList::of(now, &records, self.certificates.all(now))
    }
}

/// What a standing forbids, as the record that says so; `None` when it forbids nothing.
fn narrowed(key: &Thumbprint, standing: &Standing) -> Option<Record> {
    match standing {
        Standing::Revoked => {
            let unknown = TrustList::new();
            Some(registry::revoke_key(&unknown, *key))
        }
        Standing::Identity { identity, expires, issued_from }
            if expires.is_some() || *issued_from > Timestamp::default() =>
        {
            let record = Record::identity(identity.clone(), *key);
            Some(Record { expires: *expires, issued_from: *issued_from, ..record })
        }
        _ => None,
    }
}
