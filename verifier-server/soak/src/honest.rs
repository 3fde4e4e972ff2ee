//! Callers that do nothing wrong: they sign, call, and sign again where they are told to.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::Outcome;
use crate::callers::{Call, Draft, Id, Person};
use crate::client::{Answer, Connection};
use crate::trouble::Kept;

pub(crate) const FROM: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);

/// Of what each was let through with, how much is kept to be sent again.
const LAST: usize = 3;

/// When callers stop.
#[derive(Clone, Default)]
pub(crate) struct Stop(Arc<watch::Sender<bool>>);

impl Stop {
    pub(crate) fn after(length: Duration) -> Self {
        let stop = Self::default();
        let later = stop.clone();
        tokio::spawn(async move {
            tokio::time::sleep(length).await;
            later.say();
        });
        stop
    }

    pub(crate) fn say(&self) {
        self.0.send_replace(true);
    }

    pub(crate) fn is_said(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is said.
    async fn said(&self) {
        // It cannot end otherwise: what says it is held here.
        let _ = self.0.subscribe().wait_for(|is_said| *is_said).await;
    }
}

/// Something other than what is due, of one call.
pub(crate) struct Odd {
    pub(crate) signed: Instant,
    pub(crate) heard: Instant,
    pub(crate) what: String,
}

impl Odd {
    pub(crate) fn of(call: &Call, what: String) -> Self {
        Self { signed: call.signed, heard: Instant::now(), what }
    }
}

/// What became of one's calls.
#[derive(Default)]
pub(crate) struct Log {
    /// The calls that were answered by 200.
    pub(crate) accepted: HashSet<Id>,
    /// From the first try to the answer; of a call that was due and not accepted, to the end.
    pub(crate) took: Vec<Duration>,
    /// How many were due and not accepted before the end.
    pub(crate) owed: usize,
    /// Answers other than 200, and connections that ended, by what was said.
    pub(crate) said: Vec<Odd>,
    /// The calls of which nobody knows what became: the connection ended.
    pub(crate) unanswered: HashSet<Id>,
}

impl Log {
    pub(crate) fn join(&mut self, other: Self) {
        self.accepted.extend(other.accepted);
        self.took.extend(other.took);
        self.owed += other.owed;
        self.said.extend(other.said);
        self.unanswered.extend(other.unanswered);
    }

    /// The least that so many hundredths of the calls did not exceed, in microseconds.
    pub(crate) fn percentile(&self, hundredths: usize) -> f64 {
        let mut took = self.took.clone();
        took.sort_unstable();
        let at = (took.len() * hundredths / 100).min(took.len().saturating_sub(1));
        took.get(at).map_or(0.0, |took| took.as_secs_f64() * 1e6)
    }

    pub(crate) fn longest(&self) -> Duration {
        self.took.iter().max().copied().unwrap_or_default()
    }
}

pub(crate) struct Caller {
    person: Arc<Person>,
    to: SocketAddr,
    from: Ipv4Addr,
    connection: Option<Connection>,
    last: VecDeque<Call>,
    /// Calls that were sent and whose answer was lost.
    lost: Vec<Call>,
    pub(crate) log: Log,
}

impl Caller {
    pub(crate) fn new(person: Arc<Person>, to: SocketAddr, from: Ipv4Addr) -> Self {
        Self {
            person,
            to,
            from,
            connection: None,
            last: VecDeque::new(),
            lost: Vec::new(),
            log: Log::default(),
        }
    }

    /// One call, until it is accepted; gives the one that was.
    pub(crate) async fn call(&mut self, due: Instant) -> Outcome<Call> {
        let mut call = self.person.sign(Draft::default())?;
        let begin = match due.checked_duration_since(Instant::now()) {
            // What the timer is late by is not the verifier's.
            Some(early) => {
                tokio::time::sleep(early).await;
                Instant::now()
            }
            None => due,
        };
        loop {
            let pause = match self.try_once(&call.bytes).await {
                Ok(Answer { status: 200, .. }) => {
                    self.log.accepted.insert(call.id.clone());
                    self.log.took.push(begin.elapsed());
                    return Ok(call);
                }
                Ok(answer) => {
                    self.log.said.push(Odd::of(&call, answer.said()));
                    Duration::from_secs(answer.retry_after.unwrap_or(1).min(1))
                }
                Err(error) => {
                    self.connection = None;
                    self.log.said.push(Odd::of(&call, error.kind().to_string()));
                    if error.kind() != io::ErrorKind::ConnectionRefused {
                        self.lost.push(call);
                    }
                    Duration::from_millis(20)
                }
            };
            tokio::time::sleep(pause).await;
            call = self.person.sign(Draft::default())?;
        }
    }

    /// One try; gives what came of it.
    pub(crate) async fn attempt(&mut self) -> Outcome<String> {
        let call = self.person.sign(Draft::default())?;
        Ok(match self.try_once(&call.bytes).await {
            Ok(answer) => {
                if answer.status == 200 {
                    self.log.accepted.insert(call.id.clone());
                    self.last.truncate(LAST - 1);
                    self.last.push_front(call);
                }
                answer.said()
            }
            Err(error) => {
                self.connection = None;
                self.log.unanswered.insert(call.id);
                error.kind().to_string()
            }
        })
    }

    /// Sends what was sent before; gives what came of it. What nobody answers is tried some times.
    pub(crate) async fn send_again(&mut self, call: &Call) -> String {
        let mut said = String::new();
        for _ in 0..20 {
            match self.try_once(&call.bytes).await {
                Ok(answer) => return answer.said(),
                Err(error) => said = error.kind().to_string(),
            }
            self.connection = None;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        said
    }

    /// The last that were accepted, since this was asked.
    pub(crate) fn take_last(&mut self) -> VecDeque<Call> {
        std::mem::take(&mut self.last)
    }

    async fn try_once(&mut self, bytes: &[u8]) -> io::Result<Answer> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(Connection::open(self.to, self.from).await?),
        };
        let answer = connection.exchange(bytes).await?;
        if answer.closes {
            self.connection = None;
        }
        Ok(answer)
    }
}

/// Everybody calls now and then, evenly, until it is said to stop: so many calls a second together; the logs one by one.
///
/// Whoever is stalled owes every call that was due meanwhile: each counts by how late it is at the end.
pub(crate) async fn calls_evenly(
    people: &[Arc<Person>],
    to: SocketAddr,
    per_second: u32,
    stop: &Stop,
) -> Outcome<Vec<Log>> {
    let count = u32::try_from(people.len())?;
    let (every, begin) = (Duration::from_secs(1) * count / per_second, Instant::now());
    let mut calling = JoinSet::new();
    for (number, person) in (0..count).zip(people) {
        let (mut caller, stop) = (Caller::new(Arc::clone(person), to, FROM), stop.clone());
        calling.spawn(async move {
            let mut due = begin + every * number / count;
            loop {
                tokio::select! {
                    biased;
                    () = stop.said() => break,
                    called = caller.call(due) => called?,
                };
                due += every;
            }
            let end = Instant::now();
            while let Some(late) = end.checked_duration_since(due) {
                caller.log.took.push(late);
                caller.log.owed += 1;
                due += every;
            }
            Outcome::Ok(caller.log)
        });
    }
    all(calling).await
}

/// Everybody calls again as soon as the answer is there, until it is said to stop; the logs one by one.
pub(crate) async fn calls_at_once(
    people: &[Arc<Person>],
    to: SocketAddr,
    stop: &Stop,
    kept: &Kept,
) -> Outcome<Vec<Log>> {
    let mut calling = JoinSet::new();
    for person in people {
        let (mut caller, stop) = (Caller::new(Arc::clone(person), to, FROM), stop.clone());
        let kept = kept.clone();
        calling.spawn(async move {
            loop {
                let begin = Instant::now();
                tokio::select! {
                    biased;
                    () = stop.said() => {
                        // Whoever waits in vain must be seen, too.
                        caller.log.took.push(begin.elapsed());
                        caller.log.owed += 1;
                        return Outcome::Ok(caller.log);
                    }
                    called = caller.call(begin) => {
                        let call = called?;
                        if caller.log.took.len() % 8 == 0 {
                            kept.accepted.keep(call);
                        }
                    }
                }
                caller.lost.drain(..).for_each(|call| kept.lost.keep(call));
            }
        });
    }
    all(calling).await
}

/// All of them in one, and how the one with fewest accepted calls stands beside the median.
pub(crate) fn together(logs: Vec<Log>) -> (Log, f64) {
    let mut counts: Vec<_> = logs.iter().map(|log| log.accepted.len()).collect();
    counts.sort_unstable();
    let median = counts.get(counts.len() / 2).copied().unwrap_or_default().max(1);
    let evenness = counts.first().copied().unwrap_or_default() as f64 / median as f64;
    let mut log = Log::default();
    logs.into_iter().for_each(|one| log.join(one));
    (log, evenness)
}

async fn all(mut calling: JoinSet<Outcome<Log>>) -> Outcome<Vec<Log>> {
    let mut logs = Vec::new();
    while let Some(done) = calling.join_next().await {
        logs.push(done??);
    }
    Ok(logs)
}
