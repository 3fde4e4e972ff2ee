//! What the verifier of a vector knows of keys, as core is told it.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use envelope_core::{
    Identity, Issuer, Record, RevocationList, Thumbprint, Timestamp, TrustList, VerifyingKey, WithRevocations,
};

use crate::format::Verifier;

/// The keys, held to what is known of revocations.
pub type Known = WithRevocations<TrustList>;

impl Verifier {
    /// What it knows of keys.
    ///
    /// # Errors
    /// A name, a thumbprint or a JWK that is none.
    pub fn known(&self) -> Result<Known, Box<dyn Error>> {
        let mut trust = TrustList::new();
        for key in &self.trust {
            trust.insert(Record {
                expires: key.expires.map(Timestamp::from_unix),
                issued_from: Timestamp::from_unix(key.issued_from.unwrap_or_default()),
                ..Record::identity(identity(&key.identity)?, thumbprint(&key.keyid)?)
            });
        }
        for key in &self.registered {
            trust.register(
                identity(&key.identity)?,
                verifying_key(&key.jwk)?,
                Timestamp::from_unix(key.expires),
            );
        }
        for key in &self.revoked {
            trust.revoke(thumbprint(key)?);
        }
        for certificate in &self.revoked_certificates {
            trust.revoke_certificate(thumbprint(&certificate.keyid)?, &certificate.jti);
        }
        if let Some(issuer) = &self.issuer {
            let key = Arc::new(verifying_key(&issuer.jwk)?);
            trust.trust_issuer(Issuer { url: issuer.url.as_str().into(), key });
        }
        // What has no date is never too old.
        let (issued, limit) = self.revocations.map_or((0, u64::MAX), |told| (told.issued, told.limit));
        let list = RevocationList::of(Timestamp::from_unix(issued), [], []);
        Ok(WithRevocations::new(trust, list, limit))
    }
}

pub(crate) fn identity(name: &str) -> Result<Identity, Box<dyn Error>> {
    Identity::new(name).ok_or_else(|| format!("{name} is no identity").into())
}

pub(crate) fn thumbprint(text: &str) -> Result<Thumbprint, Box<dyn Error>> {
    Thumbprint::parse(text).ok_or_else(|| format!("{text} is no thumbprint").into())
}

pub(crate) fn verifying_key(jwk: &BTreeMap<String, String>) -> Result<VerifyingKey, Box<dyn Error>> {
    Ok(VerifyingKey::from_jwk(&serde_json::to_string(jwk)?)?)
}
