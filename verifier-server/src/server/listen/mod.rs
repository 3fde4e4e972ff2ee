//! Connections: accepted, held to their limits, and finished at shutdown.

mod connection;
mod connections;
mod io;
mod told;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use envelope_core::{Code, Refusal};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use self::connection::{Served, Terms};
pub(crate) use self::connections::{Connections, Seat};
use self::told::Told;
use super::routes::App;
use super::tls::Tls;

/// The address at the other end of the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Serves the program's routes, or others under the same limits, until `stop` is done; then takes no more connections and finishes what is
/// in flight.
pub async fn serve(app: App, router: Router, listener: TcpListener, stop: impl Future<Output = ()>) {
    let (stopping, stopped) = watch::channel(false);
    // Whoever has a sender is alive.
    let (alive, mut all_gone) = mpsc::channel::<()>(1);
    let acceptor =
        Acceptor { router, terms: Terms::new(&app), stopped, alive, told: Arc::default(), app: &app };
    tokio::select! {
        () = acceptor.accept_all(&listener) => {}
        () = stop => {}
    }
    app.stop();
    drop(listener);
    tracing::info!("shutting down");
    // Nobody is left to hear it: then nothing is in flight.
    let _ = stopping.send(true);
    drop(acceptor);
    let patience = Duration::from_secs(app.timeouts().shutdown);
    if tokio::time::timeout(patience, all_gone.recv()).await.is_err() {
        tracing::warn!("requests in flight were cut off");
    }
}

struct Acceptor<'a> {
    app: &'a App,
    router: Router,
    terms: Terms,
    stopped: watch::Receiver<bool>,
    alive: mpsc::Sender<()>,
    told: Arc<Told>,
}

impl Acceptor<'_> {
    async fn accept_all(&self, listener: &TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    self.accept(stream, Peer(peer));
                    // A thousand that come at once do not go before those who are here.
                    tokio::task::yield_now().await;
                }
                Err(error) => {
                    // Out of descriptors, say: whoever has waited longest makes room.
                    tracing::warn!(%error, "accept");
                    self.app.connections().make_room();
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    fn accept(&self, stream: TcpStream, peer: Peer) {
        // Answers are small; waiting for more of them only adds latency.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "nodelay");
        }
        let hop = self.app.proxies().hop(peer);
        let (served, turn) = match self.app.connections().seat(hop.peer, hop.trusted) {
            Ok(seat) => (Served::Seated(seat, self.router.clone()), None),
            Err(code) => {
                let Some(turn) = self.told.turn(hop) else {
                    return self.app.metrics().closed_unheard();
                };
                (Served::TurnedAway(refusal(code)), Some(turn))
            }
        };
        let (terms, stopped, alive) = (self.terms.clone(), self.stopped.clone(), self.alive.clone());
        let tls = self.app.tls().map(Tls::acceptor);
        tokio::spawn(async move {
            match tls {
                None => connection::serve(stream, peer, served, terms, stopped).await,
                Some(tls) => {
                    if let Some(stream) = connection::shake_hands(&tls, stream, &served, &terms).await {
                        connection::serve(stream, peer, served, terms, stopped).await;
                    }
                }
            }
            drop((turn, alive));
        });
    }
}

const fn refusal(code: Code) -> Refusal {
    match code {
        Code::TooManyRequests => {
            Refusal::new(code, "this address has as many connections as one may have: use those, or wait")
        }
        _ => Refusal::new(code, "the verifier has as many connections as it takes: try again"),
    }
}
