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
        fields.iter().filter(move |(known, _)| is_called(known, name)).map(|(_, value)| trim(value))
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

    /// The authority that the client addressed: the target's when it has one, then `host` must agree (section 3.3).
    pub(crate) fn addressed(&self, host: Option<&'a [u8]>) -> Result<&'a str, Refusal> {
        const NO_HOST: Refusal = Refusal::new(Code::WrongAuthority, "Host is not text");
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
        self.singles().map(|_| ())
    }

    /// The same; gives the fields that are there once.
    pub(crate) fn singles(&self) -> Result<Singles<'a>, Refusal> {
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
        Ok(found.singles)
    }
}

/// A field that may be there once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Single {
    Signature,
    SignatureInput,
    Host,
    ContentType,
    ContentDigest,
    SignatureKey,
    Authorization,
    IdempotencyKey,
    McpSessionId,
    McpProtocolVersion,
}

impl Single {
    /// Those that are covered whenever the request has them, in the order in which a signer lists them (section 3.4).
    pub(crate) const COVERED: [Self; 7] = [
        Self::ContentType,
        Self::ContentDigest,
        Self::SignatureKey,
        Self::Authorization,
        Self::IdempotencyKey,
        Self::McpSessionId,
        Self::McpProtocolVersion,
    ];

    /// By its name in lower case.
    pub(crate) fn named(name: &str) -> Option<Self> {
        KNOWN.iter().find(|(known, _)| *known == name).and_then(|(_, rule)| match rule {
            Rule::Once(single, _) => Some(*single),
            Rule::Framing | Rule::Override => None,
        })
    }

    /// A bit of its own.
    pub(crate) const fn bit(self) -> u16 {
        1 << self.number()
    }

    const fn number(self) -> u8 {
        match self {
            Self::Signature => 0,
            Self::SignatureInput => 1,
            Self::Host => 2,
            Self::ContentType => 3,
            Self::ContentDigest => 4,
            Self::SignatureKey => 5,
            Self::Authorization => 6,
            Self::IdempotencyKey => 7,
            Self::McpSessionId => 8,
            Self::McpProtocolVersion => 9,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::SignatureInput => "signature-input",
            Self::Host => "host",
            Self::ContentType => "content-type",
            Self::ContentDigest => "content-digest",
            Self::SignatureKey => "signature-key",
            Self::Authorization => "authorization",
            Self::IdempotencyKey => "idempotency-key",
            Self::McpSessionId => "mcp-session-id",
            Self::McpProtocolVersion => "mcp-protocol-version",
        }
    }
}

/// The values of the fields that may be there once, without white space around them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Singles<'a>([Option<&'a [u8]>; 10]);

impl<'a> Singles<'a> {
    pub(crate) fn value(&self, single: Single) -> Option<&'a [u8]> {
        self.0.get(usize::from(single.number())).copied().flatten()
    }

    /// A bit for each that is there.
    pub(crate) fn bits(&self) -> u16 {
        self.0.iter().rev().fold(0, |bits, value| bits << 1 | u16::from(value.is_some()))
    }

    /// Whether there was one already.
    fn put(&mut self, single: Single, value: &'a [u8]) -> bool {
        self.0.get_mut(usize::from(single.number())).is_some_and(|slot| slot.replace(value).is_some())
    }
}

/// What is wrong with a header, all of it: it is looked through once, for the first in the order of the specification.
#[derive(Debug, Default)]
struct Findings<'a> {
    singles: Singles<'a>,
    no_token: bool,
    too_long: bool,
    repeated: bool,
    overriding: bool,
    disguised: bool,
}

impl<'a> Findings<'a> {
    fn of(fields: &[Field<'a>]) -> Self {
        let mut found = Self::default();
        for (name, value) in fields {
            let kinds = kinds(name);
            found.no_token |= name.is_empty() || kinds & NO_TOKEN != 0;
            for (known, rule) in KNOWN.iter().filter(|(known, _)| known.len() == name.len()) {
                if is_called(name, known) {
                    found.note(rule, trim(value));
                } else if kinds & UNDERSCORE != 0 && reads_as(name, known) {
                    found.overriding |= matches!(rule, Rule::Override);
                    found.disguised = true;
                }
            }
        }
        found
    }

    fn note(&mut self, rule: &Rule, value: &'a [u8]) {
        match rule {
            Rule::Once(single, limit) => {
                self.too_long |= value.len() > *limit;
                self.repeated |= self.singles.put(*single, value);
            }
            Rule::Framing => {}
            Rule::Override => self.overriding = true,
        }
    }
}

/// What holds for a field that means something here, or before here.
enum Rule {
    /// It may be there once, with a value of so many bytes: the length of most is not the envelope's business.
    Once(Single, usize),
    /// It says where a body ends.
    Framing,
    /// By it some servers take another method or target than that of the request line.
    Override,
}

const KNOWN: [(&str, Rule); 17] = [
    (Single::Signature.name(), Rule::Once(Single::Signature, 256)),
    (Single::SignatureInput.name(), Rule::Once(Single::SignatureInput, 4096)),
    (Single::SignatureKey.name(), Rule::Once(Single::SignatureKey, 8192)),
    (Single::ContentDigest.name(), Rule::Once(Single::ContentDigest, 512)),
    (Single::ContentType.name(), Rule::Once(Single::ContentType, usize::MAX)),
    (Single::Authorization.name(), Rule::Once(Single::Authorization, usize::MAX)),
    (Single::Host.name(), Rule::Once(Single::Host, usize::MAX)),
    (Single::IdempotencyKey.name(), Rule::Once(Single::IdempotencyKey, usize::MAX)),
    (Single::McpSessionId.name(), Rule::Once(Single::McpSessionId, usize::MAX)),
    (Single::McpProtocolVersion.name(), Rule::Once(Single::McpProtocolVersion, usize::MAX)),
    ("content-length", Rule::Framing),
    ("transfer-encoding", Rule::Framing),
    ("x-http-method-override", Rule::Override),
    ("x-http-method", Rule::Override),
    ("x-method-override", Rule::Override),
    ("x-original-url", Rule::Override),
    ("x-rewrite-url", Rule::Override),
];

/// Whether it is the name of a field, in any case. Most arrive in lower case.
pub(crate) fn is_called(name: &str, lower: &str) -> bool {
    name == lower || name.eq_ignore_ascii_case(lower)
}

/// Whether some server takes a field called `name` for `known`, of the same length: CGI and its heirs make one of `-` and `_`.
fn reads_as(name: &str, known: &str) -> bool {
    name.bytes().zip(known.bytes()).all(|(a, b)| a.eq_ignore_ascii_case(&b) || (a == b'_' && b == b'-'))
}

/// Without the white space of RFC 9110 section 5.6.3 around it.
pub(crate) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

pub(crate) fn is_token(name: &str) -> bool {
    !name.is_empty() && kinds(name) & NO_TOKEN == 0
}

/// A byte that no token has (RFC 9110 section 5.6.2).
const NO_TOKEN: u8 = 1;
const UNDERSCORE: u8 = 2;

const fn kind_of(byte: u8) -> u8 {
    match byte {
        b'_' => UNDERSCORE,
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => 0,
        b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'`' | b'|' | b'~' => 0,
        _ => NO_TOKEN,
    }
}

/// What kinds of bytes a name has.
fn kinds(name: &str) -> u8 {
    static KINDS: [u8; 256] = {
        let mut kinds = [NO_TOKEN; 256];
        let (mut rest, mut byte) = (kinds.as_mut_slice(), 0_u8);
        while let Some((kind, others)) = rest.split_first_mut() {
            *kind = kind_of(byte);
            (rest, byte) = (others, byte.wrapping_add(1));
        }
        kinds
    };
    name.bytes().fold(0, |kinds, byte| kinds | KINDS.get(usize::from(byte)).copied().unwrap_or(NO_TOKEN))
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
