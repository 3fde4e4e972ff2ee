//! What is said of packs, of their tokens and of logins; and what may help.

use std::fmt;

use crate::origin::Origin;
use crate::report::printable;

/// What is wrong with a pack, or with what is said about one.
#[derive(Debug)]
pub(crate) enum PackError {
    /// The wallet knows no such pack.
    Unknown(String),
    /// These packs, and which one is meant is not said.
    Several(Vec<String>),
    /// A URL that names no pack.
    NotAUrl(String),
    /// The arguments of a call that names a URL.
    Surplus,
    /// The arguments of an agent are no JSON object.
    NotArguments,
    NoAgentName,
    /// A body, where the arguments are the body.
    BodyForAgent,
    /// The bundle is no JSON object.
    NotABundle,
    /// Rules in the bundle, and on the command line.
    TwoRules,
    /// Nothing that is to be changed.
    NoRules,
    /// There is no token of the pack in the wallet.
    NoToken(String),
    NoTokenGiven,
    NotAToken,
    /// A token of this name is there already.
    TokenExists(String),
    /// A token, and a field `Authorization` that was given.
    TwoCredentials,
    /// A token would be sent, or come back, where everybody can read it.
    Plain(Origin),
    /// The upstream has refused, and said why.
    Refused(u16, String),
    /// The verifier has answered, and the wallet cannot keep what it said.
    NotKept(Box<super::Error>),
}

impl fmt::Display for PackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(text) => write!(f, "the wallet knows no pack {}", printable(text)),
            Self::Several(urls) => write!(f, "{} packs are called that", urls.len()),
            Self::NotAUrl(text) => write!(f, "not the URL of a pack: {}", printable(text)),
            Self::Surplus => f.write_str("nothing comes after METHOD and URL"),
            Self::NotArguments => f.write_str("the arguments are not a JSON object"),
            Self::NoAgentName => f.write_str("an agent has a name"),
            Self::BodyForAgent => f.write_str("a call to an agent has no body but its arguments"),
            Self::NotABundle => f.write_str("the bundle is not a JSON object"),
            Self::TwoRules => {
                f.write_str("the bundle has rules of its own, and there are some on the command line")
            }
            Self::NoRules => f.write_str("nothing is said of how the pack is to be guarded"),
            Self::NoToken(url) => write!(f, "the wallet has no token of {}", printable(url)),
            Self::NoTokenGiven => f.write_str("no token is given"),
            Self::NotAToken => f.write_str("not a token of a pack"),
            Self::TokenExists(name) => write!(f, "the pack has a token {} already", printable(name)),
            Self::TwoCredentials => f.write_str("a token and a header field Authorization of one's own"),
            Self::Plain(url) => write!(f, "over plain HTTP everybody on the way to {url} can read the token"),
            Self::Refused(status, _) => write!(f, "the server answered {status}"),
            Self::NotKept(error) => write!(f, "the token cannot be kept: {error}"),
        }
    }
}

impl PackError {
    pub(crate) fn hint(&self) -> Option<String> {
        let hint = match self {
            // What looks like a method was meant as one.
            Self::Unknown(text) if text.bytes().all(|byte| byte.is_ascii_uppercase()) && !text.is_empty() => {
                "envelope pack list shows what it knows; after METHOD comes a full URL, from https:// on"
            }
            Self::Unknown(text) if text.len() < 4 => {
                "a guid can be shortened to 4 characters; envelope pack list shows what the wallet knows"
            }
            Self::Unknown(_) => {
                "name the pack by its URL; or envelope enroll URL, with that of the verifier, brings the wallet up to date"
            }
            Self::Several(urls) => {
                let urls: Vec<String> = urls.iter().map(|url| printable(url)).collect();
                return Some(format!("name one of them: {}", urls.join(", ")));
            }
            Self::NoRules => "--accept, --owner, --allow and --agent say it",
            Self::NotAUrl(_) => "the URL of a pack is such as https://pack.example/api/pack/GUID",
            Self::Surplus => "--body F sends a body; envelope call PACK AGENT ARGUMENTS calls an agent",
            Self::NotArguments => r#"write '{"city":"Berlin"}', or - to read it from stdin"#,
            Self::BodyForAgent => "- in place of the arguments reads them from stdin",
            Self::NotABundle => "it is the JSON that a pack server takes at /api/pack/deploy",
            Self::TwoRules => {
                "leave auth out of the bundle, or --accept, --owner, --allow and --agent off the line"
            }
            Self::NoToken(_) => "envelope pack add URL --token-file F puts one there that somebody gave",
            Self::NoTokenGiven => "--token-file F, --token-file - for stdin, or ENVELOPE_TOKEN",
            Self::NotAToken => "it is tok_ or rsk_ and 43 characters, on one line",
            Self::TokenExists(_) => "--rotate gives it a new one, and the one before ends",
            Self::TwoCredentials => "leave -H 'Authorization: …' out, or --credential token",
            Self::Plain(_) => "use https; --plain-http sends it all the same",
            Self::Refused(_, said) if !said.is_empty() => {
                return Some(format!("it says: {}", printable(said)));
            }
            Self::NotKept(_) => {
                "run the same command again when it can be written: what was not used is made anew"
            }
            _ => return None,
        };
        Some(hint.into())
    }

    pub(super) const fn exit_status(&self) -> u8 {
        match self {
            Self::Refused(..) => 1,
            _ => 2,
        }
    }
}

/// Why nobody is logged in.
#[derive(Debug)]
pub(crate) enum LoginError {
    /// The verifier has no identity provider by which one could.
    NoProvider(Origin),
    /// It has these, and which one is meant is not said.
    WhichProvider(Vec<String>),
    /// It has none of this name.
    UnknownProvider(String, Vec<String>),
    /// The provider is of a kind that this version does not know.
    Kind(String),
    /// An address of the provider that is not HTTPS, or the verifier.
    NotHttps(String),
    /// The provider answered something else than it must.
    Answer(String),
    /// The provider refused, with a code and a text of its own.
    Says(String, Option<String>),
    /// The person said no.
    Denied,
    /// Nobody said anything in time.
    TimedOut,
    /// There is no login at this verifier.
    NotHere(Origin),
    /// It was renewed as long as the provider went along with it.
    Ended(Origin),
}

impl fmt::Display for LoginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoProvider(url) => write!(f, "there is no identity provider to log in by at {url}"),
            Self::WhichProvider(names) => write!(f, "there are {} identity providers", names.len()),
            Self::UnknownProvider(name, _) => write!(f, "there is no identity provider {}", printable(name)),
            Self::Kind(kind) => {
                write!(f, "this version knows no identity provider of the kind {}", printable(kind))
            }
            Self::NotHttps(url) => write!(f, "a login goes over HTTPS only: {}", printable(url)),
            Self::Answer(host) => {
                write!(f, "{} answered something else than an identity provider does", printable(host))
            }
            Self::Says(code, None) => write!(f, "the identity provider refused: {}", printable(code)),
            Self::Says(code, Some(text)) => {
                write!(f, "the identity provider refused: {} ({})", printable(code), printable(text))
            }
            Self::Denied => f.write_str("the login was denied at the identity provider"),
            Self::TimedOut => f.write_str("the code was not entered in time"),
            Self::NotHere(url) => write!(f, "nobody is logged in at {url}"),
            Self::Ended(url) => {
                write!(f, "the login at {url} has ended: the identity provider does not renew it")
            }
        }
    }
}

impl LoginError {
    pub(crate) fn hint(&self) -> Option<String> {
        let providers = |names: &[String]| {
            let names: Vec<String> = names.iter().map(|name| printable(name)).collect();
            names.join(", --provider ")
        };
        Some(match self {
            Self::NoProvider(_) => "ask its admin for a ticket, and run envelope enroll".into(),
            Self::WhichProvider(names) | Self::UnknownProvider(_, names) => {
                format!("name one of them: --provider {}", providers(names))
            }
            Self::TimedOut => "run the same command again: there is a new code then".into(),
            Self::NotHere(url) | Self::Ended(url) => format!("envelope login {url}"),
            _ => return None,
        })
    }

    pub(super) const fn exit_status(&self) -> u8 {
        match self {
            Self::Says(..) | Self::Denied | Self::TimedOut | Self::Ended(_) => 1,
            _ => 2,
        }
    }
}
