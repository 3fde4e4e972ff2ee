//! Keys that sign requests and statements, each request once.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use std::collections::HashMap;
use std::rc::Rc;

use envelope_core::*;

use crate::caller::Arriving;
use crate::history::Certified;

/// The keys that take part, and the requests that they have signed: signing takes longer than all the rest.
pub(crate) struct Keychain {
    keys: Vec<SigningKey>,
    requests: HashMap<(Option<Certified>, usize), Rc<Arriving>>,
    /// When all requests were signed.
    created: Timestamp,
}

/// The second key is P-256, all others are Ed25519.
fn signing_key(number: usize) -> SigningKey {
    let algorithm = if number == 1 { Algorithm::P256 } else { Algorithm::Ed25519 };
    SigningKey::from_bytes(algorithm, &[u8::try_from(number + 1).unwrap(); 32]).unwrap()
}

impl Keychain {
    /// So many keys, and requests of this second.
    pub(crate) fn new(count: usize, created: Timestamp) -> Self {
        Self { keys: (0..count).map(signing_key).collect(), requests: HashMap::new(), created }
    }

    pub(crate) fn key(&self, number: usize) -> &VerifyingKey {
        self.keys[number].verifying_key()
    }

    pub(crate) fn thumbprint(&self, number: usize) -> Thumbprint {
        self.key(number).thumbprint()
    }

    pub(crate) fn request(&mut self, certified: Option<Certified>, call: usize) -> Rc<Arriving> {
        if let Some(request) = self.requests.get(&(certified, call)) {
            return Rc::clone(request);
        }
        let request = Request::new("GET", "https://pack.example/", &[]);
        let certificate = certified.map(|certified| {
            let issue = Issue {
                call_key: self.key(call),
                issued: Timestamp::from_unix(certified.issued),
                lifetime: 900,
                id: &certified.jti.to_string(),
                grant: Grant::everything(),
            };
            issue.sign(&self.keys[certified.issuer]).unwrap()
        });
        let signer = match &certificate {
            Some(certificate) => Signer::certified(&self.keys[call], certificate),
            None => Ok(Signer::registered(&self.keys[call])),
        };
        let signed = signer.unwrap().sign(&request, None, self.created, &[7; 16]).unwrap();
        let arriving = Rc::new(Arriving::new(&request, "/", None, &signed));
        self.requests.insert((certified, call), Rc::clone(&arriving));
        arriving
    }

    pub(crate) fn succession(&self, old: usize, new: usize, at: u64, overlap: u64, signed: Signed) -> String {
        let issued = Timestamp::from_unix(at);
        let succession = Succession { old: self.key(old), new: self.key(new), issued, overlap };
        attach(&succession.draft().unwrap(), &[&self.keys[old], &self.keys[new]], signed)
    }

    pub(crate) fn retirement(&self, key: usize, at: u64, signed: Signed) -> String {
        let retirement = Retirement { key: self.key(key), issued: Timestamp::from_unix(at) };
        attach(&retirement.draft().unwrap(), &[&self.keys[key]], signed)
    }
}

/// How a statement is signed.
#[derive(Clone, Copy)]
pub(crate) enum Signed {
    ByAll,
    /// By all but that with this number.
    Without(usize),
    /// By nobody: it must be refused before anybody looks.
    ByNobody,
}

impl Signed {
    /// Signatures take long, so a statement that is refused for what it says has none.
    pub(crate) fn unless_refused(expected: Option<Code>, forged: Option<usize>) -> Self {
        match (expected, forged) {
            (None, _) => Self::ByAll,
            (Some(Code::BadSignature), Some(number)) => Self::Without(number),
            _ => Self::ByNobody,
        }
    }
}

fn attach(unsigned: &statement::Unsigned, keys: &[&SigningKey], signed: Signed) -> String {
    let sign = |(number, (input, key)): (usize, (String, &&SigningKey))| match signed {
        Signed::ByAll => key.sign(input.as_bytes()),
        Signed::Without(without) if number != without => key.sign(input.as_bytes()),
        _ => Signature::from_bytes([7; 64]),
    };
    let signatures: Vec<Signature> = unsigned.signing_inputs().zip(keys).enumerate().map(sign).collect();
    unsigned.attach(&signatures).unwrap()
}
