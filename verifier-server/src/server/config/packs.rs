//! The packs that the file lists, and who can say whose an identity is.

use std::collections::{BTreeMap, BTreeSet};

use envelope_core::{Pack, Policy};

use super::read::{read_identity, read_users};
use super::{ConfigError, Place, Placed, shown};
use crate::place;
use crate::server::flags::Flags;
use crate::server::packs;
use crate::server::packs::rule_set::Accept;
use crate::server::provider::{GithubConfig, OidcConfig, ProviderConfig};

impl Flags {
    pub(super) fn policy(&self) -> Result<Policy, ConfigError> {
        let mut policy = Policy::new(if self.auth_required { Pack::trusted() } else { Pack::open() });
        let mut guids = BTreeSet::new();
        for (index, table) in self.pack.iter().enumerate() {
            let at = |member| ("pack", index, member);
            if !place::is_guid(&table.guid) {
                return Err(ConfigError::new(
                    format!("pack guid {} cannot stand in a path", shown(&table.guid)),
                    "a guid is 1 to 128 characters of A-Z a-z 0-9 . _ ~ -, and not deploy, list or health",
                )
                .at(at("guid")));
            }
            if !guids.insert(table.guid.to_ascii_lowercase()) {
                return Err(ConfigError::new(
                    format!("pack {} is there twice", table.guid),
                    "put its rules into one [[pack]]",
                )
                .at(at("guid")));
            }
            if table.accept.is_empty() {
                return Err(ConfigError::new(
                    format!("pack {} accepts nothing", table.guid),
                    "accept is a list of \"signed\", \"identity\" and \"open\"",
                )
                .at(at("accept")));
            }
            if table.accept.contains(&Accept::Token) {
                return Err(ConfigError::new(
                    format!("pack {} accepts token, and the configuration keeps no tokens", table.guid),
                    "register it in the store instead: envelope pack register GUID --accept token",
                )
                .at(at("accept")));
            }
            let mut agents = BTreeMap::new();
            for (number, agent) in table.agent.iter().enumerate() {
                let of_agent = |member| Place::from(("pack", index)).of(("agent", number, member));
                let users = read_users(Some(&agent.allowed_users)).within(of_agent("allowed-users"))?;
                if agents.insert(agent.name.clone(), users).is_some() {
                    return Err(ConfigError::new(
                        format!("pack {} has two rules for one agent", table.guid),
                        "put them into one [[pack.agent]]",
                    )
                    .at(of_agent("name")));
                }
            }
            let pack = Pack {
                open: table.accept.contains(&Accept::Open),
                signed: table.accept.contains(&Accept::Signed),
                token: false,
                identity: table.accept.contains(&Accept::Identity),
                owner: table.owner.as_deref().map(read_identity).transpose().at(at("owner"))?,
                allowed_users: read_users(table.allowed_users.as_ref()).within(at("allowed-users"))?,
                agents,
            };
            policy.insert(&table.guid, packs::under(pack, self.auth_required));
        }
        Ok(policy)
    }

    pub(super) fn providers(&self) -> Result<ProviderConfig, ConfigError> {
        let is_github = self.github || self.github_api.is_some() || self.github_client_id.is_some();
        let github = is_github.then(|| GithubConfig {
            api: self.github_api.clone().unwrap_or_else(|| GithubConfig::API.into()),
            web: self.github_web.clone().unwrap_or_else(|| GithubConfig::WEB.into()),
            client_id: self.github_client_id.clone(),
        });
        let said = [
            ("oidc-client-id", self.oidc_client_id.is_some()),
            ("oidc-audience", self.oidc_audience.is_some()),
            ("oidc-name", self.oidc_name.is_some()),
        ];
        if let (Some((key, _)), None) = (said.iter().find(|(_, is_said)| *is_said), &self.oidc_issuer) {
            return Err(ConfigError::new(
                "an --oidc- flag is there, and no issuer",
                "write --oidc-issuer https://issuer.example",
            )
            .at(*key));
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
    pub(super) fn check_providers(&self, providers: &ProviderConfig) -> Result<(), ConfigError> {
        let has_provider = providers.github.is_some() || providers.oidc.is_some();
        let mut packs = self.pack.iter().enumerate();
        match packs.find(|(_, pack)| pack.accept.contains(&Accept::Identity)) {
            Some((index, pack)) if !has_provider => Err(ConfigError::new(
                format!("pack {} accepts identity, and there is no identity provider", pack.guid),
                "add --github or --oidc-issuer",
            )
            .at(("pack", index, "accept"))),
            _ => Ok(()),
        }
    }
}
