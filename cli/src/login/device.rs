//! The device flow: a person proves at the identity provider who they are, and this program hears of it (RFC 8628).

use std::time::Duration;

use serde::Deserialize;
use tokio::time::{Instant, sleep};

use super::grant::{Grant, Tokens};
use super::oauth::{Endpoint, Refusal, Reply};
use super::provider::Provider;
use crate::error::{Error, LoginError};
use crate::report;
use crate::secret::Secret;

/// Section 3.5: how often to ask where the provider does not say, and how much slower when it says so.
const INTERVAL: u64 = 5;
/// The longest that anybody is waited for: half an hour.
const MAX_WAIT: u64 = 1800;
const MAX_INTERVAL: u64 = 60;
/// How often in a row a provider may not answer.
const MAX_FAILURES: u32 = 5;

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Section 3.2.
#[derive(Deserialize)]
struct Started {
    device_code: Secret,
    user_code: String,
    verification_uri: String,
    #[serde(default)]
    verification_uri_complete: Option<String>,
    expires_in: u64,
    #[serde(default)]
    interval: Option<u64>,
}

/// Has somebody log in at a provider; gives what the provider hands out.
pub(crate) async fn authorize(provider: &Provider) -> Result<(Grant, Secret), Error> {
    let mut form = vec![("client_id", provider.client_id.as_str())];
    if !provider.scope.is_empty() {
        form.push(("scope", provider.scope.as_str()));
    }
    let started: Started = match provider.device.post(&form).await? {
        Reply::Good(started) => started,
        Reply::Refused(refusal) => return Err(refusal.into()),
    };
    tell(provider, &started)?;
    let tokens = wait(provider, &started).await?;
    Grant::of(provider, tokens)
}

/// Where to go, and which code to enter there.
fn tell(provider: &Provider, started: &Started) -> Result<(), Error> {
    let code = started.user_code.as_str();
    // What cannot be typed is no code.
    let is_code = (1..=64).contains(&code.len()) && code.chars().all(|it| it.is_ascii_graphic() || it == ' ');
    if !is_code {
        return Err(provider.device.wrong_answer());
    }
    let page: Endpoint = started.verification_uri.parse()?;
    report::tell(&format!(
        "to log in at {}, open {page} and enter the code {code}",
        report::printable(&provider.name)
    ));
    if let Some(complete) = started.verification_uri_complete.as_deref() {
        let page: Endpoint = complete.parse()?;
        report::tell(&format!("or open {page}"));
    }
    Ok(())
}

async fn wait(provider: &Provider, started: &Started) -> Result<Tokens, Error> {
    let end = Instant::now() + Duration::from_secs(started.expires_in.min(MAX_WAIT));
    let mut interval = started.interval.unwrap_or(INTERVAL).clamp(1, MAX_INTERVAL);
    let mut failures = 0;
    let form = [
        ("grant_type", GRANT_TYPE),
        ("device_code", started.device_code.expose()),
        ("client_id", provider.client_id.as_str()),
    ];
    loop {
        let next = Duration::from_secs(interval);
        if Instant::now() + next > end {
            sleep(end.saturating_duration_since(Instant::now())).await;
            return Err(LoginError::TimedOut.into());
        }
        sleep(next).await;
        match provider.token.post::<Tokens>(&form).await {
            Ok(Reply::Good(tokens)) => return Ok(tokens),
            Ok(Reply::Refused(refusal)) => {
                failures = 0;
                interval = slower(refusal, interval)?;
            }
            // It may be there again when it is asked the next time; section 3.5 asks for patience.
            Err(Error::Send(..) | Error::BrokenOff(_) | Error::Status(..)) if failures < MAX_FAILURES => {
                failures += 1;
                interval = (2 * interval).min(MAX_INTERVAL);
            }
            Err(error) => return Err(error),
        }
    }
}

/// After how long to ask again; an error where there is no use in it.
fn slower(refusal: Refusal, interval: u64) -> Result<u64, Error> {
    match refusal.error.as_str() {
        "authorization_pending" => Ok(interval),
        "slow_down" => {
            let slower = (interval + INTERVAL).max(refusal.interval.unwrap_or_default());
            Ok(slower.min(MAX_INTERVAL))
        }
        "access_denied" => Err(LoginError::Denied.into()),
        "expired_token" => Err(LoginError::TimedOut.into()),
        _ => Err(refusal.into()),
    }
}
