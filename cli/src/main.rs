//! `envelope`: makes keys, signs requests, sends them, verifies them.
//!
//! | what | where |
//! |---|---|
//! | what can be asked for, and every help text | [`args`] |
//! | what each command does, one file each | [`command`] |
//! | what is said, and how | [`report`], [`error`], [`hint`] |
//! | keys at rest: where, how they are written, in which format | [`home`], [`private_dir`], [`pem`] |
//! | identity keys, and where they live | [`identity`], [`identity_key`], [`elsewhere`], [`ssh_agent`], [`keyring`] |
//! | passphrases, and keys in the spellings of others | [`passphrase`], [`private_key`] |
//! | call keys: our own, and those that somebody handed out | [`call_key`], [`handed_key`] |
//! | the key that comes after another one | [`handover`] |
//! | verifiers that know the identities here, and what is said to them | [`wallet`], [`credential`], [`exchange`], [`delivery`] |
//! | packs and their tokens, logins, and which credential goes with a request | [`pack_id`], [`secret`], [`token`], [`login`], [`choice`] |
//! | requests to sign, messages to verify | [`outgoing`], [`message`] |

mod address;
mod args;
mod call_key;
mod choice;
mod client;
mod clock;
mod command;
mod credential;
mod delivery;
mod elsewhere;
mod error;
mod exchange;
mod handed_key;
mod handover;
mod hint;
mod home;
mod identity;
mod identity_key;
mod key_arg;
#[cfg(feature = "keyring")]
mod keyring;
#[cfg(not(feature = "keyring"))]
#[path = "keyring/absent.rs"]
mod keyring;
mod login;
mod message;
mod origin;
mod outgoing;
mod pack_id;
mod passphrase;
mod pem;
mod private_dir;
mod private_key;
mod public_file;
mod random;
mod report;
mod secret;
mod ssh_agent;
mod token;
mod wallet;
mod wiping;

use std::process::ExitCode;

fn main() -> ExitCode {
    let outcome = match args::read() {
        Ok(args) => command::run(args),
        Err(error) => return report::usage(&error),
    };
    report::outcome(outcome)
}
