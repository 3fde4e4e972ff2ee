//! The program: a gateway, a forward-auth endpoint, and what they need to run.
//!
//! A request travels `listen` → `routes` → (`browsers`) → `gateway` or `forward_auth` → [`Guard`](crate::Guard) → `upstream`,
//! or `routes` → `api` → [`Guard`](crate::Guard) → `keys` → `store`.

mod agent;
mod api;
mod browsers;
pub mod config;
mod data_dir;
pub mod flags;
mod forward_auth;
mod gateway;
mod issuer;
mod keys;
pub mod listen;
mod offline;
mod place;
pub mod routes;
mod store;
mod upstream;

pub use config::{Config, ConfigError};
pub use data_dir::DataDir;
pub use flags::Flags;
pub use keys::Keys;
pub use listen::serve;
pub use offline::Revocations;
pub use routes::App;
