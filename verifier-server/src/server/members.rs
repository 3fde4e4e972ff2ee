//! A JSON object whose members are moved, not read: numbers, order and spelling stay as they came.

use std::fmt;

use bytes::Bytes;
use envelope_core::{Code, Refusal};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use crate::fold::folds_to;

/// The members of an object, in order.
#[derive(Clone, Debug)]
pub(crate) struct Members(Vec<(String, Box<RawValue>)>);

impl Members {
    /// Reads an object; `None` for anything else.
    pub(crate) fn parse(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }

    /// The only member of a name.
    ///
    /// # Errors
    /// [`Code::Malformed`] when it is there twice: readers differ in which of them they would take.
    pub(crate) fn get(&self, name: &str) -> Result<Option<&RawValue>, Refusal> {
        let mut found = self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| &**value);
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(Refusal::new(Code::Malformed, "a member of the body is there twice")),
            (found, None) => Ok(found),
        }
    }

    /// The same where it is a string; nothing where it is null or empty.
    ///
    /// # Errors
    /// As [`Members::get`]; [`Code::Malformed`] for anything else.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, Refusal> {
        const NO_TEXT: Refusal = Refusal::new(Code::Malformed, "a member of the body is not a string");
        let Some(value) = self.get(name)? else { return Ok(None) };
        let text: Option<String> = serde_json::from_str(value.get()).map_err(|_| NO_TEXT)?;
        Ok(text.filter(|text| !text.is_empty()))
    }

    /// Whether there is a member that some readers take for one of these, and it is spelled otherwise.
    pub(crate) fn resemble(&self, names: &[&str]) -> bool {
        self.0.iter().any(|(known, _)| names.iter().any(|name| known != name && folds_to(known, name)))
    }

    /// Takes every member out that some reader takes for this one.
    pub(crate) fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| !folds_to(known, name));
    }

    /// Puts a member in place of those that some reader takes for it, or at the end.
    pub(crate) fn set(&mut self, name: &str, value: &serde_json::Value) {
        let Ok(value) = serde_json::value::to_raw_value(value) else { return };
        let place = self.0.iter().position(|(known, _)| folds_to(known, name)).unwrap_or(self.0.len());
        self.remove(name);
        self.0.insert(place, (name.into(), value));
    }

    /// As it is sent.
    pub(crate) fn to_bytes(&self) -> Bytes {
        serde_json::to_vec(self).unwrap_or_default().into()
    }
}

impl Serialize for Members {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test panics when it fails")]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_touched_stays_as_it_came() {
        let mut members = Members::parse(br#" {"b": 1.50, "a":"\u0061", "auth": {"x":1}, "b":2} "#).unwrap();
        members.remove("auth");
        members.set("c", &"d".into());
        members.set("a", &true.into());
        assert_eq!(members.to_bytes(), r#"{"b":1.50,"a":true,"b":2,"c":"d"}"#.as_bytes());
        members.set("b", &3.into());
        assert_eq!(members.to_bytes(), r#"{"b":3,"a":true,"c":"d"}"#.as_bytes());
        members.set("B", &4.into());
        assert_eq!(members.to_bytes(), r#"{"B":4,"a":true,"c":"d"}"#.as_bytes());
        assert!(members.resemble(&["x", "b"]) && !members.resemble(&["B", "x"]));
        members.remove("b");
        assert_eq!(members.to_bytes(), r#"{"a":true,"c":"d"}"#.as_bytes());
    }

    #[test]
    fn a_member_is_read_when_it_is_there_once() {
        let members = Members::parse(br#"{"a":"x","b":"","n":1,"t":1,"\u0074":2}"#).unwrap();
        assert_eq!(members.text("a").unwrap().as_deref(), Some("x"));
        for name in ["b", "z"] {
            assert_eq!(members.text(name).unwrap(), None, "{name}");
        }
        assert_eq!(members.text("n").unwrap_err().code(), Code::Malformed);
        assert_eq!(members.get("t").unwrap_err().code(), Code::Malformed);
        for json in ["[]", "1", "", "{", "{}x", r#"{"a"}"#] {
            assert!(Members::parse(json.as_bytes()).is_none(), "{json}");
        }
    }
}
