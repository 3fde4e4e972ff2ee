//! `envelope revoke`: a key retires; or an admin revokes keys, certificates, identities of others.

use std::path::Path;

use envelope_core::{Retirement, UntrustedRetirement};
use serde_json::{Value, json};

use crate::args::{Revoke, RevokeOthers};
use crate::client;
use crate::clock;
use crate::command::admin;
use crate::delivery;
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
use crate::report;
use crate::wallet::{Statement, Wallet};

pub(crate) fn run(name: Option<&Name>, args: Revoke) -> Result<(), Error> {
    let source = PassphraseSource::new(args.passphrase)?;
    if let Some(file) = args.statement {
        return send_statement(&file, args.at.as_ref(), name);
    }
    if args.export {
        return export(name, args.at.as_ref(), &source);
    }
    match args.others.demand()? {
        Some(demand) => of_others(name, args.at.as_ref(), &source, &demand),
        None => own(&name.cloned().unwrap_or_default(), args.at, args.save.as_deref(), &source),
    }
}

/// A key of this user says that it must not be used any more; so do those before it that are kept yet.
fn own(name: &Name, at: Option<Origin>, save: Option<&Path>, source: &PassphraseSource) -> Result<(), Error> {
    let home = Home::find()?;
    let handover = Handover::begin(&home, name)?;
    let current = Identity::new(&home, name);
    if let Some(path) = save {
        let statement = say(name, &current.open(source)?)?;
        return private_dir::create_private(path, format!("{}\n", statement.text).as_bytes());
    }
    let wallet = Wallet::load(&home)?;
    let concerned = wallet.verifiers().iter().filter(|verifier| verifier.identity == *name);
    if concerned.count() == 0 && at.is_none() {
        return Err(Error::NoVerifier);
    }
    let mut statements = Vec::new();
    for identity in handover.retired()?.iter().chain([&current]) {
        statements.push(say(name, &identity.open(source)?)?);
    }
    Wallet::change(&home, |wallet| {
        if let Some(url) = at {
            wallet.meet(url, name);
        }
        statements.into_iter().for_each(|statement| wallet.owe(statement));
        Ok(())
    })?;
    client::run(delivery::deliver(&home, |verifier| verifier.identity == *name))?;
    handover.settle()?;
    let wallet = Wallet::load(&home)?;
    delivery::say_what_is_owed(wallet.verifiers().iter().filter(|verifier| verifier.identity == *name))
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
    let read = UntrustedRetirement::parse(text.trim_ascii()).map_err(Error::Unsignable)?;
    read.verify().map_err(Error::Unsignable)?;
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
            if let Err(error) = delivery::send(url, &text).await {
                report::hint_that(&format!("{url}: {error}"));
                last = Err(error);
            }
        }
        last
    })
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
    report::line(String::from_utf8_lossy(&list).trim_ascii_end())
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
