//! `/verify`: a proxy asks whether the request that it holds may pass (nginx `auth_request`, Caddy `forward_auth`, Traefik).

use axum::extract::{Extension, Request, State};
use axum::response::Response;
use envelope_core::{Access, Caller, Code, Refusal, target};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::gateway::allowed_by;
use super::listen::Peer;
use super::routes::App;
use super::upstream::name_caller;
use crate::guard::Rules;
use crate::place::Place;
use crate::problem::problem_with_status;

/// Answers 200, 401 or 403 and nothing else: nginx makes an error of its own of every other status.
pub(crate) async fn handle(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    let (head, _) = request.into_parts();
    let mut response = match decide(&app, peer, head).await {
        Ok(caller) => {
            let mut response = Response::default();
            if let Some(caller) = caller {
                name_caller(response.headers_mut(), &caller);
            }
            response
        }
        Err(refusal) => {
            let unauthorized = refusal.code().status() == StatusCode::UNAUTHORIZED.as_u16();
            let status = if unauthorized { StatusCode::UNAUTHORIZED } else { StatusCode::FORBIDDEN };
            problem_with_status(refusal, status, app.now())
        }
    };
    // A proxy that copies the fields of this answer must always find them.
    for name in ["envelope-identity", "envelope-keyid"] {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(""));
    }
    response
}

async fn decide(app: &App, peer: Peer, head: Parts) -> Result<Option<Caller>, Refusal> {
    if !app.proxies().hop(peer).trusted {
        return Err(Refusal::new(Code::NotAllowed, "only a trusted proxy may ask"));
    }
    let head = original(head)?;
    target::check_path(head.uri.path())?;
    app.browsers().check(&head, app.guard().verifier().authorities())?;
    let pack = match Place::of(head.uri.path()) {
        Place::Pack { guid, path: Some(_) } => Some(guid),
        Place::Elsewhere => None,
        Place::Pack { path: None, .. } | Place::Deploy(_) | Place::List => {
            return Err(Refusal::new(
                Code::NotAllowed,
                "deploying, listing and tearing down packs needs the gateway",
            ));
        }
        Place::Own => {
            return Err(Refusal::new(
                Code::NotAllowed,
                "the verifier itself answers there: the proxy must pass the request on to it",
            ));
        }
        Place::Near => {
            return Err(Refusal::new(Code::NotAllowed, "the path is near the packs and names none"));
        }
    };
    app.known().catch_up().await?;
    let rules = app.known().pack(pack);
    if !rules.agents.is_empty() {
        return Err(Refusal::new(
            Code::AgentNotAllowed,
            "rules per agent need the body: this pack needs the gateway",
        ));
    }
    let access = Access { pack, ..Access::CALL };
    let caller = app.guard().admit_without_body(&head, &access).await?;
    allowed_by(app, &head, pack, &rules, caller.as_ref()).await?;
    Ok(caller)
}

/// The request that the proxy holds, from what the proxy says of it.
///
/// Each kind of proxy overwrites its own fields and hands on those of the other kind as the client sent them; a request
/// with both kinds has one that the client made up.
fn original(mut head: Parts) -> Result<Parts, Refusal> {
    const NGINX: [&str; 2] = ["x-original-method", "x-original-uri"];
    const CADDY: [&str; 2] = ["x-forwarded-method", "x-forwarded-uri"];
    let has = |names: [&str; 2]| names.iter().any(|name| head.headers.contains_key(*name));
    let [method, uri] = match (has(NGINX), has(CADDY)) {
        (true, false) => NGINX,
        (false, true) => CADDY,
        (true, true) => {
            return Err(malformed("the fields of two kinds of proxies describe the request"));
        }
        (false, false) => {
            return Err(malformed("X-Original-Method and X-Original-URI do not describe the request"));
        }
    };
    let method = only(&head.headers, method)?.as_bytes().try_into();
    head.method = method.map_err(|_| malformed("the method of the original request cannot be read"))?;
    let target = only(&head.headers, uri)?.as_bytes();
    // What follows a number sign would be cut off silently.
    if !target.starts_with(b"/") || target.contains(&b'#') {
        return Err(Refusal::new(Code::TargetNotCanonical, "the original target is no path and query"));
    }
    head.uri = target.try_into().map_err(|_| {
        Refusal::new(Code::TargetNotCanonical, "the target of the original request cannot be read")
    })?;
    if uri == CADDY[1] {
        let host = only(&head.headers, "x-forwarded-host")?.clone();
        head.headers.insert(header::HOST, host);
    }
    Ok(head)
}

const fn malformed(detail: &'static str) -> Refusal {
    Refusal::new(Code::Malformed, detail)
}

fn only<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a HeaderValue, Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        (None, _) => Err(malformed("a field that describes the original request is missing")),
        (Some(_), Some(_)) => {
            Err(Refusal::new(Code::Duplicate, "a field that describes the original request is there twice"))
        }
    }
}
