//! Everything that can stop a command: what is said, and the exit status.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use envelope_core::Refusal;

use crate::identity::Name;
use crate::pem::PemError;
use crate::report::printable;

#[derive(Debug)]
pub(crate) enum Error {
    /// The message that was to be verified or shown.
    Refused(Refusal),
    /// The request or certificate that was to be signed.
    Unsignable(Refusal),
    /// The method is not in upper case.
    Method(String),
    /// `-H`: what is wrong with it, and its name where that can be said.
    Field(FieldError, String),
    /// A KEY on the command line: the text, and why it is none.
    Key(String, KeyError),
    /// The NAME of `--trust NAME=KEY`.
    TrustName(String),
    /// A file or directory: what was being done with it.
    Io(&'static str, PathBuf, io::Error),
    Stdin(io::Error),
    Stdout(io::Error),
    Network(io::Error),
    /// More than a file of its kind can hold.
    TooLong(PathBuf),
    /// The file or directory can be used by others; its mode.
    Loose(PathBuf, u32),
    /// The file or directory belongs to another user.
    Foreign(PathBuf),
    /// A key file that is no regular file.
    NotAFile(PathBuf),
    NoHome,
    NoIdentity(Name),
    IdentityExists(Name),
    /// The key of an identity cannot be read or written.
    Pem(PathBuf, PemError),
    PassphraseFile(PathBuf),
    Random(getrandom::Error),
    Clock,
    /// The HTTP client would send another target than the one that was signed.
    OtherTarget,
    Send(reqwest::Error),
    /// The answer's status; where it points to, for a redirection.
    Status(u16, Option<String>),
    /// The answer was a refusal of a verifier.
    Problem(Problem),
}

/// What is wrong with a header field on the command line.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FieldError {
    NotAField,
    Empty,
    Control,
    Reserved(&'static str),
}

/// Why a text is no KEY.
#[derive(Debug)]
pub(crate) enum KeyError {
    Refused(Refusal),
    Unreadable(io::Error),
    ThumbprintAlone,
}

/// A refusal of a verifier, as it was told.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) code: String,
    pub(crate) title: String,
    /// How far the clock here is ahead of the verifier's, in seconds.
    pub(crate) ahead: Option<i128>,
    /// The host that was asked.
    pub(crate) authority: String,
}

impl Error {
    pub(crate) fn io(doing: &'static str, path: &Path, error: io::Error) -> Self {
        Self::Io(doing, path.into(), error)
    }

    /// 1: refused. 2: usage or I/O.
    pub(crate) fn exit_status(&self) -> u8 {
        match self {
            Self::Refused(_) | Self::Status(..) | Self::Problem(_) => 1,
            _ => 2,
        }
    }

    /// Nobody reads what is printed: no reason to say anything.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Stdout(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) | Self::Unsignable(refusal) => write!(f, "{refusal}"),
            Self::Method(method) => write!(f, "the method is not in upper case: {}", printable(method)),
            Self::Field(error, text) => write!(f, "{error}: {}", printable(text)),
            Self::Key(text, error) => write!(f, "not a key: {}: {error}", printable(text)),
            Self::TrustName(name) => write!(f, "not a name for an identity: {}", printable(name)),
            Self::Io(doing, path, error) => write!(f, "{doing} {}: {error}", shown(path)),
            Self::Stdin(error) => write!(f, "cannot read stdin: {error}"),
            Self::Stdout(error) => write!(f, "cannot write to stdout: {error}"),
            Self::Network(error) => write!(f, "cannot use the network: {error}"),
            Self::TooLong(path) => write!(f, "the file is too long: {}", shown(path)),
            Self::Loose(path, mode) => write!(f, "others may use {}: its mode is {mode:04o}", shown(path)),
            Self::Foreign(path) => write!(f, "another user owns {}", shown(path)),
            Self::NotAFile(path) => write!(f, "not a regular file: {}", shown(path)),
            Self::NoHome => f.write_str("there is no home directory"),
            Self::NoIdentity(name) => write!(f, "there is no identity {name} here"),
            Self::IdentityExists(name) => write!(f, "the identity {name} has a key already"),
            Self::Pem(path, error) => write!(f, "{error}: {}", shown(path)),
            Self::PassphraseFile(path) => write!(f, "no passphrase in {}", shown(path)),
            Self::Random(error) => write!(f, "the system gives no randomness: {error}"),
            Self::Clock => f.write_str("the clock of this machine reads a time before 1970"),
            Self::OtherTarget => {
                f.write_str("the URL would be sent in another spelling than the one to sign")
            }
            Self::Send(error) => write_chain(f, error),
            Self::Status(status, _) => write!(f, "the server answered {status}"),
            Self::Problem(problem) => {
                write!(f, "{}: {}", printable(&problem.code), printable(&problem.title))
            }
        }
    }
}

impl std::error::Error for Error {}

impl fmt::Display for PemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreadable => "no private key of Ed25519 or P-256 in PKCS#8 PEM",
            Self::Encrypted => "the key is encrypted and there is no passphrase",
            Self::WrongPassphrase => "the passphrase does not open the key",
            Self::Refused => "the key is printed in an RFC, and everybody has it",
            Self::Unwritable => "the key cannot be encoded",
        })
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAField => "not a header field",
            Self::Empty => "a header field without a value",
            Self::Control => "a control character in a header field",
            Self::Reserved(_) => "this header field is not given with -H",
        })
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => f.write_str(refusal.detail()),
            Self::Unreadable(error) => write!(f, "{error}"),
            Self::ThumbprintAlone => f.write_str("a thumbprint names a key, the key itself is needed"),
        }
    }
}

/// The error and what caused it: reqwest keeps the interesting part inside.
fn write_chain(f: &mut fmt::Formatter<'_>, error: &reqwest::Error) -> fmt::Result {
    f.write_str("no answer")?;
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        write!(f, ": {cause}")?;
        source = cause.source();
    }
    Ok(())
}

fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}
