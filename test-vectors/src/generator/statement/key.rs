//! K1.4, K1.5 and K3.1: the keys in a statement, and their signatures.

use envelope_core::Algorithm::{Ed25519, P256};
use envelope_core::Code;
use envelope_test_vectors::statement::Vector;

use super::super::draft::{NOW, quoted};
use super::super::keys::{self, Key, hex};
use super::super::rule;
use super::draft::Draft;
use super::{DAY, Group, first, honest, retirement, second, succession, third};

pub(super) fn fill(all: &mut Vec<Vector>) {
    let mut group = Group::new("succession", succession, all);
    keys(&mut group);
    published(&mut group);
    weak(&mut group);
    algorithms(&mut group);
    signatures(&mut group);
    let mut group = Group::new("retirement", retirement, all);
    retirements(&mut group);
}

/// From one key to the other, for a day.
fn from_to(old: &Key, new: &Key) -> Draft {
    Draft::succession(old, new, NOW, NOW + DAY)
}

fn keys(group: &mut Group<'_>) {
    let kinds =
        rule("K1.4", "a key that nobody has judged, or that has been shown around, becomes an identity's");
    group.refused(
        kinds,
        Code::KeyRefused,
        &[
            ("private-old", "the jwk of the old key holds its private half", |d| {
                let jwk = d.signers[0].key.private_jwk();
                d.signers[0].header.set("jwk", jwk);
            }),
            ("private-new", "the jwk of the new key holds its private half", |d| {
                let jwk = d.signers[1].key.private_jwk();
                d.signers[1].header.set("jwk", jwk);
            }),
            ("jwk-string", "the jwk of the new key is a string", |d| {
                d.signers[1].header.set("jwk", "\"key\"")
            }),
            ("jwk-rsa", "the new key is of another kind", |d| {
                d.signers[1].header.set("jwk", r#"{"e":"AQAB","kty":"RSA","n":"AQAB"}"#);
            }),
            ("jwk-x-31", "the new key has 31 bytes", |d| {
                let x = keys::base64url(&[7; 31]);
                d.signers[1].header.set("jwk", format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#));
            }),
            ("jwk-no-point", "the new key is no point of its curve", |d| {
                let x = keys::base64url(&[7; 32]);
                d.signers[1]
                    .header
                    .set("jwk", format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{x}"}}"#));
                d.signers[1].header.set("alg", "\"ES256\"");
            }),
        ],
    );
    let same = rule("K1.4", "an end is put off for ever: a key follows itself");
    for (name, algorithm) in [("ed25519", Ed25519), ("p256", P256)] {
        let key = first(algorithm);
        let title = "the old key names itself";
        group.one(same, Some(Code::KeyRefused), &format!("itself-{name}"), title, |d| {
            *d = from_to(&key, &key)
        });
    }
}

fn published(group: &mut Group<'_>) {
    let everybody = rule("K1.4", "everybody has the private half of an identity's key");
    let ed25519 = Key::ed25519_seed(&hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"));
    let p256 = Key::p256_scalar(&hex("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721"));
    for (name, key) in [("rfc8032", &ed25519), ("rfc6979", &p256)] {
        let title = format!("the new key is printed in {name}");
        group.one(everybody, Some(Code::KeyRefused), &format!("new-{name}"), &title, |d| {
            *d = from_to(&first(Ed25519), key);
        });
        let title = format!("the old key is printed in {name}");
        group.one(everybody, Some(Code::KeyRefused), &format!("old-{name}"), &title, |d| {
            *d = from_to(key, &second(Ed25519));
        });
    }
}

fn weak(group: &mut Group<'_>) {
    let forgeable = rule("K1.4", "anybody signs for an identity, without any private key");
    let (canonical, lax) = keys::small_order_points();
    for (name, point) in
        [("new-small-order", canonical[1]), ("new-neutral", canonical[0]), ("new-not-canonical", lax[0])]
    {
        let title = "the new key is a point of small order, and its signature satisfies the equation";
        group.one(forgeable, Some(Code::KeyRefused), name, title, |d| {
            *d = from_to(&first(Ed25519), &Key::Weak(point));
        });
    }
    let title = "the old key is a point of small order, and its signature satisfies the equation";
    group.one(forgeable, Some(Code::KeyRefused), "old-small-order", title, |d| {
        *d = from_to(&Key::Weak(canonical[1]), &second(Ed25519));
    });
}

fn algorithms(group: &mut Group<'_>) {
    let mismatch = rule("K1.5", "the message chooses how its signature is verified");
    for (at, whose) in [(0, "old"), (1, "new")] {
        for (name, old, alg) in [("es256-of-ed25519", Ed25519, "ES256"), ("ed25519-of-p256", P256, "Ed25519")]
        {
            let title = format!("alg of the {whose} key is {alg}, and the key is another");
            group.one(mismatch, Some(Code::AlgorithmMismatch), &format!("{whose}-{name}"), &title, |d| {
                *d = from_to(&first(old), &second(old));
                d.signers[at].header.set("alg", quoted(alg));
            });
        }
    }
    let accepted = rule("K1.2", "a signature that nobody made is taken");
    for (name, alg) in [
        ("none", "none"),
        ("hmac", "HS256"),
        ("rsa", "RS256"),
        ("p384", "ES384"),
        ("http", "ed25519"),
        ("empty", ""),
    ] {
        let title = format!("alg is {}", quoted(alg));
        group.one(accepted, Some(Code::Malformed), &format!("alg-{name}"), &title, |d| {
            d.signers[0].header.set("alg", quoted(alg));
        });
    }
    group.refused(
        accepted,
        Code::Malformed,
        &[("alg-none-unsigned", "alg of the new key is none, and its signature is empty", |d| {
            d.signers[1].header.set("alg", "\"none\"");
            d.signers[1].sign = |_, _| Vec::new();
        })],
    );
    group.valid(
        honest(accepted),
        &[
            ("eddsa-old", "alg of the old key is EdDSA", |d| d.signers[0].header.set("alg", "\"EdDSA\"")),
            ("eddsa-new", "alg of the new key is EdDSA", |d| d.signers[1].header.set("alg", "\"EdDSA\"")),
        ],
    );
}

fn signatures(group: &mut Group<'_>) {
    let forged = rule("K3.1", "whoever wants becomes another's identity");
    group.refused(
        forged,
        Code::BadSignature,
        &[
            ("old-forged", "another key has signed in place of the old one", |d| {
                d.signers[0].signer = Some(Key::ed25519("mallory"));
            }),
            (
                "new-forged",
                "another key has signed in place of the new one, which knows nothing of it",
                |d| {
                    d.signers[1].signer = Some(Key::ed25519("mallory"));
                },
            ),
            ("old-signed-both", "the old key has signed in place of the new one", |d| {
                d.signers[1].signer = Some(first(Ed25519));
            }),
            ("new-signed-both", "the new key has signed in place of the old one", |d| {
                d.signers[0].signer = Some(second(Ed25519));
            }),
            ("signatures-exchanged", "each key's signature stands at the other's header", |d| {
                d.signers[0].signer = Some(second(Ed25519));
                d.signers[1].signer = Some(first(Ed25519));
            }),
            ("old-zero", "the signature of the old key is zero", |d| d.signers[0].sign = |_, _| vec![0; 64]),
            ("new-zero", "the signature of the new key is zero", |d| d.signers[1].sign = |_, _| vec![0; 64]),
            ("old-small-order-r", "R of the old key's signature is of small order", |d| {
                d.signers[0].sign = keys::sign_small_order_r;
            }),
            ("new-torsion-r", "R of the new key's signature has a component of small order", |d| {
                d.signers[1].sign = keys::sign_torsion_r;
            }),
            ("old-s-plus-order", "s of the old key's signature is not reduced", |d| {
                d.signers[0].sign = keys::sign_s_plus_order;
            }),
            ("claims-alone-signed", "the old key has signed the claims without its header", |d| {
                d.signers[0].sign = |key, input| {
                    let at = input.iter().position(|byte| *byte == b'.').unwrap();
                    key.sign(&input[at + 1..])
                };
            }),
            ("later-until", "until was put off after it was signed", |d| {
                d.respell = |_| {
                    let later = Draft::succession(&first(Ed25519), &second(Ed25519), NOW, NOW + 2 * DAY);
                    exchange_claims(&succession(), &later)
                };
            }),
            (
                "other-successor",
                "a thief has put in his key and its signature, and kept that of the old key",
                |d| {
                    d.respell = |_| {
                        let thief = from_to(&first(Ed25519), &third());
                        let [owners, thiefs] = [succession(), thief].map(|draft| draft.to_text());
                        let end = |text: &str| text.find("},{").unwrap();
                        let claims = exchange_claims_text(&owners, &thiefs);
                        format!("{}{}", &claims[..end(&claims)], &thiefs[end(&thiefs)..])
                    };
                },
            ),
        ],
    );
    for (at, name) in [(0, "old"), (1, "new")] {
        let title = format!("P-256: another key has signed in place of the {name} one");
        group.one(forged, Some(Code::BadSignature), &format!("p256-{name}-forged"), &title, |d| {
            *d = from_to(&first(P256), &second(P256));
            d.signers[at].signer = Some(Key::p256("mallory"));
        });
        let title = format!("P-256: the signature of the {name} key is zero");
        group.one(forged, Some(Code::BadSignature), &format!("p256-{name}-zero"), &title, |d| {
            *d = from_to(&first(P256), &second(P256));
            d.signers[at].sign = |_, _| vec![0; 64];
        });
    }
    group.valid(
        honest(forged),
        &[("p256-high-s", "P-256: both signatures have the high s", |d| {
            *d = from_to(&first(P256), &second(P256));
            d.signers[0].sign = keys::sign_high_s;
            d.signers[1].sign = keys::sign_high_s;
        })],
    );
}

/// The signatures of one statement around the claims of another.
fn exchange_claims(signed: &Draft, other: &Draft) -> String {
    exchange_claims_text(&signed.to_text(), &other.to_text())
}

fn exchange_claims_text(signed: &str, other: &str) -> String {
    let end = |text: &str| text.find(r#","signatures""#).unwrap();
    format!("{}{}", &other[..end(other)], &signed[end(signed)..])
}

fn retirements(group: &mut Group<'_>) {
    let ends = rule("K3.1", "whoever wants ends another's key");
    group.refused(
        ends,
        Code::BadSignature,
        &[
            ("forged", "another key has signed", |d| d.signers[0].signer = Some(Key::ed25519("mallory"))),
            ("zero", "the signature is zero", |d| d.signers[0].sign = |_, _| vec![0; 64]),
            ("p256-forged", "P-256: another key has signed", |d| {
                *d = Draft::retirement(&first(P256), NOW);
                d.signers[0].signer = Some(Key::p256("mallory"));
            }),
        ],
    );
    group.refused(
        rule("K1.5", "the message chooses how its signature is verified"),
        Code::AlgorithmMismatch,
        &[("es256-of-ed25519", "alg is ES256, and the key is Ed25519", |d| {
            d.signers[0].header.set("alg", "\"ES256\"");
        })],
    );
    group.refused(
        rule("K1.2", "a signature that nobody made ends a key"),
        Code::Malformed,
        &[("alg-none", "alg is none", |d| d.signers[0].header.set("alg", "\"none\""))],
    );
    group.refused(
        rule("K1.4", "a private key is shown around, and nobody says so"),
        Code::KeyRefused,
        &[("private", "the jwk holds the private half", |d| {
            let jwk = d.signers[0].key.private_jwk();
            d.signers[0].header.set("jwk", jwk);
        })],
    );
    group.valid(
        honest(ends),
        &[
            ("eddsa", "alg is EdDSA", |d| d.signers[0].header.set("alg", "\"EdDSA\"")),
            ("p256-high-s", "P-256: the signature has the high s", |d| {
                *d = Draft::retirement(&first(P256), NOW);
                d.signers[0].sign = keys::sign_high_s;
            }),
        ],
    );
}
