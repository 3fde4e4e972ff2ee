//! What every request passes, whatever it is for: it gets an id that client, log and receipt share, and a place among those in
//! flight; what became of it is measured, and what was refused is written down.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
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

use super::limits::{Measured, Place, Room};
use super::listen::Peer;
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
    place: Option<Mutex<Place>>,
    room: Arc<Room>,
}

impl Passage {
    fn begin(app: &App, head: &Parts) -> Result<Self, Refusal> {
        let route = Route::of(head);
        // Whoever watches over the program is answered also when it has too much to do.
        let place = if route.is_watch() {
            None
        } else {
            Some(Mutex::new(app.in_flight().enter(app.proxies().one_client(head))?))
        };
        let room = Room::new(app.in_flight());
        Ok(Self { app: app.clone(), arrived: Instant::now(), route, outcome: OnceLock::new(), place, room })
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
    let passage = match Passage::begin(app, &head) {
        Ok(passage) => Arc::new(passage),
        Err(refusal) => {
            let route = Route::of(&head);
            return refused(app, &witness, &route, problem(refusal, app.now())).await;
        }
    };
    head.extensions.insert(Arc::clone(&passage));
    let body = if body.is_end_stream() {
        body
    } else {
        Body::new(Measured { body, room: Arc::clone(&passage.room) })
    };
    let response = next.run(Request::from_parts(head, body)).await;
    let mut response = settle(app, &witness, response).await;
    // Said once; what is refused is measured when its answer has gone, as all is.
    let _ = passage.outcome.set(Outcome::of(&response, &witness));
    app.metrics().verified(&witness);
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

/// It is known who has sent a request: they have a limit of their own.
///
/// # Errors
/// [`Code::TooManyRequests`].
pub(super) fn sent_by(head: &Parts, caller: Option<&Caller>) -> Result<(), Refusal> {
    let passage = head.extensions.get::<Arc<Passage>>();
    match (passage.and_then(|passage| passage.place.as_ref()), caller) {
        (Some(place), Some(caller)) => {
            place.lock().unwrap_or_else(PoisonError::into_inner).of(caller.identity())
        }
        _ => Ok(()),
    }
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
