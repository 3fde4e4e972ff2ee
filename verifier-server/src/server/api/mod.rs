//! The verifier's own endpoints: keys and packs are registered, change and are taken back here. Each is an envelope itself, but for
//! statements, which the keys that they are about have signed.

mod admission;
mod body;
mod enroll;
mod identities;
mod keys;
mod login;
mod me;
mod packs;
mod page;
mod revocations;
mod statements;
mod tickets;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, any, get, post};
use envelope_core::{Code, Refusal};

use super::routes::App;
use crate::problem::problem;

/// An endpoint as a handler: what it refuses is answered as a problem document.
macro_rules! handle {
    ($endpoint:path) => {
        async |State(app): State<App>, request: Request| -> Response {
            let answer = match page::none(&request) {
                Ok(()) => $endpoint(&app, request).await,
                Err(refusal) => Err(refusal),
            };
            answer.unwrap_or_else(|refusal| problem(refusal, app.now()))
        }
    };
}

/// The same for one that answers page by page.
macro_rules! handle_paged {
    ($endpoint:path) => {
        async |State(app): State<App>, request: Request| -> Response {
            let answer = $endpoint(&app, request).await;
            answer.unwrap_or_else(|refusal| problem(refusal, app.now()))
        }
    };
}

/// The routes.
pub(crate) fn routes() -> Router<App> {
    let closed = |route: MethodRouter<App>| route.fallback(nothing);
    Router::new()
        .route("/api/enroll", closed(post(handle!(enroll::enroll))))
        .route("/api/login", closed(post(handle!(login::log_in))))
        .route("/api/packs", closed(get(handle_paged!(packs::all)).post(handle_paged!(packs::all))))
        .route("/api/packs/{*rest}", any(handle_paged!(packs::one)))
        .route("/api/me", closed(get(handle!(me::me))))
        .route("/api/statements", closed(post(handle!(statements::state))))
        .route("/api/identities", closed(get(handle_paged!(identities::list))))
        .route("/api/keys", closed(get(handle_paged!(keys::list)).post(handle!(keys::register))))
        .route("/api/keys/tickets", closed(post(handle!(tickets::issue))))
        .route(
            "/api/keys/revocations",
            closed(get(handle!(revocations::list)).post(handle!(revocations::revoke))),
        )
}

async fn nothing(State(app): State<App>) -> Response {
    problem(Refusal::new(Code::NotAllowed, "there is nothing to call by this method"), app.now())
}
