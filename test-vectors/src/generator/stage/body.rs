//! Stage 6: the body.

use base64ct::{Base64, Encoding};
use envelope_core::Code;
use envelope_test_vectors::Vector;

use super::super::draft::{Draft, NOW, sha256, sha512};
use super::super::{Topic, rule};

const BODY: &[u8] = br#"{"prompt":"What does the fox say?"}"#;

pub(super) fn fill(all: &mut Vec<Vector>) {
    let mut topic = Topic::new("body", all);
    let large = rule("V6.1", "one caller fills the memory of the verifier");
    topic.refused(
        large,
        Code::TooLarge,
        &[("too-large", "the body has 36 bytes, where 35 are taken", |d| {
            d.body(&[BODY, b" "].concat());
            d.verifier.max_body = Some(35);
        })],
    );
    topic.valid(
        large.honest(),
        &[("as-large-as-taken", "the body has 35 bytes, where 35 are taken", |d| {
            d.verifier.max_body = Some(35);
        })],
    );
    missing(&mut topic);
    mismatches(&mut topic);
    accepted(&mut topic);
    let late = rule("V6.4", "whoever sends the body slowly uses a signature that has expired");
    topic.refused(
        late,
        Code::Expired,
        &[
            ("expired-meanwhile", "expires passed while the body was read", |d| {
                d.now_after_body = Some(NOW + 61)
            }),
            (
                "expired-meanwhile-without-body",
                "expires passed before the empty body was known to be empty",
                |d| {
                    d.get();
                    d.now_after_body = Some(NOW + 61);
                },
            ),
        ],
    );
    topic.valid(
        late.honest(),
        &[("last-second-after-body", "expires is the second in which the body ends", |d| {
            d.now_after_body = Some(NOW + 60);
        })],
    );
}

fn missing(topic: &mut Topic<'_>) {
    topic.refused(
        rule("V6.2", "whoever is in between writes the body"),
        Code::DigestMissing,
        &[
            ("no-digest", "there is a body and no Content-Digest", |d| d.digest = None),
            ("no-digest-one-byte", "there is a body of one byte and no Content-Digest", |d| {
                d.body(b"x");
                d.digest = None;
            }),
            ("no-digest-get", "there is a body, GET, and no Content-Digest", |d| {
                d.get();
                d.body = Some(BODY.into());
            }),
            ("body-added", "a body was added to a request without one", |d| {
                d.no_body();
                d.tamper(|request| request.body = Some(Base64::encode_string(b"x")));
            }),
            ("unknown-digest", "the one digest is of an algorithm that is not taken", |d| {
                d.digest = Some("md5=:Y2RlZmdoaWprbG1ub3BxcnM=:".into());
            }),
            ("unknown-digests", "both digests are of algorithms that are not taken", |d| {
                d.digest = Some("sha=:AAAAAAAAAAAAAAAAAAAAAAAAAAA=:, adler=:AAAAAA==:".into());
            }),
        ],
    );
}

fn mismatches(topic: &mut Topic<'_>) {
    topic.refused(
        rule("V6.3", "whoever is in between writes the body"),
        Code::DigestMismatch,
        &[
            ("byte-changed", "one byte of the body was changed", |d| replace(d, &BODY.to_ascii_uppercase())),
            ("byte-added", "one byte was added to the body", |d| replace(d, &[BODY, b"\n"].concat())),
            ("byte-removed", "the last byte of the body was removed", |d| {
                replace(d, &BODY[..BODY.len() - 1])
            }),
            ("body-removed", "the body was removed", |d| d.tamper(|request| request.body = None)),
            ("body-emptied", "the body was emptied", |d| replace(d, b"")),
            ("digest-of-nothing", "the digest is that of an empty body", |d| d.digest = Some(sha256(b""))),
            ("digest-of-body-without-body", "there is a digest of a body, and none", |d| d.body = None),
            ("sha-512-changed", "one byte of a body with sha-512 was changed", |d| {
                d.digest = Some(sha512(BODY));
                replace(d, &BODY.to_ascii_uppercase());
            }),
            ("sha-256-right-sha-512-wrong", "sha-256 is right, and sha-512 is wrong", |d| {
                d.digest = Some(format!("{}, {}", sha256(BODY), sha512(b"")));
            }),
            ("sha-256-wrong-sha-512-right", "sha-256 is wrong, and sha-512 is right", |d| {
                d.digest = Some(format!("{}, {}", sha256(b""), sha512(BODY)));
            }),
            ("sha-512-wrong-sha-256-right", "sha-512 is wrong and comes first, and sha-256 is right", |d| {
                d.digest = Some(format!("{}, {}", sha512(b""), sha256(BODY)));
            }),
            ("unknown-right-sha-256-wrong", "sha-256 is wrong beside a digest that is not taken", |d| {
                d.digest = Some(format!("md5=:Y2RlZmdoaWprbG1ub3BxcnM=:, {}", sha256(b"")));
            }),
        ],
    );
}

fn replace(draft: &mut Draft, body: &[u8]) {
    let body = Base64::encode_string(body);
    draft.tamper(move |request| request.body = Some(body));
}

fn accepted(topic: &mut Topic<'_>) {
    topic.valid(
        rule("V6.3", "an honest caller is locked out"),
        &[
            ("sha-512", "the digest is sha-512", |d| d.digest = Some(sha512(BODY))),
            ("both", "there are both digests", |d| {
                d.digest = Some(format!("{}, {}", sha256(BODY), sha512(BODY)))
            }),
            ("both-other-order", "there are both digests, sha-512 first", |d| {
                d.digest = Some(format!("{}, {}", sha512(BODY), sha256(BODY)));
            }),
            ("unknown-ignored", "a digest that is not taken stands beside sha-256", |d| {
                d.digest = Some(format!("md5=:AAAA:, {}, x-unknown=::", sha256(BODY)));
            }),
            ("binary", "the body holds every byte", |d| d.body(&(0..=255).collect::<Vec<u8>>())),
            ("empty-with-digest", "there is a digest of an empty body", |d| d.body(b"")),
            ("absent-with-digest", "there is a digest of an empty body, and no body", |d| {
                d.no_body();
                d.digest = Some(sha256(b""));
            }),
            ("absent-with-unknown-digest", "there is a digest that is not taken, and no body", |d| {
                d.no_body();
                d.digest = Some("md5=:AAAA:".into());
            }),
        ],
    );
    topic.valid(
        rule("V6.2", "an honest caller is locked out"),
        &[("empty-without-digest", "the body is empty, and there is no digest", |d| {
            d.no_body();
            d.body = Some(Vec::new());
        })],
    );
}
