//! Stage 4, V4.1 and V4.10: what Wycheproof's file `json_web_signature` holds of ES256 and of the compact form, with certificates.
//!
//! None of its tests is a certificate, so that each would be refused whatever its flaw is; here the flaw is the only one.

use base64ct::{Base64UrlUnpadded, Encoding};
use envelope_core::Algorithm::{Ed25519, P256};
use envelope_core::Code;
use envelope_test_vectors::Vector;
use sha2::{Digest, Sha256};

use super::super::draft::Draft;
use super::super::keys::{self, base64url};
use super::super::{Topic, rule};
use super::certificate::header;

pub(super) fn fill(all: &mut Vec<Vector>) {
    let mut topic = Topic::new("certificate", all);
    parts(&mut topic);
    characters(&mut topic);
    signatures(&mut topic);
    confusion(&mut topic);
}

/// Shows another JWS in place of the one that was signed.
fn respell(draft: &mut Draft, change: impl FnOnce(&[&str]) -> String) {
    let jws = draft.certificate().to_jws();
    let text = change(&jws.split('.').collect::<Vec<_>>()).replace('"', "\\\"");
    draft.scheme = Some(format!("jkt-jwt;jwt=\"{text}\""));
}

/// Changes header and claims as they are encoded, and signs that.
fn resign(draft: &mut Draft, change: impl FnOnce(&str, &str) -> String) {
    let issuer = draft.certificate().issuer.clone();
    respell(draft, |parts| {
        let input = change(parts[0], parts[1]);
        format!("{input}.{}", base64url(&issuer.sign(input.as_bytes())))
    });
}

/// What becomes of the parts, and of the signature.
type Respell = fn(&[&str]) -> String;
type Bend = fn(&[u8]) -> Vec<u8>;

fn parts(topic: &mut Topic<'_>) {
    let rule = rule("V4.1", "a certificate that two readers read in two ways: revocation and audit miss it");
    let rows: [(&str, &str, Respell); 8] = [
        ("jws-no-claims", "claims and their dot are missing", |it| format!("{}.{}", it[0], it[2])),
        ("jws-no-header", "the header is missing", |it| format!(".{}.{}", it[1], it[2])),
        ("jws-no-header-dot", "header and its dot are missing", |it| format!("{}.{}", it[1], it[2])),
        ("jws-claims-dots", "there are the claims alone, between dots", |it| format!(".{}.", it[1])),
        ("jws-claims-alone", "there are the claims alone", |it| it[1].into()),
        ("jws-header-alone", "there is the header alone", |it| it[0].into()),
        ("jws-json", "it is in the flattened JSON serialization", |it| {
            format!(r#"{{"payload":"{}","protected":"{}","signature":"{}"}}"#, it[1], it[0], it[2])
        }),
        ("jws-json-general", "it is in the general JSON serialization", |it| {
            let signature = format!(r#"{{"protected":"{}","signature":"{}"}}"#, it[0], it[2]);
            format!(r#"{{"payload":"{}","signatures":[{signature}]}}"#, it[1])
        }),
    ];
    for (name, title, change) in rows {
        topic.one(rule, Some(Code::CertificateInvalid), name, title, |d| respell(d, change));
    }
}

fn characters(topic: &mut Topic<'_>) {
    let rule = rule("V4.1", "one certificate has many spellings: a list of revoked texts misses all but one");
    let inside = |text: &str, character: &str| format!("{}{character}{}", &text[..5], &text[5..]);
    for (name, character) in
        [("space", " "), ("mark", "?"), ("plus", "+"), ("equals", "="), ("percent", "%2E")]
    {
        let title = |part: &str| format!("{character:?} stands in the {part} as encoded");
        topic.one(
            rule,
            Some(Code::CertificateInvalid),
            &format!("jws-{name}-in-header"),
            &title("header"),
            |d| resign(d, |header, claims| format!("{}.{claims}", inside(header, character))),
        );
        topic.one(
            rule,
            Some(Code::CertificateInvalid),
            &format!("jws-{name}-in-claims"),
            &title("claims"),
            |d| resign(d, |header, claims| format!("{header}.{}", inside(claims, character))),
        );
        topic.one(
            rule,
            Some(Code::CertificateInvalid),
            &format!("jws-{name}-in-signature"),
            &title("signature"),
            |d| respell(d, |it| format!("{}.{}.{}", it[0], it[1], inside(it[2], character))),
        );
    }
    let bits = |text: &str| {
        let last = text.bytes().last().unwrap();
        // With one byte over, the last of two characters has four bits that mean nothing, all zero: A, Q, g or w.
        format!("{}{}", &text[..text.len() - 1], char::from(last + 1))
    };
    let one_byte_over = |json: String| format!("{json}{}", " ".repeat((4 - json.len() % 3) % 3)).into_bytes();
    for (name, is_header) in [("header", true), ("claims", false)] {
        topic.one(
            rule,
            Some(Code::CertificateInvalid),
            &format!("jws-bits-in-{name}"),
            &format!("the last character of the {name} has bits that are dropped"),
            |d| {
                d.certificate().respell_header = one_byte_over;
                d.certificate().respell_claims = one_byte_over;
                resign(d, |header, claims| {
                    let (bent, whole) = if is_header { (header, claims) } else { (claims, header) };
                    assert!(bent.len() % 4 == 2 && "AQgw".contains(&bent[bent.len() - 1..]));
                    if is_header {
                        format!("{}.{whole}", bits(bent))
                    } else {
                        format!("{whole}.{}", bits(bent))
                    }
                });
            },
        );
        topic.one(
            rule,
            Some(Code::CertificateInvalid),
            &format!("jws-padded-{name}"),
            &format!("the {name} is padded, and signed so"),
            |d| {
                d.certificate().respell_header = one_byte_over;
                d.certificate().respell_claims = one_byte_over;
                resign(d, |header, claims| {
                    if is_header { format!("{header}==.{claims}") } else { format!("{header}.{claims}==") }
                });
            },
        );
    }
}

fn signatures(topic: &mut Topic<'_>) {
    let forged = rule("V4.10", "anybody writes certificates in the name of anybody");
    let values = || {
        let mut one = [0; 32];
        one[31] = 1;
        let mut below = keys::p256_order();
        below[31] -= 1;
        [("0", [0; 32]), ("1", one), ("n-1", below), ("n", keys::p256_order())]
    };
    for (r_name, r) in values() {
        for (s_name, s) in values() {
            topic.one(
                forged,
                Some(Code::CertificateInvalid),
                &format!("jws-r-{r_name}-s-{s_name}"),
                &format!("of the P-256 signature of the certificate, r is {r_name}, and s is {s_name}"),
                |d| {
                    d.algorithms(P256, Ed25519);
                    respell(d, |it| format!("{}.{}.{}", it[0], it[1], base64url(&[r, s].concat())));
                },
            );
        }
    }
    let rows: [(&str, &str, Bend); 7] = [
        ("jws-trailing-zeros", "zeros follow the P-256 signature of the certificate", |it| {
            [it, &[0; 2]].concat()
        }),
        ("jws-r-33", "r and s of the certificate's signature have a zero before them", |it| {
            [&[0], &it[..32], &[0], &it[32..]].concat()
        }),
        ("jws-r-too-long", "r of the certificate's signature is 2^256 more", |it| [&[1], it].concat()),
        ("jws-s-too-long", "s of the certificate's signature is 2^256 more", |it| {
            [&[0], &it[..32], &[1], &it[32..]].concat()
        }),
        ("jws-very-long", "the P-256 signature of the certificate has 1064 bytes", |it| {
            [it, &[0; 1000]].concat()
        }),
        ("jws-first-changed", "the first character of the certificate's P-256 signature was changed", |it| {
            [&[it[0] ^ 0x80], &it[1..]].concat()
        }),
        ("jws-swapped", "r and s of the certificate's signature are swapped", |it| {
            [&it[32..], &it[..32]].concat()
        }),
    ];
    for (name, title, change) in rows {
        topic.one(forged, Some(Code::CertificateInvalid), name, title, |d| {
            d.algorithms(P256, Ed25519);
            respell(d, |it| {
                let signature = Base64UrlUnpadded::decode_vec(it[2]).unwrap();
                format!("{}.{}.{}", it[0], it[1], base64url(&change(&signature)))
            });
        });
    }
}

/// HMAC of RFC 2104, with a key of at most 64 bytes.
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let padded = |with: u8| -> Vec<u8> {
        let zeros = std::iter::repeat(&0);
        key.iter().chain(zeros).take(64).map(|byte| byte ^ with).collect()
    };
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().into()
}

fn confusion(topic: &mut Topic<'_>) {
    let public = rule("V4.1", "the public key is a secret that everybody knows: anybody writes certificates");
    topic.one(
        public,
        Some(Code::CertificateInvalid),
        "jws-hs256",
        "alg is HS256, and the signature is a MAC with the P-256 key's x and y as secret",
        |d| {
            d.algorithms(P256, Ed25519);
            header(d, "alg", "\"HS256\"");
            let jwk: serde_json::Value = serde_json::from_str(&d.certificate().issuer.jwk()).unwrap();
            let secret =
                ["x", "y"].map(|name| Base64UrlUnpadded::decode_vec(jwk[name].as_str().unwrap()).unwrap());
            respell(d, |it| {
                let input = format!("{}.{}", it[0], it[1]);
                format!("{input}.{}", base64url(&hmac(&secret.concat(), input.as_bytes())))
            });
        },
    );
}
