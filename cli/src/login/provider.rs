//! The identity providers of a verifier, as `/.well-known/envelope` lists them: packs.md, section 3.3.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::oauth::Endpoint;
use crate::error::{Error, LoginError};
use crate::exchange::Question;
use crate::origin::Origin;

/// What a provider hands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// An access token, which is asked about at the provider's API.
    GitHub,
    /// An ID token, which says itself whose it is.
    Oidc,
}

/// Where somebody logs in.
#[derive(Debug)]
pub(crate) struct Provider {
    pub(crate) name: String,
    pub(super) kind: Kind,
    pub(super) client_id: String,
    pub(super) scope: String,
    pub(super) device: Endpoint,
    pub(super) token: Endpoint,
}

/// More than any verifier has.
const MAX_PROVIDERS: usize = 100;

impl Provider {
    /// Asks the verifier which there are, and takes the one that is named, or the only one.
    pub(crate) async fn ask(url: &Origin, named: Option<&str>) -> Result<Self, Error> {
        let description = Question::get("/.well-known/envelope").ask_for_json(url, None).await?;
        let entries = match description.get("login") {
            None | Some(Value::Null) => &Vec::new(),
            Some(Value::Array(entries)) if entries.len() <= MAX_PROVIDERS => entries,
            Some(_) => return Err(Error::Answer(url.clone())),
        };
        let entries: Option<Vec<_>> = entries.iter().map(Value::as_object).collect();
        let entries = entries.ok_or_else(|| Error::Answer(url.clone()))?;
        let names = || entries.iter().filter_map(|entry| text(entry, "provider").map(Into::into)).collect();
        let entry = match (named, entries.as_slice()) {
            (_, []) => return Err(LoginError::NoProvider(url.clone()).into()),
            (None, [only]) => only,
            (None, _) => return Err(LoginError::WhichProvider(names()).into()),
            (Some(name), entries) => {
                let meant = entries.iter().find(|entry| text(entry, "provider") == Some(name));
                meant.ok_or_else(|| LoginError::UnknownProvider(name.into(), names()))?
            }
        };
        Self::read(url, entry)
    }

    fn read(url: &Origin, entry: &Map<String, Value>) -> Result<Self, Error> {
        let must = |name| text(entry, name).ok_or_else(|| Error::Answer(url.clone()));
        let kind = match must("kind")? {
            "github" => Kind::GitHub,
            "oidc" => Kind::Oidc,
            other => return Err(LoginError::Kind(other.into()).into()),
        };
        Ok(Self {
            name: must("provider")?.into(),
            kind,
            client_id: must("client_id")?.into(),
            scope: text(entry, "scope").unwrap_or_default().into(),
            device: must("device_authorization_endpoint")?.parse()?,
            token: must("token_endpoint")?.parse()?,
        })
    }
}

fn text<'a>(entry: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    entry.get(name).and_then(Value::as_str).filter(|text| text.len() <= 2048)
}
