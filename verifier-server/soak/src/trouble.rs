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
use crate::honest::Stop;
use crate::results::Heard;

const FROM: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
/// Calls that were accepted, kept to be sent again: those of about a minute.
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
}

impl Kind {
    pub(crate) const ALL: [Self; 9] = [
        Self::Replayed,
        Self::BadSignature,
        Self::Expired,
        Self::OtherBody,
        Self::Unknown,
        Self::LargeBody,
        Self::LargeHeader,
        Self::Slow,
        Self::CutOff,
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
        }
    }

    /// What the verifier may say of it, besides that it has just begun.
    pub(crate) const fn due(self) -> &'static [&'static str] {
        match self {
            // After a minute it has expired.
            Self::Replayed => &["replayed", "expired"],
            Self::BadSignature | Self::Unknown => &["bad-signature"],
            Self::Expired => &["expired"],
            Self::OtherBody => &["digest-mismatch"],
            Self::LargeBody | Self::LargeHeader => &["too-large"],
            Self::Slow => &["200"],
            Self::CutOff => &[],
        }
    }

    /// How many do it at once.
    const fn callers(self) -> usize {
        match self {
            Self::Slow | Self::CutOff => 8,
            Self::LargeBody | Self::LargeHeader => 1,
            _ => 2,
        }
    }
}

/// What was heard of each kind.
pub(crate) type HeardOf = BTreeMap<Kind, Heard>;

/// Calls that were accepted.
#[derive(Clone, Default)]
pub(crate) struct Accepted(Arc<Mutex<VecDeque<Call>>>);

impl Accepted {
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
pub(crate) async fn make(
    to: SocketAddr,
    person: &Arc<Person>,
    accepted: &Accepted,
    stop: &Stop,
) -> Outcome<HeardOf> {
    let mut making = JoinSet::new();
    for kind in Kind::ALL {
        for _ in 0..kind.callers() {
            let (person, accepted, stop) = (Arc::clone(person), accepted.clone(), stop.clone());
            making.spawn(async move { (kind, one(kind, to, &person, &accepted, &stop).await) });
        }
    }
    let mut heard = HeardOf::new();
    while let Some(done) = making.join_next().await {
        let (kind, found) = done?;
        for (what, count) in found? {
            *heard.entry(kind).or_default().entry(what).or_default() += count;
        }
    }
    Ok(heard)
}

async fn one(
    kind: Kind,
    to: SocketAddr,
    person: &Person,
    accepted: &Accepted,
    stop: &Stop,
) -> Outcome<Heard> {
    let (mut heard, mut connection) = (Heard::new(), None);
    while !stop.is_said() {
        let Some(call) = draft(kind, person, accepted)? else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let what = match exchange(kind, to, &mut connection, &call).await {
            Ok(Some(answer)) => {
                if answer.closes {
                    connection = None;
                }
                answer.said()
            }
            Ok(None) => "nothing".into(),
            Err(error) => {
                connection = None;
                // While it begins anew.
                tokio::time::sleep(Duration::from_millis(20)).await;
                error.kind().to_string()
            }
        };
        *heard.entry(what).or_default() += 1;
    }
    Ok(heard)
}

fn draft(kind: Kind, person: &Person, accepted: &Accepted) -> Outcome<Option<Vec<u8>>> {
    let usual = Draft::default();
    Ok(Some(match kind {
        Kind::Replayed => return Ok(accepted.any().map(|call| call.bytes)),
        Kind::BadSignature => changed(person.sign(usual)?.bytes, b"Signature: sig=:", 8),
        Kind::Expired => person.sign(Draft { signed: -120, ..usual })?.bytes,
        Kind::OtherBody => changed(person.sign(usual)?.bytes, b"\"fill\":\"", 0),
        Kind::Unknown => Person::new("stranger")?.sign(usual)?.bytes,
        Kind::LargeBody => person.sign(Draft { length: 2 << 20, ..usual })?.bytes,
        Kind::LargeHeader => {
            let start = format!("POST {TARGET} HTTP/1.1\r\nHost: {AUTHORITY}\r\nX-Large: ");
            [start.into_bytes(), vec![b'x'; 80 << 10], b"\r\n\r\n".to_vec()].concat()
        }
        Kind::Slow | Kind::CutOff => person.sign(usual)?.bytes,
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
    bytes: &[u8],
) -> io::Result<Option<Answer>> {
    if matches!(kind, Kind::CutOff | Kind::Slow | Kind::LargeBody | Kind::LargeHeader) {
        *connection = None;
    }
    let open = match connection {
        Some(open) => open,
        none => none.insert(Connection::open(to, FROM).await?),
    };
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
            open.send(bytes.get(..length % (2 * bytes.len())).unwrap_or(bytes)).await?;
            tokio::time::sleep(Duration::from_millis(5)).await;
            Ok(None)
        }
        _ => open.exchange(bytes).await.map(Some),
    }
}
