//! The private key of an identity, wherever it lives.

use envelope_core::{Code, Issue, Refusal, Signature, SigningKey, UntrustedCertificate, VerifyingKey, issue};

use crate::error::Error;
use crate::ssh_agent::Agent;

/// A key that signs certificates.
#[derive(Debug)]
pub(crate) struct IdentityKey(Kind);

#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "one is held at a time")]
enum Kind {
    /// In memory, at one place, wiped when dropped.
    Local(Box<SigningKey>),
    /// In the ssh-agent, which is asked for every signature.
    Agent(VerifyingKey),
}

impl From<SigningKey> for IdentityKey {
    fn from(key: SigningKey) -> Self {
        Self(Kind::Local(Box::new(key)))
    }
}

impl IdentityKey {
    /// The key that the ssh-agent holds; it is asked when something is to be signed, and not before.
    pub(crate) const fn in_agent(key: VerifyingKey) -> Self {
        Self(Kind::Agent(key))
    }

    pub(crate) fn verifying_key(&self) -> &VerifyingKey {
        match &self.0 {
            Kind::Local(key) => key.verifying_key(),
            Kind::Agent(key) => key,
        }
    }

    /// Issues a certificate. What was signed elsewhere is read back as a verifier reads it.
    pub(crate) fn certify(&self, issue: &Issue<'_>) -> Result<String, Error> {
        let input = issue.signing_input(self.verifying_key()).map_err(Error::Unsignable)?;
        let signature = self.sign(input.as_bytes())?;
        let certificate = issue::attach(input, &signature);
        let read = UntrustedCertificate::parse(&certificate).and_then(UntrustedCertificate::verify);
        // A scope with a space in it, say, would be read as two.
        if *read.map_err(Error::Unsignable)?.grant() == issue.grant {
            return Ok(certificate);
        }
        let detail = "an audience or a scope cannot be written";
        Err(Error::Unsignable(Refusal::new(Code::CertificateInvalid, detail)))
    }

    /// Signs; a key in the agent is asked for it.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Signature, Error> {
        match &self.0 {
            Kind::Local(key) => Ok(key.sign(message)),
            Kind::Agent(key) => {
                Agent::connect().and_then(|mut agent| agent.sign(key, message)).map_err(Error::Agent)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use envelope_core::{Algorithm, Grant, Timestamp};

    use super::*;
    use crate::random;

    #[test]
    fn a_certificate_says_what_was_meant() {
        let key = IdentityKey::from(random::key(Algorithm::P256).unwrap());
        let call_key = random::key(Algorithm::Ed25519).unwrap();
        let issue = |scope: &str| {
            let grant = Grant::everything().scope([scope]);
            let issued = Timestamp::from_unix(1_700_000_000);
            let issue = Issue { call_key: call_key.verifying_key(), issued, lifetime: 900, id: "1", grant };
            key.certify(&issue)
        };
        let certificate = issue("call").unwrap();
        let read = UntrustedCertificate::parse(&certificate).unwrap();
        assert_eq!(read.identity_key(), key.verifying_key());
        assert_eq!(read.grant().scopes().unwrap(), ["call"]);
        read.verify().unwrap();
        // It would be read as two.
        assert!(matches!(issue("call deploy"), Err(Error::Unsignable(_))));
    }

    #[test]
    fn debug_says_nothing_of_the_secret() {
        let key = random::key(Algorithm::Ed25519).unwrap();
        let thumbprint = key.verifying_key().thumbprint();
        let debug = format!("{:?}", IdentityKey::from(key));
        assert_eq!(debug, format!("IdentityKey(Local(SigningKey(Ed25519 {thumbprint})))"));
    }
}
