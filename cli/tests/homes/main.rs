//! Where identity keys live and how they come and go, tried against the programs that know them: ssh-agent, ssh-keygen,
//! OpenSSL, GNOME Keyring, SoftHSM. One that is missing makes its tests fail.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod agent;
mod export;
mod handed;
mod import;
mod keyring;
mod outside;
mod passphrase;
