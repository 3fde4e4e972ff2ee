//! Statements about keys: JSON that the keys themselves have signed, a JWS in general JSON serialisation (RFC 7515 section
//! 7.2.1; `spec/keys.md`, section 2).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::Serialize;

use crate::certificate::ISSUER;
use crate::error::{Code, Refusal};
use crate::json::{Object, Value};
use crate::key::jwk::Jwk;
use crate::key::{Algorithm, Signature, Thumbprint, VerifyingKey};
use crate::retirement::UntrustedRetirement;
use crate::succession::UntrustedSuccession;
use crate::time::{Timestamp, Window};

pub(crate) const fn malformed(detail: &'static str) -> Refusal {
    Refusal::new(Code::Malformed, detail)
}

/// A statement that is to be signed, by one key after the other: keys that are held elsewhere sign their input there.
#[derive(Clone, Debug)]
pub struct Unsigned {
    payload: String,
    headers: Vec<String>,
}

/// The header of what a key signs.
#[derive(Serialize)]
pub(crate) struct Header {
    typ: &'static str,
    alg: &'static str,
    jwk: Jwk,
}

impl Header {
    pub(crate) fn new(typ: &'static str, key: &VerifyingKey) -> Self {
        Self { typ, alg: key.algorithm().jose_name(), jwk: Jwk::from(key) }
    }
}

#[derive(Serialize)]
struct General<'a> {
    payload: &'a str,
    signatures: Vec<Signed<'a>>,
}

#[derive(Serialize)]
struct Signed<'a> {
    protected: &'a str,
    signature: String,
}

impl Unsigned {
    pub(crate) fn new<const N: usize>(
        typ: &'static str,
        payload: &impl Serialize,
        keys: [&VerifyingKey; N],
    ) -> Result<Self, Refusal> {
        let headers = keys.into_iter().map(|key| encode(&Header::new(typ, key))).collect::<Result<_, _>>()?;
        Ok(Self { payload: encode(payload)?, headers })
    }

    /// What each key signs, in order.
    pub fn signing_inputs(&self) -> impl Iterator<Item = String> {
        self.headers.iter().map(|header| alloc::format!("{header}.{}", self.payload))
    }

    /// The statement with its signatures, in the same order, on one line.
    ///
    /// # Errors
    /// [`Code::Malformed`] when there are not as many as keys.
    pub fn attach(&self, signatures: &[Signature]) -> Result<String, Refusal> {
        if signatures.len() != self.headers.len() {
            return Err(malformed("a statement has one signature for each of its keys"));
        }
        let signatures = self
            .headers
            .iter()
            .zip(signatures)
            .map(|(protected, signature)| Signed {
                protected,
                signature: Base64UrlUnpadded::encode_string(signature.as_bytes()),
            })
            .collect();
        let general = General { payload: &self.payload, signatures };
        serde_json::to_string(&general).map_err(|_| malformed("the statement cannot be written"))
    }
}

fn encode(part: &impl Serialize) -> Result<String, Refusal> {
    let json = serde_json::to_vec(part).map_err(|_| malformed("the statement cannot be written"))?;
    Ok(Base64UrlUnpadded::encode_string(&json))
}

/// What a key says of itself: it names its successor, or retires.
#[derive(Clone, Debug, PartialEq)]
pub enum UntrustedStatement {
    /// It names its successor.
    Succession(Box<UntrustedSuccession>),
    /// It retires.
    Retirement(Box<UntrustedRetirement>),
}

impl UntrustedStatement {
    /// Reads a statement of either type: two keys sign a succession, one a retirement.
    ///
    /// # Errors
    /// As [`UntrustedSuccession::parse`].
    pub fn parse(json: &[u8]) -> Result<Self, Refusal> {
        if json.len() > MAX_LENGTH {
            return Err(TOO_LONG);
        }
        match read(json)?.get("signatures") {
            Some(Value::Array(signatures)) if signatures.len() == 1 => {
                UntrustedRetirement::parse(json).map(Box::new).map(Self::Retirement)
            }
            _ => UntrustedSuccession::parse(json).map(Box::new).map(Self::Succession),
        }
    }
}

/// The longest statement of a key, in bytes.
pub(crate) const MAX_LENGTH: usize = 4096;
const TOO_LONG: Refusal = Refusal::new(Code::TooLarge, "the statement is too long");

/// A statement that was read, and of which no signature has been verified.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Untrusted<const N: usize> {
    payload: String,
    claims: Object,
    signed: [Signer; N],
}

#[derive(Clone, Debug, PartialEq)]
struct Signer {
    protected: String,
    key: VerifyingKey,
    signature: Signature,
}

impl<const N: usize> Untrusted<N> {
    /// Reads a statement of this type with exactly these claims, signed by so many keys: keys.md, K1.1 to K1.5.
    pub(crate) fn parse(json: &[u8], limit: usize, typ: &str, claims: &[&str]) -> Result<Self, Refusal> {
        if json.len() > limit {
            return Err(TOO_LONG);
        }
        let general = read(json)?;
        only(&general, &["payload", "signatures"])?;
        let payload = text(&general, "payload")?;
        let Some(Value::Array(list)) = general.get("signatures") else {
            return Err(malformed("signatures is not a list"));
        };
        if list.len() != N {
            return Err(malformed("the statement has not as many signatures as its type demands"));
        }
        let signed: Vec<Signer> =
            list.iter().map(|entry| Signer::read(entry, typ)).collect::<Result<_, _>>()?;
        let signed: [Signer; N] = signed.try_into().map_err(|_| malformed("a signature is missing"))?;
        let read = decode(payload)?;
        only(&read, claims)?;
        let issuer = thumbprint(text(&read, "iss")?);
        if issuer.is_none() || issuer != signed.first().map(|signed| signed.key.thumbprint()) {
            return Err(malformed("iss is not the thumbprint of the first key"));
        }
        Ok(Self { payload: payload.into(), claims: read, signed })
    }

    /// The keys that claim to have signed it, in order.
    pub(crate) fn keys(&self) -> [&VerifyingKey; N] {
        self.signed.each_ref().map(|signed| &signed.key)
    }

    pub(crate) const fn claims(&self) -> &Object {
        &self.claims
    }

    pub(crate) fn text(&self, name: &str) -> Result<&str, Refusal> {
        text(&self.claims, name)
    }

    pub(crate) fn time(&self, name: &str) -> Result<Timestamp, Refusal> {
        time(&self.claims, name)
    }

    /// Every signature: keys.md, K3.1.
    pub(crate) fn verify(&self) -> Result<(), Refusal> {
        self.signed.iter().try_for_each(|signed| {
            let input = alloc::format!("{}.{}", signed.protected, self.payload);
            signed
                .key
                .verify(input.as_bytes(), &signed.signature)
                .map_err(|_| Refusal::new(Code::BadSignature, "a signature of the statement does not verify"))
        })
    }
}

impl Signer {
    fn read(entry: &Value, typ: &str) -> Result<Self, Refusal> {
        let entry = entry.as_object().ok_or(malformed("a signature is not an object"))?;
        only(entry, &["protected", "signature"])?;
        let protected = text(entry, "protected")?;
        let header = decode(protected)?;
        only(&header, &["typ", "alg", "jwk"])?;
        if text(&header, "typ")? != typ {
            return Err(malformed("typ is not that of the statement"));
        }
        let key = VerifyingKey::from_jwk_value(header.get("jwk").ok_or(malformed("jwk is missing"))?)?;
        let algorithm = match text(&header, "alg")? {
            "Ed25519" | "EdDSA" => Algorithm::Ed25519,
            "ES256" => Algorithm::P256,
            _ => return Err(malformed("alg is not accepted")),
        };
        if key.algorithm() != algorithm {
            return Err(Refusal::new(Code::AlgorithmMismatch, "alg of a signature is not that of its jwk"));
        }
        let mut bytes = [0; 64];
        let read = Base64UrlUnpadded::decode(text(entry, "signature")?, &mut bytes);
        if read.map(<[u8]>::len) != Ok(bytes.len()) {
            return Err(malformed("a signature is not 64 bytes in base64url"));
        }
        Ok(Self { protected: protected.into(), key, signature: Signature::from_bytes(bytes) })
    }
}

/// Refuses what is dated in the future: keys.md, K2.1.
pub(crate) fn check_issued(issued: Timestamp, now: Timestamp) -> Result<(), Refusal> {
    if issued > now.plus(Window::SKEW) {
        return Err(Refusal::new(Code::NotYetValid, "the statement was made in the future"));
    }
    Ok(())
}

/// The thumbprint of a `urn:jkt:sha-256:…`.
pub(crate) fn thumbprint(text: &str) -> Option<Thumbprint> {
    text.strip_prefix(ISSUER).and_then(Thumbprint::parse)
}

pub(crate) fn urn(key: &Thumbprint) -> String {
    alloc::format!("{ISSUER}{key}")
}

fn decode(part: &str) -> Result<Object, Refusal> {
    let json = Base64UrlUnpadded::decode_vec(part)
        .map_err(|_| malformed("a part of the statement is not base64url"))?;
    read(&json)
}

fn read(json: &[u8]) -> Result<Object, Refusal> {
    match Value::parse_or_duplicate(json) {
        Ok(Value::Object(object)) => Ok(object),
        Err(true) => Err(Refusal::new(Code::Duplicate, "a member of the statement is there twice")),
        _ => Err(malformed("the statement, or a part of it, is not a JSON object")),
    }
}

/// A statement says what its type says, and nothing else.
pub(crate) fn only(object: &Object, names: &[&str]) -> Result<(), Refusal> {
    if object.iter().all(|(name, _)| names.contains(&name)) {
        Ok(())
    } else {
        Err(malformed("the statement has a member that its type does not know"))
    }
}

pub(crate) fn text<'a>(object: &'a Object, name: &str) -> Result<&'a str, Refusal> {
    object.get(name).and_then(Value::as_str).ok_or(malformed("a member is missing, or not a string"))
}

pub(crate) fn time(object: &Object, name: &str) -> Result<Timestamp, Refusal> {
    let seconds = object.get(name).and_then(Value::as_integer);
    seconds.map(Timestamp::from_unix).ok_or(malformed("a time is missing, or not an integer"))
}
