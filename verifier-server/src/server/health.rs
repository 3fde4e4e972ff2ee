//! `GET /health`: whether the verifier can decide now (ready), and whether it runs at all (live).

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use envelope_core::Trust;
use http::StatusCode;

use super::routes::{self, App};
use crate::guard::Rules;

/// `/health/live`: it answers, so it lives. Whatever it waits for, to start it anew would not help.
pub(super) async fn live() -> Response {
    routes::json(&serde_json::json!({"status": "ok"}))
}

/// `/health` and `/health/ready`: 503 where every call would be refused, whoever makes it, and what is to blame.
pub(super) async fn ready(State(app): State<App>) -> Response {
    let now = app.now();
    let checks = [
        ("stopping", !app.is_stopping()),
        ("store", app.known().catch_up().await.is_ok()),
        ("revocations", app.known().check_current(now).is_ok()),
        ("replay", app.guard().mark().is_none_or(|mark| mark.begin() < now && now <= mark.reserved())),
        ("audit", app.audit().is_none_or(|audit| !audit.is_required() || !audit.progress().is_failing())),
    ];
    let failing: Vec<&str> = checks.iter().filter(|(_, holds)| !holds).map(|(name, _)| *name).collect();
    if failing.is_empty() {
        return routes::json(&serde_json::json!({"status": "ok"}));
    }
    let told = serde_json::json!({"status": "unavailable", "failing": failing});
    (StatusCode::SERVICE_UNAVAILABLE, routes::json(&told)).into_response()
}
