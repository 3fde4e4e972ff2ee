//! `envelope login` and `envelope logout`.

use crate::args::{Login, Logout};
use crate::client;
use crate::error::{Error, LoginError};
use crate::home::Home;
use crate::login::{self, Certified, Provider};
use crate::report::{self, Fact, Facts};
use crate::wallet::{self, Wallet};
use crate::wiping::wiped;

pub(crate) fn run(args: Login) -> Result<(), Error> {
    let home = Home::find()?;
    // Nobody logs in for nothing: what could not be noted is found out before.
    Wallet::change(&home, |_| Ok(()))?;
    if args.url.is_open_to_all() {
        return Err(LoginError::NotHttps(args.url.to_string()).into());
    }
    let provider = client::run(Provider::ask(&args.url, args.provider.as_deref()))?;
    let (name, expires, packs) = wiped(|| {
        let (grant, bearer) = client::run(login::authorize(&provider))?;
        let certified = client::run(Certified::ask(&args.url, &bearer))?;
        login::keep(&home, &args.url, &grant, &certified)?;
        Ok::<_, Error>((certified.name, certified.expires, certified.packs))
    })?;
    Wallet::change(&home, |wallet| {
        wallet.log_in(wallet::Login { url: args.url.clone(), name: name.clone(), packs: packs.clone() });
        Ok(())
    })?;
    if !args.json.json {
        return report::line(&name);
    }
    let facts = Facts::default()
        .with("verifier", args.url.as_str())
        .with("provider", provider.name.as_str())
        .with("name", name.as_str())
        .with("expires", Fact::Time(expires))
        .with("packs", Fact::List(packs));
    facts.print(true)
}

pub(crate) fn out(args: &Logout) -> Result<(), Error> {
    let home = Home::find()?;
    // First what opens something; the note of it goes last, so that the command can be run again.
    login::forget(&home, &args.url)?;
    let was_there = Wallet::change(&home, |wallet| Ok(wallet.log_out(&args.url)))?;
    if was_there { Ok(()) } else { Err(LoginError::NotHere(args.url.clone()).into()) }
}
