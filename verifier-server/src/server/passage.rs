//! What every request passes, whatever it is for: it gets an id that client, log and receipt share, and a place among those in
//! flight; what became of it is measured, what was refused is written down, and who is too fast waits.

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use base64ct::{Base64UrlUnpadded, Encoding};
use bytes::Bytes;
use envelope_core::{Caller, Refusal};
use http::HeaderValue;
use http::request::Parts;
use http_body::Body as _;
use tracing::Instrument;

use super::limits::{Client, Measured, Place, Room};
use super::listen::{Peer, Seat};
use super::metrics::{Outcome, Route};
use super::random;
use super::routes::App;
use crate::problem::problem;
use crate::witness::Witness;

/// The response field in which a client gets the id of a request.
const ID: &str = "envelope-request-id";

/// One request, until all of its answer is on its way.
pub(super) struct Passage {
    app: App,
    arrived: Instant,
    route: Route,
    outcome: OnceLock<Outcome>,
    place: Mutex<Option<Place>>,
    /// The memory of the body, where there is one, until it is dropped or has gone to the upstream.
    room: Mutex<Option<Arc<Room>>>,
    /// The address that it comes from, where only one client has it.
    address: Option<IpAddr>,
    is_paced: AtomicBool,
}

impl Passage {
    fn begin(app: &App, head: &Parts, address: Option<IpAddr>) -> Result<Self, Refusal> {
        let route = Route::of(head);
        // Whoever watches over the program is answered also when it has too much to do.
        let place = if route.is_watch() { None } else { Some(app.in_flight().enter(address)?) };
        Ok(Self {
            app: app.clone(),
            arrived: Instant::now(),
            route,
            outcome: OnceLock::new(),
            place: Mutex::new(place),
            room: Mutex::default(),
            address,
            is_paced: AtomicBool::new(false),
        })
    }

    fn place(&self) -> MutexGuard<'_, Option<Place>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn room(&self) -> MutexGuard<'_, Option<Arc<Room>>> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What waits for its answer to be told is not in flight.
    fn leave(&self) {
        *self.place() = None;
        *self.room() = None;
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        if let Some(outcome) = self.outcome.get() {
            self.app.metrics().answered(&self.route, outcome, self.arrived.elapsed());
        }
    }
}

impl fmt::Debug for Passage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passage").field("route", &self.route).finish_non_exhaustive()
    }
}

/// Takes a request through, and gives account of it.
pub(super) async fn pass(State(app): State<App>, request: Request, next: Next) -> Response {
    let id = match new_id() {
        Ok(id) => id,
        Err(refusal) => return problem(refusal, app.now()),
    };
    let span = tracing::info_span!("request", %id);
    let mut response = account(&app, &id, request, next).instrument(span).await;
    name(&mut response, &id);
    response
}

async fn account(app: &App, id: &str, request: Request, next: Next) -> Response {
    let (mut head, body) = request.into_parts();
    let witness = Witness::new(id.to_owned(), app.proxies().client(&head));
    head.extensions.insert(witness.clone());
    let (peer, address) = (head.extensions.get::<Peer>().copied(), app.proxies().one_client(&head));
    let seat = head.extensions.remove::<Arc<Seat>>();
    let passage = match Passage::begin(app, &head, address) {
        Ok(passage) => Arc::new(passage),
        Err(refusal) => {
            let response = refused(app, &witness, &Route::of(&head), problem(refusal, app.now())).await;
            hold(app, peer, seat.as_deref()).await;
            return response;
        }
    };
    head.extensions.insert(Arc::clone(&passage));
    let body = if body.is_end_stream() {
        body
    } else {
        let room = Room::new(app.in_flight(), address);
        *passage.room() = Some(Arc::clone(&room));
        Body::new(Measured { body, room })
    };
    let response = next.run(Request::from_parts(head, body)).await;
    let mut response = settle(app, &witness, response).await;
    // Said once; what is refused is measured when its answer has gone, as all is.
    let _ = passage.outcome.set(Outcome::of(&response, &witness));
    app.metrics().verified(&witness);
    if response.extensions().get::<Refusal>().is_some() {
        passage.leave();
        hold(app, peer, seat.as_deref()).await;
    } else if let (Some(address), false) = (address, passage.is_paced.load(Ordering::Relaxed)) {
        app.calls().keep(&Client::at(address)).await;
    }
    response.extensions_mut().insert(passage);
    response
}

/// Writes down what was refused.
async fn settle<B: From<Bytes>>(app: &App, witness: &Witness, response: Response<B>) -> Response<B> {
    let (Some(audit), Some(refusal)) = (app.audit(), response.extensions().get::<Refusal>()) else {
        return response;
    };
    match audit.refused(app.known(), witness, *refusal).await {
        Ok(()) => response,
        Err(unavailable) => problem(unavailable, app.now()),
    }
}

async fn refused<B: From<Bytes>>(
    app: &App,
    witness: &Witness,
    route: &Route,
    response: Response<B>,
) -> Response<B> {
    let response = settle(app, witness, response).await;
    app.metrics().answered(route, &Outcome::of(&response, witness), witness.seen().arrived.elapsed());
    response
}

/// Waits until an address may be told of another refusal. A proxy would run out of connections, and this program with it.
async fn tell(app: &App, peer: Option<Peer>) {
    if let Some(address) = peer.and_then(|peer| app.proxies().direct(peer)) {
        app.refusals().keep(&Client::at(address)).await;
    }
}

/// The same on a connection whose place is everybody's meanwhile.
async fn hold(app: &App, peer: Option<Peer>, seat: Option<&Seat>) {
    if let Some(seat) = seat {
        seat.hold();
    }
    tell(app, peer).await;
    if let Some(seat) = seat {
        seat.release();
    }
}

/// The answer to a request that cannot be read.
pub(super) async fn unreadable(app: &App, peer: Peer, refusal: Refusal) -> Response<Bytes> {
    let response = unread(app, peer, refusal).await;
    tell(app, Some(peer)).await;
    response
}

/// The answer to a request that nobody has read.
pub(super) async fn unread(app: &App, Peer(peer): Peer, refusal: Refusal) -> Response<Bytes> {
    let id = match new_id() {
        Ok(id) => id,
        Err(refusal) => return problem(refusal, app.now()),
    };
    let answering = async {
        let witness = Witness::new(id.clone(), peer.ip().to_canonical());
        refused(app, &witness, &Route::UNREAD, problem(refusal, app.now())).await
    };
    let mut response = answering.instrument(tracing::info_span!("request", %id)).await;
    name(&mut response, &id);
    response
}

/// It is known who has sent a request that may pass: they have a limit of their own, and a pace.
///
/// # Errors
/// [`Code::TooManyRequests`].
pub(super) async fn sent_by(head: &Parts, caller: Option<&Caller>) -> Result<(), Refusal> {
    let Some(passage) = head.extensions.get::<Arc<Passage>>() else { return Ok(()) };
    let client = match caller {
        Some(caller) => {
            if let Some(place) = passage.place().as_mut() {
                place.of(caller.identity())?;
            }
            if let Some(room) = passage.room().as_ref() {
                room.of(caller.identity())?;
            }
            Some(Client::Identity(caller.identity().clone()))
        }
        None => passage.address.map(Client::at),
    };
    passage.is_paced.store(true, Ordering::Relaxed);
    if let Some(client) = client {
        passage.app.calls().keep(&client).await;
    }
    Ok(())
}

/// The memory of the body, for whoever has the body now.
pub(super) fn room(head: &Parts) -> Option<Arc<Room>> {
    head.extensions.get::<Arc<Passage>>()?.room().take()
}

fn new_id() -> Result<String, Refusal> {
    let mut id = [0; 16];
    random::fill(&mut id)?;
    Ok(Base64UrlUnpadded::encode_string(&id))
}

fn name<B>(response: &mut Response<B>, id: &str) {
    // Base64url is a field value.
    if let Ok(id) = HeaderValue::from_str(id) {
        response.headers_mut().insert(ID, id);
    }
}

impl Outcome {
    fn of<B>(response: &Response<B>, witness: &Witness) -> Self {
        let code = response.extensions().get::<Refusal>().map(|refusal| refusal.code());
        let decided = code.is_some() || witness.is_decided();
        Self { status: response.status().as_u16(), code, decided }
    }
}
