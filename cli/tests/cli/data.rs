//! The files of `tests/data`, made again from fixed keys. `BLESS=1` writes them.

use envelope_core::*;

use crate::outside::{data, key};

const CREATED: u64 = 1_700_000_000;

fn certificate(identity: &SigningKey, call_key: &SigningKey, grant: Grant) -> String {
    let issued = Timestamp::from_unix(CREATED - 10);
    let issue = Issue { call_key: call_key.verifying_key(), issued, lifetime: 900, id: "1", grant };
    issue.sign(identity).unwrap()
}

fn document(algorithm: Algorithm, body: Option<&[u8]>) -> Document {
    let (identity, call_key) = (key(algorithm, 1), key(algorithm, 2));
    let certificate = certificate(&identity, &call_key, Grant::everything());
    let signer = Signer::certified(&call_key, &certificate).unwrap();
    let fields: &[Field<'_>] = &[("Content-Type", b"application/json")];
    let method = if body.is_some() { "POST" } else { "GET" };
    let fields = if body.is_some() { fields } else { &[] };
    let request = Request::new(method, "https://pack.example/api/pack/p1/agent?q=1", fields);
    let signed = signer.sign(&request, body, Timestamp::from_unix(CREATED), &[7; 16]).unwrap();
    Document::new(&request, body, &signed).unwrap()
}

/// The same message as `document`, as it is on the wire.
fn http(document: &Document) -> String {
    let fields = document.fields();
    let mut text = format!("{} /api/pack/p1/agent?q=1 HTTP/1.1\n", document.request(&fields).method());
    for (name, value) in &fields {
        text.push_str(&format!("{name}: {}\n", std::str::from_utf8(value).unwrap()));
    }
    text.push('\n');
    text.push_str(std::str::from_utf8(document.body()).unwrap());
    text
}

#[test]
fn the_fixed_files_are_what_core_makes_of_fixed_keys() {
    let post = document(Algorithm::Ed25519, Some(b"{\"a\":1}"));
    let identity = key(Algorithm::Ed25519, 1);
    let grant = Grant::everything().audience(["pack.example"]).scope(["call", "deploy"]);
    let files = [
        ("post.json", post.to_json() + "\n"),
        ("post-other-body.json", post.to_json().replace("eyJhIjoxfQ==", "eyJhIjoyfQ==") + "\n"),
        ("post.http", http(&post)),
        ("get-p256.json", document(Algorithm::P256, None).to_json()),
        ("alice.jwk", identity.verifying_key().to_jwk() + "\n"),
        ("alice-p256.pem", key(Algorithm::P256, 1).verifying_key().to_pem()),
        ("agent.pub", key(Algorithm::Ed25519, 2).verifying_key().to_openssh() + " agent\n"),
        ("certificate.jws", certificate(&identity, &key(Algorithm::Ed25519, 2), grant) + "\n"),
    ];
    for (name, content) in files {
        if std::env::var("BLESS").is_ok() {
            std::fs::write(data(name), &content).unwrap();
        }
        assert_eq!(std::fs::read_to_string(data(name)).unwrap(), content, "{name}");
    }
}
