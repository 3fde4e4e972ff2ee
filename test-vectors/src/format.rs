//! What a vector file holds.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use envelope_core::Code;
use serde::{Deserialize, Serialize};

use crate::runner::{Outcome, Verdict};

/// One vector: a verifier, what it is shown, and what it must say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vector {
    /// `topic/name`: where the file lies, without `.json`.
    #[serde(skip)]
    pub name: String,
    /// What is right or wrong with the request.
    pub title: String,
    /// The step of the spec that decides: `V2.3`; `8` for documents.
    pub spec: String,
    /// What it would mean to a user if an implementation got this wrong.
    pub if_broken: String,
    /// The request and the expectation, or several in a row.
    #[serde(flatten)]
    pub exchange: Exchange,
    /// What the verifier is told beforehand.
    pub verifier: Verifier,
}

/// One request, or several that the same verifier sees in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Exchange {
    /// Several requests to one verifier, which remembers the nonces of those before until it begins anew.
    Sequence {
        /// The requests, in order.
        steps: Vec<Step>,
    },
    /// One request.
    Single(Box<Step>),
}

/// A request, when it arrives, and what must come of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// `valid`, or the code of the refusal.
    pub expect: String,
    /// The stage that refuses; absent when valid.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stage: Option<u8>,
    /// Who calls; absent when refused, and when there is no envelope.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub identity: Option<String>,
    /// The thumbprint of the call key; absent when refused, and when there is no envelope.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub keyid: Option<String>,
    /// The verifier's clock, in seconds since 1970.
    pub now: u64,
    /// The verifier's clock when the body has been read; absent: `now`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub now_after_body: Option<u64>,
    /// The verifier's clock when the replay cache is asked; absent: as when the body has been read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub now_at_replay: Option<u64>,
    /// Before this request the verifier began anew, and forgot its nonces; the run before it could have accepted what was
    /// created until then. Absent: it did not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub restart: Option<u64>,
    /// What the request wants; absent: scope `call`, and no pack.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub access: Option<Access>,
    /// The request.
    #[serde(flatten)]
    pub message: Message,
    /// The lines of the signature base, which LF joins; absent when refused, and when there is no envelope.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub base: Option<Vec<String>>,
}

/// The request in one of its two forms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Message {
    /// An HTTP request.
    Request(Request),
    /// The text of a JSON document (spec, section 8).
    Document(String),
}

/// An HTTP request as it is on the wire. In every string, each code point from U+0000 to U+00FF stands for one byte.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The request target.
    pub target: String,
    /// The header lines in order: name and value.
    pub headers: Vec<(String, String)>,
    /// The body in base64; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub body: Option<String>,
}

/// What the request wants (spec, stage 8).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// The guid of the pack.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pack: Option<String>,
    /// The agent in the pack.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub agent: Option<String>,
    /// The scope that is needed.
    pub scope: String,
}

/// What the verifier is told beforehand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verifier {
    /// The authorities that it answers for.
    pub authorities: Vec<String>,
    /// The longest `expires` − `created`, in seconds.
    pub window: u64,
    /// The identity keys that it knows.
    pub trust: Vec<Trusted>,
    /// The call keys that are registered.
    pub registered: Vec<Registered>,
    /// The thumbprints of revoked keys. Takes precedence over the two lists before.
    pub revoked: Vec<String>,
    /// The certificates that are revoked one by one.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub revoked_certificates: Vec<RevokedCertificate>,
    /// The verifier whose login certificates it takes; absent: it takes none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub issuer: Option<Issuer>,
    /// How old what it knows of revocations is, and may be; absent: it is always recent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revocations: Option<Revocations>,
    /// The longest body in bytes; absent: 1 MiB.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_body: Option<u64>,
    /// The replay cache; absent: one that has room.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub replay: Option<Replay>,
    /// The rules of stage 8; absent: every identity that has a key at the verifier may call, with an envelope, and nobody else.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub policy: Option<Policy>,
}

/// An identity key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trusted {
    /// The name of the identity.
    pub identity: String,
    /// The thumbprint of its key.
    pub keyid: String,
    /// The moment from which on it is not good any more; absent: it has no end.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expires: Option<u64>,
    /// Certificates that it issued before are revoked; absent: none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub issued_from: Option<u64>,
}

impl Trusted {
    /// An identity key without an end.
    #[must_use]
    pub fn new(identity: &str, keyid: String) -> Self {
        Self { identity: identity.into(), keyid, expires: None, issued_from: None }
    }
}

/// A certificate that is revoked: by its identity key and `jti`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokedCertificate {
    /// The thumbprint of the identity key.
    pub keyid: String,
    /// The `jti`.
    pub jti: String,
}

/// A verifier that issues login certificates (spec, section 5.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issuer {
    /// What it calls itself.
    pub url: String,
    /// Its key.
    pub jwk: BTreeMap<String, String>,
}

/// How old what a verifier knows of revocations is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocations {
    /// When it was last said.
    pub issued: u64,
    /// How many seconds old it may be.
    pub limit: u64,
}

/// A call key that needs no certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// Whose it is.
    pub identity: String,
    /// The key.
    pub jwk: BTreeMap<String, String>,
    /// The moment from which on it is not good any more.
    pub expires: u64,
}

/// The replay cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Replay {
    /// It has room for so many nonces.
    Capacity(usize),
    /// It does not answer.
    Unavailable,
}

/// The rules of stage 8.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// The packs by guid.
    pub packs: BTreeMap<String, Pack>,
    /// The rules for what is not listed.
    pub unlisted: Pack,
}

/// The rules of one pack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pack {
    /// May be called without a credential.
    pub open: bool,
    /// May be called with an envelope.
    pub signed: bool,
    /// May be called with a token of the pack; absent: not.
    #[serde(skip_serializing_if = "is_false", default)]
    pub token: bool,
    /// May be called with a token of an identity provider; absent: not.
    #[serde(skip_serializing_if = "is_false", default)]
    pub identity: bool,
    /// May always call.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub owner: Option<String>,
    /// Who may call it.
    pub allowed_users: Users,
    /// Who may use which agent; empty: whoever may call the pack.
    pub agents: BTreeMap<String, Users>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// Whom a rule allows: a list of entries, `"*"` for everybody, or null for every identity that has a key at the verifier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Users {
    /// `"*"`.
    Everybody(Everybody),
    /// `null`.
    Registered,
    /// Whom these entries mean.
    Named(Named),
}

/// A list of entries.
pub type Named = Vec<String>;

/// The star.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Everybody {
    /// `"*"`.
    #[serde(rename = "*")]
    Star,
}

impl Users {
    /// Everybody.
    pub const EVERYBODY: Self = Self::Everybody(Everybody::Star);
}

impl Verifier {
    /// Whether it is told of its keys what a list of trusted identity keys and of revoked keys cannot say: the end of an
    /// identity key, certificates that are revoked, who issues login certificates, or how old what is known of revocations may be. Who drives a verifier
    /// that can be told lists alone leaves these vectors out, and says so.
    #[must_use]
    pub fn needs_registry(&self) -> bool {
        let ends = self.trust.iter().any(|key| key.expires.is_some() || key.issued_from.is_some());
        let certificates = !self.revoked_certificates.is_empty() || self.issuer.is_some();
        ends || certificates || self.revocations.is_some()
    }
}

impl Vector {
    /// The requests in order; one when it is no sequence.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        match &self.exchange {
            Exchange::Sequence { steps } => steps,
            Exchange::Single(step) => std::slice::from_ref(&**step),
        }
    }

    /// What must come out of it; [`run`](crate::run) says what does.
    #[must_use]
    pub fn expected(&self) -> Outcome {
        Outcome(self.steps().iter().map(Step::expected).collect())
    }
}

impl Step {
    /// What must come of this request.
    #[must_use]
    pub fn expected(&self) -> Verdict {
        match (Code::parse(&self.expect), self.stage) {
            (Some(code), Some(stage)) => Verdict::Refused { code, stage },
            _ => Verdict::Valid {
                identity: self.identity.clone(),
                keyid: self.keyid.clone(),
                base: self.base.as_ref().map(|lines| lines.join("\n")),
            },
        }
    }
}

/// Where the crate lies: `vectors/` and `published/` are in it.
#[must_use]
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Reads all vectors, in the order of their names.
///
/// # Errors
/// A file that cannot be read, is no vector, or expects what is no code.
pub fn load() -> io::Result<Vec<Vector>> {
    let mut vectors = Vec::new();
    for path in files(&root().join("vectors"))? {
        let text = std::fs::read_to_string(&path)?;
        let named = |problem: &str| io::Error::other(format!("{}: {problem}", path.display()));
        let mut vector: Vector = serde_json::from_str(&text).map_err(|error| named(&error.to_string()))?;
        vector.name = name(&path).ok_or_else(|| named("the name is not topic/name.json"))?;
        for step in vector.steps() {
            let refused = Code::parse(&step.expect).is_some() && step.stage.is_some();
            if !refused && (step.expect != "valid" || step.stage.is_some()) {
                return Err(named("expect is neither valid nor a code with its stage"));
            }
        }
        vectors.push(vector);
    }
    Ok(vectors)
}

/// The files under a directory, at any depth, in order.
pub(crate) fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn name(path: &Path) -> Option<String> {
    let topic = path.parent()?.file_name()?.to_str()?;
    (path.extension()? == "json").then_some(())?;
    Some(format!("{topic}/{}", path.file_stem()?.to_str()?))
}
