//! The program: a gateway, a forward-auth endpoint, and what they need to run.
//!
//! A request travels `listen` → `routes` → `passage` → (`browsers`) → `gateway` or `forward_auth` → [`Guard`](crate::Guard) → `audit` →
//! `upstream`, or `routes` → `passage` → `api` → [`Guard`](crate::Guard) → `audit` → `known` → `store`. What it may take at each step is
//! in `limits` and `pace`, what became of it in `metrics`.

mod api;
mod attempts;
mod audit;
mod browsers;
pub mod config;
mod data_dir;
mod deploy;
mod filter;
pub mod flags;
mod forward_auth;
mod gateway;
mod health;
mod hop;
mod issuer;
mod known;
mod limits;
pub mod listen;
mod lists;
mod members;
mod metrics;
mod offline;
mod pace;
mod packs;
mod passage;
mod provider;
mod random;
mod recent;
pub mod report;
pub mod routes;
mod store;
mod tls;
mod upstream;

pub use audit::{Audit, AuditConfig};
pub use config::{Config, ConfigError};
pub use data_dir::DataDir;
pub use flags::{AuditMode, Flags, LogFormat};
pub use known::Known;
pub use listen::serve;
pub use offline::Revocations;
pub use provider::{GithubConfig, OidcConfig, ProviderConfig};
pub use routes::App;
pub use tls::{Tls, TlsFiles};
