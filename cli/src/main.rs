//! `envelope`: makes keys, signs requests, sends them, verifies them.
//!
//! | what | where |
//! |---|---|
//! | what can be asked for, and every help text | [`args`] |
//! | what each command does, one file each | [`command`] |
//! | what is said, and how | [`report`], [`error`], [`hint`] |
//! | keys at rest: where, how they are written, in which format | [`home`], [`private_dir`], [`pem`] |
//! | identity keys, call keys | [`identity`], [`call_key`] |
//! | requests to sign, messages to verify | [`outgoing`], [`message`] |

mod address;
mod args;
mod call_key;
mod clock;
mod command;
mod error;
mod hint;
mod home;
mod identity;
mod key_arg;
mod message;
mod outgoing;
mod passphrase;
mod pem;
mod private_dir;
mod public_file;
mod random;
mod report;

use std::process::ExitCode;

fn main() -> ExitCode {
    let outcome = match args::read() {
        Ok(args) => command::run(args),
        Err(error) => return report::usage(&error),
    };
    report::outcome(outcome)
}
