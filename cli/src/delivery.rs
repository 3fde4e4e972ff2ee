//! What keys have said of themselves, carried to the verifiers that have not heard it.

use std::time::Duration;

use envelope_core::{Code, Thumbprint};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::clock;
use crate::error::Error;
use crate::exchange::Question;
use crate::handover;
use crate::home::Home;
use crate::origin::Origin;
use crate::report;
use crate::wallet::{Statement, Trouble, Verifier, Wallet};

/// How long a verifier may take to hear one statement, where the command is there to tell it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// The same for a command that is there for something else.
pub(crate) const BY_THE_WAY: Duration = Duration::from_secs(3);

/// Tells the verifiers that `meant` picks what they are owed, all of them at once, each in order. What a verifier does not take
/// stays owed, and why is noted in the wallet.
pub(crate) async fn deliver(
    home: &Home,
    patience: Duration,
    meant: impl Fn(&Verifier) -> bool,
) -> Result<(), Error> {
    let wallet = Wallet::load(home)?;
    let mut telling = JoinSet::new();
    for verifier in wallet.verifiers().iter().filter(|verifier| !verifier.owed.is_empty() && meant(verifier))
    {
        let owed: Vec<Statement> =
            verifier.owed.iter().filter_map(|id| wallet.statement(id).cloned()).collect();
        telling.spawn(tell(home.clone(), verifier.clone(), owed, patience));
    }
    while let Some(told) = telling.join_next().await {
        match told {
            Ok(Ok(())) => {}
            // It is told once more, another time; that is no reason to do nothing else.
            Ok(Err(error)) => {
                report::hint_that(&format!("what was told to a verifier cannot be noted: {error}"))
            }
            Err(_) => return Err(Error::Network(std::io::Error::other("a delivery broke off"))),
        }
    }
    // Who has heard of the new key needs the old one no more.
    handover::clear_retired(home);
    Ok(())
}

async fn tell(home: Home, verifier: Verifier, owed: Vec<Statement>, patience: Duration) -> Result<(), Error> {
    let (url, identity) = (&verifier.url, &verifier.identity);
    for statement in &owed {
        let trouble = hear(url, statement, patience).await?;
        // A succession that is refused must not keep a retirement behind it from being heard.
        let is_reached = trouble.as_ref().is_none_or(|trouble| trouble.refused);
        Wallet::change(&home, |wallet| {
            match trouble {
                None => wallet.heard(url, identity, &statement.id),
                Some(trouble) => wallet.not_heard(url, identity, trouble),
            }
            Ok(())
        })?;
        if !is_reached {
            break;
        }
    }
    Ok(())
}

/// Sends one statement for so long; gives what went wrong.
async fn hear(url: &Origin, statement: &Statement, patience: Duration) -> Result<Option<Trouble>, Error> {
    let (why, refused) = match timeout(patience, send(url, &statement.text, &statement.about())).await {
        Ok(Ok(())) => return Ok(None),
        // It does not know the key: there is nothing that could be revoked.
        Ok(Err(Error::Problem(problem)))
            if statement.successor.is_none() && problem.code == Code::BadSignature.as_str() =>
        {
            return Ok(None);
        }
        Ok(Err(error)) => {
            (error.to_string(), matches!(error, Error::Problem(_) | Error::Status(..) | Error::Answer(_)))
        }
        Err(_) => (format!("no answer within {} s", patience.as_secs()), false),
    };
    Ok(Some(Trouble { at: clock::now()?.as_unix(), why, refused }))
}

/// What a verifier answers that has heard a statement.
#[derive(Clone, Copy, Debug)]
pub(crate) enum About {
    /// `new`: the key that comes after another one.
    Successor(Thumbprint),
    /// `revoked`: the key that retires.
    Retired(Thumbprint),
}

/// Sends one statement. That it was heard before is as good: the answer was lost then.
pub(crate) async fn send(url: &Origin, statement: &str, about: &About) -> Result<(), Error> {
    let question = Question::new("POST", "/api/statements");
    let question = question.with_body("application/jose+json", statement.as_bytes().to_vec());
    let answer = match question.ask_for_json(url, None).await {
        Err(Error::Problem(problem)) if problem.code == Code::Replayed.as_str() => return Ok(()),
        answer => answer?,
    };
    // Whatever stands between may answer 200 to everything.
    let (member, key) = match about {
        About::Successor(key) => ("new", key),
        About::Retired(key) => ("revoked", key),
    };
    if answer.get(member).and_then(Value::as_str) == Some(key.to_string().as_str()) {
        Ok(())
    } else {
        Err(Error::Answer(url.clone()))
    }
}

/// Says which verifiers have not heard something yet; gives how many, and how many of them were reached and refused.
pub(crate) fn say_what_is_owed<'a>(verifiers: impl IntoIterator<Item = &'a Verifier>) -> (usize, usize) {
    let (mut owed, mut refused) = (0, 0);
    for verifier in verifiers.into_iter().filter(|verifier| !verifier.owed.is_empty()) {
        owed += 1;
        let why = report::printable(verifier.why());
        if verifier.trouble.as_ref().is_some_and(|trouble| trouble.refused) {
            refused += 1;
            report::hint_that(&format!("{} refused: {why}", verifier.url));
        } else {
            report::hint_that(&format!(
                "{} has not heard it, the next call tries again: {why}",
                verifier.url
            ));
        }
    }
    (owed, refused)
}
