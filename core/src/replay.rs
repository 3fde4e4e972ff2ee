//! Stage 7: every nonce once (spec, V7.1 to V7.3).

mod memory;
mod slots;
#[cfg(test)]
mod tests;

use alloc::sync::Arc;
use core::future::Future;

pub use memory::{Fingerprint, HashedSignature, HashedUse, MemoryReplayCache, ReplayKey};

use crate::error::{Code, Refusal};
use crate::key::{Signature, Thumbprint};
use crate::time::{Timestamp, Window};
use crate::trust::Identity;
use crate::verify::{Call, Intact};

/// A nonce that is about to be used.
#[derive(Clone, Copy, Debug)]
pub struct NonceUse<'a> {
    /// The key that signed.
    pub keyid: Thumbprint,
    /// Its nonce.
    pub nonce: &'a str,
    /// The last second in which it must be remembered: `expires` and the skew of the clocks.
    pub keep_until: Timestamp,
    /// Who calls: a cache may hold only so many nonces of one identity.
    pub identity: &'a Identity,
    /// What [`Memory`] gave for the signature; `None` where nobody asked.
    pub fingerprint: Option<Fingerprint>,
}

/// A signature that is about to be verified.
#[derive(Clone, Copy, Debug)]
pub struct SignatureUse<'a> {
    /// The key by which it would verify.
    pub keyid: Thumbprint,
    /// The nonce in the base.
    pub nonce: &'a str,
    /// What was signed.
    pub base: &'a [u8],
    /// The signature.
    pub signature: &'a Signature,
}

/// What a cache knows of a signature.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// By what the cache will know it again; `None` where it does not remember signatures.
    pub fingerprint: Option<Fingerprint>,
    /// Whether it has verified before, over the same base with the same key, and its nonce is remembered: whatever comes of the
    /// request, it will not be accepted.
    pub has_verified: bool,
}

/// Why a nonce cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayError {
    /// It was used before.
    Replayed,
    /// There is no room to remember it.
    Capacity,
    /// There is no room to remember another one of this identity.
    Share,
    /// The cache does not answer.
    Unavailable,
}

impl From<ReplayError> for Refusal {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Replayed => Self::new(Code::Replayed, "the nonce was used before"),
            ReplayError::Capacity => Self::new(Code::ReplayCapacity, "the replay cache is full"),
            ReplayError::Share => Self::new(
                Code::ReplayCapacity,
                "the replay cache holds as many requests of one caller as it may",
            ),
            ReplayError::Unavailable => {
                Self::new(Code::ReplayUnavailable, "the replay cache does not answer")
            }
        }
    }
}

/// Remembers nonces until they expire. Looking up and remembering is one atomic step.
pub trait ReplayCache {
    /// Remembers (keyid, nonce) until `keep_until` has passed. When it has passed already, because the cache was slow,
    /// that is [`ReplayError::Unavailable`]: an earlier use may have been forgotten.
    ///
    /// # Errors
    /// [`ReplayError`]; nothing is remembered then.
    fn remember(&mut self, nonce: &NonceUse<'_>, now: Timestamp) -> Result<(), ReplayError>;

    /// What is known of a signature, so that one that has verified need not be verified again. A cache that does not remember
    /// signatures knows nothing.
    fn recall(&self, signature: &SignatureUse<'_>) -> Memory {
        let _ = signature;
        Memory::default()
    }
}

/// The same for a cache that is shared between threads or lies across a network.
pub trait SharedReplayCache {
    /// Remembers (keyid, nonce) until `keep_until` has passed. When it has passed already, because the cache was slow,
    /// that is [`ReplayError::Unavailable`]: an earlier use may have been forgotten.
    ///
    /// # Errors
    /// [`ReplayError`]; nothing is remembered then.
    fn remember(
        &self,
        nonce: &NonceUse<'_>,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), ReplayError>> + Send;

    /// What is known of a signature, so that one that has verified need not be verified again. A cache that does not remember
    /// signatures, or would have to ask somebody, knows nothing.
    fn recall(&self, signature: &SignatureUse<'_>) -> Memory {
        let _ = signature;
        Memory::default()
    }
}

impl Intact {
    /// Stage 7 with a cache of one's own.
    ///
    /// # Errors
    /// [`Code::Replayed`], [`Code::ReplayCapacity`], [`Code::ReplayUnavailable`].
    pub fn fresh(self, cache: &mut impl ReplayCache, now: Timestamp) -> Result<Fresh, Refusal> {
        cache.remember(&self.nonce_use(), now)?;
        self.passed()
    }

    /// Stage 7 with a shared cache.
    ///
    /// # Errors
    /// [`Code::Replayed`], [`Code::ReplayCapacity`], [`Code::ReplayUnavailable`].
    pub async fn fresh_in(self, cache: &impl SharedReplayCache, now: Timestamp) -> Result<Fresh, Refusal> {
        cache.remember(&self.nonce_use(), now).await?;
        self.passed()
    }

    /// A signature that was not verified now lets nothing through, whatever the cache says: its nonce was there when it was recalled.
    fn passed(self) -> Result<Fresh, Refusal> {
        if self.call.memory().has_verified {
            return Err(ReplayError::Replayed.into());
        }
        Ok(Fresh { call: self.call })
    }

    fn nonce_use(&self) -> NonceUse<'_> {
        NonceUse {
            keyid: self.call.keyid(),
            nonce: self.call.nonce(),
            keep_until: self.call.expires().plus(Window::SKEW),
            identity: self.call.identity(),
            fingerprint: self.call.memory().fingerprint,
        }
    }
}

/// The request is whole, and was never seen before.
#[derive(Debug)]
#[must_use = "nothing has decided yet whether the caller may do this"]
pub struct Fresh {
    call: Arc<Call>,
}

impl Fresh {
    /// What the envelope says.
    #[must_use]
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// The caller, for the policy.
    #[must_use]
    pub fn into_caller(self) -> crate::caller::Caller {
        crate::caller::Caller::new(self.call)
    }
}
