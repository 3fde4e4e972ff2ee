//! What the upstream tells of packs and agents: a caller is shown what they may use.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use envelope_core::{Access, Caller, Code, Pack, Refusal};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, header};
use serde_json::json;

use super::config::Route;
use super::filter::{self, Filtered};
use super::flags::RouteAccess;
use super::gateway::{Way, allowed};
use super::routes;
use super::upstream::UpstreamError;
use super::upstream::{strip_digests, strip_token};
use crate::agent;
use crate::guard::{Admitted, Rules};

/// Where the upstream lists the agents of a pack, behind its guid, in lower case.
const AGENTS: &str = "agents";
/// Where it says how a pack is, and which agents it has.
const HEALTH: [&str; 2] = ["health", "healthz"];

/// Whether the answer lists agents that the caller may not use, under any name that an upstream would take for one of these.
pub(super) fn has_agents(rules: &Pack, head: &Parts, path: &str) -> bool {
    let looks = head.method == Method::GET || head.method == Method::HEAD;
    let (first, is_alone) =
        (agent::first(path), path.matches('/').count() == 1 + usize::from(path.ends_with('/')));
    !rules.agents.is_empty() && looks && is_alone && (first == AGENTS || HEALTH.contains(&first.as_str()))
}

/// The agents of a pack that its caller may use: of those that the upstream tells, or of those that have rules.
pub(super) async fn agents(way: &Way<'_>, path: &str, head: Parts, admitted: Admitted) -> Response {
    let (rules, caller) = (admitted.rules.clone(), admitted.caller.clone());
    let is_list = agent::first(path) == AGENTS;
    let may_use = |agent: &str| rules.allows_agent(caller.as_ref(), agent);
    let answer = match whole(way, head, admitted).await {
        Ok(answer) => answer,
        Err(error) => return way.failed(error),
    };
    let status = answer.status();
    if status.is_success() {
        return cut(way, answer, |body| filter::agents(body, is_list, &may_use));
    }
    let is_unknown = [StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED, StatusCode::NOT_IMPLEMENTED];
    if is_list && is_unknown.contains(&status) {
        let mine = rules.agents.keys().filter(|agent| may_use(agent));
        let mine: Vec<_> = mine.map(|agent| json!({ "name": agent })).collect();
        return routes::json(&json!({ "agents": mine }));
    }
    answer.map(Body::from)
}

/// The packs of the upstream that a caller may call.
pub(super) async fn packs(way: &Way<'_>, mut head: Parts, body: Body) -> Result<Response, Refusal> {
    let admission = way.app.guard().admit(&head, body, &Access::CALL, |_, _| Ok(None));
    let admitted = way.in_time(admission).await?;
    allowed(way, &head, None, admitted.caller.as_ref()).await?;
    strip_token(&mut head.headers);
    Ok(list_packs(way, head, admitted).await)
}

async fn list_packs(way: &Way<'_>, head: Parts, admitted: Admitted) -> Response {
    let caller = admitted.caller.clone();
    match whole(way, head, admitted).await {
        Ok(answer) if answer.status().is_success() => {
            cut(way, answer, |body| filter::packs(body, &|guid| may_call(way, caller.as_ref(), guid)))
        }
        Ok(answer) => answer.map(Body::from),
        Err(error) => way.failed(error),
    }
}

fn may_call(way: &Way<'_>, caller: Option<&Caller>, guid: &str) -> bool {
    let rules = way.app.known().pack(Some(guid));
    rules.open || caller.is_some_and(|caller| rules.allows(caller, guid))
}

/// A route of the upstream that is no pack's.
pub(super) async fn route(
    way: &Way<'_>,
    route: &Route,
    mut head: Parts,
    body: Body,
) -> Result<Response, Refusal> {
    let rules = match route.access {
        RouteAccess::Open => way.app.guard().rules().pack(None),
        RouteAccess::Registered | RouteAccess::Admin => Pack::trusted().into(),
    };
    let admission = way.app.admit_by(rules, &head, body, Access::CALL.scope);
    let admitted = way.in_time(admission).await?;
    let is_admin = || admitted.caller.as_ref().is_some_and(|caller| way.app.is_admin(caller));
    if route.access == RouteAccess::Admin && !is_admin() {
        return Err(Refusal::new(Code::NotAllowed, "only an admin may do this"));
    }
    allowed(way, &head, None, admitted.caller.as_ref()).await?;
    strip_token(&mut head.headers);
    let lists = route.lists_packs;
    Ok(if lists { list_packs(way, head, admitted).await } else { way.send(head, admitted).await })
}

/// The longest answer that is looked into, in bytes.
const MAX_ANSWER: usize = 8 << 20;

/// The whole answer to a request, in a form that can be looked into.
pub(super) async fn whole(
    way: &Way<'_>,
    mut head: Parts,
    admitted: Admitted,
) -> Result<http::Response<Bytes>, UpstreamError> {
    // Another coding, a part, or "as before" could not be looked into.
    for name in [
        header::ACCEPT_ENCODING,
        header::RANGE,
        header::IF_RANGE,
        header::IF_NONE_MATCH,
        header::IF_MODIFIED_SINCE,
        header::TE,
    ] {
        head.headers.remove(name);
    }
    // How long a list is tells of what is not shown of it: its length is that of the part.
    if head.method == Method::HEAD {
        head.method = Method::GET;
    }
    let hop = way.app.proxies().hop(way.peer);
    let (head, body) = way.upstream.send(head, admitted, hop).await?.into_parts();
    let body = axum::body::to_bytes(body, MAX_ANSWER).await.map_err(|error| {
        tracing::warn!(%error, "an answer of the upstream that must be looked into");
        UpstreamError::Unreachable
    })?;
    Ok(http::Response::from_parts(head, body))
}

/// An answer without what its reader may not use.
fn cut(way: &Way<'_>, answer: http::Response<Bytes>, filter: impl Fn(&[u8]) -> Filtered) -> Response {
    let (mut head, body) = answer.into_parts();
    let body = match if body.is_empty() { Filtered::Whole } else { filter(&body) } {
        Filtered::Whole => body,
        Filtered::Cut(left) => left.to_string().into(),
        Filtered::Unreadable => return way.failed(UpstreamError::Unreadable),
    };
    strip_digests(&mut head.headers);
    head.headers.remove(header::TRANSFER_ENCODING);
    head.headers.insert(header::CONTENT_LENGTH, body.len().into());
    // What one caller is shown, no other shall be.
    head.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Response::from_parts(head, body.into())
}
