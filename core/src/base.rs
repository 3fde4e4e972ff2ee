//! Stage 2: what must be covered is, and the bytes that were signed (RFC 9421 section 2.5; spec, V2.1 to V2.6).

use alloc::string::String;
use alloc::sync::Arc;

use crate::authority::Authorities;
use crate::envelope::Envelope;
use crate::error::{Code, Refusal};
use crate::request::{COVERED, Request, is_printable, is_token, trim};
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
        check_components(envelope)?;
        let target = request.target()?;
        let authority = authorities.find(request.addressed()?)?;
        check_coverage(envelope, request)?;

        let mut base = BaseWriter::with_capacity(room(request, envelope.signature_params));
        for component in &envelope.components {
            write_component(&mut base, &component.name, request, &target, authority)?;
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

fn check_components(envelope: &Envelope<'_>) -> Result<(), Refusal> {
    for component in &envelope.components {
        let name = component.name.as_ref();
        if !component.parameters.is_empty() {
            return Err(Refusal::new(Code::ComponentRefused, "a covered component has a parameter"));
        }
        let accepted = if name.starts_with('@') {
            DERIVED.contains(&name)
        } else {
            !matches!(name, "signature" | "signature-input")
                && is_token(name)
                && !name.bytes().any(|byte| byte.is_ascii_uppercase())
        };
        if !accepted {
            return Err(Refusal::new(
                Code::ComponentRefused,
                "a covered component is not one of the profile",
            ));
        }
    }
    Ok(())
}

fn check_coverage(envelope: &Envelope<'_>, request: &Request<'_>) -> Result<(), Refusal> {
    let not_covered = |detail| Err(Refusal::new(Code::NotCovered, detail));
    if !DERIVED.iter().all(|name| envelope.covers(name)) {
        return not_covered("@method, @authority, @path and @query are not all covered");
    }
    for name in COVERED {
        if request.values(name).next().is_some() && !envelope.covers(name) {
            return not_covered("a header field that must be covered is not");
        }
    }
    for component in &envelope.components {
        let name = component.name.as_ref();
        if !name.starts_with('@')
            && !request.fields().iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
        {
            return not_covered("a covered header field is not in the request");
        }
    }
    Ok(())
}

/// One line of the base, for a signer and a verifier alike.
pub(crate) fn write_component(
    base: &mut BaseWriter,
    name: &str,
    request: &Request<'_>,
    target: &Target<'_>,
    authority: &str,
) -> Result<(), Refusal> {
    match name {
        "@method" => base.component(name, request.method()),
        "@authority" => base.component(name, authority),
        "@path" => base.component(name, target.path()),
        "@query" => {
            base.text.extend(["\"@query\": ?", target.query().unwrap_or_default(), "\n"]);
        }
        _ => {
            base.text.extend(["\"", name, "\": "]);
            let lines = request.fields().iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
            for (index, (_, value)) in lines.enumerate() {
                if index > 0 {
                    base.text.push_str(", ");
                }
                base.text.push_str(printable(trim(value))?);
            }
            base.text.push('\n');
        }
    }
    Ok(())
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
