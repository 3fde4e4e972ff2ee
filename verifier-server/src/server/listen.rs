//! Connections: accepted, given so long and no longer, and finished at shutdown.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tower_service::Service;

use super::config::Timeouts;

/// The address at the other end of the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// The longest header of a request, in bytes: an envelope at its largest, and as much again.
const MAX_HEADER: usize = 64 << 10;
/// The most header lines of a request: what a verifier takes (spec, V1.2), and one more, so that it can say so.
const MAX_LINES: usize = 257;

/// Serves `router` until `stop` is done; then takes no more connections and finishes what is in flight.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    timeouts: Timeouts,
    stop: impl Future<Output = ()>,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(timeouts.head))
        .max_header_size(MAX_HEADER)
        .max_headers(MAX_LINES)
        .preserve_header_case(true);
    let connections = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let service = service(router.clone(), Peer(peer));
                let connection = http.serve_connection(prepare(stream), service);
                let connection = connections.watch(connection);
                tokio::spawn(async move {
                    if let Err(error) = connection.await {
                        tracing::debug!(%peer, %error, "connection");
                    }
                });
            }
            Err(error) => {
                // Out of descriptors, say: those that are open go on, and will close.
                tracing::warn!(%error, "accept");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    tracing::info!("shutting down");
    if tokio::time::timeout(Duration::from_secs(timeouts.shutdown), connections.shutdown()).await.is_err() {
        tracing::warn!("requests in flight were cut off");
    }
}

fn prepare(stream: TcpStream) -> TokioIo<TcpStream> {
    // Answers are small; waiting for more of them only adds latency.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "nodelay");
    }
    TokioIo::new(stream)
}

type Answer = <Router as Service<Request>>::Future;

fn service(
    router: Router,
    peer: Peer,
) -> impl hyper::service::Service<
    hyper::Request<Incoming>,
    Response = axum::response::Response,
    Error = std::convert::Infallible,
    Future = Answer,
> {
    hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        router.clone().call(request)
    })
}
