//! The commands, one file each.

mod admin;
mod call;
mod certify;
mod completions;
mod enroll;
mod export;
mod import;
mod inspect;
mod key;
mod keygen;
mod login;
mod man;
mod pack;
mod revoke;
mod rotate;
mod sign;
mod verify;

use crate::args::{Cli, Command, Key, Pack};
use crate::error::Error;

pub(crate) use sign::shell_quote;

/// Does what was asked for.
pub(crate) fn run(cli: Cli) -> Result<(), Error> {
    let named = cli.identity.as_ref();
    let identity = cli.identity.clone().unwrap_or_default();
    match cli.command {
        Command::Keygen(args) => keygen::run(&identity, args),
        Command::Key(Key::List(args)) => key::list(&args),
        Command::Key(Key::Show(args)) => key::show(&identity, args),
        Command::Key(Key::Import(args)) => import::run(&identity, args),
        Command::Key(Key::Export(args)) => export::run(&identity, args),
        Command::Sign(args) => sign::run(named, args),
        Command::Call(args) => call::run(named, args),
        Command::Verify(args) => verify::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Certify(args) => certify::run(&identity, args),
        Command::Enroll(args) => enroll::run(&identity, args),
        Command::Rotate(args) => rotate::run(&identity, args),
        Command::Revoke(args) => revoke::run(named, args),
        Command::Ticket(args) => admin::ticket(named, args),
        Command::Register(args) => admin::register(named, args),
        Command::Pack(Pack::Deploy(args)) => pack::deploy::run(named, args),
        Command::Pack(Pack::Register(args)) => pack::deploy::register(named, args),
        Command::Pack(Pack::List(args)) => pack::list(named, &args),
        Command::Pack(Pack::Show(args)) => pack::rules::show(named, args),
        Command::Pack(Pack::Set(args)) => pack::rules::set(named, args),
        Command::Pack(Pack::Allow(args)) => pack::rules::allow(named, args),
        Command::Pack(Pack::Deny(args)) => pack::rules::deny(named, args),
        Command::Pack(Pack::Token(args)) => pack::token::run(named, args),
        Command::Pack(Pack::Add(args)) => pack::add(&args),
        Command::Pack(Pack::Remove(args)) => pack::remove(named, args),
        Command::Login(args) => login::run(args),
        Command::Logout(args) => login::out(&args),
        Command::Forget(args) => pack::forget(named, args),
        Command::Completions { shell } => completions::run(shell),
        Command::Man { out } => man::run(out.as_deref()),
    }
}
