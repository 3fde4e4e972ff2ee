//! `envelope pack deploy` and `envelope pack register`.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::bundle::{Bundle, GUIDS};
use crate::args::{CredentialKind, Deployer, PackDeploy, PackRegister};
use crate::call_key::CallKey;
use crate::choice;
use crate::client;
use crate::command::admin::the_only;
use crate::error::{Error, PackError};
use crate::exchange::{Answer, Question};
use crate::home::Home;
use crate::identity::{self, Name};
use crate::message::{Limit, read_input};
use crate::origin::Origin;
use crate::pack_id::{Guid, Kind, PackId};
use crate::passphrase::PassphraseSource;
use crate::report::{self, Fact, Facts};
use crate::secret::Secret;
use crate::wallet::Wallet;
use crate::wiping::wiped;

/// How long a deployment may take: the upstream does what it does.
const PATIENCE: Duration = Duration::from_secs(300);
/// How much of what the upstream says is repeated.
const SAID: usize = 300;
/// The longest name that the wallet keeps.
const MAX_NAME: usize = 128;

pub(crate) fn run(name: Option<&Name>, args: PackDeploy) -> Result<(), Error> {
    let home = Home::find()?;
    let source = PassphraseSource::new(args.passphrase)?;
    let bundle = Bundle::read(read_input(&args.file, Limit::BODY)?)?;
    let url = verifier(&home, args.at, name, args.plain_http.plain_http)?;
    let is_signed = match args.deployer {
        Some(deployer) => deployer == Deployer::Signed,
        None => name.is_some() || !identity::list(&home)?.is_empty(),
    };
    let kind = if args.swarm { Kind::Swarm } else { Kind::Pack };
    let asked = GUIDS.iter().find_map(|member| bundle.text(member));
    let called = bundle.text("name").filter(|name| name.len() <= MAX_NAME);
    let path = format!("/api/{}/deploy", kind.as_str());
    let body = bundle.with_rules(&args.rules)?;
    let question = Question::new("POST", path).with_body("application/json", body).with_patience(PATIENCE);
    let facts = wiped(|| {
        let call_key = if is_signed { Some(sign(&home, &url, name, &source)?) } else { None };
        let answer = client::run(question.exchange(&url, call_key.as_ref()))?;
        let registered = Registered::read(&url, answer)?;
        let id = registered.pack(&url, kind, asked.as_deref())?;
        registered.keep(&home, id, called)
    })?;
    facts.print(args.json.json)
}

pub(crate) fn register(name: Option<&Name>, args: PackRegister) -> Result<(), Error> {
    let home = Home::find()?;
    let source = PassphraseSource::new(args.passphrase)?;
    let url = verifier(&home, args.at, name, args.plain_http.plain_http)?;
    let mut demand: Map<String, Value> = args.rules.members();
    demand.insert("guid".into(), args.guid.as_str().into());
    let kind = if args.swarm { Kind::Swarm } else { Kind::Pack };
    let question = Question::post("/api/packs", &Value::Object(demand));
    let facts = wiped(|| {
        let call_key: CallKey = sign(&home, &url, name, &source)?;
        let answer = client::run(question.exchange(&url, Some(&call_key)))?;
        let registered = Registered::read(&url, answer)?;
        let id = registered.pack(&url, kind, Some(args.guid.as_str()))?;
        registered.keep(&home, id, None)
    })?;
    facts.print(args.json.json)
}

/// Packs are registered by identities; whoever has logged in is none.
fn sign(home: &Home, url: &Origin, name: Option<&Name>, source: &PassphraseSource) -> Result<CallKey, Error> {
    choice::for_admin(home, url, name, Some(CredentialKind::Signed), source)
}

/// The verifier that is meant. Before anything is asked of it: a wallet that cannot be written would lose the token.
fn verifier(home: &Home, at: Option<Origin>, name: Option<&Name>, plain_http: bool) -> Result<Origin, Error> {
    let wallet = Wallet::change(home, |wallet| Ok(wallet.clone()))?;
    let url = at.map_or_else(|| the_only(&wallet, name), Ok)?;
    if url.is_open_to_all() && !plain_http {
        return Err(PackError::Plain(url).into());
    }
    Ok(url)
}

/// What a verifier answers that has registered a pack. Members of the upstream's own are ignored.
#[derive(Deserialize)]
struct Registered {
    #[serde(default)]
    pack_guid: Option<Value>,
    #[serde(default)]
    swarm_guid: Option<Value>,
    #[serde(default)]
    guid: Option<Value>,
    #[serde(default)]
    pack_token: Option<Secret>,
    #[serde(default)]
    swarm_token: Option<Secret>,
    #[serde(default)]
    owner: Option<Value>,
    #[serde(default)]
    allowed_users: Option<Value>,
}

impl Registered {
    fn read(url: &Origin, answer: Answer) -> Result<Self, Error> {
        if let Some(problem) = answer.problem {
            return Err(Error::Problem(problem));
        }
        if !answer.status.is_success() {
            let said: String = String::from_utf8_lossy(&answer.body).trim().chars().take(SAID).collect();
            return Err(PackError::Refused(answer.status.as_u16(), said).into());
        }
        let read: Self = serde_json::from_slice(&answer.body).map_err(|_| Error::Answer(url.clone()))?;
        let has_shape = |token: &Secret| Secret::pack_token(token.expose()).is_some();
        if [&read.pack_token, &read.swarm_token].into_iter().flatten().all(has_shape) {
            Ok(read)
        } else {
            Err(Error::Answer(url.clone()))
        }
    }

    /// The guid of the answer, else the one that was asked for: as the verifier reads it.
    fn pack(&self, url: &Origin, kind: Kind, asked: Option<&str>) -> Result<PackId, Error> {
        let answered = [&self.pack_guid, &self.swarm_guid, &self.guid].into_iter().flatten().next();
        let guid = match answered {
            Some(guid) => guid.as_str(),
            None => asked,
        };
        let guid = guid.and_then(|guid| guid.parse::<Guid>().ok());
        let guid = guid.ok_or_else(|| Error::Answer(url.clone()))?;
        Ok(PackId { origin: url.clone(), kind, guid })
    }

    /// Puts it into the wallet, and says what there is to say.
    fn keep(self, home: &Home, id: PackId, name: Option<String>) -> Result<Outcome, Error> {
        let token = self.pack_token.or(self.swarm_token);
        let kept = Wallet::change(home, |wallet| {
            wallet.keep_pack(&id, token.clone(), name);
            Ok(())
        });
        kept.map_err(|error| PackError::NotKept(Box::new(error)))?;
        Ok(Outcome { id, token, owner: self.owner, allowed_users: self.allowed_users })
    }
}

/// What came of it.
struct Outcome {
    id: PackId,
    token: Option<Secret>,
    owner: Option<Value>,
    allowed_users: Option<Value>,
}

impl Outcome {
    /// The URL; or all there is, and the token, which the verifier shows this once.
    fn print(self, json: bool) -> Result<(), Error> {
        if self.token.is_none() {
            report::hint_that("the verifier gave no token: the rules of the pack are as they were");
        }
        if !json {
            return report::line(&self.id.url());
        }
        let facts = Facts::default()
            .with("url", self.id.url().as_str())
            .with("verifier", self.id.origin.as_str())
            .with("guid", self.id.guid.as_str())
            .with("kind", self.id.kind.as_str())
            .and("owner", self.owner.map(Fact::Json))
            .and("allowed_users", self.allowed_users.map(Fact::Json))
            .and("token", self.token.as_ref().map(|token| Fact::Text(token.expose().into())));
        facts.print(true)
    }
}
