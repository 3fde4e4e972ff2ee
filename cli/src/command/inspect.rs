//! `envelope inspect`: shows what is inside, and trusts none of it.

use base64ct::{Base64UrlUnpadded, Encoding};
use envelope_core::{Code, Envelope, Refusal, SignatureBase, UntrustedCertificate};

use crate::args::Inspect;
use crate::error::Error;
use crate::message::{Limit, Message, read_input};
use crate::report::{self, Fact, Facts, printable};

pub(crate) fn run(args: &Inspect) -> Result<(), Error> {
    let outcome = look_at(args);
    report::refusal(&outcome, args.json.json);
    outcome
}

fn look_at(args: &Inspect) -> Result<(), Error> {
    let input = read_input(&args.file, Limit::MESSAGE)?;
    let shown = match bare_certificate(&input) {
        Some(jws) if jws.split('.').take(2).all(|part| decode(part).is_some()) => {
            Shown { facts: show_certificate(Facts::default(), jws), base: None }
        }
        Some(_) => return Err(Error::Refused(NOT_A_CERTIFICATE)),
        None => show_message(&Message::parse(&input).map_err(Error::Refused)?),
    };
    shown.print(args.json.json)
}

const NOT_A_CERTIFICATE: Refusal =
    Refusal::new(Code::CertificateInvalid, "a part of the certificate is not base64url");

struct Shown {
    facts: Facts,
    /// The signature base, or why there is none; absent where none can be expected.
    base: Option<Result<String, Refusal>>,
}

impl Shown {
    fn print(&self, json: bool) -> Result<(), Error> {
        if json {
            let base = match &self.base {
                Some(Ok(base)) => Facts::default().with("signature_base", base.as_str()),
                Some(Err(refusal)) => {
                    Facts::default().with("signature_base_error", refusal.to_string().as_str())
                }
                None => Facts::default(),
            };
            return base.with("untrusted", Fact::Json(self.facts.to_json())).print(true);
        }
        let mut text = self.facts.to_text("untrusted  ");
        match &self.base {
            Some(Ok(base)) => {
                text.push_str("\nsignature base, untrusted:\n");
                text.extend(base.lines().map(|line| format!("  {}\n", printable(line))));
            }
            Some(Err(refusal)) => text.push_str(&format!("\nno signature base: {refusal}\n")),
            None => {}
        }
        report::data(text.as_bytes())
    }
}

/// The input as a compact JWS, if it looks like one: three parts without anything between.
fn bare_certificate(input: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(input).ok()?.trim_ascii();
    let is_part =
        |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_=".contains(&byte));
    (text.split('.').count() == 3 && text.split('.').all(is_part)).then_some(text)
}

fn show_message(message: &Message) -> Shown {
    let fields = message.fields();
    let request = message.request(&fields);
    let envelope = Envelope::parse(&request);
    let base = envelope.as_ref().map_err(|refusal| *refusal).and_then(|envelope| {
        let base = SignatureBase::build(envelope, &request, &message.authorities(&[])?)?;
        Ok(base.as_str().to_owned())
    });
    let mut facts = Facts::default()
        .with("method", message.method.as_str())
        .and("authority", message.authority().map(Fact::from))
        .with("target", message.target.as_str())
        .with("body_bytes", Fact::Number(u64::try_from(message.body.len()).unwrap_or(u64::MAX)));
    if let Ok(envelope) = &envelope {
        facts = facts
            .with("keyid", envelope.untrusted_keyid())
            .with("created", Fact::Time(envelope.untrusted_created()))
            .with("expires", Fact::Time(envelope.untrusted_expires()))
            .with("nonce", envelope.untrusted_nonce())
            .and("tag", envelope.untrusted_tag().map(Fact::from))
            .with("covered", Fact::List(envelope.untrusted_components().map(Into::into).collect()));
        if let Some(jws) = envelope.untrusted_certificate() {
            facts = show_certificate(facts, jws);
        }
    }
    let header = fields.iter().map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value)));
    Shown { facts: facts.with("header", Fact::Lines(header.collect())), base: Some(base) }
}

/// The certificate as it reads; where it would be refused, why, and the parts that can be decoded.
fn show_certificate(facts: Facts, jws: &str) -> Facts {
    let list = |list: Option<&[String]>| list.map(|list| Fact::List(list.to_vec()));
    match UntrustedCertificate::parse(jws) {
        Ok(read) => facts
            .with("identity_key", read.identity_key().thumbprint().to_string().as_str())
            .with("call_key", read.call_key().thumbprint().to_string().as_str())
            .with("certificate_issued", Fact::Time(read.issued()))
            .with("certificate_expires", Fact::Time(read.expires()))
            .and("certificate_id", read.id().map(Fact::from))
            .and("aud", list(read.grant().audiences()))
            .and("scope", list(read.grant().scopes())),
        Err(refusal) => {
            let mut parts = jws.split('.').map(decode);
            facts
                .with("certificate_error", refusal.to_string().as_str())
                .and("certificate_header", parts.next().flatten().map(Fact::Text))
                .and("certificate_claims", parts.next().flatten().map(Fact::Text))
        }
    }
}

fn decode(part: &str) -> Option<String> {
    String::from_utf8(Base64UrlUnpadded::decode_vec(part).ok()?).ok()
}
