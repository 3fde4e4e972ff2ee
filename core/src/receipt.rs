//! Receipts: the lines of a verifier's audit log, and the chain that holds them together (`spec/receipts.md`).
//!
//! [`Head::append`] writes a line, [`Line::parse`] reads one, and an [`Auditor`] is shown them all: it finds what was changed,
//! dropped, swapped or put in, and verifies every signature again.

mod audit;
mod evidence;

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::Refusal;
use crate::key::{self, Signature, SigningKey, VerifyingKey};
use crate::time::Timestamp;

pub use self::audit::{Auditor, Tally};
pub use self::evidence::Evidence;
pub use crate::key::jwk::Jwk;

/// The longest line, in bytes, without its end: an envelope at its largest, and room.
pub const MAX_LINE: usize = 256 << 10;

/// The `typ` of what signs a checkpoint: no other signature of a verifier has it.
const TYP: &str = "envelope-checkpoint";

/// Where a log ends: the number of its last line, and the hash of that.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    seq: u64,
    hash: [u8; 32],
}

impl Head {
    /// Before the first line.
    pub const START: Self = Self { seq: 0, hash: [0; 32] };

    /// Reads `NUMBER:HASH`, as [`Display`](fmt::Display) writes it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (seq, hash) = text.split_once(':')?;
        let read = Self { seq: seq.parse().ok()?, hash: key::base64url(hash)? };
        (read.to_string() == text).then_some(read)
    }

    /// The number of the line.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// The next line, without its end, and where the log ends then. `entry` is what [`Entry::to_json`] gives.
    #[must_use]
    pub fn append(&self, entry: &str) -> (String, Self) {
        let seq = self.seq.saturating_add(1);
        let rest = entry.strip_prefix('{').unwrap_or(entry);
        let line = format!("{{\"seq\":{seq},\"prev\":\"{}\",{rest}", encode(&self.hash));
        let hash = Sha256::digest(line.as_bytes()).into();
        (line, Self { seq, hash })
    }

    /// What signs for everything up to here, as the line that comes next.
    #[must_use]
    pub fn checkpoint(&self, time: Timestamp, key: &SigningKey) -> Entry {
        let time = time.as_unix();
        let input = self.signing_input(time, key.verifying_key());
        let signature = encode(key.sign(input.as_bytes()).as_bytes());
        Entry::Checkpoint(Checkpoint { time, jws: format!("{input}.{signature}") })
    }

    /// The one text that a checkpoint behind this line can have signed.
    fn signing_input(&self, time: u64, key: &VerifyingKey) -> String {
        let (alg, kid) = (key.algorithm().jose_name(), key.thumbprint());
        let header = format!("{{\"alg\":\"{alg}\",\"kid\":\"{kid}\",\"typ\":\"{TYP}\"}}");
        let (seq, prev) = (self.seq.saturating_add(1), encode(&self.hash));
        let claims = format!("{{\"seq\":{seq},\"prev\":\"{prev}\",\"time\":{time}}}");
        format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()))
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, encode(&self.hash))
    }
}

/// A line as it was read: what it says of its place has not been looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    before: Head,
    here: Head,
    entry: Entry,
}

impl Line {
    /// Reads a line, without its end, in the one spelling that it can have.
    ///
    /// # Errors
    /// [`Flaw::Unreadable`].
    pub fn parse(line: &[u8]) -> Result<Self, Flaw> {
        let text = core::str::from_utf8(line).map_err(|_| Flaw::Unreadable)?;
        let (before, rest) = place(text).ok_or(Flaw::Unreadable)?;
        let entry: Entry = serde_json::from_str(&format!("{{{rest}")).map_err(|_| Flaw::Unreadable)?;
        // Another spelling of the same would have another hash, and behind the last line nobody compares that.
        let (again, here) = before.append(&entry.to_json());
        if again == text && line.len() <= MAX_LINE {
            Ok(Self { before, here, entry })
        } else {
            Err(Flaw::Unreadable)
        }
    }

    /// Where a log ends that ends with this line.
    #[must_use]
    pub const fn head(&self) -> Head {
        self.here
    }

    /// What it says.
    #[must_use]
    pub const fn entry(&self) -> &Entry {
        &self.entry
    }
}

/// What a line says of the one before it, and the rest of it.
fn place(text: &str) -> Option<(Head, &str)> {
    let (seq, rest) = text.strip_prefix("{\"seq\":")?.split_once(",\"prev\":\"")?;
    let (prev, rest) = rest.split_once("\",")?;
    Some((Head { seq: seq.parse::<u64>().ok()?.checked_sub(1)?, hash: key::base64url(prev)? }, rest))
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Entry {
    /// A verifier begins to write: at its start, and in each file.
    Open(Open),
    /// A decision.
    Receipt(Receipt),
    /// Decisions that have no line of their own.
    Omitted(Omitted),
    /// A signature over everything before it.
    Checkpoint(Checkpoint),
}

impl Entry {
    /// The entry as a JSON object on one line, as [`Head::append`] takes it.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Strings and numbers always serialise.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// When it was written, in seconds since 1970.
    #[must_use]
    pub const fn time(&self) -> u64 {
        match self {
            Self::Open(Open { time, .. })
            | Self::Receipt(Receipt { time, .. })
            | Self::Omitted(Omitted { time, .. })
            | Self::Checkpoint(Checkpoint { time, .. }) => *time,
        }
    }
}

/// Whose log it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Open {
    /// Seconds since 1970.
    pub time: u64,
    /// [`Open::VERSION`].
    pub version: String,
    /// The key that signs the checkpoints.
    pub key: Jwk,
    /// By whom login certificates are issued, where the verifier does so.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub issuer: Option<LoginIssuer>,
    /// How many bytes of a line that was not finished were taken out before this one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub torn: Option<u64>,
}

impl Open {
    /// The version of the format.
    pub const VERSION: &'static str = "envelope-receipts/1";
}

/// By whom login certificates are issued.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginIssuer {
    /// `iss` of the certificates.
    pub url: String,
    /// The key that signs them.
    pub key: Jwk,
}

/// A decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Seconds since 1970: for an envelope, the moment that stages 3 and 4 went by.
    pub time: u64,
    /// The request: what became of one request in the end may be a second line.
    pub id: String,
    /// What was decided.
    pub decision: Verdict,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub code: Option<String>,
    /// Who it was, as far as that was known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub identity: Option<String>,
    /// The thumbprint of the call key that signed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub keyid: Option<String>,
    /// The guid of the pack.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pack: Option<String>,
    /// The agent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub agent: Option<String>,
    /// The address of the client.
    pub peer: String,
    /// How long the verifier took to decide, the arrival of the body included, in microseconds.
    pub micros: u64,
    /// What proves it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub envelope: Option<Evidence>,
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The request goes on, to the upstream or to an endpoint of the verifier.
    Allow,
    /// It was refused.
    Deny,
}

/// Decisions that have no line of their own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Omitted {
    /// Seconds since 1970.
    pub time: u64,
    /// Refusals that were only counted, by code.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub sampled: BTreeMap<String, u64>,
    /// Receipts that could not be written.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub lost: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A signature over everything before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    time: u64,
    jws: String,
}

impl Checkpoint {
    /// Whether this key has signed for what lies before the line.
    fn verify(&self, before: &Head, key: &VerifyingKey) -> Result<(), Flaw> {
        let (input, signature) = self.jws.rsplit_once('.').ok_or(Flaw::Checkpoint)?;
        let signature = Signature::from_bytes(key::base64url(signature).ok_or(Flaw::Checkpoint)?);
        if input != before.signing_input(self.time, key) {
            return Err(Flaw::Checkpoint);
        }
        key.verify(input.as_bytes(), &signature).map_err(|_| Flaw::Checkpoint)
    }
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flaw {
    /// It is no line of a log, or not in the one spelling of one.
    Unreadable,
    /// Its number is not the one after that of the line before: lines were dropped, swapped or put in.
    Sequence,
    /// It does not hold the hash of the line before: that line, or this one, is not the one that was written.
    Chain,
    /// The log does not say whose it is, or is another verifier's.
    Key,
    /// The checkpoint is not signed by the key of the log, or signs for other lines.
    Checkpoint,
    /// The envelope does not verify.
    Envelope(Refusal),
    /// The line says something else than the envelope in it.
    Mismatch(&'static str),
    /// It is not the line that was noted elsewhere, or that line is not there.
    Noted,
    /// More lines follow each other without a checkpoint than a verifier writes, or the log has a receipt before its first one.
    Unsigned,
    /// There is no line.
    Empty,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable => f.write_str("it is no line of an audit log, in the one spelling of one"),
            Self::Sequence => f.write_str("its number does not follow that of the line before"),
            Self::Chain => {
                f.write_str("it does not hold the hash of the line before: one of the two was changed")
            }
            Self::Key => f.write_str("the log does not say whose it is, or is that of another key"),
            Self::Checkpoint => {
                f.write_str("the checkpoint is not signed by the verifier's key for what is before it")
            }
            Self::Envelope(refusal) => write!(f, "its envelope does not verify: {refusal}"),
            Self::Mismatch(what) => write!(f, "it is not what was signed: {what}"),
            Self::Noted => f.write_str("the line that was noted is another one, or is not there"),
            Self::Unsigned => f.write_str("the verifier would have signed a checkpoint before it"),
            Self::Empty => f.write_str("there is no line of an audit log"),
        }
    }
}

impl core::error::Error for Flaw {}

fn encode(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}
