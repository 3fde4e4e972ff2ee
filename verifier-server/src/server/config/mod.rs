//! The configuration: what flags and file mean together, or why they mean nothing.

mod error;
mod packs;
mod read;
mod resolve;
mod source;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use envelope_core::{Identity, Policy, TrustList, Window};
use http::Method;

pub use self::error::{ConfigError, Place};
pub(crate) use self::error::{Placed, shown, shown_path};
use self::read::names_this_machine;
pub use self::source::Source;
use super::audit::AuditConfig;
use super::flags::{LogFormat, RouteAccess};
use super::offline::Revocations;
use super::provider::ProviderConfig;
use super::tls::TlsFiles;
use crate::agent::AgentCalls;

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
    /// Calls a second of one identity, or of one address where nobody says who calls.
    pub client_rate: u32,
    /// Refusals a second that one address hears which is no trusted proxy.
    pub refusal_rate: u32,
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

    /// The key that has said where the store is.
    pub(crate) fn store_key(&self) -> &'static str {
        let of_data_dir = self.data_dir.as_ref().map(|path| path.join("store.sqlite"));
        if self.store == of_data_dir { "data-dir" } else { "store" }
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
