//! `envelope pack list` and `envelope forget`: what the wallet knows.

use serde_json::{Value, json};

use crate::args::{Forget, PackList};
use crate::error::Error;
use crate::handover;
use crate::home::Home;
use crate::identity::Name;
use crate::report::{self, printable};
use crate::wallet::Wallet;

/// Every pack, its URL, and who calls it under which name; a verifier of which no pack is known has a line of its own.
pub(crate) fn list(name: Option<&Name>, args: &PackList) -> Result<(), Error> {
    let wallet = Wallet::load(&Home::find()?)?;
    let known = wallet.verifiers().iter().filter(|it| name.is_none_or(|name| it.identity == *name));
    let mut lines = String::new();
    let mut array = Vec::new();
    for verifier in known {
        let who = format!("{}  {}", verifier.identity, printable(&verifier.name));
        let packs: Vec<Option<&String>> = match verifier.packs.as_slice() {
            [] => vec![None],
            packs => packs.iter().map(Some).collect(),
        };
        for pack in packs {
            let path = pack.map(|pack| format!("/api/pack/{}", printable(pack))).unwrap_or_default();
            lines.push_str(&format!("{}  {who}\n", verifier.url.at(&path)));
            array.push(json!({
                "verifier": verifier.url.as_str(),
                "pack": pack,
                "url": verifier.url.at(&path),
                "credential": "signed",
                "identity": verifier.identity.as_str(),
                "name": verifier.name,
            }));
        }
    }
    if args.json.json {
        report::line(&Value::from(array).to_string())
    } else {
        report::data(lines.as_bytes())
    }
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
