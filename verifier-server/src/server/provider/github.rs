//! GitHub: `GET /user` says whose a token is, `/user/orgs` and `/user/teams` what they belong to.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use envelope_core::Identity;
use http::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue, LINK, RETRY_AFTER};
use http::{Response, StatusCode};
use reqwest::Url;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::super::config::{ConfigError, Placed};
use super::cache::Cache;
use super::client::{self, Asked, Client};
use super::config::{GithubConfig, read_client_id, read_url};
use super::{Unavailable, User};

/// How many tokens are asked about at once.
const AT_ONCE: usize = 16;
/// How many pages of a list are read.
const MAX_PAGES: usize = 10;

/// GitHub, or a GitHub Enterprise Server.
#[derive(Debug)]
pub(super) struct Github {
    user: Url,
    organisations: Url,
    teams: Url,
    client: Client,
    known: Cache,
    turns: Semaphore,
    /// Whether the log has said that a token may not list what its owner belongs to.
    scope_told: AtomicBool,
    login: Option<Value>,
}

#[derive(Deserialize)]
struct Account {
    login: String,
}

#[derive(Deserialize)]
struct Team {
    slug: String,
    organization: Account,
}

/// What GitHub says to a token.
enum Reply {
    Content(Response<Vec<u8>>),
    /// The token is no good.
    BadToken,
    /// It is, and not for this.
    Refused(Response<Vec<u8>>),
}

impl Github {
    pub(super) fn new(config: &GithubConfig, asked: &Asked) -> Result<Self, ConfigError> {
        let api = read_url("the API of GitHub", &config.api).at("github-api")?;
        let web = read_url("the address of GitHub", &config.web).at("github-web")?;
        let at = |path: &str| read_url("the API of GitHub", &format!("{}{path}", base(&api)));
        let fields = HeaderMap::from_iter([
            (ACCEPT, HeaderValue::from_static("application/vnd.github+json")),
            (HeaderName::from_static("x-github-api-version"), HeaderValue::from_static("2022-11-28")),
        ]);
        let login = read_client_id(config.client_id.as_ref()).at("github-client-id")?.map(|client_id| {
            json!({
                "provider": "github",
                "kind": "github",
                "client_id": client_id,
                "device_authorization_endpoint": format!("{}/login/device/code", base(&web)),
                "token_endpoint": format!("{}/login/oauth/access_token", base(&web)),
                "scope": "read:org",
            })
        });
        Ok(Self {
            user: at("/user")?,
            organisations: at("/user/orgs")?,
            teams: at("/user/teams")?,
            client: Client::new(&api, fields, asked.clone())?,
            known: Cache::new(),
            turns: Semaphore::new(AT_ONCE),
            scope_told: AtomicBool::new(false),
            login,
        })
    }

    pub(super) fn login_option(&self) -> Option<Value> {
        self.login.clone()
    }

    pub(super) async fn check(&self, bearer: &str) -> Result<Option<Arc<User>>, Unavailable> {
        self.known.recall_or(bearer, client::in_time(self.look_up(bearer))).await
    }

    pub(super) async fn recall(&self, bearer: &str) -> Option<Option<Arc<User>>> {
        self.known.recall(bearer).await
    }

    async fn look_up(&self, bearer: &str) -> Result<Option<User>, Unavailable> {
        // The semaphore is never closed.
        let _turn = self.turns.acquire().await.map_err(|_| Unavailable::Unreachable)?;
        let account: Account = match self.ask(&self.user, bearer).await? {
            Reply::Content(answer) => client::json(answer.body())?,
            Reply::BadToken => return Ok(None),
            Reply::Refused(answer) if is_nobodys(&answer) => return Ok(None),
            Reply::Refused(answer) => return Err(Unavailable::Status(answer.status())),
        };
        let name = lower_name(&account.login)?;
        let identity = Identity::new(&format!("github:{name}"));
        let identity = identity.ok_or(Unavailable::Malformed("the login cannot name anybody"))?;

        let mut groups = BTreeSet::new();
        let Some(organisations) = self.list::<Account>(&self.organisations, bearer).await? else {
            return Ok(None);
        };
        for organisation in organisations {
            groups.insert(lower_name(&organisation.login)?);
        }
        let Some(teams) = self.list::<Team>(&self.teams, bearer).await? else { return Ok(None) };
        for team in teams {
            let organisation = lower_name(&team.organization.login)?;
            groups.insert(format!("{}@{organisation}", lower_name(&team.slug)?));
            groups.insert(organisation);
        }
        Ok(Some(User { identity, name, groups: groups.into_iter().collect() }))
    }

    /// All pages of a list, or as many as are read; `None`: the token has become bad meanwhile.
    async fn list<T: DeserializeOwned>(
        &self,
        first: &Url,
        bearer: &str,
    ) -> Result<Option<Vec<T>>, Unavailable> {
        let mut all = Vec::new();
        let mut page = first.clone();
        page.set_query(Some("per_page=100"));
        for _ in 0..MAX_PAGES {
            let answer = match self.ask(&page, bearer).await? {
                Reply::Content(answer) => answer,
                Reply::BadToken => return Ok(None),
                Reply::Refused(_) => {
                    if !self.scope_told.swap(true, Ordering::Relaxed) {
                        tracing::debug!("a GitHub token may not list what its owner belongs to: no groups");
                    }
                    break;
                }
            };
            all.extend(client::json::<Vec<T>>(answer.body())?);
            match next_page(&page, answer.headers()) {
                // The token is for this origin and no other.
                Some(next) if next.origin() == first.origin() => page = next,
                Some(_) => {
                    tracing::warn!("GitHub's next page is somewhere else: not read");
                    break;
                }
                None => break,
            }
        }
        Ok(Some(all))
    }

    async fn ask(&self, url: &Url, bearer: &str) -> Result<Reply, Unavailable> {
        let answer = self.client.get(url, Some(bearer)).await?;
        match answer.status() {
            StatusCode::OK => Ok(Reply::Content(answer)),
            StatusCode::UNAUTHORIZED => Ok(Reply::BadToken),
            StatusCode::TOO_MANY_REQUESTS => Err(Unavailable::RateLimited),
            StatusCode::FORBIDDEN if is_rate_limit(&answer) => Err(Unavailable::RateLimited),
            StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => Ok(Reply::Refused(answer)),
            status => Err(Unavailable::Status(status)),
        }
    }
}

/// Without a slash at the end.
fn base(url: &Url) -> &str {
    url.as_str().trim_end_matches('/')
}

/// A 403 that has nothing to do with the token. Secondary limits do not always say so in a field.
fn is_rate_limit(answer: &Response<Vec<u8>>) -> bool {
    let headers = answer.headers();
    headers.contains_key(RETRY_AFTER)
        || headers.get("x-ratelimit-remaining").is_some_and(|remaining| remaining == "0")
        || message(answer).contains("rate limit")
}

/// A 403 that says: this token is an application's and no user's.
fn is_nobodys(answer: &Response<Vec<u8>>) -> bool {
    message(answer).starts_with("resource not accessible")
}

fn message(answer: &Response<Vec<u8>>) -> String {
    let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    body.get("message").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase()
}

/// GitHub's names know no case. What could be taken for a name with an organisation (`alice@acme`) is none of them.
fn lower_name(name: &str) -> Result<String, Unavailable> {
    let is_character = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || !name.bytes().all(is_character) {
        return Err(Unavailable::Malformed("a name in it cannot name anybody"));
    }
    Ok(name.to_ascii_lowercase())
}

/// The target of `rel="next"` (RFC 8288).
fn next_page(page: &Url, headers: &HeaderMap) -> Option<Url> {
    let links = headers.get_all(LINK).iter().filter_map(|line| line.to_str().ok());
    let next = links.flat_map(|line| line.split('<').skip(1)).find_map(|link| {
        let (target, parameters) = link.split_once('>')?;
        let is_next = |parameter: &str| matches!(parameter.trim(), "rel=\"next\"" | "rel=next");
        parameters.split([';', ',']).any(is_next).then_some(target)
    })?;
    page.join(next).ok()
}
