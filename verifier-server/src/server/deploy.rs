//! Deploying a pack through the gateway, and tearing it down: the upstream does it, and the verifier keeps how it is guarded
//! (`spec/packs.md`, section 4).

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use envelope_core::{Caller, Code, Pack, Refusal};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};

use super::filter::GUIDS;
use super::gateway::{Way, say_allowed};
use super::known::packs::{Deployed, Deployer, Right, check_guid};
use super::lists::whole;
use super::members::Members;
use super::packs::rule_set::RuleSet;
use super::upstream::body_changed;
use crate::place::Kind;

/// The scope of certificates that deploying needs.
const SCOPE: &str = "deploy";
/// The member of a deployment that says how the pack is guarded.
const AUTH: &str = "auth";

const fn malformed(detail: &'static str) -> Refusal {
    Refusal::new(Code::Malformed, detail)
}

/// What a client asks for.
struct Demand {
    guid: Option<String>,
    rules: Option<RuleSet>,
    /// The body without what is meant for the verifier; `None` when nothing of it is.
    body: Option<Members>,
}

impl Demand {
    fn read(body: &[u8]) -> Result<Self, Refusal> {
        let mut members = Members::parse(body).ok_or(malformed("a deployment is a JSON object"))?;
        let guid = guid(&members)?;
        if let Some(guid) = &guid {
            check_guid(guid)?;
        }
        let Some(auth) = members.get(AUTH)? else { return Ok(Self { guid, rules: None, body: None }) };
        let rules: RuleSet = serde_json::from_str(auth.get())
            .map_err(|_| malformed("a member of auth is unknown, twice there, or of another type"))?;
        // What makes no sense is told before anything is deployed.
        rules.clone().change(Pack::trusted())?;
        members.remove(AUTH);
        Ok(Self { guid, rules: Some(rules), body: Some(members) })
    }
}

/// The guid that an object names.
fn guid(members: &Members) -> Result<Option<String>, Refusal> {
    let mut found: Option<String> = None;
    for name in GUIDS {
        let Some(guid) = members.text(name)? else { continue };
        if found.as_ref().is_some_and(|found| !found.eq_ignore_ascii_case(&guid)) {
            return Err(malformed("two guids are named that differ"));
        }
        found.get_or_insert(guid);
    }
    Ok(found)
}

pub(super) async fn deploy(
    way: &Way<'_>,
    kind: Kind,
    mut head: Parts,
    body: Body,
) -> Result<Response, Refusal> {
    const NO_STORE: Refusal = Refusal::new(Code::NotAllowed, "this verifier keeps no packs");
    let known = way.app.known();
    let admission = way.app.admit_by(Pack::open().into(), &head, body, SCOPE);
    let mut admitted = way.in_time(admission).await?;
    let caller = admitted.caller.clone();
    let deployer = deployer(way, caller.as_ref());
    let sent = admitted.body.clone();
    let Demand { guid, rules, body } = Demand::read(&sent)?;
    if rules.is_some() && !known.keeps_packs() {
        return Err(NO_STORE);
    }
    let right = known.right_to_deploy(guid.as_deref(), &deployer, &sent).await?;
    if right == Right::Pass && rules.is_some() {
        return Err(Refusal::new(Code::NotAllowed, "how this pack is guarded is not for this caller to say"));
    }
    if let Some(body) = body {
        admitted.body = body.to_bytes();
        body_changed(&mut head.headers);
    }
    say_allowed(way, &head, guid.as_deref(), caller.as_ref());
    if right == Right::Pass || !known.keeps_packs() {
        return Ok(way.send(head, admitted).await);
    }
    let answer = match whole(way, head, admitted).await {
        Ok(answer) => answer,
        Err(error) => return Ok(way.failed(error)),
    };
    let told = (answer.status() == StatusCode::OK).then(|| Members::parse(answer.body())).flatten();
    let Some(mut told) = told else { return Ok(answer.map(Body::from)) };
    let named = self::guid(&told).unwrap_or_default();
    let Some(guid) = named.or(guid) else {
        tracing::warn!("the upstream has deployed a pack and names no guid: nothing guards it");
        return Ok(answer.map(Body::from));
    };
    match known.deploy(&guid, kind, rules, &deployer, &sent).await {
        Ok(Some(deployed)) => {
            tracing::info!(
                pack = guid,
                owner = deployed.owner.as_ref().map(tracing::field::display),
                "deployed"
            );
            Ok(with_token(&mut told, kind, &guid, &deployed, answer.headers()))
        }
        Ok(None) => Ok(answer.map(Body::from)),
        Err(refusal) => {
            tracing::error!(pack = guid, "the upstream has deployed what the verifier does not take");
            Err(refusal)
        }
    }
}

fn deployer<'a>(way: &Way<'_>, caller: Option<&'a Caller>) -> Deployer<'a> {
    Deployer { caller, is_admin: caller.is_some_and(|caller| way.app.is_admin(caller)) }
}

/// The upstream's answer, and what the verifier adds.
fn with_token(
    told: &mut Members,
    kind: Kind,
    guid: &str,
    deployed: &Deployed,
    headers: &http::HeaderMap,
) -> Response {
    let token = deployed.token.as_str().into();
    match kind {
        Kind::Pack => told.set("pack_token", &token),
        Kind::Swarm => {
            told.set("swarm_token", &token);
            told.set("swarm_guid", &guid.into());
        }
    }
    told.set("owner", &deployed.owner.as_ref().map(ToString::to_string).into());
    told.set("allowed_users", &deployed.allowed_users);
    let body = told.to_bytes();
    let length = body.len();
    let mut response = Body::from(body).into_response();
    *response.headers_mut() = headers.clone();
    response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    response.headers_mut().remove(header::ETAG);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// `DELETE /api/pack/{guid}`: when the upstream has torn the pack down, nothing is left of how it was guarded.
pub(super) async fn tear_down(
    way: &Way<'_>,
    guid: &str,
    head: Parts,
    body: Body,
) -> Result<Response, Refusal> {
    let admission = way.app.admit_by(Pack::open().into(), &head, body, SCOPE);
    let admitted = way.in_time(admission).await?;
    let caller = admitted.caller.clone();
    way.app.known().check_teardown(guid, &deployer(way, caller.as_ref()))?;
    say_allowed(way, &head, Some(guid), caller.as_ref());
    let answer = way.send(head, admitted).await;
    if answer.status().is_success() {
        way.app.known().torn_down(guid).await?;
        tracing::info!(pack = guid, "torn down");
    }
    Ok(answer)
}
