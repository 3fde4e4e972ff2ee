//! The client: one thread that sends prepared bytes over connections that stay open, one request at a time on each.
//!
//! It reads what to do from stdin, a line each, and answers with a line of JSON:
//!
//! - `sign COUNT`: makes that many signed calls in place of those it has;
//! - `call KIND ADDRESS CONNECTIONS FROM COUNT`: sends the calls from FROM on. KIND is `signed`, `verify` (what nginx asks a
//!   forward-auth endpoint) or `token:TOKEN`. Every answer must be 200.

use std::collections::HashMap;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::SocketAddr;
use std::time::Instant;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::Outcome;
use crate::callers::{AUTHORITY, PLAIN, TARGET, body, sign};

pub(crate) fn follow(core: usize) -> Outcome<()> {
    let everywhere = sched_getaffinity(None)?;
    let mut here = CpuSet::new();
    here.set(core);
    let mut signed = Vec::new();
    for line in io::stdin().lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["sign", count] => {
                sched_setaffinity(None, &everywhere)?;
                signed = sign(count.parse()?)?;
                println!("{{\"signed\":{}}}", signed.len());
            }
            ["call", kind, address, connections, from, count] => {
                sched_setaffinity(None, &here)?;
                let (from, count): (usize, usize) = (from.parse()?, count.parse()?);
                let form = Form::of(kind)?;
                let pieces: Vec<&[u8]> = match form.is_signed {
                    true => signed.iter().skip(from).take(count).map(|lines| &**lines).collect(),
                    false => vec![&[]; count],
                };
                if pieces.len() < count {
                    return Err("not enough was signed".into());
                }
                let mut report = fire(&form, address.parse()?, connections.parse()?, &pieces)?;
                println!("{}", report.json());
            }
            _ => return Err(format!("what is {line:?}?").into()),
        }
        io::stdout().flush()?;
    }
    Ok(())
}

/// What stands around the lines of an envelope.
struct Form {
    before: Vec<u8>,
    after: Vec<u8>,
    is_signed: bool,
}

impl Form {
    fn of(kind: &str) -> Outcome<Self> {
        let body = body();
        let post = format!("POST {TARGET} HTTP/1.1\r\nHost: {AUTHORITY}\r\n{PLAIN}");
        let end = format!("Content-Length: {}\r\n\r\n", body.len());
        let with_body = |end: String| [end.as_bytes(), &body].concat();
        Ok(match kind.split_once(':').unwrap_or((kind, "")) {
            ("signed", _) => Self { before: post.into(), after: with_body(end), is_signed: true },
            ("token", token) => {
                let end = format!("Authorization: Bearer {token}\r\n{end}");
                Self { before: post.into(), after: with_body(end), is_signed: false }
            }
            ("verify", _) => {
                let original = format!("X-Original-Method: POST\r\nX-Original-URI: {TARGET}\r\n");
                let before = format!("GET /verify HTTP/1.1\r\nHost: {AUTHORITY}\r\n{original}{PLAIN}");
                Self { before: before.into(), after: b"\r\n".to_vec(), is_signed: true }
            }
            _ => return Err("no such kind of call".into()),
        })
    }
}

struct Connection {
    stream: TcpStream,
    sent: Instant,
    answer: Vec<u8>,
}

#[derive(Default)]
struct Report {
    seconds: f64,
    nanoseconds: Vec<u64>,
    statuses: HashMap<u16, usize>,
}

impl Report {
    fn json(&mut self) -> String {
        self.nanoseconds.sort_unstable();
        let count = self.nanoseconds.len();
        let at =
            |hundredths: usize| self.nanoseconds.get(count * hundredths / 100).copied().unwrap_or_default();
        let statuses: Vec<_> =
            self.statuses.iter().map(|(status, count)| format!("\"{status}\":{count}")).collect();
        format!(
            "{{\"seconds\":{},\"count\":{count},\"p50\":{},\"p99\":{},\"statuses\":{{{}}}}}",
            self.seconds,
            at(50),
            at(99),
            statuses.join(",")
        )
    }
}

/// Sends every request once; a connection takes the next one as soon as its answer is there.
fn fire(form: &Form, address: SocketAddr, connections: usize, pieces: &[&[u8]]) -> Outcome<Report> {
    let mut poll = Poll::new()?;
    let mut open = Vec::with_capacity(connections);
    for number in 0..connections {
        let stream = std::net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        poll.registry().register(&mut stream, Token(number), Interest::READABLE)?;
        open.push(Connection { stream, sent: Instant::now(), answer: Vec::with_capacity(4096) });
    }
    let mut report = Report { nanoseconds: Vec::with_capacity(pieces.len()), ..Report::default() };
    let mut left = pieces.iter();
    let begin = Instant::now();
    for connection in &mut open {
        if let Some(piece) = left.next() {
            connection.send(form, piece)?;
        }
    }
    let mut events = Events::with_capacity(1024);
    while report.nanoseconds.len() < pieces.len() {
        poll.poll(&mut events, None)?;
        for event in &events {
            let connection = open.get_mut(event.token().0).ok_or("no such connection")?;
            let Some(status) = connection.receive()? else { continue };
            report.nanoseconds.push(u64::try_from(connection.sent.elapsed().as_nanos())?);
            *report.statuses.entry(status).or_default() += 1;
            if let Some(piece) = left.next() {
                connection.send(form, piece)?;
            }
        }
    }
    report.seconds = begin.elapsed().as_secs_f64();
    Ok(report)
}

impl Connection {
    fn send(&mut self, form: &Form, piece: &[u8]) -> Outcome<()> {
        self.answer.clear();
        self.sent = Instant::now();
        let mut pieces = [IoSlice::new(&form.before), IoSlice::new(piece), IoSlice::new(&form.after)];
        let mut pieces = pieces.as_mut_slice();
        while !pieces.is_empty() {
            match self.stream.write_vectored(pieces) {
                Ok(0) => return Err("the server takes nothing".into()),
                Ok(written) => IoSlice::advance_slices(&mut pieces, written),
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Reads what is there; gives the status when the answer is whole.
    fn receive(&mut self) -> Outcome<Option<u16>> {
        let mut piece = [0; 4096];
        loop {
            match self.stream.read(&mut piece) {
                Ok(0) => return Err("the server closed a connection".into()),
                Ok(read) => self.answer.extend(piece.iter().take(read)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error.into()),
            }
            if let Some(status) = whole(&self.answer)? {
                return Ok(Some(status));
            }
        }
    }
}

/// The status of an answer that is there as a whole.
fn whole(answer: &[u8]) -> Outcome<Option<u16>> {
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let (head, body) = answer.split_at(end + 4);
    let head = std::str::from_utf8(head)?;
    let status = head.split(' ').nth(1).ok_or("no status")?.parse()?;
    let length = head.lines().filter_map(|line| line.split_once(": "));
    let length =
        length.filter(|(name, _)| name.eq_ignore_ascii_case("content-length")).map(|(_, value)| value);
    let length: usize = length.last().ok_or("an answer without Content-Length")?.parse()?;
    Ok((body.len() >= length).then_some(status))
}
