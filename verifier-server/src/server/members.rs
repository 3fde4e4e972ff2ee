//! A JSON object whose members are moved, not read: numbers, order and spelling stay as they came.

use std::fmt;

use bytes::Bytes;
use envelope_core::{Code, Refusal};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

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
    /// [`Code::Duplicate`] when it is there twice: readers differ in which of them they would take.
    pub(crate) fn get(&self, name: &str) -> Result<Option<&RawValue>, Refusal> {
        let mut found = self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| &**value);
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(Refusal::new(Code::Duplicate, "a member of the body is there twice")),
            (found, None) => Ok(found),
        }
    }

    /// The same where it is a string that is not empty.
    ///
    /// # Errors
    /// As [`Members::get`].
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, Refusal> {
        let value = self.get(name)?;
        let text: Option<String> = value.and_then(|value| serde_json::from_str(value.get()).ok());
        Ok(text.filter(|text| !text.is_empty()))
    }

    /// Takes every member of a name out.
    pub(crate) fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| known != name);
    }

    /// Puts a member in place of those of its name, or at the end.
    pub(crate) fn set(&mut self, name: &str, value: &serde_json::Value) {
        let Ok(value) = serde_json::value::to_raw_value(value) else { return };
        match self.0.iter().position(|(known, _)| known == name) {
            Some(place) => {
                let mut index = 0;
                self.0.retain(|(known, _)| {
                    index += 1;
                    known != name || index == place + 1
                });
                if let Some((_, old)) = self.0.get_mut(place) {
                    *old = value;
                }
            }
            None => self.0.push((name.into(), value)),
        }
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
    }

    #[test]
    fn a_member_is_read_when_it_is_there_once() {
        let members = Members::parse(br#"{"a":"x","b":"","n":1,"t":1,"\u0074":2}"#).unwrap();
        assert_eq!(members.text("a").unwrap().as_deref(), Some("x"));
        for name in ["b", "n", "z"] {
            assert_eq!(members.text(name).unwrap(), None, "{name}");
        }
        assert_eq!(members.get("t").unwrap_err().code(), Code::Duplicate);
        for json in ["[]", "1", "", "{", "{}x", r#"{"a"}"#] {
            assert!(Members::parse(json.as_bytes()).is_none(), "{json}");
        }
    }
}
