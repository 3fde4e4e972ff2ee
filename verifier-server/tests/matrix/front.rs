//! The four fronts: the gateway, the layer in a server of somebody else's, and the program asked by real nginx and real Caddy as
//! README shows them.

#![allow(unreachable_pub, missing_docs, reason = "part of a test")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::{Extension, Router};
use envelope_core::{Authorities, Caller, Verifier};
use envelope_verifier::server::{Flags, Known};
use envelope_verifier::{Clock, Guard, VerifierLayer};

use crate::list::Fate;
use crate::scene::{ATTEMPTS, Scene, heard};
use crate::support::admin::AUTHORITY;
use crate::support::proxy::{self, Proxy};
use crate::support::{Answer, Http, Person, exchange, serving};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Gateway,
    Layer,
    Nginx,
    Caddy,
}

pub struct Front {
    pub kind: Kind,
    address: SocketAddr,
    _proxy: Option<Proxy>,
}

/// What came back, as far as a front shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub status: u16,
    /// `None` where there is no refusal, or its code is not shown.
    pub code: Option<String>,
    /// Whom the upstream was told of.
    pub who: Option<String>,
    /// Whether it got `Authorization`.
    pub has_authorization: bool,
}

impl Front {
    pub fn all(scene: &Scene) -> [Self; 4] {
        let (verifier, pack) = (scene.verifier.address, scene.pack.address);
        let nginx = Proxy::start("nginx", &["-c"], |[address, _], directory| {
            proxy::nginx(&recipe("nginx", address, verifier, pack), directory)
        });
        let caddy =
            Proxy::start("caddy", &["run", "--adapter", "caddyfile", "--config"], |[address, _], _| {
                proxy::caddyfile(&recipe("caddyfile", address, verifier, pack))
            });
        [
            Self { kind: Kind::Gateway, address: verifier, _proxy: None },
            Self { kind: Kind::Layer, address: layer(scene), _proxy: None },
            Self { kind: Kind::Nginx, address: nginx.address, _proxy: Some(nginx) },
            Self { kind: Kind::Caddy, address: caddy.address, _proxy: Some(caddy) },
        ]
    }

    pub const fn is_proxy(&self) -> bool {
        matches!(self.kind, Kind::Nginx | Kind::Caddy)
    }

    pub fn send(&self, call: &Http) -> Seen {
        let answer = exchange(self.address, &call.bytes());
        if answer.status != 200 {
            let code = self.code(&answer);
            return Seen { status: answer.status, code, who: None, has_authorization: false };
        }
        let heard = answer.json();
        Seen {
            status: 200,
            code: None,
            who: heard["who"].as_str().map(String::from),
            has_authorization: heard["authorization"].is_string(),
        }
    }

    fn code(&self, answer: &Answer) -> Option<String> {
        if self.kind != Kind::Nginx {
            return Some(answer.code());
        }
        let (_, code) = answer.header("www-authenticate")?.split_once("error=\"")?;
        Some(code.trim_end_matches('"').to_owned())
    }

    /// What is to be seen here of a request with this fate, which carries `Authorization` or does not.
    pub fn expects(&self, fate: &Fate, call: &Http) -> Seen {
        let passes = fate.status == 200;
        let has_authorization = call.headers.iter().any(|(name, _)| name == "Authorization");
        // nginx makes a page of its own of a 403.
        let shows_code = self.kind != Kind::Nginx || fate.status_by_forward_auth() == 401;
        Seen {
            status: if self.is_proxy() { fate.status_by_forward_auth() } else { fate.status },
            code: fate.code.filter(|_| shows_code).map(String::from),
            who: fate.who.clone(),
            // What a proxy passes on is for its own configuration to say; README's says nothing of it.
            has_authorization: passes && has_authorization && (self.is_proxy() || !fate.keeps_bearer),
        }
    }
}

/// What README shows, with the ports of this test in place of those that are printed there.
fn recipe(name: &str, proxy: SocketAddr, verifier: SocketAddr, pack: SocketAddr) -> String {
    let readme = include_str!("../../README.md");
    let start = readme.find(&format!("```{name}\n")).unwrap() + name.len() + 4;
    let end = start + readme[start..].find("```").unwrap();
    readme[start..end]
        .replace("127.0.0.1:7998", &verifier.to_string())
        .replace("127.0.0.1:8000", &pack.to_string())
        .replace("8080", &proxy.port().to_string())
}

/// A server of somebody else's, with the layer around it and the store of the running verifier behind that.
fn layer(scene: &Scene) -> SocketAddr {
    let flags = Flags {
        authority: vec![AUTHORITY.into()],
        auth_required: scene.auth_required,
        trust: vec![Person::new("root").trust("root")],
        admin: vec!["root".into()],
        store: Some(scene.directory.path().join("store.sqlite")),
        github_api: Some(scene.github.url()),
        attempts: Some(ATTEMPTS.parse().unwrap()),
        ..Flags::default()
    };
    let arrived = Arc::clone(&scene.arrived);
    serving::run(async move |address| {
        let config = flags.resolve().unwrap();
        let known = Arc::new(Known::open(&config, address, &Clock::system()).await.unwrap());
        let verifier = Verifier::new(Authorities::new([AUTHORITY]).unwrap());
        let guard = Guard::new(verifier, Arc::clone(&known), known);
        pack_server(arrived).layer(VerifierLayer::new(guard).for_packs_by_path())
    })
}

fn pack_server(arrived: Arc<AtomicUsize>) -> Router {
    let agent = async move |caller: Option<Extension<Caller>>, headers: axum::http::HeaderMap| {
        arrived.fetch_add(1, Ordering::SeqCst);
        let who = caller.map(|Extension(caller)| caller.identity().to_string());
        heard(who.as_deref(), headers.get("authorization").and_then(|value| value.to_str().ok()))
    };
    Router::new().fallback(agent)
}
