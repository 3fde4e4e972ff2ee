//! What identities are called.

use std::fmt;
use std::str::FromStr;

/// The name of an identity, good as a file name: 1 to 64 characters of `A-Z a-z 0-9 . _ -`, not starting with a dot or a
/// dash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name(String);

impl Name {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the one that is meant when none is named.
    pub(crate) fn is_default(&self) -> bool {
        self.0 == "default"
    }
}

/// The name that is meant when none is given.
impl Default for Name {
    fn default() -> Self {
        Self("default".into())
    }
}

impl FromStr for Name {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let ok = (1..=64).contains(&text.len())
            && !text.starts_with(['.', '-'])
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if ok {
            Ok(Self(text.into()))
        } else {
            Err("a name has 1 to 64 characters of A-Z a-z 0-9 . _ - and does not start with a dot or a dash")
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_good_as_file_names() {
        let long = "a".repeat(64);
        for name in ["default", "a", "A.b_c-9", "a..b", long.as_str()] {
            assert_eq!(name.parse::<Name>().unwrap().as_str(), name);
        }
        for name in ["", ".", "..", ".a", "-a", "a/b", "a b", "a\n", "ä", "a=b", "*", &"a".repeat(65)] {
            assert!(name.parse::<Name>().is_err(), "{name}");
        }
    }
}
