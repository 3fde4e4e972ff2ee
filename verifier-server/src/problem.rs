//! Refusals as HTTP answers: `application/problem+json` (RFC 9457; spec, section 7).

use bytes::Bytes;
use envelope_core::{Code, Refusal, Timestamp};
use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

/// RFC 9457 section 3.1, and two members of our own.
#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'a str,
    title: &'a str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    server_time: u64,
}

/// What a verifier wants to see signed (RFC 9421 section 5.1).
pub const ACCEPT_SIGNATURE: &str = "sig=(\"@method\" \"@authority\" \"@path\" \"@query\" \"content-type\" \
     \"content-digest\" \"signature-key\");created;expires;tag=\"envelope/1\"";

/// The answer to a request that is refused, and the line in the log that says why.
#[must_use]
pub fn problem<B: From<Bytes>>(refusal: Refusal, now: Timestamp) -> Response<B> {
    let status = StatusCode::from_u16(refusal.code().status()).unwrap_or(StatusCode::FORBIDDEN);
    problem_with_status(refusal, status, now)
}

/// The same under another status, for a caller that understands few of them.
pub(crate) fn problem_with_status<B: From<Bytes>>(
    refusal: Refusal,
    status: StatusCode,
    now: Timestamp,
) -> Response<B> {
    tracing::info!(code = %refusal.code(), detail = refusal.detail(), "refused");
    let told = refusal.on_the_wire();
    let body = Problem {
        r#type: &format!("urn:envelope:error:{}", told.code()),
        title: told.code().title(),
        status: status.as_u16(),
        code: Some(told.code().as_str()),
        detail: Some(told.detail()),
        server_time: now.as_unix(),
    };
    let mut response = answer(status, &body);
    // For whoever gives account of it.
    response.extensions_mut().insert(refusal);
    let wait = match told.code() {
        Code::TooManyAttempts => Some("60"),
        Code::ReplayCapacity => Some("10"),
        Code::ProviderUnavailable | Code::AuditUnavailable | Code::RevocationStale => Some("5"),
        Code::TooManyRequests | Code::Overloaded | Code::ReplayUnavailable => Some("1"),
        _ => None,
    };
    if let Some(wait) = wait {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(wait));
    }
    if status == StatusCode::UNAUTHORIZED {
        let challenge = format!("Signature realm=\"envelope\", error=\"{}\"", told.code());
        if let Ok(challenge) = HeaderValue::try_from(challenge) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response.headers_mut().insert("accept-signature", HeaderValue::from_static(ACCEPT_SIGNATURE));
    }
    response
}

/// What went wrong behind the verifier: no refusal, so no code.
#[cfg(feature = "server")]
pub(crate) fn gateway_problem<B: From<Bytes>>(
    status: StatusCode,
    title: &'static str,
    now: Timestamp,
) -> Response<B> {
    tracing::warn!(status = status.as_u16(), "{title}");
    let body = Problem {
        r#type: "about:blank",
        title,
        status: status.as_u16(),
        code: None,
        detail: None,
        server_time: now.as_unix(),
    };
    answer(status, &body)
}

fn answer<B: From<Bytes>>(status: StatusCode, problem: &Problem<'_>) -> Response<B> {
    // Strings and numbers always serialise.
    let body = serde_json::to_vec(problem).unwrap_or_default();
    let mut response = Response::new(B::from(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
