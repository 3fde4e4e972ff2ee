//! How fast anybody may go on: who is faster waits for what they ask, and others do not notice.
//!
//! What is done for one may cost as much as it does; what bounds it is how often they may have it. Good callers wait for their own calls only,
//! never for what is refused to somebody at the same address.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::limits::Client;
use super::recent::Recent;

/// How far ahead of their pace one may be: what comes in a rush, and then for a while not.
const RUSH: Duration = Duration::from_millis(100);
/// How long anybody waits at most, whatever others of the same address have run up: more at once is a matter of how many may wait at once.
const LONGEST: Duration = Duration::from_secs(5);

/// The pace of everybody.
#[derive(Debug)]
pub(crate) struct Pace {
    /// From one to the next.
    step: Duration,
    /// When the next one of a client would be due.
    due: Mutex<Recent<Client, Instant>>,
    held: AtomicU64,
}

impl Pace {
    /// So many a second.
    pub(crate) fn new(per_second: u32) -> Self {
        let step = Duration::from_secs(1) / per_second.max(1);
        Self { step, due: Mutex::default(), held: AtomicU64::new(0) }
    }

    /// Waits until a client may go on.
    pub(crate) async fn keep(&self, client: &Client) {
        let wait = self.wait(client, Instant::now());
        if !wait.is_zero() {
            self.held.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(wait).await;
        }
    }

    /// How often somebody had to wait so far.
    pub(crate) fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    fn wait(&self, client: &Client, now: Instant) -> Duration {
        let mut all = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(due) = all.get_mut(client) {
            let wait = due.saturating_duration_since(now + RUSH);
            *due = ((*due).max(now) + self.step).min(now + RUSH + LONGEST);
            return wait;
        }
        // Where there is no room, whoever is new is not held up: limits of connections hold for them.
        all.put(client.clone(), now + self.step, now, |due| *due > now);
        Duration::ZERO
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test panics when it fails")]
mod tests {
    use std::net::IpAddr;

    use envelope_core::Identity;

    use super::*;
    use crate::server::recent::MOST;

    fn client(name: &str) -> Client {
        Client::Identity(Identity::new(name).unwrap())
    }

    #[test]
    fn who_is_faster_waits_and_no_other() {
        let (pace, start) = (Pace::new(100), Instant::now());
        let ms = Duration::from_millis;
        for number in 0..11 {
            assert_eq!(pace.wait(&client("alice"), start), ms(0), "{number} of a rush");
        }
        assert_eq!(pace.wait(&client("alice"), start), ms(10));
        assert_eq!(pace.wait(&client("alice"), start), ms(20));
        assert_eq!(pace.wait(&client("bob"), start), ms(0));
        assert_eq!(pace.wait(&client("alice"), start + ms(25)), ms(5), "who has waited waits less");
        for number in 0..100 {
            let now = start + ms(1000 + 10 * number);
            assert_eq!(pace.wait(&client("alice"), now), ms(0), "at their pace, {number}");
        }
    }

    #[test]
    fn nobody_waits_for_what_others_have_run_up() {
        let (pace, start) = (Pace::new(20), Instant::now());
        let longest = (0..10_000).map(|_| pace.wait(&client("alice"), start)).max();
        assert_eq!(longest, Some(LONGEST));
        let later = start + LONGEST;
        assert_eq!(pace.wait(&client("alice"), later), Duration::ZERO, "it is over when they have gone");
    }

    #[test]
    fn what_is_known_is_bounded() {
        let (pace, start) = (Pace::new(1), Instant::now());
        let address = |last: usize| Client::Address(IpAddr::from(u32::try_from(last).unwrap().to_be_bytes()));
        for last in 0..MOST + 10 {
            pace.wait(&address(last), start);
        }
        assert_eq!(pace.due.lock().unwrap().len(), MOST);
        pace.wait(&address(0), start);
        pace.wait(&address(MOST + 1), start + Duration::from_secs(1));
        assert_eq!(pace.due.lock().unwrap().len(), 2, "who waits still, and who is new");
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_counted_who_waits() {
        let (pace, begin) = (Pace::new(2), tokio::time::Instant::now());
        pace.keep(&client("alice")).await;
        assert_eq!((pace.held(), begin.elapsed()), (0, Duration::ZERO));
        pace.keep(&client("alice")).await;
        assert_eq!(pace.held(), 1);
        assert!(begin.elapsed() >= Duration::from_millis(200));
    }
}
