//! `envelope revoke`: a key retires; or an admin revokes keys, certificates, identities of others.

use std::io::{self, IsTerminal};
use std::path::Path;

use envelope_core::{Retirement, UntrustedRetirement};
use serde_json::{Value, json};

use crate::args::{Revoke, RevokeOthers};
use crate::client;
use crate::clock;
use crate::command::admin;
use crate::command::key::owed;
use crate::delivery::{self, About};
use crate::error::Error;
use crate::exchange::Question;
use crate::handover::Handover;
use crate::home::Home;
use crate::identity::{Identity, Name};
use crate::identity_key::IdentityKey;
use crate::message::{Limit, read_input};
use crate::origin::Origin;
use crate::passphrase::PassphraseSource;
use crate::private_dir;
use crate::report::{self, Fact, Facts};
use crate::wallet::{Statement, Wallet};
use crate::wiping::wiped;

pub(crate) fn run(name: Option<&Name>, args: Revoke) -> Result<(), Error> {
    let source = PassphraseSource::new(args.passphrase)?;
    if let Some(file) = args.statement {
        return send_statement(&file, args.at.as_ref(), name);
    }
    if args.export {
        return export(name, args.at.as_ref(), &source);
    }
    let own = name.cloned().unwrap_or_default();
    if let Some(path) = args.save {
        return save(&own, &path, &source);
    }
    match args.others.demand()? {
        Some(demand) => {
            check_meant(args.yes, "what was named is revoked for ever")?;
            of_others(name, args.at.as_ref(), &source, &demand)
        }
        None => {
            check_meant(args.yes, &format!("the key of the identity {own} is revoked everywhere, for ever"))?;
            retire(&own, args.at, &source, args.json.json)
        }
    }
}

/// Whoever is at the terminal is asked: there is no way back. A script has thought of it before.
fn check_meant(yes: bool, what: &str) -> Result<(), Error> {
    if yes || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(());
    }
    report::ask(&format!("{what}. Go on? [y/N] "));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(Error::Stdin)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(Error::NotMeant) }
}

/// What would revoke the key, for the day on which it is lost.
fn save(name: &Name, path: &Path, source: &PassphraseSource) -> Result<(), Error> {
    let home = Home::find()?;
    let statement = wiped(|| say(name, &Identity::new(&home, name).open(source)?))?;
    private_dir::create_private(path, format!("{}\n", statement.text).as_bytes())?;
    report::line(&statement.key.to_string())?;
    report::hint_that("it ends this one key: save another one after envelope rotate");
    Ok(())
}

/// A key of this user says that it must not be used any more; so do those before it that are kept yet.
fn retire(name: &Name, at: Option<Origin>, source: &PassphraseSource, json: bool) -> Result<(), Error> {
    let home = Home::find()?;
    let handover = Handover::begin(&home, name)?;
    let current = Identity::new(&home, name);
    let wallet = Wallet::load(&home)?;
    if !current.exists()? && wallet.owed(name).next().is_some() {
        // It is gone already, and somebody has not heard so.
        return tell(&home, name, Vec::new(), json);
    }
    if at.is_none() && !wallet.verifiers().iter().any(|verifier| verifier.identity == *name) {
        current.home()?;
        return Err(Error::NoVerifier);
    }
    let keys = handover.retired()?;
    let statements = wiped(|| {
        let speakers = keys.iter().chain([&current]);
        speakers.map(|identity| say(name, &identity.open(source)?)).collect::<Result<Vec<_>, Error>>()
    })?;
    let retired = statements.iter().map(|statement| statement.key.to_string()).collect();
    Wallet::change(&home, |wallet| {
        if let Some(url) = at {
            wallet.meet(url, name);
        }
        statements.into_iter().for_each(|statement| wallet.owe(statement));
        Ok(())
    })?;
    // The key is of no use any more: it goes before anybody is waited for.
    handover.settle()?;
    drop(handover);
    tell(&home, name, retired, json)
}

/// Tells everybody, and says who has heard.
fn tell(home: &Home, name: &Name, retired: Vec<String>, json: bool) -> Result<(), Error> {
    client::run(delivery::deliver(home, delivery::PATIENCE, |verifier| verifier.identity == *name))?;
    let wallet = Wallet::load(home)?;
    let of_this: Vec<_> = wallet.verifiers().iter().filter(|it| it.identity == *name).collect();
    if json {
        let told = of_this.iter().filter(|it| it.owed.is_empty()).map(|it| it.url.to_string()).collect();
        let facts = Facts::default()
            .with("identity", name.as_str())
            .with("revoked", Fact::List(retired))
            .with("told", Fact::List(told))
            .with("owed", Fact::Json(owed(&wallet, name)));
        facts.print(true)?;
    } else {
        for key in &retired {
            report::line(key)?;
        }
    }
    // Whoever has not heard goes on trusting the key.
    match delivery::say_what_is_owed(of_this) {
        (0, _) => Ok(()),
        (untold, _) => Err(Error::Untold(untold)),
    }
}

fn say(name: &Name, key: &IdentityKey) -> Result<Statement, Error> {
    let retirement = Retirement { key: key.verifying_key(), issued: clock::now()? };
    let unsigned = retirement.draft().map_err(Error::Unsignable)?;
    let signatures =
        unsigned.signing_inputs().map(|input| key.sign(input.as_bytes())).collect::<Result<Vec<_>, _>>()?;
    let text = unsigned.attach(&signatures).map_err(Error::Unsignable)?;
    let read = UntrustedRetirement::parse(text.as_bytes()).map_err(Error::Unsignable)?;
    read.verify().map_err(Error::Unsignable)?;
    Ok(Statement::new(name.clone(), key.verifying_key().thumbprint(), None, text))
}

/// Sends a retirement that was made beforehand: the key is not needed for that.
fn send_statement(file: &Path, at: Option<&Origin>, name: Option<&Name>) -> Result<(), Error> {
    let text = read_input(file, Limit::MESSAGE)?;
    let read = UntrustedRetirement::parse(text.trim_ascii()).map_err(Error::NoRetirement)?;
    read.verify().map_err(Error::NoRetirement)?;
    let key = read.key().thumbprint();
    let text = String::from_utf8_lossy(text.trim_ascii()).into_owned();
    let at = match at {
        Some(url) => vec![url.clone()],
        None => {
            let wallet = Wallet::load(&Home::find()?)?;
            let known = wallet.verifiers().iter().filter(|it| name.is_none_or(|name| it.identity == *name));
            known.map(|it| it.url.clone()).collect()
        }
    };
    if at.is_empty() {
        return Err(Error::NoVerifier);
    }
    client::run(async {
        // One that cannot be reached keeps nobody from telling the others.
        let mut last = Ok(());
        for url in &at {
            if let Err(error) = delivery::send(url, &text, &About::Retired(key)).await {
                report::hint_that(&format!("{url}: {error}"));
                last = Err(error);
            }
        }
        last
    })?;
    report::line(&key.to_string())
}

fn of_others(
    name: Option<&Name>,
    at: Option<&Origin>,
    source: &PassphraseSource,
    demand: &Value,
) -> Result<(), Error> {
    let (url, call_key) = admin::at(name, at, source)?;
    let question = Question::post("/api/keys/revocations", demand);
    let answer = client::run(question.ask_for_json(&url, Some(&call_key)))?;
    let revoked = answer.get("revoked").and_then(Value::as_array).ok_or(Error::Answer(url))?;
    for key in revoked.iter().filter_map(Value::as_str) {
        report::line(&report::printable(key))?;
    }
    Ok(())
}

fn export(name: Option<&Name>, at: Option<&Origin>, source: &PassphraseSource) -> Result<(), Error> {
    let (url, call_key) = admin::at(name, at, source)?;
    let list = client::run(Question::get("/api/keys/revocations").ask(&url, Some(&call_key)))?;
    // A list is JSON of base64url: nothing in it speaks to a terminal.
    let is_list = list.starts_with(b"{\"payload\":\"") && list.iter().all(u8::is_ascii_graphic);
    if is_list { report::line(&String::from_utf8_lossy(&list)) } else { Err(Error::Answer(url)) }
}

impl RevokeOthers {
    /// What is asked of the verifier; `None` when it is the own key.
    fn demand(self) -> Result<Option<Value>, Error> {
        Ok(Some(match (self.name, self.key, self.certificate, self.issued_before) {
            (Some(name), None, None, None) => json!({ "identity": name }),
            (Some(name), None, None, Some(moment)) => {
                json!({ "identity": name, "issued_before": moment.0.as_unix() })
            }
            (None, Some(key), None, None) => json!({ "key": admin::keyid(&key)? }),
            (None, Some(key), Some(id), None) => json!({ "key": admin::keyid(&key)?, "jti": id }),
            // clap lets no other combination through.
            _ => return Ok(None),
        }))
    }
}
