//! Rules as JSON: what a deployment, an admin and the store say of a pack (`spec/packs.md`, section 2).

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::marker::PhantomData;

use envelope_core::{Code, Identity, Pack, Refusal, Users};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// The most entries of a list, and the most agents.
const MOST: usize = 1000;
/// The longest rules of a pack, in bytes.
pub(crate) const MAX_RULES: usize = 256 << 10;
/// The longest name of an agent, in bytes.
const MAX_AGENT: usize = 256;

const fn malformed(detail: &'static str) -> Refusal {
    Refusal::new(Code::Malformed, detail)
}

/// A credential that a pack takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Accept {
    /// Envelopes.
    Signed,
    /// The tokens of the pack.
    Token,
    /// Tokens of an identity provider.
    Identity,
    /// None at all.
    Open,
}

/// Whom a rule allows: `"*"`, a list of entries, or null for who is registered.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum UserList {
    /// `"*"`; in the configuration also one entry.
    One(String),
    /// Entries.
    Many(Vec<String>),
}

/// The rule of an agent.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgentRule {
    name: String,
    allowed_users: Option<UserList>,
}

/// The members that say how a pack is guarded, each of which may be left out.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleSet {
    accept: Option<Vec<Accept>>,
    #[serde(default, deserialize_with = "present")]
    owner: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    allowed_users: Option<Option<UserList>>,
    agents: Option<Vec<Object<AgentRule>>>,
}

/// What is written as an object, and not as a list of the same values.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Reader<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_map(Reader(PhantomData)).map(Self)
    }
}

/// Tells null from nothing.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl RuleSet {
    /// The rules of a pack that is new, registered by `by`; `open` where nothing was said of how it is guarded.
    ///
    /// # Errors
    /// [`Code::Malformed`].
    pub(crate) fn make(self, by: Option<&Identity>, open: bool) -> Result<Pack, Refusal> {
        let unguarded = Pack { open, signed: true, token: true, owner: by.cloned(), ..Pack::trusted() };
        let says_who = self.allowed_users.is_some();
        let pack = self.change(unguarded)?;
        // What belongs to somebody is nobody else's until they say so.
        let allowed_users =
            if pack.owner.is_some() && !says_who { Users::Named(Vec::new()) } else { pack.allowed_users };
        Ok(Pack { allowed_users, ..pack })
    }

    /// The rules of a pack with these members in place of what it had.
    ///
    /// # Errors
    /// [`Code::Malformed`].
    pub(crate) fn change(self, mut pack: Pack) -> Result<Pack, Refusal> {
        if let Some(accept) = &self.accept {
            if accept.is_empty() {
                return Err(malformed("accept is empty: the pack would take nothing"));
            }
            pack.open = accept.contains(&Accept::Open);
            pack.signed = accept.contains(&Accept::Signed);
            pack.token = accept.contains(&Accept::Token);
            pack.identity = accept.contains(&Accept::Identity);
        }
        if let Some(owner) = self.owner {
            pack.owner = owner.as_deref().map(identity).transpose()?;
        }
        if let Some(users) = self.allowed_users {
            pack.allowed_users = read_users(users)?;
        }
        if let Some(agents) = self.agents {
            pack.agents = read_agents(agents)?;
        }
        Ok(pack)
    }

    /// Rules as somebody writes them: an object.
    ///
    /// # Errors
    /// [`Code::Malformed`].
    pub(crate) fn parse(json: &[u8]) -> Result<Self, Refusal> {
        const UNKNOWN: Refusal =
            malformed("a member of the rules is unknown, twice there, or of another type");
        serde_json::from_slice(json).map(|Object(rules)| rules).map_err(|_| UNKNOWN)
    }

    /// What the store holds, and the store takes: rules that are written can be read.
    ///
    /// # Errors
    /// [`Code::Malformed`] for rules that are too large.
    pub(crate) fn write(pack: &Pack) -> Result<String, Refusal> {
        const TOO_LARGE: Refusal =
            malformed("the rules of a pack are more than 256 KiB, or 1000 agents or entries");
        let json = serde_json::to_string(&Self::of(pack)).map_err(|_| TOO_LARGE)?;
        if json.len() <= MAX_RULES && Self::read(&json).as_ref() == Some(pack) {
            Ok(json)
        } else {
            Err(TOO_LARGE)
        }
    }

    /// What the store holds.
    pub(crate) fn read(json: &str) -> Option<Pack> {
        let rules: Self = serde_json::from_str(json).ok()?;
        rules.change(Pack { signed: false, ..Pack::trusted() }).ok()
    }

    /// The same, to be written.
    pub(crate) fn of(pack: &Pack) -> Self {
        let flags = [
            (pack.signed, Accept::Signed),
            (pack.token, Accept::Token),
            (pack.identity, Accept::Identity),
            (pack.open, Accept::Open),
        ];
        let accept = flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, accept)| accept).collect();
        let rule = |(name, users): (&String, &Users)| {
            Object(AgentRule { name: name.clone(), allowed_users: list(users) })
        };
        Self {
            accept: Some(accept),
            owner: Some(pack.owner.as_ref().map(ToString::to_string)),
            allowed_users: Some(list(&pack.allowed_users)),
            agents: Some(pack.agents.iter().map(rule).collect()),
        }
    }
}

fn list(users: &Users) -> Option<UserList> {
    match users {
        Users::Everybody => Some(UserList::One("*".into())),
        Users::Registered => None,
        Users::Named(names) => Some(UserList::Many(names.iter().map(ToString::to_string).collect())),
    }
}

fn read_agents(agents: Vec<Object<AgentRule>>) -> Result<BTreeMap<String, Users>, Refusal> {
    if agents.len() > MOST {
        return Err(malformed("a pack has rules for more than 1000 agents"));
    }
    let mut rules = BTreeMap::new();
    for Object(agent) in agents {
        if agent.name.is_empty() || agent.name.len() > MAX_AGENT {
            return Err(malformed("the name of an agent is not 1 to 256 bytes long"));
        }
        if rules.insert(agent.name, read_users(agent.allowed_users)?).is_some() {
            return Err(malformed("there are two rules for one agent"));
        }
    }
    Ok(rules)
}

/// Reads whom a rule allows.
///
/// # Errors
/// [`Code::Malformed`].
pub(crate) fn read_users(users: Option<UserList>) -> Result<Users, Refusal> {
    let entries = match users {
        None => return Ok(Users::Registered),
        Some(UserList::One(star)) if star == "*" => return Ok(Users::Everybody),
        Some(UserList::One(_)) => return Err(malformed("allowed_users is \"*\", a list or null")),
        Some(UserList::Many(entries)) => entries,
    };
    if entries.len() > MOST {
        return Err(malformed("a list has more than 1000 entries"));
    }
    if entries.iter().any(|entry| entry == "*") {
        return Ok(Users::Everybody);
    }
    let (mut named, mut known) = (Vec::new(), HashSet::new());
    for entry in &entries {
        let entry = identity(entry)?;
        if known.insert(entry.clone()) {
            named.push(entry);
        }
    }
    Ok(Users::Named(named))
}

fn identity(name: &str) -> Result<Identity, Refusal> {
    let identity = Identity::new(name).filter(|identity| !identity.is_reserved());
    identity.ok_or(malformed(
        "a name is not 1 to 128 characters of A-Z a-z 0-9 . _ - : @ + /, or begins with pack:",
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test panics when it fails")]
mod tests {
    use super::*;

    fn make(json: &str, by: Option<&str>) -> Result<Pack, Code> {
        let rules = RuleSet::parse(json.as_bytes()).map_err(|refusal| refusal.code())?;
        let by = by.and_then(Identity::new);
        rules.make(by.as_ref(), false).map_err(|refusal| refusal.code())
    }

    #[test]
    fn what_is_not_said_keeps_a_pack_to_whom_it_belongs() {
        let alice = Some("alice");
        let pack = make("{}", alice).unwrap();
        assert_eq!((pack.signed, pack.token, pack.identity, pack.open), (true, true, false, false));
        assert_eq!((pack.owner.unwrap().as_str(), pack.allowed_users), ("alice", Users::Named(vec![])));
        let nobodys = make("{}", None).unwrap();
        assert_eq!((nobodys.owner, nobodys.allowed_users), (None, Users::Registered));
        assert_eq!(make(r#"{"owner":null}"#, alice).unwrap().allowed_users, Users::Registered);
        assert_eq!(make(r#"{"allowed_users":null}"#, alice).unwrap().allowed_users, Users::Registered);
        assert_eq!(make(r#"{"allowed_users":"*"}"#, alice).unwrap().allowed_users, Users::Everybody);
        let listed = make(r#"{"allowed_users":["bob","bob","carol@acme"]}"#, alice).unwrap();
        let names = ["bob", "carol@acme"].map(|name| Identity::new(name).unwrap());
        assert_eq!(listed.allowed_users, Users::Named(names.to_vec()));
    }

    #[test]
    fn what_is_written_is_read_again() {
        for json in [
            "{}",
            r#"{"accept":["open"],"owner":null}"#,
            r#"{"accept":["identity","token"],"owner":"bob","allowed_users":"*","agents":[{"name":"a","allowed_users":["x@y"]},{"name":"b","allowed_users":null}]}"#,
        ] {
            let pack = make(json, Some("alice")).unwrap();
            let written = serde_json::to_string(&RuleSet::of(&pack)).unwrap();
            assert_eq!(RuleSet::read(&written).unwrap(), pack, "{written}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for json in [
            r#"{"accept":[]}"#,
            r#"{"accept":["magic"]}"#,
            r#"{"owner":""}"#,
            r#"{"owner":"a b"}"#,
            r#"{"owner":1}"#,
            r#"{"owner":"pack:p1/default/1"}"#,
            r#"{"allowed_users":["a b"]}"#,
            r#"{"allowed_users":{}}"#,
            r#"{"agents":[{"name":"","allowed_users":"*"}]}"#,
            r#"{"agents":[{"name":"a","allowed_users":"*"},{"name":"a","allowed_users":"*"}]}"#,
            r#"{"agents":[{"name":"a","users":"*"}]}"#,
            r#"{"accept":["open"],"accept":["open"]}"#,
            r#"{"open":true}"#,
            r#"{"allowed_users":"alice"}"#,
            r#"{"agents":[["a","*"]]}"#,
            r#"[["open"],null,"*",[]]"#,
        ] {
            assert_eq!(make(json, None).unwrap_err(), Code::Malformed, "{json}");
        }
    }
}
