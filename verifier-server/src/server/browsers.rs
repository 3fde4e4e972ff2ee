//! Cross-origin requests of browsers (Fetch standard, CORS protocol).
//!
//! A page of any origin may send *signed* calls: a signature is no ambient credential, so it proves that the page's own
//! key asked. Its preflight names the signature fields, and the approval is not kept, so that it cannot serve an unsigned call
//! later. Unsigned calls, which could reach an open pack on the reader's own machine, need an origin from the configuration.

use std::net::IpAddr;

use axum::body::Body;
use envelope_core::{Authorities, Code, Refusal};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::Authority;
use http::{Method, Response, StatusCode};

const ENVELOPE_FIELDS: &str = "content-digest, signature-key, signature-input, signature, content-type";

/// Which origins may do what.
#[derive(Clone, Debug)]
pub(crate) struct Browsers {
    origins: Vec<String>,
}

impl Browsers {
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

    /// Refuses an unsigned call of a page from elsewhere: browsers send some of those without a preflight. A page may also
    /// come from a name that was rebound to this address, so `Host` must be an authority of ours, or no name at all.
    pub(crate) fn check(&self, head: &Parts, authorities: &Authorities) -> Result<(), Refusal> {
        let headers = &head.headers;
        if headers.contains_key("signature") {
            return Ok(());
        }
        let ours = |host: &str| authorities.iter().any(|authority| authority.eq_ignore_ascii_case(host));
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let host = host.or(head.uri.authority().map(Authority::as_str)).unwrap_or_default();
        if !ours(host) && !names_no_domain(host) {
            return Err(Refusal::new(Code::WrongAuthority, "the verifier does not answer for this host"));
        }
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let known = match (origins.next(), origins.next()) {
            (None, _) => true,
            (Some(_), Some(_)) => false,
            (Some(origin), None) => {
                let text = origin.to_str().unwrap_or_default();
                let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
                self.knows(origin) || host.is_some_and(ours)
            }
        };
        if known {
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

/// Whether a host is an address or `localhost`: names that nobody else can have rebound.
fn names_no_domain(host: &str) -> bool {
    let without_port =
        host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let name = without_port.map_or(host, |(name, _)| name);
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    address.parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_and_localhost_are_no_domains() {
        for host in ["127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:7998", "LOCALHOST:1", "localhost"] {
            assert!(names_no_domain(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:7998",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "0x7f.1",
            ":80",
        ] {
            assert!(!names_no_domain(host), "{host}");
        }
    }
}
