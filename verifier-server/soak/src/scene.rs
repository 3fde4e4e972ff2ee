//! The verifier that is tried: how it is started, ended, looked at, and what its audit log says.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::Outcome;
use crate::callers::{AUTHORITY, Id, Nonce};
use crate::client::Connection;
use crate::results::Results;

/// The processor of the verifier; everything else runs on the other one.
const CORE: &str = "0";

/// The programs that are tried.
pub(crate) struct Programs {
    pub(crate) verifier: PathBuf,
    pub(crate) envelope: PathBuf,
}

/// A place to try them in, gone afterwards.
pub(crate) struct Scene<'a> {
    programs: &'a Programs,
    directory: tempfile::TempDir,
    pub(crate) data: PathBuf,
    pub(crate) address: SocketAddr,
    /// What is run before the verifier, with its arguments: `setpriv`, `prlimit`.
    pub(crate) under: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    verifier: Option<Child>,
}

impl<'a> Scene<'a> {
    /// With so many lines of configuration.
    pub(crate) fn new(programs: &'a Programs, lines: &[String]) -> Outcome<Self> {
        let directory = tempfile::tempdir()?;
        let data = directory.path().join("data");
        let address = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let mut text = format!(
            "listen = \"{address}\"\nauthority = [\"{AUTHORITY}\"]\nauth-required = true\ndata-dir = \"{}\"\n",
            data.display()
        );
        text.extend(lines.iter().flat_map(|line| [line, "\n"]));
        fs::write(directory.path().join("verifier.toml"), text)?;
        let (under, environment) = (Vec::new(), Vec::new());
        Ok(Self { programs, directory, data, address, under, environment, verifier: None })
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Starts the verifier; done when it takes connections.
    pub(crate) async fn start(&mut self) -> Outcome<()> {
        let mut child = self.command()?.spawn()?;
        for _ in 0..2000 {
            if let Some(status) = child.try_wait()? {
                return Err(format!("the verifier ended: {status}: {}", self.log()?).into());
            }
            if Connection::open(self.address, Ipv4Addr::LOCALHOST).await.is_ok() {
                self.verifier = Some(child);
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Err("the verifier takes no connections".into())
    }

    /// Starts it where it must not start; gives its exit code and what it says, without what was said before.
    pub(crate) async fn start_in_vain(&mut self) -> Outcome<(Option<i32>, String)> {
        let log = self.directory.path().join("log");
        let before = fs::read_to_string(&log)?.len();
        let status = tokio::time::timeout(Duration::from_secs(20), self.command()?.status()).await??;
        Ok((status.code(), fs::read_to_string(&log)?.split_off(before)))
    }

    fn command(&self) -> Outcome<Command> {
        let log = fs::File::options().create(true).append(true).open(self.directory.path().join("log"))?;
        let mut words = vec!["taskset".into(), "-c".into(), CORE.into()];
        words.extend(self.under.iter().cloned());
        words.push(self.programs.verifier.display().to_string());
        let (first, rest) = words.split_first().ok_or("nothing to run")?;
        let mut command = Command::new(first);
        command.args(rest).args(["serve", "--config"]).arg(self.directory.path().join("verifier.toml"));
        command.envs(self.environment.iter().cloned()).env("ENVELOPE_LOG", "warn");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        Ok(command)
    }

    /// The last of what the verifier has said.
    pub(crate) fn log(&self) -> Outcome<String> {
        let text = fs::read_to_string(self.directory.path().join("log"))?;
        let lines: Vec<&str> = text.lines().collect();
        Ok(lines.iter().skip(lines.len().saturating_sub(5)).copied().collect::<Vec<_>>().join("\n"))
    }

    pub(crate) fn pid(&self) -> Outcome<u32> {
        Ok(self.verifier.as_ref().and_then(Child::id).ok_or("no verifier runs")?)
    }

    /// Ends it; gives its exit code.
    pub(crate) async fn end(&mut self, signal: Signal) -> Outcome<Option<i32>> {
        let mut child = self.verifier.take().ok_or("no verifier runs")?;
        let pid = child
            .id()
            .and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?))
            .ok_or("it has ended by itself")?;
        kill_process(pid, signal)?;
        Ok(child.wait().await?.code())
    }

    /// Its exit code, where it ends by itself.
    pub(crate) async fn ended(&mut self) -> Outcome<Option<i32>> {
        let mut child = self.verifier.take().ok_or("no verifier runs")?;
        Ok(tokio::time::timeout(Duration::from_secs(60), child.wait()).await??.code())
    }

    pub(crate) async fn end_if_running(&mut self) -> Outcome<()> {
        if self.verifier.is_some() {
            self.end(Signal::KILL).await?;
        }
        Ok(())
    }

    /// Bytes of memory that it holds.
    pub(crate) fn memory(&self) -> Outcome<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()?))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
    }

    /// What the audit log says, after `envelope audit verify` has found nothing wrong with it: whoever asks judges how much is proven.
    pub(crate) async fn receipts(&self) -> Outcome<Receipts> {
        let files = files(&self.data.join("audit"))?;
        let mut command = Command::new(&self.programs.envelope);
        let log = fs::read_to_string(self.directory.path().join("log"))?;
        let said = log.lines().find_map(|line| line.split_once("audit log ")?.1.split_once(", key "));
        let (_, key) = said.ok_or("the verifier has not said the key of its log")?;
        command.args(["audit", "verify"]).args(&files).args(["--key", key, "--json"]);
        let begin = std::time::Instant::now();
        let output = command.output().await?;
        let seconds = begin.elapsed().as_secs_f64();
        if !output.status.success() {
            let said = [output.stdout, output.stderr].concat();
            return Err(format!("envelope audit verify: {}", String::from_utf8_lossy(&said)).into());
        }
        let found = serde_json::from_slice(&output.stdout)?;
        let mut receipts =
            Receipts { found, allowed: HashMap::new(), envelopes: 0, lines: 0, bytes: 0, seconds };
        for file in files {
            receipts.bytes += fs::metadata(&file)?.len();
            for line in BufReader::new(fs::File::open(file)?).lines() {
                receipts.read(&line?)?;
            }
        }
        Ok(receipts)
    }
}

/// The files of a log, in order.
fn files(directory: &Path) -> Outcome<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// What an audit log says.
pub(crate) struct Receipts {
    /// What `envelope audit verify` says of it.
    found: serde_json::Value,
    /// How many receipts have an envelope, of what was let through or not.
    envelopes: u64,
    /// How many receipts there are of each call that was let through.
    pub(crate) allowed: HashMap<Id, u32>,
    pub(crate) lines: u64,
    pub(crate) bytes: u64,
    /// How long it took to verify all of it.
    pub(crate) seconds: f64,
}

impl Receipts {
    /// The log of a verifier that was ended by SIGTERM must prove everything in it.
    ///
    /// In no scene does an envelope cover a credential, so none may be withheld.
    pub(crate) fn judge(&self, results: &mut Results) -> Outcome<()> {
        results.at_least("checkpoints of the audit log", self.number("checkpoints")? as f64, 1.0);
        results.none(
            "receipts that are lost, withheld, not proven, or signed by no checkpoint",
            usize::try_from(self.unproven()?)?,
        );
        Ok(())
    }

    /// How many lines are lost, withheld, not proven, or signed by no checkpoint. Without a checkpoint, all of them.
    pub(crate) fn unproven(&self) -> Outcome<u64> {
        if self.number("checkpoints")? == 0 {
            return Ok(self.lines);
        }
        // What was refused may be proven, too. What was let through has an envelope: `read` sees to it.
        let others = [
            (self.number("proven")?, self.envelopes),
            (self.number("allowed")?, self.allowed.values().copied().map(u64::from).sum()),
            (self.number("lines")?, self.lines),
        ];
        let differing: u64 = others.iter().map(|(said, counted)| said.abs_diff(*counted)).sum();
        Ok(self.number("lost")? + self.number("withheld")? + self.number("unsigned")? + differing)
    }

    fn number(&self, name: &str) -> Outcome<u64> {
        let number = self.found.get(name).and_then(serde_json::Value::as_u64);
        number.ok_or_else(|| format!("envelope audit verify does not say {name}").into())
    }

    fn read(&mut self, line: &str) -> Outcome<()> {
        self.lines += 1;
        let entry: serde_json::Value = serde_json::from_str(line)?;
        let text = |name: &str| entry.get(name).and_then(serde_json::Value::as_str);
        if text("type") != Some("receipt") {
            return Ok(());
        }
        self.envelopes += u64::from(entry.get("envelope").is_some());
        if text("decision") == Some("allow") {
            let said = entry.pointer("/envelope/nonce").and_then(serde_json::Value::as_str);
            let mut nonce = Nonce::default();
            Base64UrlUnpadded::decode(said.ok_or("a receipt without a nonce")?, &mut nonce)
                .map_err(|error| error.to_string())?;
            let identity = text("identity").ok_or("a receipt without an identity")?;
            *self.allowed.entry((identity.into(), nonce)).or_default() += 1;
        }
        Ok(())
    }
}
