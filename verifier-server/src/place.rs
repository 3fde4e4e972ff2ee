//! What a path is for: whose rules hold there.

/// Where a path leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    /// A pack: `/api/pack/{guid}/…`, or `/api/swarm/{guid}/…`, the older name.
    Pack {
        /// Its guid.
        guid: &'a str,
        /// The rest of the path, from the slash behind the guid on; `None` where there is none but that slash: many servers take the
        /// two for one.
        path: Option<&'a str>,
    },
    /// Where packs are deployed: `/api/pack/deploy`, `/api/swarm/deploy`.
    Deploy(Kind),
    /// Where the upstream lists all packs: `/api/pack/healthz`, `/health` and `/list` there.
    List,
    /// Where packs are, and none that can be named: spellings that only the upstream understands.
    Near,
    /// The verifier's own endpoints.
    Own,
    /// Anywhere else.
    Elsewhere,
}

/// What is deployed: one thing under two names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Under `/api/pack`.
    Pack,
    /// Under `/api/swarm`, the older name.
    Swarm,
}

/// What stands in the place of a guid and is none.
const LISTS: [&str; 3] = ["healthz", "health", "list"];

impl<'a> Place<'a> {
    pub(crate) fn of(path: &'a str) -> Self {
        if is_own(path) {
            return Self::Own;
        }
        let near = |(prefix, kind): &(&str, Kind)| {
            path.get(..prefix.len()).filter(|start| start.eq_ignore_ascii_case(prefix)).map(|_| *kind)
        };
        let Some(kind) = [("/api/pack", Kind::Pack), ("/api/swarm", Kind::Swarm)].iter().find_map(near)
        else {
            return Self::Elsewhere;
        };
        let Some(rest) = path.strip_prefix("/api/pack/").or_else(|| path.strip_prefix("/api/swarm/")) else {
            return Self::Near;
        };
        let (guid, path) = rest.find('/').map_or((rest, None), |end| {
            let (guid, path) = rest.split_at(end);
            (guid, Some(path).filter(|path| *path != "/"))
        });
        match (guid, path) {
            ("deploy", None) if !rest.ends_with('/') => Self::Deploy(kind),
            (name, None) if LISTS.contains(&name) && !rest.ends_with('/') => Self::List,
            _ if is_guid(guid) => Self::Pack { guid, path },
            _ => Self::Near,
        }
    }
}

/// Whether the verifier itself answers there, or below.
fn is_own(path: &str) -> bool {
    const OWN: [&str; 8] = [
        "/api/enroll",
        "/api/login",
        "/api/me",
        "/api/statements",
        "/api/keys",
        "/api/identities",
        "/api/packs",
        "/.well-known/envelope",
    ];
    OWN.iter().any(|own| path.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// Whether `text` can be the guid of a pack: 1 to 128 unreserved characters, no dot segment, and nothing that has a route of
/// its own.
pub(crate) fn is_guid(text: &str) -> bool {
    let is_route = |name: &&str| text.eq_ignore_ascii_case(name);
    (1..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
        && !matches!(text, "." | "..")
        && !["deploy"].iter().chain(&LISTS).any(is_route)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_packs_only_when_it_names_it() {
        let pack = |guid, path| Place::Pack { guid, path };
        for (path, place) in [
            ("/api/pack/p1/agent", pack("p1", Some("/agent"))),
            ("/api/swarm/p1/", pack("p1", None)),
            ("/api/pack/p1/a/b", pack("p1", Some("/a/b"))),
            ("/api/pack/p1", pack("p1", None)),
            ("/api/pack/deploy", Place::Deploy(Kind::Pack)),
            ("/api/swarm/deploy", Place::Deploy(Kind::Swarm)),
            ("/api/pack/deploy/", Place::Near),
            ("/api/swarm/Deploy/x", Place::Near),
            ("/api/swarm/Deploy", Place::Near),
            ("/api/swarm/healthz", Place::List),
            ("/api/pack/list", Place::List),
            ("/api/pack/List", Place::Near),
            ("/api/pack/list/agent", Place::Near),
            ("/api/pack/p1;v/agent", Place::Near),
            ("/API/pack/p1/agent", Place::Near),
            ("/api/packs", Place::Own),
            ("/api/packs/p1/users", Place::Own),
            ("/api/packsmith", Place::Near),
            ("/api/pack", Place::Near),
            ("/api/keys", Place::Own),
            ("/api/login", Place::Own),
            ("/api/keys/revocations", Place::Own),
            ("/.well-known/envelope", Place::Own),
            ("/api/keysmith", Place::Elsewhere),
            ("/api/other", Place::Elsewhere),
            ("/", Place::Elsewhere),
        ] {
            assert_eq!(Place::of(path), place, "{path}");
        }
    }
}
