//! `POST /api/statements`: a key names its successor, or retires. The statement is its own credential; a request that
//! carries an envelope as well is verified all the same.

use axum::extract::Request;
use axum::response::Response;
use envelope_core::Refusal;
use serde_json::json;

use super::admission;
use crate::server::known::stated::Stated;
use crate::server::routes::{self, App};

pub(super) async fn state(app: &App, request: Request) -> Result<Response, Refusal> {
    let body = admission::anybody(app, request).await?;
    let answer = match app.known().state(&body).await? {
        Stated::Succession { identity, old, new, until } => {
            tracing::info!(%identity, %old, %new, "rotated");
            json!({
                "identity": identity.as_str(),
                "old": old.to_string(),
                "new": new.to_string(),
                "until": until.as_unix(),
            })
        }
        Stated::Retirement { identity, key } => {
            tracing::info!(%identity, %key, "retired");
            json!({"identity": identity.as_str(), "revoked": key.to_string()})
        }
    };
    Ok(routes::json(&answer))
}
