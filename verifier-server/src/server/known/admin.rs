//! Who administers keys and packs, and whether they still may when it comes to it: a request can be on its way for a while.

use envelope_core::{
    Call, Caller, Certificate, Code, Identity, Refusal, Standing, Thumbprint, Timestamp, Trust, TrustList,
};

use super::change::Draft;

/// An admin whose request has been verified, and by what.
#[derive(Clone, Debug)]
pub(crate) struct Admin {
    pub(super) identity: Identity,
    /// `None` for somebody who has signed nothing: they administer nothing.
    pub(super) call_key: Option<Thumbprint>,
    /// `None` when the call key is registered itself.
    pub(super) certificate: Option<Certified>,
}

/// What counts of a certificate after it has verified.
#[derive(Clone, Debug)]
pub(super) struct Certified {
    pub(super) by: Thumbprint,
    /// Whether the verifier itself has issued it.
    pub(super) is_login: bool,
    pub(super) issued: Timestamp,
    pub(super) id: Option<String>,
}

impl Admin {
    /// Whoever has called.
    pub(crate) fn of(caller: &Caller) -> Self {
        let certified = |certificate: &Certificate| Certified {
            by: certificate.identity_key(),
            is_login: certificate.login().is_some(),
            issued: certificate.issued(),
            id: certificate.id().map(Into::into),
        };
        let call = caller.call();
        Self {
            identity: caller.identity().clone(),
            call_key: call.map(Call::keyid),
            certificate: call.and_then(Call::certificate).map(certified),
        }
    }

    pub(crate) const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Whether the keys behind the request are still those of the identity.
    fn check(&self, known: &TrustList, now: Timestamp) -> Result<(), Refusal> {
        const OVER: Refusal = Refusal::new(Code::CertificateExpired, "the time of the admin's key is over");
        let call_key = self.call_key.ok_or(GONE)?;
        let is_over = match (known.standing(&call_key), &self.certificate) {
            (Standing::CallKey { identity, expires, .. }, None) if identity == self.identity => {
                now >= expires
            }
            // Who a provider vouches for has no key here that could have been taken back meanwhile but this one.
            (Standing::Unknown | Standing::CallKey { .. }, Some(Certified { is_login: true, .. })) => false,
            (Standing::Unknown | Standing::CallKey { .. }, Some(certificate)) => {
                match known.standing(&certificate.by) {
                    Standing::Identity { identity, expires, issued_from }
                        if identity == self.identity && certificate.issued >= issued_from =>
                    {
                        expires.is_some_and(|expires| now >= expires)
                    }
                    _ => return Err(GONE),
                }
            }
            _ => return Err(GONE),
        };
        if is_over { Err(OVER) } else { Ok(()) }
    }
}

const GONE: Refusal = Refusal::new(Code::Revoked, "the admin's key has been revoked meanwhile");

impl Draft<'_> {
    /// Refuses an admin who has lost the right since the request was verified.
    pub(super) async fn check(&mut self, admin: &Admin) -> Result<(), Refusal> {
        let mut keys: Vec<Thumbprint> = admin.call_key.into_iter().collect();
        keys.extend(admin.certificate.as_ref().map(|certificate| certificate.by));
        let known = self.known(&keys).await?;
        admin.check(&known, self.change.now())?;
        if let Some(Certified { by, id: Some(id), .. }) = &admin.certificate
            && (self.change.has_revoked(by, id).await? || self.keys.has_revoked(by, id))
        {
            return Err(GONE);
        }
        Ok(())
    }
}
