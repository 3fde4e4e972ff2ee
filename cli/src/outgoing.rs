//! A request that is to be signed, as it is given on the command line.

use envelope_core::{Document, Field, Request, Signed};
use serde::de::IgnoredAny;

use crate::address;
use crate::args;
use crate::call_key::CallKey;
use crate::clock;
use crate::error::{Error, FieldError, MethodError};
use crate::message::{Limit, read_input};
use crate::random;
use crate::secret::Secret;

/// Header fields: name and value, which may be a secret.
pub(crate) type Given = Vec<(String, Secret)>;

/// A request, and which of its fields it was given and which this program adds.
#[derive(Debug)]
pub(crate) struct Outgoing {
    method: String,
    url: String,
    given: Given,
    /// What a client would otherwise choose by itself, so that no signature covered it.
    content_type: Option<&'static str>,
    body: Option<Vec<u8>>,
}

impl Outgoing {
    /// Reads the arguments, and the body.
    pub(crate) fn read(args: &args::Outgoing) -> Result<Self, Error> {
        check_method(&args.method)?;
        address::check(&args.url)?;
        let given = read_fields(&args.header)?;
        let body = args.body.as_deref().map(|body| read_input(body, Limit::BODY)).transpose()?;
        let has_type = given.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        let content_type = body.as_deref().filter(|_| !has_type).map(media_type);
        Ok(Self { method: args.method.clone(), url: args.url.clone(), given, content_type, body })
    }

    /// A request of this program's own.
    pub(crate) fn new(method: &str, url: String, given: Given, body: Option<Vec<u8>>) -> Self {
        Self { method: method.into(), url, given, content_type: None, body }
    }

    /// Signs it, for `ttl` seconds from now.
    pub(crate) fn sign(&self, call_key: &CallKey, ttl: u64) -> Result<Signed, Error> {
        let signer = call_key.signer().and_then(|it| it.with_lifetime(ttl));
        let nonce = random::bytes()?;
        let fields = self.fields();
        // The call key is there already: `created` is never before its certificate.
        let signed = signer.map_err(Error::Unsignable)?.sign(
            &self.request(&fields),
            self.body(),
            clock::now()?,
            &nonce,
        );
        signed.map_err(Error::Unsignable)
    }

    /// The signed request as a JSON document.
    pub(crate) fn document(&self, signed: &Signed) -> Result<Document, Error> {
        let fields = self.fields();
        Document::new(&self.request(&fields), self.body(), signed).map_err(Error::Unsignable)
    }

    pub(crate) fn method(&self) -> &str {
        &self.method
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn body(&self) -> Option<&[u8]> {
        self.body.as_deref()
    }

    /// The fields that were given with `-H`.
    pub(crate) fn given(&self) -> impl Iterator<Item = (&str, &str)> {
        self.given.iter().map(|(name, value)| (name.as_str(), value.expose()))
    }

    /// The fields to add to a request that is not signed: the media type of the body.
    pub(crate) fn unsigned(&self) -> Vec<(&'static str, &str)> {
        Vec::from_iter(self.content_type.map(|media_type| ("Content-Type", media_type)))
    }

    /// The fields to add: those of the envelope, and before them the media type of the body.
    pub(crate) fn added<'a>(&'a self, signed: &'a Signed) -> Vec<(&'static str, &'a str)> {
        let mut added = self.unsigned();
        added.extend(signed.fields());
        added
    }

    fn fields(&self) -> Vec<Field<'_>> {
        let added = self.content_type.map(|media_type| ("Content-Type", media_type));
        self.given().chain(added).map(|(name, value)| (name, value.as_bytes())).collect()
    }

    fn request<'a>(&'a self, fields: &'a [Field<'a>]) -> Request<'a> {
        Request::new(&self.method, &self.url, fields)
    }
}

/// Fields of the command line.
pub(crate) fn read_fields(fields: &[String]) -> Result<Given, Error> {
    fields.iter().map(|text| read_field(text)).collect()
}

fn media_type(body: &[u8]) -> &'static str {
    let is_json =
        std::str::from_utf8(body).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
    if is_json { "application/json" } else { "application/octet-stream" }
}

fn check_method(method: &str) -> Result<(), Error> {
    let is_method = |text: &str| {
        (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-')
    };
    let upper = method.to_ascii_uppercase();
    if !is_method(&upper) {
        Err(Error::Method(MethodError::NotAMethod))
    } else if upper == "CONNECT" {
        Err(Error::Method(MethodError::Connect))
    } else if upper != method {
        Err(Error::Method(MethodError::Case(method.into())))
    } else {
        Ok(())
    }
}

/// `Name: value`, as it will be sent.
fn read_field(text: &str) -> Result<(String, Secret), Error> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let parts = text.split_once(':').filter(|(name, _)| !name.is_empty() && name.bytes().all(is_token));
    // What has no name may be a secret from its first byte on.
    let (name, value) = parts.ok_or(Error::Field(FieldError::NotAField, None))?;
    // The value may be a secret: only the name is repeated.
    let error = |error| Error::Field(error, Some(name.into()));
    if value.chars().any(char::is_control) {
        return Err(error(FieldError::Control));
    }
    if let Some(why) = reserved(&name.to_ascii_lowercase()) {
        return Err(error(FieldError::Reserved(why)));
    }
    let value = value.trim_ascii();
    if value.is_empty() {
        return Err(error(FieldError::Empty));
    }
    Ok((name.into(), Secret::any(value.into())))
}

/// Why a field cannot be covered: it does not reach the server as it was signed, or says there what was not signed.
fn reserved(name: &str) -> Option<&'static str> {
    const LOOK_ALIKE: &str =
        "some servers read _ as -, so that it would stand for another field: write it with -";
    match name.replace('_', "-").as_str() {
        "x-http-method" | "x-http-method-override" | "x-method-override" => {
            return Some("some servers take it for the method: sign the method that is meant");
        }
        "host"
        | "content-type"
        | "authorization"
        | "idempotency-key"
        | "content-digest"
        | "signature-key"
        | "signature-input"
        | "signature"
        | "mcp-session-id"
        | "mcp-protocol-version"
            if name.contains('_') =>
        {
            return Some(LOOK_ALIKE);
        }
        _ => {}
    }
    match name {
        "host" => Some("the URL says what Host is, and the signature covers that"),
        "content-length" => Some("the client that sends the request counts the body"),
        "connection" | "keep-alive" | "transfer-encoding" | "te" | "trailer" | "upgrade" => {
            Some("it is for the next hop and does not reach the server")
        }
        _ if name.starts_with("proxy-") => Some("it is for the next hop and does not reach the server"),
        "content-digest" | "signature-key" | "signature-input" | "signature" => {
            Some("it is part of the envelope, which envelope writes itself")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_name_is_not_repeated() {
        for text in
            ["sk-live-SECRET", "sk-live-SECRET x: y", "Bearer\tSECRET: x", "SECRET\nx: y", ": SECRET", ""]
        {
            let error = read_field(text).unwrap_err();
            assert_eq!(error.to_string(), "not a header field");
            assert!(!error.hint().unwrap().contains("SECRET"));
        }
        for text in ["X-A: SECRET\u{7f}", "Host: SECRET"] {
            assert!(!read_field(text).unwrap_err().to_string().contains("SECRET"));
        }
    }

    #[test]
    fn debug_says_nothing_of_a_value() {
        let given = read_fields(&["Authorization: Bearer SECRET".into()]).unwrap();
        let request = Outgoing::new("GET", "http://a.example/".into(), given, None);
        assert!(!format!("{request:?}").contains("SECRET"), "{request:?}");
    }

    #[test]
    fn a_method_is_one_that_can_be_signed() {
        for method in ["GET", "M-SEARCH", "PROPFIND"] {
            check_method(method).unwrap();
        }
        for method in ["", "G T", "G3T", "http://a.example/", "get ", "ÄB", &"A".repeat(33)] {
            let error = check_method(method);
            assert!(matches!(error, Err(Error::Method(MethodError::NotAMethod))), "{method}");
        }
        assert!(matches!(check_method("connect"), Err(Error::Method(MethodError::Connect))));
        assert!(matches!(check_method("Get"), Err(Error::Method(MethodError::Case(_)))));
    }
}
