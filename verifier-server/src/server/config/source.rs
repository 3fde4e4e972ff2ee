//! The file, as it was read: which line of it a value comes from.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Place, Step};
use super::{ConfigError, shown};

/// The text of a configuration file, and what was said beside it.
#[derive(Clone, Debug)]
pub struct Source {
    path: PathBuf,
    text: String,
    /// Keys that flags have said, too: what counts is the flag.
    overridden: Vec<&'static str>,
}

impl Source {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            ConfigError::new(
                format!("{}: {error}", path.display()),
                "give --config the path of a file that can be read",
            )
        })?;
        Ok(Self { path: path.into(), text, overridden: Vec::new() })
    }

    /// What it says.
    ///
    /// # Errors
    /// With the line, and the key.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        toml::from_str(&self.text).map_err(|error| {
            let line = self.line(error.span().map_or(0, |span| span.start));
            let (what, hint) = explain(error.message());
            ConfigError::new(what, hint).said_of(&line)
        })
    }

    /// The same where flags have said these keys, too.
    #[must_use]
    pub fn overridden_by(mut self, keys: Vec<&'static str>) -> Self {
        self.overridden = keys;
        self
    }

    /// The directory that paths in it are relative to.
    pub(crate) fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// An error, with the file and the line that it comes from, where it comes from a line.
    #[must_use]
    pub fn locate(&self, error: ConfigError) -> ConfigError {
        let Some(place) = error.place() else { return error };
        // The names of fields have underscores.
        let is_of_flag = |key: &str| self.overridden.iter().any(|field| field.replace('_', "-") == key);
        if place.key().is_some_and(is_of_flag) {
            return error;
        }
        match self.find(place) {
            Some(start) => error.said_of(&self.line(start)),
            None => error,
        }
    }

    /// Where the value begins, or that in which it is missing.
    fn find(&self, Place(steps): &Place) -> Option<usize> {
        let table = DeTable::parse(&self.text).ok()?;
        let mut steps = steps.iter();
        let Some(Step::Key(first)) = steps.next() else { return None };
        let mut value = member(table.get_ref(), first)?;
        // A list that flags have added to: what is not in the file is theirs.
        for (depth, step) in steps.enumerate() {
            let next = match (step, value.get_ref()) {
                (Step::Key(key), DeValue::Table(table)) => member(table, key),
                (Step::Index(index), DeValue::Array(array)) => array.get(*index),
                _ => None,
            };
            match next {
                Some(next) => value = next,
                None if depth == 0 => return None,
                None => break,
            }
        }
        Some(value.span().start)
    }

    fn line(&self, start: usize) -> String {
        let line = self.text.bytes().take(start).filter(|byte| *byte == b'\n').count() + 1;
        format!("{}:{line}", self.path.display())
    }
}

/// A key may be written with hyphens or with underscores.
fn member<'a, 'i>(table: &'a DeTable<'i>, key: &str) -> Option<&'a Spanned<DeValue<'i>>> {
    let (_, value) = table.iter().find(|(known, _)| known.get_ref().replace('_', "-") == key)?;
    Some(value)
}

const KEYS: &str =
    "the keys are those of `envelope-verifier serve --help`, and [[pack]], [[route]], [[call-key]], revoked";
const KIND: &str = "write a value of that kind";

/// What the parser says, and what to do about it, without the values that it repeats: one of them may be a key by mistake.
fn explain(message: &str) -> (String, &'static str) {
    if let Some(names) = message.strip_prefix("unknown field ") {
        return (unknown(names), KEYS);
    }
    if let Some(rest) = message.strip_prefix("unknown variant `")
        && let Some((unknown, expected)) = rest.rsplit_once("`, expected ")
    {
        return (format!("{} is unknown here, expected {expected}", shown(unknown)), KIND);
    }
    if let Some((before, rest)) = message.split_once("string \"")
        && let Some((_, expected)) = rest.rsplit_once("\", expected ")
    {
        return (format!("{before}a string, expected {expected}"), KIND);
    }
    // Only users may be written in two ways.
    if message.starts_with("data did not match") {
        let what = "this is neither a name nor a list of names";
        return (what.into(), "write \"*\", or [\"alice\", \"bob\"]");
    }
    let hint = match message {
        "invalid socket address syntax" => "write an address with its port, such as 127.0.0.1:7998",
        "invalid IP address syntax" => "write an address without a port, such as 192.0.2.1",
        "duplicate key" => "take one of the two out",
        _ if message.starts_with("missing field") => "add it to the table that begins here",
        _ if message.starts_with("invalid type") || message.starts_with("invalid value") => KIND,
        _ => "the file is TOML, see https://toml.io",
    };
    (message.to_owned(), hint)
}

/// A key that there is not, and the one that is like it, of what the parser names: it first, then those that are known.
fn unknown(names: &str) -> String {
    let mut names = names.split('`').skip(1).step_by(2);
    let unknown = names.next().unwrap_or_default();
    // Every key with an underscore has hyphens as well.
    let known: Vec<_> = names.filter(|known| !known.contains('_')).collect();
    let written = unknown.replace('_', "-");
    let near = known.iter().map(|known| (strsim::damerau_levenshtein(&written, known), known));
    let what = format!("unknown key {}", shown(unknown));
    match near.min() {
        Some((distance, known)) if distance <= 2 => format!("{what}: {known:?} is one"),
        _ if known.len() <= 8 => format!("{what}: there are {} here", known.join(", ")),
        _ => what,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_parser_repeats_is_not_said() {
        let said = explain("invalid type: string \"-----BEGIN\", expected \", expected usize").0;
        assert_eq!(said, "invalid type: a string, expected usize");
        let said = explain("unknown variant `-----BEGIN PRIVATE KEY-----\n`, expected SECRET\n-----END PRIVATE KEY-----`, expected `text` or `json`").0;
        assert_eq!(said, "a text of 72 bytes is unknown here, expected `text` or `json`");
        let said = explain("unknown field `listn`, expected one of `listen`, `upstream`").0;
        assert_eq!(said, "unknown key \"listn\": \"listen\" is one");
        let said = explain("unknown field `x`, expected `name` or `allowed-users`").0;
        assert_eq!(said, "unknown key \"x\": there are name, allowed-users here");
    }
}
