//! `POST /api/enroll`: a new identity key, and the ticket that says whose it is.

use axum::extract::Request;
use axum::response::Response;
use envelope_core::{Caller, Certificate, Code, Record, Refusal, Thumbprint, Timestamp};
use http::HeaderMap;
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::{admission, body};
use crate::server::keys::change::NO_TICKET;
use crate::server::routes::{self, App};

/// Nothing: the ticket and the certificate say everything.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

const UNCERTIFIED: Refusal = Refusal::new(
    Code::KeyRefused,
    "whoever enrolls signs with a call key that the new identity key has certified",
);

pub(super) async fn enroll(app: &App, request: Request) -> Result<Response, Refusal> {
    app.keys().check_store()?;
    app.keys().catch_up().await?;
    let (head, body) = request.into_parts();
    let ticket = Zeroizing::new(ticket(&head.headers)?.to_owned());
    // Strangers without a ticket get no further: they could fill the replay cache with keys that they make up.
    app.keys().check_ticket(&ticket).await?;
    if head.headers.contains_key("signature") && !head.headers.contains_key("signature-key") {
        return Err(UNCERTIFIED);
    }
    let (caller, body) = admission::newcomer(app, &head, body, "enroll").await?;
    if !body.is_empty() {
        let Nothing {} = body::object(&body)?;
    }
    let key = identity_key(&caller).ok_or(UNCERTIFIED)?;
    let record = app.keys().enroll(&ticket, key).await?;
    tracing::info!(identity = record.owner().map(tracing::field::display), %key, "enrolled");
    Ok(routes::json(&describe(app, &record)))
}

/// What an identity is told of itself.
fn describe(app: &App, record: &Record) -> serde_json::Value {
    json!({
        "identity": record.owner().map(ToString::to_string),
        "keyid": record.key.to_string(),
        "expires": record.expires.map(Timestamp::as_unix),
        "packs": record.owner().map(|identity| app.packs_of(identity)).unwrap_or_default(),
        "authorities": app.guard().verifier().authorities().iter().collect::<Vec<_>>(),
    })
}

/// The identity key behind a call; `None` when its key is registered itself.
fn identity_key(caller: &Caller) -> Option<Thumbprint> {
    caller.call().certificate().map(Certificate::identity_key)
}

fn ticket(headers: &HeaderMap) -> Result<&str, Refusal> {
    let authorization = headers.get(http::header::AUTHORIZATION).ok_or(NO_TICKET)?;
    let (scheme, ticket) =
        authorization.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(NO_TICKET)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(ticket.trim_ascii()) } else { Err(NO_TICKET) }
}
