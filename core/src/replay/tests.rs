//! What a table does, counted and not timed.

use std::collections::HashMap;
use std::format;
use std::vec::Vec;

use proptest::prelude::*;

use super::slots::{Name, Slots};
use super::*;

extern crate std;

fn thumbprint(byte: u8) -> Thumbprint {
    crate::SigningKey::from_bytes(crate::Algorithm::Ed25519, &[byte; 32])
        .unwrap()
        .verifying_key()
        .thumbprint()
}

/// SipHash of a number, for names as the cache has them.
fn hash(number: u64) -> u128 {
    use core::hash::Hasher as _;
    use siphasher::sip128::Hasher128 as _;
    let mut hasher = siphasher::sip128::SipHasher24::new_with_key(&[9; 16]);
    hasher.write_u64(number);
    hasher.finish128().into()
}

/// Nobody who does not know the seed can choose nonces that collide.
#[test]
fn the_seed_the_key_and_the_nonce_decide_the_place() {
    let (keys, identity) = ([1, 2].map(thumbprint), Identity::new("alice").unwrap());
    let digest = |seed, keyid, nonce| {
        let keep_until = Timestamp::default();
        let nonce = NonceUse { keyid, nonce, keep_until, identity: &identity, fingerprint: None };
        format!("{:?}", ReplayKey::new([seed; 16]).hash(&nonce))
    };
    let first = digest(1, keys[0], "a");
    assert_eq!(digest(1, keys[0], "a"), first);
    for other in [digest(2, keys[0], "a"), digest(1, keys[1], "a"), digest(1, keys[0], "b")] {
        assert_ne!(other, first);
    }
    assert_eq!(format!("{:?}", ReplayKey::new([1; 16])), "ReplayKey");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Against a map; with names that crowd at the beginning, the end and one place in between, too.
    #[test]
    fn a_table_is_a_map(names in proptest::collection::vec((0..2000u64, 0..4u8), 1..3000), few in any::<bool>()) {
        let (mut table, mut map) = (Slots::new(), HashMap::new());
        for (number, crowd) in names {
            let number = if few { number % 40 } else { number };
            let hash = match crowd {
                0 => hash(number),
                1 => hash(number) >> 40,
                2 => hash(number) | (u128::MAX << 90),
                _ => (hash(number) >> 30) | (1 << 127),
            };
            let name = Name::of(hash);
            prop_assert_eq!(table.value(name), map.get(&(hash >> 48)).copied());
            table.update(name, |value| value + number + 1);
            *map.entry(hash >> 48).or_insert(0) += number + 1;
            prop_assert_eq!(table.value(name), map.get(&(hash >> 48)).copied());
            prop_assert_eq!(table.len(), map.len());
        }
        for (name, value) in map {
            prop_assert_eq!(table.value(Name::of(name << 48)), Some(value));
        }
    }
}

/// A name whose place is the next to move is in the old table, whoever asks.
#[test]
fn a_name_at_the_frontier_is_known() {
    let (mut table, mut names, mut met) = (Slots::new(), Vec::new(), 0);
    for number in 0..1500 {
        names.push(Name::of(hash(number)));
        table.update(names[names.len() - 1], |_| 7);
        for name in names.iter().filter(|name| table.is_next(**name)).copied().collect::<Vec<_>>() {
            table.update(name, |value| value + 1);
            assert!(table.value(name).is_some_and(|value| value > 7));
            assert_eq!(table.len(), names.len());
            met += 1;
        }
    }
    assert!(met > 20, "{met}");
}

/// Every insertion moves a few entries at most, and all of them some times each.
#[test]
fn no_insertion_does_the_work_of_many() {
    let (mut table, mut most, mut busy, count) = (Slots::new(), 0, 0, 300_000);
    for number in 0..count {
        let before = table.moved;
        table.update(Name::of(hash(number)), |_| 0);
        most = most.max(table.moved - before);
        busy += usize::from(table.moved > before);
    }
    let (moved, count) = (table.moved, usize::try_from(count).unwrap());
    assert!(most <= 1024, "{most} at once");
    assert!(moved <= 6 * count, "{moved} in all");
    assert!(moved >= count, "it grew");
    assert!(moved >= 16 * busy, "{busy} insertions had to move something");
}

/// A table of up to three segments moves at once, when more than three quarters of it are taken: there are never two of them.
#[test]
fn a_small_table_takes_its_slots_and_little_more() {
    let (mut table, mut size) = (Slots::new(), 16);
    for number in 0..360_u64 {
        table.update(Name::of(hash(number)), |_| 0);
        if table.len() * 4 > size * 3 {
            size += (size / 4).next_multiple_of(8);
        }
        let (taken, wanted) =
            (table.allocated_bytes(), size * 16 + size.div_ceil(128) * size_of::<Vec<u128>>());
        assert!((wanted..=wanted + 256).contains(&taken), "{taken} bytes for {size} slots at {number}");
    }
}

/// Four slots at a time.
#[test]
fn names_behind_the_last_place_take_little() {
    let mut table = Slots::new();
    for behind in 0..9_u8 {
        table.update(Name::of(u128::MAX - (u128::from(behind) << 48)), |_| 0);
        let slots = (16 + usize::from(behind)).next_multiple_of(4);
        assert_eq!(table.allocated_bytes(), slots * 16 + size_of::<Vec<u128>>());
    }
}

/// At every fill: with one identity, and with as many as there are nonces.
#[test]
fn a_nonce_takes_no_more_than_it_may_at_every_fill() {
    for (callers, few, many) in [(1, 40, 30), (u64::MAX, 80, 58)] {
        let mut cache = MemoryReplayCache::new(usize::MAX, [3; 16]).with_share(1 << 40);
        let (keyid, mut peaks) = (thumbprint(1), [0, 0]);
        for number in 0..100_000_u64 {
            let identity = Identity::new(&format!("caller-{}", number % callers)).unwrap();
            let (nonce, keep_until) = (format!("{number:022}"), Timestamp::from_unix(1000));
            let wanted =
                NonceUse { keyid, nonce: &nonce, keep_until, identity: &identity, fingerprint: None };
            cache.remember(&wanted, keep_until).unwrap();
            let peak = &mut peaks[usize::from(number >= 2000)];
            if number >= 40 && (number < 10_000 || number % 100 == 0) {
                *peak = (*peak).max(cache.allocated_bytes().div_ceil(cache.len()));
            }
        }
        assert!(
            peaks[0] <= few && peaks[1] <= many && peaks[1] > 21,
            "{peaks:?} bytes per nonce, {callers} callers"
        );
    }
}

/// What has expired goes a few segments at a time, and all of it in the end.
#[test]
fn no_use_gives_back_what_many_have_taken() {
    let mut cache = MemoryReplayCache::new(usize::MAX, [3; 16]);
    let (keyid, identity) = (thumbprint(1), Identity::new("alice").unwrap());
    let mut take = |number: u64, second: u64| {
        let (nonce, now) = (format!("{number:022}"), Timestamp::from_unix(second));
        let wanted =
            NonceUse { keyid, nonce: &nonce, keep_until: now, identity: &identity, fingerprint: None };
        cache.remember(&wanted, now).unwrap();
        cache.allocated_bytes()
    };
    let mut held = 0;
    for number in 0..200_000 {
        held = take(number, 1000);
    }
    let begun = held;
    for number in 0..1000 {
        let now = take(1_000_000 + number, 2000);
        // Eight segments, and the list of those of a table.
        assert!(held.saturating_sub(now) <= 8 * 2048 + 60_000, "{held} to {now}");
        held = now;
    }
    assert!(held < begun / 50, "{begun} to {held}");
}
