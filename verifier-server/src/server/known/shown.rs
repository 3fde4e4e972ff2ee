//! What admins are shown: the keys, the identities, and everything that was taken back, signed.

use envelope_core::{Record, Refusal, RevocationList, Standing, Thumbprint, Timestamp, TrustList, registry};

use super::Known;
use crate::server::store::{IdentityPage, KeyFacts, KeyPage};

impl Known {
    /// Everything that must not be trusted, signed.
    pub(crate) fn signed_revocations(&self) -> Result<String, Refusal> {
        self.revocations(self.clock.now()).sign(self.stored()?.issuer.key())
    }

    /// Known, page by page; the first page begins with those that only the configuration knows.
    pub(crate) async fn page_of_keys(&self, after: Option<&str>) -> Result<KeyPage, Refusal> {
        let combine = |record| self.shown(record);
        let mut page = self.store()?.keys(after.unwrap_or_default(), &combine).await?;
        if after.is_none() {
            let configured = self.configured_beside(|stored| stored.is_none()).await?;
            page.keys.splice(..0, configured.iter().map(KeyFacts::configured));
        }
        Ok(page)
    }

    /// Identities, page by page; the first page begins with the keys that belong to somebody only by the configuration.
    pub(crate) async fn page_of_identities(&self, after: Option<&str>) -> Result<IdentityPage, Refusal> {
        let combine = |record| self.shown(record);
        let mut page = self.store()?.identities(after.unwrap_or_default(), &combine).await?;
        if after.is_none() {
            let is_nobodys = |stored: Option<&Record>| stored.and_then(Record::owner).is_none();
            page.put_configured(&self.configured_beside(is_nobodys).await?);
        }
        Ok(page)
    }

    /// What is known of the keys of the configuration that stand in the store in a certain way.
    async fn configured_beside(
        &self,
        stands: impl Fn(Option<&Record>) -> bool,
    ) -> Result<Vec<Record>, Refusal> {
        let mut records = Vec::new();
        for configured in self.configured.iter() {
            let stored = self.store()?.record(&configured.key).await?;
            if stands(stored.as_ref()) {
                records.extend(self.whole(&configured.key, stored));
            }
        }
        Ok(records)
    }

    /// Everything that must not be trusted, at this moment.
    fn revocations(&self, now: Timestamp) -> RevocationList {
        let standings = self.standings.pin();
        let records: Vec<Record> =
            standings.iter().filter_map(|(key, standing)| narrowed(key, standing)).collect();
        RevocationList::of(now, &records, self.certificates.all())
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
