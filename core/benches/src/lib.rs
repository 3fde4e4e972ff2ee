//! What the benchmarks measure: signed requests, and a verifier that takes them.

use std::sync::Arc;

use envelope_core::{
    Access, Algorithm, Authorities, Certificate, CertificateCache, Decision, Field, Grant, Identity, Issue,
    MemoryReplayCache, Pack, Policy, Refusal, ReplayCache, Request, SignatureUse, Signed, Signer, SigningKey,
    Thumbprint, Timestamp, TrustList, Verifier, VerifyingKey, Window,
};
use envelope_verifier::ShardedCertificateCache;

/// When everything happens that asks no clock.
pub const NOW: Timestamp = Timestamp::from_unix(1_767_225_600);
/// The target of every request.
pub const TARGET: &str = "/api/pack/p1/agent?lang=en";
/// The URL of every request.
pub const URL: &str = "https://pack.example/api/pack/p1/agent?lang=en";
/// The body of every request.
pub const BODY: [u8; 1024] = [b'x'; 1024];
/// How many requests come in turn, with a nonce each; then the nonces are forgotten, and they come again. A request that has just been read
/// from a socket is in the caches of the processor, and so are the few of the other libraries.
pub const REQUESTS: u64 = 64;
/// What a client sends beside the envelope.
pub const FIELDS: [Field<'_>; 3] =
    [("user-agent", b"curl/8.5.0"), ("accept", b"*/*"), ("content-type", b"application/json")];

/// A header as it arrives: what a common client sends, and the envelope.
pub type Header = Vec<(String, Vec<u8>)>;

/// The server's cache when every certificate is new to it, though its identity is not.
#[derive(Debug)]
pub struct KeysAlone(pub ShardedCertificateCache);

impl CertificateCache for KeysAlone {
    fn recall(&self, _: &str) -> Option<Arc<Certificate>> {
        None
    }

    fn keep(&self, certificate: Certificate) -> Arc<Certificate> {
        self.0.keep(certificate)
    }

    fn recall_key(&self, keyid: &Thumbprint) -> Option<Arc<VerifyingKey>> {
        self.0.recall_key(keyid)
    }

    fn keep_key(&self, key: Arc<VerifyingKey>) {
        self.0.keep_key(key);
    }
}

/// Somebody who signs, with keys of one algorithm.
pub struct Caller {
    identity_key: SigningKey,
    call_key: SigningKey,
    certificate: String,
}

impl Caller {
    /// A caller with a certificate that is good for an hour from `now` on.
    pub fn new(algorithm: Algorithm, now: Timestamp) -> Result<Self, Refusal> {
        let identity_key = SigningKey::from_bytes(algorithm, &[1; 32])?;
        let call_key = SigningKey::from_bytes(algorithm, &[2; 32])?;
        let issue = Issue {
            call_key: call_key.verifying_key(),
            issued: now,
            lifetime: 3600,
            id: "AAAAAAAAAAAAAAAAAAAAAA",
            grant: Grant::everything(),
        };
        let certificate = issue.sign(&identity_key)?;
        Ok(Self { identity_key, call_key, certificate })
    }

    /// The key that signs requests.
    pub fn call_key(&self) -> &SigningKey {
        &self.call_key
    }

    /// What signs, made once for as long as the certificate is good.
    pub fn signer(&self) -> Result<Signer<'_>, Refusal> {
        Signer::certified(&self.call_key, &self.certificate)
    }
}

/// Signs the request, with a nonce of its own.
pub fn sign(signer: &Signer<'_>, nonce: u64, now: Timestamp) -> Result<Signed, Refusal> {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&nonce.to_le_bytes());
    signer.sign(&Request::new("POST", URL, &FIELDS), Some(&BODY), now, &bytes)
}

/// The whole header as a server reads it.
pub fn header(signed: &Signed) -> Header {
    let owned = |(name, value): (&str, &[u8])| (name.to_owned(), value.to_vec());
    let mut header: Header = vec![owned(("host", b"pack.example")), owned(("content-length", b"1024"))];
    header.extend(FIELDS.into_iter().map(owned));
    header.extend(signed.fields().map(|(name, value)| owned((name, value.as_bytes()))));
    header
}

/// A verifier with all stages.
pub struct Server<C> {
    verifier: Verifier<C>,
    trust: TrustList,
    policy: Policy,
    replay: MemoryReplayCache,
}

impl<C: CertificateCache> Server<C> {
    /// One that trusts `caller`.
    pub fn new(caller: &Caller, certificates: C) -> Result<Self, Refusal> {
        let mut trust = TrustList::new();
        let thumbprint = caller.identity_key.verifying_key().thumbprint();
        trust.trust(Identity::new("alice").expect("a name"), thumbprint);
        Ok(Self {
            verifier: Verifier::new(Authorities::new(["pack.example"])?)
                .with_window(Window::new(300).expect("a window"))
                .with_certificates(certificates),
            trust,
            policy: Policy::new(Pack::trusted()),
            replay: MemoryReplayCache::new(10_000_000, [3; 16]),
        })
    }

    /// Forgets all nonces.
    pub fn forget(&mut self) {
        self.replay = MemoryReplayCache::new(10_000_000, [3; 16]);
    }

    /// Stages 1 to 8.
    pub fn admit(&mut self, header: &Header, now: Timestamp) -> Result<Decision, Refusal> {
        let fields: Vec<Field<'_>> =
            header.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        let request = Request::new("POST", TARGET, &fields);
        let recall = |signature: &SignatureUse<'_>| self.replay.recall(signature);
        let verified = self.verifier.verify_recalling(&request, &self.trust, recall, now)?;
        let caller = verified.check_body(&BODY, now)?.fresh(&mut self.replay, now)?.into_caller();
        Ok(self.policy.decide(Some(&caller), &Access { pack: Some("p1"), ..Access::CALL }))
    }
}
