//! Every vector, through the public interface: code and stage, or identity, key and base.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use envelope_core::{Certificate, CertificateCache, Code};
use envelope_test_vectors::{Verdict, load, run, run_with};

#[test]
fn every_vector_comes_out_as_it_says() {
    let mut wrong = Vec::new();
    for vector in load().unwrap() {
        match run(&vector) {
            Ok(outcome) if outcome == vector.expected() => {}
            Ok(outcome) => wrong.push(format!(
                "{} ({}): expected {:?}, found {:?}",
                vector.name,
                vector.spec,
                vector.expected().0,
                outcome.0
            )),
            Err(error) => wrong.push(format!("{}: {error}", vector.name)),
        }
    }
    assert!(wrong.is_empty(), "{} vectors:\n{}", wrong.len(), wrong.join("\n"));
}

/// Keeps every certificate.
#[derive(Default)]
struct Everything(RefCell<HashMap<String, Arc<Certificate>>>);

impl CertificateCache for Everything {
    fn recall(&self, jws: &str) -> Option<Arc<Certificate>> {
        self.0.borrow().get(jws).cloned()
    }

    fn keep(&self, certificate: Certificate) -> Arc<Certificate> {
        let certificate = Arc::new(certificate);
        self.0.borrow_mut().insert(certificate.as_str().into(), Arc::clone(&certificate));
        certificate
    }
}

/// A certificate that comes again is held to its end, to revocations and to how well they are known.
#[test]
fn every_sequence_comes_out_as_it_says_where_certificates_are_kept() {
    let mut put = 0;
    for vector in load().unwrap().into_iter().filter(|vector| vector.steps().len() > 1) {
        let cache = Everything::default();
        assert_eq!(run_with(&vector, &cache).unwrap(), vector.expected(), "{}", vector.name);
        put += 1;
    }
    assert!(put > 20, "{put}");
}

#[test]
fn every_code_is_reached() {
    let mut reached = BTreeSet::new();
    for vector in load().unwrap() {
        for verdict in run(&vector).unwrap().0 {
            if let Verdict::Refused { code, .. } = verdict {
                reached.insert(code);
            }
        }
    }
    let missing: Vec<&Code> = Code::ALL.iter().filter(|code| !reached.contains(code)).collect();
    // What only a server can say: of an identity provider, of an address, of its log, and of what it carries.
    assert_eq!(
        missing,
        [
            &Code::ProviderUnavailable,
            &Code::TooManyAttempts,
            &Code::AuditUnavailable,
            &Code::TooManyRequests,
            &Code::Overloaded
        ]
    );
}
