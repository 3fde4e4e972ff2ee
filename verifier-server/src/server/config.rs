//! The configuration: what flags and file mean together, or why they mean nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use envelope_core::key::format::KeyRef;
use envelope_core::{
    Authorities, Identity, Pack, Policy, Standing, Thumbprint, Timestamp, Trust, TrustList, Users, Window,
};

use super::flags::{Accept, Flags, UserList};
use super::offline::Revocations;

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
    /// The packs that have rules, in order.
    pub packs: BTreeSet<String>,
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
        Ok(Config {
            listen,
            upstream: self.upstream.as_deref().map(read_upstream).transpose()?,
            trust: self.trust_list()?,
            auth_required: self.auth_required,
            policy,
            window,
            authorities: self.authority,
            store: self.store.or_else(|| self.data_dir.as_ref().map(|path| path.join("store.sqlite"))),
            admins: self.admin.iter().map(|name| read_identity(name)).collect::<Result<_, _>>()?,
            packs: self.pack.iter().map(|pack| pack.guid.clone()).collect(),
            revocations,
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
            let (identity, key) = (read_identity(name)?, read_key(name, key)?.thumbprint());
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
            trust.register(read_identity(&entry.identity)?, key, read_time(&entry.expires)?);
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
            if !guids.insert(&table.guid) {
                return Err(ConfigError::new(
                    format!("pack {} is there twice", table.guid),
                    "put its rules into one [[pack]]",
                ));
            }
            if table.accept.is_empty() {
                return Err(ConfigError::new(
                    format!("pack {} accepts nothing", table.guid),
                    "accept is a list of \"signed\" and \"open\"",
                ));
            }
            if !super::place::is_guid(&table.guid) {
                return Err(ConfigError::new(
                    format!("pack guid {:?} cannot stand in a path", table.guid),
                    "a guid is 1 to 128 characters of A-Z a-z 0-9 . _ ~ -, and not deploy",
                ));
            }
            let mut agents = BTreeMap::new();
            for agent in &table.agent {
                if agents.insert(agent.name.clone(), read_users(&agent.allowed_users)?).is_some() {
                    return Err(ConfigError::new(
                        format!("pack {} has two rules for one agent", table.guid),
                        "put them into one [[pack.agent]]",
                    ));
                }
            }
            let pack = Pack {
                // While auth is required, nothing passes without a credential, and open means: whoever is known.
                open: table.accept.contains(&Accept::Open) && !self.auth_required,
                signed: table.accept.contains(&Accept::Signed) || self.auth_required,
                owner: table.owner.as_deref().map(read_identity).transpose()?,
                allowed_users: table.allowed_users.as_ref().map_or(Ok(Users::Everybody), read_users)?,
                agents,
            };
            policy.insert(table.guid.clone(), pack);
        }
        Ok(policy)
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

fn check_new(trust: &TrustList, key: &Thumbprint) -> Result<(), ConfigError> {
    match trust.standing(key) {
        Standing::Unknown => Ok(()),
        _ => Err(ConfigError::new(
            format!("the key {key} is given twice"),
            "a key stands for one identity, or is the call key of one",
        )),
    }
}

fn read_users(list: &UserList) -> Result<Users, ConfigError> {
    let names = match list {
        UserList::One(name) => std::slice::from_ref(name),
        UserList::Many(names) => names,
    };
    if names.iter().any(|name| name == "*") {
        return Ok(Users::Everybody);
    }
    names.iter().map(|name| read_identity(name)).collect::<Result<_, _>>().map(Users::Named)
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
