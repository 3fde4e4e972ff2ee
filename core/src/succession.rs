//! Succession: an identity key names the key that comes after it, and that key agrees (`spec/keys.md`, section 3).

use serde::Serialize;

use crate::error::{Code, Refusal};
use crate::key::VerifyingKey;
use crate::statement::{self, Unsigned, Untrusted, malformed};
use crate::time::Timestamp;

/// The `typ` in both headers.
const TYP: &str = "envelope-succession";

/// "This is my successor", and "I accept", over the same claims.
#[derive(Clone, Copy, Debug)]
pub struct Succession<'a> {
    /// The identity key that ends.
    pub old: &'a VerifyingKey,
    /// The one that comes after it.
    pub new: &'a VerifyingKey,
    /// When it is said.
    pub issued: Timestamp,
    /// How long the old key is good yet, in seconds: 0 to [`Succession::MAX_OVERLAP`].
    pub overlap: u64,
}

#[derive(Serialize)]
struct Claims {
    iss: alloc::string::String,
    sub: alloc::string::String,
    iat: u64,
    until: u64,
}

impl Succession<'_> {
    /// The longest time for which both keys are good, in seconds: 7 days.
    pub const MAX_OVERLAP: u64 = 7 * 86_400;
    /// The statement for both keys to sign, the old one first.
    ///
    /// # Errors
    /// [`Code::WindowTooLong`]; [`Code::KeyRefused`] for a key that would be its own successor.
    pub fn draft(&self) -> Result<Unsigned, Refusal> {
        if self.overlap > Self::MAX_OVERLAP {
            return Err(TOO_LONG);
        }
        let (old, new) = (self.old.thumbprint(), self.new.thumbprint());
        if old == new {
            return Err(ITSELF);
        }
        let claims = Claims {
            iss: statement::urn(&old),
            sub: statement::urn(&new),
            iat: self.issued.as_unix(),
            until: self.issued.plus(self.overlap).as_unix(),
        };
        Unsigned::new(TYP, &claims, [self.old, self.new])
    }
}

const TOO_LONG: Refusal = Refusal::new(Code::WindowTooLong, "both keys would be good for longer than 7 days");
const ITSELF: Refusal = Refusal::new(Code::KeyRefused, "a key cannot be its own successor");

/// A succession that was read. Whether its signatures verify, and whether the old key may say so, is not known yet.
#[derive(Clone, Debug, PartialEq)]
pub struct UntrustedSuccession {
    statement: Untrusted<2>,
    issued: Timestamp,
    until: Timestamp,
}

impl UntrustedSuccession {
    /// Reads a statement: keys.md, K1.1 to K1.6.
    ///
    /// # Errors
    /// [`Code::TooLarge`], [`Code::Malformed`], [`Code::Duplicate`], [`Code::KeyRefused`], [`Code::AlgorithmMismatch`],
    /// [`Code::WindowTooLong`].
    pub fn parse(json: &[u8]) -> Result<Self, Refusal> {
        let claims = ["iss", "sub", "iat", "until"];
        let statement = Untrusted::<2>::parse(json, statement::MAX_LENGTH, TYP, &claims)?;
        let (issued, until) = (statement.time("iat")?, statement.time("until")?);
        let [old, new] = statement.keys().map(VerifyingKey::thumbprint);
        if statement::thumbprint(statement.text("sub")?) != Some(new) {
            return Err(malformed("sub is not the thumbprint of the second key"));
        }
        if until < issued {
            return Err(malformed("until lies before iat"));
        }
        if old == new {
            return Err(ITSELF);
        }
        if until.since(issued) > Succession::MAX_OVERLAP {
            return Err(TOO_LONG);
        }
        Ok(Self { statement, issued, until })
    }

    /// The key that ends, and the one that comes after it.
    #[must_use]
    pub fn keys(&self) -> [&VerifyingKey; 2] {
        self.statement.keys()
    }

    /// When it was said.
    #[must_use]
    pub const fn issued(&self) -> Timestamp {
        self.issued
    }

    /// The moment from which on the old key is not good any more.
    #[must_use]
    pub const fn until(&self) -> Timestamp {
        self.until
    }

    /// Checks both signatures: keys.md, K3.1.
    ///
    /// # Errors
    /// [`Code::BadSignature`].
    pub fn verify(&self) -> Result<(), Refusal> {
        self.statement.verify()
    }
}
