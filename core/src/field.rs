//! A strict reader of structured fields (RFC 9651): only the shapes that the profile uses, each in its one
//! canonical spelling, so that what is read serialises to the same bytes.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use base64::DecodeSliceError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Code, Refusal};
use crate::request::is_printable;

const fn malformed(detail: &'static str) -> Refusal {
    Refusal::new(Code::Malformed, detail)
}

const NOT_BASE64: Refusal = malformed("a byte sequence is not strict base64");

/// A bare item: what a parameter can hold in this profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// RFC 9651 section 3.3.1, not negative.
    Integer(u64),
    /// RFC 9651 section 3.3.3, escapes resolved.
    String(Cow<'a, str>),
    /// RFC 9651 section 3.3.4.
    Token(&'a str),
    /// RFC 9651 section 3.3.6: `true` is a parameter without a value.
    Boolean(bool),
    /// A number that is negative or has a fraction, or a byte sequence: read, and accepted nowhere.
    Other,
}

/// How many there are of most requests: room that need not grow.
const USUAL_PARAMETERS: usize = 6;
const USUAL_COMPONENTS: usize = 16;

/// One parameter of an item or inner list.
pub type Parameter<'a> = (&'a str, Item<'a>);

/// An item of an inner list: a string and its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component<'a> {
    /// The string, escapes resolved.
    pub name: Cow<'a, str>,
    /// Its parameters, in order.
    pub parameters: Vec<Parameter<'a>>,
}

/// A reader at a position in one field value.
#[derive(Debug)]
pub struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads `value`, a field value without leading and trailing white space.
    ///
    /// # Errors
    /// [`Code::Malformed`] when it holds anything but printable ASCII.
    pub fn new(value: &'a [u8]) -> Result<Self, Refusal> {
        if !is_printable(value, |_| false) {
            return Err(malformed("a structured field holds a byte that is not printable ASCII"));
        }
        let text = core::str::from_utf8(value).map_err(|_| malformed("a structured field is not ASCII"))?;
        Ok(Self { text, at: 0 })
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Takes `literal` if it comes next.
    pub fn take(&mut self, literal: &str) -> bool {
        let next = self.rest().starts_with(literal);
        if next {
            self.at += literal.len();
        }
        next
    }

    /// Takes `literal`, or refuses.
    ///
    /// # Errors
    /// [`Code::Malformed`] with `detail`.
    pub fn expect(&mut self, literal: &str, detail: &'static str) -> Result<(), Refusal> {
        if self.take(literal) { Ok(()) } else { Err(malformed(detail)) }
    }

    /// Whether everything has been read.
    #[must_use]
    pub fn at_end(&self) -> bool {
        self.rest().is_empty()
    }

    /// The bytes from an earlier position up to here.
    #[must_use]
    pub fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// Where the reader stands.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.at
    }

    fn take_while(&mut self, accept: impl Fn(u8) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.bytes().position(|byte| !accept(byte)).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }

    /// Up to the next quotation mark or backslash. Certificates are long.
    fn take_plain(&mut self) -> &'a str {
        let rest = self.rest();
        let length = memchr::memchr2(b'"', b'\\', rest.as_bytes()).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }

    /// A key (RFC 9651 section 3.1.2) of at most 64 bytes.
    ///
    /// # Errors
    /// [`Code::Malformed`].
    pub fn key(&mut self) -> Result<&'a str, Refusal> {
        if !matches!(self.peek(), Some(b'a'..=b'z' | b'*')) {
            return Err(malformed("a key of a structured field does not start with a lower-case letter"));
        }
        let key =
            self.take_while(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'*'));
        if key.len() > 64 { Err(malformed("a key of a structured field is too long")) } else { Ok(key) }
    }

    /// A string (section 3.3.3).
    ///
    /// # Errors
    /// [`Code::Malformed`].
    pub fn string(&mut self) -> Result<Cow<'a, str>, Refusal> {
        self.expect("\"", "a string does not start with a quotation mark")?;
        let plain = self.take_plain();
        if self.take("\"") {
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = String::from(plain);
        loop {
            if self.take("\"") {
                return Ok(Cow::Owned(text));
            } else if self.take("\\\"") {
                text.push('"');
            } else if self.take("\\\\") {
                text.push('\\');
            } else {
                let run = self.take_plain();
                if run.is_empty() {
                    return Err(malformed("a string does not end, or holds an escape that does not exist"));
                }
                text.push_str(run);
            }
        }
    }

    /// A byte sequence (section 3.3.5), in strict base64. Nothing in a field is secret, so it takes a table.
    ///
    /// # Errors
    /// [`Code::Malformed`].
    pub fn bytes(&mut self) -> Result<Vec<u8>, Refusal> {
        STANDARD.decode(self.encoded()?).map_err(|_| NOT_BASE64)
    }

    /// A byte sequence of `N` bytes, 64 at most; `wrong_length` for another one.
    pub(crate) fn array<const N: usize>(&mut self, wrong_length: &'static str) -> Result<[u8; N], Refusal> {
        let encoded = self.encoded()?;
        // Room for whole groups of three, which the library demands.
        let mut bytes = [0; 66];
        let read = STANDARD.decode_slice(encoded, &mut bytes).map_err(|error| match error {
            DecodeSliceError::DecodeError(_) => NOT_BASE64,
            DecodeSliceError::OutputSliceTooSmall => malformed(wrong_length),
        })?;
        let bytes = bytes.get(..read).and_then(|bytes| bytes.try_into().ok());
        bytes.ok_or(malformed(wrong_length))
    }

    fn encoded(&mut self) -> Result<&'a str, Refusal> {
        self.expect(":", "a byte sequence does not start with a colon")?;
        let encoded = self.take_while(|byte| byte != b':');
        self.expect(":", "a byte sequence does not end with a colon")?;
        Ok(encoded)
    }

    fn number(&mut self) -> Result<Item<'a>, Refusal> {
        const NOT_CANONICAL: Refusal = malformed("a number is not in its canonical form");
        let negative = self.take("-");
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        if digits.is_empty() || digits.len() > 15 || (digits.starts_with('0') && digits != "0") {
            return Err(NOT_CANONICAL);
        }
        if self.take(".") {
            let fraction = self.take_while(|byte| byte.is_ascii_digit());
            let canonical = match (negative, digits, fraction) {
                (true, "0", "0") => false,
                (_, _, "0") => true,
                _ => (1..=3).contains(&fraction.len()) && !fraction.ends_with('0'),
            };
            return if canonical && digits.len() <= 12 { Ok(Item::Other) } else { Err(NOT_CANONICAL) };
        }
        match (negative, digits) {
            (true, "0") => Err(NOT_CANONICAL),
            (true, _) => Ok(Item::Other),
            (false, _) => digits.parse().map(Item::Integer).map_err(|_| NOT_CANONICAL),
        }
    }

    /// A bare item after the `=` of a parameter.
    fn bare_item(&mut self) -> Result<Item<'a>, Refusal> {
        match self.peek() {
            Some(b'"') => Ok(Item::String(self.string()?)),
            Some(b'0'..=b'9' | b'-') => self.number(),
            Some(b':') => self.bytes().map(|_| Item::Other),
            Some(b'A'..=b'Z' | b'a'..=b'z' | b'*') => Ok(Item::Token(self.token())),
            Some(b'?') if self.take("?0") => Ok(Item::Boolean(false)),
            _ => Err(malformed("a parameter has a value that is not accepted")),
        }
    }

    /// A token (section 3.3.4); empty when there is none.
    pub fn token(&mut self) -> &'a str {
        if !matches!(self.peek(), Some(b'A'..=b'Z' | b'a'..=b'z' | b'*')) {
            return "";
        }
        self.take_while(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte))
    }

    /// Parameters (section 3.1.2), each name once.
    ///
    /// # Errors
    /// [`Code::Malformed`]; [`Code::Duplicate`] for a name that is there twice.
    pub fn parameters(&mut self) -> Result<Vec<Parameter<'a>>, Refusal> {
        let mut parameters: Vec<Parameter<'a>> = Vec::new();
        while self.take(";") {
            let name = self.key()?;
            let value = if self.take("=") { self.bare_item()? } else { Item::Boolean(true) };
            if parameters.iter().any(|(known, _)| *known == name) {
                return Err(Refusal::new(Code::Duplicate, "a parameter is there twice"));
            }
            if parameters.is_empty() {
                parameters.reserve(USUAL_PARAMETERS);
            }
            parameters.push((name, value));
        }
        Ok(parameters)
    }

    /// An inner list of strings with parameters (section 3.1.1), at most `limit` of them.
    ///
    /// # Errors
    /// [`Code::Malformed`], [`Code::Duplicate`], [`Code::TooLarge`].
    pub fn components(&mut self, limit: usize) -> Result<Vec<Component<'a>>, Refusal> {
        self.expect("(", "the list of components does not start with a parenthesis")?;
        let mut components: Vec<Component<'a>> = Vec::with_capacity(USUAL_COMPONENTS);
        while !self.take(")") {
            if !components.is_empty() {
                self.expect(" ", "two components are not divided by one space")?;
            }
            if components.len() == limit {
                return Err(Refusal::new(Code::TooLarge, "there are too many covered components"));
            }
            let component = Component { name: self.string()?, parameters: self.parameters()? };
            if components.contains(&component) {
                return Err(Refusal::new(Code::Duplicate, "a component is covered twice"));
            }
            components.push(component);
        }
        Ok(components)
    }
}
