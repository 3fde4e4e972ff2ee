//! A server that answers every request by a function, one request a connection, and remembers them.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use crate::outside::{Received, fields};

/// What is answered: a status, further header lines, a body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) field: &'static str,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(status: u16, body: impl ToString) -> Self {
        Self { status, field: "Content-Type: application/json", body: body.to_string() }
    }
}

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) header: String,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn value(&self, name: &str) -> Option<String> {
        let fields = fields(&self.header);
        let found = fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| String::from_utf8(value.to_vec()).unwrap())
    }
}

/// The server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    pub(crate) fn start(answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (record, answer) = (Arc::clone(&seen), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (record, answer) = (Arc::clone(&record), Arc::clone(&answer));
                std::thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    let Received { method, target, header, body } = Received::read(&mut stream);
                    let request = Seen { method, target, header, body: String::from_utf8(body).unwrap() };
                    record.lock().unwrap().push(request.clone());
                    let Answer { status, field, body } = answer(&request);
                    let length = body.len();
                    // Whoever was killed does not read it.
                    let _ = write!(
                        stream,
                        "HTTP/1.1 {status} Said\r\n{field}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                    );
                });
            }
        });
        Self { address, seen }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What has come so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The last request.
    pub(crate) fn last(&self) -> Seen {
        self.seen().pop().unwrap()
    }
}
