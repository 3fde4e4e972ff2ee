//! `/api/keys`: an admin registers a key, and looks at all of them.

use axum::extract::Request;
use axum::response::Response;
use envelope_core::key::format::KeyRef;
use envelope_core::registry::DEFAULT_REGISTRATION;
use envelope_core::{Record, Refusal};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::body::{self, malformed};
use super::{admission, page};
use crate::server::routes::{self, App};

/// The longest time for which an identity key is given an end, in seconds: 100 years, beyond which none is meant.
const MAX_TTL: u64 = 100 * 365 * 86_400;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewKey<'a> {
    identity: String,
    #[serde(borrow)]
    key: &'a RawValue,
    #[serde(default)]
    role: Role,
    ttl: Option<u64>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    #[default]
    Identity,
    Call,
}

pub(super) async fn register(app: &App, request: Request) -> Result<Response, Refusal> {
    let (admin, body) = admission::admin(app, request).await?;
    let new: NewKey<'_> = body::object(&body)?;
    let (identity, key, now) = (body::new_identity(&new.identity)?, body::key(new.key)?, app.now());
    if new.ttl.is_some_and(|ttl| !(1..=MAX_TTL).contains(&ttl)) {
        return Err(malformed("ttl is not 1 second to 100 years"));
    }
    let record = match (new.role, key) {
        (Role::Identity, key) => {
            let expires = new.ttl.map(|ttl| now.plus(ttl));
            Record { expires, ..Record::identity(identity, key.thumbprint()) }
        }
        (Role::Call, KeyRef::Key(key)) => {
            Record::call_key(identity, key, now.plus(new.ttl.unwrap_or(DEFAULT_REGISTRATION)))
        }
        (Role::Call, KeyRef::Thumbprint(_)) => {
            return Err(malformed("a call key comes without a certificate, so it is given whole: as a JWK"));
        }
    };
    let key = record.key;
    let facts = app.known().register(record, &admin).await?;
    tracing::info!(%key, identity = new.identity, admin = %admin.identity(), "registered");
    Ok(routes::json(&serde_json::json!(facts)))
}

pub(super) async fn list(app: &App, request: Request) -> Result<Response, Refusal> {
    let after = page::after(&request);
    admission::admin(app, request).await?;
    let page = app.known().page_of_keys(after?.as_deref()).await?;
    Ok(routes::json(&serde_json::json!(page)))
}
