//! Which route a request takes, as a label: of few values, whatever a client sends.

use http::Method;
use http::request::Parts;

use crate::place::Place;

/// Method and route.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route {
    method: &'static str,
    path: &'static str,
}

/// The verifier's own endpoints that are named by their whole path.
const WHOLE: [&str; 13] = [
    "/.well-known/envelope",
    "/api/enroll",
    "/api/identities",
    "/api/keys",
    "/api/keys/revocations",
    "/api/keys/tickets",
    "/api/login",
    "/api/me",
    "/api/packs",
    "/api/statements",
    "/health",
    "/metrics",
    "/verify",
];

impl Route {
    /// That of a request that could not be read.
    pub(crate) const UNREAD: Self = Self { method: "_OTHER", path: "" };

    pub(crate) fn of(head: &Parts) -> Self {
        let path = head.uri.path();
        let path = match Place::of(path) {
            Place::Pack { path: Some(_), .. } => "/api/pack/{guid}/{*path}",
            Place::Pack { path: None, .. } => "/api/pack/{guid}",
            Place::Deploy(_) => "/api/pack/deploy",
            Place::List => "/api/pack/list",
            Place::Near => "",
            Place::Own | Place::Elsewhere => {
                let known = WHOLE.iter().find(|known| **known == path).copied();
                known.unwrap_or(match path {
                    "/health/live" | "/health/ready" => "/health",
                    _ if path.starts_with("/api/packs/") => "/api/packs/{guid}",
                    _ => "",
                })
            }
        };
        Self { method: method(&head.method), path }
    }

    pub(super) const fn method(&self) -> &'static str {
        self.method
    }

    pub(super) const fn path(&self) -> &'static str {
        self.path
    }

    /// Whether somebody watches over the program by it.
    pub(crate) fn is_watch(&self) -> bool {
        matches!(self.path, "/health" | "/metrics")
    }
}

/// The methods of RFC 9110 and RFC 5789; others are `_OTHER`, as OpenTelemetry has it.
fn method(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] = ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("_OTHER")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test panics when it fails")]
mod tests {
    use super::*;

    fn route(method: &str, path: &str) -> (&'static str, &'static str) {
        let request = http::Request::builder().method(method).uri(path).body(()).unwrap();
        let route = Route::of(&request.into_parts().0);
        (route.method, route.path)
    }

    #[test]
    fn a_label_says_nothing_that_a_client_chose() {
        for (path, known) in [
            ("/api/pack/p1/agent?x=1", "/api/pack/{guid}/{*path}"),
            ("/api/swarm/p2/agent", "/api/pack/{guid}/{*path}"),
            ("/api/pack/p1", "/api/pack/{guid}"),
            ("/api/swarm/deploy", "/api/pack/deploy"),
            ("/api/pack/healthz", "/api/pack/list"),
            ("/api/packs/p1/tokens", "/api/packs/{guid}"),
            ("/api/keys/tickets", "/api/keys/tickets"),
            ("/health/live", "/health"),
            ("/verify", "/verify"),
            ("/api/PACK/p1/agent", ""),
            ("/api/keys/other", ""),
            ("/wp-login.php", ""),
        ] {
            assert_eq!(route("POST", path), ("POST", known), "{path}");
        }
        assert_eq!(route("BREW", "/"), ("_OTHER", ""));
    }
}
