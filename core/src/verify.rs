//! The verifier: stages 1 to 6, in order, each giving what the next one needs (spec, section 6).

use alloc::string::String;
use alloc::sync::Arc;

use crate::authority::Authorities;
use crate::base::SignatureBase;
use crate::caller::Backing;
use crate::certificate::{Certificate, Claims, Grant, UntrustedCertificate, invalid};
use crate::digest::{BodyHasher, ContentDigest};
use crate::envelope::{Envelope, SignatureKey};
use crate::error::{Code, Refusal};
use crate::key::{Signature, Thumbprint, VerifyingKey};
use crate::login::{Issuer, UntrustedLogin};
use crate::replay::{Memory, SignatureUse};
use crate::request::Request;
use crate::time::{Timestamp, Window};
use crate::trust::{Identity, Standing, Trust};

/// Decides whether a request is what it says it is.
#[derive(Clone, Debug)]
pub struct Verifier<C = Uncached> {
    authorities: Authorities,
    window: Window,
    certificates: C,
}

impl Verifier {
    /// A verifier that answers for these authorities, with a window of 60 s.
    #[must_use]
    pub fn new(authorities: Authorities) -> Self {
        Self { authorities, window: Window::default(), certificates: Uncached }
    }
}

impl<C: CertificateCache> Verifier<C> {
    /// The same with another window.
    #[must_use]
    pub const fn with_window(mut self, window: Window) -> Self {
        self.window = window;
        self
    }

    /// The same with a cache for certificates: a call key signs many requests.
    #[must_use]
    pub fn with_certificates<D: CertificateCache>(self, certificates: D) -> Verifier<D> {
        Verifier { authorities: self.authorities, window: self.window, certificates }
    }

    /// The cache of certificates.
    #[must_use]
    pub const fn certificates(&self) -> &C {
        &self.certificates
    }

    /// The authorities that it answers for.
    #[must_use]
    pub const fn authorities(&self) -> &Authorities {
        &self.authorities
    }

    /// The longest window that it takes.
    #[must_use]
    pub const fn window(&self) -> Window {
        self.window
    }

    /// Verifies the header of a request: stages 1 to 5. The body is read after that, never before.
    ///
    /// # Errors
    /// The code of the first step that fails.
    pub fn verify(
        &self,
        request: &Request<'_>,
        trust: &impl Trust,
        now: Timestamp,
    ) -> Result<Verified, Refusal> {
        self.verify_recalling(request, trust, |_| Memory::default(), now)
    }

    /// The same, asking a replay cache first whether the signature has verified before ([`ReplayCache::recall`]): then it is not
    /// verified again. Such a request never passes stage 7.
    ///
    /// [`ReplayCache::recall`]: crate::ReplayCache::recall
    ///
    /// # Errors
    /// The code of the first step that fails.
    pub fn verify_recalling(
        &self,
        request: &Request<'_>,
        trust: &impl Trust,
        recall: impl FnOnce(&SignatureUse<'_>) -> Memory,
        now: Timestamp,
    ) -> Result<Verified, Refusal> {
        let envelope = Envelope::parse(request)?;
        let base = SignatureBase::build(&envelope, request, &self.authorities)?;
        check_window(&envelope, self.window, now)?;
        let call_key = CallKey::establish(&envelope, trust, &self.certificates, now)?;
        let memory = recall(&SignatureUse {
            keyid: call_key.key().thumbprint(),
            nonce: envelope.untrusted_nonce(),
            base: base.as_str().as_bytes(),
            signature: &envelope.signature,
        });
        if !memory.has_verified {
            call_key.key().verify(base.as_str().as_bytes(), &envelope.signature)?;
        }
        Ok(Verified {
            digest: envelope.content_digest,
            call: Arc::new(Call::new(call_key, &envelope, base, memory)),
        })
    }
}

/// Certificates whose signature has verified, by their text. Everything else about a certificate is checked at each use.
pub trait CertificateCache {
    /// The certificate that has exactly this text, if it is kept.
    fn recall(&self, jws: &str) -> Option<Arc<Certificate>>;

    /// Keeps a certificate, or does not; gives what is to be used now.
    fn keep(&self, certificate: Certificate) -> Arc<Certificate>;

    /// The key with this thumbprint, if it is kept: an identity key, or a call key that is registered.
    fn recall_key(&self, keyid: &Thumbprint) -> Option<Arc<VerifyingKey>> {
        let _ = keyid;
        None
    }

    /// Keeps a key, or does not.
    fn keep_key(&self, key: Arc<VerifyingKey>) {
        let _ = key;
    }
}

impl<C: CertificateCache> CertificateCache for &C {
    fn recall(&self, jws: &str) -> Option<Arc<Certificate>> {
        (**self).recall(jws)
    }

    fn keep(&self, certificate: Certificate) -> Arc<Certificate> {
        (**self).keep(certificate)
    }

    fn recall_key(&self, keyid: &Thumbprint) -> Option<Arc<VerifyingKey>> {
        (**self).recall_key(keyid)
    }

    fn keep_key(&self, key: Arc<VerifyingKey>) {
        (**self).keep_key(key);
    }
}

/// A key that comes again is [prepared](VerifyingKey::prepare); one that is new is kept for that.
fn prepared(keys: &impl CertificateCache, key: &Arc<VerifyingKey>) -> Arc<VerifyingKey> {
    match keys.recall_key(&key.thumbprint()) {
        Some(known) => {
            known.prepare();
            known
        }
        None => {
            keys.keep_key(Arc::clone(key));
            Arc::clone(key)
        }
    }
}

/// Keeps no certificates.
#[derive(Clone, Copy, Debug, Default)]
pub struct Uncached;

impl CertificateCache for Uncached {
    fn recall(&self, _: &str) -> Option<Arc<Certificate>> {
        None
    }

    fn keep(&self, certificate: Certificate) -> Arc<Certificate> {
        Arc::new(certificate)
    }
}

/// Stage 3: spec, V3.1 to V3.3.
fn check_window(envelope: &Envelope<'_>, window: Window, now: Timestamp) -> Result<(), Refusal> {
    let (created, expires) = (envelope.untrusted_created(), envelope.untrusted_expires());
    if expires.since(created) > window.seconds() {
        return Err(Refusal::new(Code::WindowTooLong, "expires lies too long after created"));
    }
    if created > now.plus(Window::SKEW) {
        return Err(Refusal::new(Code::NotYetValid, "created lies in the future"));
    }
    check_expires(expires, now)
}

fn check_expires(expires: Timestamp, now: Timestamp) -> Result<(), Refusal> {
    if now > expires { Err(Refusal::new(Code::Expired, "expires has passed")) } else { Ok(()) }
}

/// Stage 4: the key that must have made the signature, and whom it speaks for (spec, V4.1 to V4.21).
struct CallKey {
    key: Key,
    speaker: Speaker,
}

/// Whom a key speaks for, and on whose word.
#[derive(Clone, Debug)]
pub(crate) struct Speaker {
    pub(crate) identity: Identity,
    pub(crate) backing: Backing,
}

enum Key {
    Certified(Arc<Certificate>),
    Registered(Arc<VerifyingKey>),
}

const fn refused(detail: &'static str) -> Refusal {
    Refusal::new(Code::KeyRefused, detail)
}

const UNKNOWN: Refusal = Refusal::new(Code::UnknownKey, "the key belongs to no identity that is known here");
const REVOKED: Refusal = Refusal::new(Code::Revoked, "the key has been revoked");

impl CallKey {
    fn establish(
        envelope: &Envelope<'_>,
        trust: &impl Trust,
        certificates: &impl CertificateCache,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        trust.check_current(now)?;
        let keyid = envelope.untrusted_keyid();
        let call_key = match &envelope.signature_key {
            None => Self::registered(keyid, trust, certificates, now)?,
            Some(SignatureKey::Certificate(jws)) => match certificates.recall(jws) {
                Some(certificate) => {
                    let speaker = certified(certificate.claims(), keyid, trust, now)?;
                    certificate.prepare();
                    Self { key: Key::Certified(certificate), speaker }
                }
                None => {
                    let known = |key: &Thumbprint| certificates.recall_key(key);
                    let certificate = UntrustedCertificate::parse_knowing(jws, known)?;
                    let speaker = certified(certificate.claims(), keyid, trust, now)?;
                    prepared(certificates, certificate.shared_identity_key());
                    Self { key: Key::Certified(certificates.keep(certificate.verify()?)), speaker }
                }
            },
            Some(SignatureKey::Login(jws)) => match certificates.recall(jws) {
                Some(certificate) => {
                    let (speaker, _) = logged_in(certificate.claims(), keyid, trust, now)?;
                    certificate.prepare();
                    Self { key: Key::Certified(certificate), speaker }
                }
                None => {
                    let login = UntrustedLogin::parse(jws)?;
                    let (speaker, issuer) = logged_in(login.claims(), keyid, trust, now)?;
                    Self { key: Key::Certified(certificates.keep(login.verify(&issuer.key)?)), speaker }
                }
            },
            Some(SignatureKey::OtherScheme) => {
                return Err(Refusal::new(
                    Code::CertificateInvalid,
                    "the scheme of Signature-Key is neither jkt-jwt nor jwt",
                ));
            }
        };
        match &envelope.parameters.alg {
            Some(alg) if alg != call_key.key().algorithm().http_name() => {
                Err(Refusal::new(Code::AlgorithmMismatch, "alg of the signature is not that of the key"))
            }
            _ => Ok(call_key),
        }
    }

    fn registered(
        keyid: &str,
        trust: &impl Trust,
        keys: &impl CertificateCache,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        match Thumbprint::parse(keyid).map_or(Standing::Unknown, |keyid| trust.standing(&keyid)) {
            Standing::Revoked => Err(REVOKED),
            Standing::Unknown => Err(UNKNOWN),
            Standing::Identity { .. } => Err(refused("an identity key signs no requests")),
            Standing::CallKey { expires, .. } if now >= expires => {
                Err(Refusal::new(Code::CertificateExpired, "the registration of the key has run out"))
            }
            Standing::CallKey { identity, key, .. } => Ok(Self {
                key: Key::Registered(prepared(keys, &key)),
                speaker: Speaker::registered(identity),
            }),
        }
    }

    fn key(&self) -> &VerifyingKey {
        match &self.key {
            Key::Certified(certificate) => certificate.call_key(),
            Key::Registered(key) => key,
        }
    }
}

impl Speaker {
    fn registered(identity: Identity) -> Self {
        let backing = Backing::of_registered(&identity);
        Self { identity, backing }
    }
}

/// What holds for every certificate, whoever has issued it; gives the thumbprint of the call key.
fn check_claims(certificate: &Claims, keyid: &str, now: Timestamp) -> Result<Thumbprint, Refusal> {
    certificate.check_time(now)?;
    let call_key = certificate.call_key.thumbprint();
    if call_key.is_written(keyid) {
        Ok(call_key)
    } else {
        Err(invalid("keyid is not the key that the certificate speaks of"))
    }
}

/// Whom a login certificate speaks for, and who has issued it.
fn logged_in(
    certificate: &Claims,
    keyid: &str,
    trust: &impl Trust,
    now: Timestamp,
) -> Result<(Speaker, Issuer), Refusal> {
    let call_key = check_claims(certificate, keyid, now)?;
    // One that was kept may be of the other kind: the scheme decides, not the text.
    let login = certificate.login.as_ref().ok_or(invalid("a verifier has not issued the certificate"))?;
    let issuer = trust.issuer(&certificate.issuer).ok_or(UNKNOWN)?;
    if *issuer.url != *login.issuer() {
        return Err(invalid("iss is not the verifier whose key has signed the certificate"));
    }
    match (trust.standing(&certificate.issuer), trust.standing(&call_key)) {
        (Standing::Revoked, _) | (_, Standing::Revoked) => return Err(REVOKED),
        (_, Standing::Identity { .. }) => {
            return Err(refused("the call key is an identity key: those sign no requests"));
        }
        _ => {}
    }
    if certificate.id.as_deref().is_some_and(|id| trust.has_revoked(&certificate.issuer, id)) {
        return Err(Refusal::new(Code::Revoked, "the certificate has been revoked"));
    }
    let identity = login.identity().clone();
    let backing = Backing::of_user(&identity, Arc::clone(login.groups()), |name| trust.is_registered(name));
    Ok((Speaker { identity, backing }, issuer))
}

/// Whom a certificate speaks for, as far as the verifier knows it and its two keys now.
fn certified(
    certificate: &Claims,
    keyid: &str,
    trust: &impl Trust,
    now: Timestamp,
) -> Result<Speaker, Refusal> {
    let call_key = check_claims(certificate, keyid, now)?;
    if certificate.login.is_some() {
        return Err(invalid("a verifier has issued the certificate: its scheme is jwt"));
    }
    match (trust.standing(&certificate.issuer), trust.standing(&call_key)) {
        (Standing::Revoked, _) | (_, Standing::Revoked) => Err(REVOKED),
        (Standing::Unknown | Standing::CallKey { .. }, _) => Err(UNKNOWN),
        (Standing::Identity { .. }, Standing::Identity { .. }) => {
            Err(refused("the call key is an identity key: those sign no requests"))
        }
        (Standing::Identity { identity, expires, issued_from }, _) => {
            let id = certificate.id.as_deref();
            if certificate.issued < issued_from
                || id.is_some_and(|id| trust.has_revoked(&certificate.issuer, id))
            {
                return Err(Refusal::new(Code::Revoked, "the certificate has been revoked"));
            }
            if expires.is_some_and(|expires| now >= expires) {
                return Err(Refusal::new(Code::CertificateExpired, "the time of the identity key is over"));
            }
            Ok(Speaker::registered(identity))
        }
    }
}

/// What a verified envelope says: who calls, with which key, until when, and the evidence for it.
#[derive(Clone, Debug)]
pub struct Call {
    speaker: Speaker,
    keyid: Thumbprint,
    certificate: Option<Arc<Certificate>>,
    base: SignatureBase,
    signature: Signature,
    nonce: String,
    created: Timestamp,
    expires: Timestamp,
    memory: Memory,
}

impl Call {
    fn new(call_key: CallKey, envelope: &Envelope<'_>, base: SignatureBase, memory: Memory) -> Self {
        let keyid = call_key.key().thumbprint();
        let certificate = match call_key.key {
            Key::Certified(certificate) => Some(certificate),
            Key::Registered(_) => None,
        };
        Self {
            speaker: call_key.speaker,
            keyid,
            certificate,
            base,
            signature: envelope.signature,
            nonce: envelope.untrusted_nonce().into(),
            created: envelope.untrusted_created(),
            expires: envelope.untrusted_expires(),
            memory,
        }
    }

    /// What the replay cache knew of the signature.
    pub(crate) const fn memory(&self) -> Memory {
        self.memory
    }

    /// Who calls.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.speaker.identity
    }

    /// On whose word it is them.
    #[must_use]
    pub const fn backing(&self) -> &Backing {
        &self.speaker.backing
    }

    /// The thumbprint of the call key that made the signature.
    #[must_use]
    pub const fn keyid(&self) -> Thumbprint {
        self.keyid
    }

    /// The certificate of the call key; `None` when the key is registered.
    #[must_use]
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_deref()
    }

    /// What the certificate allows; `None` when the key is registered.
    #[must_use]
    pub fn grant(&self) -> Option<&Grant> {
        self.certificate.as_deref().map(Certificate::grant)
    }

    /// The bytes that were signed.
    #[must_use]
    pub const fn base(&self) -> &SignatureBase {
        &self.base
    }

    /// The signature over the base.
    #[must_use]
    pub const fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The nonce.
    #[must_use]
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// When it was signed.
    #[must_use]
    pub const fn created(&self) -> Timestamp {
        self.created
    }

    /// The last second in which it is good.
    #[must_use]
    pub const fn expires(&self) -> Timestamp {
        self.expires
    }
}

/// The signature over the header has verified. Nothing is known of the body yet.
#[derive(Debug)]
#[must_use = "the body and the nonce are not checked yet"]
pub struct Verified {
    call: Arc<Call>,
    digest: ContentDigest,
}

impl Verified {
    /// What the envelope says.
    #[must_use]
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// The same, for whoever keeps it beside the request.
    #[must_use]
    pub fn shared_call(&self) -> Arc<Call> {
        Arc::clone(&self.call)
    }

    /// Stage 6 for a body that arrives in pieces.
    pub fn body(self) -> Body {
        Body { hasher: BodyHasher::new(self.digest), call: self.call }
    }

    /// Stage 6 for a body that is there; empty when there is none.
    ///
    /// # Errors
    /// [`Code::DigestMissing`], [`Code::DigestMismatch`], [`Code::Expired`].
    pub fn check_body(self, body: &[u8], now: Timestamp) -> Result<Intact, Refusal> {
        let mut check = self.body();
        check.update(body);
        check.finish(now)
    }

    /// Passes stage 6 without a body, for a forward-auth request that does not bring it: whoever does read the body
    /// must compare it with `Content-Digest`, which is covered.
    ///
    /// # Errors
    /// [`Code::DigestMissing`] when `body_expected` and there is no digest that somebody could compare.
    pub fn body_checked_elsewhere(self, body_expected: bool) -> Result<Intact, Refusal> {
        if body_expected && self.digest == ContentDigest::default() {
            return Err(Refusal::new(
                Code::DigestMissing,
                "the method takes a body and there is no digest of it",
            ));
        }
        Ok(Intact { call: self.call })
    }
}

/// A body that is being read.
#[derive(Debug)]
pub struct Body {
    call: Arc<Call>,
    hasher: BodyHasher,
}

impl Body {
    /// The next piece.
    pub fn update(&mut self, chunk: &[u8]) {
        self.hasher.update(chunk);
    }

    /// The end of the body: spec, V6.2 to V6.4. `now` is read after the last byte.
    ///
    /// # Errors
    /// [`Code::DigestMissing`], [`Code::DigestMismatch`], [`Code::Expired`].
    pub fn finish(self, now: Timestamp) -> Result<Intact, Refusal> {
        self.hasher.finish()?;
        check_expires(self.call.expires, now)?;
        Ok(Intact { call: self.call })
    }
}

/// Header and body are those that were signed. The nonce is not checked yet.
#[derive(Debug)]
#[must_use = "the nonce is not checked yet"]
pub struct Intact {
    pub(crate) call: Arc<Call>,
}

impl Intact {
    /// What the envelope says.
    #[must_use]
    pub fn call(&self) -> &Call {
        &self.call
    }
}
