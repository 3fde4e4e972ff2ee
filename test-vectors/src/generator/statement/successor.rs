//! K2.4 to K2.7: one successor, in time, that nobody knows yet.

use envelope_core::Algorithm::P256;
use envelope_core::Code;
use envelope_test_vectors::statement::{Record, Vector};

use super::super::draft::NOW;
use super::super::keys::Key;
use super::super::rule;
use super::draft::Draft;
use super::scene::{call, identity, nobodys};
use super::succession::{a, a_to_b, b, b_to_c, knows_a, refuses};
use super::{DAY, Group, first, honest, second, succession, third};

pub(super) fn fill(all: &mut Vec<Vector>) {
    let mut group = Group::new("succession", succession, all);
    again(&mut group);
    ends(&mut group);
    whom(&mut group);
}

fn again(group: &mut Group<'_>) {
    group.plays(
        rule("K2.4", "a client that lost an answer does not know whether its key is the new one"),
        &[
            ("replay", "the same statement again", |s| {
                knows_a(s);
                s.takes(&a_to_b());
                s.refuses(Code::Replayed, &a_to_b());
            }),
            ("replay-p256", "the same statement again, P-256", |s| {
                s.knows(identity("alice", &first(P256)));
                let draft = Draft::succession(&first(P256), &second(P256), NOW, NOW + DAY);
                s.takes(&draft);
                s.refuses(Code::Replayed, &draft);
            }),
            ("replay-later", "the same statement again, after the old key has ended", |s| {
                knows_a(s);
                s.takes(&a_to_b());
                s.now = NOW + DAY;
                s.refuses(Code::Replayed, &a_to_b());
            }),
            (
                "replay-later-until",
                "the same succession, said anew with a later until: the old key is not kept alive",
                |s| {
                    knows_a(s);
                    s.takes(&a_to_b());
                    s.refuses(Code::Replayed, &Draft::succession(&a(), &b(), NOW, NOW + 7 * DAY));
                },
            ),
            ("replay-in-chain", "the first statement of a chain again", |s| {
                knows_a(s);
                s.takes(&a_to_b());
                s.takes(&b_to_c());
                s.refuses(Code::Replayed, &a_to_b());
                s.refuses(Code::Replayed, &b_to_c());
            }),
            (
                "replay-new-revoked",
                "the succession is in force, and the new key is revoked: it is in force nevertheless",
                |s| {
                    knows_a(s);
                    s.takes(&a_to_b());
                    s.revokes_key(&b());
                    s.refuses(Code::Replayed, &a_to_b());
                },
            ),
        ],
    );
    group.plays(
        rule("K2.5", "a key has two successors: whoever stole it is one of them"),
        &[
            ("fork", "the old key names another successor", |s| {
                knows_a(s);
                s.takes(&a_to_b());
                s.refuses(Code::KeyRefused, &Draft::succession(&a(), &third(), NOW, NOW + DAY));
            }),
            ("fork-later", "the old key names another successor after it has ended", |s| {
                knows_a(s);
                s.takes(&a_to_b());
                s.now = NOW + DAY;
                s.refuses(Code::KeyRefused, &Draft::succession(&a(), &third(), NOW + DAY, NOW + DAY));
            }),
            ("fork-revoked", "the successor was revoked, and the old key names another", |s| {
                knows_a(s);
                s.takes(&a_to_b());
                s.revokes_key(&b());
                s.refuses(Code::KeyRefused, &Draft::succession(&a(), &third(), NOW, NOW + DAY));
            }),
        ],
    );
}

fn ends(group: &mut Group<'_>) {
    let over = rule("K2.6", "a key that has ended lives on under another name");
    group.plays(
        over,
        &[
            ("at-end", "the old key ends now", |s| {
                s.knows(Record { expires: Some(NOW), ..identity("alice", &a()) });
                s.refuses(Code::CertificateExpired, &a_to_b());
            }),
            ("after-end", "the old key has ended, and the statement was made before", |s| {
                s.knows(Record { expires: Some(NOW + 10), ..identity("alice", &a()) });
                s.now = NOW + 11;
                s.refuses(Code::CertificateExpired, &a_to_b());
            }),
            ("at-end-p256", "the old key ends now, P-256", |s| {
                s.knows(Record { expires: Some(NOW), ..identity("alice", &first(P256)) });
                let draft = Draft::succession(&first(P256), &second(P256), NOW, NOW + DAY);
                s.refuses(Code::CertificateExpired, &draft);
            }),
            (
                "after-end-to-known",
                "the old key has ended, and the new one is known: the first that fails counts",
                |s| {
                    s.knows(Record { expires: Some(NOW), ..identity("alice", &a()) });
                    s.knows(identity("alice", &b()));
                    s.refuses(Code::CertificateExpired, &a_to_b());
                },
            ),
        ],
    );
    group.plays(
        honest(over),
        &[("before-end", "the old key ends in a second", |s| {
            s.knows(Record { expires: Some(NOW + 1), ..identity("alice", &a()) });
            s.takes(&a_to_b());
        })],
    );
}

fn whom(group: &mut Group<'_>) {
    group.plays(
        rule("K2.7", "a key that must not be used any more comes back"),
        &[
            ("to-revoked", "the new key is revoked", |s| {
                s.knows(Record { revoked: true, ..identity("alice", &b()) });
                refuses(s, Code::Revoked, &a_to_b());
            }),
            ("to-revoked-nobodys", "the new key was revoked before anybody had registered it", |s| {
                s.knows(Record { revoked: true, ..nobodys(&b()) });
                refuses(s, Code::Revoked, &a_to_b());
            }),
            ("to-revoked-call-key", "the new key is a call key that was revoked", |s| {
                s.knows(Record { revoked: true, ..call("alice", &b(), NOW + DAY) });
                refuses(s, Code::Revoked, &a_to_b());
            }),
            ("to-ended", "the new key is an identity key that has ended", |s| {
                s.knows(Record { expires: Some(NOW - 1), ..identity("alice", &b()) });
                refuses(s, Code::KeyRefused, &a_to_b());
            }),
            ("back", "the second key hands back to the first", |s| {
                knows_a(s);
                s.takes(&a_to_b());
                s.refuses(Code::KeyRefused, &Draft::succession(&b(), &a(), NOW, NOW + DAY));
            }),
            ("back-over-two", "the third key hands back to the first", |s| {
                knows_a(s);
                s.takes(&a_to_b());
                s.takes(&b_to_c());
                s.refuses(Code::KeyRefused, &Draft::succession(&third(), &a(), NOW, NOW + DAY));
            }),
        ],
    );
    group.plays(
        rule("K2.7", "two identities become one, or one takes the other's key"),
        &[
            ("to-own", "the new key is Alice's already", |s| {
                s.knows(identity("alice", &b()));
                refuses(s, Code::KeyRefused, &a_to_b());
            }),
            ("to-bobs", "the new key is Bob's", |s| {
                s.knows(identity("bob", &b()));
                refuses(s, Code::KeyRefused, &a_to_b());
            }),
            ("to-call-key", "the new key is registered as a call key", |s| {
                s.knows(call("alice", &b(), NOW + DAY));
                refuses(s, Code::KeyRefused, &a_to_b());
            }),
            ("to-known-p256", "the new key is known, P-256", |s| {
                s.knows(identity("bob", &second(P256)));
                refuses(s, Code::KeyRefused, &Draft::succession(&a(), &second(P256), NOW, NOW + DAY));
            }),
            (
                "to-known-forged",
                "the new key is known, and the signatures do not verify: they come last",
                |s| {
                    s.knows(identity("bob", &b()));
                    let mut draft = a_to_b();
                    draft.signers[0].sign = |_, _| vec![0; 64];
                    refuses(s, Code::KeyRefused, &draft);
                },
            ),
            ("two-to-one", "two keys name the same successor", |s| {
                s.knows(identity("bob", &Key::ed25519("bob identity")));
                knows_a(s);
                s.takes(&a_to_b());
                s.refuses(
                    Code::KeyRefused,
                    &Draft::succession(&Key::ed25519("bob identity"), &b(), NOW, NOW + DAY),
                );
            }),
        ],
    );
}
