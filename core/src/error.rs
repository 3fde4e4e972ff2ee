//! The errors: one flat table (spec, section 7).
//!
//! A [`Refusal`] says which rule was broken, never a value from the request: its detail is a fixed text, so
//! nothing that an attacker or a user sent can leak through it.

use core::fmt;

/// The stage of a verification in which a code arises (spec, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Stage {
    /// The envelope is read from the header fields.
    Parse = 1,
    /// What must be covered is, what must not be is not, and the target is ours and canonical.
    Coverage = 2,
    /// The signature's window holds the verifier's clock.
    Time = 3,
    /// The call key is certified or registered, and the identity behind it is known.
    Certificate = 4,
    /// The signature over the base.
    Signature = 5,
    /// The body is the one that was signed.
    Body = 6,
    /// The nonce is new.
    Replay = 7,
    /// The caller may do this.
    Policy = 8,
}

impl Stage {
    /// The number of the stage in the spec, 1 to 8.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Parse => 1,
            Self::Coverage => 2,
            Self::Time => 3,
            Self::Certificate => 4,
            Self::Signature => 5,
            Self::Body => 6,
            Self::Replay => 7,
            Self::Policy => 8,
        }
    }
}

macro_rules! codes {
    ($( $(#[$doc:meta])* $variant:ident = $code:literal, $stage:ident, $status:literal, $title:literal; )*) => {
        /// Every error that a verification can give, in the order of the stages (spec, section 7).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Code { $( $(#[$doc])* $variant, )* }

        impl Code {
            /// All codes, in the order of the table.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )* ];

            /// The code as vectors, logs, commands and problem documents write it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $code, )* }
            }

            /// The stage that gives it.
            #[must_use]
            pub const fn stage(self) -> Stage {
                match self { $( Self::$variant => Stage::$stage, )* }
            }

            /// The HTTP status that goes with it.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $( Self::$variant => $status, )* }
            }

            /// One line for a person: the `title` of the problem document.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $( Self::$variant => $title, )* }
            }
        }
    };
}

codes! {
    /// A field, the method or the document does not read as the profile says.
    Malformed = "malformed", Parse, 400, "the envelope cannot be read";
    /// Something that may be there once is there twice.
    Duplicate = "duplicate", Parse, 400, "something is there twice";
    /// A field, their number or the body is over its limit.
    TooLarge = "too-large", Parse, 413, "the request is too large";
    /// A component that must be covered is not, or a covered field is not in the request.
    NotCovered = "not-covered", Coverage, 400, "the signature does not cover what it must";
    /// A component that the profile does not take.
    ComponentRefused = "component-refused", Coverage, 400, "a covered component is not accepted";
    /// The path or the query is not in its one canonical spelling.
    TargetNotCanonical = "target-not-canonical", Coverage, 400, "the request target is not canonical";
    /// The request is addressed to a host that this verifier does not answer for.
    WrongAuthority = "wrong-authority", Coverage, 401, "the request is for another host";
    /// The signature is for something else than `envelope/1`.
    TagRefused = "tag-refused", Coverage, 400, "the signature is not an envelope";
    /// `expires` has passed.
    Expired = "expired", Time, 401, "the signature has expired";
    /// `created` lies in the future.
    NotYetValid = "not-yet-valid", Time, 401, "the signature is not valid yet";
    /// `expires - created` is over the verifier's window.
    WindowTooLong = "window-too-long", Time, 401, "the signature is valid for too long";
    /// The certificate cannot be read, contradicts itself or the signature, or does not verify.
    CertificateInvalid = "certificate-invalid", Certificate, 401, "the certificate is not valid";
    /// The certificate, or the registration in its place, has run out.
    CertificateExpired = "certificate-expired", Certificate, 401, "the certificate has expired";
    /// The key belongs to no identity that the verifier knows. Told to clients as `bad-signature`.
    UnknownKey = "unknown-key", Certificate, 401, "the key is not known";
    /// The identity key, the call key or the certificate has been revoked.
    Revoked = "revoked", Certificate, 401, "the key has been revoked";
    /// What the verifier knows of revocations is older than it may be.
    RevocationStale = "revocation-stale", Certificate, 503, "revocations are not known well enough";
    /// A key of a kind, strength or role that is not accepted.
    KeyRefused = "key-refused", Certificate, 401, "the key is not accepted";
    /// The message names another algorithm than that of the key.
    AlgorithmMismatch = "algorithm-mismatch", Certificate, 401, "the algorithm is not that of the key";
    /// The signature does not verify.
    BadSignature = "bad-signature", Signature, 401, "the signature does not verify";
    /// There is a body, and no digest of it.
    DigestMissing = "digest-missing", Body, 401, "the body has no digest";
    /// The body is not the one whose digest was signed.
    DigestMismatch = "digest-mismatch", Body, 401, "the body is not the one that was signed";
    /// The nonce was used before.
    Replayed = "replayed", Replay, 401, "the request was seen before";
    /// The replay cache is full.
    ReplayCapacity = "replay-capacity", Replay, 503, "too many requests to remember";
    /// The replay cache does not answer.
    ReplayUnavailable = "replay-unavailable", Replay, 503, "the replay cache is not available";
    /// No rule allows this caller, or there is no such thing to call.
    NotAllowed = "not-allowed", Policy, 403, "not allowed";
    /// No rule allows this caller this agent.
    AgentNotAllowed = "agent-not-allowed", Policy, 403, "this agent is not allowed";
    /// The certificate does not carry the scope that the request needs.
    ScopeMissing = "scope-missing", Policy, 403, "the certificate lacks the scope";
    /// The certificate is for another audience.
    AudienceMismatch = "audience-mismatch", Policy, 403, "the certificate is for another audience";
    /// The request carries no credential, and one is needed.
    Unauthenticated = "unauthenticated", Policy, 401, "a credential is needed";
    /// The identity provider cannot be asked.
    ProviderUnavailable = "provider-unavailable", Policy, 503, "the identity provider does not answer";
    /// Too many credentials that were no good came from the address.
    TooManyAttempts = "too-many-attempts", Policy, 429, "too many bad credentials";
    /// The receipt of the request cannot be written, and none is let through without.
    AuditUnavailable = "audit-unavailable", Policy, 503, "the audit log cannot be written";
    /// The caller, or the address, has as many requests or connections at once as one may have.
    TooManyRequests = "too-many-requests", Policy, 429, "too many requests at once";
    /// All callers together have as many requests, connections or bytes at once as the verifier takes.
    Overloaded = "overloaded", Policy, 503, "the verifier has too much to do";
}

impl Code {
    /// What a client is told: `unknown-key` becomes `bad-signature`, so that nobody can ask which keys a
    /// verifier knows.
    #[must_use]
    pub const fn on_the_wire(self) -> Self {
        match self {
            Self::UnknownKey => Self::BadSignature,
            code => code,
        }
    }

    /// The code that `text` spells, if any.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A refusal: the code, and the rule that was broken in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    code: Code,
    detail: &'static str,
}

impl Refusal {
    /// A refusal with a fixed text; the text is public and says nothing of the values that were refused.
    #[must_use]
    pub const fn new(code: Code, detail: &'static str) -> Self {
        Self { code, detail }
    }

    /// The code.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }

    /// The rule that was broken, in words.
    #[must_use]
    pub const fn detail(&self) -> &'static str {
        self.detail
    }

    /// What a client is told; see [`Code::on_the_wire`]. The detail of the two codes that look alike there is the
    /// same, too.
    #[must_use]
    pub const fn on_the_wire(self) -> Self {
        match self.code.on_the_wire() {
            Code::BadSignature => Self::new(Code::BadSignature, "no known key verifies this signature"),
            code => Self::new(code, self.detail),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl core::error::Error for Refusal {}
