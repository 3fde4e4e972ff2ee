//! The files are what the generator writes: vectors, the generated sections of the spec, the counts of the README.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use std::process::Command;

#[test]
fn the_files_are_those_of_the_generator() {
    let output = Command::new(env!("CARGO_BIN_EXE_envelope-test-vectors")).arg("--check").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "run `cargo run -p envelope-test-vectors`:\n{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn an_unknown_argument_is_a_mistake() {
    let output = Command::new(env!("CARGO_BIN_EXE_envelope-test-vectors")).arg("--chekc").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
