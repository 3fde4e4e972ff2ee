//! `GET /api/me`: who the verifier takes the caller for.

use axum::extract::Request;
use axum::response::Response;
use envelope_core::{Access, Certificate, Refusal, Standing, Timestamp, Trust};
use serde_json::json;

use super::admission;
use crate::server::routes::{self, App};

pub(super) async fn me(app: &App, request: Request) -> Result<Response, Refusal> {
    let (caller, _) = admission::known(app, request, Access::CALL.scope).await?;
    let identity_key = caller.call().certificate().map(Certificate::identity_key);
    // A call key that is registered has no identity key behind it; its own end is the one that counts.
    let expires = match app.keys().standing(&identity_key.unwrap_or(caller.keyid())) {
        Standing::Identity { expires, .. } => expires,
        Standing::CallKey { expires, .. } => Some(expires),
        Standing::Unknown | Standing::Revoked => None,
    };
    Ok(routes::json(&json!({
        "identity": caller.identity().as_str(),
        "keyid": identity_key.map(|key| key.to_string()),
        "call_key": caller.keyid().to_string(),
        "expires": expires.map(Timestamp::as_unix),
        "packs": app.packs_of(caller.identity()),
        "authorities": app.guard().verifier().authorities().iter().collect::<Vec<_>>(),
    })))
}
