//! What is sent when a pack is deployed or registered: the bundle, and the rules.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use crate::args::Rules;
use crate::error::{Error, PackError};

/// The members by which a bundle names its pack: packs.md, section 4.
pub(super) const GUIDS: [&str; 3] = ["pack_guid", "swarm_guid", "guid"];

/// A bundle, as it was written.
#[derive(Debug)]
pub(super) struct Bundle {
    text: String,
    members: BTreeMap<String, IgnoredAny>,
}

impl Bundle {
    pub(super) fn read(bytes: Vec<u8>) -> Result<Self, Error> {
        let text = String::from_utf8(bytes).map_err(|_| PackError::NotABundle)?;
        let members = serde_json::from_str(&text).map_err(|_| PackError::NotABundle)?;
        Ok(Self { text, members })
    }

    /// One of its members, where that is a text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.members.get(name)?;
        let members: Map<String, Value> = serde_json::from_str(&self.text).ok()?;
        members.get(name).and_then(Value::as_str).map(String::from)
    }

    /// What is sent: the bundle as it was written, with the rules in front where there are some.
    pub(super) fn with_rules(self, rules: &Rules) -> Result<Vec<u8>, Error> {
        let rules = rules.members();
        if rules.is_empty() {
            return Ok(self.text.into_bytes());
        }
        if self.members.contains_key("auth") {
            return Err(PackError::TwoRules.into());
        }
        let (_, rest) = self.text.split_once('{').ok_or(PackError::NotABundle)?;
        let comma = if self.members.is_empty() { "" } else { "," };
        Ok(format!("{{\"auth\":{}{comma}{rest}", Value::Object(rules)).into_bytes())
    }
}

impl Rules {
    /// The members of packs.md, section 2, that are given.
    pub(super) fn members(&self) -> Map<String, Value> {
        let mut members = Map::new();
        if !self.accept.is_empty() {
            let accept: Vec<&str> = self.accept.iter().map(|it| it.as_str()).collect();
            members.insert("accept".into(), accept.into());
        }
        if let Some(owner) = &self.owner {
            members.insert("owner".into(), owner.as_str().into());
        }
        if !self.allow.is_empty() {
            members.insert("allowed_users".into(), users(&self.allow));
        }
        if !self.agent.is_empty() {
            let agent = |(name, entries): &(String, Vec<String>)| serde_json::json!({ "name": name, "allowed_users": users(entries) });
            members.insert("agents".into(), self.agent.iter().map(agent).collect());
        }
        members
    }
}

/// Whoever is everybody needs no list.
fn users(entries: &[String]) -> Value {
    if entries.iter().any(|entry| entry == "*") { "*".into() } else { entries.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Accept;

    fn rules() -> Rules {
        Rules {
            accept: vec![Accept::Signed, Accept::Token],
            owner: Some("alice".into()),
            allow: vec!["alice".into(), "bob@acme".into()],
            agent: vec![("Public".into(), vec!["*".into()]), ("Own".into(), vec![])],
        }
    }

    const NONE: Rules = Rules { accept: vec![], owner: None, allow: vec![], agent: vec![] };

    #[test]
    fn a_bundle_goes_as_it_was_written_with_the_rules_in_front() {
        let send = |text: &str, rules: &Rules| {
            let sent = Bundle::read(text.into())?.with_rules(rules)?;
            Ok::<_, Error>(String::from_utf8(sent).unwrap())
        };
        let text = " {\"n\": 12345678901234567890.10,\n \"guid\":\"p1\"}\n";
        assert_eq!(send(text, &NONE).unwrap(), text);
        let sent = send(text, &rules()).unwrap();
        assert_eq!(
            sent,
            "{\"auth\":{\"accept\":[\"signed\",\"token\"],\"agents\":[{\"allowed_users\":\"*\",\"name\":\"Public\"},\
             {\"allowed_users\":[],\"name\":\"Own\"}],\"allowed_users\":[\"alice\",\"bob@acme\"],\"owner\":\"alice\"},\
             \"n\": 12345678901234567890.10,\n \"guid\":\"p1\"}\n"
        );
        serde_json::from_str::<Value>(&send("{ }", &rules()).unwrap()).unwrap();
        let with_auth = "{\"\\u0061uth\":{}}";
        assert!(matches!(send(with_auth, &rules()), Err(Error::Pack(PackError::TwoRules))));
        assert_eq!(send(with_auth, &NONE).unwrap(), with_auth);
        for text in ["", "[]", "{", "{}{}", "1", "\u{feff}{}"] {
            assert!(matches!(send(text, &NONE), Err(Error::Pack(PackError::NotABundle))), "{text}");
        }
        let bundle = Bundle::read(text.into()).unwrap();
        assert_eq!(
            (bundle.text("guid").as_deref(), bundle.text("n"), bundle.text("x")),
            (Some("p1"), None, None)
        );
    }
}
