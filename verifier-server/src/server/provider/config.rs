//! What is configured of providers, and what of it makes no sense.

use jsonwebtoken::{Algorithm, AlgorithmFamily};
use reqwest::Url;

use super::super::config::{ConfigError, shown};

/// Where tokens are checked.
#[derive(Clone, Debug, Default)]
pub struct ProviderConfig {
    /// GitHub, or a GitHub Enterprise Server.
    pub github: Option<GithubConfig>,
    /// An OpenID Connect issuer.
    pub oidc: Option<OidcConfig>,
}

/// GitHub.
#[derive(Clone, Debug)]
pub struct GithubConfig {
    /// Its API: `https://api.github.com`.
    pub api: String,
    /// Its pages, where the device flow is: `https://github.com`.
    pub web: String,
    /// The OAuth application by which people log in; without one, they bring their tokens.
    pub client_id: Option<String>,
}

/// An OpenID Connect issuer.
#[derive(Clone, Debug)]
pub struct OidcConfig {
    /// What its identities begin with: `oidc` for `oidc:alice`.
    pub name: String,
    /// The issuer, exactly as its tokens have it.
    pub issuer: String,
    /// The client by which people log in; without one, they bring their tokens.
    pub client_id: Option<String>,
    /// What its tokens must be for; the client, where nothing is said.
    pub audience: Option<String>,
    /// The signature algorithms that are accepted.
    pub algorithms: Vec<String>,
    /// The claim that names somebody.
    pub user_claim: String,
    /// The claim that lists groups.
    pub groups_claim: String,
    /// What a client asks for when somebody logs in.
    pub scope: String,
}

impl ProviderConfig {
    /// A line for each provider: whose tokens are taken, and whether people can log in.
    #[must_use]
    pub fn described(&self) -> Vec<String> {
        let login = |client: &Option<String>, flag: &str| match client {
            Some(_) => "envelope login works".to_owned(),
            None => format!("without {flag} nobody can log in by envelope login"),
        };
        let github = self.github.as_ref().map(|github| {
            format!(
                "takes tokens of GitHub ({}); {}",
                github.api,
                login(&github.client_id, "--github-client-id")
            )
        });
        let oidc = self.oidc.as_ref().map(|oidc| {
            format!("takes tokens of {}; {}", oidc.issuer, login(&oidc.client_id, "--oidc-client-id"))
        });
        github.into_iter().chain(oidc).collect()
    }
}

impl GithubConfig {
    /// The API of GitHub itself.
    pub const API: &str = "https://api.github.com";
    /// The pages of GitHub itself.
    pub const WEB: &str = "https://github.com";
}

impl OidcConfig {
    /// The algorithms that are accepted where nothing is said.
    pub const ALGORITHMS: [&str; 4] = ["RS256", "PS256", "ES256", "EdDSA"];

    pub(super) fn checked_name(&self) -> Result<&str, ConfigError> {
        let is_character = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        // The first is that of others, the second begins the names of those who hold a token of a pack.
        if ["github", "pack"].contains(&self.name.as_str()) {
            return Err(ConfigError::new(
                format!("the OpenID provider is called {}", self.name),
                "choose a name that tells its identities from others, such as oidc",
            ));
        }
        if (1..=32).contains(&self.name.len()) && self.name.bytes().all(is_character) {
            Ok(&self.name)
        } else {
            Err(ConfigError::new(
                format!("{} is no name of a provider", shown(&self.name)),
                "a name is 1 to 32 characters of a-z 0-9 -",
            ))
        }
    }

    pub(super) fn checked_audience(&self) -> Result<&str, ConfigError> {
        let audience = self.audience.as_deref().or(self.client_id.as_deref());
        audience.filter(|audience| !audience.is_empty()).ok_or_else(|| {
            let error = ConfigError::new(
                "it is not said for whom the tokens of the OpenID provider must be",
                "give its client_id, or the audience that its tokens have",
            );
            error.at(if audience.is_some() { "oidc-audience" } else { "oidc-issuer" })
        })
    }

    /// Only asymmetric ones: who can check a MAC can make one.
    pub(super) fn checked_algorithms(&self) -> Result<Vec<Algorithm>, ConfigError> {
        let read = |(index, name): (usize, &String)| {
            let algorithm = name.parse::<Algorithm>().ok();
            algorithm.filter(|known| known.family() != AlgorithmFamily::Hmac).ok_or_else(|| {
                ConfigError::new(
                    format!("{} is no algorithm that tokens may be signed with", shown(name)),
                    "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 and EdDSA are",
                )
                .at(("oidc-algorithm", index))
            })
        };
        if self.algorithms.is_empty() {
            return Err(ConfigError::new(
                "no algorithm of the OpenID provider is accepted",
                "leave algorithms out for RS256, PS256, ES256 and EdDSA",
            ));
        }
        self.algorithms.iter().enumerate().map(read).collect()
    }

    pub(super) fn check_claims(&self) -> Result<(), ConfigError> {
        let said = [
            ("oidc-user-claim", &self.user_claim),
            ("oidc-groups-claim", &self.groups_claim),
            ("oidc-scope", &self.scope),
        ];
        match said.iter().find(|(_, value)| value.is_empty()) {
            Some((key, _)) => Err(ConfigError::new(
                "a claim or the scope of the OpenID provider is empty",
                "leave them out for sub, groups and openid",
            )
            .at(*key)),
            None => Ok(()),
        }
    }
}

/// The URL of a provider: HTTPS, or HTTP on this very machine.
pub(super) fn read_url(what: &str, text: &str) -> Result<Url, ConfigError> {
    let hint = "write https://provider.example; http:// is for loopback addresses only";
    let url = Url::parse(text).map_err(|_| ConfigError::new(format!("{what} is no URL"), hint))?;
    let is_plain = url.query().is_none() && url.fragment().is_none() && url.password().is_none();
    if !is_plain || !url.username().is_empty() {
        return Err(ConfigError::new(format!("{what} has more than a host and a path"), hint));
    }
    if !is_safe(&url) {
        return Err(ConfigError::new(format!("{what} could be read and changed on the way"), hint));
    }
    Ok(url)
}

/// A client id is there, or is left out.
pub(super) fn read_client_id(client_id: Option<&String>) -> Result<Option<String>, ConfigError> {
    match client_id {
        Some(id) if id.is_empty() => {
            Err(ConfigError::new("the client_id of a provider is empty", "leave it out where there is none"))
        }
        id => Ok(id.cloned()),
    }
}

/// Nobody between here and there can read it.
pub(super) fn is_safe(url: &Url) -> bool {
    url.has_host() && (url.scheme() == "https" || url.scheme() == "http" && is_loopback(url))
}

/// This very machine, by its address or by the name that RFC 6761 reserves for it.
pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}
