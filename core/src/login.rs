//! Login certificates: what a verifier says of the call key of somebody whom an identity provider vouches for (spec, section 5.2).

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::certificate::{Certificate, Claims, Common, Compact, invalid, read_header, text};
use crate::error::{Code, Refusal};
use crate::json::Value;
use crate::key::{Algorithm, Signature, Thumbprint, VerifyingKey};
use crate::time::Timestamp;
use crate::trust::Identity;

/// The media type in the JWS header.
pub(crate) const TYP: &str = "envelope-login+jwt";
/// The most groups that a certificate lists.
pub const MAX_GROUPS: usize = 128;

/// Whom a login certificate names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    identity: Identity,
    issuer: String,
    groups: Arc<[String]>,
}

impl Login {
    /// `sub`: who it is, with the name of the provider before the first colon, `github:alice`.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// `iss`: the URL of the verifier that issued it.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// `groups`: what they belong to, `org` and `team@org`.
    #[must_use]
    pub const fn groups(&self) -> &Arc<[String]> {
        &self.groups
    }
}

/// A key by which a verifier issues login certificates.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// Its URL, as `iss` has it.
    pub url: Arc<str>,
    /// The key.
    pub key: Arc<VerifyingKey>,
}

/// A login certificate that was read and whose signature has not been verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UntrustedLogin<'a> {
    jws: &'a str,
    signing_input: &'a str,
    signature: Signature,
    algorithm: Algorithm,
    claims: Claims,
}

impl<'a> UntrustedLogin<'a> {
    /// Reads a compact JWS: spec, V4.17 and V4.18.
    ///
    /// # Errors
    /// [`Code::CertificateInvalid`], [`Code::KeyRefused`].
    pub fn parse(jws: &'a str) -> Result<Self, Refusal> {
        let Compact { signing_input, header, claims, signature } = Compact::split(jws)?;
        let algorithm = read_header(&header, TYP)?;
        let kid = header.get("kid").and_then(Value::as_str).and_then(Thumbprint::parse);
        let kid = kid.ok_or(invalid("kid is missing or no thumbprint"))?;
        let issuer = text(&claims, "iss")?.ok_or(invalid("iss is missing"))?;
        let identity = text(&claims, "sub")?.and_then(Identity::new);
        let identity = identity.filter(|identity| identity.provider().is_some());
        let identity = identity.ok_or(invalid("sub is missing, or no name at an identity provider"))?;
        let groups = read_groups(claims.get("groups"))?;
        let common = Common::read(&claims)?;
        let call_key = VerifyingKey::from_jwk_value(common.confirmation)?;
        if call_key.thumbprint() == kid {
            return Err(invalid("cnf is the issuer's own key"));
        }
        let login = Login { identity, issuer: issuer.into(), groups };
        let claims = common.claims(kid, call_key, Some(login));
        Ok(Self { jws, signing_input, signature, algorithm, claims })
    }

    /// The call key that it speaks of.
    #[must_use]
    pub const fn call_key(&self) -> &VerifyingKey {
        &self.claims.call_key
    }

    /// Whom it names.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.claims.login.as_ref().map(Login::identity)
    }

    /// The thumbprint of the key that claims to have signed it.
    #[must_use]
    pub const fn issuer_key(&self) -> Thumbprint {
        self.claims.issuer
    }

    /// When it was issued (`iat`).
    #[must_use]
    pub const fn issued(&self) -> Timestamp {
        self.claims.issued
    }

    /// The moment from which on it is not good any more (`exp`).
    #[must_use]
    pub const fn expires(&self) -> Timestamp {
        self.claims.expires
    }

    pub(crate) const fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Checks the signature of the verifier, by its key that `kid` names: spec, V4.20 and V4.21.
    ///
    /// # Errors
    /// [`Code::UnknownKey`] for another key; [`Code::AlgorithmMismatch`], [`Code::CertificateInvalid`].
    pub fn verify(self, issuer: &VerifyingKey) -> Result<Certificate, Refusal> {
        if issuer.thumbprint() != self.claims.issuer {
            return Err(Refusal::new(
                Code::UnknownKey,
                "kid of the certificate is not that of its issuer's key",
            ));
        }
        if issuer.algorithm() != self.algorithm {
            return Err(Refusal::new(
                Code::AlgorithmMismatch,
                "alg of the certificate is not that of its issuer's key",
            ));
        }
        issuer
            .verify(self.signing_input.as_bytes(), &self.signature)
            .map_err(|_| invalid("the signature of the certificate does not verify"))?;
        Ok(Certificate::new(self.jws, self.claims))
    }
}

fn read_groups(groups: Option<&Value>) -> Result<Arc<[String]>, Refusal> {
    const NO_GROUPS: Refusal = invalid("groups is not a list of at most 128 strings");
    let Some(groups) = groups else { return Ok(Arc::default()) };
    let Value::Array(groups) = groups else { return Err(NO_GROUPS) };
    if groups.len() > MAX_GROUPS {
        return Err(NO_GROUPS);
    }
    let groups = groups.iter().map(|group| group.as_str().map(ToString::to_string).ok_or(NO_GROUPS));
    groups.collect::<Result<Vec<_>, _>>().map(Into::into)
}
