//! Who calls, by which credential, and on whose word (`spec/packs.md`, section 3).

use alloc::string::String;
use alloc::sync::Arc;

use crate::key::Thumbprint;
use crate::policy::pack_key;
use crate::trust::Identity;
use crate::verify::Call;

/// What the names of token holders begin with: `pack:GUID/NAME/SERIAL`.
const HOLDER: &str = "pack:";
/// The provider whose names are the same in upper and lower case.
const GITHUB: &str = "github";

/// On whose word somebody is who they are.
#[derive(Clone, Debug)]
pub enum Backing {
    /// The verifier's own: a key of the identity is registered there.
    Registered,
    /// An identity provider's.
    User(Arc<User>),
    /// That of a token of a pack: it opens this pack and nothing else.
    Token {
        /// The guid of the pack.
        pack: Arc<str>,
    },
}

/// A user of an identity provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    name: String,
    groups: Arc<[String]>,
    folds_case: bool,
    answers_to_name: bool,
}

impl Backing {
    /// The backing of an identity by a key that is registered: its own word, or that of the token by which it was enrolled.
    #[must_use]
    pub fn of_registered(identity: &Identity) -> Self {
        match identity.token() {
            Some((pack, _, _)) => Self::Token { pack: pack.into() },
            None => Self::Registered,
        }
    }

    /// The backing of a user of an identity provider, who belongs to these groups (`org`, `team@org`).
    #[must_use]
    pub fn of_user(
        identity: &Identity,
        groups: Arc<[String]>,
        is_registered: impl FnOnce(&str) -> bool,
    ) -> Self {
        let (provider, name) = identity.provider().unwrap_or(("", identity.as_str()));
        let answers_to_name = !is_registered(name);
        Self::User(Arc::new(User {
            name: name.into(),
            groups,
            folds_case: provider == GITHUB,
            answers_to_name,
        }))
    }
}

impl User {
    /// Whether an entry is the whole name of this user: the provider, and the name there in whatever case.
    fn is_spelled(&self, entry: &Identity) -> bool {
        let named = entry.provider().filter(|(provider, _)| self.folds_case && *provider == GITHUB);
        named.is_some_and(|(_, name)| name.eq_ignore_ascii_case(&self.name))
    }

    /// Whether an entry of a list means this user: `name`, or `name@org` for the user in the organisation or the team of it.
    fn is_meant(&self, entry: &str) -> bool {
        let same = |a: &str, b: &str| if self.folds_case { a.eq_ignore_ascii_case(b) } else { a == b };
        let belongs_to = |group: &str| self.groups.iter().any(|known| same(known, group));
        match entry.rsplit_once('@') {
            // Never a name that somebody may have chosen so as to look like a team.
            Some((name, organisation)) => {
                (same(name, &self.name) && belongs_to(organisation)) || belongs_to(entry)
            }
            None => self.answers_to_name && same(entry, &self.name),
        }
    }
}

impl Identity {
    /// The name of the holder of a token: that of a pack with this guid, by the token's name and serial.
    #[must_use]
    pub fn of_token(pack: &str, name: &str, serial: u64) -> Option<Self> {
        let whole = alloc::format!("{HOLDER}{}/{name}/{serial}", pack_key(pack));
        Self::new(&whole).filter(|identity| identity.token().is_some())
    }

    /// The token that stands behind the name: guid of the pack, name, serial. `None` for any other identity.
    #[must_use]
    pub fn token(&self) -> Option<(&str, &str, u64)> {
        let (pack, rest) = self.as_str().strip_prefix(HOLDER)?.split_once('/')?;
        let (name, serial) = rest.split_once('/')?;
        let is_plain = !pack.is_empty() && !name.is_empty();
        is_plain.then_some((pack, name, serial.parse().ok()?))
    }

    /// Whether the name is one that only tokens have: nobody is registered by it.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        self.as_str().starts_with(HOLDER)
    }
}

/// Somebody whose request has passed every stage before this one.
#[derive(Clone, Debug)]
pub struct Caller {
    means: Means,
}

/// The credential that a caller has shown.
#[derive(Clone, Debug)]
enum Means {
    Call(Arc<Call>),
    Bearer { identity: Identity, backing: Backing },
}

impl Caller {
    pub(crate) const fn new(call: Arc<Call>) -> Self {
        Self { means: Means::Call(call) }
    }

    /// Somebody who has shown a bearer instead of an envelope: the token of a pack, or that of an identity provider. Whoever makes
    /// one answers for having checked it.
    #[must_use]
    pub const fn by_bearer(identity: Identity, backing: Backing) -> Self {
        Self { means: Means::Bearer { identity, backing } }
    }

    /// Who it is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        match &self.means {
            Means::Call(call) => call.identity(),
            Means::Bearer { identity, .. } => identity,
        }
    }

    /// On whose word it is them.
    #[must_use]
    pub fn backing(&self) -> &Backing {
        match &self.means {
            Means::Call(call) => call.backing(),
            Means::Bearer { backing, .. } => backing,
        }
    }

    /// The call key; `None` where there is no envelope.
    #[must_use]
    pub fn keyid(&self) -> Option<Thumbprint> {
        self.call().map(Call::keyid)
    }

    /// The verified envelope: the evidence that a receipt keeps; `None` where there is none.
    #[must_use]
    pub fn call(&self) -> Option<&Call> {
        match &self.means {
            Means::Call(call) => Some(call),
            Means::Bearer { .. } => None,
        }
    }

    /// Whether the name in a rule means this caller.
    #[must_use]
    pub fn is_meant(&self, entry: &Identity) -> bool {
        self.identity() == entry
            || matches!(self.backing(), Backing::User(user) if user.is_meant(entry.as_str())
                || user.is_spelled(entry))
    }
}
