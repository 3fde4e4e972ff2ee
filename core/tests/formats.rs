//! The spellings of a public key: each comes back, and each refuses what the profile refuses.
#![cfg(feature = "formats")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use envelope_core::key::format::KeyRef;
use envelope_core::{Algorithm, Code, SigningKey, VerifyingKey};

fn keys() -> Vec<VerifyingKey> {
    [Algorithm::Ed25519, Algorithm::P256]
        .into_iter()
        .flat_map(|algorithm| {
            (1..20).map(move |byte| {
                SigningKey::from_bytes(algorithm, &[byte; 32]).unwrap().verifying_key().clone()
            })
        })
        .collect()
}

fn spellings(key: &VerifyingKey) -> [String; 4] {
    [key.to_pem(), key.to_jwk(), key.to_openssh(), key.to_did()]
}

fn refused(text: &str) {
    assert_eq!(KeyRef::parse(text).unwrap_err().code(), Code::KeyRefused, "{text}");
}

#[test]
fn every_spelling_comes_back() {
    for key in keys() {
        for text in spellings(&key) {
            assert_eq!(KeyRef::parse(&text), Ok(KeyRef::Key(key.clone())), "{text}");
            assert_eq!(KeyRef::parse(&format!("\n {text}\n\n")).unwrap().thumbprint(), key.thumbprint());
        }
        let thumbprint = key.thumbprint();
        assert_eq!(KeyRef::parse(&thumbprint.to_string()), Ok(KeyRef::Thumbprint(thumbprint)));
        assert_eq!(KeyRef::Thumbprint(thumbprint).thumbprint(), thumbprint);
    }
}

/// Spellings that other programs wrote: of the key of RFC 8032, TEST 1, which is refused, so each of them was read.
#[test]
fn published_keys_are_refused_in_every_spelling() {
    for text in [
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
        "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea test",
        "did:key:z6MktwupdmLXVVqTzCw4i46r4uGyosGXRnR3XjN4Zq7oMMsw",
    ] {
        let refusal = KeyRef::parse(text).unwrap_err();
        assert!(refusal.detail().contains("printed in an RFC"), "{text}: {}", refusal.detail());
    }
}

#[test]
fn other_texts_are_refused() {
    for text in [
        "",
        "alice",
        "{}",
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        "ssh-ed25519 AAAA",
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ==",
        "sk-ssh-ed25519@openssh.com AAAA",
        "did:key:",
        "did:key:z",
        "did:key:z0OIl",
        "did:key:u7Q",
        "did:web:pack.example",
    ] {
        refused(text);
    }
    refused(&format!("did:key:z{}", "1".repeat(65)));
}

/// One more byte behind the key, one less, and an uncompressed point, which `did:key` does not have.
#[test]
fn a_did_holds_exactly_a_key() {
    for key in keys() {
        let did = key.to_did();
        let bytes = bs58::decode(did.strip_prefix("did:key:z").unwrap()).into_vec().unwrap();
        let spell = |bytes: &[u8]| format!("did:key:z{}", bs58::encode(bytes).into_string());
        assert_eq!(spell(&bytes), did);
        refused(&spell(&bytes[..bytes.len() - 1]));
        refused(&spell(&[&bytes[..], &[0]].concat()));
        refused(&spell(&bytes[1..]));
        let (x, y) = key.coordinates();
        if let Some(y) = y {
            refused(&spell(&[&[0x80, 0x24, 4][..], &x, &y].concat()));
        }
    }
}
