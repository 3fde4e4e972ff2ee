//! Signed request envelopes: the strict profile `envelope/1` of RFC 9421, without `std`, clock, randomness or I/O.
//!
//! A request travels through the modules in this order; each stage is a type with private fields that only the stage
//! before it can make, so none can be skipped. The numbers are those of `spec/envelope.md`.
//!
//! | stage | module | what goes in, what comes out |
//! |---|---|---|
//! | | [`request`], [`target`], [`authority`] | method, target and header lines, as on the wire (3.2, 3.3) |
//! | 1 | [`Envelope`], [`field`] | the four fields, read strictly, trusted in nothing (3.5) |
//! | 2 | [`SignatureBase`] | what was covered, and the bytes that were signed (3.4, 3.6) |
//! | 3, 4, 5 | [`verify`], [`certificate`], [`login`], [`trust`], [`key`] | [`Verified`]: the time, the key, whose it is, the signature |
//! | 6 | [`Body`] | [`Intact`]: the body is the one that was signed |
//! | 7 | [`replay`] | [`Fresh`]: never seen before |
//! | 8 | [`caller`], [`policy`] | [`Caller`], and a [`Decision`] |
//!
//! What is known of keys changes by the rules of [`registry`]: keys are registered, name their successor ([`succession`]),
//! retire ([`retirement`]), are revoked ([`revocation`]); all of it in `spec/keys.md`.
//!
//! [`receipt`] is what an audit log keeps of it: enough to verify every signature again (`spec/receipts.md`).
//!
//! [`sign`] and [`issue`] are the other direction; [`Document`] is a signed request as JSON; [`error`] is the one table of
//! everything that can go wrong.
//!
//! # Sign
//!
//! ```
//! use envelope_core::*;
//! # fn random<const N: usize>() -> [u8; N] { [7; N] }
//! # let now = Timestamp::from_unix(1_700_000_000);
//! # let identity_key = SigningKey::from_bytes(Algorithm::Ed25519, &[1; 32])?;
//! let call_key = SigningKey::from_bytes(Algorithm::Ed25519, &random())?;
//! let issue = Issue { call_key: call_key.verifying_key(), issued: now, lifetime: 900, id: "1", grant: Grant::everything() };
//! let certificate = issue.sign(&identity_key)?;
//! let request = Request::new("POST", "https://pack.example/api/pack/p1/agent", &[("Content-Type", b"application/json")]);
//! let signed = Signer::certified(&call_key, &certificate)?.sign(&request, Some(b"{}"), now, &random())?;
//! # let mut header: Vec<(&str, &[u8])> = vec![("Host", b"pack.example"), ("Content-Type", b"application/json")];
//! # header.extend(signed.fields().map(|(name, value)| (name, value.as_bytes())));
//! # let request = Request::new("POST", "/api/pack/p1/agent", &header);
//! # let body = b"{}";
//! # let alice = identity_key.verifying_key().thumbprint();
//! # fn verify(request: Request<'_>, body: &[u8], alice: Thumbprint, now: Timestamp) -> Result<Caller, Refusal> {
//! # let mut cache = MemoryReplayCache::new(1000, random());
//! # let policy = Policy::new(Pack::trusted());
//! # let mut trust = TrustList::new();
//! # trust.trust(Identity::new("alice").unwrap(), alice);
//! # let verifier = Verifier::new(Authorities::new(["pack.example"])?);
//! # let caller = verifier.verify(&request, &trust, now)?.check_body(body, now)?.fresh(&mut cache, now)?.into_caller();
//! # policy.decide(Some(&caller), &Access::CALL).into_result()?;
//! # Ok(caller) }
//! # assert_eq!(verify(request, body, alice, now)?.identity().as_str(), "alice");
//! # Ok::<(), Refusal>(())
//! ```
//!
//! # Verify
//!
//! ```
//! use envelope_core::*;
//!
//! # fn random<const N: usize>() -> [u8; N] { [7; N] }
//! # let alice = SigningKey::from_bytes(Algorithm::P256, &[1; 32])?.verifying_key().thumbprint();
//! # let (now, body) = (Timestamp::from_unix(1_700_000_000), b"");
//! # let request = Request::new("GET", "/", &[("Host", b"pack.example"), ("Signature", b"sig=::")]);
//! let verifier = Verifier::new(Authorities::new(["pack.example"])?);
//! let mut cache = MemoryReplayCache::new(1_000_000, random());
//! let mut trust = TrustList::new();
//! trust.trust(Identity::new("alice").unwrap(), alice);
//! let policy = Policy::new(Pack::trusted());
//!
//! let mut admit = || -> Result<Caller, Refusal> {
//!     let verified = verifier.verify(&request, &trust, now)?; // stages 1 to 5: the header
//!     let intact = verified.check_body(body, now)?; // 6: the body
//!     let caller = intact.fresh(&mut cache, now)?.into_caller(); // 7: never seen before
//!     policy.decide(Some(&caller), &Access::CALL).into_result()?; // 8: may they?
//!     Ok(caller)
//! };
//! assert_eq!(admit().unwrap_err().code(), Code::Malformed);
//! # Ok::<(), Refusal>(())
//! ```
#![no_std]

extern crate alloc;

pub mod authority;
mod base;
pub mod caller;
pub mod certificate;
mod digest;
pub mod document;
mod envelope;
pub mod error;
pub mod field;
pub mod issue;
mod json;
pub mod key;
pub mod login;
pub mod policy;
pub mod receipt;
pub mod registry;
pub mod replay;
pub mod request;
pub mod retirement;
pub mod revocation;
pub mod sign;
pub mod statement;
pub mod succession;
pub mod target;
pub mod time;
pub mod trust;
pub mod verify;

pub use authority::{Authorities, Url};
pub use base::{BaseWriter, SignatureBase, TAG};
pub use caller::{Backing, Caller};
pub use certificate::{Certificate, Grant, UntrustedCertificate};
pub use document::Document;
pub use envelope::{Envelope, is_enveloped};
pub use error::{Code, Refusal, Stage};
pub use issue::Issue;
pub use key::{Algorithm, Signature, SigningKey, Thumbprint, VerifyingKey};
pub use login::{Issuer, Login, UntrustedLogin};
pub use policy::{Access, Decision, Pack, Policy, Users, pack_key};
pub use registry::{Record, Records, Role};
pub use replay::{
    Fresh, Memory, MemoryReplayCache, NonceUse, ReplayCache, ReplayError, ReplayKey, SharedReplayCache,
    SignatureUse,
};
pub use request::{Field, Request};
pub use retirement::{Retirement, UntrustedRetirement};
pub use revocation::{RevocationList, WithRevocations};
pub use sign::{Signed, Signer};
pub use statement::UntrustedStatement;
pub use succession::{Succession, UntrustedSuccession};
pub use time::{Timestamp, Window};
pub use trust::{Identity, Standing, Trust, TrustList};
pub use verify::{Body, Call, CertificateCache, Intact, Uncached, Verified, Verifier};

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
