//! The agent that a call is for, where a pack has rules per agent: whatever is in doubt is refused.

use std::fmt;

use crate::fold::folds_to;
use envelope_core::{Code, Pack, Refusal};
use http::Method;
use http::request::Parts;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

/// Where a call names its agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentCalls {
    /// The path of calls, behind the guid of the pack: `/agent`.
    pub path: String,
    /// The member of the JSON body that names the agent: `name`.
    pub member: String,
}

impl Default for AgentCalls {
    fn default() -> Self {
        Self { path: "/agent".into(), member: "name".into() }
    }
}

/// The longest name of an agent, in bytes.
const MAX_NAME: usize = 256;

const UNNAMED: Refusal =
    Refusal::new(Code::AgentNotAllowed, "the pack has rules per agent, and the request names none");
const TOO_LONG: Refusal =
    Refusal::new(Code::AgentNotAllowed, "the request names an agent by more than 256 bytes");

impl AgentCalls {
    /// The agent that a request names, where the pack has rules for agents. Looking at the pack (`GET`, `HEAD` elsewhere) names
    /// none; any other request is refused, since the upstream might take it for a call that no rule was asked about.
    ///
    /// # Errors
    /// [`Code::AgentNotAllowed`].
    pub(crate) fn agent(
        &self,
        rules: &Pack,
        head: &Parts,
        path: &str,
        body: &[u8],
    ) -> Result<Option<String>, Refusal> {
        if rules.agents.is_empty() {
            return Ok(None);
        }
        // Servers that cut parameters off a segment are at another path than the rules saw.
        if path.contains(';') {
            return Err(UNNAMED);
        }
        if path != self.path {
            let looks = head.method == Method::GET || head.method == Method::HEAD;
            return if looks && first(path) != first(&self.path) { Ok(None) } else { Err(UNNAMED) };
        }
        let mut body = serde_json::Deserializer::from_slice(body);
        let name = NameIn(&self.member).deserialize(&mut body).map_err(|_| UNNAMED)?;
        body.end().map_err(|_| UNNAMED)?;
        // No rule is for such a name, and receipts would be as long as it is.
        if name.len() > MAX_NAME {
            return Err(TOO_LONG);
        }
        Ok(Some(name))
    }
}

/// The first segment, without parameters, as an upstream that ignores case would read it.
pub(crate) fn first(path: &str) -> String {
    path.split(['/', ';']).nth(1).unwrap_or_default().to_ascii_lowercase()
}

/// Reads the name from an object. A second one in any case is an error: upstreams differ in which of them they would take.
struct NameIn<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for NameIn<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for NameIn<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with one name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<String, A::Error> {
        let mut agent = None;
        while let Some(name) = map.next_key::<String>()? {
            if name == self.0 && agent.is_none() {
                agent = Some(map.next_value()?);
            } else if folds_to(&name, self.0) {
                return Err(A::Error::custom("a second name"));
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        agent.ok_or(A::Error::custom("no name"))
    }
}
