//! `envelope pack show`, `envelope pack set`, `envelope pack allow` and `envelope pack deny`.

use serde_json::{Map, Value, json};

use crate::args::{PackSet, PackShow, PackUsers};
use crate::choice;
use crate::client;
use crate::clock;
use crate::error::{Error, PackError};
use crate::exchange::Question;
use crate::home::Home;
use crate::identity::Name;
use crate::pack_id::{Guid, PackId};
use crate::passphrase::PassphraseSource;
use crate::report::{self, Fact, Facts, printable};
use crate::wallet::Wallet;

pub(crate) fn show(name: Option<&Name>, args: PackShow) -> Result<(), Error> {
    let home = Home::find()?;
    let source = PassphraseSource::new(args.passphrase)?;
    let id = Wallet::load(&home)?.which_pack(&args.pack)?;
    let question = Question::get(format!("/api/packs/{}", id.guid));
    let pack = ask(&home, name, &id, &source, question)?;
    if args.json.json {
        return report::json_line(&Value::Object(pack));
    }
    facts(&id, &pack).print(false)
}

pub(crate) fn set(name: Option<&Name>, args: PackSet) -> Result<(), Error> {
    let home = Home::find()?;
    let source = PassphraseSource::new(args.passphrase)?;
    let id = Wallet::load(&home)?.which_pack(&args.pack)?;
    let rules = args.rules.members();
    if rules.is_empty() {
        return Err(PackError::NoRules.into());
    }
    let body = Value::Object(rules).to_string().into_bytes();
    let question =
        Question::new("PATCH", format!("/api/packs/{}", id.guid)).with_body("application/json", body);
    let pack = ask(&home, name, &id, &source, question)?;
    if args.json.json {
        return report::json_line(&Value::Object(pack));
    }
    facts(&id, &pack).print(false)
}

pub(crate) fn allow(name: Option<&Name>, args: PackUsers) -> Result<(), Error> {
    change(name, args, "allow")
}

pub(crate) fn deny(name: Option<&Name>, args: PackUsers) -> Result<(), Error> {
    change(name, args, "deny")
}

fn change(name: Option<&Name>, args: PackUsers, member: &str) -> Result<(), Error> {
    let home = Home::find()?;
    let source = PassphraseSource::new(args.passphrase)?;
    let id = Wallet::load(&home)?.which_pack(&args.pack)?;
    let mut demand = json!({ member: args.entries });
    if let (Some(agent), Some(demand)) = (&args.agent, demand.as_object_mut()) {
        demand.insert("agent".into(), agent.as_str().into());
    }
    let question = Question::post(format!("/api/packs/{}/users", id.guid), &demand);
    let pack = ask(&home, name, &id, &source, question)?;
    if args.json.json {
        return report::json_line(&Value::Object(pack));
    }
    let users = match &args.agent {
        None => pack.get("allowed_users"),
        Some(agent) => {
            agents(&pack).find(|it| text(it, "name") == Some(agent)).and_then(|it| it.get("allowed_users"))
        }
    };
    if let Some(agent) = args.agent.as_ref().filter(|_| agents(&pack).count() == 1) {
        report::hint_that(&format!(
            "{} has the only rule for an agent: those without one are the owner's alone",
            printable(agent)
        ));
    }
    let lines: String = people(users).iter().map(|entry| format!("{}\n", printable(entry))).collect();
    report::data(lines.as_bytes())
}

/// Asks the verifier something that it answers with the pack.
pub(super) fn ask(
    home: &Home,
    name: Option<&Name>,
    id: &PackId,
    source: &PassphraseSource,
    question: Question,
) -> Result<Map<String, Value>, Error> {
    let call_key = choice::for_admin(home, &id.origin, name, None, source)?;
    let pack = client::run(question.ask_for_json(&id.origin, Some(&call_key)))?;
    let guid = text(&pack, "guid").and_then(|guid| guid.parse::<Guid>().ok());
    if guid.as_ref() == Some(&id.guid) { Ok(pack) } else { Err(Error::Answer(id.origin.clone())) }
}

fn facts(id: &PackId, pack: &Map<String, Value>) -> Facts {
    let agent = |agent: &Map<String, Value>| {
        format!(
            "{}: {}",
            text(agent, "name").unwrap_or_default(),
            people(agent.get("allowed_users")).join(" ")
        )
    };
    let time = |at: &Value| at.as_u64().map(|at| Fact::Time(envelope_core::Timestamp::from_unix(at)));
    Facts::default()
        .with("url", id.url().as_str())
        .with("accept", Fact::List(entries(pack.get("accept"))))
        .and("owner", text(pack, "owner").map(Into::into))
        .with("allowed_users", Fact::List(people(pack.get("allowed_users"))))
        .with("agents", Fact::Lines(agents(pack).map(agent).collect()))
        .and("registered", pack.get("registered").and_then(time))
        .and("registered_by", text(pack, "registered_by").map(Into::into))
        .with("tokens", Fact::Lines(tokens(pack)))
}

/// A line for each token: its name and serial, until when it is good, when it was used last.
pub(super) fn tokens(pack: &Map<String, Value>) -> Vec<String> {
    let tokens = pack.get("tokens").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let line = |token: &Map<String, Value>| {
        let moment = |member| {
            let at = token.get(member).and_then(Value::as_u64).map(envelope_core::Timestamp::from_unix);
            at.map_or_else(|| "never".into(), clock::show)
        };
        let serial = token.get("serial").and_then(Value::as_u64).unwrap_or_default();
        let name = text(token, "name").unwrap_or_default();
        format!("{name} {serial}  expires {}  last used {}", moment("expires"), moment("last_used"))
    };
    tokens.iter().filter_map(Value::as_object).map(line).collect()
}

fn agents(pack: &Map<String, Value>) -> impl Iterator<Item = &Map<String, Value>> {
    pack.get("agents").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

/// Whom a rule lets in, in words where there is no list.
fn people(users: Option<&Value>) -> Vec<String> {
    match users {
        None | Some(Value::Null) => vec!["everybody who is registered".into()],
        Some(Value::Array(entries)) if entries.is_empty() => vec!["nobody but the owner".into()],
        users => entries(users),
    }
}

/// `"*"`, or a list.
fn entries(users: Option<&Value>) -> Vec<String> {
    match users {
        Some(Value::String(all)) => vec![all.clone()],
        Some(Value::Array(entries)) => entries.iter().filter_map(Value::as_str).map(Into::into).collect(),
        _ => Vec::new(),
    }
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str)
}
