//! A verifier that keeps certificates says what one says that keeps none, and goes on checking what can change.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use envelope_core::*;

const NOW: u64 = 1_767_225_600;

/// Keeps every certificate, and counts how often it was asked and could answer.
#[derive(Default)]
struct Everything {
    kept: RefCell<HashMap<String, Arc<Certificate>>>,
    recalled: RefCell<usize>,
}

impl CertificateCache for Everything {
    fn recall(&self, jws: &str) -> Option<Arc<Certificate>> {
        let found = self.kept.borrow().get(jws).cloned();
        *self.recalled.borrow_mut() += usize::from(found.is_some());
        found
    }

    fn keep(&self, certificate: Certificate) -> Arc<Certificate> {
        let certificate = Arc::new(certificate);
        self.kept.borrow_mut().insert(certificate.as_str().into(), Arc::clone(&certificate));
        certificate
    }
}

/// Keeps every key, and no certificate.
#[derive(Default)]
struct Keys(RefCell<HashMap<Thumbprint, Arc<VerifyingKey>>>);

impl CertificateCache for Keys {
    fn recall(&self, _: &str) -> Option<Arc<Certificate>> {
        None
    }

    fn keep(&self, certificate: Certificate) -> Arc<Certificate> {
        Arc::new(certificate)
    }

    fn recall_key(&self, keyid: &Thumbprint) -> Option<Arc<VerifyingKey>> {
        self.0.borrow().get(keyid).cloned()
    }

    fn keep_key(&self, key: Arc<VerifyingKey>) {
        assert!(self.0.borrow_mut().insert(key.thumbprint(), key).is_none(), "it is kept already");
    }
}

fn key(byte: u8) -> SigningKey {
    SigningKey::from_bytes(Algorithm::Ed25519, &[byte; 32]).unwrap()
}

fn thumbprint(byte: u8) -> Thumbprint {
    key(byte).verifying_key().thumbprint()
}

fn certificate() -> String {
    let call_key = key(2);
    let issue = Issue {
        call_key: call_key.verifying_key(),
        issued: Timestamp::from_unix(NOW),
        lifetime: 900,
        id: "1",
        grant: Grant::everything(),
    };
    issue.sign(&key(1)).unwrap()
}

fn trust() -> TrustList {
    let mut trust = TrustList::new();
    trust.trust(Identity::new("alice").unwrap(), thumbprint(1));
    trust
}

/// A request by the call key under the certificate, signed at `created`; with `change` made to its header afterwards.
fn verify(
    cache: impl CertificateCache,
    trust: &TrustList,
    created: u64,
    change: impl FnOnce(&mut Vec<(String, Vec<u8>)>),
) -> Result<Verified, Refusal> {
    let (call_key, jws) = (key(2), certificate());
    let request = Request::new("GET", "https://pack.example/x", &[]);
    let signer = Signer::certified(&call_key, &jws).unwrap();
    let signed = signer.sign(&request, None, Timestamp::from_unix(created), &[7; 16]).unwrap();
    let mut header = vec![("host".to_owned(), b"pack.example".to_vec())];
    header
        .extend(signed.fields().map(|(name, value)| (name.to_ascii_lowercase(), value.as_bytes().to_vec())));
    change(&mut header);
    let fields: Vec<Field<'_>> =
        header.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
    let verifier = Verifier::new(Authorities::new(["pack.example"]).unwrap()).with_certificates(cache);
    verifier.verify(&Request::new("GET", "/x", &fields), trust, Timestamp::from_unix(created))
}

fn replace(header: &mut [(String, Vec<u8>)], name: &str, from: &str, to: &str) {
    let value = &mut header.iter_mut().find(|(known, _)| known == name).unwrap().1;
    *value = String::from_utf8(value.clone()).unwrap().replacen(from, to, 1).into_bytes();
}

#[test]
fn a_kept_certificate_is_held_to_everything_that_can_change() {
    let cache = Everything::default();
    let same = |_: &mut Vec<(String, Vec<u8>)>| ();
    assert_eq!(verify(&cache, &trust(), NOW, same).unwrap().call().identity().as_str(), "alice");
    assert_eq!(*cache.recalled.borrow(), 0);
    assert_eq!(verify(&cache, &trust(), NOW + 1, same).unwrap().call().identity().as_str(), "alice");
    assert_eq!(*cache.recalled.borrow(), 1);

    let code = |trust: &TrustList, created| verify(&cache, trust, created, same).unwrap_err().code();
    assert_eq!(code(&TrustList::new(), NOW), Code::UnknownKey);
    for byte in [1, 2] {
        let mut revoked = trust();
        revoked.revoke(thumbprint(byte));
        assert_eq!(code(&revoked, NOW), Code::Revoked);
    }
    let mut identity = trust();
    identity.trust(Identity::new("bob").unwrap(), thumbprint(2));
    assert_eq!(code(&identity, NOW), Code::KeyRefused);
    // The clock moves on, and back; the signer would not sign outside of the certificate, so an old signature is used.
    let moved = |now: u64| {
        let (call_key, jws) = (key(2), certificate());
        let request = Request::new("GET", "https://pack.example/x", &[]);
        let signed =
            Signer::registered(&call_key).sign(&request, None, Timestamp::from_unix(now), &[7; 16]).unwrap();
        let mut header = vec![
            ("host", b"pack.example".to_vec()),
            ("signature-key", format!("sig=jkt-jwt;jwt=\"{jws}\"").into_bytes()),
        ];
        header.extend(signed.fields().map(|(name, value)| {
            (name, value.replace("\"@query\")", "\"@query\" \"signature-key\")").into_bytes())
        }));
        let fields: Vec<Field<'_>> = header.iter().map(|(name, value)| (*name, value.as_slice())).collect();
        let verifier = Verifier::new(Authorities::new(["pack.example"]).unwrap()).with_certificates(&cache);
        verifier
            .verify(&Request::new("GET", "/x", &fields), &trust(), Timestamp::from_unix(now))
            .unwrap_err()
            .code()
    };
    assert_eq!(moved(NOW + 900), Code::CertificateExpired);
    assert_eq!(moved(NOW - 6), Code::CertificateInvalid);
    assert_eq!(
        moved(NOW - 5),
        Code::BadSignature,
        "the certificate is good; the signature covers something else"
    );

    let changed = |name, from: &str, to: &str| {
        verify(&cache, &trust(), NOW, |header| replace(header, name, from, to)).unwrap_err().code()
    };
    let keyid = thumbprint(2).to_string();
    assert_eq!(changed("signature-input", &keyid, &thumbprint(1).to_string()), Code::CertificateInvalid);
    assert_eq!(
        changed("signature-input", ";keyid", ";alg=\"ecdsa-p256-sha256\";keyid"),
        Code::AlgorithmMismatch
    );
    assert_eq!(changed("signature", "sig=:", "sig=:AA"), Code::Malformed);
}

/// A certificate is recalled by its whole text: one byte off, and it is another that must verify itself.
#[test]
fn the_signature_of_a_kept_certificate_is_bound_to_its_text() {
    let cache = Everything::default();
    assert!(verify(&cache, &trust(), NOW, |_| ()).is_ok());
    let jws = certificate();
    for at in 0..jws.len() {
        let mut other = jws.clone().into_bytes();
        other[at] = if other[at] == b'A' { b'B' } else { b'A' };
        let other = String::from_utf8(other).unwrap();
        let refused = verify(&cache, &trust(), NOW, |header| replace(header, "signature-key", &jws, &other));
        assert!(refused.is_err(), "byte {at}");
    }
    assert_eq!(*cache.recalled.borrow(), 0);
}

/// The key that is kept stands for the one in the certificate, with a table or without, and is kept once.
#[test]
fn a_kept_identity_key_changes_no_answer() {
    let (keys, jws) = (Keys::default(), certificate());
    let forged = format!("{}AAAAAAAA", &jws[..jws.len() - 8]);
    let forge = |header: &mut Vec<(String, Vec<u8>)>| replace(header, "signature-key", &jws, &forged);
    for _ in 0..3 {
        assert_eq!(verify(&keys, &trust(), NOW, |_| ()).unwrap().call().identity().as_str(), "alice");
        let code = verify(&keys, &trust(), NOW, forge).unwrap_err().code();
        assert_eq!(code, verify(Everything::default(), &trust(), NOW, forge).unwrap_err().code());
        assert_eq!(code, Code::CertificateInvalid);
    }
    assert_eq!(keys.0.borrow().keys().copied().collect::<Vec<_>>(), [thumbprint(1)]);
}
