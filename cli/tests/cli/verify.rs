//! `envelope verify`: every flaw gets its code.

use envelope_core::{Document, Refusal};

use crate::outside::{Home, data, done, failed};

const AT: &str = "1700000030";

/// Verifies a changed copy of a fixed document, and gives the code of the refusal.
fn refused(from: &str, to: &str, args: &[&str]) -> String {
    let original = std::fs::read_to_string(data("post.json")).unwrap();
    let changed = original.replace(from, to);
    assert_ne!(changed, original, "{from}");
    let alice = data("alice.jwk");
    let home = Home::new();
    home.put("message", changed.as_bytes());
    let mut command = home.envelope();
    command.args(["verify", "--trust"]).arg(format!("alice={}", alice.display()));
    let output = command.args(["--at", AT, "message"]).args(args).output().unwrap();
    assert!(output.stdout.is_empty());
    let said = failed(&output, 1);
    said.trim_start_matches("envelope: error: ").split(':').next().unwrap().to_owned()
}

#[test]
fn whatever_is_changed_is_refused_with_its_code() {
    for (from, to, code) in [
        ("POST", "PUT", "bad-signature"),
        ("POST", "post", "malformed"),
        (r#""authority":"pack.example""#, r#""authority":"pack.example.net""#, "bad-signature"),
        (r#""authority":"pack.example""#, r#""authority":"a b""#, "wrong-authority"),
        ("/agent", "/agent2", "bad-signature"),
        ("/agent", "/../agent", "target-not-canonical"),
        ("q=1", "q=2", "bad-signature"),
        (r#""query":"q=1""#, r#""query":"""#, "bad-signature"),
        ("application/json", "text/plain", "bad-signature"),
        (r#""content-type":"application/json","#, "", "not-covered"),
        ("eyJhIjoxfQ==", "eyJhIjoyfQ==", "digest-mismatch"),
        (r#","body":"eyJhIjoxfQ==""#, "", "digest-mismatch"),
        ("sha-256=:", "sha-256=:A", "malformed"),
        ("created=1700000000", "created=1700000001", "bad-signature"),
        ("created=1700000000", "created=1700000036", "not-yet-valid"),
        ("expires=1700000060", "expires=1700000061", "window-too-long"),
        ("expires=1700000060", "expires=1700000029", "expired"),
        ("nonce=\\\"B", "nonce=\\\"C", "bad-signature"),
        ("envelope/1", "envelope/2", "tag-refused"),
        ("\\\"@query\\\" ", "", "not-covered"),
        ("\\\"@query\\\"", "\\\"@target-uri\\\"", "component-refused"),
        ("\\\"@query\\\"", "\\\"@path\\\"", "duplicate"),
        ("jkt-jwt", "jwt", "certificate-invalid"),
        ("signature-key\":\"sig=", "signature-key\":\"gis=", "malformed"),
        (r#""method":"#, r#""method":"GET","method":"#, "duplicate"),
        (r#""method":"#, r#""extra":"GET","method":"#, "malformed"),
        ("{", "{{", "malformed"),
    ] {
        assert_eq!(refused(from, to, &[]), code, "{from} -> {to}");
    }
}

#[test]
fn every_byte_of_the_signature_counts() {
    let json = std::fs::read_to_string(data("post.json")).unwrap();
    let start = json.find("\"signature\":\"sig=:").unwrap() + 18;
    for at in (start..start + 86).step_by(5) {
        let old = &json[at..=at];
        let new = if old == "A" { "B" } else { "A" };
        let from = &json[start..start + 86];
        let mut to = from.to_owned();
        to.replace_range(at - start..=at - start, new);
        let code = refused(from, &to, &[]);
        // The last character holds two bits that must be zero.
        assert!(code == "bad-signature" || at == start + 85 && code == "malformed", "{at}: {code}");
    }
}

#[test]
fn a_document_without_an_envelope_is_unauthenticated() {
    let home = Home::new();
    let json = br#"{"method":"GET","authority":"pack.example","path":"/","headers":{}}"#;
    let output = home.run_with(["verify", "--trust", &"A".repeat(43)], json);
    assert!(failed(&output, 1).starts_with("envelope: error: unauthenticated: "));
}

#[test]
fn authorities_are_those_that_are_given() {
    let home = Home::new();
    let (alice, file) = (data("alice.jwk"), data("post.json"));
    let verify = |authorities: &[&str]| {
        let mut command = home.envelope();
        command.arg("verify").arg("--trust").arg(&alice).args(["--at", AT]).arg(&file);
        command.args(authorities.iter().flat_map(|authority| ["--authority", authority])).output().unwrap()
    };
    done(&verify(&["PACK.example"]));
    done(&verify(&["a.example", "pack.example"]));
    assert!(failed(&verify(&["a.example"]), 1).starts_with("envelope: error: wrong-authority: "));
}

#[test]
fn a_message_on_the_wire_is_read_with_either_line_end() {
    let home = Home::new();
    let text = std::fs::read_to_string(data("post.http")).unwrap();
    let trust = format!("alice={}", data("alice.jwk").display());
    let verify = ["verify", "--trust", &trust, "--at", AT];
    let (header, body) = text.split_once("\n\n").unwrap();
    let length = format!("{header}\nContent-Length: {}", body.len());
    for message in [
        text.clone(),
        format!("{}\r\n\r\n{body}", header.replace('\n', "\r\n")),
        format!("{length}\n\n{body}"),
        text.replace("POST /", "POST https://pack.example/"),
    ] {
        let said = done(&home.run_with(verify, message.as_bytes()));
        assert!(said.contains("identity      alice\n"), "{said}");
    }
    for (message, code) in [
        (format!("{length}\n\n{body}\n"), "malformed"),
        (text.clone() + "\n", "digest-mismatch"),
        (header.to_owned(), "malformed"),
        (text.replace("HTTP/1.1", "HTTP/2"), "malformed"),
        (text.replace("POST /", "POST https://other.example/"), "wrong-authority"),
        (format!("{header}\nhost: pack.example\n\n{body}"), "duplicate"),
    ] {
        let said = failed(&home.run_with(verify, message.as_bytes()), 1);
        assert!(said.starts_with(&format!("envelope: error: {code}: ")), "{said}");
    }
}

#[test]
fn every_spelling_of_a_key_is_trusted() -> Result<(), Refusal> {
    let home = Home::new();
    home.keygen("default", "ed25519");
    let json = done(&home.run(["sign", "GET", "http://a.example/", "--json"]));
    assert_eq!(Document::parse(json.as_bytes())?.authority(), "a.example");
    for format in ["jwk", "pem", "keyid", "did", "openssh"] {
        let key = done(&home.run(["key", "show", "--format", format]));
        home.put("key=file", key.as_bytes());
        let inline = key.trim_end().to_owned();
        for (trust, name) in [("alice=key=file".to_owned(), "alice"), (format!("al:ice={inline}"), "al:ice")]
        {
            let said = done(&home.run_with(["verify", "--trust", &trust, "--json"], json.as_bytes()));
            assert!(said.contains(&format!(r#""identity":"{name}""#)), "{format} {said}");
        }
        let keyid = done(&home.run(["key", "show", "--format", "keyid"]));
        for trust in ["key=file", inline.as_str()] {
            let said = done(&home.run_with(["verify", "--trust", trust, "--json"], json.as_bytes()));
            assert!(said.contains(&format!(r#""identity":"{}""#, keyid.trim_end())), "{format} {said}");
        }
    }
    Ok(())
}

#[test]
fn the_length_is_checked_in_both_forms() {
    let home = Home::new();
    let trust = format!("alice={}", data("alice.jwk").display());
    let verify = ["verify", "--trust", &trust, "--at", AT];
    let json = std::fs::read_to_string(data("post.json")).unwrap();
    let http = std::fs::read_to_string(data("post.http")).unwrap();
    for (length, fits) in [("7", true), ("8", false), ("07", false)] {
        let json = json.replace("\"headers\":{", &format!("\"headers\":{{\"content-length\":\"{length}\","));
        let http = http.replacen('\n', &format!("\ncontent-length: {length}\n"), 1);
        for message in [json, http] {
            let output = home.run_with(verify, message.as_bytes());
            if fits {
                done(&output);
            } else {
                assert!(failed(&output, 1).starts_with("envelope: error: malformed: Content-Length"));
            }
        }
    }
}

#[test]
fn programs_are_told_of_a_refusal_too() {
    let home = Home::new();
    let trust = format!("alice={}", data("alice.jwk").display());
    let json = std::fs::read_to_string(data("post.json")).unwrap().replace("q=1", "q=2");
    let refused = |output: std::process::Output, code: &str| {
        let said = failed(&output, 1);
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(told["valid"], false);
        assert_eq!(told["code"], code);
        let detail = told["detail"].as_str().unwrap();
        assert!(said.starts_with(&format!("envelope: error: {code}: {detail}\n")), "{said}");
        assert_eq!(told.as_object().unwrap().len(), 3);
    };
    let verify = ["verify", "--trust", &trust, "--at", AT, "--json"];
    refused(home.run_with(verify, json.as_bytes()), "bad-signature");
    refused(home.run_with(verify, b"junk"), "malformed");
    refused(home.run_with(["inspect", "--json"], b"junk"), "malformed");
    refused(home.run_with(["inspect", "--json"], b"a.b.c"), "certificate-invalid");
    // A refusal is one, whether or not somebody reads it.
    let output = home.bash(
        "envelope verify --json --trust AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA < /dev/null > /dev/full",
    );
    failed(&output, 1);
}

#[test]
fn one_key_has_one_name() {
    let home = Home::new();
    let alice = data("alice.jwk").display().to_string();
    let verify = |first: &str, second: &str| {
        let (first, second) = (format!("{first}={alice}"), format!("{second}={alice}"));
        let post = data("post.json").display().to_string();
        home.run(["verify", "--trust", &first, "--trust", &second, "--at", AT, &post])
    };
    done(&verify("a", "a"));
    assert!(failed(&verify("a", "b"), 2).contains("one key is trusted under two names: a, b"));
}

#[test]
fn input_has_a_limit() {
    let home = Home::new();
    std::fs::File::create(home.path("zeros")).unwrap().set_len(16 * 1024 * 1024 + 1).unwrap();
    for args in [&["inspect"][..], &["verify", "--trust", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]] {
        let mut command = home.envelope();
        assert!(
            failed(&command.args(args).arg("zeros").output().unwrap(), 2)
                .contains("longer than 16 MiB: zeros")
        );
        let mut command = home.envelope();
        command.stdin(std::fs::File::open("/dev/zero").unwrap());
        assert!(failed(&command.args(args).output().unwrap(), 2).contains("more than 16 MiB on stdin"));
    }
}
