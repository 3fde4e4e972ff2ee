//! The configuration: what flags and file mean together, or why they mean nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use envelope_core::key::format::KeyRef;
use envelope_core::{
    Authorities, Identity, Pack, Policy, Standing, Thumbprint, Timestamp, Trust, TrustList, Users, Window,
    target,
};
use http::Method;

use super::flags::{Flags, LogFormat, RouteAccess, RouteTable};
use super::offline::Revocations;
use super::packs;
use super::packs::rule_set::{Accept, UserList};
use super::provider::{GithubConfig, OidcConfig, ProviderConfig};
use crate::agent::AgentCalls;
use crate::fold::folds_to;
use crate::place::{self, Place};

/// A configuration that holds together.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where verified calls go; without it only forward-auth is served.
    pub upstream: Option<http::Uri>,
    /// The configured authorities; none: those of the address listened on.
    pub authorities: Vec<String>,
    /// Whose keys are trusted.
    pub trust: TrustList,
    /// Who may call what.
    pub policy: Policy,
    /// The packs of the file that accept anybody, while no credential is required.
    pub open: Vec<String>,
    /// Whether nothing passes without a credential.
    pub auth_required: bool,
    /// The longest window of a signature.
    pub window: Window,
    /// The directory of what outlives the program.
    pub data_dir: Option<PathBuf>,
    /// The file of the store of keys.
    pub store: Option<PathBuf>,
    /// Who may administer keys.
    pub admins: Vec<Identity>,
    /// How the log is written.
    pub log: LogFormat,
    /// The URL by which login certificates are issued; `None`: that of the first authority.
    pub url: Option<String>,
    /// How long a login is good, in seconds.
    pub login_ttl: u64,
    /// The identity providers.
    pub providers: ProviderConfig,
    /// How many bad credentials an address may show in a minute.
    pub attempts: u32,
    /// Where a call names its agent.
    pub agent_calls: AgentCalls,
    /// The member of JSON bodies that says who calls.
    pub user_member: Option<String>,
    /// Routes of the upstream that are no pack's.
    pub(crate) routes: Vec<Route>,
    /// The revocation list of another verifier.
    pub revocations: Option<Revocations>,
    /// The longest body, in bytes.
    pub max_body: usize,
    /// How many live nonces are remembered.
    pub replay_capacity: usize,
    /// How long things may take, in seconds.
    pub timeouts: Timeouts,
    /// Web origins whose pages may send unsigned calls.
    pub cors_origins: Vec<String>,
    /// Proxies whose forwarding fields are believed; none: loopback.
    pub trusted_proxies: Vec<IpAddr>,
}

/// A route of the upstream that is no pack's.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) access: RouteAccess,
    /// Whether the answer lists packs, of which a caller is shown what they may call.
    pub(crate) lists_packs: bool,
}

/// How long things may take, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Until the header of a request is there; idle connections are closed after as long.
    pub head: u64,
    /// Until the body of a request is there.
    pub body: u64,
    /// Until the upstream begins to answer.
    pub upstream: u64,
    /// Until what is in flight has finished at shutdown.
    pub shutdown: u64,
}

impl Flags {
    /// Makes a configuration of them.
    ///
    /// # Errors
    /// The first thing that does not hold together.
    pub fn resolve(self) -> Result<Config, ConfigError> {
        let listen = self.listen.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 7998)));
        let policy = self.policy()?;
        if policy.is_open() && !listen.ip().is_loopback() && !self.allow_open {
            return Err(ConfigError::new(
                format!("{listen} is not loopback, and something can be called without a credential"),
                "add --auth-required, listen on 127.0.0.1, or say --allow-open",
            ));
        }
        Authorities::new(&self.authority).map_err(|_| {
            ConfigError::new(
                "an authority is not host or host:port",
                "write --authority pack.example or pack.example:8443",
            )
        })?;
        if self.authority.iter().any(|authority| authority.ends_with(":80") || authority.ends_with(":443")) {
            return Err(ConfigError::new(
                "an authority has the default port of its scheme",
                "leave :80 and :443 out, as clients do",
            ));
        }
        if self.authority.is_empty() && listen.ip().to_canonical().is_unspecified() {
            return Err(ConfigError::new(
                format!("{listen} is every address, so it does not say what clients call this server"),
                "name the host that clients address with --authority",
            ));
        }
        let default = Window::default();
        let window = self.window.map_or(Some(default), Window::new).ok_or(ConfigError::new(
            "the window is not 1 to 300 seconds",
            "leave --window out for 60 seconds",
        ))?;
        let revocations = self.revocations()?;
        let providers = self.providers()?;
        self.check_providers(&providers)?;
        Ok(Config {
            listen,
            upstream: self.upstream.as_deref().map(read_upstream).transpose()?,
            trust: self.trust_list()?,
            open: {
                let open = self.pack.iter().filter(|pack| pack.accept.contains(&Accept::Open));
                open.map(|pack| pack.guid.clone()).collect()
            },
            auth_required: self.auth_required,
            policy,
            window,
            authorities: self.authority,
            store: self.store.or_else(|| self.data_dir.as_ref().map(|path| path.join("store.sqlite"))),
            admins: self.admin.iter().map(|name| read_identity(name)).collect::<Result<_, _>>()?,
            log: self.log.unwrap_or_default(),
            revocations,
            providers,
            url: self.url.map(read_url).transpose()?,
            login_ttl: read_login_ttl(self.login_ttl)?,
            attempts: match self.attempts.unwrap_or(30) {
                0 => {
                    return Err(ConfigError::new(
                        "--attempts is 0: nobody could mistype anything",
                        "leave it out for its default",
                    ));
                }
                attempts => attempts,
            },
            user_member: read_user_member(self.user_member, self.agent_member.as_deref())?,
            agent_calls: read_agent_calls(self.agent_path, self.agent_member)?,
            routes: self.route.into_iter().map(read_route).collect::<Result<_, _>>()?,
            data_dir: self.data_dir,
            max_body: count(self.max_body, 1 << 20)?,
            replay_capacity: count(self.replay_capacity, 1_000_000)?,
            timeouts: Timeouts {
                head: seconds(self.head_timeout, 15)?,
                body: seconds(self.body_timeout, 30)?,
                upstream: seconds(self.upstream_timeout, 300)?,
                shutdown: seconds(self.shutdown_timeout, 30)?,
            },
            cors_origins: self.cors_origin.into_iter().map(read_origin).collect::<Result<_, _>>()?,
            trusted_proxies: self.trusted_proxy.iter().map(IpAddr::to_canonical).collect(),
        })
    }

    fn trust_list(&self) -> Result<TrustList, ConfigError> {
        let mut trust = TrustList::new();
        for entry in &self.trust {
            let (name, key) = entry.split_once('=').ok_or_else(|| {
                ConfigError::new("a --trust is not NAME=KEY", "write --trust alice=alice.pub.pem")
            })?;
            let (identity, key) = (read_new_identity(name)?, read_key(name, key)?.thumbprint());
            check_new(&trust, &key)?;
            trust.trust(identity, key);
        }
        for entry in &self.call_key {
            let KeyRef::Key(key) = read_key(&entry.identity, &entry.key)? else {
                return Err(ConfigError::new(
                    "a registered call key is given by its thumbprint",
                    "a key that comes without a certificate must be given whole: PEM, JWK, OpenSSH or did:key",
                ));
            };
            check_new(&trust, &key.thumbprint())?;
            trust.register(read_new_identity(&entry.identity)?, key, read_time(&entry.expires)?);
        }
        for entry in &self.revoked {
            let key = Thumbprint::parse(entry).ok_or_else(|| {
                ConfigError::new(
                    format!("revoked: {entry} is no thumbprint"),
                    "`envelope key show` prints thumbprints",
                )
            })?;
            trust.revoke(key);
        }
        Ok(trust)
    }

    fn revocations(&self) -> Result<Option<Revocations>, ConfigError> {
        let hint = "write --revocations FILE --revocations-key KEY, or neither";
        match (&self.revocations, &self.revocations_key) {
            (Some(path), Some(key)) => Ok(Some(Revocations {
                path: path.clone(),
                issuer: read_key("the revocation list", key)?.thumbprint(),
                max_age: self.revocations_max_age.unwrap_or(86_400),
            })),
            (Some(_), None) => Err(ConfigError::new("it is not said who signs the revocation list", hint)),
            (None, Some(_)) => Err(ConfigError::new("there is a --revocations-key, and no list", hint)),
            (None, None) if self.revocations_max_age.is_some() => {
                Err(ConfigError::new("there is a --revocations-max-age, and no list", hint))
            }
            (None, None) => Ok(None),
        }
    }

    fn policy(&self) -> Result<Policy, ConfigError> {
        let mut policy = Policy::new(if self.auth_required { Pack::trusted() } else { Pack::open() });
        let mut guids = BTreeSet::new();
        for table in &self.pack {
            if !guids.insert(table.guid.to_ascii_lowercase()) {
                return Err(ConfigError::new(
                    format!("pack {} is there twice", table.guid),
                    "put its rules into one [[pack]]",
                ));
            }
            if table.accept.is_empty() {
                return Err(ConfigError::new(
                    format!("pack {} accepts nothing", table.guid),
                    "accept is a list of \"signed\", \"identity\" and \"open\"",
                ));
            }
            if !place::is_guid(&table.guid) {
                return Err(ConfigError::new(
                    format!("pack guid {:?} cannot stand in a path", table.guid),
                    "a guid is 1 to 128 characters of A-Z a-z 0-9 . _ ~ -, and not deploy, list or health",
                ));
            }
            if table.accept.contains(&Accept::Token) {
                return Err(ConfigError::new(
                    format!("pack {} accepts token, and the configuration keeps no tokens", table.guid),
                    "register it in the store instead: envelope pack register GUID --accept token",
                ));
            }
            let mut agents = BTreeMap::new();
            for agent in &table.agent {
                if agents.insert(agent.name.clone(), read_users(Some(&agent.allowed_users))?).is_some() {
                    return Err(ConfigError::new(
                        format!("pack {} has two rules for one agent", table.guid),
                        "put them into one [[pack.agent]]",
                    ));
                }
            }
            let pack = Pack {
                open: table.accept.contains(&Accept::Open),
                signed: table.accept.contains(&Accept::Signed),
                token: false,
                identity: table.accept.contains(&Accept::Identity),
                owner: table.owner.as_deref().map(read_identity).transpose()?,
                allowed_users: read_users(table.allowed_users.as_ref())?,
                agents,
            };
            policy.insert(&table.guid, packs::under(pack, self.auth_required));
        }
        Ok(policy)
    }

    fn providers(&self) -> Result<ProviderConfig, ConfigError> {
        let is_github = self.github || self.github_api.is_some() || self.github_client_id.is_some();
        let github = is_github.then(|| GithubConfig {
            api: self.github_api.clone().unwrap_or_else(|| GithubConfig::API.into()),
            web: self.github_web.clone().unwrap_or_else(|| GithubConfig::WEB.into()),
            client_id: self.github_client_id.clone(),
        });
        let says_oidc =
            self.oidc_client_id.is_some() || self.oidc_audience.is_some() || self.oidc_name.is_some();
        if says_oidc && self.oidc_issuer.is_none() {
            return Err(ConfigError::new(
                "an --oidc- flag is there, and no issuer",
                "write --oidc-issuer https://issuer.example",
            ));
        }
        let or = |given: &Option<String>, default: &str| given.clone().unwrap_or_else(|| default.into());
        let oidc = self.oidc_issuer.clone().map(|issuer| OidcConfig {
            name: or(&self.oidc_name, "oidc"),
            issuer,
            client_id: self.oidc_client_id.clone(),
            audience: self.oidc_audience.clone(),
            algorithms: if self.oidc_algorithm.is_empty() {
                OidcConfig::ALGORITHMS.map(Into::into).to_vec()
            } else {
                self.oidc_algorithm.clone()
            },
            user_claim: or(&self.oidc_user_claim, "sub"),
            groups_claim: or(&self.oidc_groups_claim, "groups"),
            scope: or(&self.oidc_scope, "openid"),
        });
        Ok(ProviderConfig { github, oidc })
    }

    /// A pack that takes what nobody here can check is a mistake.
    fn check_providers(&self, providers: &ProviderConfig) -> Result<(), ConfigError> {
        let has_provider = providers.github.is_some() || providers.oidc.is_some();
        match self.pack.iter().find(|pack| pack.accept.contains(&Accept::Identity)) {
            Some(pack) if !has_provider => Err(ConfigError::new(
                format!("pack {} accepts identity, and there is no identity provider", pack.guid),
                "add --github or --oidc-issuer",
            )),
            _ => Ok(()),
        }
    }
}

impl Config {
    /// The authorities, for a program that listens on `address`.
    #[must_use]
    pub fn authorities_at(&self, address: SocketAddr) -> Vec<String> {
        if !self.authorities.is_empty() {
            return self.authorities.clone();
        }
        // Clients leave the default port out.
        let port = if address.port() == 80 { String::new() } else { format!(":{}", address.port()) };
        let ip = if address.is_ipv6() { format!("[{}]", address.ip()) } else { address.ip().to_string() };
        vec![format!("{ip}{port}"), format!("localhost{port}")]
    }

    /// The URL by which it issues login certificates.
    #[must_use]
    pub fn url_at(&self, address: SocketAddr) -> String {
        self.url.clone().unwrap_or_else(|| {
            let authority = self.authorities_at(address).into_iter().next().unwrap_or_default();
            let scheme = if names_this_machine(&authority) { "http" } else { "https" };
            format!("{scheme}://{}", authority.to_ascii_lowercase())
        })
    }
}

/// Whether an authority is of the machine itself, where nothing has a certificate.
fn names_this_machine(authority: &str) -> bool {
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    address.map_or(host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
}

/// What is wrong with the configuration, and how to mend it.
#[derive(Debug)]
pub struct ConfigError {
    what: String,
    hint: &'static str,
}

impl ConfigError {
    /// An error, and what to do about it.
    pub fn new(what: impl Into<String>, hint: &'static str) -> Self {
        Self { what: what.into(), hint }
    }

    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        self.hint
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for ConfigError {}

fn check_new(trust: &TrustList, key: &Thumbprint) -> Result<(), ConfigError> {
    match trust.standing(key) {
        Standing::Unknown => Ok(()),
        _ => Err(ConfigError::new(
            format!("the key {key} is given twice"),
            "a key stands for one identity, or is the call key of one",
        )),
    }
}

fn read_users(list: Option<&UserList>) -> Result<Users, ConfigError> {
    let names = match list {
        None => return Ok(Users::Registered),
        Some(UserList::One(name)) => std::slice::from_ref(name),
        Some(UserList::Many(names)) => names,
    };
    if names.iter().any(|name| name == "*") {
        return Ok(Users::Everybody);
    }
    names.iter().map(|name| read_identity(name)).collect::<Result<_, _>>().map(Users::Named)
}

fn read_url(url: String) -> Result<String, ConfigError> {
    let hint = "write --url https://pack.example, without a path";
    let uri: http::Uri = url.parse().map_err(|_| ConfigError::new("the --url is no URL", hint))?;
    let is_origin = matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some();
    if is_origin && uri.path() == "/" && uri.query().is_none() && !url.ends_with('/') {
        Ok(url)
    } else {
        Err(ConfigError::new("the --url is not an origin", hint))
    }
}

fn read_login_ttl(given: Option<u64>) -> Result<u64, ConfigError> {
    let seconds = given.unwrap_or(3600);
    if (60..=86_400).contains(&seconds) {
        Ok(seconds)
    } else {
        Err(ConfigError::new("--login-ttl is not 60 to 86400 seconds", "leave it out for an hour"))
    }
}

fn read_agent_calls(path: Option<String>, member: Option<String>) -> Result<AgentCalls, ConfigError> {
    let default = AgentCalls::default();
    let (path, member) = (path.unwrap_or(default.path), member.unwrap_or(default.member));
    if path.len() < 2 || !path.starts_with('/') || target::check_path(&path).is_err() || path.ends_with('/') {
        return Err(ConfigError::new("--agent-path is no path", "write --agent-path /agent"));
    }
    if member.is_empty() {
        return Err(ConfigError::new("--agent-member is empty", "write --agent-member name"));
    }
    Ok(AgentCalls { path, member })
}

fn read_user_member(given: Option<String>, agent: Option<&str>) -> Result<Option<String>, ConfigError> {
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

fn read_route(table: RouteTable) -> Result<Route, ConfigError> {
    let hint = "a [[route]] has method = \"GET\" and path = \"/healthz\", outside of packs";
    let method = Method::from_bytes(table.method.as_bytes());
    let method = method.map_err(|_| ConfigError::new("the method of a [[route]] is none", hint))?;
    let is_free = target::check_path(&table.path).is_ok() && Place::of(&table.path) == Place::Elsewhere;
    let is_ours = ["/verify", "/health", "/metrics"].contains(&table.path.as_str());
    if !is_free || is_ours {
        let what = format!("the route {:?} is no path of the upstream's own", table.path);
        return Err(ConfigError::new(what, hint));
    }
    let RouteTable { path, access, lists_packs, .. } = table;
    Ok(Route { method, path, access, lists_packs })
}

/// A name under which a key can be known.
fn read_new_identity(name: &str) -> Result<Identity, ConfigError> {
    let identity = read_identity(name)?;
    if identity.is_reserved() {
        return Err(ConfigError::new(
            format!("{name} is a name that only tokens have"),
            "choose one that does not begin with pack:",
        ));
    }
    Ok(identity)
}

fn read_identity(name: &str) -> Result<Identity, ConfigError> {
    Identity::new(name).ok_or_else(|| {
        ConfigError::new(
            format!("{name:?} is no name of an identity"),
            "a name is 1 to 128 characters of A-Z a-z 0-9 . _ - : @ + /",
        )
    })
}

/// A key as commands and flags take it: a spelling of the key itself, or a file that holds one. What was given is not
/// repeated in the error: it may be a private key by mistake.
fn read_key(owner: &str, text: &str) -> Result<KeyRef, ConfigError> {
    let contents = std::fs::read_to_string(text);
    KeyRef::parse(contents.as_deref().unwrap_or(text)).map_err(|refusal| {
        ConfigError::new(
            format!("the key of {owner}: {}", refusal.detail()),
            "a key is a file (PEM, JWK, OpenSSH), a did:key or a thumbprint",
        )
    })
}

fn read_time(text: &str) -> Result<Timestamp, ConfigError> {
    time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339)
        .ok()
        .and_then(|time| u64::try_from(time.unix_timestamp()).ok())
        .map(Timestamp::from_unix)
        .ok_or_else(|| ConfigError::new(format!("{text:?} is no time"), "write 2030-01-31T12:00:00Z"))
}

fn seconds(given: Option<u64>, default: u64) -> Result<u64, ConfigError> {
    let seconds = given.unwrap_or(default);
    if (1..=86_400).contains(&seconds) {
        Ok(seconds)
    } else {
        Err(ConfigError::new("a timeout is not 1 to 86400 seconds", "leave it out for its default"))
    }
}

fn count(given: Option<usize>, default: usize) -> Result<usize, ConfigError> {
    match given {
        Some(0) => {
            Err(ConfigError::new("a limit is 0, so nothing would pass", "leave it out for its default"))
        }
        given => Ok(given.unwrap_or(default)),
    }
}

/// An origin as browsers write it: `*`, or scheme, host and port without a path.
fn read_origin(text: String) -> Result<String, ConfigError> {
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    if text == "*" || host.is_some_and(|host| Authorities::new([host]).is_ok()) {
        Ok(text)
    } else {
        let hint = "write --cors-origin https://chat.example, without a path";
        Err(ConfigError::new("a --cors-origin is no origin", hint))
    }
}

fn read_upstream(text: &str) -> Result<http::Uri, ConfigError> {
    let hint = "write --upstream http://127.0.0.1:8000, without a path";
    let uri: http::Uri = text.parse().map_err(|_| ConfigError::new("the upstream is no URL", hint))?;
    let is_origin = matches!(uri.scheme_str(), Some("http" | "https"))
        && uri.authority().is_some_and(|authority| Authorities::new([authority.as_str()]).is_ok())
        && matches!(uri.path(), "" | "/")
        && uri.query().is_none();
    if is_origin { Ok(uri) } else { Err(ConfigError::new("the upstream is not an origin", hint)) }
}
