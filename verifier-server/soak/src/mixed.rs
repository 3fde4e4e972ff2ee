//! Everything at once, as fast as it goes: with the verifier killed every so often, or left alone to see whether it grows.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::callers::Person;
use crate::honest::{Odd, Stop, calls_at_once, together};
use crate::results::{Results, listed};
use crate::scene::{Programs, Scene};
use crate::trouble::{self, Kept, Kind, ToldOf};
use crate::upstream::Upstream;
use crate::{Outcome, Size};

const PEOPLE: usize = 32;
const MEBIBYTE: f64 = 1_048_576.0;
/// What a caller may hear while the verifier begins anew, and for how long after it was killed.
const BEGINNING: [&str; 5] =
    ["replay-unavailable", "connection refused", "connection reset", "unexpected end of file", "broken pipe"];
const ANEW: Duration = Duration::from_secs(12);
/// The longest that an honest call may take, in seconds: where the verifier is killed, and where it is left alone.
const LONGEST: [f64; 2] = [15.0, 2.0];

pub(crate) async fn run(programs: &Programs, size: &Size, is_killed: bool) -> Outcome<Results> {
    let upstream = Upstream::start().await?;
    let mut people = Person::many("honest", PEOPLE + 1)?;
    let trust: Vec<_> = people.iter().map(|person| person.trust()).collect();
    let lines = [format!("upstream = \"http://{}\"", upstream.address), format!("trust = {trust:?}")];
    let mut scene = Scene::new(programs, &lines)?;
    scene.start().await?;
    let troublemaker = people.pop().ok_or("nobody")?;
    // Whoever has just begun refuses what was signed before.
    tokio::time::sleep(Duration::from_secs(2)).await;

    let (kept, stop, begin) = (Kept::default(), Stop::default(), Instant::now());
    let to = scene.address;
    let watching = async {
        let (mut memory, mut kills, mut killed) = (Vec::new(), Kills::default(), Instant::now());
        while begin.elapsed() < size.mixed {
            tokio::time::sleep(Duration::from_secs(1)).await;
            memory.push(scene.memory()? as f64 / MEBIBYTE);
            if is_killed && killed.elapsed() >= size.kill {
                killed = Instant::now();
                kills.0.push(killed);
                scene.end(Signal::KILL).await?;
                scene.start().await?;
            }
        }
        stop.say();
        Outcome::Ok((memory, kills))
    };
    let calling = calls_at_once(&people, to, &stop, &kept);
    let troubling = trouble::make(to, &troublemaker, &kept, &stop);
    let (watched, logs, told) = tokio::join!(watching, calling, troubling);
    let ((memory, kills), logs, told) = (watched?, logs?, told?);
    let seconds = begin.elapsed().as_secs_f64();
    scene.end(Signal::TERM).await?;

    let mut results = Results::new();
    let (log, evenness) = together(logs);
    results.row("length", seconds, "s");
    if is_killed {
        results.count("killed and started anew", kills.0.len());
    }
    results.row("accepted calls of honest callers", log.accepted.len() as f64 / seconds, "1/s");
    results.row("an honest call until it is accepted: median", log.percentile(50) / 1e3, "ms");
    results.row("an honest call until it is accepted: 99th percentile", log.percentile(99) / 1e3, "ms");
    let [killed, left_alone] = LONGEST;
    results.at_most("the longest, in seconds", log.longest().as_secs_f64(), {
        if is_killed { killed } else { left_alone }
    });
    for (kind, told) in &told {
        results.said(kind.name(), &listed(&told.heard));
    }
    judge_trouble(&mut results, &told, &kills);
    results.none(
        "what honest callers heard besides 200, where it was not killed within 12 s before",
        kills.count_unforgiven("honest callers", &log.said),
    );
    results.at_least("the honest caller with fewest calls, beside the median", evenness, 0.5);

    let seen = upstream.take_seen();
    let receipts = scene.receipts().await?;
    results.count("calls that reached the upstream", seen.len());
    results.count("lines of the audit log", usize::try_from(receipts.lines)?);
    results.row("the audit log", receipts.bytes as f64 / MEBIBYTE, "MiB");
    results.row(
        "all of it verified, every signature",
        receipts.lines as f64 / receipts.seconds,
        "lines a second",
    );
    receipts.judge(&mut results)?;
    results.none("calls that reached the upstream twice", seen.values().filter(|times| **times > 1).count());
    results.none(
        "calls that were answered and did not reach it",
        log.accepted.iter().filter(|id| !seen.contains_key(*id)).count(),
    );
    results.none(
        "calls that reached it without a receipt",
        seen.keys().filter(|id| !receipts.allowed.contains_key(*id)).count(),
    );
    results.none("calls with two receipts", receipts.allowed.values().filter(|times| **times > 1).count());
    results.none("requests that reached it and are no call", usize::try_from(upstream.strange())?);
    if !is_killed {
        grows(&mut results, &memory);
    }
    Ok(results)
}

/// When the verifier was killed.
#[derive(Default)]
struct Kills(Vec<Instant>);

impl Kills {
    /// Whether it is only that the verifier has begun anew. What was signed before that is refused as long as it has not expired.
    fn forgive(&self, odd: &Odd) -> bool {
        let at = if odd.what == "replay-unavailable" { odd.signed } else { odd.heard };
        let is_after = |killed: &Instant| *killed <= odd.heard && at <= *killed + ANEW;
        BEGINNING.contains(&odd.what.as_str()) && self.0.iter().any(is_after)
    }

    fn count_unforgiven(&self, whose: &str, all: &[Odd]) -> usize {
        let unforgiven: Vec<_> = all.iter().filter(|odd| !self.forgive(odd)).collect();
        for odd in unforgiven.iter().take(5) {
            println!("WRONG: {whose}: {}", odd.what);
        }
        unforgiven.len()
    }
}

/// No answer is another one than is due, and of each kind there is one that shows that it was tried.
fn judge_trouble(results: &mut Results, told: &ToldOf, kills: &Kills) {
    let wrong = told.iter().map(|(kind, told)| kills.count_unforgiven(kind.name(), &told.odd)).sum();
    results.none("other answers than are due", wrong);
    let is_tried = |kind: &&Kind| {
        told.get(kind).is_some_and(|told| kind.wanted().iter().any(|what| told.heard.contains_key(*what)))
    };
    let tried = Kind::ALL.iter().filter(is_tried).count();
    results.at_least(
        "kinds of trouble of which an answer was heard that is due",
        tried as f64,
        Kind::ALL.len() as f64,
    );
}

/// What the verifier holds at the most in the last quarter, beside the second, when the replay cache is as full as it gets.
fn grows(results: &mut Results, memory: &[f64]) {
    let most = |part: &[f64]| part.iter().copied().fold(0.0, f64::max);
    let quarter = memory.len() / 4;
    let (second, last) = (memory.get(quarter..2 * quarter), memory.get(3 * quarter..));
    let (second, last) = (most(second.unwrap_or_default()), most(last.unwrap_or_default()));
    results.row("memory, second quarter", second, "MiB");
    results.row("memory, last quarter", last, "MiB");
    results.at_most("memory in the last quarter, beside the second", last / second, 1.05);
}
