//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use envelope_core::{Code, Refusal};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower_service::Service as _;

use super::Peer;
use super::connections::Seat;
use super::io::Watched;
use crate::server::passage::{self, Passage};
use crate::server::routes::App;

/// The longest header of a request, in bytes: an envelope at its largest, and as much again.
const MAX_HEADER: usize = 64 << 10;
/// The most header lines of a request: what a verifier takes (spec, V1.2), and one more, so that it can say so.
const MAX_LINES: usize = 257;
/// How long a connection without a place may take to say what it wanted.
const TURNED_AWAY: Duration = Duration::from_secs(2);
/// How long is read on, and thrown away, after the last answer, so that the client gets to read it: closing earlier can cost them
/// the answer.
const LINGER: Duration = Duration::from_secs(2);

/// What holds for every connection.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    head: Duration,
    write: Duration,
    /// The most that is read and thrown away.
    linger: u64,
    app: App,
}

impl Terms {
    pub(super) fn new(app: &App) -> Self {
        Self {
            head: Duration::from_secs(app.timeouts().head),
            write: Duration::from_secs(app.timeouts().write),
            linger: u64::try_from(app.guard().max_body()).unwrap_or(u64::MAX),
            app: app.clone(),
        }
    }
}

/// What a connection gets.
pub(super) enum Served {
    /// A place, and answers.
    Seated(Seat, Router),
    /// The same answer, once.
    TurnedAway(Refusal),
}

/// Begins TLS; `None` when that takes too long, or the place is needed, or the client speaks something else.
pub(super) async fn shake_hands(
    tls: &TlsAcceptor,
    stream: TcpStream,
    served: &Served,
    terms: &Terms,
) -> Option<TlsStream<TcpStream>> {
    let evicted = async {
        match served {
            Served::Seated(seat, _) => seat.connection().asked_to_leave().await,
            Served::TurnedAway(_) => tokio::time::sleep(TURNED_AWAY).await,
        }
    };
    let shaken = tokio::select! {
        shaken = tokio::time::timeout(terms.head, tls.accept(stream)) => shaken.ok()?,
        () = evicted => return None,
    };
    shaken.inspect_err(|error| tracing::debug!(%error, "TLS handshake")).ok()
}

/// Serves a connection until it ends.
pub(super) async fn serve<S>(
    stream: S,
    peer: Peer,
    served: Served,
    terms: Terms,
    stopped: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    match served {
        Served::Seated(seat, router) => {
            let seat = Arc::new(seat);
            let service = Answering { router, peer, seat: Arc::clone(&seat) };
            let stream = Watched::new(stream, Some(Arc::clone(&seat)), terms.write);
            seated(stream, service, &seat, &terms, stopped).await;
        }
        Served::TurnedAway(refusal) => {
            let stream = Watched::new(stream, None, TURNED_AWAY);
            turned_away(stream, peer, refusal, &terms).await;
        }
    }
}

fn http(head: Duration) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_header_size(MAX_HEADER)
        .max_headers(MAX_LINES)
        .preserve_header_case(true);
    http
}

async fn seated<S>(
    stream: Watched<S>,
    service: Answering,
    seat: &Seat,
    terms: &Terms,
    mut stopped: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut connection = http(terms.head).serve_connection(TokioIo::new(stream), service);
    let mut is_leaving = false;
    let ended = loop {
        let leave = async {
            tokio::select! {
                () = seat.connection().asked_to_leave() => true,
                // The sender is there for as long as this program serves.
                _ = stopped.wait_for(|stopped| *stopped) => false,
            }
        };
        let is_evicted = tokio::select! {
            biased;
            ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => break ended,
            is_evicted = leave, if !is_leaving => is_evicted,
        };
        if is_evicted && seat.connection().may_leave() {
            return;
        }
        // A request that has begun is answered.
        is_leaving = true;
        Pin::new(&mut connection).graceful_shutdown();
    };
    let parts = connection.into_parts();
    let refusal = ended.as_ref().err().and_then(|error| answer_to(error, seat));
    if let Err(error) = &ended {
        tracing::debug!(peer = %parts.service.peer.0, %error, "connection");
    }
    let mut stream = parts.io.into_inner().into_stream();
    let answer = match refusal {
        None => None,
        Some(refusal) => tokio::select! {
            answer = passage::unreadable(&terms.app, parts.service.peer, refusal) => Some(answer),
            () = seat.connection().asked_to_leave() => return,
        },
    };
    let last = async {
        if let Some(answer) = answer {
            stream.write_all(&bytes(&answer)).await?;
        }
        stream.shutdown().await?;
        if !is_leaving {
            tokio::io::copy(&mut stream.take(terms.linger), &mut tokio::io::sink()).await?;
        }
        std::io::Result::Ok(())
    };
    // The other end has gone, or does not go: that is no matter any more.
    let _ = tokio::time::timeout(LINGER, last).await;
}

/// What a client is told of a header that cannot be read; hyper knows what is wrong with it, and has not told them.
fn answer_to(error: &hyper::Error, seat: &Seat) -> Option<Refusal> {
    if !seat.connection().has_begun() {
        return None;
    }
    Some(if error.is_parse_too_large() {
        Refusal::new(Code::TooLarge, "the header is longer than the verifier takes")
    } else if error.is_timeout() {
        Refusal::new(Code::Malformed, "the header did not arrive in time")
    } else if error.is_incomplete_message() {
        Refusal::new(Code::Malformed, "the header did not arrive whole")
    } else if error.is_parse() {
        Refusal::new(Code::Malformed, "the header is none of HTTP/1.1")
    } else {
        return None;
    })
}

/// An answer as HTTP/1.1 has it, with which the connection ends.
fn bytes(answer: &Response<Bytes>) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {}\r\nconnection: close\r\n", answer.status()).into_bytes();
    for (name, value) in answer.headers() {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", answer.body().len()).as_bytes());
    bytes.extend_from_slice(answer.body());
    bytes
}

async fn turned_away<S>(stream: Watched<S>, peer: Peer, refusal: Refusal, terms: &Terms)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let app = &terms.app;
    let service = hyper::service::service_fn(move |_| async move {
        Ok::<_, Infallible>(passage::unread(app, peer, refusal).await.map(Body::from))
    });
    let mut http = http(TURNED_AWAY);
    let connection = http.keep_alive(false).serve_connection(TokioIo::new(stream), service);
    let last = async {
        let mut stream = pin!(connection.without_shutdown()).await.ok()?.io.into_inner().into_stream();
        stream.shutdown().await.ok()?;
        tokio::io::copy(&mut stream.take(terms.linger), &mut tokio::io::sink()).await.ok()
    };
    // Whoever does not listen is not told.
    let _ = tokio::time::timeout(TURNED_AWAY + LINGER, last).await;
}

/// The program as it answers one connection.
struct Answering {
    router: Router,
    peer: Peer,
    seat: Arc<Seat>,
}

impl Service<hyper::Request<Incoming>> for Answering {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: hyper::Request<Incoming>) -> Self::Future {
        self.seat.begin();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(self.peer);
        request.extensions_mut().insert(Arc::clone(&self.seat));
        let mut end = End { seat: Arc::clone(&self.seat), passage: None };
        let answer = self.router.clone().call(request);
        Box::pin(async move {
            let mut answer = answer.await?;
            end.passage = answer.extensions_mut().remove();
            Ok(answer.map(|body| Answer { body, _end: end }))
        })
    }
}

/// What ends with an answer.
struct End {
    seat: Arc<Seat>,
    passage: Option<Arc<Passage>>,
}

impl Drop for End {
    fn drop(&mut self) {
        self.seat.end();
    }
}

/// A body of an answer, that says when it ends.
struct Answer {
    body: Body,
    _end: End,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
