//! The command line of packs: deploying, rules, tokens.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::rules::{Rules, read_entry};
use super::{Json, Lazy, Passphrase, PlainHttp};
use crate::clock::{Overlap, Term};
use crate::origin::Origin;
use crate::pack_id::{Guid, PackId};

#[derive(Subcommand, Debug)]
pub(crate) enum Pack {
    /// Deploy a pack, and keep its URL and token in the wallet
    ///
    /// Posts the bundle to URL/api/pack/deploy, signed where there is an identity key here. The rules of the pack are the
    /// member auth of the bundle, or come from --accept, --owner, --allow and --agent. Prints the URL of the pack. The token is
    /// in the wallet; `envelope pack token PACK --show` prints it.
    Deploy(Lazy<PackDeploy>),
    /// Register a pack that is there already, and keep its URL and token in the wallet
    ///
    /// Of one that is registered, changes the rules that are given, and makes a new token `default`; the one before it is at
    /// its end.
    Register(Lazy<PackRegister>),
    /// List the packs: URL, identity here or the kind of credential, what the verifier calls it
    List(Lazy<PackList>),
    /// Show the rules and tokens of a pack, as its verifier has them
    Show(Lazy<PackShow>),
    /// Change how a pack is guarded: what is given takes the place of what there was
    ///
    /// --allow makes a list where everybody, or everybody who is registered, was let in. Tokens stay as they are.
    Set(Lazy<PackSet>),
    /// Let somebody call a pack, or use one of its agents
    ///
    /// The first rule for an agent closes the agents that have none to everybody but the owner.
    ///
    /// An entry is a name, name@org for a user in an organisation or the members of a team of it, or * for everybody whose
    /// credential the pack takes. Prints the entries that there are then.
    Allow(Lazy<PackUsers>),
    /// Take somebody off the list of a pack, or of one of its agents
    ///
    /// Prints the entries that are left.
    Deny(Lazy<PackUsers>),
    /// List, make, rotate and end the tokens of a pack, or show the one of the wallet
    ///
    /// Lists the tokens unless told otherwise. One that is made under a name is printed, once, for whoever is to have it; the
    /// one named default goes to the wallet.
    Token(Lazy<PackToken>),
    /// Put the token of a pack into the wallet that somebody gave
    ///
    /// The token comes from a file, from stdin, or from ENVELOPE_TOKEN; it is never an argument, which others could see.
    Add(Lazy<PackAdd>),
    /// Take the registration of a pack off its verifier, and the pack out of the wallet
    ///
    /// Its rules and tokens are gone then, and the pack is one that is not listed: open to everybody unless the verifier
    /// requires auth. The pack itself stays where it is.
    Remove(Lazy<PackRemove>),
}

#[derive(Args, Debug)]
pub(crate) struct PackDeploy {
    /// The bundle, JSON: a file, or - for stdin
    #[arg(value_name = "F")]
    pub(crate) file: PathBuf,
    /// The verifier [default: the only one of the wallet]
    #[arg(long, value_name = "URL")]
    pub(crate) at: Option<Origin>,
    /// Deploy at /api/swarm/deploy, the older name
    #[arg(long)]
    pub(crate) swarm: bool,
    /// Who deploys [default: signed where there is an identity key here, else none]
    #[arg(long = "as", value_enum, value_name = "WHO")]
    pub(crate) deployer: Option<Deployer>,
    #[command(flatten)]
    pub(crate) rules: Rules,
    #[command(flatten)]
    pub(crate) plain_http: PlainHttp,
    #[command(flatten)]
    pub(crate) passphrase: Passphrase,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deployer {
    /// The identity
    Signed,
    /// Nobody
    None,
}

#[derive(Args, Debug)]
pub(crate) struct PackRegister {
    /// The guid of the pack
    pub(crate) guid: Guid,
    /// The verifier [default: the only one of the wallet]
    #[arg(long, value_name = "URL")]
    pub(crate) at: Option<Origin>,
    /// Call it under /api/swarm/, the older name
    #[arg(long)]
    pub(crate) swarm: bool,
    #[command(flatten)]
    pub(crate) rules: Rules,
    #[command(flatten)]
    pub(crate) plain_http: PlainHttp,
    #[command(flatten)]
    pub(crate) passphrase: Passphrase,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Args, Debug)]
pub(crate) struct PackList {
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Args, Debug)]
pub(crate) struct PackShow {
    /// The pack: its guid, the beginning of it, or its URL
    pub(crate) pack: String,
    #[command(flatten)]
    pub(crate) passphrase: Passphrase,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Args, Debug)]
pub(crate) struct PackSet {
    /// The pack: its guid, the beginning of it, or its URL
    pub(crate) pack: String,
    #[command(flatten)]
    pub(crate) rules: Rules,
    #[command(flatten)]
    pub(crate) passphrase: Passphrase,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Args, Debug)]
pub(crate) struct PackUsers {
    /// The pack: its guid, the beginning of it, or its URL
    pub(crate) pack: String,
    /// Who is meant: a name, name@org, or *
    #[arg(value_name = "ENTRY", required = true, value_parser = read_entry)]
    pub(crate) entries: Vec<String>,
    /// The agent whose list is meant [default: the pack's own]
    #[arg(long, value_name = "A")]
    pub(crate) agent: Option<String>,
    #[command(flatten)]
    pub(crate) passphrase: Passphrase,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Args, Debug)]
pub(crate) struct PackToken {
    /// The pack: its guid, the beginning of it, or its URL
    pub(crate) pack: String,
    /// Make a new token in place of the one that there is
    #[arg(long, conflicts_with = "end")]
    pub(crate) rotate: bool,
    /// Which token: one that is not there is made
    #[arg(long, value_name = "N", value_parser = read_token_name)]
    pub(crate) name: Option<String>,
    /// How long the new token is good: 90s, 15m, 24h or 90d [default: until it is rotated]
    #[arg(long, value_name = "T", conflicts_with = "end")]
    pub(crate) ttl: Option<Term>,
    /// How long the one before is good yet: 0s to 7d [default: 0s]
    #[arg(long, value_name = "T", requires = "rotate")]
    pub(crate) overlap: Option<Overlap>,
    /// End every token of that name
    #[arg(long)]
    pub(crate) end: bool,
    /// Print the token: the new one, or the one of the wallet, for which nobody is asked
    #[arg(long, conflicts_with = "end")]
    pub(crate) show: bool,
    #[command(flatten)]
    pub(crate) plain_http: PlainHttp,
    #[command(flatten)]
    pub(crate) passphrase: Passphrase,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Args, Debug)]
pub(crate) struct PackAdd {
    /// The URL of the pack: URL-OF-VERIFIER/api/pack/GUID
    #[arg(value_name = "URL")]
    pub(crate) pack: PackId,
    /// The token: a file that only its owner can read, or - for stdin [env: ENVELOPE_TOKEN]
    // Read elsewhere: clap's help would show what is in the variable.
    #[arg(long, value_name = "F")]
    pub(crate) token_file: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct PackRemove {
    /// The pack: its guid, the beginning of it, or its URL
    pub(crate) pack: String,
    /// Take it out of the wallet also when the verifier does not take it out there
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) passphrase: Passphrase,
}

fn read_token_name(text: &str) -> Result<String, &'static str> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    // In a path these would lead elsewhere.
    let ok = (1..=64).contains(&text.len()) && text.bytes().all(is_name) && !matches!(text, "." | "..");
    if ok { Ok(text.into()) } else { Err("a token's name has 1 to 64 characters of A-Z a-z 0-9 . _ -") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_a_token_stays_in_its_path() {
        for text in ["default", "ci-2.x_y", &"a".repeat(64)] {
            assert_eq!(read_token_name(text).as_deref(), Ok(text));
        }
        for text in ["", ".", "..", "a/b", "a b", "a%2F", &"a".repeat(65)] {
            assert!(read_token_name(text).is_err(), "{text}");
        }
    }
}
