//! Retirement: a key says that it must not be used any more (`spec/keys.md`, section 4).

use serde::Serialize;

use crate::error::Refusal;
use crate::key::VerifyingKey;
use crate::statement::{self, Unsigned, Untrusted};
use crate::time::Timestamp;

/// The `typ` in the header.
const TYP: &str = "envelope-retirement";

/// "I must not be used any more." Made in good time and kept in a safe place, it is as good on the day on which the key is lost.
#[derive(Clone, Copy, Debug)]
pub struct Retirement<'a> {
    /// The key: an identity key, or a call key that is registered.
    pub key: &'a VerifyingKey,
    /// When it is said.
    pub issued: Timestamp,
}

#[derive(Serialize)]
struct Claims {
    iss: alloc::string::String,
    iat: u64,
}

impl Retirement<'_> {
    /// The statement for the key to sign.
    ///
    /// # Errors
    /// [`Malformed`](crate::Code::Malformed) when it cannot be written.
    pub fn draft(&self) -> Result<Unsigned, Refusal> {
        let claims = Claims { iss: statement::urn(&self.key.thumbprint()), iat: self.issued.as_unix() };
        Unsigned::new(TYP, &claims, [self.key])
    }
}

/// A retirement that was read. Whether its signature verifies is not known yet.
#[derive(Clone, Debug, PartialEq)]
pub struct UntrustedRetirement {
    statement: Untrusted<1>,
    issued: Timestamp,
}

impl UntrustedRetirement {
    /// Reads a statement: keys.md, K1.1 to K1.5.
    ///
    /// # Errors
    /// As [`UntrustedSuccession::parse`](crate::succession::UntrustedSuccession::parse).
    pub fn parse(json: &[u8]) -> Result<Self, Refusal> {
        let statement = Untrusted::<1>::parse(json, statement::MAX_LENGTH, TYP, &["iss", "iat"])?;
        let issued = statement.time("iat")?;
        Ok(Self { statement, issued })
    }

    /// The key that retires.
    #[must_use]
    pub fn key(&self) -> &VerifyingKey {
        let [key] = self.statement.keys();
        key
    }

    /// When it was said.
    #[must_use]
    pub const fn issued(&self) -> Timestamp {
        self.issued
    }

    /// Checks the signature: keys.md, K3.1.
    ///
    /// # Errors
    /// [`BadSignature`](crate::Code::BadSignature).
    pub fn verify(&self) -> Result<(), Refusal> {
        self.statement.verify()
    }
}
