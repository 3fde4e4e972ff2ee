//! Certificates: what an identity key says of a call key (spec, section 5); [`login`](crate::login) has those of verifiers.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use base64ct::{Base64UrlUnpadded, Encoding};

use crate::error::{Code, Refusal};
use crate::issue::Issue;
use crate::json::{Object, Value};
use crate::key::{Algorithm, Coordinates, Signature, Thumbprint, VerifyingKey};
use crate::login::Login;
use crate::time::{Timestamp, Window};

/// The media type in the JWS header.
pub(crate) const TYP: &str = "jkt-s256+jwt";
/// What `iss` starts with.
pub(crate) const ISSUER: &str = "urn:jkt:sha-256:";
/// The longest certificate in bytes: what fits into `Signature-Key`.
const MAX_LENGTH: usize = 8192;

pub(crate) const fn invalid(detail: &'static str) -> Refusal {
    Refusal::new(Code::CertificateInvalid, detail)
}

/// What a certificate allows: everything, unless something narrows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    audience: Option<Vec<String>>,
    scope: Option<Vec<String>>,
}

impl Grant {
    /// Everything that the identity may do, everywhere.
    #[must_use]
    pub fn everything() -> Self {
        Self::default()
    }

    /// Only at these authorities and packs.
    #[must_use]
    pub fn audience<S: Into<String>>(mut self, audience: impl IntoIterator<Item = S>) -> Self {
        self.audience = Some(audience.into_iter().map(Into::into).collect());
        self
    }

    /// Only with these scopes.
    #[must_use]
    pub fn scope<S: Into<String>>(mut self, scope: impl IntoIterator<Item = S>) -> Self {
        self.scope = Some(scope.into_iter().map(Into::into).collect());
        self
    }

    /// The authorities and pack guids; `None` for all.
    #[must_use]
    pub fn audiences(&self) -> Option<&[String]> {
        self.audience.as_deref()
    }

    /// The scopes; `None` for all.
    #[must_use]
    pub fn scopes(&self) -> Option<&[String]> {
        self.scope.as_deref()
    }
}

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claims {
    pub(crate) issuer: Thumbprint,
    pub(crate) call_key: VerifyingKey,
    pub(crate) issued: Timestamp,
    pub(crate) expires: Timestamp,
    pub(crate) id: Option<String>,
    pub(crate) grant: Grant,
    /// Whom it names itself; `None` when the verifier knows whose the issuer is.
    pub(crate) login: Option<Login>,
}

/// A certificate that was read and whose signature has not been verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UntrustedCertificate<'a> {
    jws: &'a str,
    signing_input: &'a str,
    signature: Signature,
    identity_key: Arc<VerifyingKey>,
    claims: Claims,
}

impl<'a> UntrustedCertificate<'a> {
    /// Reads a compact JWS: spec, V4.1 to V4.4.
    ///
    /// # Errors
    /// [`Code::CertificateInvalid`], [`Code::KeyRefused`], [`Code::AlgorithmMismatch`].
    pub fn parse(jws: &'a str) -> Result<Self, Refusal> {
        Self::parse_knowing(jws, |_| None)
    }

    /// The same where some keys are known: those need not be read again.
    pub(crate) fn parse_knowing(
        jws: &'a str,
        known: impl FnOnce(&Thumbprint) -> Option<Arc<VerifyingKey>>,
    ) -> Result<Self, Refusal> {
        let Compact { signing_input, header, claims, signature } = Compact::split(jws)?;
        let algorithm = read_header(&header, TYP)?;
        let issuer = text(&claims, "iss")?.ok_or(invalid("iss is missing"))?;
        let common = Common::read(&claims)?;
        let jwk = header.get("jwk").ok_or(invalid("the header has no jwk"))?;

        let identity_key = Coordinates::from_jwk_value(jwk)?;
        let identity_key = match known(&identity_key.thumbprint()) {
            Some(key) => key,
            None => Arc::new(identity_key.try_into()?),
        };
        let call_key = VerifyingKey::from_jwk_value(common.confirmation)?;
        if identity_key.algorithm() != algorithm {
            return Err(Refusal::new(
                Code::AlgorithmMismatch,
                "alg of the certificate is not that of its jwk",
            ));
        }
        if issuer.strip_prefix(ISSUER) != Some(identity_key.thumbprint().to_string().as_str()) {
            return Err(invalid("iss is not the thumbprint of jwk"));
        }
        if identity_key.thumbprint() == call_key.thumbprint() {
            return Err(invalid("cnf is the issuer's own key"));
        }
        let claims = common.claims(identity_key.thumbprint(), call_key, None);
        Ok(Self { jws, signing_input, signature, identity_key, claims })
    }

    /// The identity key that claims to have signed it.
    #[must_use]
    pub fn identity_key(&self) -> &VerifyingKey {
        &self.identity_key
    }

    pub(crate) const fn shared_identity_key(&self) -> &Arc<VerifyingKey> {
        &self.identity_key
    }

    /// The call key that it speaks of.
    #[must_use]
    pub const fn call_key(&self) -> &VerifyingKey {
        &self.claims.call_key
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

    /// Its identifier (`jti`).
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.claims.id.as_deref()
    }

    /// What it allows.
    #[must_use]
    pub const fn grant(&self) -> &Grant {
        &self.claims.grant
    }

    pub(crate) const fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Checks the times: spec, V4.5 and V4.6.
    ///
    /// # Errors
    /// [`Code::CertificateInvalid`], [`Code::CertificateExpired`].
    pub fn check_time(&self, now: Timestamp) -> Result<(), Refusal> {
        self.claims.check_time(now)
    }

    /// Checks the signature of the identity key: spec, V4.10. Whose key that is, is another question.
    ///
    /// # Errors
    /// [`Code::CertificateInvalid`].
    pub fn verify(self) -> Result<Certificate, Refusal> {
        self.identity_key
            .verify(self.signing_input.as_bytes(), &self.signature)
            .map_err(|_| invalid("the signature of the certificate does not verify"))?;
        Ok(Certificate::new(self.jws, self.claims))
    }
}

/// A certificate whose signature has verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    jws: String,
    claims: Claims,
}

impl Certificate {
    /// Only for what has verified.
    pub(crate) fn new(jws: &str, claims: Claims) -> Self {
        Self { jws: jws.into(), claims }
    }

    /// Prepares its call key to verify many signatures: for certificates that are kept, and used again.
    pub fn prepare(&self) {
        self.claims.call_key.prepare();
    }

    pub(crate) const fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Checks the times again: spec, V4.5 and V4.6.
    ///
    /// # Errors
    /// [`Code::CertificateInvalid`], [`Code::CertificateExpired`].
    pub fn check_time(&self, now: Timestamp) -> Result<(), Refusal> {
        self.claims.check_time(now)
    }

    /// The compact JWS.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.jws
    }

    /// The thumbprint of the key that signed it: an identity key, or that of the verifier where there is a
    /// [`login`](Self::login).
    #[must_use]
    pub const fn identity_key(&self) -> Thumbprint {
        self.claims.issuer
    }

    /// Whom it names, where a verifier has issued it; `None` when an identity key has.
    #[must_use]
    pub const fn login(&self) -> Option<&Login> {
        self.claims.login.as_ref()
    }

    /// The call key that it speaks of.
    #[must_use]
    pub const fn call_key(&self) -> &VerifyingKey {
        &self.claims.call_key
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

    /// Its identifier (`jti`).
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.claims.id.as_deref()
    }

    /// What it allows.
    #[must_use]
    pub const fn grant(&self) -> &Grant {
        &self.claims.grant
    }
}

/// A compact JWS, taken apart.
pub(crate) struct Compact<'a> {
    pub(crate) signing_input: &'a str,
    pub(crate) header: Object,
    pub(crate) claims: Object,
    pub(crate) signature: Signature,
}

impl<'a> Compact<'a> {
    pub(crate) fn split(jws: &'a str) -> Result<Self, Refusal> {
        if jws.len() > MAX_LENGTH {
            return Err(invalid("the certificate is longer than 8192 bytes"));
        }
        let not_compact = invalid("the certificate is not a compact JWS");
        let (signing_input, signature) = jws.rsplit_once('.').ok_or(not_compact)?;
        let (header, claims) = signing_input.split_once('.').ok_or(not_compact)?;
        let (header, claims) = (decode_object(header)?, decode_object(claims)?);
        let mut bytes = [0; 64];
        let read = Base64UrlUnpadded::decode(signature, &mut bytes).map_err(|_| not_compact)?.len();
        if read != bytes.len() {
            return Err(invalid("the signature of the certificate is not 64 bytes long"));
        }
        Ok(Self { signing_input, header, claims, signature: Signature::from_bytes(bytes) })
    }
}

/// The claims that both kinds of certificates have, but for the issuer.
pub(crate) struct Common<'a> {
    issued: Timestamp,
    expires: Timestamp,
    id: Option<String>,
    grant: Grant,
    pub(crate) confirmation: &'a Value,
}

impl<'a> Common<'a> {
    pub(crate) fn read(claims: &'a Object) -> Result<Self, Refusal> {
        let (issued, expires) = read_times(claims)?;
        let id = read_id(claims)?;
        let grant = Grant { audience: read_audience(claims)?, scope: read_scope(claims)? };
        let confirmation = claims.get("cnf").and_then(Value::as_object).and_then(|cnf| cnf.get("jwk"));
        let confirmation = confirmation.ok_or(invalid("cnf.jwk is missing"))?;
        Ok(Self { issued, expires, id, grant, confirmation })
    }

    pub(crate) fn claims(self, issuer: Thumbprint, call_key: VerifyingKey, login: Option<Login>) -> Claims {
        let Self { issued, expires, id, grant, .. } = self;
        Claims { issuer, call_key, issued, expires, id, grant, login }
    }
}

impl Claims {
    pub(crate) fn check_time(&self, now: Timestamp) -> Result<(), Refusal> {
        if self.issued > now.plus(Window::SKEW) {
            return Err(invalid("the certificate was issued in the future"));
        }
        if now >= self.expires {
            return Err(Refusal::new(Code::CertificateExpired, "the certificate has run out"));
        }
        Ok(())
    }
}

fn decode_object(part: &str) -> Result<Object, Refusal> {
    let json = Base64UrlUnpadded::decode_vec(part)
        .map_err(|_| invalid("a part of the certificate is not base64url"))?;
    match Value::parse(&json) {
        Some(Value::Object(object)) => Ok(object),
        _ => Err(invalid("a part of the certificate is not a JSON object, or has a member twice")),
    }
}

pub(crate) fn read_header(header: &Object, typ: &str) -> Result<Algorithm, Refusal> {
    if header.get("crit").is_some() {
        return Err(invalid("the certificate has a crit header"));
    }
    if header.get("typ").and_then(Value::as_str) != Some(typ) {
        return Err(invalid("typ of the certificate is not that of its scheme"));
    }
    match header.get("alg").and_then(Value::as_str) {
        Some("Ed25519" | "EdDSA") => Ok(Algorithm::Ed25519),
        Some("ES256") => Ok(Algorithm::P256),
        _ => Err(invalid("alg of the certificate is not accepted")),
    }
}

fn read_times(claims: &Object) -> Result<(Timestamp, Timestamp), Refusal> {
    let time = |name| claims.get(name).and_then(Value::as_integer).map(Timestamp::from_unix);
    let issued = time("iat").ok_or(invalid("iat is missing or not an integer"))?;
    let expires = time("exp").ok_or(invalid("exp is missing or not an integer"))?;
    if expires <= issued || expires.since(issued) > Issue::MAX_LIFETIME {
        return Err(invalid("the certificate is good for no time, or for longer than a day"));
    }
    Ok((issued, expires))
}

pub(crate) fn text<'a>(claims: &'a Object, name: &str) -> Result<Option<&'a str>, Refusal> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(invalid("a claim is not a string")),
    }
}

fn read_id(claims: &Object) -> Result<Option<String>, Refusal> {
    match text(claims, "jti")? {
        Some(id) if id.len() > 256 => Err(invalid("jti is longer than 256 bytes")),
        id => Ok(id.map(Into::into)),
    }
}

fn read_audience(claims: &Object) -> Result<Option<Vec<String>>, Refusal> {
    let entry =
        |value: &Value| value.as_str().map(String::from).ok_or(invalid("aud is not a list of strings"));
    match claims.get("aud") {
        None => Ok(None),
        Some(Value::Array(list)) => list.iter().map(entry).collect::<Result<_, _>>().map(Some),
        Some(one) => Ok(Some(alloc::vec![entry(one)?])),
    }
}

fn read_scope(claims: &Object) -> Result<Option<Vec<String>>, Refusal> {
    let Some(scope) = text(claims, "scope")? else { return Ok(None) };
    // RFC 6749 section 3.3.
    let is_scope_character = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    let tokens = scope.split(' ').map(|token| {
        let ok = !token.is_empty() && token.bytes().all(is_scope_character);
        if ok { Ok(String::from(token)) } else { Err(invalid("scope is not a list of scope tokens")) }
    });
    tokens.collect::<Result<_, _>>().map(Some)
}
