//! Which credential goes with a request: an identity's key, a login, the token of a pack, or none.

use crate::args::CredentialKind;
use crate::call_key::CallKey;
use crate::client;
use crate::credential::Credential;
use crate::error::{Error, LoginError, PackError};
use crate::home::Home;
use crate::identity::{self, Name};
use crate::login;
use crate::origin::Origin;
use crate::pack_id::PackId;
use crate::passphrase::PassphraseSource;
use crate::secret::Secret;
use crate::wallet::Wallet;

/// What there is for a verifier.
#[derive(Debug)]
pub(crate) enum Choice {
    /// A call key that an identity here certifies.
    Signed(Credential),
    /// A call key that the verifier has certified at a login.
    Login(Origin),
    /// The shared secret of the pack.
    Token(Secret),
    /// Nothing: there is no identity here at all.
    Nothing,
}

impl Choice {
    /// The one that is wanted; else the first that the wallet has for the verifier, or for the pack there: an identity that it
    /// knows, a login, a token. Where there is none of these, the default identity, which may be registered there; a pack is
    /// called without any where there is no identity here.
    pub(crate) fn of(
        home: &Home,
        wallet: &Wallet,
        url: &Origin,
        pack: Option<&PackId>,
        name: Option<&Name>,
        wanted: Option<CredentialKind>,
    ) -> Result<Self, Error> {
        let token = pack.and_then(|id| wallet.pack(id)).and_then(|pack| pack.token.clone());
        let login = wallet.login(url).map(|_| url.clone());
        let signed = || Credential::for_origin(home, wallet, url, name).map(Self::Signed);
        match wanted {
            Some(CredentialKind::Signed) => signed(),
            Some(CredentialKind::Login) => {
                login.map(Self::Login).ok_or_else(|| LoginError::NotHere(url.clone()).into())
            }
            Some(CredentialKind::Token) => {
                let whose = || pack.map_or_else(|| url.to_string(), PackId::url);
                token.map(Self::Token).ok_or_else(|| PackError::NoToken(whose()).into())
            }
            None if name.is_some() || wallet.at(url).next().is_some() => signed(),
            None => match (login, token) {
                (Some(url), _) => Ok(Self::Login(url)),
                (None, Some(token)) => Ok(Self::Token(token)),
                (None, None) if pack.is_some() && identity::list(home)?.is_empty() => Ok(Self::Nothing),
                (None, None) => signed(),
            },
        }
    }

    /// What it is called in lists.
    pub(crate) const fn as_str(&self) -> Option<&'static str> {
        match self {
            Self::Signed(_) => Some("signed"),
            Self::Login(_) => Some("login"),
            Self::Token(_) => Some("token"),
            Self::Nothing => None,
        }
    }

    /// Tells the verifier what it is owed, so that it knows the newest key.
    pub(crate) async fn catch_up(self, home: &Home, url: &Origin) -> Result<Self, Error> {
        match self {
            Self::Signed(credential) => credential.catch_up(home, url).await.map(Self::Signed),
            other => Ok(other),
        }
    }

    /// The call key that signs, where something is signed.
    pub(crate) fn call_key(&self, home: &Home, source: &PassphraseSource) -> Result<Option<CallKey>, Error> {
        match self {
            Self::Signed(credential) => credential.call_key(home, source).map(Some),
            Self::Login(url) => login::call_key(home, url).map(Some),
            Self::Token(_) | Self::Nothing => Ok(None),
        }
    }
}

/// The call key for what is asked about a pack at its verifier: that of an identity, or of a login unless that is not wanted.
pub(crate) fn for_admin(
    home: &Home,
    url: &Origin,
    name: Option<&Name>,
    wanted: Option<CredentialKind>,
    source: &PassphraseSource,
) -> Result<CallKey, Error> {
    let wallet = Wallet::load(home)?;
    let choice = Choice::of(home, &wallet, url, None, name, wanted)?;
    let choice = client::run(choice.catch_up(home, url))?;
    let key = choice.call_key(home, source)?;
    key.ok_or_else(|| Error::NoIdentity(name.cloned().unwrap_or_default()))
}
