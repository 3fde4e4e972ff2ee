//! Drives the program `envelope` from outside, and judges what it writes with envelope-core, OpenSSL and curl.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "this is a test all over"
)]

mod call;
mod call_keys;
mod certify;
mod data;
#[cfg(target_os = "linux")]
mod fast_path;
mod identity_keys;
mod outside;
mod sign;
mod verify;
