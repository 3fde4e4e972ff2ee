//! The commands, one file each.

mod admin;
mod audit;
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

use crate::args::{Audit, Cli, Command, Key, Lazy, Pack};
use crate::error::Error;

pub(crate) use sign::shell_quote;

/// Does what was asked for.
pub(crate) fn run(cli: Cli) -> Result<(), Error> {
    let named = cli.identity.as_ref();
    let identity = cli.identity.clone().unwrap_or_default();
    match cli.command {
        Command::Keygen(Lazy(args)) => keygen::run(&identity, args),
        Command::Key(Key::List(Lazy(args))) => key::list(&args),
        Command::Key(Key::Show(Lazy(args))) => key::show(&identity, args),
        Command::Key(Key::Import(Lazy(args))) => import::run(&identity, args),
        Command::Key(Key::Export(Lazy(args))) => export::run(&identity, args),
        Command::Sign(Lazy(args)) => sign::run(named, args),
        Command::Call(Lazy(args)) => call::run(named, args),
        Command::Verify(Lazy(args)) => verify::run(&args),
        Command::Inspect(Lazy(args)) => inspect::run(&args),
        Command::Audit(Audit::Verify(Lazy(args))) => audit::verify(&args),
        Command::Audit(Audit::Show(Lazy(args))) => audit::show(&args),
        Command::Certify(Lazy(args)) => certify::run(&identity, args),
        Command::Enroll(Lazy(args)) => enroll::run(&identity, args),
        Command::Rotate(Lazy(args)) => rotate::run(&identity, args),
        Command::Revoke(Lazy(args)) => revoke::run(named, args),
        Command::Ticket(Lazy(args)) => admin::ticket(named, args),
        Command::Register(Lazy(args)) => admin::register(named, args),
        Command::Pack(Pack::Deploy(Lazy(args))) => pack::deploy::run(named, args),
        Command::Pack(Pack::Register(Lazy(args))) => pack::deploy::register(named, args),
        Command::Pack(Pack::List(Lazy(args))) => pack::list(named, &args),
        Command::Pack(Pack::Show(Lazy(args))) => pack::rules::show(named, args),
        Command::Pack(Pack::Set(Lazy(args))) => pack::rules::set(named, args),
        Command::Pack(Pack::Allow(Lazy(args))) => pack::rules::allow(named, args),
        Command::Pack(Pack::Deny(Lazy(args))) => pack::rules::deny(named, args),
        Command::Pack(Pack::Token(Lazy(args))) => pack::token::run(named, args),
        Command::Pack(Pack::Add(Lazy(args))) => pack::add(&args),
        Command::Pack(Pack::Remove(Lazy(args))) => pack::remove(named, args),
        Command::Login(Lazy(args)) => login::run(args),
        Command::Logout(Lazy(args)) => login::out(&args),
        Command::Forget(Lazy(args)) => pack::forget(named, args),
        Command::Completions { shell } => completions::run(shell),
        Command::Man { out } => man::run(out.as_deref()),
    }
}
