//! Passphrases from commands and from people.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::outside::{Home, done, failed, thumbprint};

const DID: &str = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp";

/// A home with an encrypted identity whose passphrase is `x y`.
fn encrypted() -> Home {
    let home = Home::new();
    done(&home.run(["keygen", "--passphrase-command", "echo 'x y'"]));
    home
}

#[test]
fn a_command_prints_it_on_its_first_line() {
    let home = encrypted();
    let file = "home/identities/default.pem";
    let public = home.other("openssl", ["pkey", "-in", file, "-passin", "pass:x y", "-pubout"]);
    assert_eq!(thumbprint(&public), home.keyid("default"));
    let certify = |command: &str| home.run(["certify", "--for", DID, "--passphrase-command", command]);
    for command in ["echo 'x y'", "printf 'x y'", "printf 'x y\\nurl: https://a.example\\n'"] {
        done(&certify(command));
    }
    for (command, what) in [
        ("echo SECRET", "the passphrase does not open the key"),
        ("echo SECRET; exit 3", "the passphrase command failed: exit status: 3"),
        ("true # SECRET", "the passphrase command printed none"),
        ("printf 'SECRET\\r\\n'", "the passphrase command ends the passphrase with a carriage return"),
        ("yes SECRET", "longer than 64 KiB: the output of the passphrase command"),
    ] {
        let said = failed(&certify(command));
        assert!(said.contains(what), "{command}: {said}");
        assert!(!said.contains("SECRET"), "{said}");
    }
}

#[test]
fn the_command_line_comes_before_the_environment() {
    let home = encrypted();
    home.put("right", "x y");
    home.put("wrong", "z");
    let certify = |variables: &[(&str, &str)], args: &[&str]| {
        let mut command = home.envelope();
        command.args(["certify", "--for", DID]).args(args).envs(variables.iter().copied());
        command.output().unwrap()
    };
    let (file, command) = ("ENVELOPE_PASSPHRASE_FILE", "ENVELOPE_PASSPHRASE_COMMAND");
    done(&certify(&[(command, "echo x y")], &[]));
    done(&certify(&[(file, "right"), (command, "")], &[]));
    done(&certify(&[(file, "wrong"), (command, "echo z")], &["--passphrase-file", "right"]));
    done(&certify(&[(file, "wrong")], &["--passphrase-command", "cat right"]));
    let both = failed(&certify(&[(file, "right"), (command, "echo x y")], &[]));
    assert!(both.contains("ENVELOPE_PASSPHRASE_FILE and ENVELOPE_PASSPHRASE_COMMAND are both set"), "{both}");
    failed(&certify(&[], &["--passphrase-file", "right", "--passphrase-command", "cat right"]));
}

#[test]
fn without_a_terminal_the_hint_names_every_way() {
    let home = encrypted();
    let said = failed(&home.run(["certify", "--for", DID]));
    assert!(said.contains("the key is encrypted and there is no passphrase"), "{said}");
    for way in ["--passphrase-file", "--passphrase-command", "terminal"] {
        assert!(said.contains(way), "{said}");
    }
    let said = failed(&home.run(["keygen", "--identity", "new", "--passphrase"]));
    assert!(said.contains("there is no terminal to ask for a passphrase"), "{said}");
}

/// Runs a shell command in a terminal where somebody types each answer once it is asked for. Gives what the terminal showed,
/// and whether the command succeeded.
fn typed(home: &Home, line: &str, answers: &[(&str, &str)]) -> (String, bool) {
    let line = line.replace("envelope ", concat!(env!("CARGO_BIN_EXE_envelope"), " "));
    let mut command: Command = home.program("script");
    command.args(["-qefc", &format!("tty; {line}"), "/dev/null"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("script IS MISSING");
    let (mut keyboard, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let terminal = read_until(&mut screen, "\n");
    let mut shown = String::new();
    for (question, answer) in answers {
        shown.push_str(&read_until(&mut screen, question));
        // The question comes first, a moment later the terminal stops to show what is typed. A person is slower than that.
        let start = Instant::now();
        while !home.other("stty", ["-a", "-F", terminal.trim_end()]).contains(" -echo ") {
            assert!(start.elapsed() < Duration::from_secs(10), "the terminal shows what is typed");
        }
        keyboard.write_all(format!("{answer}\n").as_bytes()).unwrap();
    }
    screen.read_to_string(&mut shown).unwrap();
    (shown, child.wait().unwrap().success())
}

fn read_until(screen: &mut impl Read, end: &str) -> String {
    let mut shown = String::new();
    while !shown.ends_with(end) {
        let mut byte = [0];
        assert_ne!(screen.read(&mut byte).unwrap(), 0, "{end} does not come: {shown}");
        shown.push(char::from(byte[0]));
    }
    shown
}

#[test]
fn a_person_is_asked_for_the_passphrase_of_an_encrypted_key() {
    let home = encrypted();
    let line = "envelope sign GET http://a.example/ --json > signed";
    let question = "passphrase of the identity default: ";
    let (shown, success) = typed(&home, line, &[(question, "x y")]);
    assert!(success, "{shown}");
    assert!(!shown.contains("x y"), "the terminal shows it: {shown}");
    crate::outside::judge(&home.read("signed"), home.keyid("default"));
    // The call key is there now: nobody is asked.
    assert_eq!(typed(&home, line, &[]), (String::new(), true));

    let certify = format!("envelope certify --for {DID}");
    let (shown, success) = typed(&home, &certify, &[(question, "wrong")]);
    assert!(!success && shown.contains("the passphrase does not open the key"), "{shown}");
    let (shown, success) = typed(&home, &certify, &[(question, "")]);
    assert!(!success && shown.contains("no passphrase was typed"), "{shown}");
    // What is given comes first.
    let (shown, success) = typed(&home, &format!("{certify} --passphrase-command 'echo x y'"), &[]);
    assert!(success && !shown.contains(question), "{shown}");
}

#[test]
fn a_new_passphrase_is_asked_for_twice() {
    let home = Home::new();
    let line = "envelope keygen --passphrase";
    let first = "new passphrase of the identity default: ";
    let second = "new passphrase of the identity default, again: ";
    let (shown, success) = typed(&home, line, &[(first, "x y"), (second, "x z")]);
    assert!(!success && shown.contains("the two passphrases differ"), "{shown}");
    assert!(!home.path("home/identities/default.pem").exists());
    let (shown, success) = typed(&home, line, &[(first, "x y"), (second, "x y")]);
    assert!(success, "{shown}");
    done(&home.run(["certify", "--for", DID, "--passphrase-command", "echo x y"]));
    // A key in the clear is what is made when nothing is asked for.
    let (shown, success) = typed(&home, "envelope keygen --identity plain --json", &[]);
    assert!(success && shown.contains(r#""encrypted":false"#), "{shown}");

    home.other("openssl", ["genpkey", "-algorithm", "ed25519", "-out", "ed.pem"]);
    let import = "envelope key import ed.pem --identity import --passphrase";
    let asked = [("new passphrase of the key in ed.pem: ", "p"), (", again: ", "p")];
    let (shown, success) = typed(&home, import, &asked);
    assert!(success, "{shown}");
    assert!(home.read("home/identities/import.pem").starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
}

#[test]
fn in_the_background_nobody_is_asked() {
    let home = encrypted();
    // As in `curl -H @<(envelope sign …)`: the terminal is somebody else's.
    let line = "bash -ic 'envelope sign GET http://a.example/ & wait'";
    let (shown, _) = typed(&home, line, &[]);
    assert!(shown.contains("the key is encrypted and there is no passphrase"), "{shown}");
}
