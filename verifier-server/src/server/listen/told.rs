//! Connections that have no place, and are told so: how many at once, and how many of one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::server::attempts::network;
use crate::server::hop::Hop;

/// So many are told at once; others are closed without a word.
const MOST: usize = 256;
/// So many of one address: whoever opens more than they may does not keep others from hearing why they have no place.
const MOST_OF_ONE: usize = 32;

/// Who is being told.
#[derive(Debug, Default)]
pub(super) struct Told(Mutex<Turns>);

#[derive(Debug, Default)]
struct Turns {
    all: usize,
    by_client: HashMap<IpAddr, usize>,
}

/// A turn to be told, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    told: Arc<Told>,
    /// `None`: a proxy, with many behind it.
    client: Option<IpAddr>,
}

impl Told {
    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A turn, where there is one.
    pub(super) fn turn(self: &Arc<Self>, hop: Hop) -> Option<Turn> {
        let client = (!hop.trusted).then_some(network(hop.peer));
        let mut turns = self.turns();
        if turns.all >= MOST {
            return None;
        }
        if let Some(client) = client {
            let of_client = turns.by_client.entry(client).or_default();
            if *of_client >= MOST_OF_ONE {
                return None;
            }
            *of_client += 1;
        }
        turns.all += 1;
        Some(Turn { told: Arc::clone(self), client })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut turns = self.told.turns();
        turns.all -= 1;
        let Some(client) = self.client else { return };
        if let Some(of_client) = turns.by_client.get_mut(&client) {
            *of_client -= 1;
            if *of_client == 0 {
                turns.by_client.remove(&client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_has_a_part_of_the_turns_and_a_proxy_all() {
        let told = Arc::new(Told::default());
        let turn = |last: u8, trusted| told.turn(Hop { peer: IpAddr::from([192, 0, 2, last]), trusted });
        let of_one: Vec<_> = (0..MOST).filter_map(|_| turn(1, false)).collect();
        assert_eq!(of_one.len(), MOST_OF_ONE);
        let mut of_a_proxy: Vec<_> = (0..MOST).filter_map(|_| turn(2, true)).collect();
        assert_eq!(of_a_proxy.len(), MOST - MOST_OF_ONE);
        assert!(turn(3, false).is_none());
        of_a_proxy.pop();
        assert!(turn(3, false).is_some() && turn(1, false).is_none());
        drop((of_one, of_a_proxy));
        let turns = told.turns();
        assert_eq!((turns.all, turns.by_client.len()), (0, 0));
    }
}
