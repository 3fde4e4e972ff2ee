//! An HTTP/1.1 server on threads of its own that stands in for somebody else's, and counts what it is asked.

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    reason = "each test takes what it needs"
)]

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request, read whole.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    /// Path and query.
    pub target: String,
    fields: Vec<(String, String)>,
    pub body: String,
}

impl Asked {
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        fields.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn bearer(&self) -> Option<&str> {
        self.field("authorization")?.strip_prefix("Bearer ")
    }

    /// A parameter of the query or of a form; what tests send needs no decoding.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        let mut parameters = query.split('&').chain(self.body.split('&'));
        parameters.find_map(|parameter| parameter.strip_prefix(name)?.strip_prefix('='))
    }
}

/// An answer; `None` in its place closes the connection without one.
pub struct Told {
    status: u16,
    fields: Vec<(&'static str, String)>,
    body: String,
}

impl Told {
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::text(status, body.to_string()).field("Content-Type", "application/json; charset=utf-8")
    }

    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self { status, fields: Vec::new(), body: body.into() }
    }

    pub fn field(mut self, name: &'static str, value: impl ToString) -> Self {
        self.fields.push((name, value.to_string()));
        self
    }

    fn write(&self, stream: &mut TcpStream) -> Option<()> {
        let mut head = format!("HTTP/1.1 {} .\r\nContent-Length: {}\r\n", self.status, self.body.len());
        for (name, value) in &self.fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        stream.write_all(format!("{head}\r\n{}", self.body).as_bytes()).ok()
    }
}

#[derive(Debug, Default)]
struct Counts {
    asked: Vec<Asked>,
    now: usize,
    most: usize,
}

/// The server. It goes on until the test ends.
#[derive(Clone, Debug)]
pub struct StandIn {
    pub address: SocketAddr,
    counts: Arc<Mutex<Counts>>,
}

impl StandIn {
    pub fn start(answer: impl Fn(&Asked) -> Option<Told> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stand_in = Self { address: listener.local_addr().unwrap(), counts: Arc::default() };
        let (counts, answer) = (Arc::clone(&stand_in.counts), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (counts, answer) = (Arc::clone(&counts), Arc::clone(&answer));
                std::thread::spawn(move || serve(stream.unwrap(), &counts, &*answer));
            }
        });
        stand_in
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What has been asked so far, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.counts.lock().unwrap().asked.clone()
    }

    /// How often a path has been asked for.
    pub fn count(&self, path: &str) -> usize {
        self.counts.lock().unwrap().asked.iter().filter(|asked| asked.path() == path).count()
    }

    /// How many requests wait for their answers.
    pub fn waiting(&self) -> usize {
        self.counts.lock().unwrap().now
    }

    /// How many requests have waited for their answers at the same time.
    pub fn most_at_once(&self) -> usize {
        self.counts.lock().unwrap().most
    }
}

fn serve(mut stream: TcpStream, counts: &Mutex<Counts>, answer: &dyn Fn(&Asked) -> Option<Told>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(asked) = read(&mut reader) {
        {
            let mut counts = counts.lock().unwrap();
            counts.asked.push(asked.clone());
            counts.now += 1;
            counts.most = counts.most.max(counts.now);
        }
        let told = answer(&asked);
        counts.lock().unwrap().now -= 1;
        if told.and_then(|told| told.write(&mut stream)).is_none() {
            return;
        }
    }
}

fn read(reader: &mut impl BufRead) -> Option<Asked> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        lines.push(line.trim_end().to_owned());
    }
    let mut start = lines.first()?.split(' ');
    let fields = lines.iter().skip(1).filter_map(|line| line.split_once(": "));
    let mut asked = Asked {
        method: start.next()?.into(),
        target: start.next()?.into(),
        fields: fields.map(|(name, value)| (name.into(), value.into())).collect(),
        body: String::new(),
    };
    let length = asked.field("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    asked.body = String::from_utf8(body).ok()?;
    Some(asked)
}
