//! What admins ask of a verifier: `envelope ticket`, `envelope register`, and what they share with `envelope revoke`.

use envelope_core::key::format::KeyRef;
use serde_json::{Value, json};

use crate::args::{Register, Ticket};
use crate::call_key::CallKey;
use crate::client;
use crate::clock;
use crate::credential::Credential;
use crate::error::Error;
use crate::exchange::Question;
use crate::home::Home;
use crate::identity::Name;
use crate::key_arg;
use crate::origin::Origin;
use crate::passphrase::PassphraseSource;
use crate::report::{self, Fact, Facts};
use crate::wallet::Wallet;

/// The verifier that is meant, and the call key to ask it with.
pub(crate) fn at(
    name: Option<&Name>,
    at: Option<&Origin>,
    source: &PassphraseSource,
) -> Result<(Origin, CallKey), Error> {
    let home = Home::find()?;
    let wallet = Wallet::load(&home)?;
    let url = match at {
        Some(url) => url.clone(),
        None => the_only(&wallet, name)?,
    };
    let credential = Credential::for_origin(&home, &wallet, &url, name)?;
    let credential = client::run(credential.catch_up(&home, &url))?;
    Ok((url, credential.call_key(&home, source)?))
}

/// The verifier of the wallet, where there is but one.
pub(super) fn the_only(wallet: &Wallet, name: Option<&Name>) -> Result<Origin, Error> {
    let known = wallet.verifiers().iter().filter(|it| name.is_none_or(|name| it.identity == *name));
    let mut urls: Vec<&Origin> = known.map(|it| &it.url).collect();
    urls.sort();
    urls.dedup();
    match urls.as_slice() {
        [] => Err(Error::NoVerifier),
        [url] => Ok((*url).clone()),
        urls => Err(Error::WhichVerifier(urls.iter().map(ToString::to_string).collect())),
    }
}

/// The thumbprint of a KEY.
pub(crate) fn keyid(key: &str) -> Result<String, Error> {
    key_arg::read(key).map(|key| key.thumbprint().to_string())
}

pub(crate) fn ticket(name: Option<&Name>, args: Ticket) -> Result<(), Error> {
    let source = PassphraseSource::new(args.passphrase)?;
    let (url, call_key) = at(name, args.at.as_ref(), &source)?;
    let demand = json!({ "identity": args.name, "ttl": args.ttl.seconds });
    let answer =
        client::run(Question::post("/api/keys/tickets", &demand).ask_for_json(&url, Some(&call_key)))?;
    let ticket = answer.get("ticket").and_then(Value::as_str);
    let expires = answer.get("expires").and_then(Value::as_u64);
    let (Some(ticket), Some(expires)) = (ticket, expires) else { return Err(Error::Answer(url)) };
    let is_plain = ticket.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if !is_plain || !ticket.starts_with("tkt_") {
        return Err(Error::Answer(url));
    }
    if args.json.json {
        let facts = Facts::default()
            .with("ticket", ticket)
            .with("identity", args.name.as_str())
            .with("verifier", url.as_str())
            .with("expires", Fact::Number(expires));
        return facts.print(true);
    }
    report::line(ticket)?;
    report::hint_that(&format!(
        "{} runs: envelope enroll {url} --token TICKET; until then, whoever has the ticket can",
        report::printable(&args.name)
    ));
    Ok(())
}

pub(crate) fn register(name: Option<&Name>, args: Register) -> Result<(), Error> {
    let source = PassphraseSource::new(args.passphrase)?;
    let key = match key_arg::read(&args.key)? {
        KeyRef::Key(key) => serde_json::from_str(&key.to_jwk()).unwrap_or_default(),
        KeyRef::Thumbprint(keyid) => Value::from(keyid.to_string()),
    };
    let role = if args.call { "call" } else { "identity" };
    let (url, call_key) = at(name, args.at.as_ref(), &source)?;
    let mut demand = json!({ "identity": args.name, "key": key, "role": role });
    if let (Some(ttl), Some(demand)) = (args.ttl, demand.as_object_mut()) {
        demand.insert("ttl".into(), ttl.seconds.into());
    }
    let answer = client::run(Question::post("/api/keys", &demand).ask_for_json(&url, Some(&call_key)))?;
    let keyid = answer.get("key").and_then(Value::as_str).ok_or(Error::Answer(url))?;
    if args.json.json {
        return report::line(&Value::Object(answer).to_string());
    }
    report::line(&report::printable(keyid))?;
    if let Some(expires) = answer.get("expires").and_then(Value::as_u64) {
        let end = clock::show(envelope_core::Timestamp::from_unix(expires));
        report::hint_that(&format!("it is good until {end}"));
    }
    Ok(())
}
