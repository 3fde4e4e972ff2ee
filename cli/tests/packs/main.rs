//! Packs, tokens and logins, against a server that keeps to `spec/packs.md`, an identity provider, and servers that do not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test panics when it fails"
)]

mod call;
mod deploy;
mod hostile;
mod hosts;
mod killed;
mod login;
#[path = "../cli/outside.rs"]
#[allow(dead_code, reason = "other tests take the rest")]
mod outside;
mod provider;
mod renewal;
mod rules;
mod server;
mod state;
mod verifier;

use std::process::Output;

use serde_json::Value;

use outside::{Home, done};
use verifier::Verifier;

/// A home whose default identity the verifier knows as `name`, and the wallet knows so.
fn enrolled(verifier: &Verifier, name: &str) -> Home {
    let home = Home::new();
    let keyid = home.keygen("default", "ed25519");
    verifier.with(|state| state.known.push((keyid, name.into())));
    assert_eq!(done(&home.run(["enroll", &verifier.url()])).trim_end(), name);
    home
}

/// What a command printed, as JSON.
fn json(output: &Output) -> Value {
    serde_json::from_str(&done(output)).unwrap()
}

/// The wallet of a home.
fn wallet(home: &Home) -> Value {
    serde_json::from_str(&std::fs::read_to_string(home.path("home/wallet/wallet.json")).unwrap()).unwrap()
}

/// Deploys a pack with this guid; gives its token.
fn deploy(home: &Home, verifier: &Verifier, guid: &str) -> String {
    let bundle = format!(r#"{{"pack_guid":"{guid}","name":"crm"}}"#);
    let output = home.run_with(["pack", "deploy", "-", "--at", &verifier.url(), "--json"], bundle.as_bytes());
    json(&output)["token"].as_str().unwrap().to_owned()
}
