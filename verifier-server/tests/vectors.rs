//! Every vector that HTTP/1.1 can carry, put to a running server over a socket.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use envelope_core::{
    Access, Authorities, Code, Identity, Memory, NonceUse, Pack, Policy, ReplayError, SharedReplayCache,
    SignatureUse, Timestamp, Users, Verifier, Window,
};
use envelope_test_vectors as vectors;
use envelope_verifier::{Clock, Guard, Mark, ShardedReplayCache, problem};
use support::read_answer;

/// The server under test: it takes the verifier of one vector after the other.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<Option<Arc<Session>>>>);

struct Session {
    guard: Guard<vectors::Known, Policy, Cache>,
    time: Arc<Time>,
    wants: Mutex<Option<vectors::Access>>,
}

/// The clock of a step: its first reading, its second, and all later ones.
#[derive(Default)]
struct Time {
    now: AtomicU64,
    after_body: AtomicU64,
    at_replay: AtomicU64,
}

impl Time {
    fn set(&self, step: &vectors::Step) {
        self.now.store(step.now, Ordering::SeqCst);
        let after_body = step.now_after_body.unwrap_or(step.now);
        self.after_body.store(after_body, Ordering::SeqCst);
        self.at_replay.store(step.now_at_replay.unwrap_or(after_body), Ordering::SeqCst);
    }

    fn read(&self) -> Timestamp {
        let last = self.at_replay.load(Ordering::SeqCst);
        Timestamp::from_unix(self.now.swap(self.after_body.swap(last, Ordering::SeqCst), Ordering::SeqCst))
    }
}

enum Cache {
    Memory(ShardedReplayCache),
    Unavailable,
}

impl SharedReplayCache for Cache {
    async fn remember(&self, nonce: &NonceUse<'_>, now: Timestamp) -> Result<(), ReplayError> {
        match self {
            Self::Memory(cache) => cache.remember(nonce, now).await,
            Self::Unavailable => Err(ReplayError::Unavailable),
        }
    }

    fn recall(&self, signature: &SignatureUse<'_>) -> Memory {
        match self {
            Self::Memory(cache) => cache.recall(signature),
            Self::Unavailable => Memory::default(),
        }
    }
}

fn identity(name: &str) -> Identity {
    Identity::new(name).unwrap()
}

fn users(users: &vectors::Users) -> Users {
    match users {
        vectors::Users::Everybody(_) => Users::Everybody,
        vectors::Users::Registered => Users::Registered,
        vectors::Users::Named(names) => Users::Named(names.iter().map(|name| identity(name)).collect()),
    }
}

fn pack(pack: &vectors::Pack) -> Pack {
    Pack {
        open: pack.open,
        signed: pack.signed,
        token: pack.token,
        identity: pack.identity,
        owner: pack.owner.as_deref().map(identity),
        allowed_users: users(&pack.allowed_users),
        agents: pack.agents.iter().map(|(name, rule)| (name.clone(), users(rule))).collect(),
    }
}

impl Session {
    /// A verifier that begins; what was created until `begun`, an earlier run could have accepted.
    fn new(told: &vectors::Verifier, begun: Option<u64>) -> Self {
        let trust = told.known().unwrap();
        let mut policy =
            Policy::new(told.policy.as_ref().map_or(Pack::trusted(), |rules| pack(&rules.unlisted)));
        for (guid, rules) in told.policy.iter().flat_map(|rules| &rules.packs) {
            policy.insert(guid, pack(rules));
        }
        let cache = match told.replay {
            None => Cache::Memory(ShardedReplayCache::new(1000).unwrap()),
            Some(vectors::Replay::Capacity(capacity)) => {
                Cache::Memory(ShardedReplayCache::new(capacity).unwrap())
            }
            Some(vectors::Replay::Unavailable) => Cache::Unavailable,
        };
        let verifier = Verifier::new(Authorities::new(&told.authorities).unwrap());
        let time = Arc::new(Time::default());
        let clock = Arc::clone(&time);
        let guard = Guard::new(verifier.with_window(Window::new(told.window).unwrap()), trust, policy)
            .with_replay_cache(Arc::new(cache))
            .with_clock(Clock::new(move || clock.read()))
            .with_max_body(usize::try_from(told.max_body.unwrap_or(1 << 20)).unwrap());
        let guard = match begun {
            None => guard,
            Some(begun) => {
                let mark = Mark::new(Timestamp::from_unix(begun));
                mark.reserve(Timestamp::from_unix(u64::MAX));
                guard.with_mark(Arc::new(mark))
            }
        };
        Self { guard, time, wants: Mutex::default() }
    }
}

async fn answer(State(server): State<Server>, request: Request) -> Response {
    let session = server.0.lock().unwrap().clone().unwrap();
    let (head, body) = request.into_parts();
    let wants = session.wants.lock().unwrap().clone();
    let access = wants.as_ref().map_or(Access::CALL, |wants| Access {
        pack: wants.pack.as_deref(),
        agent: None,
        scope: &wants.scope,
    });
    let agent = wants.as_ref().and_then(|wants| wants.agent.clone());
    match session.guard.admit(&head, body, &access, |_, _| Ok(agent)).await {
        Ok(admitted) => {
            let caller = admitted
                .caller
                .map(|caller| (caller.identity().to_string(), caller.keyid().unwrap().to_string()));
            Response::new(Body::from(serde_json::json!({"caller": caller}).to_string()))
        }
        Err(refusal) => problem(refusal, session.guard.clock().now()),
    }
}

fn run(server: Server) -> SocketAddr {
    support::serving::run(async |_| Router::new().fallback(answer).with_state(server))
}

fn exchange(address: SocketAddr, bytes: &[u8]) -> support::Answer {
    use std::io::Write;
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    // A server that refuses early may close before it has read everything.
    let _ = stream.write_all(bytes);
    read_answer(&mut std::io::BufReader::new(stream)).expect("an answer")
}

#[test]
fn every_vector_over_a_socket() {
    let server = Server::default();
    let address = run(server.clone());
    let (mut put, mut refused_as_http, mut not_carried) = (0, BTreeSet::new(), 0);
    for vector in vectors::load().unwrap() {
        let begin = |begun| {
            let session = Arc::new(Session::new(&vector.verifier, begun));
            *server.0.lock().unwrap() = Some(Arc::clone(&session));
            session
        };
        let mut session = begin(None);
        for step in vector.steps() {
            if step.restart.is_some() {
                session = begin(step.restart);
            }
            let vectors::Message::Request(request) = &step.message else {
                not_carried += 1;
                continue;
            };
            let Some(bytes) = request.to_http() else {
                assert_ne!(step.expect, "valid", "{}", vector.name);
                not_carried += 1;
                continue;
            };
            session.time.set(step);
            session.wants.lock().unwrap().clone_from(&step.access);
            let answer = exchange(address, &bytes);
            put += 1;
            if step.expect == "valid" {
                assert_eq!(answer.status, 200, "{}: {answer:?}", vector.name);
                let caller = step.identity.as_ref().zip(step.keyid.as_ref());
                assert_eq!(answer.json(), serde_json::json!({"caller": caller}), "{}", vector.name);
            } else if answer.json()["detail"] == "the header is none of HTTP/1.1" {
                // What is no HTTP, or none that the HTTP library takes, never becomes a request.
                assert_eq!(answer.code(), "malformed", "{}", vector.name);
                refused_as_http.insert(vector.name.clone());
            } else if request.target.contains('#') {
                // The HTTP library has cut the fragment off before there is a request; what was signed had it.
                assert_eq!(answer.json()["code"], "bad-signature", "{}: {answer:?}", vector.name);
            } else {
                let expected = Code::parse(&step.expect).unwrap().on_the_wire();
                let told = answer.json();
                let told = (answer.status, told["code"].as_str().unwrap());
                assert_eq!(told, (expected.status(), expected.as_str()), "{}: {answer:?}", vector.name);
            }
        }
    }
    println!(
        "{put} requests put, {not_carried} not carried by HTTP/1.1, refused as HTTP: {refused_as_http:?}"
    );
    assert!(put >= 800, "{put}");
    assert!(refused_as_http.len() <= 20, "{refused_as_http:?}");
}
