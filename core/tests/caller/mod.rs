//! A caller with keys, and a verifier that knows her: what the tests of signing and verifying share.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, reason = "each test takes what it needs")]

use envelope_core::{
    Algorithm, Authorities, Caller, Code, Field, Grant, Identity, Intact, Issue, Memory, MemoryReplayCache,
    Refusal, Request, SignatureUse, Signed, Signer, SigningKey, Timestamp, TrustList, Verifier,
};

/// The clock of the tests.
pub(crate) const NOW: Timestamp = Timestamp::from_unix(1_767_225_600);
/// The host of the tests.
pub(crate) const HOST: &str = "pack.example";

/// Alice: an identity key, a call key, and a certificate for everything.
pub(crate) struct Alice {
    pub identity_key: SigningKey,
    pub call_key: SigningKey,
    pub certificate: String,
}

impl Alice {
    pub(crate) fn new(identity: Algorithm, call: Algorithm) -> Self {
        let identity_key = SigningKey::from_bytes(identity, &[0x1d; 32]).unwrap();
        let call_key = SigningKey::from_bytes(call, &[0xca; 32]).unwrap();
        let certificate = issue(&call_key).sign(&identity_key).unwrap();
        Self { identity_key, call_key, certificate }
    }

    pub(crate) fn ed25519() -> Self {
        Self::new(Algorithm::Ed25519, Algorithm::Ed25519)
    }

    pub(crate) fn signer(&self) -> Signer<'_> {
        Signer::certified(&self.call_key, &self.certificate).unwrap()
    }

    /// What a verifier knows of her when she comes with her certificate.
    pub(crate) fn trusted(&self) -> TrustList {
        let mut trust = TrustList::new();
        trust.trust(alice(), self.identity_key.verifying_key().thumbprint());
        trust
    }

    /// What a verifier knows of her when her call key is registered.
    pub(crate) fn registered(&self) -> TrustList {
        let mut trust = TrustList::new();
        trust.register(alice(), self.call_key.verifying_key().clone(), NOW.plus(3600));
        trust
    }
}

pub(crate) fn alice() -> Identity {
    Identity::new("alice").unwrap()
}

pub(crate) fn issue(call_key: &SigningKey) -> Issue<'_> {
    Issue {
        call_key: call_key.verifying_key(),
        issued: NOW,
        lifetime: 900,
        id: "c-1",
        grant: Grant::everything(),
    }
}

pub(crate) fn verifier() -> Verifier {
    Verifier::new(Authorities::new([HOST]).unwrap())
}

/// A request as it arrives: what can be changed on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arriving {
    pub method: String,
    pub target: String,
    pub fields: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl Arriving {
    /// The request that a client sends: `target` without the host, and the fields of the signature behind its own.
    pub(crate) fn new(request: &Request<'_>, target: &str, body: Option<&[u8]>, signed: &Signed) -> Self {
        let mut fields = vec![("Host".to_owned(), HOST.as_bytes().to_vec())];
        fields.extend(request.fields().iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())));
        fields.extend(signed.fields().map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())));
        let body = body.unwrap_or_default().to_vec();
        Self { method: request.method().to_owned(), target: target.to_owned(), fields, body }
    }

    /// Stages 1 to 6.
    pub(crate) fn check(&self, trust: &TrustList, now: Timestamp) -> Result<Intact, Refusal> {
        let fields: Vec<Field<'_>> =
            self.fields.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        let request = Request::new(&self.method, &self.target, &fields);
        verifier().verify(&request, trust, now)?.check_body(&self.body, now)
    }

    /// The same, with what a replay cache knows of signatures.
    #[allow(dead_code, reason = "one test asks")]
    pub(crate) fn check_recalling(
        &self,
        trust: &TrustList,
        recall: impl FnOnce(&SignatureUse<'_>) -> Memory,
        now: Timestamp,
    ) -> Result<Intact, Refusal> {
        let fields: Vec<Field<'_>> =
            self.fields.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        let request = Request::new(&self.method, &self.target, &fields);
        verifier().verify_recalling(&request, trust, recall, now)?.check_body(&self.body, now)
    }

    /// Stages 1 to 7, with a cache of its own.
    pub(crate) fn admit(&self, trust: &TrustList, now: Timestamp) -> Result<Caller, Refusal> {
        let mut cache = MemoryReplayCache::new(10, [7; 16]);
        Ok(self.check(trust, now)?.fresh(&mut cache, now)?.into_caller())
    }

    /// The value of the field that the request has once.
    pub(crate) fn field(&mut self, name: &str) -> &mut Vec<u8> {
        &mut self.fields.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)).unwrap().1
    }
}

/// The code of a refusal.
pub(crate) fn code<T: std::fmt::Debug>(result: Result<T, Refusal>) -> Code {
    result.unwrap_err().code()
}
