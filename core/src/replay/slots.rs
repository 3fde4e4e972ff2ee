//! A table that grows while it is used, so that no use of it waits for its growth.

use alloc::vec::Vec;
use core::hint::black_box;

/// 48 bits for each of many names of 80 bits, which are uniform, and which nobody can choose. None is ever removed.
///
/// Open addressing with linear probing, without a turn at the end: names are in the order of their numbers, but for the few steps
/// that one lies behind its place. When three quarters of the slots are taken, the entries move to a table a quarter larger, a few
/// with each insertion, from the first to the last; what is below the frontier is in the larger table, all else in the old one.
/// Both consist of small segments, which come when something is put there and go when it has moved on.
#[derive(Debug)]
pub(super) struct Slots {
    table: Table,
    larger: Option<Table>,
    /// Names whose place in the old table is below this one are in the larger one.
    frontier: usize,
    length: usize,
    /// How many entries have moved to a larger table so far.
    #[cfg(test)]
    pub(super) moved: usize,
}

/// A name in its place, above the 48 bits that belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name(u128);

/// How many bits belong to a name.
const VALUE: u32 = 48;
/// How many slots a table has at first.
const FIRST: usize = 16;
/// How many slots are in a segment: 2 KiB.
const SEGMENT: usize = 128;
/// A table of so few slots moves at once: two of them, in segments that are begun, would be much for what they hold.
const AT_ONCE: usize = 3 * SEGMENT;
/// How many slots of the old table are emptied with each insertion while it moves, and no fewer.
const STEP: usize = 32;

impl Name {
    /// The name that is the high 80 bits of a hash.
    pub(super) fn of(hash: u128) -> Self {
        // Zero marks an empty slot.
        Self((hash >> VALUE).max(1) << VALUE)
    }

    const fn is_of(self, entry: u128) -> bool {
        entry >> VALUE == self.0 >> VALUE
    }

    fn with(self, value: u64) -> u128 {
        self.0 | (u128::from(value) & ((1 << VALUE) - 1))
    }
}

fn value_of(entry: u128) -> u64 {
    u64::try_from(entry & ((1 << VALUE) - 1)).unwrap_or_default()
}

impl Slots {
    pub(super) const fn new() -> Self {
        Self {
            table: Table { segments: Vec::new(), size: FIRST },
            larger: None,
            frontier: 0,
            length: 0,
            #[cfg(test)]
            moved: 0,
        }
    }

    /// How many names it holds.
    pub(super) const fn len(&self) -> usize {
        self.length
    }

    /// What belongs to a name.
    pub(super) fn value(&self, name: Name) -> Option<u64> {
        let table = self.table_of(name);
        table.slot(table.find(name)).filter(|entry| *entry != 0).map(value_of)
    }

    /// Has the processor fetch the slot of a name, and does not wait for it.
    pub(super) fn touch(&self, name: Name) {
        let table = self.table_of(name);
        black_box(table.slot(table.place(name)));
    }

    /// Changes what belongs to a name, which is 0 for one that it does not hold, to the low 48 bits of what `change` gives.
    pub(super) fn update(&mut self, name: Name, change: impl FnOnce(u64) -> u64) {
        let table = self.table_of_mut(name);
        let at = table.find(name);
        let known = table.slot(at).unwrap_or_default();
        table.put(at, name.with(change(value_of(known))));
        if known != 0 {
            return;
        }
        self.length += 1;
        if self.larger.is_none() && self.length * 4 > self.table.size * 3 {
            let size = self.table.size;
            self.larger = Some(Table { segments: Vec::new(), size: size + (size / 4).next_multiple_of(8) });
        }
        self.advance();
    }

    /// Gives back a segment; whether there was one. The table is of no use afterwards.
    pub(super) fn free(&mut self) -> bool {
        let of_larger = self.larger.as_mut().and_then(|larger| larger.segments.pop());
        of_larger.or_else(|| self.table.segments.pop()).is_some()
    }

    /// The bytes that it has taken from the allocator. This looks at every segment.
    pub(super) fn allocated_bytes(&self) -> usize {
        self.table.allocated_bytes() + self.larger.as_ref().map_or(0, Table::allocated_bytes)
    }

    fn table_of(&self, name: Name) -> &Table {
        match &self.larger {
            Some(larger) if self.table.place(name) < self.frontier => larger,
            _ => &self.table,
        }
    }

    fn table_of_mut(&mut self, name: Name) -> &mut Table {
        match &mut self.larger {
            Some(larger) if self.table.place(name) < self.frontier => larger,
            _ => &mut self.table,
        }
    }

    /// Whether a name has its place where the next entry moves.
    #[cfg(test)]
    pub(super) fn is_next(&self, name: Name) -> bool {
        self.larger.is_some() && self.table.place(name) == self.frontier
    }

    /// Moves some entries to the larger table, if there is one.
    fn advance(&mut self) {
        let Some(larger) = &mut self.larger else { return };
        let step = if self.table.size <= AT_ONCE { usize::MAX } else { STEP };
        let end = self.frontier.saturating_add(step);
        while let Some(entry) = self.table.slot(self.frontier) {
            self.frontier += 1;
            if entry != 0 {
                larger.put(larger.find(Name::of(entry)), entry);
                #[cfg(test)]
                {
                    self.moved += 1;
                }
            }
            if self.frontier.is_multiple_of(SEGMENT) {
                self.table.give_back(self.frontier / SEGMENT - 1);
            }
            // Only behind an empty slot does nothing lie that has its place before it.
            if entry == 0 && self.frontier >= end {
                return;
            }
        }
        // That was the last one.
        if let Some(larger) = self.larger.take() {
            self.table = larger;
            self.frontier = 0;
        }
    }
}

/// Slots, in segments. Those that are not there are empty.
#[derive(Debug)]
struct Table {
    segments: Vec<Vec<u128>>,
    /// How many places there are. Entries may lie behind the last one.
    size: usize,
}

impl Table {
    /// Where a name belongs.
    fn place(&self, name: Name) -> usize {
        let size = u128::try_from(self.size).unwrap_or_default();
        usize::try_from(((name.0 >> 64) * size) >> 64).unwrap_or_default()
    }

    /// The slot of a name, or the empty one where it would be put.
    fn find(&self, name: Name) -> usize {
        let mut at = self.place(name);
        while let Some(rest) = self.segments.get(at / SEGMENT).and_then(|segment| segment.get(at % SEGMENT..))
        {
            match rest.iter().position(|entry| *entry == 0 || name.is_of(*entry)) {
                Some(steps) => return at + steps,
                None if rest.is_empty() => return at,
                None => at += rest.len(),
            }
        }
        at
    }

    fn slot(&self, at: usize) -> Option<u128> {
        self.segments.get(at / SEGMENT)?.get(at % SEGMENT).copied()
    }

    fn put(&mut self, at: usize, entry: u128) {
        while self.segments.len() <= at / SEGMENT {
            let begins = self.segments.len() * SEGMENT;
            // Small tables take little: they are many. What lies behind the last place gets no more than it needs.
            let length = self.size.saturating_sub(begins).min(SEGMENT);
            // Room for the list at once: it is never copied.
            if self.segments.is_empty() {
                self.segments.reserve_exact(self.size.div_ceil(SEGMENT));
            }
            self.segments.push(alloc::vec![0; length]);
        }
        if let Some(segment) = self.segments.get_mut(at / SEGMENT) {
            if segment.len() <= at % SEGMENT {
                let length = (at % SEGMENT + 1).next_multiple_of(4);
                segment.reserve_exact(length - segment.len());
                segment.resize(length, 0);
            }
            if let Some(slot) = segment.get_mut(at % SEGMENT) {
                *slot = entry;
            }
        }
    }

    fn give_back(&mut self, at: usize) {
        if let Some(segment) = self.segments.get_mut(at) {
            *segment = Vec::new();
        }
    }

    fn allocated_bytes(&self) -> usize {
        self.segments.iter().map(Vec::capacity).sum::<usize>() * size_of::<u128>()
            + self.segments.capacity() * size_of::<Vec<u128>>()
    }
}
