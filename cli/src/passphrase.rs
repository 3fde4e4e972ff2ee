//! The passphrase of an identity key: from a file, a command or a person, never from the command line.

mod command;
mod file;
mod prompt;

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::args;
use crate::error::{Error, PassphraseError};

const FILE: &str = "ENVELOPE_PASSPHRASE_FILE";
const COMMAND: &str = "ENVELOPE_PASSPHRASE_COMMAND";

/// Where the passphrase comes from; it is read when a key has to be opened, and not before.
#[derive(Debug)]
pub(crate) enum PassphraseSource {
    /// The line of a file.
    File(PathBuf),
    /// What a shell command prints first.
    Command(OsString),
    /// Whoever is at the terminal, when a key turns out to be encrypted.
    Person,
    /// Whoever is at the terminal, for a key that is to be encrypted.
    NewFromPerson,
    /// Nowhere: nobody is to be asked.
    Nobody,
}

/// A passphrase, wiped when dropped.
pub(crate) struct Passphrase(Zeroizing<Vec<u8>>);

impl PassphraseSource {
    /// The one of the command line, else of the environment, else the person at the terminal.
    pub(crate) fn new(given: args::Passphrase) -> Result<Self, Error> {
        if let Some(file) = given.passphrase_file {
            return Ok(Self::File(file));
        }
        if let Some(command) = given.passphrase_command {
            return Ok(Self::Command(command));
        }
        match (variable(FILE), variable(COMMAND)) {
            (Some(_), Some(_)) => Err(PassphraseError::TwoVariables.into()),
            (Some(file), None) => Ok(Self::File(file.into())),
            (None, Some(command)) => Ok(Self::Command(command)),
            (None, None) => Ok(Self::Person),
        }
    }

    /// The one for a key that is to be kept.
    pub(crate) fn for_new_key(given: args::NewPassphrase) -> Result<Self, Error> {
        if given.passphrase { Ok(Self::NewFromPerson) } else { Self::new(given.source) }
    }

    /// The passphrase that opens `whose` key; `None` when there is none and nobody to ask.
    pub(crate) fn read(&self, whose: &str) -> Result<Option<Passphrase>, Error> {
        match self {
            Self::File(path) => file::read(path).map(Some),
            Self::Command(command) => command::read(command).map(Some),
            Self::Person | Self::NewFromPerson => prompt::ask(whose),
            Self::Nobody => Ok(None),
        }
    }

    /// The passphrase to encrypt a key with; `None` when it is to stay as it is.
    pub(crate) fn read_new(&self, whose: &str) -> Result<Option<Passphrase>, Error> {
        match self {
            Self::NewFromPerson => prompt::ask_twice(whose).map(Some),
            Self::File(_) | Self::Command(_) => self.read(whose),
            Self::Person | Self::Nobody => Ok(None),
        }
    }

    /// Whether a key that is to be kept would be encrypted.
    pub(crate) const fn encrypts(&self) -> bool {
        matches!(self, Self::File(_) | Self::Command(_) | Self::NewFromPerson)
    }
}

impl Passphrase {
    /// One line that is not empty, without its LF.
    fn read(mut text: Zeroizing<Vec<u8>>) -> Result<Self, Flaw> {
        if text.ends_with(b"\n") {
            text.pop();
        }
        // OpenSSL would take it for a part of the passphrase.
        if text.ends_with(b"\r") {
            return Err(Flaw::CarriageReturn);
        }
        let is_line = !text.is_empty() && !text.iter().any(|byte| matches!(byte, b'\n' | b'\r' | 0));
        if is_line { Ok(Self(text)) } else { Err(Flaw::NotOneLine) }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Why a text is no passphrase.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Flaw {
    NotOneLine,
    /// It ends with CR, or CR LF.
    CarriageReturn,
}

/// Where an empty name is none.
fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}
