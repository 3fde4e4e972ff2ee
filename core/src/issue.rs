//! Issuing certificates: what an identity key says of a call key, written and signed (spec, section 5).

use alloc::string::{String, ToString};

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::Serialize;

use crate::certificate::{Grant, ISSUER, TYP, UntrustedCertificate, invalid};
use crate::error::Refusal;
use crate::key::jwk::Jwk;
use crate::key::{Signature, SigningKey, VerifyingKey};
use crate::login::{self, UntrustedLogin};
use crate::statement::Header;
use crate::time::Timestamp;
use crate::trust::Identity;

/// A certificate to be issued.
#[derive(Clone, Debug)]
pub struct Issue<'a> {
    /// The call key that is spoken of.
    pub call_key: &'a VerifyingKey,
    /// When it is issued.
    pub issued: Timestamp,
    /// How long it is good, in seconds: 1 to [`Issue::MAX_LIFETIME`].
    pub lifetime: u64,
    /// An identifier that is used once (`jti`), at most 256 characters.
    pub id: &'a str,
    /// What it allows.
    pub grant: Grant,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: String,
    iat: u64,
    exp: u64,
    jti: &'a str,
    cnf: Confirmation,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
}

#[derive(Serialize)]
struct LoginHeader {
    typ: &'static str,
    alg: &'static str,
    kid: String,
}

#[derive(Serialize)]
struct LoginClaims<'a> {
    sub: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    groups: &'a [String],
    #[serde(flatten)]
    claims: Claims<'a>,
}

#[derive(Serialize)]
struct Confirmation {
    jwk: Jwk,
}

impl Issue<'_> {
    /// The longest a certificate can be good, in seconds: 24 hours.
    pub const MAX_LIFETIME: u64 = 86_400;

    /// Signs the certificate with an identity key: a compact JWS.
    ///
    /// # Errors
    /// [`CertificateInvalid`](crate::Code::CertificateInvalid) for a lifetime, identifier, audience or scope that no
    /// verifier would take, and for the identity key itself as call key.
    pub fn sign(&self, identity_key: &SigningKey) -> Result<String, Refusal> {
        let input = self.signing_input(identity_key.verifying_key())?;
        let signature = identity_key.sign(input.as_bytes());
        let jws = attach(input, &signature);
        // What was written must be what will be read: a scope with a space in it, say, would be another one.
        let read = UntrustedCertificate::parse(&jws)?;
        if *read.grant() == self.grant {
            Ok(jws)
        } else {
            Err(invalid("an audience or a scope cannot be written"))
        }
    }

    /// Signs a login certificate with the key of a verifier whose URL is `url`: a compact JWS that names the identity and the groups
    /// (`org`, `team@org`) that an identity provider vouches for.
    ///
    /// # Errors
    /// As [`Issue::sign`]; and for an identity that no provider names, or for more groups than fit.
    pub fn sign_login(
        &self,
        issuer: &SigningKey,
        url: &str,
        identity: &Identity,
        groups: &[String],
    ) -> Result<String, Refusal> {
        self.check(issuer.verifying_key())?;
        let kid = issuer.verifying_key().thumbprint().to_string();
        let header =
            LoginHeader { typ: login::TYP, alg: issuer.verifying_key().algorithm().jose_name(), kid };
        let claims = self.claims(url.into());
        let claims = LoginClaims { sub: identity.as_str(), groups, claims };
        let input = alloc::format!("{}.{}", encode(&header)?, encode(&claims)?);
        let signature = issuer.sign(input.as_bytes());
        let jws = attach(input, &signature);
        let read = UntrustedLogin::parse(&jws)?;
        if read.claims().grant == self.grant {
            Ok(jws)
        } else {
            Err(invalid("an audience or a scope cannot be written"))
        }
    }

    /// The bytes that the identity key signs, for keys that are held elsewhere; [`attach`] adds the signature.
    ///
    /// # Errors
    /// As [`Issue::sign`].
    pub fn signing_input(&self, identity_key: &VerifyingKey) -> Result<String, Refusal> {
        self.check(identity_key)?;
        let header = Header::new(TYP, identity_key);
        let claims = self.claims(alloc::format!("{ISSUER}{}", identity_key.thumbprint()));
        Ok(alloc::format!("{}.{}", encode(&header)?, encode(&claims)?))
    }

    fn check(&self, issuer: &VerifyingKey) -> Result<(), Refusal> {
        if self.lifetime == 0 || self.lifetime > Self::MAX_LIFETIME {
            return Err(invalid("a certificate is good for 1 to 86400 seconds"));
        }
        if self.id.len() > 256 {
            return Err(invalid("jti is longer than 256 characters"));
        }
        if issuer.thumbprint() == self.call_key.thumbprint() {
            return Err(invalid("an identity key signs no requests: it cannot be its own call key"));
        }
        Ok(())
    }

    fn claims(&self, iss: String) -> Claims<'_> {
        Claims {
            iss,
            iat: self.issued.as_unix(),
            exp: self.issued.plus(self.lifetime).as_unix(),
            jti: self.id,
            cnf: Confirmation { jwk: Jwk::from(self.call_key) },
            aud: self.grant.audiences(),
            scope: self.grant.scopes().map(|scopes| scopes.join(" ")),
        }
    }
}

/// Puts the signature of the identity key behind what [`Issue::signing_input`] gave.
#[must_use]
pub fn attach(signing_input: String, signature: &Signature) -> String {
    let mut jws = signing_input;
    jws.push('.');
    jws.push_str(&Base64UrlUnpadded::encode_string(signature.as_bytes()));
    jws
}

fn encode(part: &impl Serialize) -> Result<String, Refusal> {
    let json = serde_json::to_vec(part).map_err(|_| invalid("the certificate cannot be written"))?;
    Ok(Base64UrlUnpadded::encode_string(&json))
}
