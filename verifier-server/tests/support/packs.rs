//! A pack server that deploys what it is told to, a verifier in front of it, and what people say of packs.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};

use envelope_core::{Grant, Signer};
use serde_json::{Value, json};

use super::admin::{AUTHORITY, admin, register, told};
use super::{Answer, Http, PackServer, Person, Program, now};

/// A pack server, and the verifier in front of it.
pub struct World {
    pub verifier: Program,
    pub server: PackServer,
    pub directory: tempfile::TempDir,
}

impl World {
    /// Nobody needs a credential where no rule asks for one.
    pub fn open() -> Self {
        Self::with(deploying(), &[])
    }

    /// Nothing passes without one.
    pub fn closed() -> Self {
        Self::with(deploying(), &["--auth-required"])
    }

    pub fn with(server: PackServer, more: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let verifier = serve(&server, &directory.path().join("store.sqlite"), more);
        Self { verifier, server, directory }
    }

    /// The same after a crash.
    pub fn again(self, more: &[&str]) -> Self {
        let Self { mut verifier, server, directory } = self;
        verifier.signal("KILL");
        verifier.child.wait().unwrap();
        let verifier = serve(&server, &directory.path().join("store.sqlite"), more);
        Self { verifier, server, directory }
    }

    pub fn store(&self) -> PathBuf {
        self.directory.path().join("store.sqlite")
    }

    /// Somebody whose key is registered.
    pub fn person(&self, name: &str) -> Person {
        register(&self.verifier, name, name);
        Person::new(name)
    }

    /// A pack that the admin registers; gives its token.
    pub fn pack(&self, rules: &Value) -> String {
        let pack = admin(&self.verifier, "POST", "/api/packs", Some(rules));
        pack["pack_token"].as_str().unwrap().to_owned()
    }

    /// What the admin is shown of a pack; null where there is none.
    pub fn shown(&self, guid: &str) -> Value {
        let request = Person::new("root").request("GET", &format!("/api/packs/{guid}"), None);
        let answer = self.verifier.send(&request);
        if answer.status == 200 { answer.json() } else { Value::Null }
    }

    pub fn patch(&self, guid: &str, rules: &Value) -> Value {
        admin(&self.verifier, "PATCH", &format!("/api/packs/{guid}"), Some(rules))
    }

    /// A token of a pack by its name.
    pub fn token(&self, guid: &str, demand: &Value) -> String {
        let made = admin(&self.verifier, "POST", &format!("/api/packs/{guid}/tokens"), Some(demand));
        made["token"].as_str().unwrap().to_owned()
    }

    pub fn send(&self, request: &Http) -> Answer {
        self.verifier.send(request)
    }

    /// What a request comes to: `200`, or the code of the refusal.
    pub fn told(&self, request: &Http) -> String {
        told(&self.send(request))
    }

    /// The same for a deployment: `token`, `passed` for one that made none, or the code of the refusal.
    pub fn deployed(&self, request: &Http) -> String {
        let answer = self.send(request);
        match told(&answer).as_str() {
            "200" if token_in(&answer).is_some() => "token".into(),
            "200" => "passed".into(),
            code => code.into(),
        }
    }

    /// How many requests the pack server has seen for a path.
    pub fn seen(&self, path: &str) -> usize {
        self.server.requests().iter().filter(|request| request.contains(path)).count()
    }
}

/// A verifier with its store at `store`, and `root` as its admin.
pub fn serve(server: &PackServer, store: &Path, more: &[&str]) -> Program {
    let (upstream, trust) = (server.url(), Person::new("root").trust("root"));
    let store = store.to_str().unwrap();
    let args: &[&str] = &["--upstream", &upstream, "--authority", AUTHORITY, "--trust", &trust];
    Program::serve(&[args, &["--admin", "root", "--store", store], more].concat())
}

/// A pack server that answers a deployment with the guid that was asked for, or with what the member `answer` says, to the byte.
pub fn deploying() -> PackServer {
    PackServer::answering(deploy)
}

pub fn deploy(request: &[u8], stream: &mut TcpStream) {
    let request = String::from_utf8_lossy(request);
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    if let Some(answer) = body["answer"].as_str() {
        let _ = stream.write_all(answer.as_bytes());
        let _ = stream.shutdown(Shutdown::Both);
        return;
    }
    let guid = ["pack_guid", "swarm_guid", "guid"].iter().find_map(|name| body.get(name));
    let told = if head.lines().next().unwrap().contains("/deploy ") {
        json!({"status": "ok", "swarm_guid": guid, "agent_count": 1})
    } else {
        json!({"hello": "from the pack"})
    };
    let _ = stream.write_all(ok(&told).as_bytes());
}

/// An answer with this body.
pub fn ok(body: &Value) -> String {
    let body = body.to_string();
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// The head of an answer that has no body, whatever its fields say.
pub fn head(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let _ = stream.write_all(request);
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    lines.take_while(|line| !line.is_empty()).map(|line| format!("{line}\n")).collect()
}

/// A request that nobody has signed.
pub fn unsigned(method: &str, target: &str, body: Option<&Value>) -> Http {
    let request = Http::new(method, target, AUTHORITY);
    match body {
        Some(body) => request.header("Content-Type", "application/json").body(&body.to_string()),
        None => request,
    }
}

/// A call to a pack.
pub fn call(guid: &str) -> Http {
    unsigned("POST", &format!("/api/pack/{guid}/agent"), Some(&json!({"name": "Weather"})))
}

/// A deployment.
pub fn deployment(body: &Value) -> Http {
    unsigned("POST", "/api/pack/deploy", Some(body))
}

impl Http {
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    pub fn by(self, person: &Person) -> Self {
        self.sign(&person.signer(), now())
    }
}

pub fn token_in(answer: &Answer) -> Option<String> {
    let told = answer.json();
    let token = told.get("pack_token").or(told.get("swarm_token"))?;
    Some(token.as_str().unwrap().to_owned())
}

/// Somebody who has logged in with the token that they have at the identity provider.
pub struct Login {
    person: Person,
    certificate: String,
}

impl Login {
    pub fn new(verifier: &Program, token: &str) -> Self {
        let person =
            Person::with_grant(&format!("{token} at a laptop"), Grant::everything().scope(["login"]));
        let request = Http::new("POST", "/api/login", AUTHORITY).bearer(token).by(&person);
        let answer = verifier.send(&request);
        assert_eq!(answer.status, 200, "{answer:?}\n{}", verifier.log());
        let certificate = answer.json()["certificate"].as_str().unwrap().to_owned();
        Self { person, certificate }
    }

    pub fn signer(&self) -> Signer<'_> {
        Signer::logged_in(&self.person.call_key, &self.certificate).unwrap()
    }
}
