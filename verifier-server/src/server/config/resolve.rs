//! What the flags mean, one after the other.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use envelope_core::key::format::KeyRef;
use envelope_core::{Thumbprint, TrustList, Window};

use super::read::{
    check_authority, check_new, count, read_agent_calls, read_identity, read_key, read_login_ttl,
    read_new_identity, read_origin, read_route, read_time, read_upstream, read_url, read_user_member,
    seconds,
};
use super::{Config, ConfigError, Limits, Placed, Timeouts, shown};
use crate::replay::ShardedReplayCache;
use crate::server::audit::AuditConfig;
use crate::server::flags::Flags;
use crate::server::offline::Revocations;
use crate::server::packs::rule_set::Accept;
use crate::server::tls::TlsFiles;

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
            )
            .at("listen"));
        }
        each("authority", &self.authority, |authority| check_authority(authority))?;
        if self.authority.is_empty() && listen.ip().to_canonical().is_unspecified() {
            return Err(ConfigError::new(
                format!("{listen} is every address, so it does not say what clients call this server"),
                "name the host that clients address with --authority",
            )
            .at("listen"));
        }
        let default = Window::default();
        let window = self.window.map_or(Some(default), Window::new);
        let window = window.ok_or_else(|| {
            let what = "the window is not 1 to 300 seconds";
            ConfigError::new(what, "leave --window out for 60 seconds").at("window")
        })?;
        let tls = self.tls()?;
        let revocations = self.revocations()?;
        let audit = self.audit()?;
        let providers = self.providers()?;
        self.check_providers(&providers)?;
        let replay_capacity = count(self.replay_capacity, 1_000_000).at("replay-capacity")?;
        Ok(Config {
            listen,
            tls,
            upstream: self.upstream.as_deref().map(read_upstream).transpose().at("upstream")?,
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
            admins: each("admin", &self.admin, |name| read_identity(name))?,
            log: self.log.unwrap_or_default(),
            revocations,
            providers,
            url: self.url.map(read_url).transpose().at("url")?,
            login_ttl: read_login_ttl(self.login_ttl).at("login-ttl")?,
            attempts: match self.attempts.unwrap_or(30) {
                0 => {
                    return Err(ConfigError::new(
                        "--attempts is 0: nobody could mistype anything",
                        "leave it out for its default",
                    )
                    .at("attempts"));
                }
                attempts => attempts,
            },
            user_member: read_user_member(self.user_member, self.agent_member.as_deref())
                .at("user-member")?,
            agent_calls: read_agent_calls(self.agent_path, self.agent_member)?,
            routes: each("route", &self.route, read_route)?,
            audit,
            data_dir: self.data_dir,
            max_body: count(self.max_body, 1 << 20).at("max-body")?,
            replay_capacity,
            replay_share: count(self.replay_share, ShardedReplayCache::usual_share(replay_capacity))
                .at("replay-share")?,
            limits: Limits {
                connections: {
                    let given = self.max_connections.map(|given| count(Some(given), given));
                    given.transpose().at("max-connections")?
                },
                client_connections: count(self.client_connections, 256).at("client-connections")?,
                in_flight: count(self.max_in_flight, 4096).at("max-in-flight")?,
                client_in_flight: count(self.client_in_flight, 256).at("client-in-flight")?,
                client_rate: count(self.client_rate, 1000).at("client-rate")?,
                refusal_rate: count(self.refusal_rate, 20).at("refusal-rate")?,
                memory: count(self.request_memory, 256 << 20).at("request-memory")?,
            },
            metrics_from: self.metrics_from.iter().map(IpAddr::to_canonical).collect(),
            timeouts: Timeouts {
                head: seconds(self.head_timeout, 15).at("head-timeout")?,
                body: seconds(self.body_timeout, 30).at("body-timeout")?,
                write: seconds(self.write_timeout, 30).at("write-timeout")?,
                upstream: seconds(self.upstream_timeout, 300).at("upstream-timeout")?,
                shutdown: seconds(self.shutdown_timeout, 30).at("shutdown-timeout")?,
            },
            cors_origins: each("cors-origin", &self.cors_origin, |origin| read_origin(origin))?,
            trusted_proxies: self.trusted_proxy.iter().map(IpAddr::to_canonical).collect(),
        })
    }

    fn trust_list(&self) -> Result<TrustList, ConfigError> {
        let mut trust = TrustList::new();
        each("trust", &self.trust, |entry| {
            let (name, key) = entry.split_once('=').ok_or_else(|| {
                ConfigError::new("a --trust is not NAME=KEY", "write --trust alice=alice.pub.pem")
            })?;
            let (identity, key) = (read_new_identity(name)?, read_key(name, key)?.thumbprint());
            check_new(&trust, &key)?;
            trust.trust(identity, key);
            Ok(())
        })?;
        for (index, entry) in self.call_key.iter().enumerate() {
            let at = |member| ("call-key", index, member);
            let identity = read_new_identity(&entry.identity).at(at("identity"))?;
            let KeyRef::Key(key) = read_key(&entry.identity, &entry.key).at(at("key"))? else {
                return Err(ConfigError::new(
                    "a registered call key is given by its thumbprint",
                    "a key that comes without a certificate must be given whole: PEM, JWK, OpenSSH or did:key",
                )
                .at(at("key")));
            };
            check_new(&trust, &key.thumbprint()).at(at("key"))?;
            trust.register(identity, key, read_time(&entry.expires).at(at("expires"))?);
        }
        each("revoked", &self.revoked, |entry| {
            let key = Thumbprint::parse(entry).ok_or_else(|| {
                ConfigError::new(
                    format!("revoked: {} is no thumbprint", shown(entry)),
                    "`envelope key show` prints thumbprints",
                )
            })?;
            trust.revoke(key);
            Ok(())
        })?;
        Ok(trust)
    }

    fn tls(&self) -> Result<Option<TlsFiles>, ConfigError> {
        let hint = "write --tls-cert FILE --tls-key FILE, or neither";
        match (&self.tls_cert, &self.tls_key) {
            (Some(cert), Some(key)) => Ok(Some(TlsFiles { cert: cert.clone(), key: key.clone() })),
            (Some(_), None) => {
                Err(ConfigError::new("there is a --tls-cert, and no key for it", hint).at("tls-cert"))
            }
            (None, Some(_)) => {
                Err(ConfigError::new("there is a --tls-key, and no certificate for it", hint).at("tls-key"))
            }
            (None, None) => Ok(None),
        }
    }

    fn revocations(&self) -> Result<Option<Revocations>, ConfigError> {
        let hint = "write --revocations FILE --revocations-key KEY, or neither";
        match (&self.revocations, &self.revocations_key) {
            (Some(path), Some(key)) => Ok(Some(Revocations {
                path: path.clone(),
                issuer: read_key("the revocation list", key).at("revocations-key")?.thumbprint(),
                max_age: self.revocations_max_age.unwrap_or(86_400),
            })),
            (Some(_), None) => {
                Err(ConfigError::new("it is not said who signs the revocation list", hint).at("revocations"))
            }
            (None, Some(_)) => {
                Err(ConfigError::new("there is a --revocations-key, and no list", hint).at("revocations-key"))
            }
            (None, None) if self.revocations_max_age.is_some() => {
                let what = "there is a --revocations-max-age, and no list";
                Err(ConfigError::new(what, hint).at("revocations-max-age"))
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
                )
                .at(if self.audit.is_some() { "audit" } else { "audit-file-size" })),
            };
        }
        let file_size = count(self.audit_file_size, 64 << 20).at("audit-file-size")?;
        let file_size = u64::try_from(file_size).unwrap_or(u64::MAX);
        Ok(Some(AuditConfig { mode: self.audit.unwrap_or_default(), file_size }))
    }
}

/// Reads every element of a list; what is wrong is said of the element.
fn each<T, R>(
    key: &'static str,
    list: &[T],
    mut read: impl FnMut(&T) -> Result<R, ConfigError>,
) -> Result<Vec<R>, ConfigError> {
    list.iter().enumerate().map(|(index, element)| read(element).within((key, index))).collect()
}
