//! How packs are deployed and torn down: who may, and what is written down of it, all at once or not at all
//! (`spec/packs.md`, section 4).

use envelope_core::{Backing, Caller, Code, Identity, Pack, Refusal, Timestamp};
use serde_json::Value;
use zeroize::Zeroizing;

use super::Known;
use super::change::{Draft, digest};
use super::packs::{DEFAULT_TOKEN, NewToken, TokenWish, read};
use crate::place::Kind;
use crate::server::packs::rule_set::RuleSet;

/// For how long a deployment may be repeated, in seconds.
const REPEATABLE: u64 = 600;

const NOT_YOURS: Refusal =
    Refusal::new(Code::NotAllowed, "the pack is somebody else's, or not yours to deploy");
const NOBODY: Refusal =
    Refusal::new(Code::Unauthenticated, "whoever deploys this pack must say who they are");

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

    /// Whether nothing is done for whoever has no credential.
    pub(crate) const fn is_auth_required(&self) -> bool {
        self.packs.is_auth_required()
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
}

impl Draft<'_> {
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
