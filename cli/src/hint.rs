//! What may help when something went wrong.

use std::path::Path;

use envelope_core::Code;
use envelope_core::receipt::Flaw;

use crate::address::UrlPart;
use crate::command::shell_quote;
use crate::error::{AuditError, Error, FieldError, KeyError, MethodError, Problem};
use crate::message::Limit;
use crate::pem::PemError;
use crate::report::printable;

impl Error {
    /// What may help.
    pub(crate) fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Refused(refusal) => return verify_hint(refusal.code()).map(Into::into),
            Self::Unsignable(refusal) => return sign_hint(refusal.code()).map(Into::into),
            Self::Url(_, part) => part.hint().into(),
            Self::Method(error) => error.hint(),
            Self::Field(error, _) => error.hint().into(),
            Self::Key(_, error) => error.hint()?.into(),
            Self::TrustName(_) => "a name has 1 to 128 characters of A-Z a-z 0-9 . _ - : @ + /".into(),
            Self::TwoNames(..) => "an identity has one name here: give the key once".into(),
            Self::Formats(format) => format!("leave one of --json and --format {} out", format.as_str()),
            Self::TooMuch(_, Limit::BODY) => "a body that is signed is held in memory as a whole".into(),
            Self::TooMuch(..) => "what is read is one request or one certificate".into(),
            Self::Loose(path, _) if path.is_dir() => format!("chmod 700 {}", quoted(path)),
            Self::Loose(path, _) => format!("chmod 600 {}", quoted(path)),
            Self::RelativeHome => {
                "write the whole path, from / on: keys are in one place, wherever the command runs".into()
            }
            Self::NoHome => "set ENVELOPE_HOME to a directory for the keys".into(),
            Self::NoIdentity(name) if name.is_default() => "envelope keygen makes one".into(),
            Self::NoIdentity(name) => format!("envelope keygen --identity {name} makes one"),
            Self::IdentityExists(name) => {
                format!("envelope key show --identity {name} shows it; --identity NAME makes another one")
            }
            Self::Pem(path, error) => return pem_hint(path, *error),
            Self::Passphrase(error) => error.hint()?.into(),
            Self::Agent(error) => error.hint()?.into(),
            Self::Keyring(error) => error.hint()?.into(),
            Self::StaysInAgent => {
                "that is what it is for: without --private the public key is printed".into()
            }
            Self::NoPrivateForm => "--format pem, jwk and openssh have one".into(),
            Self::Send(error, Some(variable)) if error.is_connect() => {
                format!("{variable} is set: requests go through that proxy, but for the hosts in no_proxy")
            }
            Self::OtherTarget => {
                "write host and path the way they are sent: lower case, a numeric address in full, \
                percent-encoded where needed"
                    .into()
            }
            Self::Status(300..=399, Some(location)) => {
                format!("redirects are not followed, sign for the new address: {}", printable(location))
            }
            Self::Audit(AuditError { flaw: Flaw::Key, .. }) => {
                "--key is the key that the verifier names when it starts; a log is read from the beginning of a file".into()
            }
            Self::Audit(AuditError { flaw: Flaw::Sequence, .. }) => {
                "are all files given, in the order of their names?".into()
            }
            Self::Audit(AuditError { flaw: Flaw::Noted, .. }) => {
                "is the file given that has the line, or the one that follows it?".into()
            }
            Self::Audit(AuditError { flaw: Flaw::Unsigned, .. }) => {
                "who has written these lines has not the key of the verifier".into()
            }
            Self::Problem(problem) => return problem.hint(),
            Self::Answer(_) => "is that the URL of a verifier, without a path?".into(),
            Self::Wallet(path) => {
                format!("move {} away, and envelope enroll URL for each verifier", quoted(path))
            }
            Self::WalletFull(_) => "envelope forget URL takes a verifier out".into(),
            Self::WhichIdentity(_, names) => {
                format!("name one of them: --identity {}", names.join(", --identity "))
            }
            Self::NobodyToTell => {
                "envelope enroll URL makes one known; --force rotates all the same, and the old key is gone"
                    .into()
            }
            Self::Owed(_) => "envelope call to it tells it; --force forgets it all the same".into(),
            Self::NoRetirement(_) => "the file is one that envelope revoke --save wrote".into(),
            Self::NoVerifier => "name it with --at URL; envelope enroll URL remembers it".into(),
            Self::WhichVerifier(urls) => format!("name one of them: --at {}", urls.join(", --at ")),
            Self::NotInWallet(_) => "envelope pack list shows what it knows".into(),
            Self::NotKnown(url) => format!(
                "ask its admin for a ticket, and run envelope enroll {url} --token TICKET; or for the key to be registered"
            ),
            Self::PlainHttp(_) => "use https; --plain-http sends it all the same".into(),
            Self::Pack(error) => return error.hint(),
            Self::Login(error) => return error.hint(),
            Self::Token => "a ticket is what envelope ticket prints, on one line".into(),
            _ => return None,
        };
        Some(hint)
    }
}

fn pem_hint(path: &Path, error: PemError) -> Option<String> {
    Some(match error {
        PemError::Encrypted => {
            "take the passphrase from a file (--passphrase-file, ENVELOPE_PASSPHRASE_FILE), from a command \
            (--passphrase-command, ENVELOPE_PASSPHRASE_COMMAND), or run this at a terminal, which asks for it"
                .into()
        }
        PemError::OtherKind => {
            format!("openssl pkcs8 -topk8 -v2 aes-256-cbc -in {} writes it as PKCS#8", quoted(path))
        }
        PemError::UnknownSpelling => {
            "a private key is a PEM of OpenSSH, PKCS#8 or SEC 1, or a JWK with d; --ssh-agent KEY takes a public one"
                .into()
        }
        PemError::NoPrivateJwk => "a private key has d beside x (and y)".into(),
        _ => return None,
    })
}

impl UrlPart {
    const fn hint(self) -> &'static str {
        match self {
            Self::Scheme => "write the full URL, from https:// or http:// on",
            Self::UserInformation => {
                "leave user and password out; a password goes into -H 'Authorization: …'"
            }
            Self::Host => "a host is a name, an IPv4 address or [IPv6], with :PORT where it needs one",
            Self::Fragment => "leave # and what follows out: no client sends it",
            Self::Target => {
                "a URL is signed as it is written: no dot segments, no //, percent-encoding in upper case and only where \
                 it is needed"
            }
        }
    }
}

impl MethodError {
    fn hint(&self) -> String {
        match self {
            Self::NotAMethod => "a method has 1 to 32 letters in upper case; after it comes the URL".into(),
            Self::Connect => "a tunnel has no path to sign; sign the request that goes through it".into(),
            Self::Case(method) => format!("write {}", printable(&method.to_ascii_uppercase())),
        }
    }
}

impl FieldError {
    const fn hint(self) -> &'static str {
        match self {
            Self::NotAField => "write -H 'Name: value'",
            Self::Empty => {
                "clients such as curl drop a field without a value, and the signature would cover it"
            }
            Self::Control => "a value is one line of printable characters",
            Self::Reserved(why) => why,
        }
    }
}

impl KeyError {
    const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Refused(_) => None,
            Self::SecurityKey => Some("keys on PIV and PKCS#11 tokens sign what they are given"),
            Self::Unreadable(_) => Some("a key is a file (PEM, JWK or OpenSSH), a did:key or a thumbprint"),
            Self::ThumbprintAlone => Some("a key is a file (PEM, JWK or OpenSSH) or a did:key"),
        }
    }
}

impl Problem {
    fn hint(&self) -> Option<String> {
        let clock = self.ahead.filter(|ahead| ahead.abs() > 5).map(|ahead| {
            let direction = if ahead > 0 { "ahead of" } else { "behind" };
            format!("the clock here is {} s {direction} the server's: set it right", ahead.abs())
        });
        let hint = match Code::parse(&self.code)? {
            Code::Expired | Code::NotYetValid | Code::CertificateExpired | Code::CertificateInvalid
                if clock.is_some() =>
            {
                return clock;
            }
            Code::Expired => "the clocks agree, so the request was long on its way",
            Code::WrongAuthority => {
                return Some(format!(
                    "the server does not answer for {}: ask whoever runs it",
                    printable(&self.authority)
                ));
            }
            Code::BadSignature | Code::UnknownKey => {
                "does the server know the key of this identity? envelope key show prints it"
            }
            Code::NotAllowed => {
                "the owner of the pack, or an admin, says who may; envelope pack set changes what has no list"
            }
            Code::AgentNotAllowed => "ask the owner of the pack, or an admin, to allow it",
            Code::Revoked => {
                "the key ended for ever, or the token by which it was enrolled: envelope revoke removes it here, then a new ticket or token \
                 lets a new one in"
            }
            Code::WindowTooLong => "the server takes signatures for a shorter time only",
            Code::DigestMismatch | Code::DigestMissing => "something on the way changed the body",
            Code::Replayed => "something on the way sent the request twice",
            Code::ReplayCapacity | Code::ReplayUnavailable => "try again in a minute",
            Code::NotCovered => "something on the way removed or added header fields",
            Code::Unauthenticated => {
                "nothing was sent that is taken there, or a token that is not good any more: envelope enroll URL, envelope login URL, or \
                 envelope pack add URL --token-file F"
            }
            Code::ProviderUnavailable => {
                "try again in a minute: the verifier cannot ask the identity provider"
            }
            Code::AuditUnavailable => "try again in a minute: the verifier cannot write its audit log",
            Code::TooManyAttempts => "try again later: bad credentials came from this address",
            Code::TooLarge => "the server takes no body of this size",
            _ => return None,
        };
        Some(hint.into())
    }
}

const fn verify_hint(code: Code) -> Option<&'static str> {
    match code {
        Code::Expired | Code::CertificateExpired | Code::NotYetValid => {
            Some("--at TIME verifies as of another moment")
        }
        Code::WindowTooLong => Some("--window SECONDS takes signatures that are good for up to 300 s"),
        Code::UnknownKey => {
            Some("--trust NAME=KEY trusts an identity key; envelope inspect shows the one that signed")
        }
        Code::KeyRefused => Some("--trust takes the identity key, not the call key that signed the request"),
        _ => None,
    }
}

const fn sign_hint(code: Code) -> Option<&'static str> {
    match code {
        Code::Malformed => Some("covered fields hold printable ASCII"),
        Code::CertificateExpired => Some("envelope certify --for KEY makes a new one, where the identity is"),
        Code::Duplicate => Some("this header field can be given once"),
        _ => None,
    }
}

fn quoted(path: &Path) -> String {
    printable(&shell_quote(&path.to_string_lossy()))
}
