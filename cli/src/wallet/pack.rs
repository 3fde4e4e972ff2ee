//! The packs of the wallet and their tokens; the logins; and which of them is meant.

use serde::{Deserialize, Serialize};

use super::Wallet;
use crate::error::{Error, PackError};
use crate::origin::Origin;
use crate::pack_id::{Guid, Kind, PackId};
use crate::secret::Secret;

/// A pack that was deployed or registered from here, or whose token somebody gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pack {
    /// The verifier.
    pub(crate) url: Origin,
    pub(crate) guid: Guid,
    #[serde(default)]
    pub(crate) kind: Kind,
    /// What opens the pack.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) token: Option<Secret>,
    /// What its bundle calls it: for people.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) name: Option<String>,
}

impl Pack {
    pub(crate) fn new(id: &PackId) -> Self {
        Self { url: id.origin.clone(), guid: id.guid.clone(), kind: id.kind, token: None, name: None }
    }

    pub(crate) fn id(&self) -> PackId {
        PackId { origin: self.url.clone(), kind: self.kind, guid: self.guid.clone() }
    }
}

/// A verifier at which somebody has logged in; what proves it is in files of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    pub(crate) url: Origin,
    /// What the verifier calls them: `github:alice`.
    pub(crate) name: String,
    /// The packs that they may call there, as far as it was told.
    pub(crate) packs: Vec<String>,
}

/// The shortest beginning of a guid that stands for it.
const PREFIX: usize = 4;

impl Wallet {
    pub(crate) fn packs(&self) -> &[Pack] {
        &self.packs
    }

    pub(crate) fn logins(&self) -> &[Login] {
        &self.logins
    }

    /// The entry of a pack.
    pub(crate) fn pack(&self, id: &PackId) -> Option<&Pack> {
        self.packs.iter().find(|pack| pack.url == id.origin && pack.guid == id.guid)
    }

    /// The login at a verifier.
    pub(crate) fn login(&self, url: &Origin) -> Option<&Login> {
        self.logins.iter().find(|login| login.url == *url)
    }

    /// Keeps a pack; what is not known of it now stays as it was.
    pub(crate) fn keep_pack(&mut self, id: &PackId, token: Option<Secret>, name: Option<String>) {
        let known = self.packs.iter().position(|pack| pack.url == id.origin && pack.guid == id.guid);
        let mut pack = known.map_or_else(|| Pack::new(id), |at| self.packs.remove(at));
        pack.kind = id.kind;
        pack.token = token.or(pack.token);
        pack.name = name.or(pack.name);
        self.packs.insert(known.unwrap_or(self.packs.len()), pack);
    }

    /// Forgets the token of a pack.
    pub(crate) fn end_token(&mut self, id: &PackId) {
        for pack in self.packs.iter_mut().filter(|pack| pack.url == id.origin && pack.guid == id.guid) {
            pack.token = None;
        }
    }

    /// Forgets a pack; gives whether there was one.
    pub(crate) fn drop_pack(&mut self, id: &PackId) -> bool {
        let before = self.packs.len();
        self.packs.retain(|pack| pack.url != id.origin || pack.guid != id.guid);
        self.packs.len() < before
    }

    /// Keeps a login, in place of the one that was there.
    pub(crate) fn log_in(&mut self, login: Login) {
        self.log_out(&login.url);
        self.logins.push(login);
    }

    pub(crate) fn log_out(&mut self, url: &Origin) -> bool {
        let before = self.logins.len();
        self.logins.retain(|login| login.url != *url);
        self.logins.len() < before
    }

    /// Every pack that is known here, each once.
    pub(crate) fn known_packs(&self) -> Vec<PackId> {
        let mut known: Vec<PackId> = self.packs.iter().map(Pack::id).collect();
        let listed = self.verifiers.iter().map(|it| (&it.url, &it.packs));
        for (url, packs) in listed.chain(self.logins.iter().map(|it| (&it.url, &it.packs))) {
            for guid in packs.iter().filter_map(|guid| guid.parse::<Guid>().ok()) {
                if !known.iter().any(|it| it.origin == *url && it.guid == guid) {
                    known.push(PackId { origin: url.clone(), kind: Kind::Pack, guid });
                }
            }
        }
        known
    }

    /// The pack that is meant: by its guid, by the beginning of it, or by its URL, which need not be known here.
    pub(crate) fn which_pack(&self, text: &str) -> Result<PackId, Error> {
        if text.contains("://") {
            return text.parse().map_err(|_| PackError::NotAUrl(text.into()).into());
        }
        let known = self.known_packs();
        let named: Vec<&PackId> =
            known.iter().filter(|pack| pack.guid.as_str().eq_ignore_ascii_case(text)).collect();
        let meant = match named.as_slice() {
            [] if text.len() < PREFIX => return Err(PackError::Unknown(text.into()).into()),
            [] => known.iter().filter(|pack| pack.guid.starts_with(text)).collect(),
            _ => named,
        };
        match meant.as_slice() {
            [] => Err(PackError::Unknown(text.into()).into()),
            [pack] => Ok((*pack).clone()),
            several => Err(PackError::Several(several.iter().map(|pack| pack.url()).collect()).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wallet::Verifier;

    fn id(url: &str) -> PackId {
        url.parse().unwrap()
    }

    fn wallet() -> Wallet {
        let mut wallet = Wallet::default();
        wallet.keep_pack(
            &id("https://a.example/api/swarm/b1946ac9-2a44"),
            Secret::token("T"),
            Some("crm".into()),
        );
        wallet.keep_pack(&id("https://b.example/api/pack/b1946ac9-0000"), None, None);
        wallet.keep_pack(&id("https://b.example/api/pack/b1946ac9-2a44"), None, None);
        let packs = vec!["p1".into(), "B1946AC9-0000".into(), "not a guid".into()];
        wallet.remember(Verifier::new(
            "https://b.example".parse().unwrap(),
            "default".parse().unwrap(),
            "bob".into(),
            packs,
        ));
        wallet
    }

    #[test]
    fn a_pack_is_found_by_its_guid_its_beginning_and_its_url() {
        let wallet = wallet();
        let which = |text: &str| wallet.which_pack(text).map(|pack| pack.url());
        assert_eq!(which("p1").unwrap(), "https://b.example/api/pack/p1", "a whole guid may be short");
        assert_eq!(which("B1946AC9-0").unwrap(), "https://b.example/api/pack/b1946ac9-0000");
        assert_eq!(which("https://c.example/api/swarm/x/").unwrap(), "https://c.example/api/swarm/x");
        for text in ["b194", "b1946ac9-2a44"] {
            assert!(matches!(which(text), Err(Error::Pack(PackError::Several(_)))), "{text}");
        }
        for text in ["b19", "c", "", "b1946ac9-2a44-", "not a guid", "crm"] {
            assert!(matches!(which(text), Err(Error::Pack(PackError::Unknown(_)))), "{text}");
        }
        assert!(matches!(which("https://c.example/x"), Err(Error::Pack(PackError::NotAUrl(_)))));
    }

    #[test]
    fn what_is_not_known_anew_stays() {
        let mut wallet = wallet();
        let pack = id("https://a.example/api/pack/B1946AC9-2a44");
        wallet.keep_pack(&pack, None, None);
        let kept = wallet.pack(&pack).unwrap();
        assert_eq!((kept.kind, kept.name.as_deref()), (Kind::Pack, Some("crm")));
        assert_eq!(kept.token.as_ref().unwrap().expose(), "T");
        wallet.end_token(&pack);
        assert_eq!(wallet.pack(&pack).unwrap().token, None);
        assert!(wallet.drop_pack(&pack) && !wallet.drop_pack(&pack));
    }

    #[test]
    fn it_reads_what_it_writes_and_older_wallets() {
        let mut wallet = wallet();
        let login =
            Login { url: "https://a.example".parse().unwrap(), name: "github:alice".into(), packs: vec![] };
        wallet.log_in(login.clone());
        wallet.log_in(login);
        assert_eq!(wallet.logins().len(), 1);
        let text = serde_json::to_string(&wallet).unwrap();
        assert!(text.contains(r#""guid":"b1946ac9-2a44","kind":"swarm","token":"T","name":"crm""#), "{text}");
        assert_eq!(serde_json::from_str::<Wallet>(&text).unwrap(), wallet);
        assert!(!format!("{wallet:?}").contains("\"T\""));
        let older = r#"{"version":1,"verifiers":[],"statements":[]}"#;
        assert_eq!(serde_json::from_str::<Wallet>(older).unwrap(), Wallet::default());
        assert_eq!(
            serde_json::to_string(&Wallet::default()).unwrap(),
            older,
            "an older program reads it, too"
        );
    }
}
