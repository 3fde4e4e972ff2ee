//! What the program is told: flags, and a TOML file with the same keys.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::config::{ConfigError, Source};
use super::packs::rule_set::{Accept, UserList};

/// What `serve` takes; every flag is also a key of the file, and a flag wins over the file.
#[derive(Clone, Debug, Default, Deserialize, clap::Args)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Flags {
    /// Address to listen on [default: 127.0.0.1:7998]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Certificate for TLS, a PEM file, with those that lead to an authority; read anew when it changes
    #[arg(long, value_name = "FILE")]
    #[serde(alias = "tls_cert")]
    pub tls_cert: Option<PathBuf>,
    /// Its key, a PEM file without a passphrase
    #[arg(long, value_name = "FILE")]
    #[serde(alias = "tls_key")]
    pub tls_key: Option<PathBuf>,
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
    /// How the log is written to stderr: text, or JSON, an object a line [default: text]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub log: Option<LogFormat>,
    /// Listen on an address that is not loopback although something can be called without a credential
    #[arg(long)]
    #[serde(alias = "allow_open")]
    pub allow_open: bool,
    /// Directory of what outlives the program: keys, packs and tokens; and nothing is accepted again after a restart
    #[arg(long, value_name = "DIRECTORY")]
    #[serde(alias = "data_dir")]
    pub data_dir: Option<PathBuf>,
    /// File of the store of keys and packs, which several verifiers on this host may share [default: store.sqlite in --data-dir]
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,
    /// What becomes of a request whose receipt cannot be written to the audit log in --data-dir: refused, or let through [default:
    /// required]
    #[arg(long, value_enum, value_name = "MODE")]
    pub audit: Option<AuditMode>,
    /// How long a file of the audit log may be in bytes before the next one begins [default: 67108864]
    #[arg(long, value_name = "BYTES")]
    #[serde(alias = "audit_file_size")]
    pub audit_file_size: Option<usize>,
    /// Identity that may administer keys and all packs; repeatable
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
    /// URL by which clients reach this verifier; login certificates name it [default: the first authority, https unless it is
    /// this machine]
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// How long a login is good in seconds, 60 to 86400 [default: 3600]
    #[arg(long, value_name = "SECONDS")]
    #[serde(alias = "login_ttl")]
    pub login_ttl: Option<u64>,
    /// Take the tokens of GitHub's users where a pack accepts identity
    #[arg(long)]
    pub github: bool,
    /// API of a GitHub Enterprise Server; implies --github [default: that of github.com]
    #[arg(long, value_name = "URL")]
    #[serde(alias = "github_api")]
    pub github_api: Option<String>,
    /// Where its users log in [default: github.com]
    #[arg(long, value_name = "URL")]
    #[serde(alias = "github_web")]
    pub github_web: Option<String>,
    /// OAuth application for `envelope login` at GitHub
    #[arg(long, value_name = "ID")]
    #[serde(alias = "github_client_id")]
    pub github_client_id: Option<String>,
    /// OpenID Connect issuer whose tokens are taken where a pack accepts identity
    #[arg(long, value_name = "URL")]
    #[serde(alias = "oidc_issuer")]
    pub oidc_issuer: Option<String>,
    /// Client for `envelope login` at the issuer
    #[arg(long, value_name = "ID")]
    #[serde(alias = "oidc_client_id")]
    pub oidc_client_id: Option<String>,
    /// Audience that the issuer's tokens must be for [default: the client]
    #[arg(long, value_name = "AUDIENCE")]
    #[serde(alias = "oidc_audience")]
    pub oidc_audience: Option<String>,
    /// What the names of the issuer's users begin with [default: oidc]
    #[arg(long, value_name = "NAME")]
    #[serde(alias = "oidc_name")]
    pub oidc_name: Option<String>,
    /// Claim that names a user [default: sub]
    #[arg(long, value_name = "CLAIM")]
    #[serde(alias = "oidc_user_claim")]
    pub oidc_user_claim: Option<String>,
    /// Claim that lists the groups of a user [default: groups]
    #[arg(long, value_name = "CLAIM")]
    #[serde(alias = "oidc_groups_claim")]
    pub oidc_groups_claim: Option<String>,
    /// What a client asks for when somebody logs in [default: openid]
    #[arg(long, value_name = "SCOPE")]
    #[serde(alias = "oidc_scope")]
    pub oidc_scope: Option<String>,
    /// Signature algorithm that the issuer's tokens may have; repeatable [default: RS256, PS256, ES256, EdDSA]
    #[arg(long, value_name = "ALG")]
    #[serde(alias = "oidc_algorithm")]
    pub oidc_algorithm: Vec<String>,
    /// Bad credentials that an address may show in a minute before it is told to wait [default: 30]
    #[arg(long, value_name = "COUNT")]
    pub attempts: Option<u32>,
    /// Path of calls to an agent, behind the guid of the pack [default: /agent]
    #[arg(long, value_name = "PATH")]
    #[serde(alias = "agent_path")]
    pub agent_path: Option<String>,
    /// Member of the JSON body of such a call that names the agent [default: name]
    #[arg(long, value_name = "NAME")]
    #[serde(alias = "agent_member")]
    pub agent_member: Option<String>,
    /// Member of JSON bodies in which callers say who they are: the gateway puts the verified identity there
    #[arg(long, value_name = "NAME")]
    #[serde(alias = "user_member")]
    pub user_member: Option<String>,
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
    /// How many of them one identity may hold [default: a quarter, and at least 1024]
    #[arg(long, value_name = "COUNT")]
    #[serde(alias = "replay_share")]
    pub replay_share: Option<usize>,
    /// Connections that may be open at once; beyond, those go that have waited longest for a request [default: 8192, or what
    /// descriptors allow]
    #[arg(long, value_name = "COUNT")]
    #[serde(alias = "max_connections")]
    pub max_connections: Option<usize>,
    /// How many of them an address may have, but for trusted proxies [default: 256]
    #[arg(long, value_name = "COUNT")]
    #[serde(alias = "client_connections")]
    pub client_connections: Option<usize>,
    /// Requests that may be in flight at once [default: 4096]
    #[arg(long, value_name = "COUNT")]
    #[serde(alias = "max_in_flight")]
    pub max_in_flight: Option<usize>,
    /// How many of them an identity may have, and an address, but for trusted proxies [default: 256]
    #[arg(long, value_name = "COUNT")]
    #[serde(alias = "client_in_flight")]
    pub client_in_flight: Option<usize>,
    /// Calls a second that an identity may make, and an address where nobody says who calls; who is faster waits [default: 1000]
    #[arg(long, value_name = "COUNT")]
    #[serde(alias = "client_rate")]
    pub client_rate: Option<u32>,
    /// Refusals a second that an address hears, but for trusted proxies; who is refused more often waits for it [default: 20]
    #[arg(long, value_name = "COUNT")]
    #[serde(alias = "refusal_rate")]
    pub refusal_rate: Option<u32>,
    /// Bytes that headers which are not whole yet, and bodies, may take at once: a quarter and three quarters of it
    /// [default: 268435456]
    #[arg(long, value_name = "BYTES")]
    #[serde(alias = "request_memory")]
    pub request_memory: Option<usize>,
    /// Address that may read /metrics; repeatable [default: loopback]
    #[arg(long, value_name = "ADDRESS")]
    #[serde(alias = "metrics_from")]
    pub metrics_from: Vec<IpAddr>,
    /// Seconds in which the header of a request must arrive; an idle connection is closed after as many [default: 15]
    #[arg(long, value_name = "SECONDS")]
    #[serde(alias = "head_timeout")]
    pub head_timeout: Option<u64>,
    /// Seconds in which the body of a request must arrive [default: 30]
    #[arg(long, value_name = "SECONDS")]
    #[serde(alias = "body_timeout")]
    pub body_timeout: Option<u64>,
    /// Seconds in which a client must take something of its answer [default: 30]
    #[arg(long, value_name = "SECONDS")]
    #[serde(alias = "write_timeout")]
    pub write_timeout: Option<u64>,
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
    /// `[[route]]`: a route of the upstream that is no pack's.
    #[arg(skip)]
    pub route: Vec<RouteTable>,
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
    pub fn read(path: &Path) -> Result<(Self, Source), ConfigError> {
        let source = Source::read(path)?;
        let flags: Self = source.parse()?;
        Ok((flags.relative_to(source.directory()), source))
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
        self.tls_cert = self.tls_cert.map(absolute);
        self.tls_key = self.tls_key.map(absolute);
        self.data_dir = self.data_dir.map(absolute);
        self.store = self.store.map(absolute);
        self.revocations = self.revocations.map(absolute);
        self.call_key.iter_mut().for_each(|entry| rebase(&mut entry.key));
        self
    }

    /// These flags over those of a file: single values win, lists are joined, what only the file has stays. Says which keys of the file
    /// count no more.
    #[must_use]
    pub fn over(self, file: Self) -> (Self, Vec<&'static str>) {
        let mut overridden = Vec::new();
        macro_rules! merge {
            ([$($one:ident),*], [$($any:ident),*], [$($list:ident),*], [$($file:ident),*]) => {{
                $(if self.$one.is_some() { overridden.push(stringify!($one)); })*
                Self {
                    $($one: self.$one.or(file.$one),)*
                    $($any: self.$any || file.$any,)*
                    $($list: file.$list.into_iter().chain(self.$list).collect(),)*
                    $($file: file.$file,)*
                }
            }};
        }
        // Single values; switches; lists; what flags cannot say.
        let merged = merge!(
            [
                listen,
                tls_cert,
                tls_key,
                upstream,
                log,
                data_dir,
                store,
                audit,
                audit_file_size,
                revocations,
                revocations_key,
                revocations_max_age,
                url,
                login_ttl,
                github_api,
                github_web,
                github_client_id,
                oidc_issuer,
                oidc_client_id,
                oidc_audience,
                oidc_name,
                oidc_user_claim,
                oidc_groups_claim,
                oidc_scope,
                attempts,
                agent_path,
                agent_member,
                user_member,
                max_body,
                window,
                replay_capacity,
                replay_share,
                max_connections,
                client_connections,
                max_in_flight,
                client_in_flight,
                client_rate,
                refusal_rate,
                request_memory,
                head_timeout,
                body_timeout,
                write_timeout,
                upstream_timeout,
                shutdown_timeout
            ],
            [auth_required, allow_open, github],
            [authority, trust, admin, oidc_algorithm, cors_origin, metrics_from, trusted_proxy],
            [pack, route, call_key, revoked]
        );
        (merged, overridden)
    }
}

/// What becomes of a request whose receipt cannot be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum AuditMode {
    /// It is refused.
    #[default]
    Required,
    /// It goes on, and the log says later how many receipts are missing.
    BestEffort,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// An object a line.
    Json,
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

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct AgentTable {
    pub(super) name: String,
    #[serde(alias = "allowed_users")]
    pub(super) allowed_users: UserList,
}

/// A route of the upstream that is no pack's, in the file: what is not named there is not passed on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RouteTable {
    #[serde(default = "get")]
    pub(super) method: String,
    pub(super) path: String,
    #[serde(default)]
    pub(super) access: RouteAccess,
    #[serde(default)]
    pub(super) lists_packs: bool,
}

fn get() -> String {
    "GET".into()
}

/// Who may use a route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RouteAccess {
    /// Anybody, while auth is not required; then who is registered.
    Open,
    /// Who has a key at the verifier.
    #[default]
    Registered,
    /// Admins.
    Admin,
}

/// A registered call key in the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CallKeyTable {
    pub(super) identity: String,
    pub(super) key: String,
    pub(super) expires: String,
}
