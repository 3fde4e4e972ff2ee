//! Stage 8: who may call what (spec, V8.1 to V8.5).

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use crate::error::{Code, Refusal};
use crate::key::Thumbprint;
use crate::trust::Identity;
use crate::verify::Call;

/// Somebody whose request has passed every stage before this one.
#[derive(Clone, Debug)]
pub struct Caller {
    call: Call,
}

impl Caller {
    pub(crate) const fn new(call: Call) -> Self {
        Self { call }
    }

    /// Who it is.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        self.call.identity()
    }

    /// The call key.
    #[must_use]
    pub const fn keyid(&self) -> Thumbprint {
        self.call.keyid()
    }

    /// The verified envelope: the evidence that a receipt keeps.
    #[must_use]
    pub const fn call(&self) -> &Call {
        &self.call
    }
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
    /// Everybody (`*`).
    Everybody,
    /// These identities.
    Named(Vec<Identity>),
}

impl Users {
    fn allow(&self, identity: Option<&Identity>) -> bool {
        match self {
            Self::Everybody => true,
            Self::Named(names) => identity.is_some_and(|identity| names.contains(identity)),
        }
    }
}

/// The rules of one pack.
#[derive(Clone, Debug)]
pub struct Pack {
    /// May be called without a credential.
    pub open: bool,
    /// May be called with a signed envelope.
    pub signed: bool,
    /// May always call.
    pub owner: Option<Identity>,
    /// Who may call it.
    pub allowed_users: Users,
    /// Who may use which agent; empty: whoever may call the pack. An agent without a rule is nobody's.
    pub agents: BTreeMap<String, Users>,
}

impl Pack {
    /// A pack that every identity that the verifier knows may call, and nobody else.
    #[must_use]
    pub const fn trusted() -> Self {
        Self {
            open: false,
            signed: true,
            owner: None,
            allowed_users: Users::Everybody,
            agents: BTreeMap::new(),
        }
    }

    /// A pack that anybody may call.
    #[must_use]
    pub fn open() -> Self {
        Self { open: true, ..Self::trusted() }
    }
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
    packs: BTreeMap<String, Pack>,
    unlisted: Pack,
}

impl Policy {
    /// Rules for what is not listed.
    #[must_use]
    pub const fn new(unlisted: Pack) -> Self {
        Self { packs: BTreeMap::new(), unlisted }
    }

    /// Adds the rules of a pack, in place of those it had.
    pub fn insert(&mut self, guid: String, pack: Pack) {
        self.packs.insert(guid, pack);
    }

    /// The rules for a pack: its own, else those for what is not listed.
    #[must_use]
    pub fn pack(&self, guid: Option<&str>) -> &Pack {
        guid.and_then(|guid| self.packs.get(guid)).unwrap_or(&self.unlisted)
    }

    /// Whether anything can be called without a credential.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.unlisted.open || self.packs.values().any(|pack| pack.open)
    }

    /// Decides for a caller, or for a request without any credential.
    #[must_use]
    pub fn decide(&self, caller: Option<&Caller>, access: &Access<'_>) -> Decision {
        let pack = self.pack(access.pack);
        let decided = match caller {
            None if !pack.open => {
                Err(Refusal::new(Code::Unauthenticated, "the request carries no credential"))
            }
            None => Ok(()),
            Some(caller) => check_grant(caller, access).and_then(|()| check_pack(pack, caller)),
        };
        let identity = caller.map(Caller::identity);
        match decided.and_then(|()| check_agent(pack, identity, access)) {
            Ok(()) => Decision::Allow,
            Err(refusal) => Decision::Deny(refusal),
        }
    }
}

fn check_grant(caller: &Caller, access: &Access<'_>) -> Result<(), Refusal> {
    let Some(grant) = caller.call().grant() else { return Ok(()) };
    let authority = caller.call().base().authority();
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

fn check_pack(pack: &Pack, caller: &Caller) -> Result<(), Refusal> {
    let identity = caller.identity();
    let allowed =
        pack.signed && (pack.owner.as_ref() == Some(identity) || pack.allowed_users.allow(Some(identity)));
    // A signed call to an open pack is worth no less than one without a signature.
    if allowed || pack.open {
        Ok(())
    } else {
        Err(Refusal::new(Code::NotAllowed, "no rule allows this caller"))
    }
}

fn check_agent(pack: &Pack, identity: Option<&Identity>, access: &Access<'_>) -> Result<(), Refusal> {
    let Some(agent) = access.agent else { return Ok(()) };
    let is_owner = identity.is_some() && pack.owner.as_ref() == identity;
    if pack.agents.is_empty() || is_owner || pack.agents.get(agent).is_some_and(|users| users.allow(identity))
    {
        Ok(())
    } else {
        Err(Refusal::new(Code::AgentNotAllowed, "no rule allows this caller this agent"))
    }
}
