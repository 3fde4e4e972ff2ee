//! The program: a gateway, a forward-auth endpoint, and what they need to run.
//!
//! A request travels `listen` → `routes` → (`browsers`) → `gateway` or `forward_auth` → [`Guard`](crate::Guard) → `upstream`.

mod agent;
mod browsers;
pub mod config;
mod data_dir;
pub mod flags;
mod forward_auth;
mod gateway;
pub mod listen;
mod place;
pub mod routes;
mod upstream;

pub use config::{Config, ConfigError};
pub use data_dir::DataDir;
pub use flags::Flags;
pub use listen::serve;
pub use routes::App;
