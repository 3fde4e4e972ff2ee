//! Stage 4, V4.7: revoked certificates, by their `jti` or because of when they were issued.

use envelope_core::Code;
use envelope_test_vectors::{RevokedCertificate, Trusted, Vector};

use super::super::draft::{Draft, NOW};
use super::super::keys::Key;
use super::super::{Topic, rule};
use super::ending::{p256, register, second};

pub(super) fn fill(all: &mut Vec<Vector>) {
    let mut topic = Topic::new("standing", all);
    issued_before(&mut topic);
    one_by_one(&mut topic);
}

/// What the identity key issued before this moment is revoked.
pub(super) fn issued_from(draft: &mut Draft, moment: u64) {
    draft.verifier.trust[0].issued_from = Some(moment);
}

fn issued_before(topic: &mut Topic<'_>) {
    let before = rule("V4.7", "whoever stole a call key goes on calling after all certificates were revoked");
    topic.refused(
        before,
        Code::Revoked,
        &[
            ("issued-1-before", "the certificate was issued a second before what is revoked ends", |d| {
                issued_from(d, NOW + 1);
            }),
            ("issued-1-before-p256", "the same with P-256 keys", |d| {
                p256(d);
                issued_from(d, NOW + 1);
            }),
            ("issued-long-before", "everything that will ever be issued is revoked", |d| {
                issued_from(d, u64::MAX);
            }),
        ],
    );
    topic.valid(
        before.honest(),
        &[
            ("issued-at", "what was issued before this very second is revoked", |d| issued_from(d, NOW)),
            ("issued-at-p256", "the same with P-256 keys", |d| {
                p256(d);
                issued_from(d, NOW);
            }),
            ("issued-1-after", "the certificate was issued a second after what is revoked", |d| {
                issued_from(d, NOW - 1);
            }),
            ("issued-ahead", "the certificate comes from a clock that is ahead, as far as it may be", |d| {
                issued_from(d, NOW + 5);
                d.certificate().times(NOW + 5, NOW + 900);
            }),
            (
                "issued-before-other",
                "what another identity key of the same identity issued is revoked",
                |d| {
                    d.verifier.trust.push(Trusted { issued_from: Some(NOW + 1), ..second() });
                },
            ),
            ("issued-before-registered", "what was issued is revoked; the registered key has none", |d| {
                issued_from(d, NOW + 1);
                register(d);
            }),
        ],
    );
}

/// This `jti` is revoked, of the identity key that signs.
pub(super) fn revoke(draft: &mut Draft, jti: &str) {
    let keyid = draft.certificate().issuer.thumbprint();
    draft.verifier.revoked_certificates.push(RevokedCertificate { keyid, jti: jti.into() });
}

/// The same, of another key.
fn revoke_of(draft: &mut Draft, key: &str, jti: &str) {
    let keyid = Key::ed25519(key).thumbprint();
    draft.verifier.revoked_certificates.push(RevokedCertificate { keyid, jti: jti.into() });
}

fn one_by_one(topic: &mut Topic<'_>) {
    let one = rule("V4.7", "whoever stole a call key goes on calling after its certificate was revoked");
    topic.refused(
        one,
        Code::Revoked,
        &[
            ("jti-revoked", "the certificate is revoked", |d| revoke(d, "c-1")),
            ("jti-revoked-p256", "the certificate is revoked, P-256 keys", |d| {
                p256(d);
                revoke(d, "c-1");
            }),
            ("jti-among-others", "the certificate is revoked, and others are", |d| {
                revoke(d, "c-0");
                revoke(d, "c-1");
                revoke_of(d, "bob identity", "c-2");
            }),
            ("jti-escaped", "the certificate is revoked, and spells its jti with an escape", |d| {
                revoke(d, "c-1");
                d.certificate().claims.set("jti", r#""\u0063-1""#);
            }),
            ("jti-empty", "the certificate with an empty jti is revoked", |d| {
                revoke(d, "");
                d.certificate().claims.set("jti", r#""""#);
            }),
            (
                "jti-revoked-registered",
                "the certificate is revoked; its call key is registered as well",
                |d| {
                    revoke(d, "c-1");
                    let certificate = d.certificate.take();
                    register(d);
                    d.certificate = certificate;
                },
            ),
        ],
    );
    topic.valid(
        one.honest(),
        &[
            ("jti-other", "another certificate of the same key is revoked", |d| revoke(d, "c-2")),
            ("jti-other-p256", "another certificate of the same key is revoked, P-256 keys", |d| {
                p256(d);
                revoke(d, "c-2");
            }),
            ("jti-longer", "a certificate with a longer jti is revoked", |d| revoke(d, "c-10")),
            ("jti-shorter", "a certificate with a shorter jti is revoked", |d| revoke(d, "c-")),
            ("jti-other-case", "a certificate whose jti differs in case is revoked", |d| revoke(d, "C-1")),
            ("jti-of-stranger", "somebody else's certificate with the same jti is revoked", |d| {
                revoke_of(d, "bob identity", "c-1");
            }),
            ("jti-of-second-key", "the certificate with this jti by Alice's other key is revoked", |d| {
                d.verifier.trust.push(second());
                revoke_of(d, "alice second identity", "c-1");
            }),
            (
                "jti-of-call-key",
                "the certificate with this jti by the call key, which issues none, is revoked",
                |d| {
                    revoke_of(d, "alice call", "c-1");
                },
            ),
            ("no-jti", "the certificate has no jti, others are revoked", |d| {
                revoke(d, "c-1");
                d.certificate().claims.remove("jti");
            }),
            ("no-jti-empty", "the certificate has no jti, one with an empty jti is revoked", |d| {
                revoke(d, "");
                d.certificate().claims.remove("jti");
            }),
            (
                "jti-registered",
                "a certificate for the call key is revoked; the key is registered, and comes alone",
                |d| {
                    revoke(d, "c-1");
                    register(d);
                },
            ),
        ],
    );
}
