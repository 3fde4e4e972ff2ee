//! How packs are administered: rules and tokens, by their owners and by admins, and what those are shown.

use envelope_core::{Caller, Code, Identity, Pack, Refusal, Timestamp};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::admin::Admin;
use super::change::Draft;
use super::{Known, NO_STORE};
use crate::place::Kind;
use crate::server::packs::Registered;
use crate::server::packs::rule_set::RuleSet;
use crate::server::packs::token;
use crate::server::store::{NewPack, PackRow, StoreError, TokenRow};

/// The token that a deployment makes.
pub(crate) const DEFAULT_TOKEN: &str = "default";
/// The most names of tokens that a pack has.
const MOST_TOKENS: usize = 64;

const NO_PACK: Refusal = Refusal::new(Code::NotAllowed, "no pack of this guid is yours to administer");
const CONFIGURED: Refusal = Refusal::new(Code::NotAllowed, "the configuration says how this pack is guarded");

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

impl Known {
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

    pub(super) async fn put_pack(
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

    pub(super) async fn rotate(
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

pub(super) fn read(row: &PackRow) -> Result<Pack, StoreError> {
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
