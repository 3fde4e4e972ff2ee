//! The request of a vector as bytes on a socket, or as a document.

use base64ct::{Base64, Encoding};
use serde_json::{Map, Value};

use crate::format::Request;

/// Fields that a document cannot show as duplicates: their lines would be joined.
const SINGLE: [&str; 10] = [
    "signature",
    "signature-input",
    "signature-key",
    "content-digest",
    "content-type",
    "authorization",
    "host",
    "idempotency-key",
    "mcp-session-id",
    "mcp-protocol-version",
];

impl Request {
    /// The body; `None` when there is none.
    #[must_use]
    pub fn body(&self) -> Option<Vec<u8>> {
        self.body.as_deref().and_then(|body| Base64::decode_vec(body).ok())
    }

    /// The request as HTTP/1.1, with `Content-Length` where there is a body. `None` when no HTTP/1.1 message can carry it:
    /// a method or field name that is no token, a space or control byte in the target, a line end or NUL in a value.
    #[must_use]
    pub fn to_http(&self) -> Option<Vec<u8>> {
        if !is_token(&self.method) || !self.headers.iter().all(|(name, _)| is_token(name)) {
            return None;
        }
        let target = bytes(&self.target)?;
        if target.is_empty() || target.iter().any(|byte| *byte <= b' ' || *byte == 0x7f) {
            return None;
        }
        let mut message = self.method.clone().into_bytes();
        message.push(b' ');
        message.extend(target);
        message.extend(b" HTTP/1.1\r\n");
        for (name, value) in &self.headers {
            let value = bytes(value)?;
            if value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
                return None;
            }
            message.extend(name.as_bytes());
            message.extend(b": ");
            message.extend(value);
            message.extend(b"\r\n");
        }
        let body = self.body();
        if let Some(body) = &body
            && !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        {
            message.extend(format!("Content-Length: {}\r\n", body.len()).into_bytes());
        }
        message.extend(b"\r\n");
        message.extend(body.unwrap_or_default());
        Some(message)
    }

    /// The request as a document (spec, section 8). `None` when a document says something else or nothing: no or several
    /// `Host`, an absolute-form target, a `?` without a query, a second line of a field that may be there once, more than
    /// 256 lines, `Transfer-Encoding`, bytes above 0x7E, control bytes in a value.
    #[must_use]
    pub fn to_document(&self) -> Option<String> {
        let text = [&self.method, &self.target].into_iter();
        let mut text = text.chain(self.headers.iter().flat_map(|(name, value)| [name, value]));
        if !text.all(|text| text.is_ascii()) || !self.target.starts_with('/') || self.target.ends_with('?') {
            return None;
        }
        let is_control = |character: char| character.is_ascii_control() && character != '\t';
        let is_refused = |(name, value): &(String, String)| {
            name.eq_ignore_ascii_case("transfer-encoding") || value.contains(is_control)
        };
        if self.headers.len() > 256 || self.headers.iter().any(is_refused) {
            return None;
        }
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let mut authority = None;
        let mut headers: Map<String, Value> = Map::new();
        for (name, value) in &self.headers {
            let (name, value) = (name.to_ascii_lowercase(), value.trim_matches([' ', '\t']));
            if name == "host" {
                if authority.replace(value).is_some() {
                    return None;
                }
                continue;
            }
            let joined = match headers.get(&name).and_then(Value::as_str) {
                Some(_) if SINGLE.contains(&name.as_str()) => return None,
                Some(before) => format!("{before}, {value}"),
                None => value.to_owned(),
            };
            headers.insert(name, joined.into());
        }
        let mut document = Map::new();
        document.insert("method".into(), self.method.as_str().into());
        document.insert("authority".into(), authority?.into());
        document.insert("path".into(), path.into());
        document.insert("query".into(), query.into());
        document.insert("headers".into(), headers.into());
        if let Some(body) = &self.body {
            document.insert("body".into(), body.as_str().into());
        }
        Some(Value::from(document).to_string())
    }
}

/// One byte for each code point up to U+00FF.
pub(crate) fn bytes(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect()
}

fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
