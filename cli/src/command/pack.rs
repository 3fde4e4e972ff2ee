//! `envelope pack`: packs at verifiers and in the wallet; `envelope forget`.

mod bundle;
pub(super) mod deploy;
pub(super) mod rules;
pub(super) mod token;

use serde_json::{Value, json};

use crate::args::{Forget, PackAdd, PackList, PackRemove};
use crate::choice::{self, Choice};
use crate::client;
use crate::error::Error;
use crate::exchange::Question;
use crate::handover;
use crate::home::Home;
use crate::identity::Name;
use crate::pack_id::PackId;
use crate::passphrase::PassphraseSource;
use crate::report::{self, printable};
use crate::token as given_token;
use crate::wallet::{Pack, Wallet};

/// One way to call a pack, or a verifier of which no pack is known.
struct Row {
    verifier: String,
    pack: Option<String>,
    url: String,
    credential: Option<&'static str>,
    identity: Option<String>,
    name: Option<String>,
    token: bool,
}

/// Every pack, its URL, and who calls it under which name; a verifier of which no pack is known has a line of its own. A pack
/// that no identity is known to be let into has one with the kind of credential that the wallet has for it.
pub(crate) fn list(name: Option<&Name>, args: &PackList) -> Result<(), Error> {
    let home = Home::find()?;
    let wallet = Wallet::load(&home)?;
    let mut rows = of_identities(&wallet, name);
    if name.is_none() {
        rows.extend(of_logins(&wallet));
        let listed: Vec<PackId> = rows.iter().filter_map(|row| PackId::around(&row.url)).collect();
        let is_listed =
            |pack: &PackId| listed.iter().any(|it| it.origin == pack.origin && it.guid == pack.guid);
        let others = wallet.packs().iter().map(Pack::id).filter(|pack| !is_listed(pack));
        for pack in others {
            rows.push(by_itself(&home, &wallet, &pack)?);
        }
    }
    let array: Vec<Value> = rows.iter().map(Row::to_json).collect();
    let lines: String = rows.iter().map(Row::to_line).collect();
    if args.json.json { report::json_line(&Value::from(array)) } else { report::data(lines.as_bytes()) }
}

fn of_identities(wallet: &Wallet, name: Option<&Name>) -> Vec<Row> {
    let mut rows = Vec::new();
    for verifier in wallet.verifiers().iter().filter(|it| name.is_none_or(|name| it.identity == *name)) {
        for (pack, url) in urls(&verifier.packs) {
            rows.push(Row {
                verifier: verifier.url.to_string(),
                token: has_token(wallet, &verifier.url.at(&url)),
                url: verifier.url.at(&url),
                pack,
                credential: Some("signed"),
                identity: Some(verifier.identity.to_string()),
                name: Some(verifier.name.clone()),
            });
        }
    }
    rows
}

fn of_logins(wallet: &Wallet) -> Vec<Row> {
    let mut rows = Vec::new();
    // Where an identity is known, that is what calls.
    for login in wallet.logins().iter().filter(|login| wallet.at(&login.url).next().is_none()) {
        for (pack, url) in urls(&login.packs) {
            let url = login.url.at(&url);
            rows.push(Row {
                verifier: login.url.to_string(),
                token: has_token(wallet, &url),
                url,
                pack,
                credential: Some("login"),
                identity: None,
                name: Some(login.name.clone()),
            });
        }
    }
    rows
}

/// The packs, and their paths; of none, that of the verifier.
fn urls(packs: &[String]) -> Vec<(Option<String>, String)> {
    let path = |pack: &String| (Some(pack.clone()), format!("/api/pack/{}", printable(pack)));
    if packs.is_empty() { vec![(None, String::new())] } else { packs.iter().map(path).collect() }
}

fn has_token(wallet: &Wallet, url: &str) -> bool {
    let pack = PackId::around(url).and_then(|id| wallet.pack(&id));
    pack.is_some_and(|pack| pack.token.is_some())
}

/// A pack of the wallet that was deployed, registered or added.
fn by_itself(home: &Home, wallet: &Wallet, id: &PackId) -> Result<Row, Error> {
    let kept = wallet.pack(id);
    let choice = Choice::of(home, wallet, &id.origin, Some(id), None, None);
    Ok(Row {
        verifier: id.origin.to_string(),
        pack: Some(id.guid.to_string()),
        url: id.url(),
        // Which of several identities is meant has to be said at the call.
        credential: choice.map_or(Some("signed"), |choice| choice.as_str()),
        identity: None,
        name: kept.and_then(|pack| pack.name.clone()),
        token: kept.is_some_and(|pack| pack.token.is_some()),
    })
}

impl Row {
    fn to_line(&self) -> String {
        let who = self.identity.as_deref().or(self.credential).unwrap_or("none");
        let name = self.name.as_deref().map(printable).unwrap_or_default();
        format!("{}  {who}  {name}", self.url).trim_end().to_owned() + "\n"
    }

    fn to_json(&self) -> Value {
        json!({
            "verifier": self.verifier,
            "pack": self.pack,
            "url": self.url,
            "credential": self.credential,
            "identity": self.identity,
            "name": self.name,
            "token": self.token,
        })
    }
}

/// Puts a token into the wallet that somebody gave.
pub(crate) fn add(args: &PackAdd) -> Result<(), Error> {
    let home = Home::find()?;
    let token = given_token::read_for_pack(args.token_file.as_deref())?;
    let replaced = Wallet::change(&home, |wallet| {
        let before = wallet.pack(&args.pack).and_then(|pack| pack.token.clone());
        let replaced = before.is_some_and(|before| before != token);
        wallet.keep_pack(&args.pack, Some(token), None);
        Ok(replaced)
    })?;
    if replaced {
        report::hint_that("it takes the place of another token");
    }
    report::line(&args.pack.url())
}

/// Takes the registration of a pack off its verifier, and the pack out of the wallet.
pub(crate) fn remove(name: Option<&Name>, args: PackRemove) -> Result<(), Error> {
    let home = Home::find()?;
    let source = PassphraseSource::new(args.passphrase)?;
    let pack = Wallet::load(&home)?.which_pack(&args.pack)?;
    let removed = choice::for_admin(&home, &pack.origin, name, None, &source).and_then(|call_key| {
        let question = Question::new("DELETE", format!("/api/packs/{}", pack.guid));
        client::run(question.ask_for_json(&pack.origin, Some(&call_key)))
    });
    match removed {
        Ok(answer) if answer.contains_key("removed") => {
            report::hint_that(
                "the pack has no rules there now: unless the verifier requires auth, it is open to everybody",
            );
        }
        Ok(_) => return Err(Error::Answer(pack.origin)),
        Err(error) if args.force => {
            report::hint_that(&format!("{} has not taken it out: {error}", pack.origin))
        }
        Err(error) => return Err(error),
    }
    Wallet::change(&home, |wallet| Ok(wallet.drop_pack(&pack))).map(drop)
}

/// Takes a verifier out of the wallet.
pub(crate) fn forget(name: Option<&Name>, args: Forget) -> Result<(), Error> {
    let home = Home::find()?;
    Wallet::change(&home, |wallet| {
        let gone = wallet.forget(&args.url, name);
        if gone.is_empty() {
            return Err(Error::NotInWallet(args.url.clone()));
        }
        // Nobody would ever tell it that a key must not be trusted any more.
        if !args.force && gone.iter().any(|verifier| !verifier.owed.is_empty()) {
            return Err(Error::Owed(args.url.clone()));
        }
        Ok(())
    })?;
    handover::clear_retired(&home);
    Ok(())
}
