//! `envelope call`: signs a request, sends it, prints the answer.

use std::env;
use std::time::Duration;

use envelope_core::{Code, Refusal, Signed, Timestamp};
use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::{Client, Method, Response};
use serde_json::Value;

use crate::address;
use crate::args::Call;
use crate::call_key::CallKey;
use crate::clock;
use crate::error::{Error, Problem};
use crate::identity::Name;
use crate::outgoing::Outgoing;
use crate::passphrase::PassphraseSource;
use crate::report;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two pieces of an answer: agents think for minutes before they say anything.
const READ_TIMEOUT: Duration = Duration::from_secs(300);
/// The longest problem document that is read.
const MAX_PROBLEM: usize = 64 * 1024;

pub(crate) fn run(name: &Name, args: Call) -> Result<(), Error> {
    let request = Outgoing::read(&args.request)?;
    let (url, authority) = address::exact(&args.request.url)?;
    let call_key = CallKey::choose(name, &args.handed, &PassphraseSource::new(args.passphrase)?)?;
    let client = client(&url)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Error::Network)?;
    let signed = request.sign(&call_key, 60)?;
    // Nothing is sent while a secret is in memory.
    drop(call_key);
    runtime.block_on(async {
        let answer = send(&client, url, request, &signed).await?;
        print(answer, authority).await
    })
}

fn client(url: &reqwest::Url) -> Result<Client, Error> {
    let mut client = Client::builder()
        .user_agent(concat!("envelope/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        // A nonce is used once: what is sent again has to be signed again.
        .retry(reqwest::retry::never())
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT);
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

async fn send(
    client: &Client,
    url: reqwest::Url,
    request: Outgoing,
    signed: &Signed,
) -> Result<Response, Error> {
    let method = Method::from_bytes(request.method().as_bytes());
    let method =
        method.map_err(|_| Error::Unsignable(Refusal::new(Code::Malformed, "the method is no token")))?;
    let proxy = proxy_variable(&url);
    let mut sending = client.request(method, url);
    for (name, value) in request.given().chain(request.added(signed)) {
        sending = sending.header(name, value);
    }
    if let Some(body) = request.into_body() {
        sending = sending.body(body);
    }
    sending.send().await.map_err(|error| Error::Send(error, proxy))
}

/// The body to stdout as it arrives; what the status means is the outcome.
async fn print(mut answer: Response, authority: String) -> Result<(), Error> {
    let status = answer.status();
    let field = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
    let location = field(LOCATION).map(Into::into);
    let is_problem =
        field(CONTENT_TYPE).is_some_and(|media_type| media_type.starts_with("application/problem+json"));
    let now = clock::now()?;
    let mut problem = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(Error::BrokenOff)? {
        report::data(&piece)?;
        if is_problem && problem.len() + piece.len() <= MAX_PROBLEM {
            problem.extend_from_slice(&piece);
        }
    }
    if status.is_success() {
        return Ok(());
    }
    let problem = if is_problem { read_problem(&problem, authority, now) } else { None };
    Err(problem.map_or(Error::Status(status.as_u16(), location), Error::Problem))
}

fn read_problem(json: &[u8], authority: String, now: Timestamp) -> Option<Problem> {
    let problem: Value = serde_json::from_slice(json).ok()?;
    let text = |name| problem.get(name).and_then(Value::as_str).map(String::from);
    let code = text("code")?;
    let title = text("title").or_else(|| Code::parse(&code).map(|code| code.title().into()))?;
    let server_time = problem.get("server_time").and_then(Value::as_u64);
    let ahead = server_time.map(|server_time| i128::from(now.as_unix()) - i128::from(server_time));
    Some(Problem { code, title, ahead, authority })
}
