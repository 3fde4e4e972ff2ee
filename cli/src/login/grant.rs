//! What an identity provider handed out, and what of it is kept to renew a login.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Files;
use super::oauth::{Endpoint, Reply};
use super::provider::{Kind, Provider};
use crate::error::{Error, LoginError};
use crate::home::Home;
use crate::origin::Origin;
use crate::private_dir::Locked;
use crate::secret::Secret;

/// RFC 6749, section 5.1; OpenID Connect Core, section 3.1.3.3.
#[derive(Deserialize)]
pub(super) struct Tokens {
    #[serde(default)]
    access_token: Option<Secret>,
    #[serde(default)]
    id_token: Option<Secret>,
    #[serde(default)]
    refresh_token: Option<Secret>,
}

/// What renews a login. Where the provider is asked is written down with it: what a verifier says later leads no token elsewhere.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Grant {
    kind: Kind,
    client_id: String,
    token_endpoint: Endpoint,
    /// An access token of GitHub, a refresh token of OpenID Connect; the latter may not be there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    token: Option<Secret>,
}

impl Grant {
    /// Reads what was handed out: what is kept, and what the verifier is shown.
    pub(super) fn of(provider: &Provider, tokens: Tokens) -> Result<(Self, Secret), Error> {
        let (shown, kept) = match provider.kind {
            Kind::GitHub => (tokens.access_token.clone(), tokens.access_token),
            Kind::Oidc => (tokens.id_token, tokens.refresh_token),
        };
        let grant = Self {
            kind: provider.kind,
            client_id: provider.client_id.clone(),
            token_endpoint: provider.token.clone(),
            token: kept,
        };
        let shown = shown.ok_or_else(|| grant.token_endpoint.wrong_answer())?;
        Ok((grant, shown))
    }

    pub(super) fn load(home: &Home, files: &Files) -> Result<Option<Self>, Error> {
        let Some(text) = home.logins.read(&files.grant)? else { return Ok(None) };
        serde_json::from_slice(&text).map(Some).map_err(|_| Error::Wallet(home.logins.path(&files.grant)))
    }

    pub(super) fn keep(&self, files: &Files, lock: &Locked<'_>) -> Result<(), Error> {
        let mut text = Zeroizing::new(Vec::with_capacity(64 * 1024));
        serde_json::to_writer(&mut *text, self).map_err(|_| Error::Token)?;
        lock.replace_for_good(&files.grant, &text)
    }

    /// What the verifier is shown this time. A new refresh token takes the place of the old one, and is kept before it is needed.
    pub(super) async fn renew(
        &mut self,
        url: &Origin,
        keep: impl Fn(&Self) -> Result<(), Error>,
    ) -> Result<Secret, Error> {
        let ended = || Error::from(LoginError::Ended(url.clone()));
        let token = self.token.clone().ok_or_else(ended)?;
        if self.kind == Kind::GitHub {
            return Ok(token);
        }
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token.expose()),
            ("client_id", self.client_id.as_str()),
        ];
        let tokens: Tokens = match self.token_endpoint.post(&form).await? {
            Reply::Good(tokens) => tokens,
            // RFC 6749, section 5.2: it has run out, or was revoked.
            Reply::Refused(refusal) if refusal.error == "invalid_grant" => return Err(ended()),
            Reply::Refused(refusal) => return Err(refusal.into()),
        };
        if let Some(newer) = tokens.refresh_token {
            self.token = Some(newer);
            keep(self)?;
        }
        tokens.id_token.ok_or_else(|| self.token_endpoint.wrong_answer())
    }
}
