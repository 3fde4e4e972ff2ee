//! How single values of a configuration are read, and what is wrong with them.

use std::net::IpAddr;

use envelope_core::key::format::KeyRef;
use envelope_core::{
    Authorities, Identity, Standing, Thumbprint, Timestamp, Trust, TrustList, Users, target,
};
use http::Method;

use super::{ConfigError, Placed, Route, shown};
use crate::agent::AgentCalls;
use crate::fold::folds_to;
use crate::place::Place;
use crate::server::flags::RouteTable;
use crate::server::packs::rule_set::UserList;

pub(super) fn check_new(trust: &TrustList, key: &Thumbprint) -> Result<(), ConfigError> {
    match trust.standing(key) {
        Standing::Unknown => Ok(()),
        _ => Err(ConfigError::new(
            format!("the key {key} is given twice"),
            "a key stands for one identity, or is the call key of one",
        )),
    }
}

pub(super) fn read_users(list: Option<&UserList>) -> Result<Users, ConfigError> {
    let names = match list {
        None => return Ok(Users::Registered),
        Some(UserList::One(name)) => std::slice::from_ref(name),
        Some(UserList::Many(names)) => names,
    };
    if names.iter().any(|name| name == "*") {
        return Ok(Users::Everybody);
    }
    let names = names.iter().enumerate().map(|(index, name)| read_identity(name).within(index));
    names.collect::<Result<_, _>>().map(Users::Named)
}

pub(super) fn read_url(url: String) -> Result<String, ConfigError> {
    let hint = "write --url https://pack.example, without a path";
    let uri: http::Uri = url.parse().map_err(|_| ConfigError::new("the --url is no URL", hint))?;
    let is_origin = matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some();
    if is_origin && uri.path() == "/" && uri.query().is_none() && !url.ends_with('/') {
        Ok(url)
    } else {
        Err(ConfigError::new("the --url is not an origin", hint))
    }
}

pub(super) fn read_login_ttl(given: Option<u64>) -> Result<u64, ConfigError> {
    let seconds = given.unwrap_or(3600);
    if (60..=86_400).contains(&seconds) {
        Ok(seconds)
    } else {
        Err(ConfigError::new("--login-ttl is not 60 to 86400 seconds", "leave it out for an hour"))
    }
}

pub(super) fn read_agent_calls(
    path: Option<String>,
    member: Option<String>,
) -> Result<AgentCalls, ConfigError> {
    let default = AgentCalls::default();
    let (path, member) = (path.unwrap_or(default.path), member.unwrap_or(default.member));
    if path.len() < 2 || !path.starts_with('/') || target::check_path(&path).is_err() || path.ends_with('/') {
        return Err(ConfigError::new("--agent-path is no path", "write --agent-path /agent").at("agent-path"));
    }
    if member.is_empty() {
        return Err(
            ConfigError::new("--agent-member is empty", "write --agent-member name").at("agent-member")
        );
    }
    Ok(AgentCalls { path, member })
}

pub(super) fn read_user_member(
    given: Option<String>,
    agent: Option<&str>,
) -> Result<Option<String>, ConfigError> {
    match given {
        Some(member) if folds_to(&member, agent.unwrap_or(&AgentCalls::default().member)) => {
            Err(ConfigError::new(
                "--user-member and --agent-member are the same",
                "one says who calls, the other which agent",
            ))
        }
        member => Ok(member.filter(|member| !member.is_empty())),
    }
}

pub(super) fn read_route(table: &RouteTable) -> Result<Route, ConfigError> {
    let hint = "a [[route]] has method = \"GET\" and path = \"/healthz\", outside of packs";
    let method = Method::from_bytes(table.method.as_bytes());
    let method =
        method.map_err(|_| ConfigError::new("the method of a [[route]] is none", hint).at("method"))?;
    let is_free = target::check_path(&table.path).is_ok() && Place::of(&table.path) == Place::Elsewhere;
    let is_ours =
        ["/verify", "/health", "/health/ready", "/health/live", "/metrics"].contains(&table.path.as_str());
    if !is_free || is_ours {
        let what = format!("the route {} is no path of the upstream's own", shown(&table.path));
        return Err(ConfigError::new(what, hint).at("path"));
    }
    let RouteTable { path, access, lists_packs, .. } = table;
    Ok(Route { method, path: path.clone(), access: *access, lists_packs: *lists_packs })
}

/// A name under which a key can be known.
pub(super) fn read_new_identity(name: &str) -> Result<Identity, ConfigError> {
    let identity = read_identity(name)?;
    if identity.is_reserved() {
        return Err(ConfigError::new(
            format!("{name} is a name that only tokens have"),
            "choose one that does not begin with pack:",
        ));
    }
    Ok(identity)
}

pub(super) fn read_identity(name: &str) -> Result<Identity, ConfigError> {
    Identity::new(name).ok_or_else(|| {
        ConfigError::new(
            format!("{} is no name of an identity", shown(name)),
            "a name is 1 to 128 characters of A-Z a-z 0-9 . _ - : @ + /",
        )
    })
}

/// An authority as clients write it.
pub(super) fn check_authority(authority: &str) -> Result<(), ConfigError> {
    if Authorities::new([authority]).is_err() {
        return Err(ConfigError::new(
            "an authority is not host or host:port",
            "write --authority pack.example or pack.example:8443",
        ));
    }
    if authority.ends_with(":80") || authority.ends_with(":443") {
        return Err(ConfigError::new(
            "an authority has the default port of its scheme",
            "leave :80 and :443 out, as clients do",
        ));
    }
    Ok(())
}

/// A key as commands and flags take it: a spelling of the key itself, or a file that holds one. What was given is not
/// repeated in the error: it may be a private key by mistake.
pub(super) fn read_key(owner: &str, text: &str) -> Result<KeyRef, ConfigError> {
    let contents = std::fs::read_to_string(text);
    KeyRef::parse(contents.as_deref().unwrap_or(text)).map_err(|refusal| {
        ConfigError::new(
            format!("the key of {owner}: {}", refusal.detail()),
            "a key is a file (PEM, JWK, OpenSSH), a did:key or a thumbprint",
        )
    })
}

pub(super) fn read_time(text: &str) -> Result<Timestamp, ConfigError> {
    time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339)
        .ok()
        .and_then(|time| u64::try_from(time.unix_timestamp()).ok())
        .map(Timestamp::from_unix)
        .ok_or_else(|| ConfigError::new(format!("{} is no time", shown(text)), "write 2030-01-31T12:00:00Z"))
}

pub(super) fn seconds(given: Option<u64>, default: u64) -> Result<u64, ConfigError> {
    let seconds = given.unwrap_or(default);
    if (1..=86_400).contains(&seconds) {
        Ok(seconds)
    } else {
        Err(ConfigError::new("a timeout is not 1 to 86400 seconds", "leave it out for its default"))
    }
}

pub(super) fn count<N: Copy + PartialEq + From<u8>>(given: Option<N>, default: N) -> Result<N, ConfigError> {
    let count = given.unwrap_or(default);
    if count == N::from(0) {
        return Err(ConfigError::new("a limit is 0, so nothing would pass", "leave it out for its default"));
    }
    Ok(count)
}

/// An origin as browsers write it: `*`, or scheme, host and port without a path.
pub(super) fn read_origin(text: &str) -> Result<String, ConfigError> {
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    if text == "*" || host.is_some_and(|host| Authorities::new([host]).is_ok()) {
        Ok(text.to_owned())
    } else {
        let hint = "write --cors-origin https://chat.example, without a path";
        Err(ConfigError::new("a --cors-origin is no origin", hint))
    }
}

pub(super) fn read_upstream(text: &str) -> Result<http::Uri, ConfigError> {
    let hint = "write --upstream http://127.0.0.1:8000, without a path";
    let uri: http::Uri = text.parse().map_err(|_| ConfigError::new("the upstream is no URL", hint))?;
    let is_origin = matches!(uri.scheme_str(), Some("http" | "https"))
        && uri.authority().is_some_and(|authority| Authorities::new([authority.as_str()]).is_ok())
        && matches!(uri.path(), "" | "/")
        && uri.query().is_none();
    if is_origin { Ok(uri) } else { Err(ConfigError::new("the upstream is not an origin", hint)) }
}

/// Whether an authority is of the machine itself, where nothing has a certificate.
pub(super) fn names_this_machine(authority: &str) -> bool {
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    address.map_or(host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
}
