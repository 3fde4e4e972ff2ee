//! A login at a verifier, as it is kept: a call key that the verifier has certified, and what renews it.
//!
//! The call key is beside all others, in `run`. What renews it is a token of the identity provider, in `logins` beside the
//! identities: GitHub's is shown to the verifier again, a refresh token of OpenID Connect to the provider and to nobody else.
//! One process at a time renews; those that wait find what it has made.

mod certify;
mod device;
mod grant;
mod oauth;
mod provider;

use base64ct::{Base64UrlUnpadded, Encoding};
use envelope_core::{Timestamp, UntrustedLogin};
use sha2::{Digest, Sha256};

use crate::call_key::{CallKey, Issuer};
use crate::client;
use crate::clock;
use crate::error::{Error, LoginError};
use crate::home::Home;
use crate::origin::Origin;
use crate::private_dir::Locked;
use crate::report;

pub(crate) use certify::Certified;
pub(crate) use device::authorize;
pub(crate) use grant::Grant;
pub(crate) use provider::Provider;

/// Where the files of a login are.
struct Files {
    /// No name of an identity has an `@`.
    call_key: String,
    lock: String,
    grant: String,
}

impl Files {
    fn of(url: &Origin) -> Self {
        let hash = Base64UrlUnpadded::encode_string(&Sha256::digest(url.as_str()));
        let lock = format!("login@{hash}");
        Self { call_key: format!("{lock}.call"), grant: format!("{lock}.json"), lock }
    }
}

/// What is left of the life of a call key.
enum Stored {
    /// A tenth of its life or more.
    Fresh(CallKey),
    /// Less than that.
    Late(CallKey, Timestamp),
    Nothing,
}

/// The call key of the login at a verifier, renewed where it is about to run out.
pub(crate) fn call_key(home: &Home, url: &Origin) -> Result<CallKey, Error> {
    let files = Files::of(url);
    if let Stored::Fresh(key) = stored(home, &files)? {
        return Ok(key);
    }
    let lock = home.logins.lock(&files.lock)?;
    // Whoever held the lock before may have renewed it.
    let late = match stored(home, &files)? {
        Stored::Fresh(key) => return Ok(key),
        Stored::Late(key, end) => Some((key, end)),
        Stored::Nothing => None,
    };
    match (renew(home, url, &files, &lock), late) {
        (Ok(key), _) => Ok(key),
        (Err(error), None) => Err(error),
        (Err(error), Some((key, end))) => {
            report::hint_that(&format!(
                "the login ends at {} and cannot be renewed: {error}",
                clock::show(end)
            ));
            Ok(key)
        }
    }
}

fn renew(home: &Home, url: &Origin, files: &Files, lock: &Locked<'_>) -> Result<CallKey, Error> {
    let mut grant = Grant::load(home, files)?.ok_or_else(|| LoginError::NotHere(url.clone()))?;
    let certified = client::run(async {
        let bearer = grant.renew(url, |grant| grant.keep(files, lock)).await?;
        Certified::ask(url, &bearer).await.map_err(|error| ended(url, error))
    })?;
    keep_call_key(home, files, &certified.call_key)?;
    Ok(certified.call_key)
}

/// The verifier does not know the provider's token any more.
fn ended(url: &Origin, error: Error) -> Error {
    match error {
        Error::Problem(problem) if problem.code == "unauthenticated" => LoginError::Ended(url.clone()).into(),
        error => error,
    }
}

/// Keeps a login; the one that was there is gone.
pub(crate) fn keep(home: &Home, url: &Origin, grant: &Grant, certified: &Certified) -> Result<(), Error> {
    let files = Files::of(url);
    let lock = home.logins.lock(&files.lock)?;
    grant.keep(&files, &lock)?;
    keep_call_key(home, &files, &certified.call_key)
}

/// Removes what is kept of a login.
pub(crate) fn forget(home: &Home, url: &Origin) -> Result<(), Error> {
    let files = Files::of(url);
    if home.logins.names()?.is_empty() {
        return home.run.remove(&files.call_key);
    }
    // Whoever renews it now would keep it again.
    let _lock = home.logins.lock(&files.lock)?;
    home.logins.remove(&files.grant)?;
    home.run.remove(&files.call_key)
}

fn keep_call_key(home: &Home, files: &Files, key: &CallKey) -> Result<(), Error> {
    let path = home.run.path(&files.call_key);
    let text = key.to_file().map_err(|error| Error::Pem(path, error))?;
    let kept = home.run.lock(&files.lock).and_then(|lock| lock.replace(&files.call_key, text.as_bytes()));
    match kept {
        // It signs all the same; only the next one has to be renewed again.
        Err(error) if home.run.is_unusable(&error) => {
            report::hint_that(&format!("no call key can be kept: {error}"));
            Ok(())
        }
        kept => kept,
    }
}

fn stored(home: &Home, files: &Files) -> Result<Stored, Error> {
    let text = match home.run.read(&files.call_key) {
        Err(error) if home.run.is_unusable(&error) => None,
        text => text?,
    };
    let Some(key) = text.and_then(|text| CallKey::from_file(&text, Issuer::Verifier)) else {
        return Ok(Stored::Nothing);
    };
    let now = clock::now()?;
    Ok(match life(&key) {
        // From the future: the clock has been set back.
        Some((issued, expires)) if !(issued..expires).contains(&now) => Stored::Nothing,
        Some((issued, expires)) if expires.since(now) < expires.since(issued) / 10 => {
            Stored::Late(key, expires)
        }
        Some(_) => Stored::Fresh(key),
        None => Stored::Nothing,
    })
}

/// From when to when it is good; `None` where the certificate is for another key.
fn life(key: &CallKey) -> Option<(Timestamp, Timestamp)> {
    let read = UntrustedLogin::parse(key.certificate()).ok()?;
    let fits = read.call_key() == key.key().verifying_key();
    // The clock of the verifier may be a little ahead of the one here.
    let issued = Timestamp::from_unix(read.issued().as_unix().saturating_sub(SKEW));
    fits.then(|| (issued, read.expires()))
}

/// How far a verifier's clock may be ahead: spec, V4.5.
const SKEW: u64 = 5;
