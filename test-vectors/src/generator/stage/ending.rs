//! Stage 4, V4.6 and V4.16: the end of an identity key, and how well revocations are known; certificates that come again.

use envelope_core::Algorithm::P256;
use envelope_core::Code;
use envelope_test_vectors::{Revocations, Trusted, Vector};

use super::super::draft::{Draft, NOW};
use super::super::keys::Key;
use super::super::sequence::{Expect, Sequence, VALID};
use super::super::{Topic, rule};
use super::revoked::{issued_from, revoke};

pub(super) fn fill(all: &mut Vec<Vector>) {
    let mut topic = Topic::new("standing", all);
    ends(&mut topic);
    stale(&mut topic);
    in_a_row(&mut topic);
}

/// The identity key ends at this moment.
fn ends_at(draft: &mut Draft, end: u64) {
    draft.verifier.trust[0].expires = Some(end);
}

pub(super) fn p256(draft: &mut Draft) {
    draft.algorithms(P256, P256);
}

/// A second identity key of Alice's, which does not sign here.
pub(super) fn second() -> Trusted {
    Trusted::new("alice", Key::ed25519("alice second identity").thumbprint())
}

/// The call key is registered; Alice's identity key stays known.
pub(super) fn register(draft: &mut Draft) {
    let trust = draft.verifier.trust.clone();
    draft.register();
    draft.verifier.trust = trust;
}

fn ends(topic: &mut Topic<'_>) {
    let end = rule("V4.6", "a key that was handed over goes on certifying");
    topic.refused(
        end,
        Code::CertificateExpired,
        &[
            ("identity-ends-now", "the identity key ends now", |d| ends_at(d, NOW)),
            ("identity-ended", "the identity key ended a second ago", |d| ends_at(d, NOW - 1)),
            ("identity-ended-at-0", "the identity key ended in 1970", |d| ends_at(d, 0)),
            ("identity-ends-now-p256", "the identity key ends now, P-256 keys", |d| {
                p256(d);
                ends_at(d, NOW);
            }),
            (
                "identity-ended-before-certificate",
                "the certificate was issued after the end of its key",
                |d| {
                    ends_at(d, NOW - 60);
                    d.certificate().times(NOW - 30, NOW + 30);
                },
            ),
        ],
    );
    topic.valid(
        end.honest(),
        &[
            ("identity-ends-in-1", "the identity key ends in a second, the certificate later", |d| {
                ends_at(d, NOW + 1);
            }),
            ("identity-ends-in-1-p256", "the identity key ends in a second, P-256 keys", |d| {
                p256(d);
                ends_at(d, NOW + 1);
            }),
            ("other-ended", "another identity key of the same identity has ended", |d| {
                d.verifier.trust.push(Trusted { expires: Some(NOW - 1), ..second() });
            }),
            ("identity-ended-registered", "the identity key has ended; the registered key has not", |d| {
                ends_at(d, NOW);
                register(d);
            }),
        ],
    );
}

/// What is known of revocations is so many seconds old, of a day.
fn known_for(draft: &mut Draft, age: u64) {
    draft.verifier.revocations = Some(Revocations { issued: NOW - age, limit: DAY });
}

const DAY: u64 = 86_400;

fn stale(topic: &mut Topic<'_>) {
    let late = rule("V4.16", "whoever cuts a verifier off from revocations calls with a revoked key");
    topic.refused(
        late,
        Code::RevocationStale,
        &[
            ("stale", "what is known of revocations is a second too old", |d| known_for(d, DAY + 1)),
            ("stale-p256", "the same with P-256 keys", |d| {
                p256(d);
                known_for(d, DAY + 1);
            }),
            ("stale-registered", "the same with a registered key", |d| {
                known_for(d, DAY + 1);
                register(d);
            }),
            ("stale-limit-0", "what is known of revocations is a second old, and may not be", |d| {
                d.verifier.revocations = Some(Revocations { issued: NOW - 1, limit: 0 });
            }),
            ("stale-unknown-key", "the same, and the identity key is a stranger's", |d| {
                known_for(d, DAY + 1);
                d.verifier.trust.clear();
            }),
            ("stale-unknown-registered", "the same, and the key without certificate is a stranger's", |d| {
                known_for(d, DAY + 1);
                d.register();
                d.verifier.registered.clear();
            }),
            ("stale-bad-signature", "the same, and the signature does not verify", |d| {
                known_for(d, DAY + 1);
                d.tamper(|request| request.method = "PUT".into());
            }),
        ],
    );
    topic.valid(
        late.honest(),
        &[
            ("known-at-limit", "what is known of revocations is as old as it may be", |d| known_for(d, DAY)),
            ("known-at-limit-p256", "the same with P-256 keys", |d| {
                p256(d);
                known_for(d, DAY);
            }),
            ("known-at-limit-registered", "the same with a registered key", |d| {
                known_for(d, DAY);
                register(d);
            }),
            ("known-now-limit-0", "what is known of revocations is of this second, and must be", |d| {
                d.verifier.revocations = Some(Revocations { issued: NOW, limit: 0 });
            }),
            ("known-ahead", "what is known of revocations comes from a clock that is ahead", |d| {
                d.verifier.revocations = Some(Revocations { issued: NOW + 5, limit: 0 });
            }),
        ],
    );
    topic.refused(
        rule("V3.3", "a late copy is told what it should not be"),
        Code::Expired,
        &[(
            "stale-expired",
            "what is known is too old, and the signature has expired, which is found first",
            |d| {
                known_for(d, DAY + 1);
                d.now = NOW + 61;
            },
        )],
    );
}

/// A request of the same certificate, signed and verified so many seconds later.
fn later(seconds: u64) -> impl FnOnce(&mut Draft) {
    move |draft| {
        draft.times(NOW + seconds, NOW + seconds + 60);
        draft.now = NOW + seconds;
    }
}

fn in_a_row(topic: &mut Topic<'_>) {
    let sequence = |name| Sequence::new("standing", name);
    let end = rule("V4.6", "a certificate that was kept is good beyond the end of the key that issued it");
    const EXPIRED: Expect = Some((Code::CertificateExpired, 4));
    sequence("identity-end-passes")
        .step(1, VALID, |d| ends_at(d, NOW + 100))
        .step(2, VALID, later(99))
        .step(3, EXPIRED, later(100))
        .step(4, EXPIRED, later(101))
        .step(5, VALID, later(99))
        .end(
            topic,
            end,
            "one certificate until the end of its identity key, after it, and with the clock put back",
        );
    sequence("identity-end-passes-p256")
        .step(1, VALID, |d| {
            p256(d);
            ends_at(d, NOW + 100);
        })
        .step(2, EXPIRED, |d| {
            p256(d);
            later(100)(d);
        })
        .end(topic, end, "one certificate before and at the end of its identity key, P-256 keys");
    let kept = rule("V4.16", "a certificate that was kept is good without knowing of revocations");
    const STALE: Expect = Some((Code::RevocationStale, 4));
    let day_old = |draft: &mut Draft| known_for(draft, DAY - 10);
    sequence("stale-passes")
        .step(1, VALID, day_old)
        .step(2, VALID, later(10))
        .step(3, STALE, later(11))
        .step(4, VALID, later(10))
        .end(
            topic,
            kept,
            "one certificate until what is known of revocations is too old, and with the clock put back",
        );
    sequence("stale-passes-registered")
        .step(1, VALID, |d| {
            day_old(d);
            register(d);
        })
        .step(2, STALE, |d| {
            register(d);
            later(11)(d);
        })
        .end(topic, kept, "a registered key until what is known of revocations is too old");
    let same = rule("V4.7", "one certificate is kept in place of another by the same keys");
    sequence("jti-one-of-two")
        .step(1, VALID, |d| {
            revoke(d, "c-2");
        })
        .step(2, Some((Code::Revoked, 4)), |d| d.certificate().claims.set("jti", r#""c-2""#))
        .step(3, VALID, |_| ())
        .end(topic, same, "two certificates for one call key, of which one is revoked");
    sequence("issued-one-of-two")
        .step(1, VALID, |d| issued_from(d, NOW))
        .step(2, Some((Code::Revoked, 4)), |d| d.certificate().times(NOW - 1, NOW + 899))
        .step(3, VALID, |_| ())
        .end(
            topic,
            same,
            "two certificates for one call key, of which one was issued before what is revoked ends",
        );
}
