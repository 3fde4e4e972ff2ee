//! What is said of passphrases, and of keys that live elsewhere; and what may help.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use super::text::shown;
use crate::passphrase::Flaw;
use crate::pem::PemError;
use crate::ssh_agent::AgentError;

/// Why there is no passphrase.
#[derive(Debug)]
pub(crate) enum PassphraseError {
    File(PathBuf, Flaw),
    /// The command cannot be run.
    Command(io::Error),
    CommandFailed(ExitStatus),
    CommandOutput(Flaw),
    /// The environment names a file and a command.
    TwoVariables,
    /// A person was to be asked.
    NoTerminal,
    Terminal(io::Error),
    NotTyped,
    /// The second one was another than the first.
    Differ,
    /// A key in the keyring has none.
    InKeyring,
}

/// Why the keyring does not keep a key or give it back.
#[derive(Debug)]
#[cfg_attr(feature = "keyring", allow(dead_code, reason = "NotBuilt is for programs without it"))]
#[cfg_attr(not(feature = "keyring"), allow(dead_code, reason = "the others are for programs with it"))]
pub(crate) enum KeyringError {
    NotBuilt,
    NoService,
    /// It stays locked.
    Locked,
    NoEntry,
    /// Its entry is for another key.
    OtherKey,
    Pem(PemError),
    Failed(String),
}

impl fmt::Display for PassphraseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, Flaw::NotOneLine) => write!(f, "no passphrase in {}", shown(path)),
            Self::File(path, Flaw::CarriageReturn) => {
                write!(f, "a carriage return ends the passphrase in {}", shown(path))
            }
            Self::Command(error) => write!(f, "cannot run the passphrase command: {error}"),
            Self::CommandFailed(status) => write!(f, "the passphrase command failed: {status}"),
            Self::CommandOutput(Flaw::NotOneLine) => f.write_str("the passphrase command printed none"),
            Self::CommandOutput(Flaw::CarriageReturn) => {
                f.write_str("the passphrase command ends the passphrase with a carriage return")
            }
            Self::TwoVariables => {
                f.write_str("ENVELOPE_PASSPHRASE_FILE and ENVELOPE_PASSPHRASE_COMMAND are both set")
            }
            Self::NoTerminal => f.write_str("there is no terminal to ask for a passphrase"),
            Self::Terminal(error) => write!(f, "cannot ask for a passphrase: {error}"),
            Self::NotTyped => f.write_str("no passphrase was typed"),
            Self::Differ => f.write_str("the two passphrases differ"),
            Self::InKeyring => f.write_str("a key in the keyring has no passphrase of its own"),
        }
    }
}

impl PassphraseError {
    pub(crate) const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::File(_, Flaw::NotOneLine) => Some("a passphrase file holds one line that is not empty"),
            Self::File(_, Flaw::CarriageReturn) => {
                Some("end the line with LF alone, not with CR LF as Windows does")
            }
            Self::CommandOutput(_) => Some("the first line that it prints is the passphrase"),
            Self::TwoVariables => {
                Some("unset one of them, or give --passphrase-file or --passphrase-command")
            }
            Self::NoTerminal => {
                Some("--passphrase-file F takes it from a file, --passphrase-command CMD from a command")
            }
            Self::InKeyring => Some("the keyring encrypts it: leave the passphrase out"),
            _ => None,
        }
    }
}

impl fmt::Display for AgentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSocket => f.write_str("no ssh-agent: SSH_AUTH_SOCK is not set"),
            Self::Unreachable(error) => {
                write!(f, "no ssh-agent at the socket that SSH_AUTH_SOCK names: {error}")
            }
            Self::Gone(error) => write!(f, "the ssh-agent hung up: {error}"),
            Self::Silent => f.write_str("the ssh-agent did not answer for 60 s"),
            Self::NotAnAnswer => f.write_str("the ssh-agent answered something else than it was asked for"),
            Self::NoKey => f.write_str("the ssh-agent does not hold the key"),
            Self::Refused => f.write_str("the ssh-agent refused to sign"),
            Self::BadSignature => f.write_str("what the ssh-agent signed does not verify"),
        }
    }
}

impl AgentError {
    pub(crate) const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoSocket | Self::Unreachable(_) => {
                Some("eval \"$(ssh-agent)\" starts one, ssh-add F adds a key to it")
            }
            Self::Silent => Some("it may wait for somebody to confirm: a window, or a token to touch"),
            Self::NoKey => Some("ssh-add -L lists its keys, ssh-add F adds one"),
            Self::Refused => Some("it may be locked (ssh-add -X), or somebody said no"),
            _ => None,
        }
    }
}

impl fmt::Display for KeyringError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBuilt => f.write_str("this envelope was built without the keyring"),
            Self::NoService => f.write_str("there is no keyring here"),
            Self::Locked => f.write_str("the keyring stays locked"),
            Self::NoEntry => f.write_str("the key is no longer in the keyring"),
            Self::OtherKey => f.write_str("the keyring holds another key in its place"),
            Self::Pem(error) => write!(f, "{error}: the entry in the keyring"),
            Self::Failed(fault) => write!(f, "the keyring failed: {}", crate::report::printable(fault)),
        }
    }
}

impl KeyringError {
    pub(crate) const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotBuilt => Some("build it with the feature keyring, or keep the key in a file"),
            Self::NoService => {
                Some("a desktop has one, such as GNOME Keyring or KWallet; elsewhere, keep the key in a file")
            }
            Self::Locked => Some("unlock it, and answer when the desktop asks"),
            _ => None,
        }
    }
}
