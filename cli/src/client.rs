//! The HTTP client, and what an answer that is a refusal says.

use std::env;
use std::future::Future;
use std::time::Duration;

use envelope_core::{Code, Refusal, Signed, Timestamp};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Method, Response};
use serde_json::Value;

use crate::address;
use crate::error::{Error, Problem};
use crate::outgoing::Outgoing;

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

/// The variable that names the proxy for this URL, if one is set. The values of these variables may hold a password.
fn proxy_variable(url: &reqwest::Url) -> Option<&'static str> {
    let names = match url.scheme() {
        "https" => ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"],
        _ => ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"],
    };
    let is_set = |name: &&str| env::var_os(name).is_some_and(|value| !value.is_empty());
    names.into_iter().find(is_set).filter(|_| !address::is_loopback(url))
}

/// Sends a request, with the envelope where it is signed; the whole exchange within `limit`, where there is one.
pub(crate) async fn send(
    client: &Client,
    url: reqwest::Url,
    request: &Outgoing,
    signed: Option<&Signed>,
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
    let added = signed.map(|signed| request.added(signed)).unwrap_or_default();
    for (name, value) in request.given().chain(added) {
        sending = sending.header(name, value);
    }
    if let Some(body) = request.body() {
        sending = sending.body(body.to_vec());
    }
    sending.send().await.map_err(|error| Error::Send(error, proxy))
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
