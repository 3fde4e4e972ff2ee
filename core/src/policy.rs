//! Stage 8: who may call what (spec, V8.1 to V8.5; `spec/packs.md`, section 2).

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::caller::{Backing, Caller};
use crate::error::{Code, Refusal};
use crate::trust::Identity;

/// The one spelling of a guid by which the rules of its pack are found: in lower case, and a UUID with its hyphens where RFC 9562 has
/// them. Two that an upstream could read as one pack must not have two sets of rules.
#[must_use]
pub fn pack_key(guid: &str) -> Cow<'_, str> {
    const GROUPS: [usize; 5] = [8, 4, 4, 4, 12];
    let is_lower = !guid.bytes().any(|byte| byte.is_ascii_uppercase());
    let digits = || guid.bytes().filter(|byte| *byte != b'-');
    let is_uuid = digits().count() == 32 && digits().all(|byte| byte.is_ascii_hexdigit());
    if !is_uuid {
        return if is_lower { guid.into() } else { guid.to_ascii_lowercase().into() };
    }
    let mut digits = digits().map(|byte| char::from(byte.to_ascii_lowercase()));
    let mut key = String::with_capacity(36);
    for length in GROUPS {
        if !key.is_empty() {
            key.push('-');
        }
        key.extend(digits.by_ref().take(length));
    }
    if key == guid { guid.into() } else { key.into() }
}

/// What a request wants.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    /// The guid of the pack, where the request is for one.
    pub pack: Option<&'a str>,
    /// The agent in it, where the request names one.
    pub agent: Option<&'a str>,
    /// The scope that it needs.
    pub scope: &'a str,
}

impl Access<'static> {
    /// What a call to a server that is no pack wants: scope `call`.
    pub const CALL: Self = Self { pack: None, agent: None, scope: "call" };
}

/// Whom a rule allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Users {
    /// Everybody whose credential is taken (`*`).
    Everybody,
    /// Every identity that has a key at the verifier.
    Registered,
    /// These: `name`, or `name@org`.
    Named(Vec<Identity>),
}

impl Users {
    fn allow(&self, caller: Option<&Caller>) -> bool {
        match (self, caller) {
            (Self::Everybody, _) => true,
            (_, None) => false,
            (Self::Registered, Some(caller)) => matches!(caller.backing(), Backing::Registered),
            (Self::Named(entries), Some(caller)) => entries.iter().any(|entry| caller.is_meant(entry)),
        }
    }
}

/// The rules of one pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pack {
    /// May be called without a credential.
    pub open: bool,
    /// May be called with a signed envelope.
    pub signed: bool,
    /// May be called with a token of the pack.
    pub token: bool,
    /// May be called with a token of an identity provider.
    pub identity: bool,
    /// May always call, with a credential that is taken.
    pub owner: Option<Identity>,
    /// Who may call it.
    pub allowed_users: Users,
    /// Who may use which agent; empty: whoever may call the pack. An agent without a rule is nobody's.
    pub agents: BTreeMap<String, Users>,
}

impl Pack {
    /// A pack that every identity with a key at the verifier may call with an envelope, and nobody else.
    #[must_use]
    pub const fn trusted() -> Self {
        Self {
            open: false,
            signed: true,
            token: false,
            identity: false,
            owner: None,
            allowed_users: Users::Registered,
            agents: BTreeMap::new(),
        }
    }

    /// A pack that anybody may call.
    #[must_use]
    pub fn open() -> Self {
        Self { open: true, ..Self::trusted() }
    }

    /// Decides for a caller, or for a request without any credential that is taken.
    #[must_use]
    pub fn decide(&self, caller: Option<&Caller>, access: &Access<'_>) -> Decision {
        let decided = match caller {
            None if !self.open => Err(Refusal::new(
                Code::Unauthenticated,
                "the request carries no credential that is taken here",
            )),
            None => Ok(()),
            Some(caller) => {
                let has_call = caller.call().is_some();
                check_grant(caller, access).and_then(|()| self.check(caller, has_call, access))
            }
        };
        match decided.and_then(|()| self.check_agent(caller, access)) {
            Ok(()) => Decision::Allow,
            Err(refusal) => Decision::Deny(refusal),
        }
    }

    /// Whether somebody may call the pack, whatever their envelope is restricted to.
    #[must_use]
    pub fn allows(&self, caller: &Caller, guid: &str) -> bool {
        let access = Access { pack: Some(guid), ..Access::CALL };
        self.check(caller, caller.call().is_some(), &access).is_ok()
    }

    /// The same for somebody who will come with an envelope, whatever they have shown now.
    #[must_use]
    pub fn allows_by_envelope(&self, caller: &Caller, guid: &str) -> bool {
        let access = Access { pack: Some(guid), ..Access::CALL };
        self.check(caller, true, &access).is_ok()
    }

    /// Whether somebody may use an agent of it.
    #[must_use]
    pub fn allows_agent(&self, caller: Option<&Caller>, agent: &str) -> bool {
        let access = Access { agent: Some(agent), ..Access::CALL };
        self.check_agent(caller, &access).is_ok()
    }

    /// Whether somebody owns it.
    #[must_use]
    pub fn is_owned_by(&self, caller: &Caller) -> bool {
        self.owner.as_ref().is_some_and(|owner| caller.is_meant(owner))
    }

    /// The rules as they hold once a credential is required of everybody: what was open, and takes nothing else, is then for who has
    /// a key at the verifier.
    #[must_use]
    pub fn closed(self) -> Self {
        if !self.open {
            return self;
        }
        let takes_nothing = !self.takes_a_credential();
        let allowed_users = if takes_nothing { Users::Registered } else { self.allowed_users };
        Self { open: false, signed: self.signed || takes_nothing, allowed_users, ..self }
    }

    /// Whether somebody could call it if it were [`closed`](Self::closed).
    #[must_use]
    pub fn allows_when_closed(&self, caller: &Caller, guid: Option<&str>) -> bool {
        if self.takes_a_credential() {
            self.admits(caller, caller.call().is_some(), &Access { pack: guid, ..Access::CALL })
        } else {
            caller.call().is_some() && matches!(caller.backing(), Backing::Registered)
        }
    }

    const fn takes_a_credential(&self) -> bool {
        self.signed || self.token || self.identity
    }

    fn check(&self, caller: &Caller, has_call: bool, access: &Access<'_>) -> Result<(), Refusal> {
        // A credential at an open pack is worth no less than none.
        if self.open || self.admits(caller, has_call, access) {
            Ok(())
        } else {
            Err(Refusal::new(Code::NotAllowed, "no rule allows this caller"))
        }
    }

    fn admits(&self, caller: &Caller, has_call: bool, access: &Access<'_>) -> bool {
        match caller.backing() {
            Backing::Token { pack } => match access.pack {
                Some(guid) => pack_key(guid) == **pack && (self.token || (has_call && self.signed)),
                None => self.token,
            },
            Backing::User(_) => (self.identity || (has_call && self.signed)) && self.lists(caller),
            Backing::Registered => self.signed && self.lists(caller),
        }
    }

    fn lists(&self, caller: &Caller) -> bool {
        self.is_owned_by(caller) || self.allowed_users.allow(Some(caller))
    }

    fn check_agent(&self, caller: Option<&Caller>, access: &Access<'_>) -> Result<(), Refusal> {
        let Some(agent) = access.agent else { return Ok(()) };
        if self.agents.is_empty()
            || caller.is_some_and(|caller| self.is_owned_by(caller))
            || self.agents.get(agent).is_some_and(|users| users.allow(caller))
        {
            Ok(())
        } else {
            Err(Refusal::new(Code::AgentNotAllowed, "no rule allows this caller this agent"))
        }
    }
}

fn check_grant(caller: &Caller, access: &Access<'_>) -> Result<(), Refusal> {
    let Some(call) = caller.call() else { return Ok(()) };
    let Some(grant) = call.grant() else { return Ok(()) };
    let authority = call.base().authority();
    let meant = |entry: &String| entry.eq_ignore_ascii_case(authority) || Some(entry.as_str()) == access.pack;
    if grant.audiences().is_some_and(|audience| !audience.iter().any(meant)) {
        return Err(Refusal::new(Code::AudienceMismatch, "neither this host nor this pack is in aud"));
    }
    if grant.scopes().is_some_and(|scopes| !scopes.iter().any(|scope| scope == access.scope)) {
        return Err(Refusal::new(
            Code::ScopeMissing,
            "the scope that the request needs is not in the certificate",
        ));
    }
    Ok(())
}

/// May, or may not and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The request may pass.
    Allow,
    /// It may not.
    Deny(Refusal),
}

impl Decision {
    /// The decision as a result, for the question mark.
    ///
    /// # Errors
    /// The refusal of [`Decision::Deny`].
    pub const fn into_result(self) -> Result<(), Refusal> {
        match self {
            Self::Allow => Ok(()),
            Self::Deny(refusal) => Err(refusal),
        }
    }
}

/// The rules of a verifier.
#[derive(Clone, Debug)]
pub struct Policy {
    packs: BTreeMap<String, Arc<Pack>>,
    unlisted: Arc<Pack>,
}

impl Policy {
    /// Rules for what is not listed.
    #[must_use]
    pub fn new(unlisted: Pack) -> Self {
        Self { packs: BTreeMap::new(), unlisted: Arc::new(unlisted) }
    }

    /// Adds the rules of a pack, in place of those it had. Guids are found by their [`pack_key`].
    pub fn insert(&mut self, guid: &str, pack: Pack) {
        self.packs.insert(pack_key(guid).into_owned(), Arc::new(pack));
    }

    /// The rules for a pack: its own, else those for what is not listed.
    #[must_use]
    pub fn pack(&self, guid: Option<&str>) -> &Arc<Pack> {
        guid.and_then(|guid| self.get(guid)).unwrap_or(&self.unlisted)
    }

    /// The rules of a pack that is listed.
    #[must_use]
    pub fn get(&self, guid: &str) -> Option<&Arc<Pack>> {
        self.packs.get(&*pack_key(guid))
    }

    /// What is listed, in the order of the guids, each as its [`pack_key`].
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<Pack>)> {
        self.packs.iter().map(|(guid, pack)| (guid.as_str(), pack))
    }

    /// Whether anything can be called without a credential.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.unlisted.open || self.packs.values().any(|pack| pack.open)
    }

    /// Decides for a caller, or for a request without any credential.
    #[must_use]
    pub fn decide(&self, caller: Option<&Caller>, access: &Access<'_>) -> Decision {
        self.pack(access.pack).decide(caller, access)
    }
}
