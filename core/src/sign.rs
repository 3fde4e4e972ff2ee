//! Signing: spec, S1 to S7.

use alloc::string::String;
use alloc::vec::Vec;

use base64ct::{Base64, Base64UrlUnpadded, Encoding};

use crate::authority::Url;
use crate::base::{BaseWriter, DERIVED, Message, TAG, room};
use crate::certificate::UntrustedCertificate;
use crate::digest;
use crate::envelope::Envelope;
use crate::error::{Code, Refusal};
use crate::key::{SigningKey, VerifyingKey};
use crate::login::UntrustedLogin;
use crate::request::{Field, Request, Single, Singles};
use crate::time::{Timestamp, Window};

/// Signs requests with a call key.
#[derive(Clone, Debug)]
pub struct Signer<'a> {
    key: &'a SigningKey,
    certificate: Option<Held<'a>>,
    lifetime: u64,
}

/// A certificate that speaks of the call key.
#[derive(Clone, Copy, Debug)]
struct Held<'a> {
    scheme: &'static str,
    jws: &'a str,
    expires: Timestamp,
}

impl<'a> Signer<'a> {
    /// Signs with a call key and the certificate that speaks of it (a compact JWS).
    ///
    /// # Errors
    /// Those of [`UntrustedCertificate::parse`]; [`Code::CertificateInvalid`] when it is for another key.
    pub fn certified(key: &'a SigningKey, certificate: &'a str) -> Result<Self, Refusal> {
        let read = UntrustedCertificate::parse(certificate)?;
        let held = Held { scheme: "jkt-jwt", jws: certificate, expires: read.expires() };
        Self::holding(key, held, read.call_key())
    }

    /// Signs with a call key and the certificate that a verifier has issued for it at a login.
    ///
    /// # Errors
    /// Those of [`UntrustedLogin::parse`]; [`Code::CertificateInvalid`] when it is for another key.
    pub fn logged_in(key: &'a SigningKey, certificate: &'a str) -> Result<Self, Refusal> {
        let read = UntrustedLogin::parse(certificate)?;
        let held = Held { scheme: "jwt", jws: certificate, expires: read.expires() };
        Self::holding(key, held, read.call_key())
    }

    fn holding(key: &'a SigningKey, held: Held<'a>, call_key: &VerifyingKey) -> Result<Self, Refusal> {
        if call_key.thumbprint() != key.verifying_key().thumbprint() {
            return Err(Refusal::new(Code::CertificateInvalid, "the certificate is for another call key"));
        }
        Ok(Self { key, certificate: Some(held), lifetime: Window::default().seconds() })
    }

    /// Signs with a call key that is registered at the verifier.
    #[must_use]
    pub fn registered(key: &'a SigningKey) -> Self {
        Self { key, certificate: None, lifetime: Window::default().seconds() }
    }

    /// Signs for `seconds` instead of 60: 1 to 300.
    ///
    /// # Errors
    /// [`Code::WindowTooLong`].
    pub fn with_lifetime(mut self, seconds: u64) -> Result<Self, Refusal> {
        let window = Window::new(seconds);
        let window =
            window.ok_or(Refusal::new(Code::WindowTooLong, "a signature is good for 1 to 300 seconds"))?;
        self.lifetime = window.seconds();
        Ok(self)
    }

    /// Signs a request whose target is its full URL, with the header fields that will be sent, and its body where it
    /// has one. All fields are covered. `nonce` is 16 bytes from the system's generator, used once.
    ///
    /// # Errors
    /// What a verifier would refuse of the request itself: [`Code::TargetNotCanonical`], [`Code::Malformed`],
    /// [`Code::Duplicate`], [`Code::TooLarge`]; [`Code::CertificateExpired`] when the certificate is not good at `created`.
    pub fn sign(
        &self,
        request: &Request<'_>,
        body: Option<&[u8]>,
        created: Timestamp,
        nonce: &[u8; 16],
    ) -> Result<Signed, Refusal> {
        let url = Url::parse(request.raw_target())?;
        check_fields(request)?;
        let expires = self.expires(created)?;

        let content_digest = body.map(digest::write);
        let signature_key =
            self.certificate.map(|held| alloc::format!("sig={};jwt=\"{}\"", held.scheme, held.jws));
        let mut fields: Vec<Field<'_>> = request.fields().to_vec();
        fields.extend(content_digest.as_deref().map(|value| ("content-digest", value.as_bytes())));
        fields.extend(signature_key.as_deref().map(|value| ("signature-key", value.as_bytes())));
        let request = Request::new(request.method(), request.raw_target(), &fields);
        let singles = request.singles()?;

        let components = components(&request, &singles);
        let mut signature_params = String::with_capacity(320);
        for (index, name) in components.iter().enumerate() {
            signature_params.push_str(if index == 0 { "(\"" } else { "\" \"" });
            signature_params.push_str(name);
        }
        let keyid = self.key.verifying_key().thumbprint();
        let nonce = Base64UrlUnpadded::encode_string(nonce);
        signature_params.push_str(&alloc::format!(
            "\");created={};expires={};nonce=\"{nonce}\";keyid=\"{keyid}\";tag=\"{TAG}\"",
            created.as_unix(),
            expires.as_unix(),
        ));

        let (target, authority) = (url.target(), url.authority());
        let message = Message { request: &request, singles: &singles, target, authority };
        let mut base = BaseWriter::with_capacity(room(&request, &signature_params));
        for name in &components {
            message.write(name, &mut base)?;
        }
        let base = base.finish(&signature_params);
        let signature = Base64::encode_string(self.key.sign(base.as_bytes()).as_bytes());
        let signature_input = alloc::format!("sig={signature_params}");
        let signature = alloc::format!("sig=:{signature}:");

        // What was written must be what will be read: there may be too many components, or too long ones.
        let mut fields = fields.clone();
        fields.push(("signature-input", signature_input.as_bytes()));
        fields.push(("signature", signature.as_bytes()));
        Envelope::parse(&Request::new(request.method(), request.raw_target(), &fields))?;
        Ok(Signed { content_digest, signature_key, signature_input, signature, base })
    }

    /// No signature outlives the certificate that it hangs on.
    fn expires(&self, created: Timestamp) -> Result<Timestamp, Refusal> {
        let expires = created.plus(self.lifetime);
        match self.certificate {
            Some(held) if created >= held.expires => {
                Err(Refusal::new(Code::CertificateExpired, "the certificate has run out"))
            }
            Some(held) => Ok(expires.min(held.expires)),
            None => Ok(expires),
        }
    }
}

/// S2: the signer writes `Host` and the envelope itself.
fn check_fields(request: &Request<'_>) -> Result<(), Refusal> {
    for name in ["signature", "signature-input", "signature-key", "content-digest"] {
        if request.values(name).next().is_some() {
            return Err(Refusal::new(Code::Duplicate, "the request has a field of the envelope already"));
        }
    }
    if request.values("host").next().is_some() {
        return Err(Refusal::new(Code::Malformed, "the URL says what Host is; it is not given as a field"));
    }
    Ok(())
}

/// S5: the names of what is covered, in order.
fn components(request: &Request<'_>, singles: &Singles<'_>) -> Vec<String> {
    let listed = Single::COVERED.iter().filter(|single| singles.value(**single).is_some());
    let listed = listed.map(|single| single.name());
    let mut names: Vec<String> = DERIVED.into_iter().chain(listed).map(String::from).collect();
    for (name, _) in request.fields() {
        let name = name.to_ascii_lowercase();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The fields to add to a request, and the base that was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    content_digest: Option<String>,
    signature_key: Option<String>,
    signature_input: String,
    signature: String,
    base: String,
}

impl Signed {
    /// The fields to add: name and value.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let digest = self.content_digest.as_deref().map(|value| ("Content-Digest", value));
        let key = self.signature_key.as_deref().map(|value| ("Signature-Key", value));
        let signature =
            [("Signature-Input", self.signature_input.as_str()), ("Signature", self.signature.as_str())];
        digest.into_iter().chain(key).chain(signature)
    }

    /// The signature base.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }
}
