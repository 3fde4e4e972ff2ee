//! The program: a gateway, a forward-auth endpoint, and what they need to run.
//!
//! A request travels `listen` → `routes` → (`browsers`) → `gateway` or `forward_auth` → [`Guard`](crate::Guard) → `upstream`.

mod agent;
mod browsers;
pub mod config;
pub mod flags;
mod forward_auth;
mod gateway;
pub mod listen;
mod place;
pub mod routes;
mod upstream;

pub use config::{Config, ConfigError};
pub use flags::Flags;
pub use listen::serve;
pub use routes::App;
