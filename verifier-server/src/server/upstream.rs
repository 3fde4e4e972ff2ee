//! The server behind the gateway: requests go to it as they came, answers come back as they arrive.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use envelope_core::{Caller, Code, Refusal};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Request, Response, StatusCode, Uri, Version};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::config::ConfigError;
use super::hop::Hop;
use super::limits::Room;
use super::packs::token;
use super::passage;
use crate::guard::{Admitted, bearer, strip_credential, strip_envelope_fields, strip_fields};

/// Fields that are for one connection only (RFC 9110 section 7.6.1), and `Expect`, which the gateway has answered itself.
const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
];

/// A client for one upstream.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    origin: Uri,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    timeout: Duration,
    /// What clients speak to this program: `http` or `https`.
    scheme: &'static str,
}

/// Why the upstream gave no answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum UpstreamError {
    /// It cannot be reached, or broke off.
    Unreachable,
    /// It did not begin to answer in time.
    Late,
    /// Its answer lists what not everybody may see, in a form that cannot be looked into.
    Unreadable,
}

impl UpstreamError {
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::Unreachable | Self::Unreadable => StatusCode::BAD_GATEWAY,
            Self::Late => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Unreachable => "the upstream does not answer",
            Self::Late => "the upstream did not answer in time",
            Self::Unreadable => "the upstream's list is not one that could be shown in part",
        }
    }
}

impl Upstream {
    pub(crate) fn new(origin: Uri, timeout: Duration, scheme: &'static str) -> Result<Self, ConfigError> {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(Duration::from_secs(10)));
        let connector = HttpsConnectorBuilder::new()
            .with_native_roots()
            .map_err(|error| {
                ConfigError::new(
                    format!("no certificate authorities: {error}"),
                    "install the system's ca-certificates",
                )
            })?
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .http1_preserve_header_case(true)
            .set_host(false)
            .pool_idle_timeout(Duration::from_secs(30))
            .build(connector);
        Ok(Self { origin, client, timeout, scheme })
    }

    /// Sends an admitted request on.
    pub(crate) async fn send(
        &self,
        head: Parts,
        admitted: Admitted,
        hop: Hop,
    ) -> Result<Response<Body>, UpstreamError> {
        let request = self.request(head, admitted, hop).ok_or(UpstreamError::Unreachable)?;
        let answer = tokio::time::timeout(self.timeout, self.client.request(request)).await;
        let answer = answer.map_err(|_| UpstreamError::Late)?.map_err(|error| {
            tracing::warn!(%error, "upstream");
            UpstreamError::Unreachable
        })?;
        let (mut head, body) = answer.into_parts();
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(UpstreamError::Unreachable);
        }
        if head.headers.contains_key(header::TRANSFER_ENCODING) {
            head.headers.remove(header::CONTENT_LENGTH);
        }
        strip_hop_by_hop(&mut head.headers);
        Ok(Response::from_parts(head, Body::new(body)))
    }

    fn request(&self, mut head: Parts, admitted: Admitted, hop: Hop) -> Option<Request<Full<Bytes>>> {
        if let (Some(authority), false) = (head.uri.authority(), head.headers.contains_key(header::HOST)) {
            head.headers.insert(header::HOST, HeaderValue::from_str(authority.as_str()).ok()?);
        }
        if let Some(length) = head.headers.get_mut(header::CONTENT_LENGTH) {
            *length = HeaderValue::from(admitted.body.len());
        }
        let mut uri = self.origin.clone().into_parts();
        uri.path_and_query =
            Some(head.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/")));
        head.uri = Uri::from_parts(uri).ok()?;
        head.version = Version::HTTP_11;
        strip_hop_by_hop(&mut head.headers);
        strip_envelope_fields(&mut head.headers);
        strip_credential(&mut head.headers, admitted.caller.as_ref());
        if let Some(caller) = &admitted.caller {
            name_caller(&mut head.headers, caller)?;
        }
        forwarded(&mut head.headers, hop, self.scheme);
        let body = match passage::room(&head) {
            Some(room) => Bytes::from_owner(Sent { body: admitted.body, _room: room }),
            None => admitted.body,
        };
        Some(Request::from_parts(head, Full::new(body)))
    }
}

/// A body on its way to the upstream, and the memory that it takes: when the upstream has it, others may have that.
struct Sent {
    body: Bytes,
    _room: Arc<Room>,
}

impl AsRef<[u8]> for Sent {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

/// Takes out the token of a pack where it is no credential: it is not for the upstream.
pub(crate) fn strip_token(headers: &mut HeaderMap) {
    if bearer(headers).is_some_and(token::is_token) {
        headers.remove(header::AUTHORIZATION);
    }
}

/// Takes out what an upstream says of an answer that is another one now.
pub(crate) fn strip_digests(headers: &mut HeaderMap) {
    for name in
        ["etag", "last-modified", "accept-ranges", "content-digest", "repr-digest", "digest", "content-md5"]
    {
        headers.remove(name);
    }
}

/// Takes out what speaks of a body that is another one now.
pub(crate) fn body_changed(headers: &mut HeaderMap) {
    for name in ["content-digest", "signature-key", "signature-input", "signature", "content-md5", "digest"] {
        headers.remove(name);
    }
}

/// `Envelope-Identity`, and `Envelope-Keyid` where a key has signed.
pub(crate) fn name_caller(headers: &mut HeaderMap, caller: &Caller) -> Option<()> {
    headers.insert("envelope-identity", HeaderValue::from_str(caller.identity().as_str()).ok()?);
    if let Some(keyid) = caller.keyid() {
        headers.insert("envelope-keyid", HeaderValue::from_str(&keyid.to_string()).ok()?);
    }
    Some(())
}

/// Refuses what the gateway could not send on as it came.
///
/// Whoever can add a `Connection` field on the way could have it take out what was signed: no field of the request's own may
/// be named there. A transfer coding other than `chunked` would be lost, and with it what the body means.
///
/// # Errors
/// [`Code::Malformed`]; [`Code::TargetNotCanonical`] for a scheme other than http and https.
pub(crate) fn check_framing(head: &Parts) -> Result<(), Refusal> {
    let headers = &head.headers;
    if head.uri.scheme_str().is_some_and(|scheme| !matches!(scheme, "http" | "https")) {
        return Err(Refusal::new(
            Code::TargetNotCanonical,
            "the target has another scheme than http or https",
        ));
    }
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    if codings.next().is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
        || codings.next().is_some()
    {
        return Err(Refusal::new(Code::Malformed, "the body has a transfer coding that is not chunked"));
    }
    let harmless = |name: &str| HOP_BY_HOP.contains(&name) || matches!(name, "close" | "http2-settings" | "");
    let named = connection_tokens(headers);
    if named.iter().all(|name| harmless(name) || !headers.contains_key(name.as_str())) {
        Ok(())
    } else {
        Err(Refusal::new(Code::Malformed, "Connection names a field that is not for one connection"))
    }
}

fn connection_tokens(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|token| token.trim().to_ascii_lowercase()).collect()
}

fn strip_hop_by_hop(headers: &mut HeaderMap) {
    for name in connection_tokens(headers) {
        if let Ok(name) = HeaderName::try_from(name) {
            headers.remove(name);
        }
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Says where the request came from; what the client says of itself is believed only of a trusted proxy.
fn forwarded(headers: &mut HeaderMap, hop: Hop, scheme: &'static str) {
    if !hop.trusted {
        let claims = ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "forwarded"];
        strip_fields(headers, |name| claims.contains(&name));
    }
    let peer = hop.peer.to_string();
    let before = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let chain: Vec<&str> = before.chain([peer.as_str()]).collect();
    if let Ok(chain) = HeaderValue::try_from(chain.join(", ")) {
        headers.insert("x-forwarded-for", chain);
    }
    headers.entry("x-forwarded-proto").or_insert(HeaderValue::from_static(scheme));
}
