//! The whole thing on loopback: a pack server without auth, the verifier in front of it, a caller with keys that look after
//! themselves, and what happens to everybody else.
//!
//! `cargo run --release -p envelope-verifier --example demo`
#![allow(clippy::print_stdout, reason = "a demonstration is there to be read")]

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

type Outcome<T> = Result<T, Box<dyn Error>>;

const BODY: &str = r#"{"name":"PublicWeather","place":"Oslo"}"#;

fn main() -> Outcome<()> {
    let programs = build()?;
    let home = tempfile::tempdir()?;
    let caller = Caller { programs: &programs, home: home.path() };

    say("a pack server that knows nothing of auth: whoever knows the URL can call it");
    let pack = start_pack_server()?;
    println!("  http://{pack}/api/pack/demo/agent");

    say("a caller makes an identity key, once");
    let keyid = caller.run(&["keygen"])?;
    println!("{keyid}");

    say("the verifier in front of the pack server trusts that key");
    let verifier = Verifier::start(&programs, pack, keyid.trim())?;
    let url = format!("http://{}/api/pack/demo/agent", verifier.address);

    say("without a credential");
    send(&request(&verifier, &[]), &verifier, "unauthenticated")?;

    say("one signed call: envelope makes and certifies a call key by itself");
    let request_file = home.path().join("request.json");
    std::fs::write(&request_file, BODY)?;
    let request_path = request_file.to_str().ok_or("the path is not text")?;
    println!("{}", caller.run(&["call", "POST", &url, "--body", request_path])?);

    say("the same by hand: sign, and send the fields with anything that speaks HTTP");
    let signed = caller.run(&["sign", "POST", &url, "--body", request_path])?;
    for line in signed.lines() {
        println!("  {}", shorten(line));
    }
    let fields: Vec<&str> = signed.lines().collect();
    let good = request(&verifier, &fields);
    send(&good, &verifier, "")?;

    say("the same bytes again");
    send(&good, &verifier, "replayed")?;

    say("a fresh signature, and another body");
    let fields = caller.run(&["sign", "POST", &url, "--body", request_path])?;
    let fields: Vec<&str> = fields.lines().collect();
    send(&request(&verifier, &fields).replace("Oslo", "Rome"), &verifier, "digest-mismatch")?;

    say("a signature that is good for one second, three seconds later");
    let fields = caller.run(&["sign", "POST", &url, "--body", request_path, "--ttl", "1"])?;
    std::thread::sleep(std::time::Duration::from_secs(3));
    let fields: Vec<&str> = fields.lines().collect();
    send(&request(&verifier, &fields), &verifier, "expired")?;

    say("a stranger with a key of their own (the log says unknown-key; the wire does not tell)");
    let elsewhere = tempfile::tempdir()?;
    let stranger = Caller { programs: &programs, home: elsewhere.path() };
    stranger.run(&["keygen"])?;
    let fields = stranger.run(&["sign", "POST", &url, "--body", request_path])?;
    let fields: Vec<&str> = fields.lines().collect();
    send(&request(&verifier, &fields), &verifier, "bad-signature")?;

    drop(verifier);
    let here = std::env::current_dir()?;
    let directory = programs.strip_prefix(&here).unwrap_or(&programs).display().to_string();
    say("the same for your own server on port 8000");
    println!("{directory}/envelope keygen");
    println!(
        "{directory}/envelope-verifier serve --auth-required --upstream http://127.0.0.1:8000 \
         --trust \"me=$({directory}/envelope key show --format keyid)\" &"
    );
    println!(
        "echo '{BODY}' | {directory}/envelope call POST http://127.0.0.1:7998/api/pack/demo/agent --body -"
    );
    Ok(())
}

fn say(what: &str) {
    println!("\n# {what}");
}

/// Both programs, as this demonstration was built; gives their directory.
fn build() -> Outcome<PathBuf> {
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--quiet", "--profile", profile, "-p", "envelope-cli", "-p", "envelope-verifier"])
        .status()?;
    if !built.success() {
        return Err("the programs do not build".into());
    }
    // …/release/examples/demo
    let example = std::env::current_exe()?;
    Ok(example.ancestors().nth(2).ok_or("no directory")?.to_owned())
}

struct Caller<'a> {
    programs: &'a Path,
    home: &'a Path,
}

impl Caller<'_> {
    fn run(&self, arguments: &[&str]) -> Outcome<String> {
        println!("$ envelope {}", arguments.join(" "));
        let output = Command::new(self.programs.join("envelope"))
            .args(arguments)
            .env("ENVELOPE_HOME", self.home)
            .stderr(Stdio::inherit())
            .output()?;
        if !output.status.success() {
            return Err(format!("envelope {arguments:?} failed").into());
        }
        Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
    }
}

struct Verifier {
    child: Child,
    address: SocketAddr,
}

impl Verifier {
    fn start(programs: &Path, pack: SocketAddr, keyid: &str) -> Outcome<Self> {
        let (upstream, trust) = (format!("http://{pack}"), format!("alice={keyid}"));
        let arguments = [
            "serve",
            "--auth-required",
            "--listen",
            "127.0.0.1:0",
            "--upstream",
            &upstream,
            "--trust",
            &trust,
        ];
        println!("$ envelope-verifier {}", arguments.join(" "));
        let mut child = Command::new(programs.join("envelope-verifier"))
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(child.stderr.take().ok_or("no stderr")?).lines();
        let address = loop {
            let line = lines.next().ok_or("the verifier did not start")??;
            if let Some(address) = line.strip_prefix("envelope-verifier: listening on http://") {
                println!("{line}");
                break address.parse()?;
            }
        };
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { child, address })
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        let killed = self.child.kill().and_then(|()| self.child.wait());
        if let Err(error) = killed {
            println!("the verifier could not be stopped: {error}");
        }
    }
}

fn request(verifier: &Verifier, fields: &[&str]) -> String {
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    format!(
        "POST /api/pack/demo/agent HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\nConnection: close\r\n{fields}\r\n{BODY}",
        verifier.address,
        BODY.len()
    )
}

/// Sends a request and shows the answer; fails when it is not the expected one (no code: 200).
fn send(request: &str, verifier: &Verifier, expected: &str) -> Outcome<()> {
    let mut stream = TcpStream::connect(verifier.address)?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.lines().next().unwrap_or_default().to_owned();
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    println!("→ {} {body}", status.trim_start_matches("HTTP/1.1 "));
    let as_expected = match expected {
        "" => status.contains(" 200 "),
        code => body.contains(&format!("\"code\":\"{code}\"")),
    };
    if as_expected { Ok(()) } else { Err(format!("expected {expected}, got {status} {body}").into()) }
}

fn start_pack_server() -> Outcome<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    Ok(address)
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let (mut length, mut identity) = (0, "somebody".to_owned());
        let mut request_line = String::new();
        reader.read_line(&mut request_line)?;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().unwrap_or_default(),
                "envelope-identity" => value.clone_into(&mut identity),
                _ => {}
            }
        }
        std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink())?;
        let body = format!("{{\"answer\":\"sunny\",\"asked_by\":\"{identity}\"}}");
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
    }
}

fn shorten(line: &str) -> String {
    if line.len() <= 110 { line.into() } else { format!("{}…", line.chars().take(109).collect::<String>()) }
}
