//! The program: a gateway, a forward-auth endpoint, and what they need to run.
//!
//! A request travels `listen` → `routes` → (`cors`) → `gateway` or `forward_auth` → [`Guard`](crate::Guard) → `upstream`.

mod agent;
pub mod config;
mod cors;
mod forward_auth;
mod gateway;
pub mod listen;
pub mod routes;
mod upstream;

pub use config::{Config, ConfigError, Flags};
pub use listen::serve;
pub use routes::App;
