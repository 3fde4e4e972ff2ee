//! `envelope call`: signs a request, sends it, prints the answer.

use std::time::Duration;

use envelope_core::Signed;
use reqwest::header::LOCATION;
use reqwest::{Response, StatusCode};

use crate::address;
use crate::args::Call;
use crate::client::{self, MAX_PROBLEM, read_problem};
use crate::clock;
use crate::credential::Credential;
use crate::delivery;
use crate::error::Error;
use crate::handed_key;
use crate::home::Home;
use crate::identity::Name;
use crate::origin::Origin;
use crate::outgoing::Outgoing;
use crate::passphrase::PassphraseSource;
use crate::report;
use crate::wallet::Wallet;
use crate::wiping::wiped;

/// Between two pieces of an answer: agents think for minutes before they say anything.
const READ_TIMEOUT: Duration = Duration::from_secs(300);

pub(crate) fn run(name: Option<&Name>, args: Call) -> Result<(), Error> {
    let request = Outgoing::read(&args.request)?;
    let (url, authority) = address::exact(&args.request.url)?;
    let passphrase = PassphraseSource::new(args.passphrase)?;
    // Nothing is sent while a secret is in memory.
    let sign = || {
        wiped(|| match handed_key::read(&args.handed, &passphrase)? {
            Some(handed) => request.sign(&handed, 60),
            None => {
                let home = Home::find()?;
                let credential = choose(&home, name, &args.request.url)?;
                request.sign(&credential.call_key(&home, &passphrase)?, 60)
            }
        })
    };
    let attempt = |signed: Signed, is_last: bool| {
        let client = client::client(&url, READ_TIMEOUT)?;
        client::run(async {
            let answer = client::send(&client, url.clone(), &request, Some(&signed), None).await?;
            print(answer, &authority, is_last).await
        })
    };
    match attempt(sign()?, false)? {
        Outcome::Printed => Ok(()),
        Outcome::SignAgain => {
            std::thread::sleep(client::ANEW);
            attempt(sign()?, true).map(drop)
        }
    }
}

/// What came of sending a request.
enum Outcome {
    Printed,
    /// The verifier began anew and cannot know whether it has seen this before; it has passed nothing on.
    SignAgain,
}

/// The credential that the wallet has for the URL. What verifiers are owed they are told on this occasion: the one that is
/// called, and others that have not been tried for a while.
fn choose(home: &Home, name: Option<&Name>, url: &str) -> Result<Credential, Error> {
    let wallet = Wallet::load(home)?;
    let now = clock::now()?;
    let Some(origin) = Origin::of(url) else { return Credential::for_url(home, url, name) };
    let credential = Credential::for_origin(home, &wallet, &origin, name)?;
    if wallet.verifiers().iter().all(|verifier| verifier.owed.is_empty()) {
        return Ok(credential);
    }
    client::run(async {
        let others = delivery::deliver(home, delivery::BY_THE_WAY, |it| it.url != origin && it.is_due(now));
        let (told, credential) = tokio::join!(others, credential.catch_up(home, &origin));
        told.and(credential)
    })
}

/// The body to stdout as it arrives; what the status means is the outcome.
async fn print(mut answer: Response, authority: &str, is_last: bool) -> Result<Outcome, Error> {
    let status = answer.status();
    let location = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok()).map(Into::into);
    let is_problem = client::is_problem(&answer);
    // Held back until it is known whether there will be another answer.
    let is_held = is_problem && !is_last && status == StatusCode::SERVICE_UNAVAILABLE;
    let now = clock::now()?;
    let mut problem = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(Error::BrokenOff)? {
        if is_problem && problem.len() + piece.len() <= MAX_PROBLEM {
            problem.extend_from_slice(&piece);
        }
        if !is_held {
            report::data(&piece)?;
        }
    }
    if status.is_success() {
        return Ok(Outcome::Printed);
    }
    let read = if is_problem { read_problem(&problem, authority.into(), now) } else { None };
    if is_held {
        if read.as_ref().is_some_and(|problem| problem.began_anew()) {
            return Ok(Outcome::SignAgain);
        }
        report::data(&problem)?;
    }
    Err(read.map_or(Error::Status(status.as_u16(), location), Error::Problem))
}
