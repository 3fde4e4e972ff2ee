//! The HTTP client, and what an answer that is a refusal says.

use std::env;
use std::future::Future;
use std::time::Duration;

use envelope_core::{Code, Refusal, Signed, Timestamp};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Method, Response};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::address;
use crate::error::{Error, Problem};
use crate::outgoing::Outgoing;
use crate::secret::Secret;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// After how long a request is signed again when a verifier began anew: what was signed in the second in which it ended, it may
/// have seen.
pub(crate) const ANEW: Duration = Duration::from_millis(1100);
/// The longest problem document that is read.
pub(crate) const MAX_PROBLEM: usize = 64 * 1024;

/// A client for one URL that waits at most `patience` between two pieces of an answer.
pub(crate) fn client(url: &reqwest::Url, patience: Duration) -> Result<Client, Error> {
    let mut client = Client::builder()
        .user_agent(concat!("envelope/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        // A nonce is used once: what is sent again has to be signed again.
        .retry(reqwest::retry::never())
        .connect_timeout(CONNECT_TIMEOUT.min(patience))
        .read_timeout(patience);
    if url.scheme() == "http" {
        // A machine without certificate authorities can still speak plain HTTP.
        client = client.tls_certs_only([]);
    }
    if address::is_loopback(url) {
        client = client.no_proxy();
    }
    client.build().map_err(|error| Error::Send(error, None))
}

/// What says who sends a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Proof<'a> {
    Nothing,
    /// An envelope.
    Signed(&'a Signed),
    /// The token of a pack.
    Token(&'a Secret),
}

impl<'a> From<Option<&'a Signed>> for Proof<'a> {
    fn from(signed: Option<&'a Signed>) -> Self {
        signed.map_or(Self::Nothing, Self::Signed)
    }
}

/// `Bearer` and a token, marked as what must not be shown.
fn bearer(token: &Secret) -> Result<HeaderValue, Error> {
    let text = Zeroizing::new(format!("Bearer {}", token.expose()));
    let mut value = HeaderValue::from_str(&text).map_err(|_| Error::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

/// The variable that names the proxy for this URL, if one is set. The values of these variables may hold a password.
pub(crate) fn proxy_variable(url: &reqwest::Url) -> Option<&'static str> {
    let names = match url.scheme() {
        "https" => ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"],
        _ => ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"],
    };
    let is_set = |name: &&str| env::var_os(name).is_some_and(|value| !value.is_empty());
    names.into_iter().find(is_set).filter(|_| !address::is_loopback(url))
}

/// Sends a request with what proves who sends it; the whole exchange within `limit`, where there is one.
pub(crate) async fn send(
    client: &Client,
    url: reqwest::Url,
    request: &Outgoing,
    proof: Proof<'_>,
    limit: Option<Duration>,
) -> Result<Response, Error> {
    let method = Method::from_bytes(request.method().as_bytes());
    let method =
        method.map_err(|_| Error::Unsignable(Refusal::new(Code::Malformed, "the method is no token")))?;
    let proxy = proxy_variable(&url);
    let mut sending = client.request(method, url);
    if let Some(limit) = limit {
        sending = sending.timeout(limit);
    }
    let added = match proof {
        Proof::Signed(signed) => request.added(signed),
        Proof::Nothing | Proof::Token(_) => request.unsigned(),
    };
    for (name, value) in request.given().chain(added) {
        sending = sending.header(name, value);
    }
    if let Proof::Token(token) = proof {
        sending = sending.header(AUTHORIZATION, bearer(token)?);
    }
    if let Some(body) = request.body() {
        sending = sending.body(body.to_vec());
    }
    sending.send().await.map_err(|error| Error::Send(error, proxy))
}

/// Reads an answer whole, into memory that is wiped; `None` when it is longer than `limit`.
pub(crate) async fn read(mut answer: Response, limit: usize) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
    let mut body = Zeroizing::new(Vec::new());
    while let Some(piece) = answer.chunk().await.map_err(Error::BrokenOff)? {
        if body.len() + piece.len() > limit {
            return Ok(None);
        }
        if body.capacity() < body.len() + piece.len() {
            // Memory that grows leaves pieces behind.
            let mut longer = Zeroizing::new(Vec::with_capacity(2 * (body.len() + piece.len())));
            longer.extend_from_slice(&body);
            body = longer;
        }
        body.extend_from_slice(&piece);
    }
    Ok(Some(body))
}

/// Whether an answer is a problem document (RFC 9457).
pub(crate) fn is_problem(answer: &Response) -> bool {
    let media_type = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    media_type.is_some_and(|media_type| media_type.starts_with("application/problem+json"))
}

/// Runs what talks to the network.
pub(crate) fn run<T>(future: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Error::Network)?.block_on(future)
}

/// Reads a problem document (RFC 9457) of a verifier.
pub(crate) fn read_problem(json: &[u8], authority: String, now: Timestamp) -> Option<Box<Problem>> {
    let problem: Value = serde_json::from_slice(json).ok()?;
    let text = |name| problem.get(name).and_then(Value::as_str).map(String::from);
    let code = text("code")?;
    let title = text("title").or_else(|| Code::parse(&code).map(|code| code.title().into()))?;
    let server_time = problem.get("server_time").and_then(Value::as_u64);
    let ahead = server_time.map(|server_time| i128::from(now.as_unix()) - i128::from(server_time));
    Some(Box::new(Problem { code, title, detail: text("detail"), ahead, authority }))
}
