//! Connections to the upstream that stay open. Each is driven by the request that is on it: there is no task beside it that would
//! have to be woken for every piece of an answer.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, Builder, SendRequest};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

/// How long a connection that nobody uses stays open.
const IDLE: Duration = Duration::from_secs(30);
/// How often those are looked at.
const BEAT: Duration = Duration::from_secs(5);

/// What goes wrong is logged, and means that there is no answer.
pub(super) type Error = Box<dyn std::error::Error + Send + Sync>;

/// The connections to one origin.
#[derive(Clone)]
pub(super) struct Connections(Arc<Inner>);

struct Inner {
    origin: Uri,
    connector: HttpsConnector<HttpConnector>,
    /// The one that was used last is at the end.
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    connections: Vec<Connection>,
    /// Whether somebody looks after them.
    is_tended: bool,
}

struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: http1::Connection<MaybeHttpsStream<TokioIo<TcpStream>>, Full<Bytes>>,
    used: Instant,
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Connections").field(&self.0.origin).finish()
    }
}

impl Connections {
    pub(super) fn new(origin: Uri, connector: HttpsConnector<HttpConnector>) -> Self {
        Self(Arc::new(Inner { origin, connector, idle: Mutex::default() }))
    }

    /// Sends a request; gives the answer when its header is there. What could not be sent at all, because the upstream had closed a
    /// connection that was open before, is sent over another one.
    pub(super) async fn send(&self, mut request: Request<Full<Bytes>>) -> Result<Response<Answer>, Error> {
        loop {
            let idle = poll_fn(|context| Poll::Ready(self.0.take(context))).await;
            let is_reused = idle.is_some();
            let mut connection = match idle {
                Some(connection) => connection,
                None => Box::pin(self.connect()).await?,
            };
            match connection.answer(request).await {
                Ok(answer) => return Ok(answer.map(|body| self.body(body, connection))),
                Err(mut error) => match error.take_message().filter(|_| is_reused) {
                    Some(unsent) => request = unsent,
                    None => return Err(error.into_error().into()),
                },
            }
        }
    }

    async fn connect(&self) -> Result<Connection, Error> {
        let mut connector = self.0.connector.clone();
        poll_fn(|context| connector.poll_ready(context)).await?;
        let stream = connector.call(self.0.origin.clone()).await?;
        let (sender, driver) = Builder::new().preserve_header_case(true).handshake(stream).await?;
        Ok(Connection { sender, driver, used: Instant::now() })
    }

    fn body(&self, body: Incoming, connection: Connection) -> Answer {
        let mut answer = Answer { body, connection: Some(connection), connections: self.clone() };
        answer.release_at_end();
        answer
    }

    /// Keeps a connection whose answer has been read, unless one side of it has closed.
    fn keep(&self, mut connection: Connection) {
        // What is left to do is to see that nothing is: nobody has to be told of it.
        let context = &mut Context::from_waker(Waker::noop());
        if connection.is_over(context) || !connection.sender.is_ready() {
            return;
        }
        connection.used = Instant::now();
        let mut idle = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.connections.push(connection);
        if !idle.is_tended {
            idle.is_tended = true;
            tokio::spawn(tend(Arc::downgrade(&self.0)));
        }
    }
}

impl Inner {
    fn take(&self, context: &mut Context<'_>) -> Option<Connection> {
        loop {
            let taken = self.idle.lock().unwrap_or_else(PoisonError::into_inner).connections.pop();
            let mut connection = taken?;
            if connection.used.elapsed() < IDLE && !connection.is_over(context) {
                return Some(connection);
            }
        }
    }
}

/// Closes what the upstream has closed, and what has not been used for long, until nothing is left.
async fn tend(connections: Weak<Inner>) {
    loop {
        tokio::time::sleep(BEAT).await;
        let Some(connections) = connections.upgrade() else { return };
        let mut idle = connections.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let context = &mut Context::from_waker(Waker::noop());
        idle.connections.retain_mut(|one| one.used.elapsed() < IDLE && !one.is_over(context));
        if idle.connections.is_empty() {
            idle.is_tended = false;
            return;
        }
    }
}

impl Connection {
    /// The answer to a request, as far as its header.
    async fn answer(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Box<TrySendError<Request<Full<Bytes>>>>> {
        let mut answer = std::pin::pin!(self.sender.try_send_request(request));
        let driver = &mut self.driver;
        let mut is_over = false;
        poll_fn(|context| {
            // What the driver finds, the answer tells.
            if !is_over {
                is_over = Pin::new(&mut *driver).poll(context).is_ready();
            }
            answer.as_mut().poll(context).map_err(Box::new)
        })
        .await
    }

    /// Whether one side has closed it.
    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        Pin::new(&mut self.driver).poll(context).is_ready()
    }
}

/// The body of an answer. The connection is kept for others when all of it is there.
pub(crate) struct Answer {
    body: Incoming,
    connection: Option<Connection>,
    connections: Connections,
}

impl Answer {
    fn release_at_end(&mut self) {
        if self.body.is_end_stream()
            && let Some(connection) = self.connection.take()
        {
            self.connections.keep(connection);
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let mut frame = Pin::new(&mut this.body).poll_frame(context);
        if let (Poll::Pending, Some(connection)) = (&frame, &mut this.connection) {
            // The body has said that it wants more: the driver brings it.
            let _ = connection.is_over(context);
            frame = Pin::new(&mut this.body).poll_frame(context);
        }
        let frame = ready!(frame);
        this.release_at_end();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
