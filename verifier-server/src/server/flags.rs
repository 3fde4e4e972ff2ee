//! What the program is told: flags, and a TOML file with the same keys.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::config::ConfigError;

/// What `serve` takes; every flag is also a key of the file, and a flag wins over the file.
#[derive(Clone, Debug, Default, Deserialize, clap::Args)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Flags {
    /// Address to listen on [default: 127.0.0.1:7998]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Origin of the server that verified calls go to, http://host:port
    #[arg(long, value_name = "URL")]
    pub upstream: Option<String>,
    /// Host that clients address, host or host:port; repeatable [default: the address listened on]
    #[arg(long, value_name = "HOST")]
    pub authority: Vec<String>,
    /// Let nothing pass without a credential
    #[arg(long)]
    #[serde(alias = "auth_required")]
    pub auth_required: bool,
    /// Identity key to trust, NAME=KEY; KEY is a file (PEM, JWK, OpenSSH), a did:key or a thumbprint; repeatable
    #[arg(long, value_name = "NAME=KEY")]
    pub trust: Vec<String>,
    /// Listen on an address that is not loopback although something can be called without a credential
    #[arg(long)]
    #[serde(alias = "allow_open")]
    pub allow_open: bool,
    /// Directory of what outlives the program: keys that are registered; and nothing is accepted again after a restart
    #[arg(long, value_name = "DIRECTORY")]
    #[serde(alias = "data_dir")]
    pub data_dir: Option<PathBuf>,
    /// File of the store of keys, which several verifiers on this host may share [default: store.sqlite in --data-dir]
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,
    /// Identity that may administer keys; repeatable
    #[arg(long, value_name = "NAME")]
    pub admin: Vec<String>,
    /// Revocation list of another verifier: what GET /api/keys/revocations answers; looked at again when it changes
    #[arg(long, value_name = "FILE")]
    pub revocations: Option<PathBuf>,
    /// Key that must have signed the revocation list, as --trust takes it
    #[arg(long, value_name = "KEY")]
    #[serde(alias = "revocations_key")]
    pub revocations_key: Option<String>,
    /// How old the revocation list may be; with an older one nothing signed passes [default: 86400]
    #[arg(long, value_name = "SECONDS")]
    #[serde(alias = "revocations_max_age")]
    pub revocations_max_age: Option<u64>,
    /// Longest body in bytes [default: 1048576]
    #[arg(long, value_name = "BYTES")]
    #[serde(alias = "max_body")]
    pub max_body: Option<usize>,
    /// Longest window of a signature in seconds, 1 to 300 [default: 60]
    #[arg(long, value_name = "SECONDS")]
    pub window: Option<u64>,
    /// Live nonces that the replay cache holds [default: 1000000]
    #[arg(long, value_name = "COUNT")]
    #[serde(alias = "replay_capacity")]
    pub replay_capacity: Option<usize>,
    /// Seconds in which the header of a request must arrive; an idle connection is closed after as many [default: 15]
    #[arg(long, value_name = "SECONDS")]
    #[serde(alias = "head_timeout")]
    pub head_timeout: Option<u64>,
    /// Seconds in which the body of a request must arrive [default: 30]
    #[arg(long, value_name = "SECONDS")]
    #[serde(alias = "body_timeout")]
    pub body_timeout: Option<u64>,
    /// Seconds in which the upstream must begin to answer [default: 300]
    #[arg(long, value_name = "SECONDS")]
    #[serde(alias = "upstream_timeout")]
    pub upstream_timeout: Option<u64>,
    /// Seconds that requests in flight have to finish at shutdown [default: 30]
    #[arg(long, value_name = "SECONDS")]
    #[serde(alias = "shutdown_timeout")]
    pub shutdown_timeout: Option<u64>,
    /// Web origin whose pages may also send unsigned calls, or *; repeatable
    #[arg(long, value_name = "ORIGIN")]
    #[serde(alias = "cors_origin")]
    pub cors_origin: Vec<String>,
    /// Address of a proxy whose forwarding fields are believed; repeatable [default: loopback]
    #[arg(long, value_name = "ADDRESS")]
    #[serde(alias = "trusted_proxy")]
    pub trusted_proxy: Vec<IpAddr>,
    /// `[[pack]]`: the rules of a pack.
    #[arg(skip)]
    pub pack: Vec<PackTable>,
    /// `[[call-key]]`: a call key that may sign without a certificate.
    #[arg(skip)]
    #[serde(alias = "call_key")]
    pub call_key: Vec<CallKeyTable>,
    /// Thumbprints of keys that must not be used any more.
    #[arg(skip)]
    pub revoked: Vec<String>,
}

impl Flags {
    /// Reads a TOML file. Paths of key files in it are relative to it.
    ///
    /// # Errors
    /// With the file, the line and the key.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            ConfigError::new(
                format!("{}: {error}", path.display()),
                "give --config the path of a file that can be read",
            )
        })?;
        let flags: Self = toml::from_str(&text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let line = text.bytes().take(start).filter(|byte| *byte == b'\n').count() + 1;
            ConfigError::new(
                format!("{}:{line}: {}", path.display(), error.message()),
                "the keys are those of `envelope-verifier serve --help`, and [[pack]], [[call-key]], revoked",
            )
        })?;
        Ok(flags.relative_to(path.parent().unwrap_or(Path::new(""))))
    }

    fn relative_to(mut self, directory: &Path) -> Self {
        let rebase = |key: &mut String| {
            let path = directory.join(&*key);
            if path.is_file() {
                *key = path.display().to_string();
            }
        };
        for entry in &mut self.trust {
            if let Some((name, key)) = entry.split_once('=') {
                let mut key = key.to_owned();
                rebase(&mut key);
                *entry = format!("{name}={key}");
            }
        }
        self.revocations_key.iter_mut().for_each(rebase);
        let absolute = |path: PathBuf| directory.join(path);
        self.data_dir = self.data_dir.map(absolute);
        self.store = self.store.map(absolute);
        self.revocations = self.revocations.map(absolute);
        self.call_key.iter_mut().for_each(|entry| rebase(&mut entry.key));
        self
    }

    /// These flags over those of a file: single values win, lists are joined.
    #[must_use]
    pub fn over(self, file: Self) -> Self {
        let joined = |mut list: Vec<String>, more: Vec<String>| {
            list.extend(more);
            list
        };
        Self {
            listen: self.listen.or(file.listen),
            upstream: self.upstream.or(file.upstream),
            authority: joined(file.authority, self.authority),
            auth_required: self.auth_required || file.auth_required,
            trust: joined(file.trust, self.trust),
            allow_open: self.allow_open || file.allow_open,
            data_dir: self.data_dir.or(file.data_dir),
            store: self.store.or(file.store),
            admin: joined(file.admin, self.admin),
            revocations: self.revocations.or(file.revocations),
            revocations_key: self.revocations_key.or(file.revocations_key),
            revocations_max_age: self.revocations_max_age.or(file.revocations_max_age),
            max_body: self.max_body.or(file.max_body),
            window: self.window.or(file.window),
            replay_capacity: self.replay_capacity.or(file.replay_capacity),
            head_timeout: self.head_timeout.or(file.head_timeout),
            body_timeout: self.body_timeout.or(file.body_timeout),
            upstream_timeout: self.upstream_timeout.or(file.upstream_timeout),
            shutdown_timeout: self.shutdown_timeout.or(file.shutdown_timeout),
            cors_origin: joined(file.cors_origin, self.cors_origin),
            trusted_proxy: file.trusted_proxy.into_iter().chain(self.trusted_proxy).collect(),
            pack: file.pack,
            call_key: file.call_key,
            revoked: file.revoked,
        }
    }
}

/// The rules of one pack in the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PackTable {
    pub(super) guid: String,
    #[serde(default = "signed")]
    pub(super) accept: Vec<Accept>,
    pub(super) owner: Option<String>,
    #[serde(alias = "allowed_users", default)]
    pub(super) allowed_users: Option<UserList>,
    #[serde(default)]
    pub(super) agent: Vec<AgentTable>,
}

fn signed() -> Vec<Accept> {
    vec![Accept::Signed]
}

/// A way to call a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Accept {
    Signed,
    Open,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct AgentTable {
    pub(super) name: String,
    #[serde(alias = "allowed_users")]
    pub(super) allowed_users: UserList,
}

/// `"*"`, or a list of names.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum UserList {
    One(String),
    Many(Vec<String>),
}

/// A registered call key in the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CallKeyTable {
    pub(super) identity: String,
    pub(super) key: String,
    pub(super) expires: String,
}
