//! A stand-in of GitHub: what `GET /user`, `/user/orgs` and `/user/teams` answer to whom, the device flow, and everything that
//! can go wrong with it. Statuses, fields and bodies are those of GitHub's documentation of its REST API, version 2022-11-28.

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    reason = "each test takes what it needs"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::stand_in::{Asked, StandIn, Told};

/// How it answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// As GitHub does.
    #[default]
    Ok,
    /// The primary rate limit: 403 with `x-ratelimit-remaining: 0`.
    RateLimited,
    /// A secondary one: 429 with `Retry-After`.
    RetryAfter,
    /// A 403 with this field, and nothing in its message.
    Field(&'static str, &'static str),
    /// A secondary one that says so in its message only.
    SecondaryLimit,
    /// This status, with an HTML page.
    Status(u16),
    /// A 403 with this message.
    Forbidden(&'static str),
    /// No answer until it behaves otherwise.
    Slow,
    /// JSON that breaks off.
    Malformed,
    /// This JSON.
    Content(&'static str),
    /// More than 1 MiB, which would otherwise be right.
    Huge,
    /// To this URL.
    Redirect(String),
    /// The next page is there.
    NextPage(String),
    /// The connection is closed.
    Down,
}

#[derive(Clone, Debug)]
struct Account {
    login: String,
    organisations: Vec<String>,
    teams: Vec<(String, String)>,
    may_list: bool,
}

#[derive(Debug, Default)]
struct State {
    tokens: BTreeMap<String, Account>,
    everywhere: Behaviour,
    at: BTreeMap<String, Behaviour>,
    /// Device codes, and the tokens that people have approved for them.
    devices: BTreeMap<String, Option<String>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// The stand-in. Both its API and its pages are at `url`.
#[derive(Clone, Debug)]
pub struct Github {
    pub server: StandIn,
    shared: Arc<Shared>,
}

impl Github {
    pub fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let answering = Arc::clone(&shared);
        Self { server: StandIn::start(move |asked| answering.answer(asked)), shared }
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    /// From now on `token` is that of `login`, who is in these organisations and in these teams (`sales@Acme`).
    pub fn token(&self, token: &str, login: &str, organisations: &[&str], teams: &[&str]) {
        let team = |team: &&str| team.split_once('@').map(|(slug, org)| (slug.into(), org.into())).unwrap();
        let account = Account {
            login: login.into(),
            organisations: organisations.iter().copied().map(String::from).collect(),
            teams: teams.iter().map(team).collect(),
            may_list: true,
        };
        self.shared.state.lock().unwrap().tokens.insert(token.into(), account);
    }

    /// `token` has not the scope `read:org`.
    pub fn without_scope(&self, token: &str) {
        self.shared.state.lock().unwrap().tokens.get_mut(token).unwrap().may_list = false;
    }

    pub fn revoke(&self, token: &str) {
        self.shared.state.lock().unwrap().tokens.remove(token);
    }

    pub fn behave(&self, behaviour: Behaviour) {
        self.shared.state.lock().unwrap().everywhere = behaviour;
        self.shared.changed.notify_all();
    }

    /// At one path only.
    pub fn behave_at(&self, path: &str, behaviour: Behaviour) {
        self.shared.state.lock().unwrap().at.insert(path.into(), behaviour);
        self.shared.changed.notify_all();
    }

    /// Somebody opens the page of the device flow, types the code and approves; the device gets `token`.
    pub fn approve(&self, user_code: &str, token: &str) {
        let mut state = self.shared.state.lock().unwrap();
        *state.devices.get_mut(&device_code(user_code)).unwrap() = Some(token.into());
    }
}

impl Shared {
    fn answer(&self, asked: &Asked) -> Option<Told> {
        let mut state = self.state.lock().unwrap();
        let behaviour = |state: &State| match state.at.get(asked.path()) {
            Some(behaviour) => behaviour.clone(),
            None => state.everywhere.clone(),
        };
        while behaviour(&state) == Behaviour::Slow {
            // Nobody waits for ever for a test that has failed.
            let (again, late) = self.changed.wait_timeout(state, Duration::from_secs(60)).unwrap();
            state = again;
            if late.timed_out() {
                return None;
            }
        }
        match behaviour(&state) {
            Behaviour::Ok | Behaviour::Slow => Some(state.answer(asked)),
            Behaviour::RateLimited => Some(
                message(403, "API rate limit exceeded for user ID 1.")
                    .field("x-ratelimit-limit", 5000)
                    .field("x-ratelimit-remaining", 0)
                    .field("x-ratelimit-reset", 4_000_000_000_u32),
            ),
            Behaviour::RetryAfter => Some(message(429, "Too many requests.").field("Retry-After", 60)),
            Behaviour::Field(name, value) => Some(message(403, "Forbidden").field(name, value)),
            Behaviour::SecondaryLimit => Some(message(403, "You have exceeded a secondary rate limit.")),
            Behaviour::Status(status) => Some(Told::text(status, "<html>Unicorn!</html>")),
            Behaviour::Forbidden(text) => Some(message(403, text)),
            Behaviour::Malformed => Some(Told::text(200, "{\"login\": \"ali")),
            Behaviour::Content(json) => Some(Told::text(200, json)),
            Behaviour::Huge => {
                let padding = "x".repeat(1 << 20);
                Some(Told::json(200, &json!({ "login": "alice", "bio": padding })))
            }
            Behaviour::Redirect(url) => Some(message(301, "Moved Permanently").field("Location", url)),
            Behaviour::NextPage(url) => {
                Some(state.answer(asked).field("Link", format!("<{url}>; rel=\"next\"")))
            }
            Behaviour::Down => None,
        }
    }
}

impl State {
    fn answer(&mut self, asked: &Asked) -> Told {
        match (asked.method.as_str(), asked.path()) {
            ("POST", "/login/device/code") => return self.device_code(),
            ("POST", "/login/oauth/access_token") => return self.access_token(asked),
            _ => {}
        }
        if asked.field("user-agent").is_none() {
            return Told::text(403, "Request forbidden by administrative rules.");
        }
        if asked.field("x-github-api-version") != Some("2022-11-28") {
            return message(400, "The version is not supported.");
        }
        let Some(account) = asked.bearer().and_then(|bearer| self.tokens.get(bearer)) else {
            return message(401, "Bad credentials");
        };
        let organisations = || account.organisations.iter().map(|login| json!({ "login": login, "id": 1 }));
        let teams = || {
            account.teams.iter().map(|(slug, login)| {
            json!({ "slug": slug, "name": "A Team", "id": 1, "organization": { "login": login, "id": 1 } })
        })
        };
        match (asked.method.as_str(), asked.path()) {
            ("GET", "/user") => Told::json(200, &json!({ "login": account.login, "id": 1, "type": "User" })),
            ("GET", "/user/orgs" | "/user/teams") if !account.may_list => {
                message(403, "You need at least read:org scope or user scope to list your organizations.")
            }
            ("GET", "/user/orgs") => page(asked, organisations().collect()),
            ("GET", "/user/teams") => page(asked, teams().collect()),
            _ => message(404, "Not Found"),
        }
    }

    fn device_code(&mut self) -> Told {
        let user_code = format!("WDJB-{:04}", self.devices.len());
        self.devices.insert(device_code(&user_code), None);
        Told::json(
            200,
            &json!({
                "device_code": device_code(&user_code),
                "user_code": user_code,
                "verification_uri": "https://github.com/login/device",
                "expires_in": 899,
                "interval": 1,
            }),
        )
    }

    /// Its errors have status 200.
    fn access_token(&mut self, asked: &Asked) -> Told {
        let code = asked.parameter("device_code").unwrap_or_default();
        let answer = match self.devices.get(code) {
            None => json!({ "error": "incorrect_device_code" }),
            Some(None) => json!({ "error": "authorization_pending", "interval": 1 }),
            Some(Some(token)) => {
                let answer = json!({ "access_token": token, "token_type": "bearer", "scope": "read:org" });
                self.devices.remove(code);
                answer
            }
        };
        Told::json(200, &answer)
    }
}

fn device_code(user_code: &str) -> String {
    format!("3584d83530557fdd1f46af8289938c8ef79f9dc5-{user_code}")
}

fn message(status: u16, text: &str) -> Told {
    let documentation = "https://docs.github.com/rest";
    let body = json!({ "message": text, "documentation_url": documentation, "status": status.to_string() });
    Told::json(status, &body)
}

/// A page of a list, with a link to the next.
fn page(asked: &Asked, all: Vec<Value>) -> Told {
    let number = |name, default| asked.parameter(name).map_or(default, |value| value.parse().unwrap());
    let (size, page): (usize, usize) = (number("per_page", 30).min(100), number("page", 1));
    let items: Vec<_> = all.iter().skip((page - 1) * size).take(size).cloned().collect();
    let told = Told::json(200, &Value::Array(items));
    let pages = all.len().div_ceil(size);
    if page >= pages {
        return told;
    }
    let (host, path, next) = (asked.field("host").unwrap(), asked.path(), page + 1);
    let link =
        |page, relation| format!("<http://{host}{path}?per_page={size}&page={page}>; rel=\"{relation}\"");
    told.field("Link", format!("{}, {}", link(next, "next"), link(pages, "last")))
}
