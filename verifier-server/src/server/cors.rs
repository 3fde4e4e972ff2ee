//! Cross-origin requests of browsers (Fetch standard, CORS protocol).
//!
//! A page of any origin may send *signed* calls: a signature is no ambient credential, so it proves that the page's own
//! key asked. Its preflight names the signature fields, and the approval is not kept, so that it cannot serve an unsigned call
//! later. Unsigned calls, which could reach an open pack on the reader's own machine, need an origin from the configuration.

use axum::body::Body;
use envelope_core::{Authorities, Code, Refusal};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode};

const ENVELOPE_FIELDS: &str = "content-digest, signature-key, signature-input, signature, content-type";

/// Which origins may do what.
#[derive(Clone, Debug)]
pub(crate) struct Cors {
    origins: Vec<String>,
}

impl Cors {
    pub(crate) const fn new(origins: Vec<String>) -> Self {
        Self { origins }
    }

    fn knows(&self, origin: &HeaderValue) -> bool {
        self.origins.iter().any(|known| known == "*" || known.as_bytes() == origin.as_bytes())
    }

    /// The answer to a preflight; `None` when the request is none.
    pub(crate) fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<Response<Body>> {
        let origin = headers.get(header::ORIGIN)?;
        let wanted_method = headers.get(header::ACCESS_CONTROL_REQUEST_METHOD)?;
        if method != Method::OPTIONS {
            return None;
        }
        let wanted = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
        let wanted = wanted.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let names = |name: &str| wanted.split(',').any(|field| field.trim().eq_ignore_ascii_case(name));
        let known = self.knows(origin);
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let answer = response.headers_mut();
        answer.insert(header::VARY, HeaderValue::from_static("Origin, Access-Control-Request-Headers"));
        if known || (names("signature") && names("signature-input")) {
            let allowed = if wanted.is_empty() {
                ENVELOPE_FIELDS.into()
            } else {
                format!("{ENVELOPE_FIELDS}, {wanted}")
            };
            answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            answer.insert(header::ACCESS_CONTROL_ALLOW_METHODS, wanted_method.clone());
            if let Ok(allowed) = HeaderValue::try_from(allowed) {
                answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
            }
            let age = HeaderValue::from_static(if known { "600" } else { "0" });
            answer.insert(header::ACCESS_CONTROL_MAX_AGE, age);
        }
        Some(response)
    }

    /// Refuses an unsigned call of a page from elsewhere: browsers send some of those without a preflight. Our own
    /// origin is that of an authority we answer for, not of whatever `Host` says: a name can be rebound to this address.
    pub(crate) fn check(&self, headers: &HeaderMap, authorities: &Authorities) -> Result<(), Refusal> {
        let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
        let host = origin.to_str().unwrap_or_default();
        let host = host.strip_prefix("http://").or_else(|| host.strip_prefix("https://")).unwrap_or_default();
        if headers.contains_key("signature")
            || self.knows(origin)
            || authorities.iter().any(|ours| ours == host)
        {
            Ok(())
        } else {
            Err(Refusal::new(Code::NotAllowed, "a page of another origin must sign its calls"))
        }
    }

    /// Whether the page that sent a request may read the answer, and as whom.
    pub(crate) fn reader(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(header::ORIGIN)?;
        (self.knows(origin) || headers.contains_key("signature")).then(|| origin.clone())
    }

    /// Lets the page read the answer, unless the upstream has said who may.
    pub(crate) fn expose(reader: Option<HeaderValue>, response: &mut Response<Body>) {
        const EXPOSED: HeaderName = header::ACCESS_CONTROL_EXPOSE_HEADERS;
        let Some(origin) = reader else { return };
        let headers = response.headers_mut();
        if !headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(EXPOSED, HeaderValue::from_static("*"));
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
        }
    }
}
