//! The command line of how a pack is guarded: packs.md, section 2.

use clap::{Args, ValueEnum};

/// A credential that a pack takes.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accept {
    /// Envelopes, of identities and of logins
    Signed,
    /// The tokens of the pack
    Token,
    /// Tokens of the identity provider
    Identity,
    /// Nothing at all, while auth is not required
    Open,
}

impl Accept {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Signed => "signed",
            Self::Token => "token",
            Self::Identity => "identity",
            Self::Open => "open",
        }
    }
}

/// How a pack is to be guarded.
#[derive(Args, Debug)]
pub(crate) struct Rules {
    /// The credentials that the pack takes [of a new one: signed,token; without any rule deployed, open too]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "CREDENTIAL")]
    pub(crate) accept: Vec<Accept>,
    /// The identity that owns the pack [of a new one: whoever deploys or registers it]
    #[arg(long, value_name = "NAME")]
    pub(crate) owner: Option<String>,
    /// Who may call the pack: a name, name@org, or *
    #[arg(long, value_name = "ENTRY", value_delimiter = ',', value_parser = read_entry)]
    pub(crate) allow: Vec<String>,
    /// Who may use one of its agents; with one such rule, agents without are the owner's alone
    #[arg(long, value_name = "NAME=ENTRY,…", value_parser = read_agent)]
    pub(crate) agent: Vec<(String, Vec<String>)>,
}

/// An entry of a list of users: packs.md, section 2.
pub(super) fn read_entry(text: &str) -> Result<String, &'static str> {
    let ok =
        (1..=256).contains(&text.len()) && text.chars().all(|it| !it.is_whitespace() && !it.is_control());
    if ok && !text.contains(',') { Ok(text.into()) } else { Err("an entry is a name, name@org, or *") }
}

fn read_agent(text: &str) -> Result<(String, Vec<String>), &'static str> {
    let (name, entries) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or(AGENT)?;
    let entries = entries.split(',').filter(|entry| !entry.is_empty()).map(read_entry);
    Ok((name.into(), entries.collect::<Result<_, _>>()?))
}

const AGENT: &str = "an agent's rule is such as Weather=*, or Sales=alice,team@org";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_as_they_are_written() {
        assert_eq!(read_agent("Public=*").unwrap(), ("Public".into(), vec!["*".into()]));
        assert_eq!(read_agent("S=a,b@c").unwrap(), ("S".into(), vec!["a".into(), "b@c".into()]));
        assert_eq!(read_agent("Nobody=").unwrap(), ("Nobody".into(), vec![]));
        for text in ["", "a", "=a", "a=b c", "a=\u{1b}"] {
            assert!(read_agent(text).is_err(), "{text}");
        }
        for text in ["", "a b", "a\n", "a,b", &"a".repeat(257)] {
            assert!(read_entry(text).is_err(), "{text}");
        }
    }
}
