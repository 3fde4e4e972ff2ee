//! A connection that says exactly what it is told to.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The code of a refusal.
    pub(crate) code: Option<String>,
    /// Seconds.
    pub(crate) retry_after: Option<u64>,
    /// Whether the connection ends with it.
    pub(crate) closes: bool,
}

impl Answer {
    /// The code, or the status where there is none.
    pub(crate) fn said(&self) -> String {
        self.code.clone().unwrap_or_else(|| self.status.to_string())
    }
}

impl Connection {
    /// Connects from an address of this machine's own network.
    pub(crate) async fn open(to: SocketAddr, from: Ipv4Addr) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((from, 0)))?;
        let stream = socket.connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: Vec::with_capacity(4096) })
    }

    pub(crate) async fn exchange(&mut self, bytes: &[u8]) -> io::Result<Answer> {
        self.send(bytes).await?;
        self.answer().await
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Sends what the other side takes before it answers or closes, and gives what it says: a refusal may come before the body went out.
    pub(crate) async fn exchange_large(&mut self, bytes: &[u8]) -> io::Result<Answer> {
        let (mut reading, mut writing) = self.stream.split();
        let sending = async {
            // Whoever has answered may read no further.
            let _ = writing.write_all(bytes).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = sending => Err(io::ErrorKind::BrokenPipe.into()),
            answer = read_answer(&mut reading, &mut self.read) => answer,
        }
    }

    /// Says that nothing more comes.
    pub(crate) async fn finish(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }

    pub(crate) async fn answer(&mut self) -> io::Result<Answer> {
        read_answer(&mut self.stream, &mut self.read).await
    }
}

async fn read_answer(stream: &mut (impl AsyncReadExt + Unpin), read: &mut Vec<u8>) -> io::Result<Answer> {
    let whole = async {
        loop {
            if let Some((answer, length)) = parse(read)? {
                read.drain(..length);
                return Ok(answer);
            }
            if stream.read_buf(read).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    };
    tokio::time::timeout(PATIENCE, whole).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// The answer that stands first, and how long it is, once it is there.
fn parse(read: &[u8]) -> io::Result<Option<(Answer, usize)>> {
    let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let (head, body) = read.split_at(end + 4);
    let head = std::str::from_utf8(head).map_err(io::Error::other)?;
    let field = |wanted: &str| {
        let mut fields = head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
    };
    let broken = || io::Error::other("no answer of HTTP/1.1 with a length");
    let status: u16 = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(broken)?;
    let length: usize = field("content-length").and_then(|length| length.parse().ok()).ok_or_else(broken)?;
    let Some(body) = body.get(..length) else { return Ok(None) };
    let code = serde_json::from_slice::<serde_json::Value>(body).ok();
    let code = code.and_then(|problem| problem.get("code")?.as_str().map(str::to_owned));
    let retry_after = field("retry-after").and_then(|seconds| seconds.parse().ok());
    let closes = field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    Ok(Some((Answer { status, code, retry_after, closes }, end + 4 + length)))
}
