//! What a verifier that begins anew may accept: nothing that it could have accepted before.

use std::sync::atomic::{AtomicU64, Ordering};

use envelope_core::{Code, Refusal, Timestamp};

/// A bound on `created` of everything that was accepted: what an earlier run could have seen lies at or below `begin`, and
/// what this one may accept at or below what it has reserved, which outlives it.
#[derive(Debug)]
pub struct Mark {
    begin: Timestamp,
    reserved: AtomicU64,
    highest: AtomicU64,
}

impl Mark {
    /// Accepts what was signed after `begin`. Nothing is reserved yet.
    #[must_use]
    pub const fn new(begin: Timestamp) -> Self {
        let begun = begin.as_unix();
        Self { begin, reserved: AtomicU64::new(begun), highest: AtomicU64::new(begun) }
    }

    /// Lets envelopes pass that were signed until then; whoever calls this has written it down before.
    pub fn reserve(&self, until: Timestamp) {
        self.reserved.fetch_max(until.as_unix(), Ordering::SeqCst);
    }

    /// What was signed until then does not pass, since an earlier run could have accepted it.
    #[must_use]
    pub const fn begin(&self) -> Timestamp {
        self.begin
    }

    /// Lets nothing pass any more, and says the highest `created` that was let through before: a bound for the next run that costs it
    /// nothing.
    #[must_use]
    pub fn close(&self) -> Timestamp {
        self.reserved.store(0, Ordering::SeqCst);
        Timestamp::from_unix(self.highest.load(Ordering::SeqCst))
    }

    /// Until when envelopes may have been signed to pass.
    #[must_use]
    pub fn reserved(&self) -> Timestamp {
        Timestamp::from_unix(self.reserved.load(Ordering::SeqCst))
    }

    /// Lets an envelope pass that was `created` then.
    ///
    /// # Errors
    /// [`Code::ReplayUnavailable`]: it may have been accepted before, or could be accepted again.
    pub(crate) fn check(&self, created: Timestamp) -> Result<(), Refusal> {
        if created <= self.begin {
            return Err(Refusal::new(
                Code::ReplayUnavailable,
                "the verifier began anew, and may have seen this before: sign again",
            ));
        }
        self.check_reserved(created)?;
        self.highest.fetch_max(created.as_unix(), Ordering::SeqCst);
        // Whoever closes the mark reserves nothing, and then asks what was highest: one of the two sees the other.
        self.check_reserved(created)
    }

    fn check_reserved(&self, created: Timestamp) -> Result<(), Refusal> {
        const UNRESERVED: Refusal =
            Refusal::new(Code::ReplayUnavailable, "the verifier cannot write down what it accepts");
        if created > self.reserved() { Err(UNRESERVED) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_signed_after_the_beginning_and_is_reserved_passes() {
        let at = Timestamp::from_unix;
        let mark = Mark::new(at(100));
        let code = |seconds| mark.check(at(seconds)).map_err(|refusal| refusal.code());
        assert_eq!(code(101), Err(Code::ReplayUnavailable), "nothing is reserved");
        mark.reserve(at(110));
        for seconds in [0, 99, 100, 111] {
            assert_eq!(code(seconds), Err(Code::ReplayUnavailable), "{seconds}");
        }
        let highest = || mark.highest.load(Ordering::SeqCst);
        assert_eq!(highest(), 100);
        assert_eq!((code(105), code(101), code(110)), (Ok(()), Ok(()), Ok(())));
        assert_eq!(highest(), 110);
        mark.reserve(at(50));
        assert_eq!(code(110), Ok(()), "a clock that was set back takes nothing away");
    }
}
