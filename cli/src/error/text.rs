//! What is said of each error. Nothing that may be a secret is repeated.

use std::fmt;
use std::path::Path;

use super::{AuditError, Error, FieldError, KeyError, MethodError};
use crate::message::Limit;
use crate::pem::PemError;
use crate::report::printable;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) | Self::Unsignable(refusal) | Self::Url(refusal, _) => {
                write!(f, "{refusal}")
            }
            Self::Method(error) => write!(f, "{error}"),
            Self::Field(error, None) => write!(f, "{error}"),
            Self::Field(error, Some(name)) => write!(f, "{error}: {}", printable(name)),
            Self::Key(text, error) => write!(f, "not a key: {}: {error}", printable(text)),
            Self::TrustName(name) => write!(f, "not a name for an identity: {}", printable(name)),
            Self::TwoNames(first, second) => {
                write!(f, "one key is trusted under two names: {first}, {second}")
            }
            Self::Formats(_) => f.write_str("--json is --format json, and another --format is given"),
            Self::Io(doing, path, error) => write!(f, "{doing} {}: {error}", shown(path)),
            Self::Stdin(error) => write!(f, "cannot read stdin: {error}"),
            Self::Stdout(error) => write!(f, "cannot write to stdout: {error}"),
            Self::Network(error) => write!(f, "cannot use the network: {error}"),
            Self::TooLong(path, limit) => write!(f, "longer than {} KiB: {}", limit / 1024, shown(path)),
            Self::TooMuch(path, Limit(mib)) if path == Path::new("-") => {
                write!(f, "more than {mib} MiB on stdin")
            }
            Self::TooMuch(path, Limit(mib)) => write!(f, "longer than {mib} MiB: {}", shown(path)),
            Self::Loose(path, mode) => write!(f, "others may use {}: its mode is {mode:04o}", shown(path)),
            Self::Foreign(path) => write!(f, "another user owns {}", shown(path)),
            Self::NotAFile(path) => write!(f, "not a regular file: {}", shown(path)),
            Self::Dangling(path) => write!(f, "{} is a dangling link", shown(path)),
            Self::RelativeHome => f.write_str("ENVELOPE_HOME is not an absolute path"),
            Self::NoHome => f.write_str("there is no home directory"),
            Self::NoIdentity(name) => write!(f, "there is no identity {name} here"),
            Self::IdentityExists(name) => write!(f, "the identity {name} has a key already"),
            Self::NotListed(1) => f.write_str("one key is not listed"),
            Self::NotListed(count) => write!(f, "{count} keys are not listed"),
            Self::Pem(path, error) => write!(f, "{error}: {}", shown(path)),
            Self::Passphrase(error) => write!(f, "{error}"),
            Self::Agent(error) => write!(f, "{error}"),
            Self::Keyring(error) => write!(f, "{error}"),
            Self::StaysInAgent => f.write_str("the ssh-agent never hands out a private key"),
            Self::NoPrivateForm => f.write_str("a did:key is a public key, it has no private form"),
            Self::Random(error) => write!(f, "the system gives no randomness: {error}"),
            Self::Clock => f.write_str("the clock of this machine reads a time before 1970"),
            Self::OtherTarget => {
                f.write_str("the URL would be sent in another spelling than the one to sign")
            }
            Self::Send(error, _) => write_chain(f, "no answer", error),
            Self::BrokenOff(error) => write_chain(f, "the answer broke off", error),
            Self::Status(status, _) => write!(f, "the server answered {status}"),
            Self::Problem(problem) => {
                write!(f, "{}: {}", printable(&problem.code), printable(&problem.title))?;
                match problem.detail.as_deref().filter(|detail| *detail != problem.title) {
                    Some(detail) => write!(f, " ({})", printable(detail)),
                    None => Ok(()),
                }
            }
            Self::Answer(url) => write!(f, "{url} answered something else than a verifier does"),
            Self::Wallet(path) => write!(f, "not a wallet that this version reads: {}", shown(path)),
            Self::NoVerifier => f.write_str("the wallet knows no verifier"),
            Self::WhichVerifier(urls) => write!(f, "the wallet knows {} verifiers", urls.len()),
            Self::NotInWallet(url) => write!(f, "the wallet does not know {url}"),
            Self::NotKnown(url) => write!(f, "{url} does not know the key"),
            Self::Untold(1) => f.write_str("a verifier has not taken it"),
            Self::Untold(count) => write!(f, "{count} verifiers have not taken it"),
            Self::WalletFull(path) => write!(f, "the wallet would be too large: {}", shown(path)),
            Self::WhichIdentity(url, names) => {
                write!(f, "{url} knows {} identities of this wallet", names.len())
            }
            Self::NobodyToTell => f.write_str("the wallet knows no verifier that could be told of a new key"),
            Self::Owed(url) => write!(f, "{url} has not heard yet that a key was rotated or revoked"),
            Self::NoRetirement(refusal) => write!(f, "no retirement: {refusal}"),
            Self::NotMeant => f.write_str("nothing was revoked"),
            Self::PlainHttp(url) => {
                write!(f, "over plain HTTP everybody on the way to {url} can use the ticket first")
            }
            Self::Token => f.write_str("not a token"),
            Self::Audit(AuditError { at: Some((path, line)), flaw }) => {
                write!(f, "line {line} of {}: {flaw}", shown(path))
            }
            Self::Audit(AuditError { at: None, flaw }) => write!(f, "{flaw}"),
            Self::Pack(error) => write!(f, "{error}"),
            Self::Login(error) => write!(f, "{error}"),
        }
    }
}

impl fmt::Display for PemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreadable | Self::UnknownSpelling => "no private key of Ed25519 or P-256",
            Self::OtherKind => "no private key of Ed25519 or P-256 in PKCS#8 PEM",
            Self::NoPrivateJwk => "no JWK with the private key of Ed25519 or P-256",
            Self::OtherPublicHalf => "the public half in the file belongs to another private key",
            Self::SecurityKey => {
                "the private key is in a FIDO token, which signs other bytes than it is given"
            }
            Self::TooMuchWork => "opening the key would take too long",
            Self::UnknownPlace => "the key lives at a place that this version does not know",
            Self::Encrypted => "the key is encrypted and there is no passphrase",
            Self::WrongPassphrase => "the passphrase does not open the key",
            Self::Refused => "the key is printed in an RFC, and everybody has it",
            Self::Unwritable => "the key cannot be encoded",
        })
    }
}

impl fmt::Display for MethodError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAMethod => f.write_str("not a method"),
            Self::Connect => f.write_str("CONNECT cannot be signed"),
            Self::Case(method) => write!(f, "the method is not in upper case: {}", printable(method)),
        }
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
            Self::SecurityKey => {
                f.write_str("the key is in a FIDO token, which signs other bytes than it is given")
            }
            Self::ThumbprintAlone => f.write_str("a thumbprint names a key, the key itself is needed"),
        }
    }
}

/// The error and what caused it: reqwest keeps the interesting part inside.
fn write_chain(f: &mut fmt::Formatter<'_>, what: &str, error: &reqwest::Error) -> fmt::Result {
    f.write_str(what)?;
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        write!(f, ": {cause}")?;
        source = cause.source();
    }
    Ok(())
}

pub(super) fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}
