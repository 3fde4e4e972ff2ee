//! Stage 4, V4.7 to V4.9 and V4.11 to V4.15: what the verifier knows of the keys.

use envelope_core::Algorithm::{Ed25519, P256};
use envelope_core::Code;
use envelope_test_vectors::{Trusted, Vector};

use super::super::draft::{Draft, NOW, quoted};
use super::super::keys::Key;
use super::super::{Topic, rule};

pub(super) fn fill(all: &mut Vec<Vector>) {
    let mut topic = Topic::new("standing", all);
    certified(&mut topic);
    registered(&mut topic);
    algorithms(&mut topic);
}

fn identity_key(draft: &mut Draft) -> String {
    draft.certificate().issuer.thumbprint()
}

fn certified(topic: &mut Topic<'_>) {
    let revoked = rule("V4.7", "whoever stole a key goes on calling after it was revoked");
    topic.refused(
        revoked,
        Code::Revoked,
        &[
            ("identity-revoked", "the identity key is revoked", |d| {
                let key = identity_key(d);
                d.verifier.revoked.push(key);
            }),
            (
                "identity-revoked-alone",
                "the identity key is revoked, and not in the list of trust any more",
                |d| {
                    let key = identity_key(d);
                    d.verifier.trust.clear();
                    d.verifier.revoked.push(key);
                },
            ),
            ("call-key-revoked", "the call key is revoked", |d| d.verifier.revoked.push(d.key.thumbprint())),
        ],
    );
    topic.valid(
        revoked.honest(),
        &[("other-revoked", "another key of the same identity is revoked", |d| {
            d.verifier.revoked.push(Key::ed25519("alice lost call").thumbprint());
        })],
    );
    let unknown = rule("V4.8", "a stranger calls in a name of his choice");
    topic.refused(
        unknown,
        Code::UnknownKey,
        &[
            ("stranger", "the identity key is a stranger's", |d| d.verifier.trust.clear()),
            ("stranger-among-others", "others are known, the identity key is a stranger's", |d| {
                let bob = Key::ed25519("bob identity").thumbprint();
                d.verifier.trust = vec![Trusted::new("bob", bob)];
            }),
            ("call-key-certifies", "the key that certifies is registered as a call key", |d| {
                let mut other = topic_draft();
                other.key = d.certificate().issuer.clone();
                other.register();
                d.verifier.trust.clear();
                d.verifier.registered = other.verifier.registered;
            }),
        ],
    );
    topic.valid(
        unknown.honest(),
        &[
            ("second-key", "the identity has two keys", |d| {
                let keyid = Key::ed25519("alice second identity").thumbprint();
                d.verifier.trust.insert(0, Trusted::new("alice", keyid));
            }),
            ("name", "an identity with every kind of character in its name", |d| {
                d.identity = "github:Alice.b-c_9@x+y/z".into();
                d.verifier.trust[0].identity = d.identity.clone();
            }),
        ],
    );
    let role = rule("V4.9", "a long-lived key signs requests where it is certified by another");
    topic.refused(
        role,
        Code::KeyRefused,
        &[
            ("call-key-is-identity", "the call key is an identity key of somebody else", |d| {
                let keyid = d.key.thumbprint();
                d.verifier.trust.push(Trusted::new("bob", keyid));
            }),
            ("call-key-is-own-identity", "the call key is another identity key of the same identity", |d| {
                let keyid = d.key.thumbprint();
                d.verifier.trust.push(Trusted::new("alice", keyid));
            }),
        ],
    );
    topic.valid(
        role.honest(),
        &[(
            "registered-and-certified",
            "the call key is registered, and comes with a certificate nevertheless",
            |d| {
                let mut other = topic_draft();
                other.key = d.key.clone();
                other.register();
                d.verifier.registered = other.verifier.registered;
            },
        )],
    );
}

fn topic_draft() -> Draft {
    Draft::new("standing")
}

fn registered(topic: &mut Topic<'_>) {
    topic.refused(
        rule("V4.11", "whoever stole a registered key goes on calling after it was revoked"),
        Code::Revoked,
        &[("registered-revoked", "the registered key is revoked", |d| {
            d.register();
            d.verifier.revoked.push(d.key.thumbprint());
        })],
    );
    topic.valid(
        rule("V4.11", "an honest caller is locked out"),
        &[("registered-other-revoked", "another registered key of the same identity is revoked", |d| {
            d.register();
            let mut other = topic_draft();
            other.key = Key::ed25519("alice second call");
            other.register();
            d.verifier.registered.extend(other.verifier.registered);
            d.verifier.revoked.push(other.key.thumbprint());
        })],
    );
    let unknown = rule("V4.12", "anybody signs without a certificate");
    topic.refused(
        unknown,
        Code::UnknownKey,
        &[
            ("not-registered", "there is no certificate, and the key is not registered", |d| {
                d.register();
                d.verifier.registered.clear();
            }),
            ("other-registered", "there is no certificate, and another key is registered", |d| {
                d.register();
                d.key = Key::ed25519("mallory call");
                d.set("keyid", quoted(&d.key.thumbprint()));
            }),
            ("keyid-no-thumbprint", "there is no certificate, and keyid is a name", |d| {
                d.register();
                d.set("keyid", "\"alice\"");
            }),
            ("keyid-empty", "there is no certificate, and keyid is empty", |d| {
                d.register();
                d.set("keyid", "\"\"");
            }),
            ("registered-keyid-padding", "keyid is padded", |d| {
                d.register();
                d.set("keyid", quoted(&format!("{}=", d.key.thumbprint())));
            }),
        ],
    );
    topic.refused(
        rule("V4.13", "the key that should lie in a safe signs requests"),
        Code::KeyRefused,
        &[("identity-signs", "an identity key signs a request without certificate", |d| {
            d.key = d.certificate().issuer.clone();
            d.set("keyid", quoted(&d.key.thumbprint()));
            d.certificate = None;
        })],
    );
    let expiry = rule("V4.14", "a registered key is good for longer than its registration says");
    topic.refused(
        expiry,
        Code::CertificateExpired,
        &[
            ("registration-ends-now", "the registration ends now", |d| registered_until(d, NOW)),
            ("registration-ended", "the registration ended a second ago", |d| registered_until(d, NOW - 1)),
        ],
    );
    topic.valid(
        expiry.honest(),
        &[("registration-ends-in-1", "the registration ends in a second", |d| registered_until(d, NOW + 1))],
    );
}

fn registered_until(draft: &mut Draft, expires: u64) {
    draft.register();
    draft.verifier.registered[0].expires = expires;
}

fn algorithms(topic: &mut Topic<'_>) {
    let mismatch = rule("V4.15", "the message chooses how its signature is verified");
    for (name, alg) in [
        ("p256", "ecdsa-p256-sha256"),
        ("hmac", "hmac-sha256"),
        ("rsa", "rsa-v1_5-sha256"),
        ("upper-case", "Ed25519"),
        ("empty", ""),
        ("none", "none"),
    ] {
        let title = format!("alg is {}, and the key is Ed25519", quoted(alg));
        topic.one(mismatch, Some(Code::AlgorithmMismatch), &format!("alg-{name}-of-ed25519"), &title, |d| {
            d.set("alg", quoted(alg));
        });
    }
    topic.refused(
        mismatch,
        Code::AlgorithmMismatch,
        &[
            ("alg-ed25519-of-p256", "alg is ed25519, and the key is P-256", |d| {
                d.algorithms(Ed25519, P256);
                d.set("alg", "\"ed25519\"");
            }),
            ("alg-p384-of-p256", "alg is ecdsa-p384-sha384, and the key is P-256", |d| {
                d.algorithms(Ed25519, P256);
                d.set("alg", "\"ecdsa-p384-sha384\"");
            }),
            ("alg-jose-of-p256", "alg is ES256, the name of another registry", |d| {
                d.algorithms(Ed25519, P256);
                d.set("alg", "\"ES256\"");
            }),
            ("alg-of-registered", "alg is not that of the registered key", |d| {
                d.register();
                d.set("alg", "\"ecdsa-p256-sha256\"");
            }),
        ],
    );
}
