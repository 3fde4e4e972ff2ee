//! What is known of a request so far, for whoever must give account of it: the guard says it as it learns it.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use envelope_core::{Call, Caller, Timestamp, Verified};
use http::request::Parts;

/// Travels in the extensions of a request. Who has none there gives no account, and pays nothing.
#[derive(Clone, Debug)]
pub(crate) struct Witness(Arc<Mutex<Seen>>);

/// What was seen.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) id: String,
    pub(crate) arrived: Instant,
    pub(crate) peer: IpAddr,
    pub(crate) pack: Option<String>,
    pub(crate) agent: Option<String>,
    pub(crate) who: Who,
    /// When each step was passed, so far.
    pub(crate) passed: [Option<Instant>; Step::ALL.len()],
}

/// What takes time in a verification, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Stages 1 to 5.
    Signature,
    /// Stage 6: the body was read.
    Body,
    /// Stage 7, or a bearer was looked at.
    Replay,
    /// Stage 8.
    Policy,
    /// The receipt was written.
    Receipt,
}

impl Step {
    pub(crate) const ALL: [Self; 5] =
        [Self::Signature, Self::Body, Self::Replay, Self::Policy, Self::Receipt];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Body => "body",
            Self::Replay => "replay",
            Self::Policy => "policy",
            Self::Receipt => "receipt",
        }
    }
}

/// Who has sent the request, as far as that is known.
#[derive(Debug)]
pub(crate) enum Who {
    /// Nobody that is known: anybody can send this.
    Nobody,
    /// The header was signed by somebody at the moment that is given; the rest may be a copy of what they sent before, or worse.
    Signed(Arc<Call>, Timestamp),
    /// Somebody who has sent this, now; the moment is given where they have signed.
    Caller(Caller, Option<Timestamp>),
}

impl Witness {
    #[cfg(feature = "server")]
    pub(crate) fn new(id: String, peer: IpAddr) -> Self {
        let (arrived, who) = (Instant::now(), Who::Nobody);
        let passed = [None; Step::ALL.len()];
        Self(Arc::new(Mutex::new(Seen { id, arrived, peer, pack: None, agent: None, who, passed })))
    }

    /// That of a request, if it has one.
    pub(crate) fn of(head: &Parts) -> Option<&Self> {
        head.extensions.get()
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which pack the request is for.
    pub(crate) fn pack(head: &Parts, pack: Option<&str>) {
        if let (Some(witness), Some(pack)) = (Self::of(head), pack) {
            witness.seen().pack = Some(pack.to_owned());
        }
    }

    /// A step was passed now.
    pub(crate) fn passed(head: &Parts, step: Step) {
        if let Some(witness) = Self::of(head) {
            let mut seen = witness.seen();
            // In the order of their declaration.
            let place = Step::ALL.iter().position(|known| *known == step);
            if let Some(passed) = place.and_then(|place| seen.passed.get_mut(place)) {
                *passed = Some(Instant::now());
            }
        }
    }

    /// Whether it was decided that the request may pass.
    #[cfg(feature = "server")]
    pub(crate) fn is_decided(&self) -> bool {
        matches!(self.seen().passed, [.., Some(_), _])
    }

    /// Stage 5 has passed.
    pub(crate) fn signed(head: &Parts, verified: &Verified, now: Timestamp) {
        if let Some(witness) = Self::of(head) {
            witness.seen().who = Who::Signed(verified.shared_call(), now);
            Self::passed(head, Step::Signature);
        }
    }

    /// Stage 7 has passed, or a bearer was good; `None`: nobody is known, or not any more.
    pub(crate) fn caller(head: &Parts, caller: Option<&Caller>) {
        if let Some(witness) = Self::of(head) {
            let mut seen = witness.seen();
            let at = match &seen.who {
                Who::Nobody => None,
                Who::Signed(_, at) => Some(*at),
                Who::Caller(_, at) => *at,
            };
            seen.who = caller.map_or(Who::Nobody, |caller| Who::Caller(caller.clone(), at));
        }
    }

    /// Which agent the request names.
    pub(crate) fn agent(head: &Parts, agent: Option<&str>) {
        if let (Some(witness), Some(agent)) = (Self::of(head), agent) {
            witness.seen().agent = Some(agent.to_owned());
        }
    }
}
