//! Those who do what they should not: each loops until it is said to stop, and keeps what it hears.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;

use crate::Outcome;
use crate::callers::{AUTHORITY, Call, Draft, Person, TARGET, random};
use crate::client::{Answer, Connection};
use crate::honest::{Odd, Stop};
use crate::results::Heard;

const FROM: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
/// Calls that are kept to be sent again: of the accepted ones, those of about a minute.
const KEPT: usize = 20_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Replayed,
    BadSignature,
    Expired,
    OtherBody,
    Unknown,
    LargeBody,
    LargeHeader,
    /// A valid call, a few bytes at a time.
    Slow,
    /// Part of a call, or a whole one whose answer nobody reads.
    CutOff,
    /// Calls of which nobody knows what became, sent again.
    Lost,
    /// The same valid call on two connections at once.
    Twice,
}

impl Kind {
    pub(crate) const ALL: [Self; 11] = [
        Self::Replayed,
        Self::BadSignature,
        Self::Expired,
        Self::OtherBody,
        Self::Unknown,
        Self::LargeBody,
        Self::LargeHeader,
        Self::Slow,
        Self::CutOff,
        Self::Lost,
        Self::Twice,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Replayed => "accepted calls sent again",
            Self::BadSignature => "a signature changed",
            Self::Expired => "signed two minutes ago",
            Self::OtherBody => "a body changed",
            Self::Unknown => "signed by a key that nobody knows",
            Self::LargeBody => "a body of 2 MiB",
            Self::LargeHeader => "a header of 80 KiB",
            Self::Slow => "valid, some bytes at a time",
            Self::CutOff => "cut off, or nobody reads the answer",
            Self::Lost => "calls whose answer was lost, sent again",
            Self::Twice => "the same valid call on two connections at once",
        }
    }

    /// What may be heard of it, besides that the verifier has just begun.
    pub(crate) const fn due(self) -> &'static [&'static str] {
        match self {
            // After a minute it has expired.
            Self::Replayed => &["replayed", "expired"],
            Self::BadSignature | Self::Unknown => &["bad-signature"],
            Self::Expired => &["expired"],
            Self::OtherBody => &["digest-mismatch"],
            Self::LargeBody | Self::LargeHeader => &["too-large"],
            Self::Slow => &["200"],
            Self::CutOff => &["nothing"],
            // It may not have arrived before.
            Self::Lost => &["replayed", "expired", "200"],
            Self::Twice => &["200", "replayed"],
        }
    }

    /// What must have been heard of it at least once, else nothing was tried.
    pub(crate) const fn wanted(self) -> &'static [&'static str] {
        match self {
            Self::Replayed | Self::Lost | Self::Twice => &["replayed"],
            _ => self.due(),
        }
    }

    /// How many do it at once.
    const fn callers(self) -> usize {
        match self {
            Self::Slow | Self::CutOff => 8,
            Self::LargeBody | Self::LargeHeader | Self::Lost | Self::Twice => 1,
            _ => 2,
        }
    }

    /// How long they wait between: what is done now and then.
    const fn pause(self) -> Duration {
        match self {
            Self::Lost | Self::Twice => Duration::from_millis(20),
            _ => Duration::ZERO,
        }
    }
}

/// What was heard of one kind, and what of it is not due.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) heard: Heard,
    pub(crate) odd: Vec<Odd>,
}

/// What was heard of each kind.
pub(crate) type ToldOf = BTreeMap<Kind, Told>;

/// Calls that are sent again.
#[derive(Clone, Default)]
pub(crate) struct Kept {
    pub(crate) accepted: Calls,
    /// Those of which nobody knows what became.
    pub(crate) lost: Calls,
}

/// The last of many.
#[derive(Clone, Default)]
pub(crate) struct Calls(Arc<Mutex<VecDeque<Call>>>);

impl Calls {
    pub(crate) fn keep(&self, call: Call) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(call);
    }

    fn any(&self) -> Option<Call> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = usize::try_from(u32::from_le_bytes(random().ok()?)).ok()?.checked_rem(kept.len())?;
        kept.get(at).cloned()
    }
}

/// Makes all of it at once.
pub(crate) async fn make(to: SocketAddr, person: &Arc<Person>, kept: &Kept, stop: &Stop) -> Outcome<ToldOf> {
    let mut making = JoinSet::new();
    for kind in Kind::ALL {
        for _ in 0..kind.callers() {
            let (person, kept, stop) = (Arc::clone(person), kept.clone(), stop.clone());
            making.spawn(async move { (kind, one(kind, to, &person, &kept, &stop).await) });
        }
    }
    let mut told = ToldOf::new();
    while let Some(done) = making.join_next().await {
        let (kind, found) = done?;
        let (all, found) = (told.entry(kind).or_default(), found?);
        for (what, count) in found.heard {
            *all.heard.entry(what).or_default() += count;
        }
        all.odd.extend(found.odd);
    }
    Ok(told)
}

async fn one(kind: Kind, to: SocketAddr, person: &Person, kept: &Kept, stop: &Stop) -> Outcome<Told> {
    let (mut told, mut connection) = (Told::default(), None);
    while !stop.is_said() {
        let Some(call) = draft(kind, person, kept)? else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let heard = if kind == Kind::Twice {
            twice(to, &call.bytes).await
        } else {
            vec![heard(kind, to, &mut connection, &call, kept).await]
        };
        for what in heard {
            if !kind.due().contains(&what.as_str()) {
                told.odd.push(Odd::of(&call, what.clone()));
            }
            *told.heard.entry(what).or_default() += 1;
        }
        tokio::time::sleep(kind.pause()).await;
    }
    Ok(told)
}

async fn heard(
    kind: Kind,
    to: SocketAddr,
    connection: &mut Option<Connection>,
    call: &Call,
    kept: &Kept,
) -> String {
    match exchange(kind, to, connection, call, kept).await {
        Ok(Some(answer)) => {
            if answer.closes {
                *connection = None;
            }
            answer.said()
        }
        Ok(None) => "nothing".into(),
        Err(error) => {
            *connection = None;
            // While it begins anew.
            tokio::time::sleep(Duration::from_millis(20)).await;
            error.kind().to_string()
        }
    }
}

/// Sends a valid call on two connections at once: one of them is let through.
async fn twice(to: SocketAddr, bytes: &[u8]) -> Vec<String> {
    let opened = tokio::try_join!(Connection::open(to, FROM), Connection::open(to, FROM));
    let answers = match opened {
        Ok((mut one, mut other)) => <[_; 2]>::from(tokio::join!(one.exchange(bytes), other.exchange(bytes))),
        Err(error) => return vec![error.kind().to_string()],
    };
    let [one, other] =
        answers.map(|answer| answer.map_or_else(|error| error.kind().to_string(), |answer| answer.said()));
    if one == other && Kind::Twice.due().contains(&one.as_str()) {
        return vec![format!("twice {one}")];
    }
    vec![one, other]
}

fn draft(kind: Kind, person: &Person, kept: &Kept) -> Outcome<Option<Call>> {
    let usual = Draft::default();
    let alter = |alter: fn(Vec<u8>) -> Vec<u8>| {
        person.sign(usual).map(|call| Call { bytes: alter(call.bytes), ..call })
    };
    Ok(Some(match kind {
        Kind::Replayed => return Ok(kept.accepted.any()),
        Kind::Lost => return Ok(kept.lost.any()),
        Kind::BadSignature => alter(|bytes| changed(bytes, b"Signature: sig=:", 8))?,
        Kind::Expired => person.sign(Draft { signed: -120, ..usual })?,
        Kind::OtherBody => alter(|bytes| changed(bytes, b"\"fill\":\"", 0))?,
        Kind::Unknown => Person::new("stranger")?.sign(usual)?,
        Kind::LargeBody => person.sign(Draft { length: 2 << 20, ..usual })?,
        Kind::LargeHeader => alter(|_| {
            let start = format!("POST {TARGET} HTTP/1.1\r\nHost: {AUTHORITY}\r\nX-Large: ");
            [start.into_bytes(), vec![b'x'; 80 << 10], b"\r\n\r\n".to_vec()].concat()
        })?,
        Kind::Slow | Kind::CutOff | Kind::Twice => person.sign(usual)?,
    }))
}

/// The same with another byte so far behind what is looked for.
fn changed(mut bytes: Vec<u8>, behind: &[u8], by: usize) -> Vec<u8> {
    let lower = bytes.to_ascii_lowercase();
    let found = lower.windows(behind.len()).position(|window| window == behind.to_ascii_lowercase());
    if let Some(byte) = found.and_then(|at| bytes.get_mut(at + behind.len() + by)) {
        *byte = if *byte == b'A' { b'B' } else { b'A' };
    }
    bytes
}

async fn exchange(
    kind: Kind,
    to: SocketAddr,
    connection: &mut Option<Connection>,
    call: &Call,
    kept: &Kept,
) -> io::Result<Option<Answer>> {
    if matches!(kind, Kind::CutOff | Kind::Slow | Kind::LargeBody | Kind::LargeHeader) {
        *connection = None;
    }
    let open = match connection {
        Some(open) => open,
        none => none.insert(Connection::open(to, FROM).await?),
    };
    let bytes = call.bytes.as_slice();
    match kind {
        Kind::LargeBody | Kind::LargeHeader => open.exchange_large(bytes).await.map(Some),
        Kind::Slow => {
            for piece in bytes.chunks(64) {
                open.send(piece).await?;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            open.answer().await.map(Some)
        }
        Kind::CutOff => {
            let length = usize::from(u16::from_le_bytes(random().map_err(io::Error::other)?));
            let part = bytes.get(..length % (2 * bytes.len())).unwrap_or(bytes);
            open.send(part).await?;
            if part.len() == bytes.len() {
                kept.lost.keep(call.clone());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
            Ok(None)
        }
        _ => open.exchange(bytes).await.map(Some),
    }
}
