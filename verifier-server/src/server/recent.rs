//! What is known of clients that came lately, in bounded memory and time.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// The most that are known at once.
pub(super) const MOST: usize = 65_536;
/// When it is full, how long it is until it is looked again who can be forgotten: looking costs a walk through all.
const LOOK: Duration = Duration::from_secs(1);

/// Something of each client that came lately. When as many are known as can be, nothing is known of whoever is new.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    all: HashMap<K, V>,
    looked: Option<Instant>,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self { all: HashMap::new(), looked: None }
    }
}

impl<K: Eq + Hash, V> Recent<K, V> {
    /// What is known of a client.
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.all.get(key)
    }

    /// The same, to be changed.
    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.all.get_mut(key)
    }

    /// Something is known of a new client, where there is room once those are forgotten of whom nothing matters any more.
    pub(super) fn put(&mut self, key: K, value: V, now: Instant, matters: impl Fn(&V) -> bool) {
        if self.all.len() >= MOST && self.looked.is_none_or(|looked| now >= looked + LOOK) {
            self.all.retain(|_, value| matters(value));
            self.looked = Some(now);
        }
        if self.all.len() < MOST {
            self.all.insert(key, value);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_bounded_and_is_not_looked_through_for_everybody() {
        let (mut recent, start) = (Recent::default(), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        for number in 0..MOST + 10 {
            recent.put(number, number % 2, start, |_| true);
        }
        assert_eq!((recent.len(), recent.get(&0), recent.get(&MOST)), (MOST, Some(&0), None));
        recent.put(MOST, 1, at(999), |odd| *odd == 1);
        assert_eq!((recent.len(), recent.get(&MOST)), (MOST, None), "not again yet");
        recent.put(MOST, 1, at(1000), |odd| *odd == 1);
        assert_eq!((recent.len(), recent.get(&0), recent.get(&MOST)), (MOST / 2 + 1, None, Some(&1)));
    }
}
