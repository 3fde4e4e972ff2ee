//! `envelope enroll`: makes an identity known to a verifier, and the verifier to the wallet.

use envelope_core::{Code, Thumbprint};
use serde_json::{Map, Value, json};

use crate::args::Enroll;
use crate::call_key::CallKey;
use crate::client;
use crate::command::keygen;
use crate::delivery;
use crate::error::Error;
use crate::exchange::Question;
use crate::handover;
use crate::home::Home;
use crate::identity::{Identity, Name};
use crate::origin::Origin;
use crate::passphrase::PassphraseSource;
use crate::report::{self, Fact, Facts};
use crate::secret::Secret;
use crate::token;
use crate::wallet::{Verifier, Wallet};
use crate::wiping::wiped;

pub(crate) fn run(name: &Name, args: Enroll) -> Result<(), Error> {
    let home = Home::find()?;
    let token = token::read(args.token, args.token_file.as_deref())?;
    if token.is_some() && args.url.is_open_to_all() && !args.plain_http {
        return Err(Error::PlainHttp(args.url));
    }
    let wallet = Wallet::load(&home)?;
    handover::resume(&home, name, &wallet)?;
    let identity = Identity::new(&home, name);
    let call_key = wiped(|| {
        if identity.exists()? {
            CallKey::of(&home, &identity, &PassphraseSource::new(args.key.passphrase.source)?)
        } else {
            let (key, _) = keygen::make(&home, name, args.key)?;
            report::hint_that(&format!("made a key for the identity {name}"));
            // Nobody is asked for a passphrase again that was given a moment ago.
            CallKey::renew(&home, &identity, &key.into())
        }
    })?;
    let there = client::run(async {
        // First of all what it has not heard yet: a key that retired must not be forgotten over a new one.
        delivery::deliver(&home, delivery::PATIENCE, |it| it.url == args.url && it.identity == *name).await?;
        match &token {
            Some(token) => enroll(&args.url, token, &call_key).await,
            None => ask_who(&home, name, &args.url, &call_key).await,
        }
    })?;
    let there = There::read(&there).ok_or_else(|| Error::Answer(args.url.clone()))?;
    Wallet::change(&home, |wallet| {
        let verifier = Verifier::new(args.url.clone(), name.clone(), there.name.clone(), there.packs.clone());
        wallet.remember(verifier);
        wallet.knows(&args.url, name, &there.keyid);
        Ok(())
    })?;
    let facts = Facts::default()
        .with("verifier", args.url.as_str())
        .with("identity", name.as_str())
        .with("name", there.name.as_str())
        .with("keyid", there.keyid.to_string().as_str())
        .with("packs", Fact::List(there.packs));
    if args.json.json { facts.print(true) } else { report::line(&there.name) }
}

async fn enroll(url: &Origin, token: &Secret, call_key: &CallKey) -> Result<Map<String, Value>, Error> {
    let question = Question::post("/api/enroll", &json!({}));
    question.with_bearer(token).ask_for_json(url, Some(call_key)).await
}

/// Asks a verifier that was told of the key by somebody else. It may have been told of one that came before it.
async fn ask_who(
    home: &Home,
    name: &Name,
    url: &Origin,
    call_key: &CallKey,
) -> Result<Map<String, Value>, Error> {
    let ask = || Question::get("/api/me").ask_for_json(url, Some(call_key));
    let wallet = Wallet::load(home)?;
    let mut told = false;
    match ask().await {
        Err(Error::Problem(problem)) if problem.code == Code::BadSignature.as_str() => {
            let of_this = wallet.statements().iter().filter(|it| it.identity == *name);
            for statement in of_this.filter(|it| it.successor.is_some()) {
                // The verifier may know the chain of keys from any of them on.
                told |= delivery::send(url, &statement.text, &statement.about()).await.is_ok();
            }
            if told { ask().await } else { Err(Error::NotKnown(url.clone())) }
        }
        answer => answer,
    }
}

/// Who somebody is to a verifier.
struct There {
    name: String,
    keyid: Thumbprint,
    packs: Vec<String>,
}

/// More packs than anybody calls, and longer names than they have, would fill the wallet.
const MAX_PACKS: usize = 1000;
const MAX_PACK: usize = 128;

impl There {
    fn read(answer: &Map<String, Value>) -> Option<Self> {
        let text = |name| answer.get(name).and_then(Value::as_str).map(String::from);
        let packs = answer.get("packs").and_then(Value::as_array)?.iter().take(MAX_PACKS);
        let pack = |pack: &Value| pack.as_str().filter(|pack| pack.len() <= MAX_PACK).map(String::from);
        Some(Self {
            // What is no name of an identity, a terminal would be told, and the wallet keep.
            name: text("identity").filter(|name| envelope_core::Identity::new(name).is_some())?,
            keyid: text("keyid").and_then(|keyid| Thumbprint::parse(&keyid))?,
            packs: packs.map(pack).collect::<Option<_>>()?,
        })
    }
}
