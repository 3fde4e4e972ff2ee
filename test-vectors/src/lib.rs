//! The test vectors of the profile `envelope/1`: one file, one flaw.
//!
//! [`Vector`] is what a file holds (`README.md` describes the format for other languages), [`load`] reads them all,
//! [`run`] puts one to `envelope-core`. Whoever has another way to verify — a command, a server — takes the same
//! files and carries the request with [`Request::to_http`] or [`Request::to_document`].
//!
//! [`statement`] is the same for what keys say of themselves.

mod carrier;
mod format;
mod json;
mod known;
mod runner;
pub mod statement;

pub use format::{
    Access, Everybody, Exchange, Issuer, Message, Named, Pack, Policy, Registered, Replay, Request,
    Revocations, RevokedCertificate, Step, Trusted, Users, Vector, Verifier, load, root,
};
pub use json::to_pretty;
pub use known::Known;
pub use runner::{Outcome, Verdict, run, run_with};
