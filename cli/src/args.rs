//! The command line: names, flags and help texts, defined once for the program, the man pages and the completions.

mod audit;
mod call;
mod key;
mod lazy;
mod life;
mod pack;
mod rules;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use envelope_core::Authorities;

use crate::clock::{Lifetime, Moment};
use crate::identity::Name;

pub(crate) use audit::{Audit, AuditShow, AuditVerify, Decision};
pub(crate) use call::{Call, CredentialKind, Login, Logout, PlainHttp};
pub(crate) use key::{
    ExportFormat, Key, KeyAlgorithm, KeyExport, KeyFormat, KeyImport, KeyList, KeyShow, Keygen, NewKey,
    NewPassphrase, Passphrase,
};
pub(crate) use lazy::Lazy;
pub(crate) use life::{Enroll, Forget, Register, Revoke, RevokeOthers, Rotate, Ticket};
pub(crate) use pack::{
    Deployer, Pack, PackAdd, PackDeploy, PackList, PackRegister, PackRemove, PackSet, PackShow, PackToken,
    PackUsers,
};
#[cfg(test)]
pub(crate) use rules::Accept;
pub(crate) use rules::Rules;

/// Reads the command line.
pub(crate) fn read() -> Result<Cli, clap::Error> {
    Cli::try_parse()
}

/// Sign HTTP requests with keys that make, renew and expire by themselves
///
/// `envelope keygen` once, then `envelope sign` or `envelope call` for ever: the short-lived call key that signs is made and
/// renewed on the way. A keyid is the thumbprint of the public key (RFC 7638).
///
/// Identity keys live under $ENVELOPE_HOME/identities, else $XDG_DATA_HOME/envelope/identities, else
/// ~/.local/share/envelope/identities; call keys under $ENVELOPE_HOME/run, else $XDG_RUNTIME_DIR/envelope, else
/// $XDG_CACHE_HOME/envelope, else ~/.cache/envelope.
///
/// `envelope man` prints the manual page, `envelope completions SHELL` completions for a shell.
///
/// Exit status: 0 done or valid, 1 refused, 2 usage or I/O.
#[derive(Parser, Debug)]
#[command(name = "envelope", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// The identity whose key is meant [default: for sign, call and admins the one that the verifier knows; else `default`]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) identity: Option<Name>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Make an identity key and print its keyid
    ///
    /// Fails when the identity has a key already; nothing is overwritten. Without a passphrase and without --keyring the key is
    /// kept in a file that only its owner can read.
    Keygen(Lazy<Keygen>),
    /// List, show, import and export identity keys
    #[command(subcommand)]
    Key(Key),
    /// Make an identity known to a verifier, with a ticket of its admin or the token of a pack
    ///
    /// Makes the key where there is none, and remembers the verifier in the wallet: from then on `envelope call` picks the
    /// credential by itself, and `envelope rotate` tells the verifier. Without a ticket, asks a verifier whether it knows the
    /// key already (--trust, `envelope register`). Prints what the verifier calls the identity.
    Enroll(Lazy<Enroll>),
    /// Print the header fields that sign a request
    ///
    /// Prints exactly the fields to add, one a line, so that curl takes them as they are:
    ///
    ///     curl -H @<(envelope sign POST URL --body req.json) --data-binary @req.json URL
    ///
    /// Fields given with -H are covered and not repeated: send them as they were given. With --body and no -H
    /// 'Content-Type: …', a Content-Type line comes first and is covered too (application/json when the body is JSON text,
    /// else application/octet-stream), because curl and most clients would otherwise add one of their own, which the
    /// signature would not cover and a verifier would refuse.
    #[command(verbatim_doc_comment)]
    Sign(Lazy<Sign>),
    /// Call an agent of a pack, or sign and send any request, and print the answer
    ///
    ///     envelope call PACK AGENT ARGUMENTS
    ///     envelope call METHOD URL --body req.json
    ///
    /// ARGUMENTS is a JSON object, such as '{"city":"Berlin"}'. The first form posts {"name":AGENT,"args":ARGUMENTS} to
    /// URL-OF-PACK/agent.
    ///
    /// The wallet says where the pack is and which credential goes there: the identity that the verifier knows, else a login,
    /// else the token of the pack. A pack that takes none is called without, where there is no identity key here.
    ///
    /// The body of the answer goes to stdout as it arrives. Redirects are not followed: a signature is for one address. Exit
    /// status 0 for a status of 200 to 299, 1 for any other, 2 when there is no answer or it breaks off.
    ///
    /// HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, in upper or lower case, are followed, but never for localhost and
    /// loopback addresses.
    #[command(verbatim_doc_comment)]
    Call(Lazy<Call>),
    /// Deploy packs, say who may call them, and keep their tokens
    #[command(subcommand)]
    Pack(Pack),
    /// Log in at a verifier, by an identity provider that it trusts
    ///
    /// Says where to go with a browser, and which code to enter there (RFC 8628). The verifier then certifies a call key, with
    /// which `envelope call` and `envelope sign` sign from then on. It is renewed quietly as long as the provider goes along with
    /// it. Prints what the verifier calls whoever has logged in.
    Login(Lazy<Login>),
    /// Forget a login: its call key, and what renews it
    Logout(Lazy<Logout>),
    /// Take a verifier out of the wallet
    Forget(Lazy<Forget>),
    /// Hand over from the identity key to a new one, and tell every verifier of the wallet
    ///
    /// Both keys are good until the overlap ends. A verifier that cannot be reached is told by the next command that talks to
    /// it; until then, requests to it are signed with the key that it knows. Prints the new keyid.
    Rotate(Lazy<Rotate>),
    /// Revoke the own key for ever; or as an admin, keys, identities and certificates of others
    ///
    /// The own key is revoked at every verifier of the wallet, and removed here. There is no way back: the identity needs a new
    /// key, and a new ticket.
    Revoke(Lazy<Revoke>),
    /// Print a certificate for a key that somebody else holds
    ///
    /// For an agent process or a CI job that has a key pair of its own. Without --aud and --scope the certificate is good for
    /// everything that the identity may do.
    ///
    /// The holder signs with it and needs no identity:
    ///
    ///     openssl genpkey -algorithm ed25519 -out ci.pem && openssl pkey -in ci.pem -pubout -out ci.pub.pem
    ///     envelope certify --for ci.pub.pem > ci.jws
    ///     envelope call GET URL --key ci.pem --certificate ci.jws
    ///
    /// or sends it as Signature-Key: sig=jkt-jwt;jwt="…" and signs with an RFC 9421 library, spec sections 3 to 5.
    #[command(verbatim_doc_comment)]
    Certify(Lazy<Certify>),
    /// Check a signed request and say who, what and until when
    ///
    /// Reads a JSON envelope document or a raw HTTP/1.1 request. Whether the request was seen before (replay), and what the
    /// certificate's audience and scope are worth to the server, is not checked by this command.
    Verify(Lazy<Verify>),
    /// Show what is inside a signed request or a certificate, trusting none of it
    ///
    /// Reads a JSON envelope document, a raw HTTP/1.1 request or a certificate, and prints its values, each marked untrusted,
    /// and the signature base.
    Inspect(Lazy<Inspect>),
    /// Verify the audit log of a verifier again, or show what is in it
    #[command(subcommand)]
    Audit(Audit),
    /// As an admin, print a ticket that makes one new key known to the verifier, once
    Ticket(Lazy<Ticket>),
    /// As an admin, make a key known to the verifier
    Register(Lazy<Register>),
    /// Print completions for a shell
    #[command(hide = true)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write all of them
    #[command(hide = true)]
    Man {
        /// Write one page per command into this directory
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Json {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// A call key that somebody handed out, in place of one of the identity.
#[derive(Args, Debug)]
pub(crate) struct Handed {
    /// Sign with this call key and no identity: a private key in PKCS#8 PEM that only its owner can read
    #[arg(long, value_name = "F", requires = "certificate")]
    pub(crate) key: Option<PathBuf>,
    /// The certificate of that key, as envelope certify prints it
    #[arg(long, value_name = "F", requires = "key")]
    pub(crate) certificate: Option<PathBuf>,
}

/// The request to sign.
#[derive(Args, Debug)]
pub(crate) struct Outgoing {
    /// The method, in upper case
    pub(crate) method: String,
    /// The full URL, exactly as it will be sent
    pub(crate) url: String,
    /// The body: a file, or - for stdin
    #[arg(long, value_name = "F")]
    pub(crate) body: Option<PathBuf>,
    /// A header field that will be sent, to be covered by the signature
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    pub(crate) header: Vec<String>,
}

#[derive(Args, Debug)]
pub(crate) struct Sign {
    #[command(flatten)]
    pub(crate) request: Outgoing,
    /// Header fields (unless told otherwise), the envelope as a JSON document, or a curl command
    #[arg(long, value_enum)]
    pub(crate) format: Option<SignFormat>,
    /// How long the signature is good, 1 to 300; verifiers take 60 unless told otherwise
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=300))]
    pub(crate) ttl: u64,
    #[command(flatten)]
    pub(crate) handed: Handed,
    #[command(flatten)]
    pub(crate) passphrase: Passphrase,
    /// The same as --format json
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
pub(crate) enum SignFormat {
    Headers,
    Json,
    Curl,
}

impl SignFormat {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Headers => "headers",
            Self::Json => "json",
            Self::Curl => "curl",
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct Verify {
    /// The message: a file, or - for stdin
    #[arg(value_name = "F", default_value = "-")]
    pub(crate) file: PathBuf,
    /// An identity key to trust: file (PEM, JWK, OpenSSH), did:key or thumbprint; NAME is what its owner is called here
    // A thumbprint may start with a dash.
    #[arg(long, required = true, value_name = "[NAME=]KEY", allow_hyphen_values = true)]
    pub(crate) trust: Vec<String>,
    /// A host that the message may be for, as host or host:port; the one that it names when not given
    #[arg(long, value_name = "HOST")]
    pub(crate) authority: Vec<String>,
    /// Verify as if it were this moment: RFC 3339, or seconds since 1970
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<Moment>,
    /// The longest time that a signature may be good, 1 to 300
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=300))]
    pub(crate) window: u64,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Args, Debug)]
pub(crate) struct Inspect {
    /// The message or certificate: a file, or - for stdin
    #[arg(value_name = "F", default_value = "-")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Args, Debug)]
pub(crate) struct Certify {
    /// The public key: file (PEM, JWK, OpenSSH) or did:key
    #[arg(long = "for", value_name = "KEY", allow_hyphen_values = true)]
    pub(crate) key: String,
    /// How long the certificate is good: 90s, 15m or 24h, at most 24h
    #[arg(long, value_name = "TIME", default_value = "15m")]
    pub(crate) ttl: Lifetime,
    /// Where it is good: a host, host:port or pack guid; everywhere when not given
    #[arg(long, value_name = "AUDIENCE", value_parser = read_audience)]
    pub(crate) aud: Vec<String>,
    /// What it is good for, such as call, deploy or admin; everything when not given
    #[arg(long, value_name = "SCOPE")]
    pub(crate) scope: Vec<String>,
    #[command(flatten)]
    pub(crate) passphrase: Passphrase,
    #[command(flatten)]
    pub(crate) json: Json,
}

/// An audience that no request can ever have, such as a URL, would make a certificate that is good for nothing.
fn read_audience(text: &str) -> Result<String, &'static str> {
    let is_guid = (1..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte));
    if is_guid || Authorities::new([text]).is_ok() {
        Ok(text.into())
    } else {
        Err("an audience is a host, host:port or the guid of a pack")
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// How many arguments each command has that has no commands of its own.
    fn counts(command: &clap::Command) -> Vec<(String, usize)> {
        let own: Vec<_> =
            command.get_subcommands().filter(|it| !it.is_hide_set() && it.get_name() != "help").collect();
        match own.is_empty() {
            true => vec![(command.get_name().to_owned(), command.get_arguments().count())],
            false => own.into_iter().flat_map(counts).collect(),
        }
    }

    #[test]
    fn no_command_is_spelled_out_before_it_is_read() {
        let mut command = Cli::command();
        for (name, count) in counts(&command) {
            assert_eq!(count, 0, "{name}");
        }
        command.build();
        for (name, count) in counts(&command) {
            assert!(count > 0, "{name}");
        }
    }
}
