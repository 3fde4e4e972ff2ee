//! The pack server behind the verifier: it knows how often each call has reached it, and behaves as it is told.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::Outcome;
use crate::callers::{Id, nonce_of};

#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Manner {
    Prompt,
    /// It takes the request and says nothing.
    Silent,
    /// Nobody listens.
    Gone,
    /// It announces more than it sends, and closes.
    Cutting,
}

pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    seen: Mutex<HashMap<Id, u32>>,
    /// Requests that are no call of ours.
    strange: AtomicU64,
    manner: AtomicU8,
}

impl Upstream {
    pub(crate) async fn start() -> Outcome<Arc<Self>> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let upstream =
            Self { address, seen: Mutex::default(), strange: AtomicU64::new(0), manner: AtomicU8::new(0) };
        let upstream = Arc::new(upstream);
        let serving = Arc::clone(&upstream);
        tokio::spawn(async move {
            let mut listener = Some(listener);
            loop {
                if serving.manner.load(Ordering::Relaxed) == Manner::Gone as u8 {
                    listener = None;
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                }
                if listener.is_none() {
                    listener = TcpListener::bind(address).await.ok();
                }
                let Some(listener) = &listener else { continue };
                let accepted = tokio::time::timeout(Duration::from_millis(10), listener.accept()).await;
                if let Ok(Ok((stream, _))) = accepted {
                    let upstream = Arc::clone(&serving);
                    tokio::spawn(async move { upstream.serve(stream).await });
                }
            }
        });
        Ok(upstream)
    }

    pub(crate) fn behave(&self, manner: Manner) {
        self.manner.store(manner as u8, Ordering::Relaxed);
    }

    /// How often each call has arrived; forgets it.
    pub(crate) fn take_seen(&self) -> HashMap<Id, u32> {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn arrived(&self) -> usize {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub(crate) fn strange(&self) -> u64 {
        self.strange.load(Ordering::Relaxed)
    }

    async fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let mut read = Vec::with_capacity(4096);
        loop {
            let length = loop {
                if let Some(length) = whole(&read) {
                    break length;
                }
                if stream.read_buf(&mut read).await? == 0 {
                    return Ok(());
                }
            };
            let head = read.windows(4).position(|window| window == b"\r\n\r\n").map_or(0, |end| end + 4);
            match read.get(..length).and_then(|read| id(read.split_at_checked(head)?)) {
                Some(id) => {
                    *self.seen.lock().unwrap_or_else(PoisonError::into_inner).entry(id).or_default() += 1;
                }
                None => {
                    self.strange.fetch_add(1, Ordering::Relaxed);
                }
            }
            read.drain(..length);
            let manner = self.manner.load(Ordering::Relaxed);
            if manner == Manner::Silent as u8 {
                tokio::time::sleep(Duration::from_secs(3600)).await;
            } else if manner == Manner::Gone as u8 {
                return Ok(());
            } else if manner == Manner::Cutting as u8 {
                return stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"answer\":")
                    .await;
            }
            let answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 18\r\n\r\n{\"answer\":\"sunny\"}";
            stream.write_all(answer).await?;
        }
    }
}

/// Which call it is: the verifier says whose.
fn id((head, body): (&[u8], &[u8])) -> Option<Id> {
    let mut fields = std::str::from_utf8(head).ok()?.lines().filter_map(|line| line.split_once(": "));
    let (_, identity) = fields.find(|(name, _)| name.eq_ignore_ascii_case("envelope-identity"))?;
    Some((identity.into(), nonce_of(body)?))
}

/// How long the first request is, once it is there. The gateway sends lengths.
fn whole(read: &[u8]) -> Option<usize> {
    let head = read.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(read.get(..head)?).ok()?;
    let mut fields = text.lines().filter_map(|line| line.split_once(": "));
    let length = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length: usize = length.map_or(Some(0), |(_, value)| value.parse().ok())?;
    (read.len() >= head + length).then_some(head + length)
}
