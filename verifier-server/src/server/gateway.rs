//! The gateway: verified calls to a pack go to the upstream.

use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::response::Response;
use envelope_core::{Access, Code, Refusal, target};

use super::agent;
use super::listen::Peer;
use super::place::Place;
use super::routes::App;
use super::upstream::check_framing;
use crate::problem::{gateway_problem, problem};

/// Every request that no other route takes.
pub(crate) async fn handle(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    forward(&app, peer, request).await.unwrap_or_else(|refusal| problem(refusal, app.now()))
}

async fn forward(app: &App, peer: Peer, request: Request) -> Result<Response, Refusal> {
    const NOT_HERE: Refusal = Refusal::new(Code::NotAllowed, "there is nothing to call at this path");
    let (head, body) = request.into_parts();
    // An unsigned request must not leave its pack by dot segments either.
    target::check_path(head.uri.path())?;
    let Place::Pack { guid: pack, path: Some(path) } = Place::of(head.uri.path()) else {
        return Err(NOT_HERE);
    };
    let upstream = app.upstream().ok_or(NOT_HERE)?;
    check_framing(&head)?;
    app.browsers().check(&head, app.guard().verifier().authorities())?;

    let access = Access { pack: Some(pack), ..Access::CALL };
    let has_agent_rules = !app.guard().policy().pack(Some(pack)).agents.is_empty();
    let agent_of = |body: &[u8]| if has_agent_rules { agent::called(&head, path, body) } else { Ok(None) };
    app.keys().catch_up().await?;
    let admission = app.guard().admit(&head, body, &access, agent_of);
    let admitted = tokio::time::timeout(app.body_timeout(), admission)
        .await
        .map_err(|_| Refusal::new(Code::Malformed, "the body did not arrive in time"))??;
    match &admitted.caller {
        Some(caller) => {
            tracing::info!(pack, identity = %caller.identity(), keyid = %caller.keyid(), "allowed")
        }
        None => tracing::info!(pack, "allowed without a credential"),
    }
    let answer = upstream.send(head, admitted, app.hop(peer)).await;
    Ok(answer.unwrap_or_else(|error| gateway_problem::<Body>(error.status(), error.title(), app.now())))
}
