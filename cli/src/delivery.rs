//! What keys have said of themselves, carried to the verifiers that have not heard it.

use envelope_core::Code;

use crate::clock;
use crate::error::Error;
use crate::exchange::Question;
use crate::handover;
use crate::home::Home;
use crate::origin::Origin;
use crate::report;
use crate::wallet::{Trouble, Verifier, Wallet};

/// Tells the verifiers that `meant` picks, one after the other, all that they are owed, in order. What a verifier does not
/// take stays owed, and why is noted in the wallet.
pub(crate) async fn deliver(home: &Home, meant: impl Fn(&Verifier) -> bool) -> Result<(), Error> {
    let wallet = Wallet::load(home)?;
    for verifier in wallet.verifiers().iter().filter(|verifier| !verifier.owed.is_empty() && meant(verifier))
    {
        tell(home, &wallet, verifier).await?;
    }
    // Who has heard of the new key needs the old one no more.
    handover::clear_retired(home)
}

async fn tell(home: &Home, wallet: &Wallet, verifier: &Verifier) -> Result<(), Error> {
    let (url, identity) = (&verifier.url, &verifier.identity);
    for id in &verifier.owed {
        let Some(statement) = wallet.statement(id) else { continue };
        match send(url, &statement.text).await {
            Ok(()) => Wallet::change(home, |wallet| {
                wallet.heard(url, identity, id);
                Ok(())
            })?,
            Err(error) => {
                let refused = matches!(error, Error::Problem(_) | Error::Status(..));
                let trouble = Trouble { at: clock::now()?.as_unix(), why: error.to_string(), refused };
                return Wallet::change(home, |wallet| {
                    wallet.not_heard(url, identity, trouble);
                    Ok(())
                });
            }
        }
    }
    Ok(())
}

/// Sends one statement. That it was heard before is as good: the answer was lost then.
pub(crate) async fn send(url: &Origin, statement: &str) -> Result<(), Error> {
    let body = Some(("application/jose+json", statement.as_bytes().to_vec()));
    let question = Question { method: "POST", path: "/api/statements".into(), body, fields: Vec::new() };
    match question.ask(url, None).await {
        Err(Error::Problem(problem)) if problem.code == Code::Replayed.as_str() => Ok(()),
        told => told.map(|_| ()),
    }
}

/// Says which verifiers have not heard something yet. One that was reached and refused is an error.
pub(crate) fn say_what_is_owed<'a>(verifiers: impl IntoIterator<Item = &'a Verifier>) -> Result<(), Error> {
    let mut refused = 0;
    for verifier in verifiers.into_iter().filter(|verifier| !verifier.owed.is_empty()) {
        let why = verifier.trouble.as_ref().map(|trouble| trouble.why.as_str()).unwrap_or_default();
        if verifier.trouble.as_ref().is_some_and(|trouble| trouble.refused) {
            refused += 1;
            report::hint_that(&format!("{} refused: {}", verifier.url, report::printable(why)));
        } else {
            report::hint_that(&format!(
                "{} has not heard it, the next command that talks to it tries again: {}",
                verifier.url,
                report::printable(why)
            ));
        }
    }
    if refused == 0 { Ok(()) } else { Err(Error::Untold(refused)) }
}
