//! What honest callers notice while somebody leans on the verifier.

use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use envelope_core::Grant;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};
use tokio::task::JoinSet;

use crate::callers::{AUTHORITY, Call, Draft, Person};
use crate::client::Connection;
use crate::honest::{Log, Stop, calls_evenly, together};
use crate::results::{Heard, Results, listed};
use crate::scene::{Programs, Scene};
use crate::upstream::Upstream;
use crate::{Outcome, Size};

/// Honest calls a second, together.
const RATE: u32 = 200;
const PEOPLE: usize = 16;
/// Live nonces that an identity may hold here: few enough to be reached.
const SHARE: u64 = 10_000;
/// Of the connections that never end a request, how many must be open at once.
const SLOW: usize = 1900;
/// MiB of memory that it may hold after all of it.
const MEMORY: f64 = 256.0;
const MEBIBYTE: f64 = 1_048_576.0;

pub(crate) async fn run(programs: &Programs, size: &Size) -> Outcome<Results> {
    let upstream = Upstream::start().await?;
    let people = Person::many("honest", PEOPLE)?;
    let [mallory, oscar] = ["mallory", "oscar"].map(|name| Person::new(name).map(Arc::new));
    let (mallory, oscar) = (mallory?, oscar?);
    let trust: Vec<_> = people.iter().chain([&mallory, &oscar]).map(|person| person.trust()).collect();
    let mut scene = Scene::new(
        programs,
        &[
            format!("upstream = \"http://{}\"", upstream.address),
            format!("trust = {trust:?}"),
            format!("replay-share = {SHARE}"),
            // Else everybody here is one that speaks for many.
            "trusted-proxy = [\"127.0.0.1\"]".into(),
        ],
    )?;
    scene.start().await?;
    let mut results = Results::new();
    let to = scene.address;
    // Whoever has just begun is refused what was signed before.
    calls_evenly(&people, to, RATE, &Stop::after(Duration::from_secs(3))).await?;
    let quiet = honest(&mut results, "nobody", &people, to, &Stop::after(size.attack)).await?;
    let (before, mut calls) = (scene.memory()?, quiet.accepted.len());

    let attacks: [(&str, Attack); 4] = [
        ("slowloris, 2,000 connections that send a byte now and then", Attack::Slow),
        ("envelopes of fresh unknown keys, from 64 addresses", Attack::Strangers(size.strangers)),
        ("nonces of one valid key, as fast as they are taken", Attack::Flood(mallory)),
        (
            "certificates of one valid key, as large as they may be, each used once",
            Attack::Certificates(oscar),
        ),
    ];
    for (name, attack) in attacks {
        let (heard, stop, begin) = (Arc::<Mutex<Heard>>::default(), Stop::default(), Instant::now());
        let least = attack.least(size);
        let attacking = {
            let (heard, stop, length) = (Arc::clone(&heard), stop.clone(), size.attack);
            std::thread::spawn(move || {
                let sent = attack_in_the_background(attack, to, length, &heard);
                stop.say();
                sent
            })
        };
        let log = honest(&mut results, name, &people, to, &stop).await?;
        let (sent, most_open) = attacking.join().map_err(|_| "the attack ended")??;
        let seconds = begin.elapsed().as_secs_f64();
        let heard = std::mem::take(&mut *heard.lock().unwrap_or_else(PoisonError::into_inner));
        results.said(
            &format!("{name}: attackers"),
            &format!("{sent} requests in {seconds:.0} s, and heard {}", listed(&heard)),
        );
        let (what, count) = match least.code {
            Some(code) => (format!("heard as `{code}`"), heard.get(code).copied().unwrap_or_default()),
            None => ("connections open at once".into(), most_open),
        };
        results.at_least(&format!("{name}: {what}"), count as f64, least.count as f64);
        if least.is_all {
            results.none(&format!("{name}: not {what}"), sent.saturating_sub(count));
        }
        results.at_most(
            &format!("{name}: honest 99th percentile beside its quiet value"),
            log.percentile(99) / quiet.percentile(99),
            3.0,
        );
        results.none(&format!("{name}: honest calls that were not accepted at once"), log.said.len());
        calls += log.accepted.len();
        // What the attack has left behind goes first.
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    let after = scene.memory()?;
    results.count("honest calls", calls);
    results.row("memory before the attacks", before as f64 / MEBIBYTE, "MiB");
    results.at_most("memory after them, in MiB", after as f64 / MEBIBYTE, MEMORY);
    scene.end(rustix::process::Signal::TERM).await?;
    let receipts = scene.receipts().await?;
    println!("{} lines of receipts, {} MiB", receipts.lines, receipts.bytes >> 20);
    receipts.judge(&mut results)?;
    Ok(results)
}

/// Honest people call until it is said to stop: all of their calls must be made, and by everybody.
async fn honest(
    results: &mut Results,
    name: &str,
    people: &[Arc<Person>],
    to: SocketAddr,
    stop: &Stop,
) -> Outcome<Log> {
    let begin = Instant::now();
    let (log, evenness) = together(calls_evenly(people, to, RATE, stop).await?);
    let due = f64::from(RATE) * begin.elapsed().as_secs_f64();
    results.row(&format!("{name}: median"), log.percentile(50), "µs");
    results.row(&format!("{name}: 99th percentile"), log.percentile(99), "µs");
    results.row(&format!("{name}: the longest"), log.longest().as_secs_f64() * 1e6, "µs");
    results.count(&format!("{name}: honest calls that were due and not accepted at the end"), log.owed);
    results.at_least(
        &format!("{name}: honest calls that were accepted, beside those due"),
        log.accepted.len() as f64 / due,
        0.98,
    );
    results.at_least(
        &format!("{name}: the honest caller with fewest calls, beside the median"),
        evenness,
        0.9,
    );
    Ok(log)
}

enum Attack {
    Slow,
    /// So many, until they are all sent.
    Strangers(usize),
    Flood(Arc<Person>),
    Certificates(Arc<Person>),
}

/// What must have come of an attack, else nobody has leant on anything.
struct Least {
    /// What was heard; else connections are counted that are open at once.
    code: Option<&'static str>,
    count: usize,
    /// Whether nothing else may be heard.
    is_all: bool,
}

impl Attack {
    const fn least(&self, size: &Size) -> Least {
        match self {
            Self::Slow => Least { code: None, count: SLOW, is_all: false },
            Self::Strangers(count) => Least { code: Some("bad-signature"), count: *count, is_all: true },
            Self::Flood(_) | Self::Certificates(_) => {
                Least { code: Some("200"), count: size.taken, is_all: false }
            }
        }
    }

    /// From where, and over how many connections from each.
    fn from(&self) -> (Vec<Ipv4Addr>, usize) {
        let network = |count: u8| (1..=count).map(|last| Ipv4Addr::new(127, 0, 2, last)).collect();
        match self {
            Self::Slow => (network(8), 250),
            Self::Strangers(_) => (network(64), 8),
            Self::Flood(_) => (network(1), 256),
            Self::Certificates(_) => (network(1), 64),
        }
    }

    fn sign(&self) -> Outcome<Call> {
        let draft = Draft { length: 64, ..Draft::default() };
        match self {
            Self::Slow => Err("nothing is signed".into()),
            Self::Strangers(_) => Person::new("stranger")?.sign(draft),
            Self::Flood(person) => person.sign(draft),
            Self::Certificates(person) => {
                // As many packs as go into a Signature-Key of 8 KiB.
                let packs = (0..160).map(|number| format!("{number:030}")).chain(["soak".into()]);
                person.recertified(Grant::everything().audience(packs))?.sign(draft)
            }
        }
    }
}

pub(crate) fn pin(core: usize) -> Outcome<()> {
    let mut here = CpuSet::new();
    here.set(core);
    Ok(sched_setaffinity(None, &here)?)
}

/// Whoever attacks has more connections than one may usually have.
pub(crate) fn take_descriptors() -> Outcome<()> {
    let limit = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?)
}

/// Gives how many requests were sent, and how many connections were open at once.
///
/// Whoever attacks must not keep honest callers from their processor: that would be measured, and is not the verifier's.
fn attack_in_the_background(
    attack: Attack,
    to: SocketAddr,
    length: Duration,
    heard: &Arc<Mutex<Heard>>,
) -> Outcome<(usize, usize)> {
    rustix::process::nice(19)?;
    let (until, (addresses, each)) = (Instant::now() + length, attack.from());
    let is_slow = matches!(attack, Attack::Slow);
    let count = if let Attack::Strangers(count) = attack { Some(count) } else { None };
    let (attack, sent) = (Rc::new(attack), Rc::new(Cell::new(0)));
    let next = move || {
        let is_over = count.map_or_else(|| Instant::now() >= until, |count| sent.get() >= count);
        sent.set(sent.get() + 1);
        (!is_over).then(|| attack.sign())
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let (mut attacking, open) = (JoinSet::new(), Rc::new(Open::default()));
        for from in addresses {
            for _ in 0..each {
                let heard = Arc::clone(heard);
                if is_slow {
                    attacking.spawn_local(dribble(to, from, until, heard, Rc::clone(&open)));
                } else {
                    attacking.spawn_local(fire(to, from, next.clone(), heard));
                }
            }
        }
        let mut sent = 0;
        while let Some(done) = attacking.join_next().await {
            sent += done??;
        }
        Ok((sent, open.most.get()))
    })
}

/// Connections that are open, and how many there were at the most.
#[derive(Default)]
struct Open {
    now: Cell<usize>,
    most: Cell<usize>,
}

impl Open {
    fn begin(&self) {
        self.now.set(self.now.get() + 1);
        self.most.set(self.most.get().max(self.now.get()));
    }

    fn end(&self) {
        self.now.set(self.now.get().saturating_sub(1));
    }
}

fn hear(heard: &Mutex<Heard>, what: String) {
    *heard.lock().unwrap_or_else(PoisonError::into_inner).entry(what).or_default() += 1;
}

/// Sends one call after the other, and connects again when it is thrown out.
async fn fire(
    to: SocketAddr,
    from: Ipv4Addr,
    next: impl Fn() -> Option<Outcome<Call>>,
    heard: Arc<Mutex<Heard>>,
) -> Outcome<usize> {
    let (mut connection, mut sent) = (None, 0);
    while let Some(call) = next() {
        let call = call?;
        sent += 1;
        let open = match connection.take() {
            Some(open) => Ok(open),
            None => Connection::open(to, from).await,
        };
        let answer = match open {
            Ok(mut open) => open.exchange(&call.bytes).await.map(|answer| (open, answer)),
            Err(error) => Err(error),
        };
        match answer {
            Ok((open, answer)) => {
                hear(&heard, answer.said());
                connection = (!answer.closes).then_some(open);
            }
            Err(error) => {
                hear(&heard, error.kind().to_string());
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    Ok(sent)
}

/// Sends the header of a request that never ends, a byte at a time.
async fn dribble(
    to: SocketAddr,
    from: Ipv4Addr,
    until: Instant,
    heard: Arc<Mutex<Heard>>,
    open: Rc<Open>,
) -> Outcome<usize> {
    let mut sent = 0;
    while Instant::now() < until {
        let mut connection = match Connection::open(to, from).await {
            Ok(connection) => connection,
            Err(error) => {
                hear(&heard, format!("not connected: {}", error.kind()));
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let started = async {
            connection.send(format!("GET / HTTP/1.1\r\nHost: {AUTHORITY}\r\nX-Slow: ").as_bytes()).await?;
            // Only what has begun a request counts.
            sent += 1;
            open.begin();
            let ended = async {
                while Instant::now() < until {
                    tokio::select! {
                        answer = connection.answer() => return answer,
                        () = tokio::time::sleep(Duration::from_secs(2)) => {}
                    }
                    connection.send(b"x").await?;
                }
                Err(std::io::ErrorKind::TimedOut.into())
            };
            let ended = ended.await;
            open.end();
            ended
        };
        match started.await {
            Ok(answer) => hear(&heard, answer.said()),
            Err(error) => hear(&heard, error.kind().to_string()),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(sent)
}
