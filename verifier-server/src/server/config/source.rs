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

const HINT: &str =
    "the keys are those of `envelope-verifier serve --help`, and [[pack]], [[route]], [[call-key]], revoked";

/// What the parser says, without the values that it repeats: one of them may be a key by mistake; and which known key is like an
/// unknown one.
fn explain(message: &str) -> (String, &'static str) {
    let quoted = |text: &str| text.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    if let (true, [unknown, known @ ..]) = (message.starts_with("unknown field"), quoted(message).as_slice())
    {
        let near = known.iter().map(|known| (strsim::damerau_levenshtein(unknown, known), known));
        return match near.min() {
            Some((distance, known)) if distance <= 2 => {
                (format!("unknown key {}: {known:?} is one", shown(unknown)), HINT)
            }
            _ if known.len() <= 8 => {
                (format!("unknown key {}: there are {} here", shown(unknown), known.join(", ")), HINT)
            }
            _ => (format!("unknown key {}", shown(unknown)), HINT),
        };
    }
    if let Some(rest) = message.strip_prefix("unknown variant `")
        && let Some((unknown, expected)) = rest.rsplit_once("`, expected ")
    {
        return (
            format!("{} is unknown here, expected {expected}", shown(unknown)),
            "write a value of that kind",
        );
    }
    if let Some((before, rest)) = message.split_once("string \"")
        && let Some((_, expected)) = rest.rsplit_once("\", expected ")
    {
        return (format!("{before}a string, expected {expected}"), "write a value of that kind");
    }
    (message.to_owned(), HINT)
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
