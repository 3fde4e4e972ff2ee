//! What anybody can make a verifier refuse, as often as they like: a few of these have a line, the others are counted.

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use envelope_core::Code;

/// Lines per second, and the most at once.
const RATE: f64 = 10.0;
const BURST: f64 = 20.0;

/// Who has sent what is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    /// Nobody that is known.
    Nobody,
    /// Whoever has a copy of what somebody has signed. They have a budget of their own: strangers do not hide them.
    Copy,
}

/// What has no line.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) sampled: BTreeMap<String, u64>,
    pub(super) lost: u64,
}

impl Counts {
    pub(super) fn is_empty(&self) -> bool {
        self.sampled.is_empty() && self.lost == 0
    }
}

/// The budgets, and the counts.
#[derive(Debug)]
pub(super) struct Noise(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    nobody: Budget,
    copy: Budget,
    counts: Counts,
}

#[derive(Debug)]
struct Budget {
    left: f64,
    since: Instant,
}

impl Budget {
    fn take(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.since).as_secs_f64();
        self.left = passed.mul_add(RATE, self.left).min(BURST);
        self.since = now;
        let takes = self.left >= 1.0;
        if takes {
            self.left -= 1.0;
        }
        takes
    }
}

impl Noise {
    pub(super) fn new(now: Instant) -> Self {
        let budget = || Budget { left: BURST, since: now };
        Self(Mutex::new(Inner { nobody: budget(), copy: budget(), counts: Counts::default() }))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a refusal may have a line; if not, it is counted.
    pub(super) fn may_write(&self, sender: Sender, code: Code, now: Instant) -> bool {
        let mut inner = self.inner();
        let budget = match sender {
            Sender::Nobody => &mut inner.nobody,
            Sender::Copy => &mut inner.copy,
        };
        let may = budget.take(now);
        drop(inner);
        if !may {
            self.count(code);
        }
        may
    }

    /// Counts a refusal that has no line.
    pub(super) fn count(&self, code: Code) {
        *self.inner().counts.sampled.entry(code.as_str().to_owned()).or_default() += 1;
    }

    /// Counts a receipt that could not be written.
    pub(super) fn lose(&self) {
        self.inner().counts.lost += 1;
    }

    /// What was counted since it was asked last.
    pub(super) fn take(&self) -> Counts {
        mem::take(&mut self.inner().counts)
    }

    /// Counts again what could not be said.
    pub(super) fn put_back(&self, counts: Counts) {
        let mut inner = self.inner();
        inner.counts.lost += counts.lost;
        for (code, count) in counts.sampled {
            *inner.counts.sampled.entry(code).or_default() += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_flood_has_few_lines_and_is_counted() {
        let start = Instant::now();
        let noise = Noise::new(start);
        let written =
            |sender, at| (0..1000).filter(|_| noise.may_write(sender, Code::UnknownKey, at)).count();
        assert_eq!(written(Sender::Nobody, start), 20);
        assert_eq!(written(Sender::Copy, start), 20, "strangers do not hide copies");
        assert_eq!(written(Sender::Nobody, start + Duration::from_secs(1)), 10);
        assert_eq!(written(Sender::Nobody, start + Duration::from_secs(3600)), 20);
        let counts = noise.take();
        assert_eq!(counts.sampled, BTreeMap::from([("unknown-key".to_owned(), 4000 - 70)]));
        assert!(noise.take().is_empty());
        noise.lose();
        noise.put_back(counts);
        let counts = noise.take();
        assert_eq!((counts.lost, counts.sampled.len()), (1, 1));
    }
}
