//! `envelope pack token`: lists, makes, rotates, ends and shows the tokens of a pack.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::rules;
use crate::args::PackToken;
use crate::choice;
use crate::client;
use crate::error::{Error, PackError};
use crate::exchange::Question;
use crate::home::Home;
use crate::identity::Name;
use crate::pack_id::PackId;
use crate::passphrase::PassphraseSource;
use crate::report::{self, Fact, Facts, printable};
use crate::secret::Secret;
use crate::wallet::Wallet;
use crate::wiping::wiped;

/// The token of the deployment: the one that the wallet has.
const DEFAULT: &str = "default";

pub(crate) fn run(name: Option<&Name>, args: PackToken) -> Result<(), Error> {
    let home = Home::find()?;
    let source = PassphraseSource::new(args.passphrase.clone())?;
    let id = Wallet::load(&home)?.which_pack(&args.pack)?;
    let call = Call { home: &home, name, id: &id, source: &source };
    let token = args.name.as_deref().unwrap_or(DEFAULT);
    if args.end {
        return call.end(token, args.json.json);
    }
    if args.rotate || args.name.is_some() || args.ttl.is_some() {
        return call.make(token, &args);
    }
    if args.show {
        return show(&home, &id, args.json.json);
    }
    let pack = call.pack()?;
    if args.json.json {
        return report::json_line(pack.get("tokens").unwrap_or(&Value::Null));
    }
    let lines: String = rules::tokens(&pack).iter().map(|line| format!("{}\n", printable(line))).collect();
    report::data(lines.as_bytes())
}

/// The token of the wallet.
fn show(home: &Home, id: &PackId, json: bool) -> Result<(), Error> {
    let wallet = Wallet::load(home)?;
    let token = wallet.pack(id).and_then(|pack| pack.token.as_ref());
    let token = token.ok_or_else(|| PackError::NoToken(id.url()))?;
    if !json {
        return report::line(token.expose());
    }
    Facts::default().with("url", id.url().as_str()).with("token", token.expose()).print(true)
}

/// What a verifier answers that has made a token.
#[derive(Deserialize)]
struct Made {
    token: Secret,
    serial: u64,
    #[serde(default)]
    expires: Option<u64>,
}

/// Who asks about which pack.
struct Call<'a> {
    home: &'a Home,
    name: Option<&'a Name>,
    id: &'a PackId,
    source: &'a PassphraseSource,
}

impl Call<'_> {
    fn path(&self) -> String {
        format!("/api/packs/{}", self.id.guid)
    }

    fn pack(&self) -> Result<Map<String, Value>, Error> {
        rules::ask(self.home, self.name, self.id, self.source, Question::get(self.path()))
    }

    /// Makes a token. One that is there already ends by that, and has to be meant.
    fn make(&self, token: &str, args: &PackToken) -> Result<(), Error> {
        if self.id.origin.is_open_to_all() && !args.plain_http.plain_http {
            return Err(PackError::Plain(self.id.origin.clone()).into());
        }
        if !args.rotate && self.has(token)? {
            return Err(PackError::TokenExists(token.into()).into());
        }
        let mut demand = Map::from_iter([("name".to_owned(), token.into())]);
        demand.extend(args.ttl.map(|ttl| ("ttl".to_owned(), ttl.seconds.into())));
        demand.extend(args.overlap.map(|overlap| ("overlap".to_owned(), overlap.seconds.into())));
        let question = Question::post(format!("{}/tokens", self.path()), &Value::Object(demand));
        let is_own = token == DEFAULT;
        if is_own {
            // A wallet that cannot be written would lose it.
            Wallet::change(self.home, |_| Ok(()))?;
        }
        let made = wiped(|| {
            let call_key = choice::for_admin(self.home, &self.id.origin, self.name, None, self.source)?;
            let answer = client::run(question.ask(&self.id.origin, Some(&call_key)))?;
            let made: Made =
                serde_json::from_slice(&answer).map_err(|_| Error::Answer(self.id.origin.clone()))?;
            if Secret::pack_token(made.token.expose()).is_none() {
                return Err(Error::Answer(self.id.origin.clone()));
            }
            if is_own {
                let kept = Wallet::change(self.home, |wallet| {
                    wallet.keep_pack(self.id, Some(made.token.clone()), None);
                    Ok(())
                });
                kept.map_err(|error| PackError::NotKept(Box::new(error)))?;
            }
            Ok(made)
        })?;
        if args.json.json {
            let facts = Facts::default()
                .with("url", self.id.url().as_str())
                .with("name", token)
                .with("serial", Fact::Number(made.serial))
                .and("expires", made.expires.map(Fact::Number))
                .with("token", made.token.expose());
            return facts.print(true);
        }
        if is_own && !args.show {
            report::hint_that("the new token is in the wallet; --show prints it");
            return Ok(());
        }
        report::line(made.token.expose())
    }

    fn has(&self, token: &str) -> Result<bool, Error> {
        let pack = self.pack()?;
        let mut tokens = pack.get("tokens").and_then(Value::as_array).into_iter().flatten();
        Ok(tokens.any(|it| it.get("name").and_then(Value::as_str) == Some(token)))
    }

    fn end(&self, token: &str, json: bool) -> Result<(), Error> {
        let call_key = choice::for_admin(self.home, &self.id.origin, self.name, None, self.source)?;
        let question = Question::new("DELETE", format!("{}/tokens/{token}", self.path()));
        let answer = client::run(question.ask_for_json(&self.id.origin, Some(&call_key)))?;
        let ended = answer.get("ended").and_then(Value::as_u64);
        let ended = ended.ok_or_else(|| Error::Answer(self.id.origin.clone()))?;
        if token == DEFAULT {
            Wallet::change(self.home, |wallet| {
                wallet.end_token(self.id);
                Ok(())
            })?;
        }
        if json {
            return Facts::default().with("name", token).with("ended", Fact::Number(ended)).print(true);
        }
        report::line(&ended.to_string())
    }
}
