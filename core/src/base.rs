//! Stage 2: what must be covered is, and the bytes that were signed (RFC 9421 section 2.5; spec, V2.1 to V2.6).

use alloc::string::String;
use alloc::sync::Arc;

use crate::authority::Authorities;
use crate::envelope::Envelope;
use crate::error::{Code, Refusal};
use crate::request::{Request, Single, Singles, is_called, is_printable, is_token, trim};
use crate::target::Target;

/// The value of the `tag` parameter.
pub const TAG: &str = "envelope/1";

pub(crate) const DERIVED: [&str; 4] = ["@method", "@authority", "@path", "@query"];

/// Writes a signature base, line by line: RFC 9421 section 2.5, with whatever components the caller has.
///
/// It knows no profile: that is how the RFC's own examples come out of the same code.
#[derive(Debug, Default)]
pub struct BaseWriter {
    text: String,
}

impl BaseWriter {
    /// An empty base.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(512)
    }

    /// An empty base with room for so many bytes.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes) }
    }

    /// One component: its name without parameters, and its value.
    pub fn component(&mut self, name: &str, value: &str) {
        self.text.extend(["\"", name, "\": ", value, "\n"]);
    }

    /// The last line: the value of the `Signature-Input` member, as sent.
    #[must_use]
    pub fn finish(mut self, signature_params: &str) -> String {
        self.text.extend(["\"@signature-params\": ", signature_params]);
        self.text
    }
}

/// The signature base of an envelope whose coverage is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureBase {
    text: String,
    authority: Arc<str>,
}

impl SignatureBase {
    /// Checks the coverage and builds the base from the request and the field as received.
    ///
    /// # Errors
    /// [`Code::TagRefused`], [`Code::ComponentRefused`], [`Code::TargetNotCanonical`], [`Code::WrongAuthority`],
    /// [`Code::NotCovered`]; [`Code::Malformed`] for a covered value that is not printable ASCII.
    pub fn build(
        envelope: &Envelope<'_>,
        request: &Request<'_>,
        authorities: &Authorities,
    ) -> Result<Self, Refusal> {
        if envelope.untrusted_tag() != Some(TAG) {
            return Err(Refusal::new(Code::TagRefused, "tag is not envelope/1"));
        }
        let covered = Covered::read(envelope)?;
        let singles = &envelope.singles;
        let target = request.target()?;
        let authority = authorities.find(request.addressed(singles.value(Single::Host))?)?;
        covered.check(envelope, request)?;

        let message = Message { request, singles, target, authority };
        let mut base = BaseWriter::with_capacity(room(request, envelope.signature_params));
        for component in &envelope.components {
            message.write(&component.name, &mut base)?;
        }
        Ok(Self { text: base.finish(envelope.signature_params), authority: Arc::clone(authority) })
    }

    /// The bytes that the signature is over.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// `@authority`: the entry of the verifier's list.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }
}

/// The most bytes that a base of the request has, but for what little stands around each value: it need not grow.
pub(crate) fn room(request: &Request<'_>, signature_params: &str) -> usize {
    let fields = request.fields().iter().map(|(name, value)| name.len() + value.len() + 6).sum::<usize>();
    fields + request.raw_target().len() + signature_params.len() + 256
}

/// What is covered of the parts of a request that the profile knows by name, a bit for each.
#[derive(Default)]
struct Covered {
    derived: u8,
    singles: u16,
}

impl Covered {
    /// Refuses components that the profile does not have.
    fn read(envelope: &Envelope<'_>) -> Result<Self, Refusal> {
        let mut covered = Self::default();
        for component in &envelope.components {
            if !component.parameters.is_empty() {
                return Err(Refusal::new(Code::ComponentRefused, "a covered component has a parameter"));
            }
            if !covered.add(&component.name) {
                return Err(Refusal::new(
                    Code::ComponentRefused,
                    "a covered component is not one of the profile",
                ));
            }
        }
        Ok(covered)
    }

    /// Whether the profile has it.
    fn add(&mut self, name: &str) -> bool {
        if name.starts_with('@') {
            let known = DERIVED.iter().position(|derived| *derived == name);
            self.derived |= known.map_or(0, |at| 1 << at);
            return known.is_some();
        }
        match Single::named(name) {
            Some(Single::Signature | Single::SignatureInput) => false,
            Some(single) => {
                self.singles |= single.bit();
                true
            }
            None => is_token(name) && !name.bytes().any(|byte| byte.is_ascii_uppercase()),
        }
    }

    /// Refuses when something is missing, here or in the request.
    fn check(&self, envelope: &Envelope<'_>, request: &Request<'_>) -> Result<(), Refusal> {
        let not_covered = |detail| Err(Refusal::new(Code::NotCovered, detail));
        if self.derived != (1 << DERIVED.len()) - 1 {
            return not_covered("@method, @authority, @path and @query are not all covered");
        }
        let there = envelope.singles.bits();
        if Single::COVERED.iter().any(|single| single.bit() & there & !self.singles != 0) {
            return not_covered("a header field that must be covered is not");
        }
        let is_there = |name: &str| {
            name.starts_with('@')
                || Single::named(name).is_some()
                || request.fields().iter().any(|(known, _)| is_called(known, name))
        };
        let mut names = envelope.components.iter().map(|component| component.name.as_ref());
        if self.singles & !there != 0 || !names.all(is_there) {
            return not_covered("a covered header field is not in the request");
        }
        Ok(())
    }
}

/// What the lines of a base are made from, for a signer and a verifier alike.
pub(crate) struct Message<'a> {
    pub(crate) request: &'a Request<'a>,
    pub(crate) singles: &'a Singles<'a>,
    pub(crate) target: Target<'a>,
    pub(crate) authority: &'a str,
}

impl Message<'_> {
    /// One line of the base.
    pub(crate) fn write(&self, name: &str, base: &mut BaseWriter) -> Result<(), Refusal> {
        match name {
            "@method" => base.component(name, self.request.method()),
            "@authority" => base.component(name, self.authority),
            "@path" => base.component(name, self.target.path()),
            "@query" => {
                base.text.extend(["\"@query\": ?", self.target.query().unwrap_or_default(), "\n"]);
            }
            _ => match Single::named(name) {
                Some(single) => {
                    base.component(name, printable(self.singles.value(single).unwrap_or_default())?);
                }
                None => self.write_lines(name, base)?,
            },
        }
        Ok(())
    }

    /// A field of which there may be several lines.
    fn write_lines(&self, name: &str, base: &mut BaseWriter) -> Result<(), Refusal> {
        base.text.extend(["\"", name, "\": "]);
        let lines = self.request.fields().iter().filter(|(known, _)| is_called(known, name));
        for (index, (_, value)) in lines.enumerate() {
            if index > 0 {
                base.text.push_str(", ");
            }
            base.text.push_str(printable(trim(value))?);
        }
        base.text.push('\n');
        Ok(())
    }
}

fn printable(value: &[u8]) -> Result<&str, Refusal> {
    let refusal =
        Refusal::new(Code::Malformed, "a covered header field holds a byte that is not printable ASCII");
    if is_printable(value, |byte| byte == b'\t') {
        core::str::from_utf8(value).map_err(|_| refusal)
    } else {
        Err(refusal)
    }
}
