//! The parts of `verifier-server/benches/run`: servers to measure, a client that fires signed requests, stores to fill, and checks
//! that are timed by themselves.

mod callers;
mod checks;
mod client;
mod servers;
mod store;

use std::error::Error;
use std::path::Path;

/// What goes wrong is said, and ends the run.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["bare", address] => servers::bare(address),
        ["layer", address] => servers::layer(address),
        ["client", core] => client::follow(core.parse()?),
        ["trust"] => callers::print_trust(),
        ["fill", config, keys, packs] => store::fill(Path::new(config), keys.parse()?, packs.parse()?),
        ["signature"] => checks::signature(),
        ["token", config] => checks::token(Path::new(config)),
        _ => Err("envelope-load bare|layer ADDRESS | client CORE | trust | fill CONFIG KEYS PACKS | signature | token CONFIG".into()),
    }
}
