//! The command line of audit logs.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use envelope_core::receipt::Head;

use super::{Json, Lazy};
use crate::clock::Moment;

#[derive(Subcommand, Debug)]
pub(crate) enum Audit {
    /// Verify an audit log of a verifier again: its chain, its checkpoints and every signature in it
    ///
    /// Needs the files and the verifier's key, and nothing else. FILEs are given in the order of the log, which is that of their
    /// names. A line that was changed, dropped, swapped or put in is found, and told with its number; so is an envelope that does
    /// not verify.
    ///
    /// Lines that were cut off at the end are lines that a crash has lost, as far as the log can say: note what is printed as
    /// `head`, somewhere else, and give it as --head the next time. A line that is not finished is told, and no error.
    Verify(Lazy<AuditVerify>),
    /// Print the receipts in an audit log, verifying nothing
    ///
    /// One a line: when, whether it was let through or else why not, who, the pack, the agent, from where, and the id of the
    /// request; - where there is none. With --json, the lines of the log.
    Show(Lazy<AuditShow>),
}

#[derive(Args, Debug)]
pub(crate) struct AuditVerify {
    /// The files of the log, in order
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// The key of the verifier that wrote it: file (PEM, JWK, OpenSSH), did:key or thumbprint; repeatable
    #[arg(long, required = true, value_name = "KEY", allow_hyphen_values = true)]
    pub(crate) key: Vec<String>,
    /// A line that the log must have, NUMBER:HASH, as this command printed it before
    #[arg(long, value_name = "HEAD", value_parser = read_head)]
    pub(crate) head: Option<Head>,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Args, Debug)]
pub(crate) struct AuditShow {
    /// The files of the log, in order
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Only what this identity has sent
    #[arg(long, value_name = "NAME")]
    pub(crate) caller: Option<String>,
    /// Only what was for this pack
    #[arg(long, value_name = "GUID")]
    pub(crate) pack: Option<String>,
    /// Only what was let through, or refused
    #[arg(long, value_enum)]
    pub(crate) decision: Option<Decision>,
    /// Only from then on: RFC 3339, or seconds since 1970
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<Moment>,
    /// Only until then, that second included
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<Moment>,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
pub(crate) enum Decision {
    Allow,
    Deny,
}

fn read_head(text: &str) -> Result<Head, &'static str> {
    Head::parse(text).ok_or("a head is written NUMBER:HASH, as envelope audit verify prints it")
}
