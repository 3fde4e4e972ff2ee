//! The envelope as a JSON document: the same signed message for pipes, queues and logs (spec, section 8).

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use base64ct::{Base64, Encoding};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::authority::Url;
use crate::error::{Code, Refusal};
use crate::json::{Object, Value};
use crate::request::{Field, Request, trim};
use crate::sign::Signed;

/// A signed request on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    method: String,
    target: String,
    /// Header lines; the first is `Host`.
    fields: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

const fn malformed(detail: &'static str) -> Refusal {
    Refusal::new(Code::Malformed, detail)
}

impl Document {
    /// The document of a request that was signed: the request as it was given to the signer, and its result.
    ///
    /// # Errors
    /// [`Code::TargetNotCanonical`]; [`Code::Malformed`] for a field value that is not printable ASCII, and for a field on
    /// several lines of which the last is empty: those cannot be joined without loss.
    pub fn new(request: &Request<'_>, body: Option<&[u8]>, signed: &Signed) -> Result<Self, Refusal> {
        let url = Url::parse(request.raw_target())?;
        let mut fields = alloc::vec![(String::from("host"), String::from(url.authority()))];
        for (name, value) in request.fields() {
            let value =
                core::str::from_utf8(trim(value)).map_err(|_| malformed("a field value is not ASCII"))?;
            join(&mut fields, name.to_ascii_lowercase(), value);
        }
        // Read back, it would be one line, and lose the space that joins an empty last line.
        if fields.iter().any(|(_, value)| trim(value.as_bytes()).len() < value.len()) {
            return Err(malformed("the last of several lines of a field is empty"));
        }
        fields.extend(signed.fields().map(|(name, value)| (name.to_ascii_lowercase(), value.into())));
        let query = url.target().query().map(|query| alloc::format!("?{query}")).unwrap_or_default();
        Ok(Self {
            method: request.method().into(),
            target: alloc::format!("{}{query}", url.target().path()),
            fields,
            body: body.map(Into::into),
        })
    }

    /// Reads a document.
    ///
    /// # Errors
    /// [`Code::Malformed`]; [`Code::Duplicate`] for a member or a header field that is there twice.
    pub fn parse(json: &[u8]) -> Result<Self, Refusal> {
        let value = Value::parse_or_duplicate(json).map_err(|duplicate| {
            if duplicate {
                Refusal::new(Code::Duplicate, "a member of the document is there twice")
            } else {
                malformed("the document is not JSON")
            }
        })?;
        let object = value.as_object().ok_or(malformed("the document is not an object"))?;
        if object.iter().any(|(name, _)| !MEMBERS.contains(&name)) {
            return Err(malformed("the document has a member that the profile does not know"));
        }
        let path = member(object, "path")?.ok_or(malformed("path is missing"))?;
        let target = match member(object, "query")? {
            None | Some("") => path.into(),
            Some(query) => alloc::format!("{path}?{query}"),
        };
        if !path.starts_with('/') || path.contains('?') {
            return Err(Refusal::new(Code::TargetNotCanonical, "the path is no path"));
        }
        let authority = member(object, "authority")?.ok_or(malformed("authority is missing"))?;
        let document = Self {
            method: member(object, "method")?.ok_or(malformed("method is missing"))?.into(),
            target,
            fields: read_fields(object, authority)?,
            body: read_body(object)?,
        };
        document.check_length()?;
        Ok(document)
    }

    /// What counts the body counts the one that is there.
    fn check_length(&self) -> Result<(), Refusal> {
        let length = self.fields.iter().find(|(name, _)| name == "content-length");
        match length.map(|(_, length)| trim(length.as_bytes())) {
            Some(length) if length != self.body().len().to_string().as_bytes() => {
                Err(malformed("Content-Length is not the length of the body"))
            }
            _ => Ok(()),
        }
    }

    /// The document as JSON, on one line.
    #[must_use]
    pub fn to_json(&self) -> String {
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let written = Written {
            method: &self.method,
            authority: self.authority(),
            path,
            query,
            headers: Headers(self.fields.get(1..).unwrap_or_default()),
            body: self.body.as_deref().map(Base64::encode_string),
        };
        // Strings alone always serialise.
        serde_json::to_string(&written).unwrap_or_default()
    }

    /// The authority that it claims.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.fields.first().map(|(_, host)| host.as_str()).unwrap_or_default()
    }

    /// The method that it claims.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The target that it claims, in origin-form: path and query.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The body; empty when there is none.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.body.as_deref().unwrap_or_default()
    }

    /// The header lines, `Host` first, as [`Document::request`] takes them.
    #[must_use]
    pub fn fields(&self) -> Vec<Field<'_>> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
    }

    /// The request that it carries.
    #[must_use]
    pub fn request<'a>(&'a self, fields: &'a [Field<'a>]) -> Request<'a> {
        Request::new(&self.method, &self.target, fields)
    }
}

const MEMBERS: [&str; 6] = ["method", "authority", "path", "query", "headers", "body"];

fn member<'a>(object: &'a Object, name: &str) -> Result<Option<&'a str>, Refusal> {
    match object.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(malformed("a member of the document is not a string")),
    }
}

fn read_fields(object: &Object, authority: &str) -> Result<Vec<(String, String)>, Refusal> {
    let mut fields = alloc::vec![(String::from("host"), String::from(authority))];
    let headers =
        object.get("headers").and_then(Value::as_object).ok_or(malformed("headers is not an object"))?;
    for (name, value) in headers.iter() {
        let value = value.as_str().ok_or(malformed("a header field is not a string"))?;
        // On a wire these would be several lines, or another message.
        if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
            return Err(malformed("a header field holds a control character"));
        }
        let name = name.to_ascii_lowercase();
        if name == "transfer-encoding" {
            return Err(malformed("a document has no transfer-encoding"));
        }
        if fields.iter().any(|(known, _)| *known == name) {
            return Err(Refusal::new(Code::Duplicate, "a header field is there twice"));
        }
        fields.push((name, value.into()));
    }
    Ok(fields)
}

fn read_body(object: &Object) -> Result<Option<Vec<u8>>, Refusal> {
    let decode = |text| Base64::decode_vec(text).map_err(|_| malformed("body is not strict base64"));
    member(object, "body")?.map(decode).transpose()
}

/// RFC 9421 section 2.1: lines of one name become one value.
fn join(fields: &mut Vec<(String, String)>, name: String, value: &str) {
    match fields.iter_mut().find(|(known, _)| *known == name) {
        Some((_, first)) => {
            first.push_str(", ");
            first.push_str(value);
        }
        None => fields.push((name, value.into())),
    }
}

#[derive(Serialize)]
struct Written<'a> {
    method: &'a str,
    authority: &'a str,
    path: &'a str,
    query: &'a str,
    headers: Headers<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
}

struct Headers<'a>(&'a [(String, String)]);

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
