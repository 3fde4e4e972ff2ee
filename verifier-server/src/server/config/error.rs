//! What is wrong with the configuration, where, and how to mend it.

use std::fmt;
use std::path::Path;

/// What is wrong with the configuration, and how to mend it.
#[derive(Debug)]
pub struct ConfigError {
    what: String,
    hint: &'static str,
    place: Option<Place>,
}

/// Where in the configuration a value is: a key of the file, which is also a flag, and what leads on from there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place(pub(super) Vec<Step>);

/// A step on the way to a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A key of a table.
    Key(&'static str),
    /// An element of a list.
    Index(usize),
}

impl From<&'static str> for Place {
    fn from(key: &'static str) -> Self {
        Self(vec![Step::Key(key)])
    }
}

impl From<usize> for Place {
    fn from(index: usize) -> Self {
        Self(vec![Step::Index(index)])
    }
}

impl From<(&'static str, usize)> for Place {
    fn from((key, index): (&'static str, usize)) -> Self {
        Self(vec![Step::Key(key), Step::Index(index)])
    }
}

impl From<(&'static str, usize, &'static str)> for Place {
    fn from((key, index, member): (&'static str, usize, &'static str)) -> Self {
        Self(vec![Step::Key(key), Step::Index(index), Step::Key(member)])
    }
}

impl Place {
    /// What stands further in.
    pub(super) fn of(mut self, further: impl Into<Self>) -> Self {
        self.0.extend(further.into().0);
        self
    }

    /// The key of the file that it begins with.
    pub(super) fn key(&self) -> Option<&'static str> {
        match self.0.first() {
            Some(Step::Key(key)) => Some(key),
            _ => None,
        }
    }
}

impl ConfigError {
    /// An error, and what to do about it.
    pub fn new(what: impl Into<String>, hint: &'static str) -> Self {
        Self { what: what.into(), hint, place: None }
    }

    /// The same about a value of the configuration, unless it is known better where it comes from.
    #[must_use]
    pub fn at(mut self, place: impl Into<Place>) -> Self {
        self.place.get_or_insert_with(|| place.into());
        self
    }

    /// The same about a value that contains the one that it is about.
    pub(super) fn within(mut self, outer: impl Into<Place>) -> Self {
        let inner = self.place.take().unwrap_or(Place(Vec::new()));
        self.place = Some(outer.into().of(inner));
        self
    }

    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        self.hint
    }

    pub(super) const fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// The same, said of a line of a file.
    pub(super) fn said_of(mut self, line: &str) -> Self {
        self.what = format!("{line}: {}", self.what);
        self
    }
}

/// A result whose error is about a value of the configuration.
pub(crate) trait Placed {
    /// Says of which.
    fn at(self, place: impl Into<Place>) -> Self;

    /// Says in which it is.
    fn within(self, outer: impl Into<Place>) -> Self;
}

impl<T> Placed for Result<T, ConfigError> {
    fn at(self, place: impl Into<Place>) -> Self {
        self.map_err(|error| error.at(place))
    }

    fn within(self, outer: impl Into<Place>) -> Self {
        self.map_err(|error| error.within(outer))
    }
}

/// A value as errors repeat it: none that may be a private key by mistake, of which the shortest has 43 characters.
pub(crate) fn shown(value: &str) -> String {
    const LONGEST: usize = 40;
    if value.len() <= LONGEST { format!("{value:?}") } else { of_bytes(value) }
}

/// A path as errors repeat it: it may be the file itself by mistake, which has lines.
pub(crate) fn shown_path(path: &Path) -> String {
    let text = path.display().to_string();
    if text.contains('\n') { of_bytes(&text) } else { text }
}

fn of_bytes(value: &str) -> String {
    format!("a text of {} bytes", value.len())
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for ConfigError {}
