//! The verifier of signed request envelopes, for servers.
//!
//! | who | takes |
//! |---|---|
//! | writes a pack server | [`VerifierLayer`]: a tower layer; `default-features = false` brings no web framework |
//! | runs a pack server that cannot be changed | the program `envelope-verifier`, as a gateway or for forward-auth |
//!
//! Both run the same [`Guard`]: stages 1 to 8 of `spec/envelope.md` over `http` types.
//!
//! ```
//! use envelope_core::{Authorities, Identity, Pack, Policy, Thumbprint, TrustList, Verifier};
//! use envelope_verifier::{Guard, VerifierLayer};
//!
//! let mut trust = TrustList::new();
//! let alice = Thumbprint::parse("59CCHWMQhoRB9YwDiOcacjlSDkqOLVMc8mrcHyqu_MY").unwrap();
//! trust.trust(Identity::new("alice").unwrap(), alice);
//! let verifier = Verifier::new(Authorities::new(["pack.example"])?);
//! let guard = Guard::new(verifier, trust, Policy::new(Pack::trusted()));
//! let layer = VerifierLayer::new(guard);
//! // axum: Router::new().route("/agent", post(agent)).layer(layer); a handler takes Extension<Caller>
//! # let _ = layer;
//! # Ok::<(), envelope_core::Refusal>(())
//! ```

mod agent;
mod certificates;
mod clock;
mod fold;
mod guard;
mod layer;
mod mark;
mod place;
mod problem;
mod replay;
#[cfg(feature = "server")]
pub mod server;
#[cfg_attr(not(feature = "server"), allow(dead_code, reason = "the program alone gives account"))]
mod witness;

pub use agent::AgentCalls;
pub use certificates::ShardedCertificateCache;
pub use clock::Clock;
pub use guard::{Admitted, Guard, Rules};
pub use layer::{ClientAddress, VerifierLayer, VerifierService};
pub use mark::Mark;
pub use problem::{ACCEPT_SIGNATURE, problem};
pub use replay::ShardedReplayCache;

#[cfg(all(doctest, feature = "server"))]
#[doc = include_str!("../README.md")]
struct Readme;
