//! Stage 5: the signature over the base.

use base64ct::{Base64, Encoding};
use envelope_core::Algorithm::{Ed25519, P256};
use envelope_core::Code;
use envelope_test_vectors::Vector;

use super::super::draft::{Draft, NOW};
use super::super::keys::{self, Key, Sign};
use super::super::{Topic, rule};

pub(super) fn fill(all: &mut Vec<Vector>) {
    let mut topic = Topic::new("signature", all);
    changed_requests(&mut topic);
    changed_fields(&mut topic);
    signatures(&mut topic);
    strict_ed25519(&mut topic);
    ecdsa(&mut topic);
}

fn changed_requests(topic: &mut Topic<'_>) {
    let changed = rule("V5.1", "whoever is in between makes another call out of a signed one");
    topic.refused(
        changed,
        Code::BadSignature,
        &[
            ("method-changed", "the method was changed", |d| {
                d.tamper(|request| request.method = "PUT".into())
            }),
            ("path-changed", "one letter of the path was changed", |d| {
                d.tamper(|request| request.target = request.target.replace("/p1/", "/p2/"));
            }),
            ("path-slash-added", "a slash was added to the path", |d| {
                d.tamper(|request| request.target = request.target.replace("agent?", "agent/?"));
            }),
            ("path-case-changed", "one letter of the path was made upper case", |d| {
                d.tamper(|request| request.target = request.target.replace("agent", "Agent"));
            }),
            ("query-changed", "the query was changed", |d| {
                d.tamper(|request| request.target = request.target.replace("=en", "=de"));
            }),
            ("query-added", "a query was added", |d| {
                d.target = "/api/pack/p1/agent".into();
                d.tamper(|request| request.target.push_str("?lang=en"));
            }),
            ("query-removed", "the query was removed", |d| {
                d.tamper(|request| request.target = "/api/pack/p1/agent".into());
            }),
            ("query-order", "two parts of the query were swapped", |d| {
                d.target = "/a?b=1&c=2".into();
                d.tamper(|request| request.target = "/a?c=2&b=1".into());
            }),
            ("query-into-path", "the question mark was escaped", |d| {
                d.tamper(|request| request.target = request.target.replace('?', "%3F"));
            }),
            (
                "authority-changed",
                "the request was sent to another host that the verifier answers for",
                |d| {
                    d.verifier.authorities.push("other.example".into());
                    d.tamper_field("Host", |_| "other.example".into());
                },
            ),
            ("content-type-changed", "Content-Type was changed", |d| {
                d.tamper_text("Content-Type", "json", "xml");
            }),
            ("content-type-space", "a space was added in Content-Type", |d| {
                d.header("X-Type", "a;b");
                d.cover("\"x-type\"");
                d.tamper_text("X-Type", ";", "; ");
            }),
            ("authorization-changed", "Authorization was changed", |d| {
                d.header("Authorization", "Bearer abc");
                d.tamper_text("Authorization", "abc", "abd");
            }),
            ("lines-swapped", "the two lines of a covered field were swapped", |d| {
                d.header("X-Tag", "one");
                d.header("X-Tag", "two");
                d.cover("\"x-tag\"");
                d.tamper(|request| request.headers.swap(2, 3));
            }),
            ("line-added", "a line of a covered field was added", |d| {
                d.header("X-Tag", "one");
                d.cover("\"x-tag\"");
                d.tamper(|request| request.headers.push(("X-Tag".into(), "two".into())));
            }),
            ("body-and-digest-changed", "the body and its digest were changed", |d| {
                d.tamper(|request| request.body = Some(Base64::encode_string(b"{}")));
                d.tamper_field("Content-Digest", |_| super::super::draft::sha256(b"{}"));
            }),
        ],
    );
    topic.valid(
        rule("V5.1", "an honest caller is locked out where a proxy adds fields of its own"),
        &[
            ("uncovered-added", "a field that is not covered was added", |d| {
                d.tamper(|request| request.headers.push(("Via".into(), "1.1 proxy".into())));
            }),
            ("uncovered-changed", "a field that is not covered was changed", |d| {
                d.header("User-Agent", "curl");
                d.tamper_text("User-Agent", "curl", "proxy");
            }),
            ("name-case-changed", "the case of a field name was changed", |d| {
                d.tamper(|request| request.headers[1].0 = "cONTENT-tYPE".into());
            }),
            ("line-order-changed", "the header lines came in another order", |d| {
                d.tamper(|request| request.headers.reverse());
            }),
        ],
    );
}

fn changed_fields(topic: &mut Topic<'_>) {
    let changed = rule("V5.1", "whoever is in between gives a signed call another time, nonce or coverage");
    topic.refused(
        changed,
        Code::BadSignature,
        &[
            ("created-changed", "created was changed", |d| {
                d.tamper_field("Signature-Input", |value| {
                    value.replace(&format!("created={NOW}"), &format!("created={}", NOW + 1))
                });
            }),
            ("expires-changed", "expires was changed", |d| {
                d.times(NOW, NOW + 30);
                d.tamper_field("Signature-Input", |value| {
                    value.replace(&format!("expires={}", NOW + 30), &format!("expires={}", NOW + 31))
                });
            }),
            ("nonce-changed", "the nonce was changed", |d| {
                d.tamper_text("Signature-Input", "nonce=\"", "nonce=\"x");
            }),
            ("alg-added", "alg was added", |d| {
                d.tamper_text("Signature-Input", ";keyid", ";alg=\"ed25519\";keyid");
            }),
            ("parameters-swapped", "two parameters were swapped", |d| {
                let (created, expires) = (format!(";created={NOW}"), format!(";expires={}", NOW + 60));
                d.tamper_field("Signature-Input", move |value| {
                    value.replace(&format!("{created}{expires}"), &format!("{expires}{created}"))
                });
            }),
            ("components-swapped", "two components were swapped", |d| {
                d.tamper_text("Signature-Input", "\"@method\" \"@authority\"", "\"@authority\" \"@method\"");
            }),
            ("component-added", "a field was added to what is covered", |d| {
                d.header("X-Tag", "one");
                d.tamper_text("Signature-Input", "\")", "\" \"x-tag\")");
            }),
            ("component-removed", "a field was removed from what is covered", |d| {
                d.header("X-Tag", "one");
                d.cover("\"x-tag\"");
                d.tamper_text("Signature-Input", " \"x-tag\"", "");
            }),
            ("certificate-swapped", "another certificate of the same identity for the same key", |d| {
                d.certificate().claims.set("jti", "\"c-2\"");
                let other = d.certificate().to_jws();
                d.certificate().claims.set("jti", "\"c-1\"");
                d.tamper_field("Signature-Key", move |_| format!("sig=jkt-jwt;jwt=\"{other}\""));
            }),
            (
                "label-of-certificate-changed",
                "the label was changed in all three fields: Signature-Key is signed",
                |d| {
                    relabel(d, &["Signature-Input", "Signature", "Signature-Key"]);
                },
            ),
            ("other-request", "the signature is of another request of the same caller", |d| {
                d.sign = |key, _| key.sign(b"another base");
            }),
        ],
    );
    topic.valid(
        rule("3.6", "an honest caller is locked out"),
        &[(
            "label-changed",
            "the key is registered, and the label was changed in both fields: it is not signed",
            |d| {
                d.register();
                relabel(d, &["Signature-Input", "Signature"]);
            },
        )],
    );
}

pub(super) fn relabel(draft: &mut Draft, fields: &[&'static str]) {
    for name in fields {
        draft.tamper_text(name, "sig=", "other=");
    }
}

fn flip(draft: &mut Draft, at: usize) {
    draft.tamper_field("Signature", move |value| {
        let mut bytes = Base64::decode_vec(value.trim_start_matches("sig=").trim_matches(':')).unwrap();
        bytes[at] ^= 1;
        format!("sig=:{}:", Base64::encode_string(&bytes))
    });
}

fn signatures(topic: &mut Topic<'_>) {
    let forged = rule("V5.1", "anybody calls in the name of anybody");
    topic.refused(
        forged,
        Code::BadSignature,
        &[
            ("first-bit", "the first byte of the signature was changed", |d| flip(d, 0)),
            ("last-bit-of-r", "the last byte of R was changed", |d| flip(d, 31)),
            ("first-bit-of-s", "the first byte of s was changed", |d| flip(d, 32)),
            ("last-bit", "the last byte of the signature was changed", |d| flip(d, 63)),
            ("zero", "the signature is zero", |d| d.sign = |_, _| vec![0; 64]),
            ("ones", "the signature is all ones", |d| d.sign = |_, _| vec![0xff; 64]),
            ("other-key", "another call key signed", |d| {
                d.sign = |_, base| Key::ed25519("mallory call").sign(base)
            }),
            ("identity-key", "the identity key signed in place of the call key", |d| {
                d.sign = |_, base| Key::ed25519("alice identity").sign(base);
            }),
            ("halves-swapped", "R and s are swapped", |d| {
                d.sign = |key, base| {
                    let signature = key.sign(base);
                    [&signature[32..], &signature[..32]].concat()
                };
            }),
            ("registered-other-key", "another key signed than the one that is registered", |d| {
                d.register();
                d.sign = |_, base| Key::ed25519("mallory call").sign(base);
            }),
        ],
    );
    let base =
        rule("V5.1", "the base is made in another way than RFC 9421 says: no other library is understood");
    topic.refused(
        base,
        Code::BadSignature,
        &[
            ("base-line-end", "a line end follows the base", |d| {
                d.sign = |key, base| key.sign(&[base, b"\n"].concat());
            }),
            ("base-crlf", "CR LF divides the lines of the base", |d| {
                d.sign = |key, base| key.sign(String::from_utf8_lossy(base).replace('\n', "\r\n").as_bytes());
            }),
            ("base-hashed", "the digest of the base was signed", |d| {
                d.sign = |key, base| {
                    use sha2::Digest;
                    key.sign(&sha2::Sha256::digest(base))
                };
            }),
            ("base-query-empty", "@query is empty in the base where there is no query", |d| {
                d.target = "/a".into();
                d.sign = |key, base| {
                    key.sign(
                        String::from_utf8_lossy(base).replace("\"@query\": ?", "\"@query\": ").as_bytes(),
                    )
                };
            }),
        ],
    );
}

fn strict_ed25519(topic: &mut Topic<'_>) {
    let strict = rule(
        "V5.1",
        "two verifiers disagree on one signature: what one lets through, another logs as forged",
    );
    topic.refused(
        strict,
        Code::BadSignature,
        &[
            ("ed25519-s-plus-order", "s + L in place of s", |d| d.sign = keys::sign_s_plus_order),
            ("ed25519-small-order-r", "R is of small order, and the equation holds", |d| {
                d.sign = keys::sign_small_order_r
            }),
            ("ed25519-torsion-r", "the equation holds with the cofactor alone", |d| {
                d.sign = keys::sign_torsion_r
            }),
        ],
    );
}

fn ecdsa(topic: &mut Topic<'_>) {
    let range = rule("V5.1", "a signature that was made without the key verifies");
    let rows: &[(&str, &str, Sign)] = &[
        ("r-zero", "r is zero", |key, base| [&[0; 32], &key.sign(base)[32..]].concat()),
        ("s-zero", "s is zero", |key, base| [&key.sign(base)[..32], &[0; 32]].concat()),
        ("r-order", "r is the order of the group", |key, base| {
            [&keys::p256_order(), &key.sign(base)[32..]].concat()
        }),
        ("s-order", "s is the order of the group", |key, base| {
            [&key.sign(base)[..32], &keys::p256_order()].concat()
        }),
        ("zero", "r and s are zero", |_, _| vec![0; 64]),
        ("little-endian", "r and s are little-endian", |key, base| {
            let mut signature = key.sign(base);
            signature[..32].reverse();
            signature[32..].reverse();
            signature
        }),
        ("other-key", "another call key signed", |_, base| Key::p256("mallory call").sign(base)),
    ];
    for (name, title, sign) in rows {
        topic.one(range, Some(Code::BadSignature), &format!("p256-{name}"), title, |d| {
            d.algorithms(Ed25519, P256);
            d.sign = *sign;
        });
    }
    topic.one(
        rule(
            "3.1",
            "honest callers whose libraries do not choose the low s are locked out, half of the time",
        ),
        None,
        "p256-high-s",
        "the high s in place of the low one",
        |d| {
            d.algorithms(Ed25519, P256);
            d.sign = keys::sign_high_s;
        },
    );
}
