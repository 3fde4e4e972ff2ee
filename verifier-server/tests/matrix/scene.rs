//! Everybody and everything that the list speaks of: a verifier with its packs, their tokens, people with keys, users with tokens.

#![allow(unreachable_pub, missing_docs, reason = "part of a test")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64ct::{Base64, Encoding};
use envelope_core::{
    Authorities, Envelope, Grant, Issue, Request, SignatureBase, Signer, SigningKey, Timestamp,
};
use serde_json::{Value, json};

use crate::list::{ALICE, ANOTHER, BOB, Credential, MALLORY, MODES, Mode, OCTO};
use crate::support::admin::{AUTHORITY, admin, register, revoke, thumbprint};
use crate::support::github::{Behaviour, Github};
use crate::support::{Http, PackServer, Person, Program, key, now};

/// What the pack server hears of a request: it answers with that.
pub fn heard(who: Option<&str>, authorization: Option<&str>) -> String {
    json!({"who": who, "authorization": authorization}).to_string()
}

/// The tokens of a pack.
struct Tokens {
    good: String,
    rotated: String,
    expired: String,
}

/// The verifier with everything around it.
pub struct Scene {
    pub verifier: Program,
    pub github: Github,
    pub pack: PackServer,
    /// How many requests have reached the pack server, or the handler behind the layer.
    pub arrived: Arc<AtomicUsize>,
    pub directory: tempfile::TempDir,
    pub auth_required: bool,
    tokens: BTreeMap<&'static str, Tokens>,
    of_another: String,
    /// Call keys and their login certificates, by user.
    logins: BTreeMap<&'static str, (SigningKey, String)>,
}

/// The label of whoever was enrolled by a token of a pack.
fn enrolled(guid: &str, token: &str) -> Person {
    Person::new(&format!("enrolled at {guid} by {token}"))
}

fn token_of(user: &str) -> String {
    format!("gho_{user}")
}

/// A token of somebody whom GitHub knows, and about which it was never asked.
const UNTOLD: &str = "gho_untold";

/// A certificate of alice for another call key than her usual one.
fn alice_with(id: &str, grant: Grant) -> Person {
    let alice = Person::new(ALICE);
    let call_key = key(&format!("alice, {id}"));
    let issue = Issue {
        call_key: call_key.verifying_key(),
        issued: Timestamp::from_unix(now() - 1),
        lifetime: 900,
        id,
        grant,
    };
    let certificate = issue.sign(&alice.identity_key).unwrap();
    Person { call_key, certificate, ..alice }
}

impl Scene {
    pub fn start(auth_required: bool) -> Self {
        let arrived = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&arrived);
        let pack = PackServer::answering(move |request, stream| {
            count.fetch_add(1, Ordering::SeqCst);
            let request = String::from_utf8_lossy(request);
            let field = |name: &str| {
                request.lines().take_while(|line| !line.is_empty()).find_map(|line| {
                    let (known, value) = line.split_once(':')?;
                    (known.eq_ignore_ascii_case(name) && !value.trim().is_empty())
                        .then(|| value.trim().to_owned())
                })
            };
            let body = heard(field("envelope-identity").as_deref(), field("authorization").as_deref());
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}",
                body.len()
            );
            let _ = write!(stream, "{head}\r\n\r\n{body}");
        });
        let github = Github::start();
        for user in [OCTO, MALLORY, ALICE] {
            github.token(&token_of(user), user, &[], &[]);
        }
        github.token(UNTOLD, OCTO, &[], &[]);
        let directory = tempfile::tempdir().unwrap();
        let (store, trust) = (directory.path().join("store.sqlite"), Person::new("root").trust("root"));
        let (upstream, github_api) = (pack.url(), github.url());
        let mut args =
            vec!["--upstream", &upstream, "--authority", AUTHORITY, "--trust", &trust, "--admin", "root"];
        args.extend([
            "--store",
            store.to_str().unwrap(),
            "--github-api",
            &github_api,
            "--attempts",
            ATTEMPTS,
        ]);
        args.extend(auth_required.then_some("--auth-required"));
        let verifier = Program::serve(&args);
        let (tokens, logins) = Default::default();
        let of_another = String::new();
        let mut scene =
            Self { verifier, github, pack, arrived, directory, auth_required, tokens, of_another, logins };
        scene.people();
        scene.packs();
        for user in [OCTO, MALLORY, ALICE] {
            let login = scene.log_in(user);
            scene.logins.insert(user, login);
        }
        scene
    }

    fn people(&self) {
        let verifier = &self.verifier;
        register(verifier, ALICE, ALICE);
        register(verifier, BOB, BOB);
        register(verifier, ALICE, LOST);
        revoke(verifier, &json!({"key": thumbprint(LOST)}));
        revoke(verifier, &json!({"key": thumbprint(ALICE), "jti": REVOKED}));
    }

    fn packs(&mut self) {
        let another = self.register(&json!({"guid": ANOTHER, "accept": ["token", "signed"]}));
        self.enroll(&enrolled(ANOTHER, "default"), &another);
        self.of_another = another;
        let mut ends = 0;
        for mode in MODES {
            let rules = mode.registration().unwrap_or(json!({"guid": mode.guid}));
            let rotated = self.register(&rules);
            let good = self.make_token(mode.guid, &json!({}));
            let expired = self.make_token(mode.guid, &json!({"name": "brief", "ttl": 1}));
            ends = ends.max(expired["expires"].as_u64().unwrap());
            let left = self.make_token(mode.guid, &json!({"name": "left"}));
            self.enroll(&enrolled(mode.guid, "default"), secret(&good));
            self.enroll(&enrolled(mode.guid, "left"), secret(&left));
            self.make_token(mode.guid, &json!({"name": "left"}));
            if mode.registration().is_none() {
                admin(&self.verifier, "DELETE", &format!("/api/packs/{}", mode.guid), None);
            }
            let (good, expired) = (secret(&good).into(), secret(&expired).into());
            self.tokens.insert(mode.guid, Tokens { good, rotated, expired });
        }
        // The clock is what is waited for: a second at most.
        while now() < ends {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Registers a pack; gives its token.
    fn register(&self, rules: &Value) -> String {
        let pack = admin(&self.verifier, "POST", "/api/packs", Some(rules));
        pack["pack_token"].as_str().unwrap().to_owned()
    }

    fn make_token(&self, guid: &str, demand: &Value) -> Value {
        admin(&self.verifier, "POST", &format!("/api/packs/{guid}/tokens"), Some(demand))
    }

    fn enroll(&self, person: &Person, token: &str) {
        let answer = self.verifier.send(&person.enrolls(token));
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// A call key of a user, and the certificate that the verifier issues for it.
    fn log_in(&self, user: &str) -> (SigningKey, String) {
        let label = format!("{user} at a laptop");
        let newcomer = Person::with_grant(&label, Grant::everything().scope(["login"]));
        let request = Http::new("POST", "/api/login", AUTHORITY)
            .header("Authorization", &format!("Bearer {}", token_of(user)))
            .sign(&newcomer.signer(), now());
        let answer = self.verifier.send(&request);
        assert_eq!(answer.status, 200, "{answer:?}\n{}", self.verifier.log());
        assert_eq!(answer.json()["identity"], format!("github:{user}"));
        (newcomer.call_key, answer.json()["certificate"].as_str().unwrap().to_owned())
    }

    /// Brings about what a credential presupposes of the world.
    pub fn set_for(&self, credential: Credential) {
        let is_down = credential == Credential::UserUntold;
        self.github.behave(if is_down { Behaviour::Down } else { Behaviour::Ok });
    }

    /// A call to a pack with a credential; never the same twice.
    pub fn call(&self, credential: Credential, mode: &Mode) -> Http {
        let call = call(mode.guid);
        let bearer = |token: &str| call.clone().header("Authorization", &format!("Bearer {token}"));
        let signed = |person: &Person| call.clone().sign(&person.signer(), now());
        let logged_in = |user: &str| {
            let (key, certificate) = &self.logins[user];
            call.clone().sign(&Signer::logged_in(key, certificate).unwrap(), now())
        };
        let tokens = &self.tokens[mode.guid];
        match credential {
            Credential::None => call,
            Credential::Basic => call.header("Authorization", "Basic YWxpY2U6c2VjcmV0"),
            Credential::Token => bearer(&tokens.good),
            Credential::TokenRotated => bearer(&tokens.rotated),
            Credential::TokenOfAnother => bearer(&self.of_another),
            Credential::TokenExpired => bearer(&tokens.expired),
            Credential::TokenMadeUp => bearer(&format!("tok_{}", "a".repeat(43))),
            Credential::TokenGarbage => bearer("tok_garbage"),
            Credential::User => bearer(&token_of(OCTO)),
            Credential::UserNotListed => bearer(&token_of(MALLORY)),
            Credential::UserNamesake => bearer(&token_of(ALICE)),
            Credential::UserUnknown => bearer("gho_unknown"),
            Credential::UserUntold => bearer(UNTOLD),
            Credential::Key => signed(&Person::new(ALICE)),
            Credential::KeyNotListed => signed(&Person::new(BOB)),
            Credential::KeyUnknown => signed(&Person::new("stranger")),
            Credential::CertificateExpired => with_expired_certificate(call),
            Credential::CertificateRevoked => signed(&alice_with(REVOKED, Grant::everything())),
            Credential::KeyRevoked => signed(&Person::new(LOST)),
            Credential::WrongAudience => {
                let grant = Grant::everything().audience(["elsewhere.example", "elsewhere"]);
                signed(&alice_with("elsewhere", grant))
            }
            Credential::Enrolled => signed(&enrolled(mode.guid, "default")),
            Credential::EnrolledByAnother => signed(&enrolled(ANOTHER, "default")),
            Credential::EnrolledByRotated => signed(&enrolled(mode.guid, "left")),
            Credential::KeyUnknownAndToken => {
                bearer(&tokens.good).sign(&Person::new("stranger").signer(), now())
            }
            Credential::KeyAndTokenOfAnother => {
                bearer(&self.of_another).sign(&Person::new(ALICE).signer(), now())
            }
            Credential::Login => logged_in(OCTO),
            Credential::LoginNotListed => logged_in(MALLORY),
            Credential::LoginNamesake => logged_in(ALICE),
        }
    }
}

impl Scene {
    /// What would be the end of packs, by people who may call them, own none and are no admins.
    pub fn ends_of_packs(&self) -> Vec<(&'static str, Http)> {
        let delete = |guid: &str| Http::new("DELETE", &format!("/api/pack/{guid}"), AUTHORITY);
        let of_token = format!("Bearer {}", self.tokens["token"].good);
        let over = json!({"guid": "signed-list", "agents": []}).to_string();
        let over = Http::new("POST", "/api/pack/deploy", AUTHORITY)
            .header("Content-Type", "application/json")
            .body(&over);
        let bob = Person::new(BOB);
        vec![
            (
                "a registered identity tears a pack down",
                delete("signed").body("{}").sign(&bob.signer(), now()),
            ),
            ("the holder of a token tears a pack down", delete("token").header("Authorization", &of_token)),
            ("nobody tears a pack down that is registered", delete("open")),
            ("nobody deploys over a pack that is registered", over),
        ]
    }
}

/// The limit of bad credentials from one address; those are what is shown here.
pub const ATTEMPTS: &str = "1000000";

/// The label of a key of alice that she has lost.
const LOST: &str = "alice, lost";
/// The `jti` of a certificate that was revoked.
const REVOKED: &str = "revoked";

fn secret(token: &Value) -> &str {
    token["token"].as_str().unwrap()
}

fn call(guid: &str) -> Http {
    Http::new("POST", &format!("/api/pack/{guid}/agent"), AUTHORITY)
        .header("Content-Type", "application/json")
        .body(r#"{"name":"Weather"}"#)
}

/// What no signer would make: everything is right but the end of the certificate.
fn with_expired_certificate(call: Http) -> Http {
    let expired = Person::certified(ALICE, Grant::everything(), now() - 1000, 900);
    let good = call.sign(&Person::new(ALICE).signer(), now());
    let call = good.change("Signature-Key", |_| format!("sig=jkt-jwt;jwt=\"{}\"", expired.certificate));
    let fields: Vec<_> = call.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let request = Request::new(&call.method, &call.target, &fields);
    let envelope = Envelope::parse(&request).unwrap();
    let base = SignatureBase::build(&envelope, &request, &Authorities::new([AUTHORITY]).unwrap()).unwrap();
    let signature = expired.call_key.sign(base.as_str().as_bytes());
    let signature = format!("sig=:{}:", Base64::encode_string(signature.as_bytes()));
    call.change("Signature", |_| signature)
}
