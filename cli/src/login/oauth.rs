//! One request to an OAuth endpoint: RFC 6749, RFC 8628.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::address;
use crate::client;
use crate::error::{Error, LoginError};

const PATIENCE: Duration = Duration::from_secs(15);
/// Many times what an ID token takes.
const MAX_ANSWER: usize = 256 * 1024;

/// An address of an identity provider: HTTPS, or this very machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Endpoint(Url);

impl FromStr for Endpoint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).ok().filter(is_private);
        url.map(Self).ok_or_else(|| LoginError::NotHttps(text.into()).into())
    }
}

impl TryFrom<String> for Endpoint {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map_err(|_| "not HTTPS")
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> Self {
        endpoint.0.into()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

/// Whether nobody on the way reads what goes there.
fn is_private(url: &Url) -> bool {
    let is_plain = url.username().is_empty() && url.password().is_none();
    let is_loopback = url.scheme() == "http" && address::is_loopback(url);
    is_plain && url.has_host() && (url.scheme() == "https" || is_loopback)
}

impl Endpoint {
    /// Who answers there.
    pub(super) fn host(&self) -> String {
        self.0.host_str().unwrap_or_default().into()
    }

    /// Something else than it must.
    pub(super) fn wrong_answer(&self) -> Error {
        LoginError::Answer(self.host()).into()
    }

    /// Posts a form. Providers answer with JSON whatever the status is.
    pub(super) async fn post<T: DeserializeOwned>(&self, form: &[(&str, &str)]) -> Result<Reply<T>, Error> {
        let client = client::client(&self.0, PATIENCE)?;
        let sending = client
            .post(self.0.clone())
            .timeout(PATIENCE)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .body(encode(form).as_bytes().to_vec());
        let proxy = client::proxy_variable(&self.0);
        let answer = sending.send().await.map_err(|error| Error::Send(error, proxy))?;
        let status = answer.status();
        if status.is_server_error() {
            return Err(Error::Status(status.as_u16(), None));
        }
        let body = client::read(answer, MAX_ANSWER).await?.ok_or_else(|| self.wrong_answer())?;
        // GitHub tells errors with the status 200.
        if let Ok(refusal) = serde_json::from_slice::<Refusal>(&body) {
            return Ok(Reply::Refused(refusal));
        }
        if !status.is_success() {
            return Err(self.wrong_answer());
        }
        serde_json::from_slice(&body).map(Reply::Good).map_err(|_| self.wrong_answer())
    }
}

/// What comes back.
pub(super) enum Reply<T> {
    Good(T),
    Refused(Refusal),
}

/// RFC 6749, section 5.2.
#[derive(Deserialize)]
pub(super) struct Refusal {
    pub(super) error: String,
    #[serde(default)]
    pub(super) error_description: Option<String>,
    /// GitHub says with `slow_down` how slow.
    #[serde(default)]
    pub(super) interval: Option<u64>,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let short = |text: String| text.chars().take(200).collect::<String>();
        LoginError::Says(short(refusal.error), refusal.error_description.map(short)).into()
    }
}

/// `application/x-www-form-urlencoded`, in memory that is wiped.
fn encode(form: &[(&str, &str)]) -> Zeroizing<String> {
    let length: usize = form.iter().map(|(name, value)| 3 * (name.len() + value.len()) + 2).sum();
    let mut text = Zeroizing::new(String::with_capacity(length));
    for (name, value) in form {
        if !text.is_empty() {
            text.push('&');
        }
        escape(name, &mut text);
        text.push('=');
        escape(value, &mut text);
    }
    text
}

fn escape(text: &str, into: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            into.push('%');
            for nibble in [byte >> 4, byte & 15] {
                into.push(HEX.get(usize::from(nibble)).copied().map_or('0', char::from));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_encoded() {
        let form = [("client_id", "a b"), ("scope", "openid&x=ä/"), ("e", "")];
        assert_eq!(encode(&form).as_str(), "client_id=a%20b&scope=openid%26x%3D%C3%A4%2F&e=");
    }

    #[test]
    fn an_endpoint_is_https_or_this_machine() {
        for url in [
            "https://github.com/login/device/code",
            "http://127.0.0.1:1/x",
            "http://localhost/x",
            "http://[::1]/",
        ] {
            url.parse::<Endpoint>().unwrap();
        }
        for url in [
            "http://github.com/",
            "ftp://a/",
            "https://a:b@c/",
            "",
            "x",
            "file:///etc/passwd",
            "javascript:alert(1)",
        ] {
            assert!(url.parse::<Endpoint>().is_err(), "{url}");
        }
    }
}
