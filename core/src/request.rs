//! The request, as the signer will send it or the verifier has received it.

use crate::error::{Code, Refusal};
use crate::target::Target;

/// A header field: name in any case, and the bytes of its value.
pub type Field<'a> = (&'a str, &'a [u8]);

const TWICE: Refusal = Refusal::new(Code::Duplicate, "a field that may be there once is there twice");

/// A request as it is on the wire: nothing in it is judged or changed yet.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    method: &'a str,
    target: &'a str,
    fields: &'a [Field<'a>],
}

impl<'a> Request<'a> {
    /// A request as received: the method, the request target (origin-form, or absolute-form where the client or HTTP/2
    /// gave one) and every line of the header, in order, `Host` included.
    #[must_use]
    pub const fn new(method: &'a str, target: &'a str, fields: &'a [Field<'a>]) -> Self {
        Self { method, target, fields }
    }

    /// The method, byte for byte.
    #[must_use]
    pub const fn method(&self) -> &'a str {
        self.method
    }

    /// The request target: origin-form, absolute-form, or the full URL for a signer.
    pub(crate) const fn raw_target(&self) -> &'a str {
        self.target
    }

    /// The header lines, in order.
    #[must_use]
    pub const fn fields(&self) -> &'a [Field<'a>] {
        self.fields
    }

    /// The values of the lines called `name`, without leading and trailing white space.
    pub fn values(&self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let fields = self.fields;
        fields.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| trim(value))
    }

    /// The value of the only line called `name`.
    ///
    /// # Errors
    /// [`Code::Duplicate`] when there is a second one.
    pub(crate) fn only(&self, name: &'a str) -> Result<Option<&'a [u8]>, Refusal> {
        let mut values = self.values(name);
        let value = values.next();
        match values.next() {
            None => Ok(value),
            Some(_) => Err(TWICE),
        }
    }

    /// The authority of an absolute-form target, and the path and query.
    fn split_target(&self) -> (Option<&'a str>, &'a str) {
        let Some(rest) = strip_scheme(self.target) else {
            return (None, self.target);
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        (Some(authority), if target.is_empty() { "/" } else { target })
    }

    /// The canonical target (spec, section 3.2).
    pub(crate) fn target(&self) -> Result<Target<'a>, Refusal> {
        Target::new(self.split_target().1)
    }

    /// The authority that the client addressed: the target's when it has one, then `Host` must agree (section 3.3).
    pub(crate) fn addressed(&self) -> Result<&'a str, Refusal> {
        const NO_HOST: Refusal = Refusal::new(Code::WrongAuthority, "Host is not text");
        let host = self.only("host")?;
        let host = host.map(|host| core::str::from_utf8(host).map_err(|_| NO_HOST)).transpose()?;
        match (self.split_target().0, host) {
            (None, Some(host)) => Ok(host),
            (Some(target), None) => Ok(target),
            (Some(target), Some(host)) if target.eq_ignore_ascii_case(host) => Ok(host),
            (Some(_), Some(_)) => {
                Err(Refusal::new(Code::WrongAuthority, "Host and the absolute-form target name two hosts"))
            }
            (None, None) => Err(Refusal::new(Code::WrongAuthority, "there is no Host")),
        }
    }

    /// Refuses what no verifier takes, signed or not: spec, V1.1 to V1.4.
    ///
    /// # Errors
    /// [`Code::Malformed`], [`Code::TooLarge`], [`Code::Duplicate`].
    pub fn check(&self) -> Result<(), Refusal> {
        if self.method == "CONNECT" {
            return Err(Refusal::new(Code::Malformed, "CONNECT has no path that could be signed"));
        }
        let method_ok = (1..=32).contains(&self.method.len())
            && self.method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
        if !method_ok {
            return Err(Refusal::new(Code::Malformed, "the method is not in upper-case letters"));
        }
        let refuse = |code, detail| Err(Refusal::new(code, detail));
        let found = Findings::of(self.fields);
        if found.no_token {
            return refuse(Code::Malformed, "a field name is not a token");
        }
        if self.fields.len() > 256 {
            return refuse(Code::TooLarge, "there are more than 256 header lines");
        }
        if found.too_long {
            return refuse(Code::TooLarge, "a field of the envelope is longer than it may be");
        }
        if found.repeated {
            return Err(TWICE);
        }
        if found.overriding {
            return refuse(Code::Malformed, "a header field overrides the method or the target");
        }
        if found.disguised {
            return refuse(Code::Malformed, "a header field reads as another one with an underscore");
        }
        Ok(())
    }
}

/// Fields that are covered whenever the request has them, in the order in which a signer lists them (section 3.4).
pub(crate) const COVERED: [&str; 7] = [
    "content-type",
    "content-digest",
    "signature-key",
    "authorization",
    "idempotency-key",
    "mcp-session-id",
    "mcp-protocol-version",
];

/// What is wrong with a header, all of it: it is looked through once, for the first in the order of the specification.
#[derive(Debug, Default)]
struct Findings {
    no_token: bool,
    too_long: bool,
    repeated: bool,
    overriding: bool,
    disguised: bool,
}

impl Findings {
    fn of(fields: &[Field<'_>]) -> Self {
        let mut found = Self::default();
        // A bit for each of the fields that may be there once.
        let mut seen = 0_u16;
        for (name, value) in fields {
            found.no_token |= !is_token(name);
            for (at, (known, limit)) in SINGLE.iter().enumerate() {
                if name.eq_ignore_ascii_case(known) {
                    found.too_long |= trim(value).len() > *limit;
                    found.repeated |= seen & 1 << at != 0;
                    seen |= 1 << at;
                } else {
                    found.disguised |= reads_as(name, known);
                }
            }
            found.disguised |=
                FRAMING.iter().any(|known| !name.eq_ignore_ascii_case(known) && reads_as(name, known));
            found.overriding |= OVERRIDES.iter().any(|known| reads_as(name, known));
        }
        found
    }
}

/// Fields that may be there once, and how many bytes their value may have: the length of the others is not the envelope's business.
const SINGLE: [(&str, usize); 10] = [
    ("signature", 256),
    ("signature-input", 4096),
    ("signature-key", 8192),
    ("content-digest", 512),
    ("content-type", usize::MAX),
    ("authorization", usize::MAX),
    ("host", usize::MAX),
    ("idempotency-key", usize::MAX),
    ("mcp-session-id", usize::MAX),
    ("mcp-protocol-version", usize::MAX),
];

/// Fields by which some servers take another method or target than that of the request line.
const OVERRIDES: [&str; 5] =
    ["x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-rewrite-url"];

/// Fields that say where a body ends.
const FRAMING: [&str; 2] = ["content-length", "transfer-encoding"];

/// Whether some server takes a field called `name` for `known`: CGI and its heirs make one of `-` and `_`.
fn reads_as(name: &str, known: &str) -> bool {
    name.len() == known.len()
        && name
            .bytes()
            .zip(known.bytes())
            .all(|(a, b)| a.eq_ignore_ascii_case(&b) || (a == b'_' && b == b'-'))
}

/// Without the white space of RFC 9110 section 5.6.3 around it.
pub(crate) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

pub(crate) fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(is_token_byte)
}

/// RFC 9110 section 5.6.2.
const fn is_token_byte(byte: u8) -> bool {
    matches!(
        byte,
        b'a'..=b'z' | b'-' | b'A'..=b'Z' | b'0'..=b'9'
            | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
    )
}

/// Whether every byte is printable ASCII, or one that `also` takes. Blocks are looked at whole, which compilers make few
/// instructions of.
pub(crate) fn is_printable(value: &[u8], also: impl Fn(u8) -> bool) -> bool {
    value.chunks(64).all(|block| {
        block.iter().fold(true, |printable, byte| printable & (matches!(byte, 0x20..=0x7e) | also(*byte)))
    })
}

pub(crate) fn strip_scheme(target: &str) -> Option<&str> {
    ["http://", "https://"].iter().find_map(|scheme| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    })
}
