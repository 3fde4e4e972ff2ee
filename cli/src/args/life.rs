//! The command line of what talks to verifiers about keys.

use std::path::PathBuf;

use clap::Args;

use super::{Json, KeyAlgorithm, NewKey, Passphrase};
use crate::clock::{Moment, Overlap, Term};
use crate::origin::Origin;

#[derive(Args, Debug)]
pub(crate) struct Enroll {
    /// The verifier: its URL without a path
    pub(crate) url: Origin,
    /// A ticket, as an admin's `envelope ticket` prints it, or the token of a pack; - reads it from stdin
    #[arg(long, value_name = "T", conflicts_with = "token_file")]
    pub(crate) token: Option<String>,
    /// File with the ticket or the token, on one line
    #[arg(long, value_name = "F")]
    pub(crate) token_file: Option<PathBuf>,
    /// Send it over plain HTTP to another machine, where everybody on the way can use it first
    #[arg(long)]
    pub(crate) plain_http: bool,
    #[command(flatten)]
    pub(crate) key: NewKey,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Args, Debug)]
pub(crate) struct Rotate {
    /// How long the old key is good yet: 0s to 7d
    #[arg(long, value_name = "TIME", default_value = "24h")]
    pub(crate) overlap: Overlap,
    /// The algorithm of the new key [default: that of the old one]
    #[arg(long, value_enum, conflicts_with = "ssh_agent")]
    pub(crate) alg: Option<KeyAlgorithm>,
    /// The new key is one that the ssh-agent holds: file (PEM, JWK, OpenSSH), did:key or thumbprint
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    pub(crate) ssh_agent: Option<String>,
    /// Rotate although the wallet knows no verifier to tell: whoever trusts the old key refuses the new one
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) passphrase: Passphrase,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Args, Debug)]
pub(crate) struct Revoke {
    #[command(flatten)]
    pub(crate) others: RevokeOthers,
    /// The verifier [default: the only one of the wallet]. The own key is revoked at all of the wallet, and at this one, too
    #[arg(long, value_name = "URL")]
    pub(crate) at: Option<Origin>,
    /// Do not ask, at a terminal, whether it is meant
    #[arg(long)]
    pub(crate) yes: bool,
    /// Write what would revoke the own key to a new file, and send nothing: for the day on which the key is lost
    #[arg(long, value_name = "F", conflicts_with_all = ["at", "others"])]
    pub(crate) save: Option<PathBuf>,
    /// Send what --save wrote; the key is not needed for that
    #[arg(long, value_name = "F", conflicts_with_all = ["save", "others"])]
    pub(crate) statement: Option<PathBuf>,
    /// Print the verifier's signed list of everything that is revoked, as an admin
    #[arg(long, conflicts_with_all = ["save", "statement", "others"])]
    pub(crate) export: bool,
    #[command(flatten)]
    pub(crate) passphrase: Passphrase,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Args, Debug)]
#[group(id = "others", multiple = true)]
pub(crate) struct RevokeOthers {
    /// As an admin: every key of this identity, by its name at the verifier
    #[arg(long, value_name = "NAME", conflicts_with_all = ["key", "certificate"])]
    pub(crate) name: Option<String>,
    /// As an admin: this key
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    pub(crate) key: Option<String>,
    /// As an admin, with --key: the certificate with this jti that the key issued
    #[arg(long, value_name = "JTI", requires = "key", allow_hyphen_values = true)]
    pub(crate) certificate: Option<String>,
    /// As an admin, with --name: what its keys certified before this moment
    #[arg(long, value_name = "TIME", requires = "name")]
    pub(crate) issued_before: Option<Moment>,
}

#[derive(Args, Debug)]
pub(crate) struct Ticket {
    /// What the verifier is to call the new identity
    pub(crate) name: String,
    /// The verifier [default: the only one of the wallet]
    #[arg(long, value_name = "URL")]
    pub(crate) at: Option<Origin>,
    /// How long the ticket can be used: 90s, 15m, 24h or 7d, at most 30d
    #[arg(long, value_name = "TIME", default_value = "24h")]
    pub(crate) ttl: Term,
    #[command(flatten)]
    pub(crate) passphrase: Passphrase,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Args, Debug)]
pub(crate) struct Register {
    /// What the verifier is to call the identity
    pub(crate) name: String,
    /// The key: file (PEM, JWK, OpenSSH), did:key, or thumbprint
    #[arg(allow_hyphen_values = true)]
    pub(crate) key: String,
    /// It signs requests by itself, without certificates: for clients that have nothing but an RFC 9421 library
    #[arg(long)]
    pub(crate) call: bool,
    /// How long it is good: 90s, 15m, 24h or 90d [default: 24h with --call, else for ever]
    #[arg(long, value_name = "TIME")]
    pub(crate) ttl: Option<Term>,
    /// The verifier [default: the only one of the wallet]
    #[arg(long, value_name = "URL")]
    pub(crate) at: Option<Origin>,
    #[command(flatten)]
    pub(crate) passphrase: Passphrase,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Args, Debug)]
pub(crate) struct Forget {
    /// The verifier
    pub(crate) url: Origin,
    /// Also when it has not heard yet that a key was rotated or revoked
    #[arg(long)]
    pub(crate) force: bool,
}
