//! The audit log of a program under test, and `envelope audit` over it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use super::{PackServer, Person, Program, programs};

/// What a verifier with a log is started with.
pub fn args(pack: &PackServer, alice: &Person, data: &Path) -> Vec<String> {
    let data = data.display().to_string();
    ["--upstream", &pack.url(), "--trust", &alice.trust("alice"), "--auth-required", "--data-dir", &data]
        .map(str::to_owned)
        .to_vec()
}

/// One that trusts alice.
pub fn start(pack: &PackServer, alice: &Person, data: &Path, more: &[&str]) -> Program {
    start_with(Program::serve, pack, alice, data, more)
}

/// The same, started in another way.
pub fn start_with(
    serve: fn(&[&str]) -> Program,
    pack: &PackServer,
    alice: &Person,
    data: &Path,
    more: &[&str],
) -> Program {
    let args = args(pack, alice, data);
    let args: Vec<&str> = args.iter().map(String::as_str).chain(more.iter().copied()).collect();
    serve(&args)
}

/// Ends it, and waits until it has ended by itself.
pub fn stop(mut verifier: Program) {
    verifier.signal("TERM");
    assert!(verifier.child.wait().unwrap().success());
}

/// The files of the log, in order.
pub fn files(data: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(data.join("audit")).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort();
    files
}

/// The whole lines of the log.
pub fn lines(data: &Path) -> Vec<Value> {
    let text: String = files(data).iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The receipts in it.
pub fn receipts(data: &Path) -> Vec<Value> {
    lines(data).into_iter().filter(|line| line["type"] == "receipt").collect()
}

/// The key that a verifier has named at its start.
pub fn key(verifier: &Program) -> String {
    assert!(verifier.logs("envelope-verifier: audit log "));
    let log = verifier.log();
    let line = log.lines().find(|line| line.starts_with("envelope-verifier: audit log ")).unwrap();
    line.rsplit_once("key ").unwrap().1.to_owned()
}

/// Runs `envelope audit verify` over the log.
pub fn verify(data: &Path, key: &str, more: &[&str]) -> Output {
    let mut command = Command::new(programs().join("envelope"));
    command.args(["audit", "verify", "--json", "--key", key]).args(more).args(files(data));
    command.env("ENVELOPE_HOME", data).output().unwrap()
}

/// What it says of a log that verifies.
pub fn verified(data: &Path, key: &str) -> Value {
    let output = verify(data, key, &[]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}\n{:#?}", lines(data));
    serde_json::from_slice(&output.stdout).unwrap()
}
