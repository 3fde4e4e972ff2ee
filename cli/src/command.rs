//! The commands, one file each.

mod call;
mod certify;
mod completions;
mod export;
mod import;
mod inspect;
mod key;
mod keygen;
mod man;
mod sign;
mod verify;

use crate::args::{Cli, Command, Key};
use crate::error::Error;

pub(crate) use sign::shell_quote;

/// Does what was asked for.
pub(crate) fn run(cli: Cli) -> Result<(), Error> {
    let identity = cli.identity;
    match cli.command {
        Command::Keygen(args) => keygen::run(&identity, args),
        Command::Key(Key::List(args)) => key::list(&args),
        Command::Key(Key::Show(args)) => key::show(&identity, args),
        Command::Key(Key::Import(args)) => import::run(&identity, args),
        Command::Key(Key::Export(args)) => export::run(&identity, args),
        Command::Sign(args) => sign::run(&identity, args),
        Command::Call(args) => call::run(&identity, args),
        Command::Verify(args) => verify::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Certify(args) => certify::run(&identity, args),
        Command::Completions { shell } => completions::run(shell),
        Command::Man { out } => man::run(out.as_deref()),
    }
}
