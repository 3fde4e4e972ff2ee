//! An admin who is revoked while the request is on its way: what counts is the moment of the change.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use envelope_core::{Grant, Signer};
use serde_json::{Value, json};
use support::admin::{AUTHORITY, admin, revoke, start, thumbprint};
use support::{Http, PackServer, Person, Program, key, now, read_answer};

/// Sends a request but for its last bytes, and gives what sends those and reads the answer.
fn begin(verifier: &Program, request: &Http) -> impl FnOnce() -> String + use<> {
    let bytes = request.bytes();
    let mut stream = TcpStream::connect(verifier.address).unwrap();
    let (most, rest) = bytes.split_at(bytes.len() - 5);
    stream.write_all(most).unwrap();
    let rest = rest.to_vec();
    // The header is verified before the body is there.
    std::thread::sleep(Duration::from_millis(300));
    move || {
        stream.write_all(&rest).unwrap();
        support::admin::told(&read_answer(&mut BufReader::new(stream)).unwrap())
    }
}

fn requests() -> [(&'static str, Value); 3] {
    [
        ("/api/keys", json!({"identity": "mallory", "key": thumbprint("mallory")})),
        ("/api/keys/tickets", json!({"identity": "mallory"})),
        ("/api/keys/revocations", json!({"key": thumbprint("bystander")})),
    ]
}

#[test]
fn nothing_is_changed_for_an_admin_who_was_revoked_meanwhile() {
    let (pack, directory) = (PackServer::start(), tempfile::tempdir().unwrap());
    let names = ["key", "identity", "certificate", "moment"];
    let trusted: Vec<String> = names.iter().map(|name| Person::new(name).trust(name)).collect();
    let mut more: Vec<&str> = trusted.iter().flat_map(|trust| ["--trust", trust]).collect();
    more.extend(names.iter().flat_map(|name| ["--admin", name]));
    let verifier = start(&pack, &directory.path().join("store.sqlite"), &more);
    for (name, revocation) in [
        ("key", json!({"key": thumbprint("key")})),
        ("identity", json!({"identity": "identity"})),
        ("certificate", json!({"key": thumbprint("certificate"), "jti": "test"})),
        ("moment", json!({"identity": "moment", "issued_before": now()})),
    ] {
        let person = Person::certified(name, Grant::everything(), now() - 100, 900);
        let waiting: Vec<_> = requests()
            .into_iter()
            .map(|(target, body)| begin(&verifier, &person.request("POST", target, Some(&body.to_string()))))
            .collect();
        revoke(&verifier, &revocation);
        for finish in waiting {
            assert_eq!(finish(), "revoked", "{name}");
        }
    }
    let listed = admin(&verifier, "GET", "/api/keys", None).to_string();
    assert!(!listed.contains(&thumbprint("mallory")) && !listed.contains(&thumbprint("bystander")));
    // Who was not revoked is not disturbed.
    let (target, body) = requests()[0].clone();
    let finish = begin(&verifier, &Person::new("root").request("POST", target, Some(&body.to_string())));
    revoke(&verifier, &json!({"key": thumbprint("bystander")}));
    assert_eq!(finish(), "200");
}

#[test]
fn a_call_key_of_an_admin_that_was_revoked_meanwhile_changes_nothing() {
    let (pack, directory) = (PackServer::start(), tempfile::tempdir().unwrap());
    let verifier = start(&pack, &directory.path().join("store.sqlite"), &[]);
    let robot = key("robot");
    let jwk: Value = serde_json::from_str(&robot.verifying_key().to_jwk()).unwrap();
    let registration = json!({"identity": "root", "key": jwk, "role": "call"});
    admin(&verifier, "POST", "/api/keys", Some(&registration));
    let request = |body: &Value| {
        Http::new("POST", "/api/keys/tickets", AUTHORITY)
            .header("Content-Type", "application/json")
            .body(&body.to_string())
            .sign(&Signer::registered(&robot), now())
    };
    let ticket = json!({"identity": "mallory"});
    assert_eq!(begin(&verifier, &request(&ticket))(), "200", "it may do what the admin may");
    let finish = begin(&verifier, &request(&ticket));
    revoke(&verifier, &json!({"key": thumbprint("robot")}));
    assert_eq!(finish(), "revoked");
}
