//! Bodies: JSON objects, read strictly.

use envelope_core::key::format::KeyRef;
use envelope_core::{Code, Identity, Refusal, Thumbprint};
use serde::Deserialize;
use serde_json::value::RawValue;

pub(super) const fn malformed(detail: &'static str) -> Refusal {
    Refusal::new(Code::Malformed, detail)
}

/// An object with the members of its type, each at most once, and no others.
pub(super) fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Refusal> {
    // A list of the same values would be read, too.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(malformed("the body is not a JSON object"));
    }
    serde_json::from_slice(body)
        .map_err(|_| malformed("a member of the body is missing, unknown, twice there or of another type"))
}

/// No body, or an object without members.
pub(super) fn nothing(body: &[u8]) -> Result<(), Refusal> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}

    if body.is_empty() { Ok(()) } else { object(body).map(|Nothing {}| ()) }
}

/// The name of an identity.
pub(super) fn identity(name: &str) -> Result<Identity, Refusal> {
    Identity::new(name).ok_or(malformed("identity is no name of an identity"))
}

/// A name under which somebody can be registered.
pub(super) fn new_identity(name: &str) -> Result<Identity, Refusal> {
    let identity = identity(name)?;
    if identity.is_reserved() {
        Err(Refusal::new(Code::NotAllowed, "names that begin with pack: are those of tokens"))
    } else {
        Ok(identity)
    }
}

/// A key by its thumbprint.
pub(super) fn thumbprint(text: &str) -> Result<Thumbprint, Refusal> {
    Thumbprint::parse(text).ok_or(malformed("key is no thumbprint"))
}

/// A thumbprint as a string, or a JWK.
pub(super) fn key(json: &RawValue) -> Result<KeyRef, Refusal> {
    if json.get().starts_with('{') {
        return KeyRef::parse(json.get());
    }
    let text: String =
        serde_json::from_str(json.get()).map_err(|_| malformed("key is neither a thumbprint nor a JWK"))?;
    thumbprint(&text)?;
    KeyRef::parse(&text)
}
