//! `POST /api/enroll`: a new identity key, and the ticket or the token of a pack that says whose it is.

use axum::extract::Request;
use axum::response::Response;
use envelope_core::{Certificate, Record, Refusal, Timestamp};
use serde_json::json;
use zeroize::Zeroizing;

use super::{admission, body};
use crate::guard::{Rules, bearer};
use crate::server::known::change::NO_TICKET;
use crate::server::packs::token;
use crate::server::routes::{self, App};

pub(super) async fn enroll(app: &App, request: Request) -> Result<Response, Refusal> {
    let known = app.known();
    known.check_store()?;
    known.catch_up().await?;
    let (head, body) = request.into_parts();
    let secret = Zeroizing::new(bearer(&head.headers).unwrap_or_default().to_owned());
    let is_token = token::is_token(&secret);
    // Strangers without a secret get no further: they could fill the replay cache with keys that they make up.
    let checked = if is_token { known.check_token(&secret) } else { known.check_ticket(&secret).await };
    checked.map_err(
        |refusal| {
            if refusal == NO_TICKET { known.bad_credential(&head, refusal) } else { refusal }
        },
    )?;
    if head.headers.contains_key("signature") && !head.headers.contains_key("signature-key") {
        return Err(admission::UNCERTIFIED);
    }
    let (caller, body) = admission::newcomer(app, &head, body, "enroll").await?;
    body::nothing(&body)?;
    let certificate = caller.call().and_then(|call| call.certificate());
    let key = certificate.map(Certificate::identity_key).ok_or(admission::UNCERTIFIED)?;
    let record = if is_token {
        known.enroll_by_token(&secret, key).await?
    } else {
        known.enroll(&secret, key).await?
    };
    tracing::info!(identity = record.owner().map(tracing::field::display), %key, "enrolled");
    Ok(routes::json(&describe(app, &record)))
}

/// What an identity is told of itself.
fn describe(app: &App, record: &Record) -> serde_json::Value {
    json!({
        "identity": record.owner().map(ToString::to_string),
        "keyid": record.key.to_string(),
        "expires": record.expires.map(Timestamp::as_unix),
        "packs": record.owner().map(|identity| app.known().packs_of(identity)).unwrap_or_default(),
        "authorities": app.guard().verifier().authorities().iter().collect::<Vec<_>>(),
    })
}
