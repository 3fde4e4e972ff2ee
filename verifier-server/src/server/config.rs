//! The configuration: what flags and file mean together, or why they mean nothing.

mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use envelope_core::key::format::KeyRef;
use envelope_core::{Authorities, Identity, Pack, Policy, Thumbprint, TrustList, Window};
use http::Method;

use self::read::{
    check_new, count, names_this_machine, read_agent_calls, read_identity, read_key, read_login_ttl,
    read_new_identity, read_origin, read_route, read_time, read_upstream, read_url, read_user_member,
    read_users, seconds,
};
use super::audit::AuditConfig;
use super::flags::{Flags, LogFormat, RouteAccess};
use super::offline::Revocations;
use super::packs;
use super::packs::rule_set::Accept;
use super::provider::{GithubConfig, OidcConfig, ProviderConfig};
use super::tls::TlsFiles;
use crate::agent::AgentCalls;
use crate::place;
use crate::replay::ShardedReplayCache;

/// A configuration that holds together.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The certificate to show; `None`: HTTP without TLS.
    pub tls: Option<TlsFiles>,
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
    /// The audit log, where there is a data directory.
    pub audit: Option<AuditConfig>,
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
    /// How many of them may be of one identity.
    pub replay_share: usize,
    /// How much there may be at once.
    pub limits: Limits,
    /// Who may read the metrics; none: loopback.
    pub metrics_from: Vec<IpAddr>,
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

/// How much there may be at once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections; `None`: what descriptors allow, and 8192 at most.
    pub connections: Option<usize>,
    /// Connections of one address that is no trusted proxy.
    pub client_connections: usize,
    /// Requests in flight.
    pub in_flight: usize,
    /// Requests in flight of one identity, and of one address that is no trusted proxy.
    pub client_in_flight: usize,
    /// Bytes of headers that are not whole yet (a quarter) and of bodies (three quarters).
    pub memory: usize,
}

/// How long things may take, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Until the header of a request is there; idle connections are closed after as long.
    pub head: u64,
    /// Until the body of a request is there.
    pub body: u64,
    /// Until a client takes something of its answer.
    pub write: u64,
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
        let tls = self.tls()?;
        let revocations = self.revocations()?;
        let audit = self.audit()?;
        let providers = self.providers()?;
        self.check_providers(&providers)?;
        let replay_capacity = count(self.replay_capacity, 1_000_000)?;
        Ok(Config {
            listen,
            tls,
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
            audit,
            data_dir: self.data_dir,
            max_body: count(self.max_body, 1 << 20)?,
            replay_capacity,
            replay_share: count(self.replay_share, ShardedReplayCache::usual_share(replay_capacity))?,
            limits: Limits {
                connections: self.max_connections.map(|given| count(Some(given), given)).transpose()?,
                client_connections: count(self.client_connections, 256)?,
                in_flight: count(self.max_in_flight, 4096)?,
                client_in_flight: count(self.client_in_flight, 256)?,
                memory: count(self.request_memory, 256 << 20)?,
            },
            metrics_from: self.metrics_from.iter().map(IpAddr::to_canonical).collect(),
            timeouts: Timeouts {
                head: seconds(self.head_timeout, 15)?,
                body: seconds(self.body_timeout, 30)?,
                write: seconds(self.write_timeout, 30)?,
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

    fn tls(&self) -> Result<Option<TlsFiles>, ConfigError> {
        let hint = "write --tls-cert FILE --tls-key FILE, or neither";
        match (&self.tls_cert, &self.tls_key) {
            (Some(cert), Some(key)) => Ok(Some(TlsFiles { cert: cert.clone(), key: key.clone() })),
            (Some(_), None) => Err(ConfigError::new("there is a --tls-cert, and no key for it", hint)),
            (None, Some(_)) => Err(ConfigError::new("there is a --tls-key, and no certificate for it", hint)),
            (None, None) => Ok(None),
        }
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

    fn audit(&self) -> Result<Option<AuditConfig>, ConfigError> {
        if self.data_dir.is_none() {
            return match (self.audit, self.audit_file_size) {
                (None, None) => Ok(None),
                _ => Err(ConfigError::new(
                    "there is no directory for the audit log",
                    "give --data-dir a directory; the log is kept in it",
                )),
            };
        }
        let file_size = count(self.audit_file_size, 64 << 20)?;
        let file_size = u64::try_from(file_size).unwrap_or(u64::MAX);
        Ok(Some(AuditConfig { mode: self.audit.unwrap_or_default(), file_size }))
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
        let default = if self.tls.is_some() { 443 } else { 80 };
        let port = if address.port() == default { String::new() } else { format!(":{}", address.port()) };
        let ip = if address.is_ipv6() { format!("[{}]", address.ip()) } else { address.ip().to_string() };
        vec![format!("{ip}{port}"), format!("localhost{port}")]
    }

    /// The URL by which it issues login certificates.
    #[must_use]
    pub fn url_at(&self, address: SocketAddr) -> String {
        self.url.clone().unwrap_or_else(|| {
            let authority = self.authorities_at(address).into_iter().next().unwrap_or_default();
            let scheme = if self.tls.is_none() && names_this_machine(&authority) { "http" } else { "https" };
            format!("{scheme}://{}", authority.to_ascii_lowercase())
        })
    }
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
