//! How packs change: who may deploy and administer them, and what is written down of it, all at once or not at all.

use envelope_core::{Backing, Caller, Code, Identity, Pack, Refusal, Timestamp};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::admin::Admin;
use super::change::{Draft, digest};
use super::{Known, NO_STORE};
use crate::place::Kind;
use crate::server::packs::Registered;
use crate::server::packs::rule_set::RuleSet;
use crate::server::packs::token;
use crate::server::store::{NewPack, PackRow, StoreError, TokenRow};

/// The token that a deployment makes.
pub(crate) const DEFAULT_TOKEN: &str = "default";
/// For how long a deployment may be repeated, in seconds.
const REPEATABLE: u64 = 600;
/// The most names of tokens that a pack has.
const MOST_TOKENS: usize = 64;

const NOT_YOURS: Refusal =
    Refusal::new(Code::NotAllowed, "the pack is somebody else's, or not yours to deploy");
const NOBODY: Refusal =
    Refusal::new(Code::Unauthenticated, "whoever deploys this pack must say who they are");
const NO_PACK: Refusal = Refusal::new(Code::NotAllowed, "no pack of this guid is yours to administer");
const CONFIGURED: Refusal = Refusal::new(Code::NotAllowed, "the configuration says how this pack is guarded");

/// Somebody who deploys a pack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deployer<'a> {
    /// Who it is; `None` where nobody is known to be it.
    pub(crate) caller: Option<&'a Caller>,
    pub(crate) is_admin: bool,
}

/// What somebody may do by deploying a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Right {
    /// Say how it is guarded, and have its token.
    Register,
    /// Have it deployed: no rule changes, and no token is made.
    Pass,
}

/// What a deployment has left behind.
pub(crate) struct Deployed {
    pub(crate) token: Zeroizing<String>,
    pub(crate) owner: Option<Identity>,
    /// As JSON has them.
    pub(crate) allowed_users: Value,
}

/// A token that was made.
pub(crate) struct NewToken {
    pub(crate) token: Zeroizing<String>,
    pub(crate) name: String,
    pub(crate) serial: u64,
    pub(crate) expires: Option<u64>,
}

/// How a token is made.
#[derive(Debug)]
pub(crate) struct TokenWish<'a> {
    pub(crate) name: &'a str,
    /// How long it is good, in seconds.
    pub(crate) ttl: Option<u64>,
    /// For how long the one before it is good yet, in seconds.
    pub(crate) overlap: u64,
}

impl Deployer<'_> {
    fn name(&self) -> Option<&str> {
        self.caller.map(|caller| caller.identity().as_str())
    }

    /// By what the same deployment is known again: the same body by the same caller.
    fn digest(&self, body: &[u8]) -> String {
        let mut whole = self.name().unwrap_or_default().as_bytes().to_vec();
        whole.push(0);
        whole.extend_from_slice(body);
        digest(&whole)
    }

    /// Whether this is the deployment of a pack again: its answer may have been lost, and nobody has used its token.
    fn repeats(
        &self,
        deployment: Option<(&str, Timestamp)>,
        body: &[u8],
        now: Timestamp,
        auth_required: bool,
    ) -> bool {
        let is_recent = |at: Timestamp| now.since(at) <= REPEATABLE;
        let may = self.caller.is_some() || !auth_required;
        may && deployment.is_some_and(|(digest, at)| is_recent(at) && digest == self.digest(body))
    }

    /// What they may do with a pack that has these rules; `None`: one that is new.
    fn right(&self, pack: Option<&Pack>, auth_required: bool) -> Result<Right, Refusal> {
        let is_registered = self.caller.is_some_and(|caller| matches!(caller.backing(), Backing::Registered));
        let owns = |pack: &Pack| self.caller.is_some_and(|caller| pack.is_owned_by(caller));
        let is_nobody = self.caller.is_none() && !auth_required;
        let right = match pack {
            _ if self.is_admin => Some(Right::Register),
            None => (is_registered || is_nobody).then_some(Right::Register),
            Some(pack) if pack.owner.is_some() => owns(pack).then_some(Right::Register),
            Some(_) if is_registered => Some(Right::Register),
            Some(pack) => (is_nobody && pack.open).then_some(Right::Pass),
        };
        right.ok_or(if self.caller.is_some() { NOT_YOURS } else { NOBODY })
    }
}

impl Deployer<'_> {
    /// Whether they may have a pack with these rules torn down, which nobody who is known has registered if it `is_nobodys`.
    fn check_teardown(
        &self,
        rules: Option<&Pack>,
        is_nobodys: bool,
        auth_required: bool,
    ) -> Result<(), Refusal> {
        let owns = |pack: &Pack| self.caller.is_some_and(|caller| pack.is_owned_by(caller));
        let may = match rules {
            _ if self.is_admin => true,
            // Whoever may call it without a credential could do as much before there was a verifier.
            Some(rules) if is_nobodys && rules.owner.is_none() => rules.open && !auth_required,
            Some(rules) => owns(rules),
            None => !auth_required,
        };
        match self.caller {
            _ if may => Ok(()),
            Some(_) => Err(NOT_YOURS),
            None => Err(NOBODY),
        }
    }
}

impl Known {
    /// What somebody may do by deploying a pack. Nothing is kept of the question.
    ///
    /// # Errors
    /// [`Code::NotAllowed`], [`Code::Unauthenticated`].
    pub(crate) async fn right_to_deploy(
        &self,
        guid: Option<&str>,
        deployer: &Deployer<'_>,
        body: &[u8],
    ) -> Result<Right, Refusal> {
        let auth_required = self.packs.is_auth_required();
        if let Some(rules) = guid.and_then(|guid| self.packs.configured(guid)) {
            // Whoever may deploy it, does not change how it is guarded.
            return deployer.right(Some(rules), auth_required).map(|_| Right::Pass);
        }
        let registered = guid.and_then(|guid| self.packs.find(guid));
        let right = deployer.right(registered.as_deref().map(|pack| &pack.rules), auth_required);
        let deployment = registered.as_ref().and_then(|pack| pack.deployment.as_ref());
        let deployment = deployment.map(|(digest, at)| (digest.as_str(), *at));
        Ok(match deployer.repeats(deployment, body, self.clock.now(), auth_required) {
            true => Right::Register,
            false => right?,
        })
    }

    /// Whether what is about to happen could be written down.
    ///
    /// # Errors
    /// [`Code::RevocationStale`].
    pub(crate) async fn check_writable(&self) -> Result<(), Refusal> {
        self.draft().await?.commit().await
    }

    /// From now on nobody repeats the deployment of a pack.
    pub(super) async fn end_repetition(&self, guid: &str) -> Result<(), Refusal> {
        let mut draft = self.draft().await?;
        draft.change.end_repetition(guid).await?;
        draft.commit().await
    }

    /// Whether packs can be registered here.
    pub(crate) const fn keeps_packs(&self) -> bool {
        self.store.is_some()
    }

    /// Writes a deployment down: rules, and a new token. The one before it is at its end.
    pub(crate) async fn deploy(
        &self,
        guid: &str,
        kind: Kind,
        rules: Option<RuleSet>,
        deployer: &Deployer<'_>,
        body: &[u8],
    ) -> Result<Option<Deployed>, Refusal> {
        check_guid(guid)?;
        let mut draft = self.draft().await?;
        if draft.right(guid, deployer, body).await? == Right::Pass {
            return Ok(None);
        }
        let known = draft.change.pack(guid).await?.filter(|row| !row.is_removed());
        let by = deployer.caller.map(Caller::identity);
        let rules = match (&known, rules) {
            (Some(known), Some(rules)) => rules.change(read(known)?)?,
            (Some(known), None) => read(known)?,
            (None, rules) => {
                let is_unguarded = rules.is_none();
                rules.unwrap_or_default().make(by, is_unguarded)?
            }
        };
        let digest = deployer.digest(body);
        draft.put_pack(guid, &rules, by, Some(&digest)).await?;
        let wish = TokenWish { name: DEFAULT_TOKEN, ttl: None, overlap: 0 };
        let NewToken { token, .. } = draft.rotate(guid, kind, &wish, by).await?;
        draft.commit().await?;
        let shown = serde_json::to_value(RuleSet::of(&rules)).unwrap_or_default();
        let allowed_users = shown.get("allowed_users").cloned().unwrap_or_default();
        Ok(Some(Deployed { token, owner: rules.owner, allowed_users }))
    }

    /// Forgets a pack that the upstream has torn down, unless it has become somebody else's meanwhile.
    pub(crate) async fn torn_down(&self, guid: &str, deployer: &Deployer<'_>) -> Result<(), Refusal> {
        // Nobody takes a pack over by having it torn down first: what is registered stays until somebody who is known ends it.
        if self.store.is_none() || deployer.caller.is_none() {
            return Ok(());
        }
        let mut draft = self.draft().await?;
        let Some(row) = draft.change.pack(guid).await?.filter(|row| !row.is_removed()) else { return Ok(()) };
        if self.packs.configured(guid).is_none() {
            let is_nobodys = row.registered_by.is_none();
            deployer.check_teardown(Some(&read(&row)?), is_nobodys, self.packs.is_auth_required())?;
        }
        draft.change.remove_pack(guid).await?;
        draft.commit().await
    }

    /// Whether somebody may have a pack torn down.
    pub(crate) fn check_teardown(&self, guid: &str, deployer: &Deployer<'_>) -> Result<(), Refusal> {
        let registered = self.packs.find(guid);
        let rules = self.packs.configured(guid).map(|rules| &**rules);
        let rules = rules.or(registered.as_deref().map(|pack| &pack.rules));
        let is_nobodys = registered.as_deref().is_some_and(|pack| pack.registered_by.is_none());
        deployer.check_teardown(rules, is_nobodys, self.packs.is_auth_required())
    }

    /// Changes the rules of a pack by the word of its owner, or of an admin.
    pub(crate) async fn change_rules(
        &self,
        guid: &str,
        by: &PackAdmin<'_>,
        change: impl FnOnce(Pack) -> Result<Pack, Refusal>,
    ) -> Result<(), Refusal> {
        let mut draft = self.draft_of(guid, by).await?;
        let (rules, spelled) = draft.own(guid, by).await?;
        draft.put_pack(&spelled, &change(rules)?, None, None).await?;
        draft.commit().await
    }

    /// Makes a token of a pack, or rotates it.
    pub(crate) async fn make_token(
        &self,
        guid: &str,
        wish: &TokenWish<'_>,
        by: &PackAdmin<'_>,
    ) -> Result<NewToken, Refusal> {
        let mut draft = self.draft_of(guid, by).await?;
        draft.own(guid, by).await?;
        let made = draft.rotate(guid, Kind::Pack, wish, Some(by.caller.identity())).await?;
        draft.change.end_repetition(guid).await?;
        draft.commit().await?;
        Ok(made)
    }

    /// Ends the tokens of a name; gives how many were live.
    pub(crate) async fn end_tokens(
        &self,
        guid: &str,
        name: &str,
        by: &PackAdmin<'_>,
    ) -> Result<u64, Refusal> {
        let mut draft = self.draft_of(guid, by).await?;
        draft.own(guid, by).await?;
        let now = draft.change.now();
        let ended = draft.change.end_tokens(guid, Some(name), now).await?;
        draft.change.end_repetition(guid).await?;
        draft.commit().await?;
        Ok(ended)
    }

    /// Forgets how a pack is guarded, and its tokens.
    pub(crate) async fn remove_pack(&self, guid: &str, by: &PackAdmin<'_>) -> Result<(), Refusal> {
        let mut draft = self.draft_of(guid, by).await?;
        draft.own(guid, by).await?;
        draft.change.remove_pack(guid).await?;
        draft.commit().await
    }

    /// What somebody who administers a pack is shown of it.
    pub(crate) async fn shown_pack(&self, guid: &str, by: &PackAdmin<'_>) -> Result<Value, Refusal> {
        if let Some(rules) = self.packs.configured(guid).filter(|rules| by.administers(rules)) {
            return Ok(shown(guid, rules, None, Vec::new()));
        }
        let pack = self.packs.find(guid).filter(|pack| by.administers(&pack.rules)).ok_or(NO_PACK)?;
        let now = self.clock.now();
        let tokens = self.store()?.live_tokens(guid, now).await?;
        let tokens = tokens.iter().map(|row| self.shown_token(row)).collect::<Result<_, StoreError>>()?;
        Ok(shown(&pack.guid, &pack.rules, Some(&pack), tokens))
    }

    /// The packs that somebody administers, in order, a page at a time: those of the configuration come first.
    pub(crate) async fn shown_packs(
        &self,
        after: Option<&str>,
        by: &PackAdmin<'_>,
    ) -> Result<Value, Refusal> {
        const PAGE: usize = 1000;
        let mut guids = self.packs.guids(after.unwrap_or_default(), |pack| by.administers(&pack.rules));
        let next = (guids.len() > PAGE).then(|| guids.get(PAGE - 1).cloned()).flatten();
        guids.truncate(PAGE);
        let mut packs = Vec::new();
        if after.is_none() {
            let configured = self.packs.all_configured().iter().filter(|(_, rules)| by.administers(rules));
            packs.extend(configured.map(|(guid, rules)| shown(guid, rules, None, Vec::new())));
        }
        for guid in &guids {
            // One that has gone meanwhile is not shown.
            packs.extend(self.shown_pack(guid, by).await.ok());
        }
        let mut page = json!({ "packs": packs });
        if let (Some(next), Some(page)) = (next, page.as_object_mut()) {
            page.insert("next".into(), next.into());
        }
        Ok(page)
    }

    fn shown_token(&self, row: &TokenRow) -> Result<Value, StoreError> {
        let holder = Identity::of_token(&row.pack, &row.name, row.serial()?);
        let here = holder.and_then(|holder| self.packs.last_used(&holder));
        Ok(json!({
            "name": row.name,
            "serial": row.serial()?,
            "created": row.created()?.as_unix(),
            "created_by": row.created_by,
            "expires": row.expires()?.map(Timestamp::as_unix),
            "last_used": here.max(row.last_used()?).map(Timestamp::as_unix),
        }))
    }

    async fn draft_of(&self, guid: &str, by: &PackAdmin<'_>) -> Result<Draft<'_>, Refusal> {
        self.store.as_ref().ok_or(NO_STORE)?;
        if self.packs.configured(guid).is_some_and(|rules| by.administers(rules)) {
            return Err(CONFIGURED);
        }
        self.draft_by(&by.admin).await
    }
}

/// Somebody who administers packs: their own, or all.
#[derive(Debug)]
pub(crate) struct PackAdmin<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) admin: Admin,
    pub(crate) is_admin: bool,
}

impl PackAdmin<'_> {
    fn administers(&self, rules: &Pack) -> bool {
        self.is_admin || rules.is_owned_by(self.caller)
    }
}

impl Draft<'_> {
    /// The rules of a pack that somebody administers, and its guid as it was registered.
    async fn own(&mut self, guid: &str, by: &PackAdmin<'_>) -> Result<(Pack, String), Refusal> {
        let row = self.change.pack(guid).await?.filter(|row| !row.is_removed()).ok_or(NO_PACK)?;
        let rules = read(&row)?;
        if by.administers(&rules) { Ok((rules, row.spelled)) } else { Err(NO_PACK) }
    }

    /// What somebody may do by deploying a pack, as it is at this moment.
    async fn right(&mut self, guid: &str, deployer: &Deployer<'_>, body: &[u8]) -> Result<Right, Refusal> {
        let known = self.keys;
        let auth_required = known.packs.is_auth_required();
        if let Some(rules) = known.packs.configured(guid) {
            return deployer.right(Some(rules), auth_required).map(|_| Right::Pass);
        }
        let Some(row) = self.change.pack(guid).await?.filter(|row| !row.is_removed()) else {
            return deployer.right(None, auth_required);
        };
        let rules = read(&row)?;
        let right = deployer.right(Some(&rules), auth_required);
        let is_same = row.deployment.as_deref() == Some(&deployer.digest(body));
        let since = row.deployed()?.map(|deployed| self.change.now().since(deployed));
        // The answer may have been lost; whoever has the token has not used it.
        let is_repetition = is_same && since.is_some_and(|since| since <= REPEATABLE);
        if is_repetition && (deployer.caller.is_some() || !auth_required) {
            Ok(Right::Register)
        } else {
            right
        }
    }

    async fn put_pack(
        &mut self,
        guid: &str,
        rules: &Pack,
        by: Option<&Identity>,
        deployment: Option<&str>,
    ) -> Result<(), Refusal> {
        let rules = RuleSet::write(rules)?;
        let by = by.map(Identity::as_str);
        self.change.put_pack(&NewPack { guid, rules: &rules, by, deployment }).await?;
        Ok(())
    }

    async fn rotate(
        &mut self,
        guid: &str,
        kind: Kind,
        wish: &TokenWish<'_>,
        by: Option<&Identity>,
    ) -> Result<NewToken, Refusal> {
        const TOO_MANY: Refusal = Refusal::new(Code::NotAllowed, "the pack has tokens of 64 names already");
        let now = self.change.now();
        let mut names: Vec<String> = Vec::new();
        for row in self.change.tokens(guid).await? {
            if row.is_live(now)? && !names.contains(&row.name) {
                names.push(row.name);
            }
        }
        if names.len() >= MOST_TOKENS && !names.iter().any(|name| name == wish.name) {
            return Err(TOO_MANY);
        }
        self.change.end_tokens(guid, Some(wish.name), now.plus(wish.overlap)).await?;
        let token = token::make(kind)?;
        let mac = token::encode(&self.stored.issuer.tokens().hash(&token));
        let expires = wish.ttl.map(|ttl| now.plus(ttl));
        let by = by.map(Identity::as_str);
        let serial = self.change.put_token(&mac, guid, wish.name, expires, by).await?;
        let expires = expires.map(Timestamp::as_unix);
        Ok(NewToken { token, name: wish.name.into(), serial, expires })
    }
}

fn read(row: &PackRow) -> Result<Pack, StoreError> {
    RuleSet::read(&row.rules).ok_or(StoreError::Row)
}

fn shown(guid: &str, rules: &Pack, registered: Option<&Registered>, tokens: Vec<Value>) -> Value {
    let mut shown = serde_json::to_value(RuleSet::of(rules)).unwrap_or_default();
    if let Some(shown) = shown.as_object_mut() {
        shown.insert("guid".into(), guid.into());
        shown.insert("registered".into(), registered.map(|pack| pack.registered.as_unix()).into());
        let by = registered.and_then(|pack| pack.registered_by.clone());
        shown.insert("registered_by".into(), by.into());
        shown.insert("tokens".into(), tokens.into());
    }
    shown
}

/// A guid that can stand in a path, and in the name of whoever holds a token of the pack.
///
/// # Errors
/// [`Code::Malformed`].
pub(crate) fn check_guid(guid: &str) -> Result<(), Refusal> {
    let can_hold = Identity::of_token(guid, DEFAULT_TOKEN, u64::from(u32::MAX)).is_some();
    if crate::place::is_guid(guid) && can_hold {
        Ok(())
    } else {
        Err(Refusal::new(Code::Malformed, "the guid of a pack is 1 to 104 characters of A-Z a-z 0-9 . _ -"))
    }
}
