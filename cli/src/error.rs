//! Everything that can stop a command, and the exit status. What is said of it is in [`text`].

mod homes;
mod packs;
mod text;

use std::io;
use std::path::{Path, PathBuf};

use envelope_core::receipt::Flaw;
use envelope_core::{Code, Identity, Refusal};

use crate::address::UrlPart;
use crate::args::SignFormat;
use crate::identity::Name;
use crate::message::Limit;
use crate::origin::Origin;
use crate::pem::PemError;
use crate::ssh_agent::AgentError;

pub(crate) use homes::{KeyringError, PassphraseError};
pub(crate) use packs::{LoginError, PackError};

#[derive(Debug)]
pub(crate) enum Error {
    /// The message that was to be verified or shown.
    Refused(Refusal),
    /// The request or certificate that was to be signed.
    Unsignable(Refusal),
    /// The URL of the request that was to be signed, and its part that keeps it from that.
    Url(Refusal, UrlPart),
    Method(MethodError),
    /// `-H`: what is wrong with it, and its name where it has one.
    Field(FieldError, Option<String>),
    /// A KEY on the command line: the text, and why it is none.
    Key(String, KeyError),
    /// The NAME of `--trust NAME=KEY`.
    TrustName(String),
    /// Two names for the same key.
    TwoNames(Identity, Identity),
    /// `--json` beside another `--format`.
    Formats(SignFormat),
    /// A file or directory: what was being done with it.
    Io(&'static str, PathBuf, io::Error),
    Stdin(io::Error),
    Stdout(io::Error),
    Network(io::Error),
    /// More than a file of its kind can hold.
    TooLong(PathBuf, usize),
    /// More input than is read; `-` is stdin.
    TooMuch(PathBuf, Limit),
    /// The file or directory can be used by others; its mode.
    Loose(PathBuf, u32),
    /// The file or directory belongs to another user.
    Foreign(PathBuf),
    /// A key file that is no regular file.
    NotAFile(PathBuf),
    /// A link to nothing.
    Dangling(PathBuf),
    NoHome,
    /// `ENVELOPE_HOME` would name another directory in every directory.
    RelativeHome,
    NoIdentity(Name),
    IdentityExists(Name),
    /// So many keys could not be listed; why was said of each.
    NotListed(usize),
    /// The key of an identity cannot be read or written.
    Pem(PathBuf, PemError),
    Passphrase(PassphraseError),
    Agent(AgentError),
    Keyring(KeyringError),
    /// The private half of a key that the ssh-agent holds.
    StaysInAgent,
    /// `--private` with a spelling that only public keys have.
    NoPrivateForm,
    Random(getrandom::Error),
    Clock,
    /// The HTTP client would send another target than the one that was signed.
    OtherTarget,
    /// No answer; the variable that names a proxy, where there is one on the way.
    Send(reqwest::Error, Option<&'static str>),
    /// The answer began and did not end.
    BrokenOff(reqwest::Error),
    /// The answer's status; where it points to, for a redirection.
    Status(u16, Option<String>),
    /// The answer was a refusal of a verifier.
    Problem(Box<Problem>),
    /// The answer is none that a verifier gives.
    Answer(Origin),
    /// The wallet cannot be read.
    Wallet(PathBuf),
    WalletFull(PathBuf),
    /// Several identities are known to the verifier, and none is named.
    WhichIdentity(Origin, Vec<String>),
    /// A new key would be known to nobody.
    NobodyToTell,
    /// A verifier has not heard something yet.
    Owed(Origin),
    /// What was to revoke a key is no retirement.
    NoRetirement(Refusal),
    /// The person at the terminal did not want it.
    NotMeant,
    /// A verifier has to be named, and the wallet knows none.
    NoVerifier,
    /// The same, and the wallet knows these.
    WhichVerifier(Vec<String>),
    NotInWallet(Origin),
    /// The verifier knows neither the key nor one that came before it.
    NotKnown(Origin),
    /// So many verifiers have not heard what they must; why was said of each.
    Untold(usize),
    /// A ticket would be sent where everybody can read it.
    PlainHttp(Origin),
    /// It is no token.
    Token,
    Pack(PackError),
    Login(LoginError),
    Audit(AuditError),
}

/// What is wrong with an audit log.
#[derive(Debug)]
pub(crate) struct AuditError {
    /// The file, and the number of the line in it; `None` for what is nowhere.
    pub(crate) at: Option<(PathBuf, u64)>,
    pub(crate) flaw: Flaw,
}

/// What is wrong with a header field on the command line.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FieldError {
    NotAField,
    Empty,
    Control,
    Reserved(&'static str),
}

/// What is wrong with the method.
#[derive(Clone, Debug)]
pub(crate) enum MethodError {
    NotAMethod,
    /// It opens a tunnel: there is no path in it that could be signed.
    Connect,
    /// It is not in upper case.
    Case(String),
}

/// Why a text is no KEY.
#[derive(Debug)]
pub(crate) enum KeyError {
    Refused(Refusal),
    Unreadable(io::Error),
    ThumbprintAlone,
    /// A FIDO token signs other bytes than it is given.
    SecurityKey,
}

/// A refusal of a verifier, as it was told.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) code: String,
    pub(crate) title: String,
    pub(crate) detail: Option<String>,
    /// How far the clock here is ahead of the verifier's, in seconds.
    pub(crate) ahead: Option<i128>,
    /// The host that was asked.
    pub(crate) authority: String,
}

impl Problem {
    /// Whether the verifier began anew, and would take the same request if it were signed again.
    pub(crate) fn began_anew(&self) -> bool {
        self.code == Code::ReplayUnavailable.as_str()
    }
}

impl From<PassphraseError> for Error {
    fn from(error: PassphraseError) -> Self {
        Self::Passphrase(error)
    }
}

impl From<PackError> for Error {
    fn from(error: PackError) -> Self {
        Self::Pack(error)
    }
}

impl From<LoginError> for Error {
    fn from(error: LoginError) -> Self {
        Self::Login(error)
    }
}

impl Error {
    pub(crate) fn io(doing: &'static str, path: &Path, error: io::Error) -> Self {
        Self::Io(doing, path.into(), error)
    }

    /// 1: refused. 2: usage or I/O.
    pub(crate) fn exit_status(&self) -> u8 {
        match self {
            Self::Refused(_)
            | Self::Status(..)
            | Self::Problem(_)
            | Self::NotKnown(_)
            | Self::Untold(_)
            | Self::Audit(_) => 1,
            Self::Pack(error) => error.exit_status(),
            Self::Login(error) => error.exit_status(),
            _ => 2,
        }
    }

    /// Nobody reads what is printed: no reason to say anything.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Stdout(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl std::error::Error for Error {}
