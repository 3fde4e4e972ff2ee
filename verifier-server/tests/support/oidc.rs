//! A stand-in of an OpenID Connect issuer: a discovery document and keys that can be exchanged; what it signs, tests write.

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    reason = "each test takes what it needs"
)]

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::stand_in::{StandIn, Told};

/// How it answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// With what it has.
    #[default]
    Ok,
    /// This status.
    Status(u16),
    /// No answer until it behaves otherwise.
    Slow,
    /// The connection is closed.
    Down,
}

#[derive(Debug, Default)]
struct State {
    behaviour: Behaviour,
    keys: Vec<Value>,
    /// In place of members of the discovery document.
    discovery: Value,
}

/// The stand-in.
#[derive(Clone, Debug)]
pub struct Issuer {
    pub server: StandIn,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// Where the discovery document is.
pub const DISCOVERY: &str = "/.well-known/openid-configuration";
/// Where the keys are.
pub const JWKS: &str = "/jwks";

impl Issuer {
    pub fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let answering = Arc::clone(&shared);
        let server = StandIn::start(move |asked| {
            let mut state = answering.state.lock().unwrap();
            while state.behaviour == Behaviour::Slow {
                // Nobody waits for ever for a test that has failed.
                let (again, late) = answering.changed.wait_timeout(state, Duration::from_secs(60)).unwrap();
                state = again;
                if late.timed_out() {
                    return None;
                }
            }
            match state.behaviour {
                Behaviour::Ok | Behaviour::Slow => {}
                Behaviour::Status(status) => return Some(Told::text(status, "")),
                Behaviour::Down => return None,
            }
            let url = format!("http://{}", asked.field("host").unwrap());
            Some(match asked.path() {
                DISCOVERY => {
                    let mut document = json!({
                        "issuer": url,
                        "jwks_uri": format!("{url}{JWKS}"),
                        "token_endpoint": format!("{url}/token"),
                        "device_authorization_endpoint": format!("{url}/device/auth"),
                    });
                    for (name, value) in state.discovery.as_object().into_iter().flatten() {
                        document[name] = value.clone();
                    }
                    Told::json(200, &document)
                }
                JWKS => Told::json(200, &json!({ "keys": state.keys })),
                _ => Told::text(404, ""),
            })
        });
        Self { server, shared }
    }

    /// The issuer as its tokens have it.
    pub fn url(&self) -> String {
        self.server.url()
    }

    pub fn behave(&self, behaviour: Behaviour) {
        self.shared.state.lock().unwrap().behaviour = behaviour;
        self.shared.changed.notify_all();
    }

    /// From now on these are its keys.
    pub fn publish(&self, keys: &[Value]) {
        self.shared.state.lock().unwrap().keys = keys.to_vec();
    }

    /// From now on its discovery document says this.
    pub fn discovery(&self, members: Value) {
        self.shared.state.lock().unwrap().discovery = members;
    }

    /// How often its keys have been fetched.
    pub fn fetched(&self) -> usize {
        self.server.count(JWKS)
    }
}
