//! JSON Web Keys (RFC 7517, RFC 8037): public ones.

use alloc::borrow::Cow;
use alloc::string::String;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Serialize};

use super::{Coordinates, VerifyingKey, base64url, refused};
use crate::error::Refusal;
use crate::json::{Object, Value};

/// A public key as a JWK: the members that are written, in lexicographic order. Read, it has these and no others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jwk {
    alg: Cow<'static, str>,
    crv: Cow<'static, str>,
    kty: Cow<'static, str>,
    x: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    y: Option<String>,
}

impl From<&VerifyingKey> for Jwk {
    fn from(key: &VerifyingKey) -> Self {
        let (x, y) = key.coordinates();
        Self {
            alg: key.algorithm().jose_name().into(),
            crv: if y.is_some() { "P-256" } else { "Ed25519" }.into(),
            kty: if y.is_some() { "EC" } else { "OKP" }.into(),
            x: Base64UrlUnpadded::encode_string(&x),
            y: y.map(|y| Base64UrlUnpadded::encode_string(&y)),
        }
    }
}

impl Jwk {
    /// The key itself.
    ///
    /// # Errors
    /// [`KeyRefused`](crate::Code::KeyRefused).
    pub fn key(&self) -> Result<VerifyingKey, Refusal> {
        VerifyingKey::from_jwk(&self.to_json())
    }

    fn to_json(&self) -> String {
        // A struct of strings always serialises.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl VerifyingKey {
    /// The key as a JWK, on one line, with `alg`.
    #[must_use]
    pub fn to_jwk(&self) -> String {
        Jwk::from(self).to_json()
    }

    /// Reads a JWK; members that are not part of the key are ignored.
    ///
    /// # Errors
    /// [`KeyRefused`](crate::Code::KeyRefused) for text that is no JWK of the two types, a private `d`, and whatever
    /// [`VerifyingKey::ed25519`] and [`VerifyingKey::p256`] refuse.
    pub fn from_jwk(json: &str) -> Result<Self, Refusal> {
        let value =
            Value::parse(json.as_bytes()).ok_or(refused("a JWK is not JSON, or has a member twice"))?;
        Self::from_jwk_value(&value)
    }

    pub(crate) fn from_jwk_value(jwk: &Value) -> Result<Self, Refusal> {
        Coordinates::from_jwk_value(jwk)?.try_into()
    }
}

impl Coordinates {
    /// What a JWK says, before anybody has looked whether it is a point.
    pub(crate) fn from_jwk_value(jwk: &Value) -> Result<Self, Refusal> {
        let jwk = jwk.as_object().ok_or(refused("a JWK is not an object"))?;
        if jwk.get("d").is_some() {
            return Err(refused("a JWK holds a private key"));
        }
        match (text(jwk, "kty"), text(jwk, "crv")) {
            (Some("OKP"), Some("Ed25519")) => Ok(Self::Ed25519 { y: coordinate(jwk, "x")? }),
            (Some("EC"), Some("P-256")) => {
                Ok(Self::P256 { x: coordinate(jwk, "x")?, y: coordinate(jwk, "y")? })
            }
            _ => Err(refused("a JWK is neither an Ed25519 nor a P-256 key")),
        }
    }
}

fn text<'a>(jwk: &'a Object, name: &str) -> Option<&'a str> {
    jwk.get(name).and_then(Value::as_str)
}

fn coordinate(jwk: &Object, name: &str) -> Result<[u8; 32], Refusal> {
    text(jwk, name).and_then(base64url).ok_or(refused("a coordinate of a JWK is not 32 bytes in base64url"))
}
