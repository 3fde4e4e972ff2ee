//! Nothing of a private key is in the memory of a process that has signed, and is about to print.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write, pipe};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64ct::{Base64, Encoding};

fn envelope(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_envelope"));
    command.args(arguments).env("ENVELOPE_HOME", home).stdin(Stdio::null());
    command
}

fn succeeds(home: &Path, arguments: &[&str]) {
    assert!(envelope(home, arguments).output().unwrap().status.success(), "{arguments:?}");
}

/// The PKCS#8 in a file, as `openssl` reads it, and the 32 bytes of its secret.
fn secrets(pem: &Path, passphrase: &[&str]) -> Vec<Vec<u8>> {
    let mut der = Command::new("openssl");
    let der = der.args(["pkey", "-outform", "DER", "-in"]).arg(pem).args(passphrase).output().unwrap();
    assert!(der.status.success(), "{der:?}");
    let der = der.stdout;
    // RFC 8410: the seed ends an Ed25519 key. RFC 5915: the scalar is the octet string after the version.
    let secret = match der.len() {
        48 => der[16..].to_vec(),
        _ => {
            let start = der.windows(5).position(|window| window == [2, 1, 1, 4, 32]).unwrap() + 5;
            der[start..start + 32].to_vec()
        }
    };
    let text = Base64::encode_string(&secret[1..31]);
    vec![secret[..16].to_vec(), secret[16..].to_vec(), text.into_bytes()]
}

/// A process that has done everything but print: the pipe that it prints to is full.
fn stopped_at_printing(home: &Path, arguments: &[&str]) -> (Child, impl Sized) {
    let (reader, mut writer) = pipe().unwrap();
    writer.write_all(&[0; 65_536]).unwrap();
    let mut child = envelope(home, arguments).stdout(writer).spawn().unwrap();
    for _ in 0..600 {
        std::thread::sleep(Duration::from_millis(100));
        let call = fs::read_to_string(format!("/proc/{}/syscall", child.id()));
        let call =
            call.unwrap_or_else(|error| panic!("THE MEMORY OF A PROCESS CANNOT BE LOOKED AT HERE: {error}"));
        // write(1, …), on x86-64 and aarch64.
        if call.starts_with("1 0x1 ") || call.starts_with("64 0x1 ") {
            return (child, reader);
        }
        assert_eq!(child.try_wait().unwrap(), None, "it ended before it printed");
    }
    panic!("it never came to print");
}

/// How often each of the patterns is in the memory of a process.
fn count(child: &Child, patterns: &[Vec<u8>]) -> Vec<usize> {
    let maps = fs::read_to_string(format!("/proc/{}/maps", child.id())).unwrap();
    let mut memory = fs::File::open(format!("/proc/{}/mem", child.id())).unwrap();
    let mut found = vec![0; patterns.len()];
    for line in maps.lines() {
        let (range, rest) = line.split_once(' ').unwrap();
        if !rest.starts_with("rw") {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|text| u64::from_str_radix(text, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        memory.seek(SeekFrom::Start(start)).unwrap();
        if memory.read_exact(&mut bytes).is_err() {
            assert!(rest.contains("[v"), "a part of the memory cannot be read: {line}");
            continue;
        }
        for (pattern, found) in patterns.iter().zip(&mut found) {
            *found += bytes.windows(pattern.len()).filter(|window| window == pattern).count();
        }
    }
    found
}

fn check(algorithm: &str, encrypted: bool) {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let passphrase = home.join("passphrase");
    fs::write(&passphrase, "correct horse battery staple\n").unwrap();
    Command::new("chmod").arg("600").arg(&passphrase).status().unwrap();
    let passphrase = passphrase.to_str().unwrap();
    let with_passphrase: &[&str] = if encrypted { &["--passphrase-file", passphrase] } else { &[] };
    let openssl: &[&str] = &["-passin", &format!("file:{passphrase}")];
    succeeds(home, &[&["keygen", "--alg", algorithm], with_passphrase].concat());
    let sign = [&["sign", "GET", "http://pack.example/"], with_passphrase].concat();

    for fresh in [true, false] {
        // The first time a call key is made, and the identity key opened; then the call key is there.
        assert_eq!(home.join("run/default.call").exists(), !fresh);
        let (mut child, _reader) = stopped_at_printing(home, &sign);
        let call_key = fs::read_to_string(home.join("run/default.call")).unwrap();
        let (certificate, pem) = call_key.split_once('\n').unwrap();
        fs::write(home.join("call.pem"), pem).unwrap();
        let mut patterns = vec![certificate.as_bytes().to_vec(), b"correct horse battery".to_vec()];
        patterns.extend(secrets(&home.join("call.pem"), &[]));
        patterns.extend(secrets(&home.join("identities/default.pem"), if encrypted { openssl } else { &[] }));
        let found = count(&child, &patterns);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found[0] > 0, "what is certainly there is not found: the search finds nothing");
        assert_eq!(
            found[1..],
            [0; 7],
            "{algorithm}, encrypted: {encrypted}, call key made: {fresh}; the passphrase, then halves and base64 of the \
             call key, then of the identity key"
        );
    }
}

#[test]
fn nothing_of_an_ed25519_key() {
    check("ed25519", false);
}

#[test]
fn nothing_of_a_p256_key() {
    check("p256", false);
}

#[test]
fn nothing_of_a_key_behind_a_passphrase() {
    check("ed25519", true);
}
