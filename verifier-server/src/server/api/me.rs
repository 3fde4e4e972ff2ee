//! `GET /api/me`: who the verifier takes the caller for.

use axum::extract::Request;
use axum::response::Response;
use envelope_core::{Access, Certificate, Code, Refusal, Standing, Timestamp, Trust};
use serde_json::json;

use super::admission;
use crate::server::routes::{self, App};

const NO_CREDENTIAL: Refusal = Refusal::new(Code::Unauthenticated, "the request carries no credential");

pub(super) async fn me(app: &App, request: Request) -> Result<Response, Refusal> {
    let (caller, _) = admission::known(app, request, Access::CALL.scope).await?;
    let call = caller.call().ok_or(NO_CREDENTIAL)?;
    let login = call.certificate().filter(|certificate| certificate.login().is_some());
    let identity_key = call.certificate().filter(|_| login.is_none()).map(Certificate::identity_key);
    // A call key that is registered has no identity key behind it; its own end is the one that counts.
    let expires = match app.known().standing(&identity_key.unwrap_or(call.keyid())) {
        Standing::Identity { expires, .. } => expires,
        Standing::CallKey { expires, .. } => Some(expires),
        Standing::Unknown | Standing::Revoked => login.map(Certificate::expires),
    };
    Ok(routes::json(&json!({
        "identity": caller.identity().as_str(),
        "keyid": identity_key.map(|key| key.to_string()),
        "call_key": call.keyid().to_string(),
        "expires": expires.map(Timestamp::as_unix),
        "packs": app.known().callable(&caller),
        "authorities": app.guard().verifier().authorities().iter().collect::<Vec<_>>(),
    })))
}
