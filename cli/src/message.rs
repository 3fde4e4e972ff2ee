//! A message to verify or to look at: a JSON envelope document, or a raw HTTP/1.1 request.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use envelope_core::{Authorities, Code, Document, Field, Refusal, Request};

use crate::error::Error;

/// The longest input that is read, in MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit(pub(crate) u32);

impl Limit {
    /// A message or a certificate.
    pub(crate) const MESSAGE: Self = Self(16);
    /// The body of a request to sign.
    pub(crate) const BODY: Self = Self(64);
}

/// Reads a whole file, or stdin for `-`.
pub(crate) fn read_input(path: &Path, limit: Limit) -> Result<Vec<u8>, Error> {
    let length = u64::from(limit.0) * 1024 * 1024;
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        let read = io::stdin().lock().take(length + 1).read_to_end(&mut bytes);
        read.map_err(Error::Stdin)?;
    } else {
        let read = File::open(path).and_then(|file| {
            // Otherwise a body is read in pieces, and copied for each of them.
            bytes.reserve(usize::try_from(file.metadata()?.len().min(length)).unwrap_or(0));
            file.take(length + 1).read_to_end(&mut bytes)
        });
        read.map_err(|error| Error::io("cannot read", path, error))?;
    }
    let is_longer = u64::try_from(bytes.len()).is_ok_and(|read| read > length);
    if is_longer { Err(Error::TooMuch(path.into(), limit)) } else { Ok(bytes) }
}

/// A request as it was read, trusted in nothing.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) method: String,
    pub(crate) target: String,
    fields: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

const fn malformed(detail: &'static str) -> Refusal {
    Refusal::new(Code::Malformed, detail)
}

impl Message {
    /// Reads either kind; a document starts with a brace.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        match bytes.trim_ascii_start().first() {
            Some(b'{') => Self::from_document(bytes),
            _ => Self::from_http(bytes),
        }
    }

    fn from_document(json: &[u8]) -> Result<Self, Refusal> {
        let document = Document::parse(json)?;
        let own = |(name, value): &Field<'_>| ((*name).to_owned(), value.to_vec());
        let message = Self {
            method: document.method().into(),
            target: document.target().into(),
            fields: document.fields().iter().map(own).collect(),
            body: document.body().into(),
        };
        message.check_length()?;
        Ok(message)
    }

    /// RFC 9112, strictly: lines end in CRLF or LF, no line is folded, and the length is that of the body that is there.
    fn from_http(bytes: &[u8]) -> Result<Self, Refusal> {
        let mut rest = bytes;
        let mut lines = Vec::new();
        loop {
            let line = take_line(&mut rest)?;
            if line.is_empty() {
                break;
            }
            lines.push(line);
        }
        let (first, fields) = lines.split_first().ok_or(malformed("there is no request"))?;
        let (method, target) = read_request_line(first)?;
        let fields = fields.iter().map(|line| read_field(line)).collect::<Result<Vec<_>, _>>()?;
        let message = Self { method: method.into(), target: target.into(), fields, body: rest.into() };
        message.check_length()?;
        Ok(message)
    }

    /// In either form: what counts the body counts the one that is there.
    fn check_length(&self) -> Result<(), Refusal> {
        let fields = self.fields();
        let request = self.request(&fields);
        if request.values("transfer-encoding").next().is_some() {
            return Err(malformed(
                "the body has a transfer encoding; it is read as one piece with Content-Length",
            ));
        }
        let mut lengths = request.values("content-length");
        let Some(length) = lengths.next() else { return Ok(()) };
        if lengths.next().is_some() {
            return Err(Refusal::new(Code::Duplicate, "Content-Length is there twice"));
        }
        if length == self.body.len().to_string().as_bytes() {
            Ok(())
        } else {
            Err(malformed("Content-Length is not the length of the body"))
        }
    }

    /// The header lines, as [`Message::request`] takes them.
    pub(crate) fn fields(&self) -> Vec<Field<'_>> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect()
    }

    /// The request.
    pub(crate) fn request<'a>(&'a self, fields: &'a [Field<'a>]) -> Request<'a> {
        Request::new(&self.method, &self.target, fields)
    }

    /// The host that it names: that of `Host`, or of an absolute-form target.
    pub(crate) fn authority(&self) -> Option<&str> {
        let target = || {
            let (_, rest) = self.target.split_once("://")?;
            rest.split(['/', '?']).next()
        };
        let host = self.fields.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
        host.and_then(|(_, value)| std::str::from_utf8(value).ok()).or_else(target)
    }

    /// The authorities that it is verified for: those that are given, else the one that it names.
    pub(crate) fn authorities(&self, given: &[String]) -> Result<Authorities, Refusal> {
        if given.is_empty() { Authorities::new(self.authority()) } else { Authorities::new(given) }
    }
}

fn take_line<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Refusal> {
    let end = rest.iter().position(|byte| *byte == b'\n');
    let end = end.ok_or(malformed("the header does not end with an empty line"))?;
    let (line, after) = rest.split_at_checked(end).unwrap_or_default();
    *rest = after.get(1..).unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
        return Err(malformed("the header holds a control character"));
    }
    Ok(line)
}

fn read_request_line(line: &[u8]) -> Result<(&str, &str), Refusal> {
    let refusal = malformed("the first line is not METHOD TARGET HTTP/1.1");
    let line = std::str::from_utf8(line).map_err(|_| refusal)?;
    let line = line.strip_suffix(" HTTP/1.1").ok_or(refusal)?;
    let (method, target) = line.split_once(' ').ok_or(refusal)?;
    if method.is_empty() || target.is_empty() || target.contains(' ') {
        Err(refusal)
    } else {
        Ok((method, target))
    }
}

fn read_field(line: &[u8]) -> Result<(String, Vec<u8>), Refusal> {
    let colon = line.iter().position(|byte| *byte == b':').ok_or(malformed("a header line has no colon"))?;
    let (name, value) = line.split_at_checked(colon).unwrap_or_default();
    if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
        return Err(malformed("a header line does not start with a name and a colon"));
    }
    let name = String::from_utf8_lossy(name).into_owned();
    Ok((name, value.get(1..).unwrap_or_default().trim_ascii().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &str =
        "POST /a?b HTTP/1.1\r\nHost: pack.example\r\nX-A:  1\t\r\nContent-Length: 2\r\n\r\n{}";

    #[test]
    fn a_request_is_read_with_either_line_end() {
        for text in [REQUEST.to_owned(), REQUEST.replace('\r', "")] {
            let message = Message::parse(text.as_bytes()).unwrap();
            assert_eq!((message.method.as_str(), message.target.as_str()), ("POST", "/a?b"));
            assert_eq!(message.fields()[1], ("X-A", &b"1"[..]));
            assert_eq!(message.authority(), Some("pack.example"));
            assert_eq!(message.body, b"{}");
        }
    }

    #[test]
    fn every_other_shape_is_malformed() {
        for (from, to) in [
            ("HTTP/1.1", "HTTP/1.0"),
            ("POST ", "POST  "),
            ("POST ", " "),
            ("/a?b", "/a b"),
            ("\r\n\r\n", "\r\n"),
            ("X-A:", "X-A"),
            ("X-A:", "X-A :"),
            ("X-A:", " X-A:"),
            ("X-A:", ":"),
            ("X-A:  1", "X-A: \r1"),
            ("X-A:  1", "X-A: 1\x01"),
            ("X-A:  1", "Transfer-Encoding: chunked"),
            ("Length: 2", "Length: 3"),
            ("Length: 2", "Length: 02"),
            ("Length: 2", "Length: +2"),
            ("Length: 2", "Length: "),
            ("{}", "{}\n"),
        ] {
            let text = REQUEST.replace(from, to);
            assert_ne!(text, REQUEST);
            assert_eq!(Message::parse(text.as_bytes()).unwrap_err().code(), Code::Malformed, "{text}");
        }
        assert_eq!(Message::parse(b"").unwrap_err().code(), Code::Malformed);
        let twice = REQUEST.replace("X-A:  1", "Content-Length: 2");
        assert_eq!(Message::parse(twice.as_bytes()).unwrap_err().code(), Code::Duplicate);
    }

    #[test]
    fn a_document_is_the_same_request() {
        let json = br#" {"method":"POST","authority":"pack.example","path":"/a","query":"b","headers":{"x-a":"1"},"body":"e30="}"#;
        let message = Message::parse(json).unwrap();
        assert_eq!((message.method.as_str(), message.target.as_str()), ("POST", "/a?b"));
        assert_eq!(message.fields(), [("host", &b"pack.example"[..]), ("x-a", &b"1"[..])]);
        assert_eq!(message.body, b"{}");
    }

    #[test]
    fn the_length_is_that_of_the_body_in_a_document_too() {
        let parse = |length: &str| {
            let json = format!(
                r#"{{"method":"POST","authority":"a","path":"/","headers":{{"Content-Length":"{length}"}},"body":"e30="}}"#
            );
            Message::parse(json.as_bytes()).map(|_| ()).map_err(|refusal| refusal.code())
        };
        assert_eq!(parse("2"), Ok(()));
        for length in ["3", "02", "+2", "", "2, 2", "0"] {
            assert_eq!(parse(length), Err(Code::Malformed), "{length}");
        }
    }
}
