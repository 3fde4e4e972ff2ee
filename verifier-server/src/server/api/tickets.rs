//! `POST /api/keys/tickets`: an admin lets somebody register a key for an identity, once.

use axum::extract::Request;
use axum::response::Response;
use envelope_core::Refusal;
use serde::Deserialize;
use serde_json::json;

use super::admission;
use super::body::{self, malformed};
use crate::server::routes::{self, App};

/// How long a ticket is good when nothing else is said, in seconds.
const DEFAULT_TTL: u64 = 86_400;
/// The longest, in seconds: 30 days.
const MAX_TTL: u64 = 30 * 86_400;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewTicket {
    identity: String,
    ttl: Option<u64>,
}

pub(super) async fn issue(app: &App, request: Request) -> Result<Response, Refusal> {
    let (admin, body) = admission::admin(app, request).await?;
    let new: NewTicket = body::object(&body)?;
    let identity = body::new_identity(&new.identity)?;
    let ttl = new.ttl.unwrap_or(DEFAULT_TTL);
    if !(1..=MAX_TTL).contains(&ttl) {
        return Err(malformed("ttl of a ticket is 1 to 2592000 seconds"));
    }
    let (ticket, expires) = app.known().issue_ticket(identity, ttl, &admin).await?;
    tracing::info!(identity = new.identity, admin = %admin.identity(), "ticket");
    Ok(routes::json(&json!({
        "ticket": ticket.as_str(),
        "identity": new.identity,
        "expires": expires.as_unix(),
    })))
}
