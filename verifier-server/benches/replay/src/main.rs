//! The replay cache at a thousand, a million and thirty million live nonces, beside what people take in its place. Prints a
//! table, and writes `core/benches/results/replay.json`.
//!
//! Times are those that threads have worked, so that others on the machine do not count; only what several threads get done
//! in a second is by the clock.

mod allocator;
mod caches;
mod clock;
mod results;

use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use caches::{Arrival, Cache, Hash, Moka, Nothing, Ours, Quick, Wire};
use clock::worked;
use results::Results;

/// How many nonces the caches may hold.
const CAPACITY: usize = 40_000_000;
const MILLION: usize = 1_000_000;
const FILLS: [(&str, usize); 3] =
    [("1 thousand", 1000), ("1 million", MILLION), ("30 million", 30 * MILLION)];
/// Inserts by which the time of one is measured; of three rounds the best counts.
const TIMED: usize = 100_000;
const ROUNDS: usize = 3;

fn main() {
    let mut results = Results::default();
    let begun = Instant::now();
    thousand(&mut results);
    let ours = million::<Ours>(&mut results);
    million::<Hash>(&mut results);
    million::<Moka>(&mut results);
    million::<Quick>(&mut results);
    results.goal("µs per insert at a million live nonces", ours[0].work / 1000.0, 0.5, "at most");
    results.goal(
        "inserts a second of two threads, over those of one",
        ours[1].rate / ours[0].rate,
        1.6,
        "at least",
    );
    nothing(&mut results);
    let (worst, pause) = growth::<Ours>(&mut results);
    let (_, others) = growth::<Hash>(&mut results);
    results.goal("bytes per live nonce at the worst fill", worst, 40.0, "at most");
    results.goal("the longest insert while it grows, over that of a HashSet", pause / others, 0.1, "at most");
    steady(&mut results);
    expiry(&mut results);
    recall(&mut results);
    println!("\n{:.0} s in all", begun.elapsed().as_secs_f64());
    results.write();
}

fn nanoseconds(time: Duration, count: usize) -> f64 {
    time.as_secs_f64() * 1e9 / count as f64
}

/// Inserts into a cache that holds a thousand nonces. It does not for long: it is made anew after every thousand.
fn thousand(results: &mut Results) {
    const CACHES: usize = 200;
    memory_of::<Hash>(results, FILLS[0].0, FILLS[0].1);
    memory_of::<Moka>(results, FILLS[0].0, FILLS[0].1);
    memory_of::<Quick>(results, FILLS[0].0, FILLS[0].1);
    let wires: Vec<Wire> = (0..2000).map(Wire::new).collect();
    let mut work = Duration::ZERO;
    for _ in 0..CACHES {
        let cache = Ours::new(CAPACITY);
        wires[..1000].iter().for_each(|wire| cache.insert(&wire.arrival(0)));
        let begun = worked();
        wires[1000..].iter().for_each(|wire| cache.insert(&wire.arrival(0)));
        work += worked() - begun;
    }
    results.row("insert, 1 thousand live nonces, 1 thread", nanoseconds(work, CACHES * 1000), "ns");
}

fn memory_of<C: Cache>(results: &mut Results, name: &str, size: usize) -> C {
    let before = allocator::held();
    let cache = C::new(CAPACITY.min(size * 2));
    for number in 0..size {
        cache.insert(&Arrival::within_a_minute(number, size));
    }
    cache.settle();
    let each = (allocator::held() - before) as f64 / size as f64;
    results.row(&format!("memory, {name} live nonces{}", C::SUFFIX), each, "bytes per nonce");
    cache
}

/// What threads do with a cache.
struct Speed {
    /// Nanoseconds of work per insert.
    work: f64,
    /// Inserts per second.
    rate: f64,
}

/// Inserts into a cache that holds a million.
fn million<C: Cache>(results: &mut Results) -> [Speed; 3] {
    let cache: C = memory_of(results, FILLS[1].0, FILLS[1].1);
    let mut next = MILLION;
    [1, 2, 4].map(|threads| time_inserts(results, FILLS[1].0, &cache, &mut next, threads))
}

fn time_inserts<C: Cache>(
    results: &mut Results,
    name: &str,
    cache: &C,
    next: &mut usize,
    threads: usize,
) -> Speed {
    let mut best = Speed { work: f64::INFINITY, rate: 0.0 };
    for _ in 0..ROUNDS {
        let share = TIMED / threads;
        let wires: Vec<Vec<Wire>> = (0..threads)
            .map(|thread| {
                (0..share).map(|number| Wire::new((*next + thread * share + number) as u64)).collect()
            })
            .collect();
        *next += TIMED;
        let barrier = Barrier::new(threads);
        let insert = |wires: &Vec<Wire>| {
            barrier.wait();
            let (began, begun) = (worked(), Instant::now());
            wires.iter().for_each(|wire| cache.insert(&wire.arrival(60)));
            (worked() - began, begun, Instant::now())
        };
        let spans: Vec<(Duration, Instant, Instant)> = std::thread::scope(|scope| {
            let handles: Vec<_> = wires.iter().map(|wires| scope.spawn(|| insert(wires))).collect();
            handles.into_iter().map(|handle| handle.join().unwrap()).collect()
        });
        let work = spans.iter().map(|span| span.0).sum();
        let begun = spans.iter().map(|span| span.1).min().unwrap();
        let ended = spans.iter().map(|span| span.2).max().unwrap();
        best.work = best.work.min(nanoseconds(work, TIMED));
        best.rate = best.rate.max(TIMED as f64 / (ended - begun).as_secs_f64());
    }
    let threads = if threads == 1 { "1 thread".into() } else { format!("{threads} threads") };
    results.row(&format!("insert, {name} live nonces, {threads}{}", C::SUFFIX), best.work, "ns");
    let what = format!("inserts a second, {name} live nonces, {threads}{}", C::SUFFIX);
    results.row(&what, best.rate / 1e6, "million");
    best
}

/// What the machine alone makes one turn in three million wait.
fn nothing(results: &mut Results) {
    let (cache, mut pauses) = (Nothing::new(CAPACITY), Pauses::new());
    for number in 0..3 * MILLION {
        let arrival = Arrival::at(number as u64, 0);
        pauses.time(|| cache.insert(&arrival));
    }
    pauses.tell(results, "no cache at all");
}

/// From nothing to thirty million that come within a minute: the memory at every fill, and each insert by itself. Gives the worst
/// fill, and the longest insert.
fn growth<C: Cache>(results: &mut Results) -> (f64, f64) {
    let last = 30 * MILLION;
    let before = allocator::held();
    let (cache, mut pauses) = (C::new(CAPACITY), Pauses::new());
    let (mut worst, mut next) = (0.0_f64, 1000);
    for number in 0..last {
        let arrival = Arrival::within_a_minute(number, last);
        pauses.time(|| cache.insert(&arrival));
        let fill = number + 1;
        if fill == next {
            let each = (allocator::held() - before) as f64 / fill as f64;
            worst = worst.max(each);
            if let Some((name, _)) = FILLS.iter().find(|(_, size)| *size == fill) {
                results.row(
                    &format!("memory, {name} live nonces, on the way to 30 million{}", C::SUFFIX),
                    each,
                    "bytes per nonce",
                );
            }
            let step = fill + fill / 200;
            next = FILLS.iter().map(|(_, size)| *size).find(|size| *size > fill).unwrap_or(last).min(step);
        }
    }
    results.row(
        &format!("memory, the worst fill from 1 thousand to 30 million{}", C::SUFFIX),
        worst,
        "bytes per nonce",
    );
    let pause = pauses.tell(results, &format!("growth to 30 million{}", C::SUFFIX));
    let mut next = last;
    for threads in [1, 2, 4] {
        time_inserts(results, FILLS[2].0, &cache, &mut next, threads);
    }
    (worst, pause)
}

/// Twenty thousand requests a second for five minutes: what has expired is held until its epoch ends, and is counted here.
fn steady(results: &mut Results) {
    const RATE: u64 = 20_000;
    let before = allocator::held();
    let cache = Ours::new(CAPACITY);
    let mut worst = 0.0_f64;
    for second in 0..300 {
        for number in 0..RATE {
            cache.insert(&Arrival::at(second * RATE + number, second));
        }
        if second >= 66 {
            // What was signed in the last 66 seconds is good still.
            worst = worst.max((allocator::held() - before) as f64 / (66 * RATE) as f64);
        }
    }
    let what = "memory, 20,000 requests a second, with what has expired, the worst second";
    results.row(what, worst, "bytes per nonce that is good still");
    results.goal("bytes per nonce that is good still, under steady load", worst, 40.0, "at most");
}

/// Ten million nonces expire at once, while others arrive.
fn expiry(results: &mut Results) {
    let cache = Ours::new(CAPACITY);
    for number in 0..10 * MILLION {
        cache.insert(&Arrival::at(number as u64, 0));
    }
    let mut pauses = Pauses::new();
    for number in 10 * MILLION..11 * MILLION {
        let arrival = Arrival::at(number as u64, 200);
        pauses.time(|| cache.insert(&arrival));
    }
    pauses.tell(results, "10 million expire, 1 million arrive");
}

/// What an accepted request pays for being known again.
fn recall(results: &mut Results) {
    let cache = Ours::new(CAPACITY);
    for number in 0..MILLION {
        cache.insert(&Arrival::within_a_minute(number, MILLION));
    }
    let wires: Vec<Wire> = (0..TIMED).map(|number| Wire::new((2 * MILLION + number) as u64)).collect();
    let base = [b'm'; 1400];
    let begun = worked();
    for wire in &wires {
        black_box(cache.recall(&wire.arrival(60), black_box(&base)));
    }
    let each = nanoseconds(worked() - begun, wires.len());
    results.row("recall of a signature over 1,400 bytes, 1 million live nonces", each, "ns");
}

/// How long single inserts took, in steps of a sixteenth. To ask for the time that the thread has worked takes long: only after an
/// insert that took long by the clock it is, with what was done since the question before.
struct Pauses {
    counts: Vec<u64>,
    longest: u64,
    asked: Duration,
    since: u32,
}

impl Pauses {
    fn new() -> Self {
        Self { counts: Vec::new(), longest: 0, asked: worked(), since: 0 }
    }

    fn time(&mut self, insert: impl FnOnce()) {
        const LONG: u64 = 10_000;
        let begun = Instant::now();
        insert();
        let mut nanoseconds = begun.elapsed().as_nanos() as u64;
        self.since += 1;
        if nanoseconds > LONG || self.since == 16 {
            let now = worked();
            nanoseconds = nanoseconds.min((now - self.asked).as_nanos() as u64);
            (self.asked, self.since) = (now, 0);
        }
        self.longest = self.longest.max(nanoseconds);
        let step = ((nanoseconds.max(1) as f64).log2() * 16.0) as usize;
        if self.counts.len() <= step {
            self.counts.resize(step + 1, 0);
        }
        self.counts[step] += 1;
        if nanoseconds > 1_000_000 && std::env::var_os("SPIKES").is_some() {
            eprintln!("spike {nanoseconds} ns at {}", self.counts.iter().sum::<u64>());
        }
    }

    /// Gives the longest, in microseconds.
    fn tell(&self, results: &mut Results, what: &str) -> f64 {
        let all: u64 = self.counts.iter().sum();
        for (name, fraction) in [("p50", 0.5), ("p99.99", 0.9999)] {
            let mut below = 0;
            let step = self.counts.iter().position(|count| {
                below += count;
                below as f64 >= all as f64 * fraction
            });
            let nanoseconds = ((step.unwrap_or(0) + 1) as f64 / 16.0).exp2();
            results.row(&format!("{what}, one insert, {name}"), nanoseconds / 1000.0, "µs");
        }
        let longest = self.longest as f64 / 1000.0;
        results.row(&format!("{what}, one insert, the longest"), longest, "µs");
        longest
    }
}
