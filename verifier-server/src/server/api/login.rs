//! `POST /api/login`: a token of an identity provider, and a certificate for the call key that has signed the request.

use axum::extract::Request;
use axum::response::Response;
use envelope_core::Refusal;
use serde_json::json;
use zeroize::Zeroizing;

use super::{admission, body};
use crate::guard::bearer;
use crate::server::known::bearer::NO_GOOD;
use crate::server::routes::{self, App};

pub(super) async fn log_in(app: &App, request: Request) -> Result<Response, Refusal> {
    let known = app.known();
    known.check_logins()?;
    let (head, body) = request.into_parts();
    let token = Zeroizing::new(bearer(&head.headers).ok_or(NO_GOOD)?.to_owned());
    let address = app.proxies().client(&head);
    // Who brings nothing that is good gets no further: the replay cache is not filled with keys that strangers make up.
    let user = known.user(&token, address).await.map_err(|refusal| counted(app, &head, refusal))?;
    let (caller, body) = admission::newcomer(app, &head, body, "login").await?;
    body::nothing(&body)?;
    let certificate = caller.call().and_then(|call| call.certificate()).ok_or(admission::UNCERTIFIED)?;
    let login = known.log_in(&user, certificate.call_key())?;
    let keyid = certificate.call_key().thumbprint();
    tracing::info!(identity = %login.identity, %keyid, "logged in");
    Ok(routes::json(&json!({
        "identity": login.identity.as_str(),
        "certificate": login.certificate,
        "expires": login.expires.as_unix(),
        "packs": login.packs,
    })))
}

fn counted(app: &App, head: &http::request::Parts, refusal: Refusal) -> Refusal {
    if refusal == NO_GOOD { app.known().bad_credential(head, refusal) } else { refusal }
}
