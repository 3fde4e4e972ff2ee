//! What a file under `statements/` holds.

use std::collections::BTreeMap;
use std::io;

use envelope_core::Code;
use serde::{Deserialize, Serialize};

use super::{Outcome, Verdict};
use crate::format::{files, root};

/// One vector: what is written down, and what comes in one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vector {
    /// The name of the file, without `.json`.
    #[serde(skip)]
    pub name: String,
    /// What is right or wrong.
    pub title: String,
    /// The step or rule of keys.md that decides: `K2.3`, `R6`.
    pub spec: String,
    /// What it would mean to a user if an implementation got this wrong.
    pub if_broken: String,
    /// What the verifier has written down before, in the order of the thumbprints' bytes.
    pub records: Vec<Record>,
    /// What comes in, in order.
    pub steps: Vec<Step>,
}

/// What is written down of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its thumbprint.
    pub key: String,
    /// What it is; absent: it was revoked before anybody had registered it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub role: Option<Role>,
    /// Whose it is; absent when the role is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub identity: Option<String>,
    /// The key, of a call key.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub jwk: Option<BTreeMap<String, String>>,
    /// The moment from which on it is not good any more; absent: it has no end.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expires: Option<u64>,
    /// Certificates that it issued before are revoked; absent: none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub issued_from: Option<u64>,
    /// Whether it is revoked; absent: no.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub revoked: bool,
    /// The thumbprint of the key that came after it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub successor: Option<String>,
}

/// What a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// An identity key.
    Identity,
    /// A call key that is registered.
    Call,
}

/// One thing that comes in, and what must come of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// `valid`, or the code of the refusal.
    pub expect: String,
    /// The verifier's clock, in seconds since 1970.
    pub now: u64,
    /// What comes in.
    #[serde(flatten)]
    pub act: Act,
    /// All that is written down afterwards; absent when refused, and for a list.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub records: Option<Vec<Record>>,
    /// What the list holds; absent when refused, and for all else.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub content: Option<List>,
}

/// What comes in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Act {
    /// A succession or a retirement.
    Statement {
        /// Its text.
        statement: String,
    },
    /// A revocation list.
    List {
        /// Its text.
        list: String,
        /// The thumbprint of the key that the reader was told.
        issuer: String,
    },
    /// An admin registers a key (R1).
    Register {
        /// What is to be written down.
        register: Record,
    },
    /// An admin revokes (R4 to R6).
    Revoke {
        /// What is revoked.
        revoke: Revocation,
    },
}

/// What an admin revokes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Revocation {
    /// A key (R4).
    Key {
        /// Its thumbprint.
        key: String,
    },
    /// What an identity issued before a moment (R6).
    IssuedBefore {
        /// Its name.
        identity: String,
        /// The moment.
        issued_before: u64,
    },
    /// All keys that an identity has (R5).
    Identity {
        /// Its name.
        identity: String,
    },
}

/// What a revocation list holds: its claims but for `iss`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// When it was issued.
    pub iat: u64,
    /// The thumbprints of revoked keys.
    pub keys: Vec<String>,
    /// Certificates that are revoked one by one.
    pub certificates: Vec<RevokedCertificate>,
    /// Identity keys of which what they issued before a moment is revoked.
    pub issued_from: Vec<Narrowed>,
    /// Identity keys that end.
    pub until: Vec<Ended>,
}

/// A certificate by its identity key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokedCertificate {
    /// The thumbprint of the identity key.
    pub key: String,
    /// The `jti`.
    pub jti: String,
}

/// An identity key of which what it issued before a moment is revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Narrowed {
    /// Its thumbprint.
    pub key: String,
    /// The moment.
    pub from: u64,
}

/// An identity key that ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Its thumbprint.
    pub key: String,
    /// The moment from which on it is not good any more.
    pub until: u64,
}

impl Vector {
    /// What must come out of it; [`run`](super::run) says what does.
    #[must_use]
    pub fn expected(&self) -> Outcome {
        Outcome(self.steps.iter().map(Step::expected).collect())
    }
}

impl Step {
    fn expected(&self) -> Verdict {
        match (Code::parse(&self.expect), &self.content) {
            (Some(code), _) => Verdict::Refused(code),
            (None, Some(list)) => Verdict::Holds(list.clone()),
            (None, None) => Verdict::Written(self.records.clone().unwrap_or_default()),
        }
    }
}

/// Reads all vectors, in the order of their names.
///
/// # Errors
/// A file that cannot be read, is no vector, or expects what is no code.
pub fn load() -> io::Result<Vec<Vector>> {
    let mut vectors = Vec::new();
    for path in files(&root().join("statements"))? {
        let named = |problem: &str| io::Error::other(format!("{}: {problem}", path.display()));
        let text = std::fs::read_to_string(&path)?;
        let mut vector: Vector = serde_json::from_str(&text).map_err(|error| named(&error.to_string()))?;
        let name = path.file_stem().and_then(|name| name.to_str());
        vector.name = name.ok_or_else(|| named("the name is not name.json"))?.into();
        for step in &vector.steps {
            let says_what_comes = match step.act {
                Act::List { .. } => step.content.is_some() && step.records.is_none(),
                _ => step.records.is_some() && step.content.is_none(),
            };
            let says_nothing = step.records.is_none() && step.content.is_none();
            let is_refused = Code::parse(&step.expect).is_some() && says_nothing;
            if !is_refused && (step.expect != "valid" || !says_what_comes) {
                return Err(named("expect is neither a code nor valid with what comes of it"));
            }
        }
        vectors.push(vector);
    }
    Ok(vectors)
}
