//! The agent that a call is for, where a pack has rules per agent: whatever is in doubt is refused.

use std::fmt;

use envelope_core::{Code, Refusal};
use http::Method;
use http::request::Parts;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};

/// The `name` in the JSON body of a call to `/agent`, of the path behind the pack's guid. Looking at the pack (`GET`, `HEAD`
/// elsewhere) names none; any other request is refused, since the upstream might take it for a call that no rule was asked
/// about.
pub(crate) fn called(head: &Parts, path: &str, body: &[u8]) -> Result<Option<String>, Refusal> {
    const UNNAMED: Refusal =
        Refusal::new(Code::AgentNotAllowed, "the pack has rules per agent, and the request names none");
    if path != "/agent" {
        let first = path.split(['/', ';']).nth(1).unwrap_or_default();
        let looks = head.method == Method::GET || head.method == Method::HEAD;
        return if looks && !first.eq_ignore_ascii_case("agent") { Ok(None) } else { Err(UNNAMED) };
    }
    let mut body = serde_json::Deserializer::from_slice(body);
    let name = body.deserialize_map(AgentCall).map_err(|_| UNNAMED)?;
    body.end().map_err(|_| UNNAMED)?;
    Ok(Some(name))
}

/// Reads `name` from an object. A second one in any case is an error: upstreams differ in which of them they would take.
struct AgentCall;

impl<'de> Visitor<'de> for AgentCall {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with one name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<String, A::Error> {
        let mut agent = None;
        while let Some(name) = map.next_key::<String>()? {
            if name == "name" && agent.is_none() {
                agent = Some(map.next_value()?);
            } else if name.eq_ignore_ascii_case("name") {
                return Err(A::Error::custom("a second name"));
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        agent.ok_or(A::Error::missing_field("name"))
    }
}
