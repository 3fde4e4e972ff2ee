//! A passphrase that a person types.

use std::fs::File;

use rustix::process::getpgrp;
use rustix::termios::tcgetpgrp;
use zeroize::Zeroizing;

use super::Passphrase;
use crate::error::{Error, PassphraseError};
use crate::report::printable;

/// Asks for the passphrase that opens `whose` key; `None` where nobody can be asked.
pub(super) fn ask(whose: &str) -> Result<Option<Passphrase>, Error> {
    if is_ours() { read(&format!("passphrase of {}: ", printable(whose))).map(Some) } else { Ok(None) }
}

/// Asks for a new one, twice: what is typed is not seen.
pub(super) fn ask_twice(whose: &str) -> Result<Passphrase, Error> {
    if !is_ours() {
        return Err(PassphraseError::NoTerminal.into());
    }
    let whose = printable(whose);
    let first = read(&format!("new passphrase of {whose}: "))?;
    let second = read(&format!("new passphrase of {whose}, again: "))?;
    if first.as_bytes() == second.as_bytes() { Ok(first) } else { Err(PassphraseError::Differ.into()) }
}

/// Whether there is a terminal and this process is in front of it. One in the background, as in
/// `curl -H @<(envelope sign …)`, would be stopped when it reads.
fn is_ours() -> bool {
    let terminal = File::open("/dev/tty");
    terminal.is_ok_and(|terminal| tcgetpgrp(terminal).is_ok_and(|group| group == getpgrp()))
}

fn read(prompt: &str) -> Result<Passphrase, Error> {
    let typed = rpassword::prompt_password(prompt).map_err(PassphraseError::Terminal)?;
    let typed = Zeroizing::new(typed.into_bytes());
    Passphrase::read(typed).map_err(|_| PassphraseError::NotTyped.into())
}
