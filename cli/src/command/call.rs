//! `envelope call`: signs a request, sends it, prints the answer.

use std::time::Duration;

use envelope_core::{Code, Refusal, Timestamp, Url};
use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::{Client, Method, Response};
use serde_json::Value;

use crate::args::Call;
use crate::call_key::CallKey;
use crate::clock;
use crate::error::{Error, Problem};
use crate::home::Home;
use crate::identity::Name;
use crate::outgoing::Outgoing;
use crate::passphrase::PassphraseFile;
use crate::report;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two pieces of an answer: agents think for minutes before they say anything.
const READ_TIMEOUT: Duration = Duration::from_secs(300);
/// The longest problem document that is read.
const MAX_PROBLEM: usize = 64 * 1024;

pub(crate) fn run(name: &Name, args: Call) -> Result<(), Error> {
    let request = Outgoing::read(&args.request)?;
    let (url, authority) = address(&args.request.url)?;
    let passphrase = PassphraseFile::new(args.passphrase.passphrase_file);
    let call_key = CallKey::of(&Home::find()?, name, &passphrase)?;
    let client = client(&url)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Error::Network)?;
    runtime.block_on(async {
        let answer = send(&client, url, request, &call_key).await?;
        print(answer, authority).await
    })
}

/// Where to send it. The HTTP client must write host and target exactly as they are signed, else the server refuses them.
fn address(text: &str) -> Result<(reqwest::Url, String), Error> {
    let signed = Url::parse(text).map_err(Error::Unsignable)?;
    let sent = reqwest::Url::parse(text).map_err(|_| Error::OtherTarget)?;
    let authority = match (sent.host_str(), sent.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (host, _) => host.unwrap_or_default().into(),
    };
    let same = authority == signed.authority()
        && sent.path() == signed.target().path()
        && sent.query() == signed.target().query();
    if same { Ok((sent, authority)) } else { Err(Error::OtherTarget) }
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
    client.build().map_err(Error::Send)
}

async fn send(
    client: &Client,
    url: reqwest::Url,
    request: Outgoing,
    call_key: &CallKey,
) -> Result<Response, Error> {
    let signed = request.sign(call_key, 60)?;
    let method = Method::from_bytes(request.method().as_bytes());
    let method =
        method.map_err(|_| Error::Unsignable(Refusal::new(Code::Malformed, "the method is no token")))?;
    let mut sending = client.request(method, url);
    for (name, value) in request.given().chain(request.added(&signed)) {
        sending = sending.header(name, value);
    }
    if let Some(body) = request.into_body() {
        sending = sending.body(body);
    }
    sending.send().await.map_err(Error::Send)
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
    while let Some(piece) = answer.chunk().await.map_err(Error::Send)? {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_sent_is_what_is_signed() {
        for url in [
            "http://a.example",
            "https://A.example:443/b?c=d",
            "http://[::1]:80/",
            "http://127.0.0.1:8080/a%20b",
        ] {
            assert_eq!(address(url).unwrap().1, Url::parse(url).unwrap().authority(), "{url}");
        }
        for url in ["http://0x7f.1/", "http://127.1/", "http://[0:0::1]/", "http://a.example/?it's"] {
            assert!(matches!(address(url), Err(Error::OtherTarget)), "{url}");
        }
        assert!(matches!(address("http://a.example/../b"), Err(Error::Unsignable(_))));
    }
}
