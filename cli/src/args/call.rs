//! The command line of `envelope call`, `envelope login` and `envelope logout`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Handed, Json, Passphrase};
use crate::origin::Origin;

#[derive(Args, Debug)]
#[command(
    override_usage = "envelope call [OPTIONS] <PACK> <AGENT> [ARGUMENTS]\n       envelope call [OPTIONS] <METHOD> <URL>"
)]
pub(crate) struct Call {
    /// The pack: its guid, the beginning of it, or its URL; or the method, in upper case
    #[arg(value_name = "PACK|METHOD")]
    pub(crate) first: String,
    /// The agent; or the full URL, exactly as it will be sent
    #[arg(value_name = "AGENT|URL")]
    pub(crate) second: String,
    /// What the agent is given, a JSON object; - reads it from stdin [default: {}]
    pub(crate) arguments: Option<String>,
    /// The body of a request to a URL: a file, or - for stdin
    #[arg(long, value_name = "F")]
    pub(crate) body: Option<PathBuf>,
    /// A header field to send, covered by the signature
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    pub(crate) header: Vec<String>,
    /// The credential [default: what the wallet has: an identity that the verifier knows, a login, a token]
    #[arg(long, value_enum, value_name = "KIND", conflicts_with = "key")]
    pub(crate) credential: Option<CredentialKind>,
    #[command(flatten)]
    pub(crate) plain_http: PlainHttp,
    #[command(flatten)]
    pub(crate) handed: Handed,
    #[command(flatten)]
    pub(crate) passphrase: Passphrase,
}

/// A kind of credential that the wallet may have.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CredentialKind {
    /// A call key of an identity
    Signed,
    /// The call key of a login
    Login,
    /// The token of the pack
    Token,
}

#[derive(Args, Debug)]
pub(crate) struct PlainHttp {
    /// Send a token over plain HTTP to another machine, or get one, where everybody on the way can read it
    #[arg(long)]
    pub(crate) plain_http: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Login {
    /// The verifier: its URL without a path
    pub(crate) url: Origin,
    /// The identity provider [default: the only one that the verifier has]
    #[arg(long, value_name = "NAME")]
    pub(crate) provider: Option<String>,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Args, Debug)]
pub(crate) struct Logout {
    /// The verifier
    pub(crate) url: Origin,
}
