//! Who has shown a bearer instead of an envelope: the token of a pack, or that of an identity provider (`spec/packs.md`, section 3).

use std::net::IpAddr;
use std::sync::Arc;

use envelope_core::{Backing, Caller, Code, Pack, Refusal, Trust};
use http::request::Parts;

use super::Known;
use crate::guard::{self, Rules};
use crate::server::packs::token;
use crate::server::provider::User;

/// One text for all: nobody can ask which tokens there are.
pub(crate) const NO_GOOD: Refusal =
    Refusal::new(Code::Unauthenticated, "the credential is not good here, or not any more");

const UNAVAILABLE: Refusal =
    Refusal::new(Code::ProviderUnavailable, "the identity provider cannot be asked about this token now");

impl Rules for Known {
    async fn catch_up(&self) -> Result<(), Refusal> {
        self.read_news().await
    }

    fn pack(&self, guid: Option<&str>) -> Arc<Pack> {
        self.packs.rules(guid)
    }

    async fn bearer(
        &self,
        head: &Parts,
        guid: Option<&str>,
        rules: &Pack,
    ) -> Result<Option<Caller>, Refusal> {
        let Some(bearer) = guard::bearer(&head.headers) else { return Ok(None) };
        let address = self.proxies.client(head);
        let found = if token::is_token(bearer) {
            if !rules.token {
                return Ok(None);
            }
            self.holder(bearer, guid).await
        } else {
            if !rules.identity {
                return Ok(None);
            }
            // Boxed, as all that few requests come to: the future of every request would be as large.
            Box::pin(self.user(bearer, address)).await.map(|user| self.caller(&user))
        };
        let told = match found {
            Ok(caller) => return Ok(Some(caller)),
            Err(refusal) if refusal == NO_GOOD => self.attempts.bad(address, refusal),
            Err(refusal) => refusal,
        };
        // Where nobody needs one, it may not even have been meant for this verifier.
        if rules.open { Ok(None) } else { Err(told) }
    }
}

impl Known {
    async fn holder(&self, bearer: &str, guid: Option<&str>) -> Result<Caller, Refusal> {
        let (Some(guid), Some(stored)) = (guid, &self.store) else { return Err(NO_GOOD) };
        if !token::is_well_formed(bearer) {
            return Err(NO_GOOD);
        }
        let mac = stored.issuer.tokens().hash(bearer);
        let caller = self.packs.holder(&mac, guid, self.clock.now()).ok_or(NO_GOOD)?;
        // Whoever has the token has got the answer: from its first use on, nobody repeats the deployment.
        if self.packs.find(guid).is_some_and(|pack| pack.deployment.is_some()) {
            Box::pin(self.end_repetition(guid)).await?;
        }
        Ok(caller)
    }

    /// Whom the identity provider knows by a token.
    ///
    /// # Errors
    /// [`NO_GOOD`]; [`Code::ProviderUnavailable`]; [`Code::TooManyAttempts`] when the provider would have to be asked for an address that has
    /// tried too much.
    pub(crate) async fn user(&self, bearer: &str, address: IpAddr) -> Result<Arc<User>, Refusal> {
        let Some(providers) = &self.providers else { return Err(NO_GOOD) };
        let known = match providers.recall(bearer).await {
            Some(known) => known,
            None => {
                self.attempts.check(address)?;
                providers.check(bearer).await.map_err(|error| {
                    tracing::warn!(%error, "the identity provider");
                    UNAVAILABLE
                })?
            }
        };
        known.ok_or(NO_GOOD)
    }

    /// Counts a credential that was no good; gives what its sender is told.
    pub(crate) fn bad_credential(&self, head: &Parts, refusal: Refusal) -> Refusal {
        self.attempts.bad(self.proxies.client(head), refusal)
    }

    pub(crate) fn caller(&self, user: &User) -> Caller {
        let groups = user.groups.as_slice().into();
        let backing = Backing::of_user(&user.identity, groups, |name| self.is_registered(name));
        Caller::by_bearer(user.identity.clone(), backing)
    }
}
