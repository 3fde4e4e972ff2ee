//! `/api/packs`: admins, and owners of packs, say how those are guarded.

use axum::extract::Request;
use axum::response::Response;
use envelope_core::{Code, Identity, Pack, Refusal, Users};
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::body::{self, malformed};
use super::{admission, page};
use crate::place::Kind;
use crate::server::known::admin::Admin;
use crate::server::known::deploying::{Deployed, Deployer, Right, check_guid};
use crate::server::known::packs::{DEFAULT_TOKEN, PackAdmin, TokenWish};
use crate::server::members::Members;
use crate::server::packs::rule_set::{RuleSet, UserList};
use crate::server::routes::{self, App};

/// The longest time for which a token is given an end, in seconds: 10 years, beyond which none is meant.
const MAX_TTL: u64 = 10 * 365 * 86_400;
/// The longest time for which two tokens of a name are good, in seconds: 7 days.
const MAX_OVERLAP: u64 = 7 * 86_400;

const NOTHING: Refusal =
    Refusal::new(Code::NotAllowed, "there is nothing to call at this path by this method");

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct UserChange {
    allow: Vec<String>,
    deny: Vec<String>,
    agent: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TokenDemand {
    name: Option<String>,
    ttl: Option<u64>,
    overlap: u64,
}

/// `/api/packs`.
pub(super) async fn all(app: &App, request: Request) -> Result<Response, Refusal> {
    if request.method() == Method::POST {
        page::none(&request)?;
        return register(app, request).await;
    }
    let after = page::after(&request);
    let (caller, _) = admission::pack_admin(app, request).await?;
    let admin = admin(app, &caller);
    let page = app.known().shown_packs(after?.as_deref(), &admin).await?;
    Ok(routes::json(&page))
}

async fn register(app: &App, request: Request) -> Result<Response, Refusal> {
    let (caller, body) = admission::pack_admin(app, request).await?;
    let mut members = Members::parse(&body).ok_or(malformed("the body is not a JSON object"))?;
    let guid = members.text("guid")?.ok_or(malformed("guid is missing"))?;
    members.remove("guid");
    let rules = RuleSet::parse(&members.to_bytes())?;
    check_guid(&guid)?;
    let deployer = Deployer { caller: Some(&caller), is_admin: app.is_admin(&caller) };
    if app.known().right_to_deploy(Some(&guid), &deployer, &body).await? == Right::Pass {
        return Err(Refusal::new(Code::NotAllowed, "the configuration says how this pack is guarded"));
    }
    let made = app.known().deploy(&guid, Kind::Pack, Some(rules), &deployer, &body).await?;
    let Some(Deployed { token, .. }) = made else { return Err(NOTHING) };
    tracing::info!(pack = guid, by = %caller.identity(), "registered");
    let admin = admin(app, &caller);
    // Whoever has given the pack to somebody else is not shown more of it.
    let shown = app.known().shown_pack(&guid, &admin).await;
    let mut shown = shown.unwrap_or_else(|_| json!({ "guid": guid }));
    if let Some(shown) = shown.as_object_mut() {
        shown.insert("pack_token".into(), token.as_str().into());
    }
    Ok(routes::json(&shown))
}

/// `/api/packs/{guid}` and below.
pub(super) async fn one(app: &App, request: Request) -> Result<Response, Refusal> {
    page::none(&request)?;
    let path = request.uri().path().to_owned();
    let method = request.method().clone();
    let (caller, body) = admission::pack_admin(app, request).await?;
    let admin = admin(app, &caller);
    let segments: Vec<&str> = path.split('/').skip(3).collect();
    let known = app.known();
    match (method.as_str(), segments.as_slice()) {
        ("GET", [guid]) => known.shown_pack(guid, &admin).await.map(|pack| routes::json(&pack)),
        ("PATCH", [guid]) => {
            let rules = RuleSet::parse(&body)?;
            known.change_rules(guid, &admin, |pack| rules.change(pack)).await?;
            changed(app, guid, &admin).await
        }
        ("DELETE", [guid]) => {
            known.remove_pack(guid, &admin).await?;
            tracing::info!(pack = guid, by = %caller.identity(), "removed");
            Ok(routes::json(&json!({ "removed": guid })))
        }
        ("POST", [guid, "users"]) => {
            let change: UserChange = body::object(&body)?;
            known.change_rules(guid, &admin, |pack| change.apply(pack)).await?;
            changed(app, guid, &admin).await
        }
        ("POST", [guid, "tokens"]) => {
            let demand: TokenDemand =
                if body.is_empty() { TokenDemand::default() } else { body::object(&body)? };
            let wish = demand.wish(guid)?;
            let made = known.make_token(guid, &wish, &admin).await?;
            tracing::info!(pack = guid, token = made.name, by = %caller.identity(), "token");
            Ok(routes::json(&json!({
                "token": made.token.as_str(),
                "name": made.name,
                "serial": made.serial,
                "expires": made.expires,
            })))
        }
        ("DELETE", [guid, "tokens", name]) => {
            let ended = known.end_tokens(guid, name, &admin).await?;
            tracing::info!(pack = guid, token = name, by = %caller.identity(), "tokens ended");
            Ok(routes::json(&json!({ "ended": ended })))
        }
        _ => Err(NOTHING),
    }
}

fn admin<'a>(app: &App, caller: &'a envelope_core::Caller) -> PackAdmin<'a> {
    PackAdmin { caller, admin: Admin::of(caller), is_admin: app.is_admin(caller) }
}

/// The pack as it is now; nothing of it where it has been given away.
async fn changed(app: &App, guid: &str, admin: &PackAdmin<'_>) -> Result<Response, Refusal> {
    tracing::info!(pack = guid, by = %admin.caller.identity(), "rules changed");
    let shown = app.known().shown_pack(guid, admin).await;
    Ok(routes::json(&shown.unwrap_or_else(|_| json!({ "guid": guid }))))
}

impl UserChange {
    /// Entries into and out of a list. What is for everybody has nobody to take out.
    fn apply(self, mut pack: Pack) -> Result<Pack, Refusal> {
        if self.allow.is_empty() && self.deny.is_empty() {
            return Err(malformed("there is nobody to allow or to deny"));
        }
        let list = match &self.agent {
            None => &mut pack.allowed_users,
            Some(agent) if agent.is_empty() || agent.len() > 256 => {
                return Err(malformed("the name of an agent is not 1 to 256 bytes long"));
            }
            // The first rule closes every other agent: nobody makes it by taking somebody out.
            Some(agent) if self.allow.is_empty() && !pack.agents.contains_key(agent) => {
                return Err(Refusal::new(Code::NotAllowed, "there is no rule for this agent"));
            }
            Some(agent) => pack.agents.entry(agent.clone()).or_insert(Users::Named(Vec::new())),
        };
        *list = Self::change(list, self.allow, &self.deny)?;
        Ok(pack)
    }

    fn change(list: &Users, allow: Vec<String>, deny: &[String]) -> Result<Users, Refusal> {
        const NOT_A_LIST: Refusal = Refusal::new(
            Code::NotAllowed,
            "everybody, or everybody who is registered, is let in: there is no list to change, but one can be set",
        );
        if allow.iter().any(|entry| entry == "*") {
            return if deny.is_empty() { Ok(Users::Everybody) } else { Err(NOT_A_LIST) };
        }
        let mut entries: Vec<String> = match list {
            Users::Named(names) => names.iter().map(ToString::to_string).collect(),
            Users::Everybody if deny == ["*"] => Vec::new(),
            // Who is registered may call already; a list would end that without saying so.
            Users::Everybody | Users::Registered => return Err(NOT_A_LIST),
        };
        entries.retain(|entry| !deny.contains(entry));
        entries.extend(allow);
        crate::server::packs::rule_set::read_users(Some(UserList::Many(entries)))
    }
}

impl TokenDemand {
    fn wish<'a>(&'a self, guid: &str) -> Result<TokenWish<'a>, Refusal> {
        let name = self.name.as_deref().unwrap_or(DEFAULT_TOKEN);
        let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        let fits = Identity::of_token(guid, name, u64::from(u32::MAX)).is_some();
        if !is_plain || !(1..=64).contains(&name.len()) || !fits {
            return Err(malformed("the name of a token is 1 to 64 characters of A-Z a-z 0-9 . _ -"));
        }
        if self.ttl.is_some_and(|ttl| !(1..=MAX_TTL).contains(&ttl)) {
            return Err(malformed("ttl is not 1 second to 10 years"));
        }
        if self.overlap > MAX_OVERLAP {
            return Err(malformed("overlap is longer than 7 days"));
        }
        Ok(TokenWish { name, ttl: self.ttl, overlap: self.overlap })
    }
}
