//! How a provider is asked: in bounded time, for a bounded answer, and nobody whom it names in its place.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use reqwest::Url;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::super::config::ConfigError;
use super::Unavailable;
use super::config::is_loopback;

/// How long one exchange may take.
const EACH: Duration = Duration::from_secs(5);
/// How long all the exchanges that one question takes may take together, and the wait before them.
const ALL: Duration = Duration::from_secs(10);
/// The longest answer that is read.
const MAX_ANSWER: usize = 1 << 20;

/// How long each request took, and what came of it.
pub(crate) type Asked = Family<Answered, Histogram, fn() -> Histogram>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Answered {
    server_address: String,
    /// 0 where there was no answer.
    http_response_status_code: u16,
    error_type: &'static str,
}

/// Seconds.
const BUCKETS: [f64; 9] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// A histogram for each kind of answer.
pub(super) fn asked() -> Asked {
    Asked::new_with_constructor(|| Histogram::new(BUCKETS))
}

/// A client for one provider.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    asked: Asked,
}

impl Client {
    /// One that sends these fields with every request.
    pub(super) fn new(provider: &Url, fields: HeaderMap, asked: Asked) -> Result<Self, ConfigError> {
        let mut client = reqwest::Client::builder()
            .user_agent(concat!("envelope-verifier/", env!("CARGO_PKG_VERSION")))
            .default_headers(fields)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .timeout(EACH);
        if provider.scheme() == "http" {
            // A machine without certificate authorities can still speak plain HTTP.
            client = client.tls_certs_only([]);
        }
        if is_loopback(provider) {
            client = client.no_proxy();
        }
        client.build().map(|http| Self { http, asked }).map_err(|error| {
            ConfigError::new(
                format!("no client for {provider}: {error}"),
                "install the system's ca-certificates",
            )
        })
    }

    /// Asks for what is at a URL.
    pub(super) async fn get(
        &self,
        url: &Url,
        bearer: Option<&str>,
    ) -> Result<Response<Vec<u8>>, Unavailable> {
        let began = Instant::now();
        let answer = self.ask(url, bearer).await;
        let labels = Answered {
            server_address: url.host_str().unwrap_or_default().to_owned(),
            http_response_status_code: answer.as_ref().map_or(0, |answer| answer.status().as_u16()),
            error_type: answer.as_ref().map_or_else(|error| error.kind(), |_| ""),
        };
        self.asked.get_or_create(&labels).observe(began.elapsed().as_secs_f64());
        answer
    }

    async fn ask(&self, url: &Url, bearer: Option<&str>) -> Result<Response<Vec<u8>>, Unavailable> {
        let mut request = self.http.get(url.clone());
        if let Some(bearer) = bearer {
            request = request.header(AUTHORIZATION, authorization(bearer)?);
        }
        let mut answer = request.send().await.map_err(|error| unavailable(&error))?;
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(|error| unavailable(&error))? {
            if body.len().saturating_add(piece.len()) > MAX_ANSWER {
                return Err(Unavailable::Malformed("it is longer than 1 MiB"));
            }
            body.extend_from_slice(&piece);
        }
        let mut read = Response::new(body);
        *read.status_mut() = answer.status();
        *read.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(read)
    }

    /// Asks for a document that anybody may read.
    pub(super) async fn document<T: DeserializeOwned>(&self, url: &Url) -> Result<T, Unavailable> {
        let answer = self.get(url, None).await?;
        match answer.status() {
            StatusCode::OK => json(answer.body()),
            StatusCode::TOO_MANY_REQUESTS => Err(Unavailable::RateLimited),
            status => Err(Unavailable::Status(status)),
        }
    }
}

/// Gives a question as long as it may take.
pub(super) async fn in_time<T>(
    question: impl Future<Output = Result<T, Unavailable>>,
) -> Result<T, Unavailable> {
    tokio::time::timeout(ALL, question).await.unwrap_or(Err(Unavailable::Late))
}

pub(super) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Unavailable> {
    serde_json::from_slice(body).map_err(|_| Unavailable::Malformed("it is not the JSON that it should be"))
}

/// The copy of the token is overwritten when the request is over.
fn authorization(bearer: &str) -> Result<HeaderValue, Unavailable> {
    let mut value = Zeroizing::new(Vec::with_capacity(bearer.len().saturating_add(7)));
    value.extend_from_slice(b"Bearer ");
    value.extend_from_slice(bearer.as_bytes());
    let value = HeaderValue::from_maybe_shared(Bytes::from_owner(value));
    let mut value = value.map_err(|_| Unavailable::Malformed("the token cannot stand in a header field"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn unavailable(error: &reqwest::Error) -> Unavailable {
    if error.is_timeout() { Unavailable::Late } else { Unavailable::Unreachable }
}
