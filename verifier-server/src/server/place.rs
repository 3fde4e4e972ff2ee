//! What a path is for: whose rules hold there.

/// Where a path leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    /// A pack: `/api/pack/{guid}/…`, or `/api/swarm/{guid}/…`, the older name.
    Pack {
        /// Its guid.
        guid: &'a str,
        /// The rest of the path, from the slash behind the guid on; `None` where there is none.
        path: Option<&'a str>,
    },
    /// Where packs are, and none that can be named: deploying and listing, and spellings that only the upstream understands.
    Reserved,
    /// The verifier's own endpoints.
    Own,
    /// Anywhere else.
    Elsewhere,
}

impl<'a> Place<'a> {
    pub(crate) fn of(path: &'a str) -> Self {
        let is_near = ["/api/pack", "/api/swarm"]
            .iter()
            .any(|prefix| path.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix)));
        let Some(rest) = path.strip_prefix("/api/pack/").or_else(|| path.strip_prefix("/api/swarm/")) else {
            return if is_near {
                Self::Reserved
            } else if is_own(path) {
                Self::Own
            } else {
                Self::Elsewhere
            };
        };
        let (guid, path) = rest.find('/').map_or((rest, None), |end| {
            let (guid, path) = rest.split_at(end);
            (guid, Some(path))
        });
        if is_guid(guid) { Self::Pack { guid, path } } else { Self::Reserved }
    }
}

/// Whether the verifier itself answers there, or below.
fn is_own(path: &str) -> bool {
    const OWN: [&str; 6] = [
        "/api/enroll",
        "/api/me",
        "/api/statements",
        "/api/keys",
        "/api/identities",
        "/.well-known/envelope",
    ];
    OWN.iter().any(|own| path.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// Whether `text` can be the guid of a pack: 1 to 128 unreserved characters, no dot segment, and not `deploy`, which is a
/// route of its own.
pub(crate) fn is_guid(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
        && !matches!(text, "." | "..")
        && !text.eq_ignore_ascii_case("deploy")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_packs_only_when_it_names_it() {
        let pack = |guid, path| Place::Pack { guid, path };
        for (path, place) in [
            ("/api/pack/p1/agent", pack("p1", Some("/agent"))),
            ("/api/swarm/p1/", pack("p1", Some("/"))),
            ("/api/pack/p1/a/b", pack("p1", Some("/a/b"))),
            ("/api/pack/p1", pack("p1", None)),
            ("/api/pack/deploy", Place::Reserved),
            ("/api/pack/deploy/", Place::Reserved),
            ("/api/swarm/Deploy/x", Place::Reserved),
            ("/api/pack/p1;v/agent", Place::Reserved),
            ("/API/pack/p1/agent", Place::Reserved),
            ("/api/packs", Place::Reserved),
            ("/api/pack", Place::Reserved),
            ("/api/keys", Place::Own),
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
