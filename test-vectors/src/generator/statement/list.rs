//! Section 5: revocation lists.

use envelope_core::Algorithm::{Ed25519, P256};
use envelope_core::Code;
use envelope_test_vectors::statement::{Ended, List, Narrowed, RevokedCertificate, Vector};

use super::super::draft::{NOW, quoted};
use super::super::keys::{Key, base64url};
use super::super::rule;
use super::draft::{Draft, Effect, urn};
use super::{DAY, Group, TWO_WAYS, first, second, third};

pub(super) fn fill(all: &mut Vec<Vector>) {
    let mut group = Group::new("list", list, all);
    good(&mut group);
    members(&mut group);
    entries(&mut group);
    issuers(&mut group);
}

/// The key of the verifier that issues the list.
fn verifier() -> Key {
    Key::ed25519("verifier")
}

/// One of everything.
pub(super) fn content() -> List {
    List {
        iat: NOW,
        keys: vec![first(Ed25519).thumbprint()],
        certificates: vec![RevokedCertificate { key: second(Ed25519).thumbprint(), jti: "c-1".into() }],
        issued_from: vec![Narrowed { key: second(Ed25519).thumbprint(), from: NOW - 60 }],
        until: vec![Ended { key: third().thumbprint(), until: NOW + DAY }],
    }
}

fn list() -> Draft {
    Draft::list(&verifier(), content())
}

/// A list of this issuer's that holds nothing.
fn empty(issuer: &Key) -> Draft {
    Draft::list(issuer, List { iat: NOW, ..List::default() })
}

const LOCKED_OUT: &str = "a verifier that cannot ask refuses everybody";

fn good(group: &mut Group<'_>) {
    let read = rule("5", LOCKED_OUT);
    group.valid(
        read,
        &[
            ("ed25519", "one of everything", |_| ()),
            ("p256", "one of everything, issued with P-256", |d| {
                *d = Draft::list(&Key::p256("verifier"), content())
            }),
            ("empty", "nothing is revoked", |d| *d = empty(&verifier())),
            ("eddsa", "alg is EdDSA", |d| d.signers[0].header.set("alg", "\"EdDSA\"")),
            ("long", "the list is longer than a statement of a key may be", |d| {
                let jti = |number| RevokedCertificate {
                    key: first(Ed25519).thumbprint(),
                    jti: format!("c-{number:04}"),
                };
                *d = Draft::list(&verifier(), List { certificates: (0..64).map(jti).collect(), ..content() });
            }),
            ("several", "several of everything, keys of both algorithms", |d| {
                let keys =
                    [first(Ed25519), first(P256), second(Ed25519), second(P256)].map(|key| key.thumbprint());
                let moment = |number: usize| NOW + u64::try_from(number).unwrap();
                let listed = || keys.iter().cloned().enumerate();
                *d = Draft::list(
                    &verifier(),
                    List {
                        iat: NOW,
                        keys: keys.to_vec(),
                        certificates: listed()
                            .map(|(n, key)| RevokedCertificate { key, jti: format!("{n}") })
                            .collect(),
                        issued_from: listed().map(|(n, key)| Narrowed { key, from: moment(n) }).collect(),
                        until: listed().map(|(n, key)| Ended { key, until: moment(n) }).collect(),
                    },
                );
            }),
            ("one-key-in-all", "one key stands in all parts", |d| {
                let key = || first(Ed25519).thumbprint();
                *d = Draft::list(
                    &verifier(),
                    List {
                        iat: NOW,
                        keys: vec![key()],
                        certificates: vec![RevokedCertificate { key: key(), jti: String::new() }],
                        issued_from: vec![Narrowed { key: key(), from: NOW }],
                        until: vec![Ended { key: key(), until: NOW }],
                    },
                );
            }),
            ("iat-ahead-5", "iat lies 5 seconds ahead", |d| {
                *d = Draft::list(&verifier(), List { iat: NOW + 5, ..content() });
            }),
            ("old", "the list is ten years old: whether that is too old is seen at each request", |d| {
                *d = Draft::list(&verifier(), List { iat: NOW - 3650 * DAY, ..content() });
            }),
        ],
    );
    group.refused(
        rule("K2.1", "a verifier is given a list that will count as recent for years"),
        Code::NotYetValid,
        &[("iat-ahead-6", "iat lies 6 seconds ahead", |d| {
            *d = Draft::list(&verifier(), List { iat: NOW + 6, ..content() });
        })],
    );
}

const LEFT_OUT: &str = "a verifier takes a list and leaves out what it says";

fn members(group: &mut Group<'_>) {
    let claims = ["iss", "iat", "keys", "certificates", "issued_from", "until"];
    for name in claims {
        let title = format!("{name} is missing");
        group.one(
            rule("K1.2", LEFT_OUT),
            Some(Code::Malformed),
            &format!("no-{}", hyphened(name)),
            &title,
            |d| {
                d.claims.remove(name);
            },
        );
        let title = format!("{name} is there twice");
        group.one(
            rule("K1.3", TWO_WAYS),
            Some(Code::Duplicate),
            &format!("two-{}", hyphened(name)),
            &title,
            |d| {
                let value = d.claims.take(name);
                d.claims.add(name, value);
                d.claims.add(name, "[]");
            },
        );
        let title = format!("{name} is an object");
        group.one(
            rule("K1.2", LEFT_OUT),
            Some(Code::Malformed),
            &format!("{}-object", hyphened(name)),
            &title,
            |d| {
                d.claims.set(name, "{}");
            },
        );
    }
    group.refused(
        rule("K1.3", "which of two times holds for a key depends on who reads the list"),
        Code::Duplicate,
        &[
            ("key-twice", "a key is revoked twice", |d| {
                let mut list = content();
                list.keys.extend_from_within(..);
                *d = Draft::list(&verifier(), list);
            }),
            ("certificate-twice", "a certificate is revoked twice", |d| {
                let mut list = content();
                list.certificates.extend_from_within(..);
                *d = Draft::list(&verifier(), list);
            }),
            ("issued-from-twice", "issued_from has a key twice, with two times", |d| {
                let mut list = content();
                list.issued_from.push(Narrowed { from: NOW - 120, ..list.issued_from[0].clone() });
                *d = Draft::list(&verifier(), list);
            }),
            ("until-twice", "until has a key twice, with two times", |d| {
                let mut list = content();
                list.until.push(Ended { until: NOW + 2 * DAY, ..list.until[0].clone() });
                *d = Draft::list(&verifier(), list);
            }),
        ],
    );
    group.refused(
        rule("K1.2", "a list says more than its reader understands"),
        Code::Malformed,
        &[
            ("extra-claim", "the claims have a member that is not known", |d| {
                d.claims.add("identities", "[]")
            }),
            ("extra-member", "the list has a member that is not known", |d| {
                d.tamper = |general| general.add("note", "1");
            }),
            ("extra-entry-member", "the signature has a member that is not known", |d| {
                d.signers[0].tamper = |entry| entry.add("header", "{}");
            }),
            ("crit", "the header has crit", |d| d.signers[0].header.add("crit", "[]")),
        ],
    );
    group.refused(
        rule("K1.2", "what was signed for one purpose is taken for another"),
        Code::Malformed,
        &[
            ("typ-retirement", "typ is that of a retirement", |d| {
                d.signers[0].header.set("typ", "\"envelope-retirement\"");
            }),
            ("a-retirement", "a retirement of the verifier's own key, in place of a list", |d| {
                let effect = list().effect;
                *d = Draft { effect, ..Draft::retirement(&verifier(), NOW) };
            }),
            ("two-signers", "two keys have signed", |d| d.signers.extend(empty(&third()).signers)),
            ("no-signature", "there are no signatures", |d| d.signers.clear()),
            ("iss-other", "iss names another key", |d| d.claims.set("iss", urn(&third().thumbprint()))),
        ],
    );
    group.refused(
        rule("K1.2", TWO_WAYS),
        Code::Malformed,
        &[
            ("cut", "the list lacks its last character", |d| {
                d.respell = |text| text[..text.len() - 1].into()
            }),
            ("payload-padding", "the claims are padded", |d| {
                d.respell = |text| text.replacen("\",\"signatures\"", "=\",\"signatures\"", 1);
            }),
            ("signature-63", "the signature has 63 bytes", |d| {
                d.signers[0].sign = |key, input| key.sign(input)[..63].into();
            }),
            ("member-case", "a second payload is spelled in upper case", |d| {
                d.tamper = |general| general.add("Payload", quoted(&base64url(b"{}")));
            }),
        ],
    );
}

fn entries(group: &mut Group<'_>) {
    let key = first(Ed25519).thumbprint();
    let wrong = rule("K1.2", LEFT_OUT);
    for (claim, name, title, json) in [
        ("keys", "padded", "a thumbprint is padded", format!("[\"{key}=\"]")),
        ("keys", "urn", "a thumbprint has a urn", format!("[\"urn:jkt:sha-256:{key}\"]")),
        ("keys", "short", "a thumbprint is too short", "[\"AAAA\"]".into()),
        ("keys", "number", "a thumbprint is a number", "[1]".into()),
        ("keys", "nested", "a thumbprint is in an object", format!("[{{\"key\":\"{key}\"}}]")),
        ("certificates", "string", "an entry is a string", format!("[\"{key}\"]")),
        ("certificates", "no-jti", "jti is missing", format!("[{{\"key\":\"{key}\"}}]")),
        ("certificates", "no-key", "key is missing", "[{\"jti\":\"1\"}]".into()),
        ("certificates", "jti-number", "jti is a number", format!("[{{\"key\":\"{key}\",\"jti\":1}}]")),
        (
            "certificates",
            "extra",
            "an entry has a member that is not known",
            format!("[{{\"key\":\"{key}\",\"jti\":\"1\",\"until\":1}}]"),
        ),
        ("issued_from", "no-from", "from is missing", format!("[{{\"key\":\"{key}\"}}]")),
        ("issued_from", "until", "from is called until", format!("[{{\"key\":\"{key}\",\"until\":1}}]")),
        ("issued_from", "string", "from is a string", format!("[{{\"key\":\"{key}\",\"from\":\"1\"}}]")),
        ("until", "negative", "until is negative", format!("[{{\"key\":\"{key}\",\"until\":-1}}]")),
        ("until", "null", "an entry is null", "[null]".into()),
        ("until", "key-short", "key is no thumbprint", "[{\"key\":\"AAAA\",\"until\":1}]".into()),
    ] {
        let title = format!("{claim}: {title}");
        group.one(wrong, Some(Code::Malformed), &format!("{}-{name}", hyphened(claim)), &title, |d| {
            d.claims.set(claim, json)
        });
    }
    let json = format!("[{{\"key\":\"{key}\",\"until\":{NOW},\"until\":{}}}]", NOW + DAY);
    group.one(
        rule("K1.3", TWO_WAYS),
        Some(Code::Duplicate),
        "entry-twice",
        "until of an entry is there twice",
        |d| {
            d.claims.set("until", json);
        },
    );
}

fn issuers(group: &mut Group<'_>) {
    group.refused(
        rule("K2.10", "whoever likes tells a verifier that nothing is revoked"),
        Code::UnknownKey,
        &[
            ("other-issuer", "another key has issued the list", |d| told(d, &Key::ed25519("mallory"))),
            ("other-issuer-p256", "another key has issued the list, P-256", |d| {
                told(d, &Key::p256("verifier"))
            }),
            (
                "other-issuer-forged",
                "another key has issued the list, and its signature does not verify: it comes last",
                |d| {
                    told(d, &Key::ed25519("mallory"));
                    d.signers[0].sign = |_, _| vec![0; 64];
                },
            ),
        ],
    );
    group.refused(
        rule("K3.1", "whoever likes tells a verifier that nothing is revoked"),
        Code::BadSignature,
        &[
            ("forged", "another key has signed", |d| d.signers[0].signer = Some(Key::ed25519("mallory"))),
            ("forged-p256", "another key has signed, P-256", |d| {
                *d = Draft::list(&Key::p256("verifier"), content());
                d.signers[0].signer = Some(Key::p256("mallory"));
            }),
            ("zero", "the signature is zero", |d| d.signers[0].sign = |_, _| vec![0; 64]),
            ("emptied", "the list was emptied after it was signed", |d| {
                d.respell = |text| {
                    let end = |text: &str| text.find(r#","signatures""#).unwrap();
                    let empty = empty(&verifier()).to_text();
                    format!("{}{}", &empty[..end(&empty)], &text[end(&text)..])
                };
            }),
        ],
    );
    group.refused(
        rule("K1.4", "everybody has the private half of a verifier's key"),
        Code::KeyRefused,
        &[("private", "the jwk holds the private half", |d| {
            let jwk = d.signers[0].key.private_jwk();
            d.signers[0].header.set("jwk", jwk);
        })],
    );
}

/// The name of a claim as a part of the name of a file.
fn hyphened(claim: &'static str) -> String {
    claim.replace('_', "-")
}

/// The reader was told the key of another verifier.
fn told(draft: &mut Draft, key: &Key) {
    if let Effect::List { issuer, .. } = &mut draft.effect {
        *issuer = key.thumbprint();
    }
}
