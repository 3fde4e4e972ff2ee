//! Everything at once, as fast as it goes: with the verifier killed every so often, or left alone to see whether it grows.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::callers::Person;
use crate::honest::{Stop, calls_at_once, together};
use crate::results::{Results, listed};
use crate::scene::{Programs, Scene};
use crate::trouble::{self, Accepted, Kind};
use crate::upstream::Upstream;
use crate::{Outcome, Size};

const PEOPLE: usize = 32;
const MEBIBYTE: f64 = 1_048_576.0;
/// What an honest caller may hear while the verifier begins anew.
const BEGINNING: [&str; 5] =
    ["replay-unavailable", "connection refused", "connection reset", "unexpected end of file", "broken pipe"];

pub(crate) async fn run(programs: &Programs, size: &Size, is_killed: bool) -> Outcome<Results> {
    let upstream = Upstream::start().await?;
    let mut people = Person::many("honest", PEOPLE + 1)?;
    let trust: Vec<_> = people.iter().map(|person| person.trust()).collect();
    let lines = [format!("upstream = \"http://{}\"", upstream.address), format!("trust = {trust:?}")];
    let mut scene = Scene::new(programs, &lines)?;
    scene.start().await?;
    let troublemaker = people.pop().ok_or("nobody")?;

    let (accepted, stop, begin) = (Accepted::default(), Stop::default(), Instant::now());
    let to = scene.address;
    let watching = async {
        let (mut memory, mut kills, mut killed) = (Vec::new(), 0, Instant::now());
        while begin.elapsed() < size.mixed {
            tokio::time::sleep(Duration::from_secs(1)).await;
            memory.push(scene.memory()? as f64 / MEBIBYTE);
            if is_killed && killed.elapsed() >= size.kill {
                killed = Instant::now();
                scene.end(Signal::KILL).await?;
                scene.start().await?;
                kills += 1;
            }
        }
        stop.say();
        Outcome::Ok((memory, kills))
    };
    let calling = calls_at_once(&people, to, &stop, &accepted);
    let troubling = trouble::make(to, &troublemaker, &accepted, &stop);
    let (watched, logs, heard) = tokio::join!(watching, calling, troubling);
    let ((memory, kills), logs, heard) = (watched?, logs?, heard?);
    let seconds = begin.elapsed().as_secs_f64();
    scene.end(Signal::TERM).await?;

    let mut results = Results::new();
    let (log, evenness) = together(logs);
    results.row("length", seconds, "s");
    if is_killed {
        results.count("killed and started anew", kills);
    }
    results.row("accepted calls of honest callers", log.accepted.len() as f64 / seconds, "1/s");
    results.row("an honest call until it is accepted: median", log.percentile(50) / 1e3, "ms");
    results.row("an honest call until it is accepted: 99th percentile", log.percentile(99) / 1e3, "ms");
    results.row("the longest", log.longest().as_secs_f64(), "s");
    for (kind, said) in &heard {
        results.said(kind.name(), &listed(said));
    }
    judge_trouble(&mut results, &heard);
    results.none("honest callers who heard anything else than that it begins anew", {
        log.said.iter().filter(|said| !BEGINNING.contains(&said.as_str())).count()
    });
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

/// No answer is of another kind than is due, and none is a 5xx that is not about the beginning.
fn judge_trouble(results: &mut Results, heard: &trouble::HeardOf) {
    let is_due = |kind: Kind, what: &str| {
        kind.due().contains(&what) || BEGINNING.contains(&what) || (kind == Kind::CutOff && what == "nothing")
    };
    let wrong: usize = heard
        .iter()
        .flat_map(|(kind, said)| said.iter().filter(|(what, _)| !is_due(*kind, what)).map(|(_, count)| count))
        .sum();
    results.none("other answers than are due", wrong);
    let tried = Kind::ALL.iter().filter(|kind| heard.get(kind).is_some_and(|said| !said.is_empty())).count();
    results.at_least("kinds of trouble that were made", tried as f64, Kind::ALL.len() as f64);
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
