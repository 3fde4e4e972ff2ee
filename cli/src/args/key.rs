//! Identity keys and their passphrases, on the command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Json, Lazy};

/// A key that is to be made.
#[derive(Args, Debug)]
pub(crate) struct NewKey {
    /// The algorithm of the key, and of the call keys that it certifies
    #[arg(long, value_enum, default_value_t = KeyAlgorithm::Ed25519)]
    pub(crate) alg: KeyAlgorithm,
    /// Keep the key in the keyring of the desktop; it has no passphrase of its own then
    #[arg(long)]
    pub(crate) keyring: bool,
    #[command(flatten)]
    pub(crate) passphrase: NewPassphrase,
}

#[derive(Args, Debug)]
pub(crate) struct Keygen {
    #[command(flatten)]
    pub(crate) key: NewKey,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
pub(crate) enum KeyAlgorithm {
    Ed25519,
    P256,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Key {
    /// List the identity keys: name, algorithm, keyid, where the key lives
    List(Lazy<KeyList>),
    /// Print the public key of the identity
    Show(Lazy<KeyShow>),
    /// Make a key that is there already the key of the identity, and print its keyid
    ///
    /// F is a private key of Ed25519 or P-256: an OpenSSH key, PKCS#8 or SEC 1 in PEM, or a JWK. An encrypted one needs its
    /// passphrase and is kept encrypted under it; one that is not is encrypted when a passphrase is given.
    ///
    /// With --ssh-agent KEY the key stays in the ssh-agent, which is asked for a signature whenever a call key is made. KEY is
    /// one of the keys that `ssh-add -L` lists, in any spelling. Keys on PIV and PKCS#11 tokens are fine; FIDO keys are not:
    /// they sign other bytes than they are given.
    Import(Lazy<KeyImport>),
    /// Print the key of the identity for other programs, the public one unless told otherwise
    ///
    /// An encrypted private key stays encrypted as PEM and for OpenSSH; a JWK is never encrypted. A key in the ssh-agent has
    /// no private form.
    Export(Lazy<KeyExport>),
}

#[derive(Args, Debug)]
pub(crate) struct KeyList {
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Args, Debug)]
pub(crate) struct KeyShow {
    /// The spelling of the key
    #[arg(long, value_enum, default_value_t = KeyFormat::Jwk)]
    pub(crate) format: KeyFormat,
    #[command(flatten)]
    pub(crate) passphrase: Passphrase,
    /// Print every spelling, in one JSON object
    #[arg(long, conflicts_with = "format")]
    pub(crate) json: bool,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
pub(crate) enum KeyFormat {
    Jwk,
    Pem,
    Keyid,
    Did,
    Openssh,
}

#[derive(Args, Debug)]
pub(crate) struct KeyImport {
    /// The private key: a file that only its owner can read, or - for stdin
    #[arg(value_name = "F", required_unless_present = "ssh_agent")]
    pub(crate) file: Option<PathBuf>,
    /// A key that the ssh-agent holds: file (PEM, JWK, OpenSSH), OpenSSH line, did:key or thumbprint
    // A thumbprint may start with a dash.
    #[arg(
        long,
        value_name = "KEY",
        allow_hyphen_values = true,
        conflicts_with_all = ["file", "keyring", "passphrase", "passphrase_file", "passphrase_command"]
    )]
    pub(crate) ssh_agent: Option<String>,
    /// Keep the key in the keyring of the desktop; a passphrase only opens the file then
    #[arg(long, conflicts_with = "passphrase")]
    pub(crate) keyring: bool,
    #[command(flatten)]
    pub(crate) passphrase: NewPassphrase,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Args, Debug)]
pub(crate) struct KeyExport {
    /// The spelling of the key
    #[arg(long, value_enum, default_value_t = ExportFormat::Pem)]
    pub(crate) format: ExportFormat,
    /// Print the private key
    #[arg(long)]
    pub(crate) private: bool,
    #[command(flatten)]
    pub(crate) passphrase: Passphrase,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
pub(crate) enum ExportFormat {
    Pem,
    Jwk,
    Openssh,
    Did,
}

/// Without any of it, whoever is at the terminal is asked when a key turns out to be encrypted.
#[derive(Args, Clone, Debug)]
pub(crate) struct Passphrase {
    /// File with the passphrase of the key, on one line [env: ENVELOPE_PASSPHRASE_FILE]
    // Read elsewhere: clap takes an empty variable for a file without a name, and its help would show what is in a command.
    #[arg(long, value_name = "F", conflicts_with = "passphrase_command")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Shell command that prints the passphrase on its first line [env: ENVELOPE_PASSPHRASE_COMMAND]
    #[arg(long, value_name = "CMD")]
    pub(crate) passphrase_command: Option<OsString>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct NewPassphrase {
    #[command(flatten)]
    pub(crate) source: Passphrase,
    /// Ask at the terminal for a new passphrase, twice
    #[arg(long, conflicts_with_all = ["passphrase_file", "passphrase_command"])]
    pub(crate) passphrase: bool,
}
