//! Writes the corpus that the targets begin with: the messages of the test vectors, in the form that each target reads.

use std::error::Error;
use std::fs;
use std::path::Path;

use base64ct::{Base64UrlUnpadded, Encoding};
use envelope_core::{Algorithm, SigningKey};
use envelope_fuzz::spellings;
use envelope_test_vectors::{Message, load, root};

/// The header and the claims of a JWS on a line each, and which key of the target `login` signs such: 1 for Ed25519, 2 for P-256.
fn header_and_claims(jws: &str) -> Option<(u8, Vec<u8>)> {
    let mut parts = jws.split('.').map(Base64UrlUnpadded::decode_vec);
    let (header, claims) = (parts.next()?.ok()?, parts.next()?.ok()?);
    let is_p256 = header.windows(7).any(|bytes| bytes == b"\"ES256\"");
    Some((1 + u8::from(is_p256), [&header[..], b"\n", &claims].concat()))
}

fn main() -> Result<(), Box<dyn Error>> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let put = |target: &str, name: &str, bytes: &[u8]| -> std::io::Result<()> {
        let directory = corpus.join(target);
        fs::create_dir_all(&directory)?;
        fs::write(directory.join(name.replace('/', "-")), bytes)
    };
    for vector in load()? {
        for (at, step) in vector.steps().iter().enumerate() {
            let name = format!("{}-{at}", vector.name);
            match &step.message {
                Message::Document(json) => {
                    put("document", &name, json.as_bytes())?;
                    put("message", &name, &[&[0, 0, 0], json.as_bytes()].concat())?;
                }
                Message::Request(request) => {
                    let value = |wanted: &str| {
                        let found =
                            request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
                        found.map(|(_, value)| value.as_str()).unwrap_or_default()
                    };
                    let names = ["signature-input", "signature", "signature-key", "content-digest"];
                    put("fields", &name, names.map(value).join("\n").as_bytes())?;
                    put("target", &name, format!("https://pack.example{}", request.target).as_bytes())?;
                    if let Some(http) = request.to_http() {
                        // Each is changed at a place of its own: the messages are long, and few verify.
                        let place = u16::try_from(http.len() / 7 * (name.len() % 7)).unwrap_or_default();
                        put("message", &name, &[&place.to_le_bytes()[..], b"x", &http].concat())?;
                    }
                    match value("signature-key").split('"').collect::<Vec<_>>()[..] {
                        [scheme, jws, ..] if scheme.ends_with("=jwt;jwt=") => {
                            put("login", &name, &[&[0, 0, 0, 0], jws.as_bytes()].concat())?;
                            // Read, as the target signs it anew.
                            if let Some((kind, text)) = header_and_claims(jws) {
                                put(
                                    "login",
                                    &format!("{name}-read"),
                                    &[&[0, 0, 0, kind], &text[..]].concat(),
                                )?;
                            }
                        }
                        // The place and the byte come first.
                        [_, jws, ..] => put("certificate", &name, &[&[0, 0, 0], jws.as_bytes()].concat())?,
                        _ => {}
                    }
                }
            }
        }
    }
    for entry in fs::read_dir(root().join("statements"))? {
        let path = entry?.path();
        let vector: serde_json::Value = serde_json::from_slice(&fs::read(&path)?)?;
        let steps = vector["steps"].as_array().cloned().unwrap_or_default();
        for (at, step) in steps.iter().enumerate() {
            let text = step["statement"].as_str().or(step["list"].as_str());
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            if let Some(text) = text {
                put("statement", &format!("{name}-{at}"), &[&[0, 0, 0], text.as_bytes()].concat())?;
            }
        }
    }
    for algorithm in [Algorithm::Ed25519, Algorithm::P256] {
        let key = SigningKey::from_bytes(algorithm, &[7; 32]).map_err(|_| "no key")?;
        for (spelling, text) in ["pem", "openssh", "jwk"].iter().zip(spellings(&key)) {
            put(
                "private_key",
                &format!("{algorithm:?}-{spelling}"),
                &[&[0, 0, 0], text.as_bytes()].concat(),
            )?;
        }
    }
    for header in ["X-Trace: 1", "Authorization: Bearer abc", "Content-Type: text/plain", "X_A:\tb "] {
        put("arguments", &header[..7], header.as_bytes())?;
    }
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBERERERERERERERERERERERERERERERERERERERERERERER";
    for (name, text) in
        [("openssh", key), ("did", "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK")]
    {
        put("key", name, text.as_bytes())?;
    }
    Ok(())
}
