//! Stage 1: the envelope as read from the header fields, untrusted (spec, V1.1 to V1.7).

use alloc::borrow::Cow;
use alloc::vec::Vec;

use crate::digest::ContentDigest;
use crate::error::{Code, Refusal};
use crate::field::{Component, Item, Reader};
use crate::key::Signature;
use crate::request::{Request, Single, Singles};
use crate::time::Timestamp;

const MAX_COMPONENTS: usize = 64;

const fn malformed(detail: &'static str) -> Refusal {
    Refusal::new(Code::Malformed, detail)
}

/// What the header fields claim. Nothing in it has been checked against a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    pub(crate) components: Vec<Component<'a>>,
    pub(crate) parameters: Parameters<'a>,
    /// The value of the `Signature-Input` member, as received.
    pub(crate) signature_params: &'a str,
    pub(crate) signature: Signature,
    pub(crate) signature_key: Option<SignatureKey<'a>>,
    pub(crate) content_digest: ContentDigest,
    /// The fields of the request that are there once, those of the envelope among them.
    pub(crate) singles: Singles<'a>,
}

/// The parameters of `Signature-Input`, as claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parameters<'a> {
    pub(crate) created: Timestamp,
    pub(crate) expires: Timestamp,
    pub(crate) nonce: Cow<'a, str>,
    pub(crate) keyid: Cow<'a, str>,
    pub(crate) alg: Option<Cow<'a, str>>,
    pub(crate) tag: Option<Cow<'a, str>>,
}

/// The value of `Signature-Key`, as claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SignatureKey<'a> {
    /// `jkt-jwt`, and its certificate.
    Certificate(Cow<'a, str>),
    /// `jwt`, and its certificate: one that a verifier issued.
    Login(Cow<'a, str>),
    /// A scheme that this profile does not take.
    OtherScheme,
}

/// Whether a request is to be verified as an envelope: it carries any of the three fields (spec, section 6).
#[must_use]
pub fn is_enveloped(request: &Request<'_>) -> bool {
    [Single::Signature, Single::SignatureInput, Single::SignatureKey]
        .iter()
        .any(|single| request.values(single.name()).next().is_some())
}

impl<'a> Envelope<'a> {
    /// Reads the envelope of a request.
    ///
    /// # Errors
    /// [`Code::Malformed`], [`Code::Duplicate`], [`Code::TooLarge`].
    pub fn parse(request: &Request<'a>) -> Result<Self, Refusal> {
        let singles = request.singles()?;
        let input = singles.value(Single::SignatureInput).ok_or(malformed("Signature-Input is missing"))?;
        let signature = singles.value(Single::Signature).ok_or(malformed("Signature is missing"))?;

        let (label, components, signature_params, parameters) = read_input(input)?;
        let signature = read_signature(signature, label)?;
        let signature_key = match singles.value(Single::SignatureKey) {
            Some(value) => Some(read_key(value, label)?),
            None => None,
        };
        let content_digest = match singles.value(Single::ContentDigest) {
            Some(value) => ContentDigest::parse(value)?,
            None => ContentDigest::default(),
        };
        Ok(Self {
            components,
            parameters,
            signature_params,
            signature,
            signature_key,
            content_digest,
            singles,
        })
    }

    /// `created`, as claimed.
    #[must_use]
    pub const fn untrusted_created(&self) -> Timestamp {
        self.parameters.created
    }

    /// `expires`, as claimed.
    #[must_use]
    pub const fn untrusted_expires(&self) -> Timestamp {
        self.parameters.expires
    }

    /// `nonce`, as claimed.
    #[must_use]
    pub fn untrusted_nonce(&self) -> &str {
        &self.parameters.nonce
    }

    /// `keyid`, as claimed.
    #[must_use]
    pub fn untrusted_keyid(&self) -> &str {
        &self.parameters.keyid
    }

    /// `tag`, as claimed.
    #[must_use]
    pub fn untrusted_tag(&self) -> Option<&str> {
        self.parameters.tag.as_deref()
    }

    /// The compact JWS in `Signature-Key`, as claimed.
    #[must_use]
    pub fn untrusted_certificate(&self) -> Option<&str> {
        match &self.signature_key {
            Some(SignatureKey::Certificate(jws) | SignatureKey::Login(jws)) => Some(jws),
            _ => None,
        }
    }

    /// The names of the covered components, as claimed, in order.
    pub fn untrusted_components(&self) -> impl Iterator<Item = &str> {
        self.components.iter().map(|component| component.name.as_ref())
    }
}

type Input<'a> = (&'a str, Vec<Component<'a>>, &'a str, Parameters<'a>);

fn read_input(value: &[u8]) -> Result<Input<'_>, Refusal> {
    let mut reader = Reader::new(value)?;
    let label = read_label(&mut reader)?;
    let start = reader.position();
    let components = reader.components(MAX_COMPONENTS)?;
    let parameters = reader.parameters()?;
    let signature_params = reader.since(start);
    end_of_member(&mut reader, label)?;
    Ok((label, components, signature_params, Parameters::read(parameters)?))
}

fn read_label<'a>(reader: &mut Reader<'a>) -> Result<&'a str, Refusal> {
    let label = reader.key()?;
    reader.expect("=", "a label has no value")?;
    Ok(label)
}

/// One member, and no other: the same label again is a duplicate, another one is a second signature.
fn end_of_member(reader: &mut Reader<'_>, label: &str) -> Result<(), Refusal> {
    if reader.at_end() {
        return Ok(());
    }
    reader.expect(", ", "something follows the member of a structured field")?;
    if reader.key()? == label {
        return Err(Refusal::new(Code::Duplicate, "a label is there twice"));
    }
    Err(malformed("there is more than one label"))
}

fn same_label(found: &str, label: &str) -> Result<(), Refusal> {
    if found == label { Ok(()) } else { Err(malformed("the fields of the envelope have different labels")) }
}

fn read_signature(value: &[u8], label: &str) -> Result<Signature, Refusal> {
    let mut reader = Reader::new(value)?;
    same_label(read_label(&mut reader)?, label)?;
    let bytes = reader.array("the signature is not 64 bytes long")?;
    end_of_member(&mut reader, label)?;
    Ok(Signature::from_bytes(bytes))
}

fn read_key<'a>(value: &'a [u8], label: &str) -> Result<SignatureKey<'a>, Refusal> {
    let mut reader = Reader::new(value)?;
    same_label(read_label(&mut reader)?, label)?;
    let scheme = reader.token();
    if scheme.is_empty() {
        return Err(malformed("Signature-Key names no scheme"));
    }
    let parameters = reader.parameters()?;
    end_of_member(&mut reader, label)?;
    let certificate = match scheme {
        "jkt-jwt" => SignatureKey::Certificate,
        "jwt" => SignatureKey::Login,
        _ => return Ok(SignatureKey::OtherScheme),
    };
    match <[_; 1]>::try_from(parameters) {
        Ok([("jwt", Item::String(jws))]) => Ok(certificate(jws)),
        _ => Err(malformed("the scheme of Signature-Key takes one parameter, jwt, a string")),
    }
}

impl<'a> Parameters<'a> {
    fn read(list: Vec<(&'a str, Item<'a>)>) -> Result<Self, Refusal> {
        let (mut created, mut expires, mut nonce, mut keyid, mut alg, mut tag) =
            (None, None, None, None, None, None);
        for (name, item) in list {
            match (name, item) {
                ("created", Item::Integer(seconds)) => created = Some(Timestamp::from_unix(seconds)),
                ("expires", Item::Integer(seconds)) => expires = Some(Timestamp::from_unix(seconds)),
                ("nonce", Item::String(text)) => nonce = Some(text),
                ("keyid", Item::String(text)) => keyid = Some(text),
                ("alg", Item::String(text)) => alg = Some(text),
                ("tag", Item::String(text)) => tag = Some(text),
                // A tag of another type is not ours: stage 2 says so.
                ("tag", _) => {}
                ("created" | "expires" | "nonce" | "keyid" | "alg", _) => {
                    return Err(malformed("a parameter of the signature has another type"));
                }
                _ => return Err(malformed("the signature has a parameter that the profile does not know")),
            }
        }
        let parameters = Self {
            created: created.ok_or(malformed("created is missing"))?,
            expires: expires.ok_or(malformed("expires is missing"))?,
            nonce: nonce.ok_or(malformed("nonce is missing"))?,
            keyid: keyid.ok_or(malformed("keyid is missing"))?,
            alg,
            tag,
        };
        parameters.check()
    }

    fn check(self) -> Result<Self, Refusal> {
        if self.expires < self.created {
            return Err(malformed("expires lies before created"));
        }
        if !(22..=256).contains(&self.nonce.len()) {
            return Err(malformed("nonce is not 22 to 256 bytes long"));
        }
        if self.keyid.len() > 256 {
            return Err(malformed("keyid is longer than 256 bytes"));
        }
        Ok(self)
    }
}
