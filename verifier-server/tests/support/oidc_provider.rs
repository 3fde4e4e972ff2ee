//! A real OpenID provider: npm's `oidc-provider` in `tests/oidc`, and people who log in there.

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    reason = "each test takes what it needs"
)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The provider; ends when it is dropped, or the test does.
#[derive(Debug)]
pub struct OidcProvider {
    child: Child,
    /// The issuer as its tokens have it.
    pub issuer: String,
}

impl OidcProvider {
    /// One that signs ID tokens with RS256.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// One with arguments of `server.mjs`.
    pub fn start_with(args: &[&str]) -> Self {
        let installed = directory().join("node_modules/oidc-provider");
        assert!(installed.is_dir(), "run `npm ci --prefix verifier-server/tests/oidc`, as .ci/test does");
        let mut node = Command::new("node");
        node.arg(directory().join("server.mjs")).args(args);
        node.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = node.spawn().expect("node runs; .ci/test installs it");
        let mut issuer = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut issuer).unwrap();
        let issuer = issuer.trim_end().to_owned();
        assert!(issuer.starts_with("http://"), "run node {}", directory().join("server.mjs").display());
        Self { child, issuer }
    }

    /// Somebody opens `verification_uri_complete` in a browser, logs in and approves.
    pub fn approve(&self, verification_uri_complete: &str, name: &str) {
        let mut node = Command::new("node");
        node.arg(directory().join("approve.mjs")).args([verification_uri_complete, name]);
        let output = node.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for OidcProvider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oidc")
}
