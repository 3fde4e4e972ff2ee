//! `envelope call`: calls an agent of a pack, or sends any request; prints the answer.

mod target;

use std::time::Duration;

use envelope_core::Signed;
use reqwest::header::LOCATION;
use reqwest::{Response, StatusCode};

use crate::address;
use crate::args::{Call, CredentialKind};
use crate::choice::Choice;
use crate::client::{self, MAX_PROBLEM, Proof, read_problem};
use crate::clock;
use crate::delivery;
use crate::error::{Error, PackError};
use crate::handed_key;
use crate::home::Home;
use crate::identity::Name;
use crate::origin::Origin;
use crate::passphrase::PassphraseSource;
use crate::report;
use crate::secret::Secret;
use crate::wallet::Wallet;
use crate::wiping::wiped;
use target::Target;

/// Between two pieces of an answer: agents think for minutes before they say anything.
const READ_TIMEOUT: Duration = Duration::from_secs(300);

pub(crate) fn run(name: Option<&Name>, args: Call) -> Result<(), Error> {
    let target = Target::read(&args)?;
    let request = &target.request;
    let (url, authority) = address::exact(request.url())?;
    let passphrase = PassphraseSource::new(args.passphrase)?;
    let (wanted, plain_http) = (args.credential, args.plain_http.plain_http);
    // Nothing is sent while the secret of a key is in memory.
    let arm = || {
        wiped(|| {
            if let Some(handed) = handed_key::read(&args.handed, &passphrase)? {
                return request.sign(&handed, 60).map(Armed::Signed);
            }
            let home = Home::find()?;
            let choice = choose(&home, name, &target, wanted)?;
            if let Choice::Token(token) = choice {
                return arm_with(token, &target, plain_http);
            }
            match choice.call_key(&home, &passphrase)? {
                Some(call_key) => request.sign(&call_key, 60).map(Armed::Signed),
                None => Ok(Armed::Nothing),
            }
        })
    };
    let attempt = |armed: &Armed, is_last: bool| {
        let client = client::client(&url, READ_TIMEOUT)?;
        client::run(async {
            let answer = client::send(&client, url.clone(), request, armed.proof(), None).await?;
            print(answer, &authority, is_last).await
        })
    };
    let armed = arm()?;
    // What is not signed anew would be the same again.
    let is_last = !matches!(armed, Armed::Signed(_));
    match attempt(&armed, is_last)? {
        Outcome::Printed => Ok(()),
        Outcome::SignAgain => {
            std::thread::sleep(client::ANEW);
            attempt(&arm()?, true).map(drop)
        }
    }
}

/// What goes with the request.
enum Armed {
    Signed(Signed),
    Token(Secret),
    Nothing,
}

impl Armed {
    fn proof(&self) -> Proof<'_> {
        match self {
            Self::Signed(signed) => Proof::Signed(signed),
            Self::Token(token) => Proof::Token(token),
            Self::Nothing => Proof::Nothing,
        }
    }
}

fn arm_with(token: Secret, target: &Target, plain_http: bool) -> Result<Armed, Error> {
    if target.has_authorization() {
        return Err(PackError::TwoCredentials.into());
    }
    match Origin::of(target.request.url()) {
        Some(origin) if origin.is_open_to_all() && !plain_http => Err(PackError::Plain(origin).into()),
        _ => Ok(Armed::Token(token)),
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
fn choose(
    home: &Home,
    name: Option<&Name>,
    target: &Target,
    wanted: Option<CredentialKind>,
) -> Result<Choice, Error> {
    let wallet = Wallet::load(home)?;
    let now = clock::now()?;
    let url = target.request.url();
    let origin = Origin::of(url).ok_or(Error::OtherTarget)?;
    let pack = target.pack(&wallet);
    let choice = match Choice::of(home, &wallet, &origin, pack.as_ref(), name, wanted)? {
        // A field Authorization that was given takes its place, unless the token is wanted.
        Choice::Token(_) if wanted.is_none() && target.has_authorization() => Choice::Nothing,
        choice => choice,
    };
    if wallet.verifiers().iter().all(|verifier| verifier.owed.is_empty()) {
        return Ok(choice);
    }
    client::run(async {
        let others = delivery::deliver(home, delivery::BY_THE_WAY, |it| it.url != origin && it.is_due(now));
        let (told, choice) = tokio::join!(others, choice.catch_up(home, &origin));
        told.and(choice)
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
