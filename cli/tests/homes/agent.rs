//! Keys that stay in an ssh-agent.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use envelope_core::Algorithm;

use crate::outside::{Home, Running, done, failed, judge, succeeded, thumbprint};

/// A real agent.
struct Agent<'a> {
    home: &'a Home,
    _process: Running,
}

impl<'a> Agent<'a> {
    fn start(home: &'a Home, args: &[&str]) -> Self {
        let mut command = home.program("ssh-agent");
        command.args(["-D", "-a", "agent.sock"]).args(args).stdout(Stdio::null());
        // Nobody confirms anything.
        command.env("SSH_ASKPASS", "false").env("SSH_ASKPASS_REQUIRE", "force").env("DISPLAY", ":none");
        let process = Running(command.spawn().expect("ssh-agent IS MISSING"));
        let start = Instant::now();
        while UnixStream::connect(home.path("agent.sock")).is_err() {
            assert!(start.elapsed() < Duration::from_secs(10), "ssh-agent does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { home, _process: process }
    }

    fn with(&self, mut command: Command) -> Command {
        command.env("SSH_AUTH_SOCK", self.home.path("agent.sock"));
        command
    }

    fn ssh_add(&self, args: &[&str]) -> String {
        succeeded(self.with(self.home.program("ssh-add")).args(args))
    }

    fn envelope<const N: usize>(&self, args: [&str; N]) -> Output {
        self.with(self.home.envelope()).args(args).output().unwrap()
    }
}

fn ssh_keygen(home: &Home, file: &str, algorithm: &str) -> String {
    home.other("ssh-keygen", ["-q", "-t", algorithm, "-N", "", "-C", "", "-f", file]);
    home.read(&format!("{file}.pub"))
}

#[test]
fn keys_in_the_agent_sign() {
    let home = Home::new();
    let agent = Agent::start(&home, &[]);
    for (name, file_type, algorithm) in
        [("ed", "ed25519", Algorithm::Ed25519), ("ec", "ecdsa", Algorithm::P256)]
    {
        let public = ssh_keygen(&home, name, file_type);
        agent.ssh_add(&["-q", name]);
        fs::remove_file(home.path(name)).unwrap();
        let keyid = thumbprint(&public);
        let import = ["key", "import", "--ssh-agent", &format!("{name}.pub"), "--identity", name];
        assert_eq!(done(&agent.envelope(import)).trim_end(), keyid.to_string());

        // P-256 draws a number for each signature: high and low s, short r and s are all among so many.
        for _ in 0..12 {
            let sign = ["sign", "GET", "http://a.example/", "--json", "--identity", name];
            let call = judge(&done(&agent.envelope(sign)), keyid);
            assert_eq!(call.certificate().unwrap().identity_key(), keyid);
            assert_eq!(call.certificate().unwrap().call_key().algorithm(), algorithm);
            fs::remove_file(home.path(&format!("home/run/{name}.call"))).unwrap();
        }
        let did = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp";
        let jws = done(&agent.envelope(["certify", "--for", did, "--identity", name]));
        let certificate = envelope_core::UntrustedCertificate::parse(jws.trim_end()).unwrap();
        assert_eq!(certificate.verify().unwrap().identity_key(), keyid);
    }
    let list = done(&agent.envelope(["key", "list", "--json"]));
    assert_eq!(list.matches(r#""encrypted":false,"home":"ssh-agent""#).count(), 2, "{list}");
}

#[test]
fn every_spelling_names_a_key_of_the_agent() {
    let home = Home::new();
    let agent = Agent::start(&home, &[]);
    let line = ssh_keygen(&home, "key", "ecdsa");
    agent.ssh_add(&["-q", "key"]);
    let keyid = thumbprint(&line).to_string();
    let did = envelope_core::VerifyingKey::from_openssh(line.trim_end()).unwrap().to_did();
    for (name, key) in [("a", "key.pub"), ("b", line.trim_end()), ("c", &keyid), ("d", &did)] {
        let import = agent.envelope(["key", "import", "--ssh-agent", key, "--identity", name]);
        assert_eq!(done(&import).trim_end(), keyid);
    }
    let again = agent.envelope(["key", "import", "--ssh-agent", "key.pub", "--identity", "a"]);
    assert!(failed(&again).contains("the identity a has a key already"));
}

#[test]
fn the_file_of_such_an_identity_is_a_public_key_to_openssl() {
    let home = Home::new();
    let agent = Agent::start(&home, &[]);
    for (name, file_type) in [("ed", "ed25519"), ("ec", "ecdsa")] {
        let public = ssh_keygen(&home, name, file_type);
        agent.ssh_add(&["-q", name]);
        done(&agent.envelope(["key", "import", "--ssh-agent", &format!("{name}.pub"), "--identity", name]));
        let file = format!("home/identities/{name}.pem");
        assert!(home.read(&file).starts_with("Home: ssh-agent\n-----BEGIN PUBLIC KEY-----\n"));
        let found = home.other("openssl", ["pkey", "-pubin", "-in", &file, "-pubout"]);
        assert_eq!(thumbprint(&found), thumbprint(&public));
        // Looking needs no agent.
        assert_eq!(home.keyid(name), thumbprint(&public));
        let exported = home.run(["key", "export", "--format", "openssh", "--identity", name]);
        assert_eq!(thumbprint(&done(&exported)), thumbprint(&public));
    }
}

#[test]
fn the_private_half_stays_in_the_agent() {
    let home = Home::new();
    let agent = Agent::start(&home, &[]);
    ssh_keygen(&home, "key", "ed25519");
    agent.ssh_add(&["-q", "key"]);
    done(&agent.envelope(["key", "import", "--ssh-agent", "key.pub"]));
    for format in ["pem", "jwk", "openssh"] {
        let said = failed(&agent.envelope(["key", "export", "--private", "--format", format]));
        assert!(said.contains("the ssh-agent never hands out a private key"), "{said}");
    }
}

#[test]
fn a_key_that_the_agent_does_not_hold_is_refused() {
    let home = Home::new();
    let agent = Agent::start(&home, &[]);
    ssh_keygen(&home, "key", "ed25519");
    let import = ["key", "import", "--ssh-agent", "key.pub"];
    assert!(failed(&agent.envelope(import)).contains("the ssh-agent does not hold the key"));
    agent.ssh_add(&["-q", "key"]);
    done(&agent.envelope(import));
    agent.ssh_add(&["-q", "-d", "key"]);
    let said = failed(&agent.envelope(["sign", "GET", "http://a.example/"]));
    assert!(said.contains("the ssh-agent does not hold the key"), "{said}");
    assert!(said.contains("envelope: hint: ssh-add -L lists its keys"), "{said}");
}

#[test]
fn a_signature_that_nobody_confirms_is_refused() {
    let home = Home::new();
    let agent = Agent::start(&home, &[]);
    ssh_keygen(&home, "key", "ed25519");
    agent.ssh_add(&["-q", "-c", "key"]);
    done(&agent.envelope(["key", "import", "--ssh-agent", "key.pub"]));
    let said = failed(&agent.envelope(["sign", "GET", "http://a.example/"]));
    assert!(said.contains("the ssh-agent refused to sign"), "{said}");
    assert!(!home.path("home/run/default.call").exists());
}

#[test]
fn keys_of_fido_tokens_are_refused_with_the_reason() {
    let home = Home::new();
    let line = "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHAAAABHNzaDo= token";
    home.put("sk.pub", line);
    for key in [line, "sk.pub"] {
        let said = failed(&home.run(["key", "import", "--ssh-agent", key]));
        assert!(said.contains("FIDO token, which signs other bytes than it is given"), "{said}");
    }
}

#[test]
fn without_an_agent_it_says_so() {
    let home = Home::new();
    let agent = Agent::start(&home, &[]);
    ssh_keygen(&home, "key", "ed25519");
    agent.ssh_add(&["-q", "key"]);
    done(&agent.envelope(["key", "import", "--ssh-agent", "key.pub"]));
    let sign = |socket: &str| {
        let mut command = home.envelope();
        failed(
            &command
                .args(["sign", "GET", "http://a.example/"])
                .env("SSH_AUTH_SOCK", socket)
                .output()
                .unwrap(),
        )
    };
    assert!(sign("").contains("no ssh-agent: SSH_AUTH_SOCK is not set"));
    assert!(sign("missing.sock").contains("no ssh-agent at the socket that SSH_AUTH_SOCK names"));
    drop(agent);
    assert!(sign("agent.sock").contains("no ssh-agent at the socket that SSH_AUTH_SOCK names"));
}

/// An agent that lists the keys of the real one, and answers this when it shall sign.
fn lying_agent(home: &Home, answer: Option<Vec<u8>>) -> std::path::PathBuf {
    let path = home.path("liar.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let real = home.path("agent.sock");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut real) = (stream.unwrap(), UnixStream::connect(&real).unwrap());
            let question = message(&mut stream);
            real.write_all(&question).unwrap();
            stream.write_all(&message(&mut real)).unwrap();
            message(&mut stream);
            if let Some(answer) = &answer {
                stream.write_all(answer).unwrap();
            }
        }
    });
    path
}

/// One message, with its length before it.
fn message(stream: &mut UnixStream) -> Vec<u8> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut bytes = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
    stream.read_exact(&mut bytes).unwrap();
    [&length[..], &bytes].concat()
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

#[test]
fn what_the_agent_signed_is_verified() {
    let signature = [string(b"ssh-ed25519"), string(&[7; 64])].concat();
    let forged = string(&[&[14][..], &string(&signature)].concat());
    for (answer, what) in [
        (Some(forged), "what the ssh-agent signed does not verify"),
        (Some(string(&[6])), "the ssh-agent answered something else than it was asked for"),
        (None, "the ssh-agent hung up"),
    ] {
        let home = Home::new();
        let agent = Agent::start(&home, &[]);
        ssh_keygen(&home, "key", "ed25519");
        agent.ssh_add(&["-q", "key"]);
        done(&agent.envelope(["key", "import", "--ssh-agent", "key.pub"]));
        let liar = lying_agent(&home, answer);
        let mut sign = home.envelope();
        sign.args(["sign", "GET", "http://a.example/"]).env("SSH_AUTH_SOCK", liar);
        let said = failed(&sign.output().unwrap());
        assert!(said.contains(what), "{said}");
        assert!(!home.path("home/run/default.call").exists());
    }
}

#[test]
fn a_key_on_a_token_signs_through_the_agent() {
    const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
    let home = Home::new();
    home.put("tokens/.keep", "");
    let tokens = home.path("tokens");
    home.put("softhsm.conf", &format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display()));
    home.put("pin", "#!/bin/sh\necho 1234\n");
    succeeded(home.program("chmod").args(["700", "pin"]));
    let in_token = |mut command: Command| {
        command.env("SOFTHSM2_CONF", home.path("softhsm.conf"));
        command
    };
    let init = ["--init-token", "--free", "--label", "t", "--so-pin", "1234", "--pin", "1234"];
    succeeded(in_token(home.program("softhsm2-util")).args(init));
    let generate = ["--login", "--pin", "1234", "--keypairgen", "--key-type", "EC:prime256v1", "--id", "01"];
    succeeded(in_token(home.program("pkcs11-tool")).args(["--module", MODULE]).args(generate));

    // The agent runs a helper that finds the token by the variable.
    let mut command = in_token(home.program("ssh-agent"));
    command.args(["-D", "-a", "agent.sock", "-P", "/usr/lib/*"]).stdout(Stdio::null());
    let process = Running(command.spawn().expect("ssh-agent IS MISSING"));
    let start = Instant::now();
    while UnixStream::connect(home.path("agent.sock")).is_err() {
        assert!(start.elapsed() < Duration::from_secs(10), "ssh-agent does not listen");
        std::thread::sleep(Duration::from_millis(10));
    }
    let agent = Agent { home: &home, _process: process };
    let mut add = agent.with(home.program("ssh-add"));
    add.env("SSH_ASKPASS", home.path("pin")).env("SSH_ASKPASS_REQUIRE", "force").env("DISPLAY", ":none");
    succeeded(add.args(["-s", MODULE]));
    let line = agent.ssh_add(&["-L"]);
    assert!(line.starts_with("ecdsa-sha2-nistp256 "), "{line}");
    done(&agent.envelope(["key", "import", "--ssh-agent", line.trim_end()]));
    let document = done(&agent.envelope(["sign", "GET", "http://a.example/", "--json"]));
    assert_eq!(judge(&document, thumbprint(&line)).certificate().unwrap().identity_key(), thumbprint(&line));
}
