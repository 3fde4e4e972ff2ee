//! Credentials that are no good, counted by the address that they come from. Good ones are never counted, and never held up by the
//! bad ones of others.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use envelope_core::{Code, Refusal};

use super::recent::Recent;

/// How long an address is counted before it begins anew. `Retry-After` says as much.
const WINDOW: Duration = Duration::from_secs(60);

/// What was tried, by address.
#[derive(Debug)]
pub(crate) struct Attempts {
    /// Bad credentials that an address may show within the window.
    limit: u32,
    counts: Mutex<Recent<IpAddr, Count>>,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    since: Instant,
    bad: u32,
}

impl Count {
    fn is_over(&self, limit: u32, now: Instant) -> bool {
        self.bad >= limit && now.duration_since(self.since) < WINDOW
    }
}

impl Attempts {
    pub(crate) fn new(limit: u32) -> Self {
        Self { limit, counts: Mutex::default() }
    }

    /// Refuses an address that has tried too much, before anybody else is asked about what it shows.
    ///
    /// # Errors
    /// [`Code::TooManyAttempts`].
    pub(crate) fn check(&self, address: IpAddr) -> Result<(), Refusal> {
        self.check_at(address, Instant::now())
    }

    /// Counts a credential that was no good; gives what its sender is told.
    pub(crate) fn bad(&self, address: IpAddr, refusal: Refusal) -> Refusal {
        self.bad_at(address, refusal, Instant::now())
    }

    fn check_at(&self, address: IpAddr, now: Instant) -> Result<(), Refusal> {
        const TOO_MANY: Refusal =
            Refusal::new(Code::TooManyAttempts, "too many credentials from this address were no good");
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = counts.get(&network(address)).is_some_and(|count| count.is_over(self.limit, now));
        if is_over { Err(TOO_MANY) } else { Ok(()) }
    }

    fn bad_at(&self, address: IpAddr, refusal: Refusal, now: Instant) -> Refusal {
        if let Err(too_many) = self.check_at(address, now) {
            return too_many;
        }
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = |count: &Count| now.duration_since(count.since) >= WINDOW;
        match counts.get_mut(&network(address)) {
            Some(count) if !is_new(count) => count.bad += 1,
            Some(count) => *count = Count { since: now, bad: 1 },
            None => {
                counts.put(network(address), Count { since: now, bad: 1 }, now, |count| !is_new(count));
            }
        }
        refusal
    }
}

/// Who counts as one: an address, or of IPv6 the network that a single customer has whole.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::recent::MOST;

    const BAD: Refusal = Refusal::new(Code::Unauthenticated, "no good");

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn an_address_that_tries_too_much_waits_and_no_other() {
        let (attempts, start) = (Attempts::new(3), Instant::now());
        for _ in 0..3 {
            assert_eq!(attempts.check_at(address(1), start), Ok(()));
            assert_eq!(attempts.bad_at(address(1), BAD, start), BAD);
        }
        let over = attempts.bad_at(address(1), BAD, start + WINDOW / 2);
        assert_eq!(over.code(), Code::TooManyAttempts);
        assert!(attempts.check_at(address(1), start + WINDOW / 2).is_err());
        assert_eq!(attempts.bad_at(address(2), BAD, start), BAD);
        assert_eq!(attempts.check_at(address(2), start), Ok(()));
        assert_eq!(attempts.check_at(address(1), start + WINDOW), Ok(()));
        assert_eq!(attempts.bad_at(address(1), BAD, start + WINDOW), BAD);
        assert_eq!(attempts.check_at(address(1), start + WINDOW), Ok(()), "it begins anew");
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_and_an_address_of_ipv4_in_it_as_itself() {
        let attempts = Attempts::new(1);
        let [a, b, c] = ["2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1"]
            .map(|text| text.parse().unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED)));
        let now = Instant::now();
        attempts.bad_at(a, BAD, now);
        assert!(attempts.check_at(b, now).is_err());
        assert!(attempts.check_at(c, now).is_ok());
        assert_eq!(network(IpAddr::V6(std::net::Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped())), address(1));
    }

    #[test]
    fn what_is_counted_is_bounded() {
        let (attempts, now) = (Attempts::new(2), Instant::now());
        for last in 0..u32::try_from(MOST).unwrap_or(u32::MAX) + 10 {
            attempts.bad_at(IpAddr::from(std::net::Ipv4Addr::from(last)), BAD, now);
        }
        let counted =
            |attempts: &Attempts| attempts.counts.lock().map(|counts| counts.len()).unwrap_or_default();
        assert_eq!(counted(&attempts), MOST);
        attempts.bad_at(address(1), BAD, now + WINDOW);
        assert_eq!(counted(&attempts), 1);
    }
}
