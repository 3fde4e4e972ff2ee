//! `/api/keys/revocations`: an admin takes back, and hands out the signed list of what was taken back.

use axum::extract::Request;
use axum::response::Response;
use envelope_core::{Refusal, Timestamp, Window};
use serde::Deserialize;
use serde_json::json;

use super::admission;
use super::body::{self, malformed};
use crate::server::known::change::Revocation;
use crate::server::routes::{self, App};

/// The longest `jti`, in bytes.
const MAX_ID: usize = 256;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Taken {
    key: Option<String>,
    identity: Option<String>,
    jti: Option<String>,
    issued_before: Option<u64>,
}

impl Taken {
    fn revocation(&self, now: Timestamp) -> Result<Revocation, Refusal> {
        match (&self.key, &self.identity, &self.jti, self.issued_before) {
            (Some(key), None, None, None) => Ok(Revocation::Key(body::thumbprint(key)?)),
            (None, Some(name), None, None) => Ok(Revocation::Identity(body::identity(name)?)),
            (Some(key), None, Some(id), None) => {
                if id.len() > MAX_ID {
                    return Err(malformed("jti is longer than that of any certificate: 256 bytes"));
                }
                Ok(Revocation::Certificate(body::thumbprint(key)?, id.clone()))
            }
            (None, Some(name), None, Some(moment)) => {
                let moment = Timestamp::from_unix(moment);
                if moment > now.plus(Window::SKEW) {
                    return Err(malformed("issued_before lies in the future"));
                }
                Ok(Revocation::IssuedBefore(body::identity(name)?, moment))
            }
            _ => Err(malformed("a revocation has key, identity, key and jti, or identity and issued_before")),
        }
    }
}

pub(super) async fn revoke(app: &App, request: Request) -> Result<Response, Refusal> {
    let (admin, body) = admission::admin(app, request).await?;
    let revocation = body::object::<Taken>(&body)?.revocation(app.now())?;
    let concerned = app.known().revoke(&revocation, &admin).await?;
    tracing::info!(admin = %admin.identity(), keys = concerned.len(), "revoked");
    let concerned: Vec<String> = concerned.iter().map(ToString::to_string).collect();
    Ok(routes::json(&json!({"revoked": concerned})))
}

pub(super) async fn list(app: &App, request: Request) -> Result<Response, Refusal> {
    admission::admin(app, request).await?;
    let list = app.known().signed_revocations()?;
    Ok(routes::answer("application/jose+json", list))
}
