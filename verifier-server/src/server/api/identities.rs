//! `GET /api/identities`: an admin looks at who is known.

use axum::extract::Request;
use axum::response::Response;
use envelope_core::Refusal;

use super::{admission, page};
use crate::server::routes::{self, App};

pub(super) async fn list(app: &App, request: Request) -> Result<Response, Refusal> {
    let after = page::after(&request);
    admission::admin(app, request).await?;
    let page = app.known().page_of_identities(after?.as_deref()).await?;
    Ok(routes::json(&serde_json::json!(page)))
}
