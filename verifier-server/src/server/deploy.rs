//! Deploying a pack through the gateway, and tearing it down: the upstream does it, and the verifier keeps how it is guarded
//! (`spec/packs.md`, section 4).

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use envelope_core::{Caller, Code, Pack, Refusal, Users};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};

use super::filter::GUIDS;
use super::gateway::{Way, allowed};
use super::known::Known;
use super::known::deploying::{Deployed, Deployer, Right, check_guid};
use super::lists::whole;
use super::members::Members;
use super::packs::rule_set::{MAX_RULES, RuleSet};
use super::packs::token;
use super::upstream::{body_changed, strip_digests, strip_token};
use crate::guard::{Admitted, bearer};
use crate::place::Kind;
use crate::witness::Witness;

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
        if members.resemble(&[GUIDS.as_slice(), &[AUTH]].concat()) {
            return Err(malformed(
                "a member is spelled almost as one that names the pack, or says how it is guarded",
            ));
        }
        let guid = guid(&members)?;
        if let Some(guid) = &guid {
            check_guid(guid)?;
        }
        let Some(auth) = members.get(AUTH)? else { return Ok(Self { guid, rules: None, body: None }) };
        if auth.get().len() > MAX_RULES {
            return Err(Refusal::new(Code::TooLarge, "auth is longer than 256 KiB"));
        }
        let rules = RuleSet::parse(auth.get().as_bytes())?;
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
    check_bearer(&head)?;
    let admission = way.app.admit_by(who_asks(known), &head, body, SCOPE);
    let mut admitted = way.in_time(admission).await?;
    let caller = admitted.caller.clone();
    let deployer = deployer(way, caller.as_ref());
    let sent = admitted.body.clone();
    let Demand { guid, rules, body } = Demand::read(&sent)?;
    Witness::pack(&head, guid.as_deref());
    if rules.is_some() && !known.keeps_packs() {
        return Err(NO_STORE);
    }
    // Whoever has no right holds nobody up.
    known.right_to_deploy(guid.as_deref(), &deployer, &sent).await?;
    // One after the other: what the upstream has last is what is written down last.
    let turn = match &guid {
        Some(guid) => way.app.turn(guid).await,
        None => way.app.any_turn().await,
    };
    let right = known.right_to_deploy(guid.as_deref(), &deployer, &sent).await?;
    if right == Right::Pass && rules.is_some() {
        return Err(Refusal::new(Code::NotAllowed, "how this pack is guarded is not for this caller to say"));
    }
    strip_token(&mut head.headers);
    if let Some(body) = body {
        admitted.body = body.to_bytes();
        body_changed(&mut head.headers);
    }
    if right == Right::Pass || !known.keeps_packs() {
        allowed(way, &head, guid.as_deref(), caller.as_ref()).await?;
        return Ok(way.send(head, admitted).await);
    }
    // Before anything is deployed that could not be written down.
    known.check_writable().await?;
    allowed(way, &head, guid.as_deref(), caller.as_ref()).await?;
    let (app, peer) = (way.app.clone(), way.peer);
    // To its end, also when the client is gone: what the upstream has deployed is not left without its rules.
    let deployment = tokio::spawn(async move {
        let _turn = turn;
        let way = Way { app: &app, peer, upstream: app.upstream().ok_or(BROKEN_OFF)? };
        let demand = Granted { kind, guid, rules, sent };
        demand.carry_out(&way, caller.as_ref(), head, admitted).await
    });
    deployment.await.unwrap_or(Err(BROKEN_OFF))
}

const BROKEN_OFF: Refusal = Refusal::new(Code::ReplayUnavailable, "the deployment broke off");

/// A deployment that may be.
struct Granted {
    kind: Kind,
    guid: Option<String>,
    rules: Option<RuleSet>,
    /// The body as the client sent it.
    sent: bytes::Bytes,
}

impl Granted {
    async fn carry_out(
        self,
        way: &Way<'_>,
        caller: Option<&Caller>,
        head: Parts,
        admitted: Admitted,
    ) -> Result<Response, Refusal> {
        let Self { kind, guid, rules, sent } = self;
        let (known, deployer) = (way.app.known(), deployer(way, caller));
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
                Ok(with_token(&mut told, kind, &guid, &deployed, answer.into_parts().0))
            }
            Ok(None) => Ok(answer.map(Body::from)),
            Err(refusal) => {
                tracing::error!(pack = guid, "the upstream has deployed what the verifier does not take");
                Err(refusal)
            }
        }
    }
}

/// The token of a pack opens it, and is no right to deploy one or to tear it down. Any other bearer is none of the verifier's here.
fn check_bearer(head: &Parts) -> Result<(), Refusal> {
    const NO_RIGHT: Refusal =
        Refusal::new(Code::NotAllowed, "the token of a pack is no right to deploy it, or to tear it down");
    let is_token = bearer(&head.headers).is_some_and(token::is_token);
    if is_token && !head.headers.contains_key("signature") { Err(NO_RIGHT) } else { Ok(()) }
}

/// Whose body is read: whether they may do what they ask is for later. Where nobody may do it without a credential, nobody's is.
fn who_asks(known: &Known) -> Arc<Pack> {
    let anybody = Pack::open();
    let known_ones = || Pack { allowed_users: Users::Everybody, ..Pack::trusted() };
    if known.is_auth_required() { known_ones() } else { anybody }.into()
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
    mut head: http::response::Parts,
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
    head.headers.insert(header::CONTENT_LENGTH, body.len().into());
    strip_digests(&mut head.headers);
    head.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Response::from_parts(head, body.into())
}

/// `DELETE /api/pack/{guid}`: when the upstream has torn the pack down, nothing is left of how it was guarded.
pub(super) async fn tear_down(
    way: &Way<'_>,
    guid: &str,
    mut head: Parts,
    body: Body,
) -> Result<Response, Refusal> {
    Witness::pack(&head, Some(guid));
    check_bearer(&head)?;
    let admission = way.app.admit_by(who_asks(way.app.known()), &head, body, SCOPE);
    let admitted = way.in_time(admission).await?;
    let caller = admitted.caller.clone();
    way.app.known().check_teardown(guid, &deployer(way, caller.as_ref()))?;
    let turn = way.app.turn(guid).await;
    way.app.known().check_teardown(guid, &deployer(way, caller.as_ref()))?;
    allowed(way, &head, Some(guid), caller.as_ref()).await?;
    strip_token(&mut head.headers);
    let (app, peer, guid) = (way.app.clone(), way.peer, guid.to_owned());
    let teardown = tokio::spawn(async move {
        let _turn = turn;
        let way = Way { app: &app, peer, upstream: app.upstream().ok_or(BROKEN_OFF)? };
        let answer = way.send(head, admitted).await;
        if answer.status().is_success() {
            app.known().torn_down(&guid, &deployer(&way, caller.as_ref())).await?;
            tracing::info!(pack = guid, "torn down");
        }
        Ok(answer)
    });
    teardown.await.unwrap_or(Err(BROKEN_OFF))
}
