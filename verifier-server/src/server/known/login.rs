//! Logins: the identity provider's word once, and the verifier's own for an hour (`spec/packs.md`, section 3.3).

use base64ct::{Base64UrlUnpadded, Encoding};
use envelope_core::login::MAX_GROUPS;
use envelope_core::{Code, Grant, Identity, Issue, Refusal, Timestamp, VerifyingKey};
use serde_json::Value;

use super::Known;
use crate::server::provider::{Asked, Providers, User};
use crate::server::random;

/// A login that was granted.
#[derive(Debug)]
pub(crate) struct LoggedIn {
    pub(crate) identity: Identity,
    pub(crate) certificate: String,
    pub(crate) expires: Timestamp,
    pub(crate) packs: Vec<String>,
}

impl Known {
    /// How long requests to the identity providers took, where there are any.
    pub(crate) fn provider_requests(&self) -> Option<Asked> {
        self.providers.as_ref().map(Providers::asked)
    }

    /// The URL by which this verifier issues login certificates.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Where clients get a token of an identity provider by themselves.
    pub(crate) async fn login_options(&self) -> Value {
        match (&self.providers, &self.store) {
            (Some(providers), Some(_)) => providers.login_options().await,
            _ => Value::Array(Vec::new()),
        }
    }

    /// Whether anybody can log in here.
    ///
    /// # Errors
    /// [`Code::NotAllowed`].
    pub(crate) fn check_logins(&self) -> Result<(), Refusal> {
        self.check_store()?;
        match self.providers {
            Some(_) => Ok(()),
            None => Err(Refusal::new(Code::NotAllowed, "this verifier has no identity provider")),
        }
    }

    /// Certifies a call key for a user of the provider.
    ///
    /// # Errors
    /// [`Code::ReplayUnavailable`] when the system gives no random bytes.
    pub(crate) fn log_in(&self, user: &User, call_key: &VerifyingKey) -> Result<LoggedIn, Refusal> {
        let issued = self.clock.now();
        let certificate = self.certify(user, call_key, issued)?;
        let packs = self.packs.callable(&self.caller(user));
        let expires = issued.plus(self.login_ttl);
        Ok(LoggedIn { identity: user.identity.clone(), certificate, expires, packs })
    }

    fn certify(&self, user: &User, call_key: &VerifyingKey, issued: Timestamp) -> Result<String, Refusal> {
        let mut id = [0; 16];
        random::fill(&mut id)?;
        let id = Base64UrlUnpadded::encode_string(&id);
        let issue = Issue { call_key, issued, lifetime: self.login_ttl, id: &id, grant: Grant::everything() };
        // A certificate must fit into a header field; rules that name groups beyond that do not see them.
        let named = self.packs.groups_in_use();
        let mut groups: Vec<String> =
            user.groups.iter().filter(|group| named.contains(&group.to_ascii_lowercase())).cloned().collect();
        groups.truncate(MAX_GROUPS);
        let issuer = self.stored()?.issuer.key();
        issue.sign_login(issuer, &self.url, &user.identity, &groups)
    }
}
