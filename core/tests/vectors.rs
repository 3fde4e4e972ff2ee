//! Every vector, through the public interface: code and stage, or identity, key and base.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;

use envelope_core::Code;
use envelope_test_vectors::{Verdict, load, run};

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
    assert!(missing.is_empty(), "no vector reaches {missing:?}");
}
