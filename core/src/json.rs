//! A strict reader of JSON (RFC 8259): a member that is there twice, at any depth, is an error, and so are too many members or
//! levels.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// `null`, `true`, `false`, or a number that is not an integer from 0 to 2⁶⁴ - 1.
    Other,
    Integer(u64),
    String(String),
    Array(Vec<Value>),
    Object(Object),
}

/// The members of an object, in order, each name once.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Object(Vec<(String, Value)>);

impl Object {
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

/// What [`serde_json`] says when the strict reader refused a member.
const TWICE: &str = "a member is there twice";

/// Bounds the search for a member that is there twice: far more than any document of this profile has.
const MAX_MEMBERS: usize = 256;

/// How many objects and arrays may lie in one another, the outermost counted.
const MAX_LEVELS: usize = 32;

impl Value {
    /// Reads one value; `None` when it is not JSON, has a member twice, or too many members or levels.
    pub(crate) fn parse(json: &[u8]) -> Option<Self> {
        Self::parse_or_duplicate(json).ok()
    }

    /// Reads one value; the error says whether a member was there twice.
    pub(crate) fn parse_or_duplicate(json: &[u8]) -> Result<Self, bool> {
        serde_json::from_slice(json).map_err(|error| {
            use alloc::string::ToString;
            error.is_data() && error.to_string().starts_with(TWICE)
        })
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    pub(crate) fn as_integer(&self) -> Option<u64> {
        if let Self::Integer(number) = self { Some(*number) } else { None }
    }

    pub(crate) fn as_object(&self) -> Option<&Object> {
        if let Self::Object(object) = self { Some(object) } else { None }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Reader { levels: MAX_LEVELS }.deserialize(deserializer)
    }
}

/// Reads a value that may have so many levels.
#[derive(Clone, Copy)]
struct Reader {
    levels: usize,
}

impl Reader {
    /// For what lies in an object or array that this one reads.
    fn inner<E: Error>(self) -> Result<Self, E> {
        let levels = self.levels.checked_sub(1).ok_or_else(|| E::custom("there are too many levels"))?;
        Ok(Self { levels })
    }
}

impl<'de> DeserializeSeed<'de> for Reader {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Integer(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.into()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut object = Object(Vec::new());
        while let Some(name) = map.next_key::<String>()? {
            if object.get(&name).is_some() {
                return Err(A::Error::custom(TWICE));
            }
            if object.0.len() == MAX_MEMBERS {
                return Err(A::Error::custom("an object has too many members"));
            }
            object.0.push((name, map.next_value_seed(inner)?));
        }
        Ok(Value::Object(object))
    }
}
