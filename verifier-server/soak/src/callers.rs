//! Who calls: people whose call keys are certified, and what they send.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use base64ct::{Base64UrlUnpadded, Encoding};
use envelope_core::{Algorithm, Grant, Issue, Request, Signer, SigningKey, Timestamp};

use crate::Outcome;

pub(crate) const AUTHORITY: &str = "pack.example";
pub(crate) const TARGET: &str = "/api/pack/soak/agent";
/// The usual window of a signature, in seconds.
pub(crate) const WINDOW: u64 = 60;
/// How long a call key is certified, in seconds: longer than a scene lasts.
const CERTIFIED: u64 = 3600;

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

pub(crate) fn random<const N: usize>() -> Outcome<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

pub(crate) fn new_key() -> Outcome<SigningKey> {
    Ok(SigningKey::from_bytes(Algorithm::Ed25519, &random::<32>()?)?)
}

pub(crate) struct Person {
    pub(crate) name: Arc<str>,
    identity_key: Arc<SigningKey>,
    call_key: SigningKey,
    certificate: String,
}

/// A call: what goes over the wire, and by what the upstream knows it.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) id: Id,
    pub(crate) bytes: Vec<u8>,
    /// When it was made.
    pub(crate) signed: Instant,
}

/// The nonce of a call, which its body says, too.
pub(crate) type Nonce = [u8; 16];

/// Which call it is: whose, and which of theirs.
pub(crate) type Id = (Arc<str>, Nonce);

/// What a call is like, where it is not as usual.
#[derive(Clone, Copy)]
pub(crate) struct Draft {
    /// When it says it was signed, in seconds from now.
    pub(crate) signed: i64,
    pub(crate) window: u64,
    /// Bytes of its body.
    pub(crate) length: usize,
}

impl Default for Draft {
    fn default() -> Self {
        Self { signed: 0, window: WINDOW, length: 1024 }
    }
}

impl Person {
    pub(crate) fn new(name: &str) -> Outcome<Self> {
        let (identity_key, call_key) = (Arc::new(new_key()?), new_key()?);
        let certificate = certify(&identity_key, &call_key, Grant::everything())?;
        Ok(Self { name: name.into(), identity_key, call_key, certificate })
    }

    /// So many people, whose names have a number.
    pub(crate) fn many(name: &str, count: usize) -> Outcome<Vec<Arc<Self>>> {
        (0..count).map(|number| Ok(Arc::new(Self::new(&format!("{name}-{number}"))?))).collect()
    }

    /// `NAME=THUMBPRINT`, as `--trust` takes it.
    pub(crate) fn trust(&self) -> String {
        format!("{}={}", self.name, self.identity_key.verifying_key().thumbprint())
    }

    /// The same person with a new call key, whose certificate grants so much.
    pub(crate) fn recertified(&self, grant: Grant) -> Outcome<Self> {
        let identity_key = Arc::clone(&self.identity_key);
        let call_key = new_key()?;
        let certificate = certify(&identity_key, &call_key, grant)?;
        Ok(Self { name: Arc::clone(&self.name), identity_key, call_key, certificate })
    }

    pub(crate) fn sign(&self, draft: Draft) -> Outcome<Call> {
        let nonce: Nonce = random()?;
        let body = body(&nonce, draft.length);
        let url = format!("http://{AUTHORITY}{TARGET}");
        let fields: [(&str, &[u8]); 1] = [("content-type", b"application/json")];
        let signed = Signer::certified(&self.call_key, &self.certificate)
            .and_then(|signer| signer.with_lifetime(draft.window))
            .and_then(|signer| {
                let at = Timestamp::from_unix(now().saturating_add_signed(draft.signed));
                signer.sign(&Request::new("POST", &url, &fields), Some(&body), at, &nonce)
            })?;
        let mut bytes =
            format!("POST {TARGET} HTTP/1.1\r\nHost: {AUTHORITY}\r\nContent-Type: application/json\r\n");
        for (name, value) in signed.fields() {
            bytes.extend([name, ": ", value, "\r\n"]);
        }
        bytes.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        let mut bytes = bytes.into_bytes();
        bytes.extend(body);
        Ok(Call { id: (Arc::clone(&self.name), nonce), bytes, signed: Instant::now() })
    }
}

fn certify(identity_key: &SigningKey, call_key: &SigningKey, grant: Grant) -> Outcome<String> {
    let id = Base64UrlUnpadded::encode_string(&random::<16>()?);
    let issued = Timestamp::from_unix(now().saturating_sub(1));
    let issue = Issue { call_key: call_key.verifying_key(), issued, lifetime: CERTIFIED, id: &id, grant };
    Ok(issue.sign(identity_key)?)
}

const BEFORE: &[u8] = br#"{"call":""#;

fn body(nonce: &Nonce, length: usize) -> Vec<u8> {
    let mut body = BEFORE.to_vec();
    body.extend(Base64UrlUnpadded::encode_string(nonce).bytes());
    body.extend(br#"","fill":""#);
    body.resize(length.saturating_sub(2), b'x');
    body.extend(b"\"}");
    body
}

/// The nonce of the call that a body is of.
pub(crate) fn nonce_of(body: &[u8]) -> Option<Nonce> {
    let text = body.strip_prefix(BEFORE)?.get(..22)?;
    let mut nonce = Nonce::default();
    Base64UrlUnpadded::decode(text, &mut nonce).ok()?;
    Some(nonce)
}
