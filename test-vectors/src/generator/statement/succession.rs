//! K2.1 to K2.3 and R2: who may name a successor, and what that one inherits.

use envelope_core::Algorithm::{Ed25519, P256};
use envelope_core::Code;
use envelope_test_vectors::statement::{Record, Vector};

use super::super::draft::NOW;
use super::super::keys::Key;
use super::super::rule;
use super::draft::Draft;
use super::scene::{Scene, call, identity, nobodys};
use super::{DAY, Group, first, honest, second, succession, third};

pub(super) fn fill(all: &mut Vec<Vector>) {
    let mut group = Group::new("succession", succession, all);
    good(&mut group);
    clock(&mut group);
    who(&mut group);
    chains(&mut group);
    inherited(&mut group);
}

pub(super) fn a() -> Key {
    first(Ed25519)
}

pub(super) fn b() -> Key {
    second(Ed25519)
}

pub(super) fn a_to_b() -> Draft {
    succession()
}

pub(super) fn b_to_c() -> Draft {
    Draft::succession(&b(), &third(), NOW, NOW + DAY)
}

pub(super) fn knows_a(scene: &mut Scene) {
    scene.knows(identity("alice", &a()));
}

/// A verifier that knows Alice takes this, or does not.
pub(super) fn refuses(scene: &mut Scene, code: Code, draft: &Draft) {
    knows_a(scene);
    scene.refuses(code, draft);
}

fn good(group: &mut Group<'_>) {
    let handing_over = honest(rule("K2.3", ""));
    for (name, old, new) in [
        ("ed25519", Ed25519, Ed25519),
        ("p256", P256, P256),
        ("ed25519-to-p256", Ed25519, P256),
        ("p256-to-ed25519", P256, Ed25519),
    ] {
        let title = format!("{} hands over to {}", old.jose_name(), new.jose_name());
        group.one(handing_over, None, name, &title, |d| {
            *d = Draft::succession(&first(old), &second(new), NOW, NOW + DAY);
        });
    }
}

fn clock(group: &mut Group<'_>) {
    let ahead = rule("K2.1", "a statement is kept for a day that the owner has not reached yet");
    let issued = |at: u64| Draft::succession(&a(), &b(), at, at + DAY);
    group.one(ahead, Some(Code::NotYetValid), "iat-ahead-6", "iat lies 6 seconds ahead", |d| {
        *d = issued(NOW + 6)
    });
    group.one(honest(ahead), None, "iat-ahead-5", "iat lies 5 seconds ahead", |d| *d = issued(NOW + 5));
    group.play(ahead, "iat-reached", "iat lies 6 seconds ahead, and a second later 5", |s| {
        knows_a(s);
        s.refuses(Code::NotYetValid, &issued(NOW + 6));
        s.now += 1;
        s.takes(&issued(NOW + 6));
    });
    group.plays(
        rule("K2.1", "a verifier tells a stranger which keys it knows"),
        &[(
            "unknown-iat-ahead",
            "iat lies ahead, and the old key is a stranger's: the first that fails counts",
            |s| {
                let stranger = Key::ed25519("mallory");
                refuses(s, Code::NotYetValid, &Draft::succession(&stranger, &b(), NOW + 6, NOW + DAY));
            },
        )],
    );
    let late = rule("K2.1", "a statement that comes late is lost, or keeps the old key alive");
    group.plays(
        late,
        &[
            ("late", "until has passed when the statement arrives: the old key has ended", |s| {
                knows_a(s);
                s.now = NOW + 30 * DAY;
                s.takes(&a_to_b());
            }),
            ("late-at-until", "the statement arrives at until", |s| {
                knows_a(s);
                s.now = NOW + DAY;
                s.takes(&a_to_b());
            }),
            ("iat-0", "a statement of 1970, with seven days", |s| {
                knows_a(s);
                s.takes(&Draft::succession(&a(), &b(), 0, 604_800));
            }),
        ],
    );
}

fn who(group: &mut Group<'_>) {
    group.plays(
        rule("K2.2", "a thief whose key was revoked names the next one"),
        &[
            ("by-revoked", "the old key is revoked", |s| {
                s.knows(Record { revoked: true, ..identity("alice", &a()) });
                s.refuses(Code::Revoked, &a_to_b());
            }),
            ("by-revoked-nobodys", "the old key was revoked before anybody had registered it", |s| {
                s.knows(Record { revoked: true, ..nobodys(&a()) });
                s.refuses(Code::Revoked, &a_to_b());
            }),
            ("by-revoked-p256", "the old key is revoked, P-256", |s| {
                s.knows(Record { revoked: true, ..identity("alice", &first(P256)) });
                s.refuses(Code::Revoked, &Draft::succession(&first(P256), &second(P256), NOW, NOW + DAY));
            }),
            (
                "by-revoked-forged",
                "the old key is revoked, and the signatures do not verify: they come last",
                |s| {
                    s.knows(Record { revoked: true, ..identity("alice", &a()) });
                    let mut draft = a_to_b();
                    draft.signers[0].sign = |_, _| vec![0; 64];
                    s.refuses(Code::Revoked, &draft);
                },
            ),
            ("replay-of-revoked", "the succession is in force, and then the old key is revoked", |s| {
                knows_a(s);
                s.takes(&a_to_b());
                s.revokes_key(&a());
                s.refuses(Code::Revoked, &a_to_b());
            }),
        ],
    );
    group.plays(
        rule("K2.3", "a stranger names himself the successor of whom he likes"),
        &[
            ("by-unknown", "the old key is not known", |s| {
                s.knows(identity("bob", &Key::ed25519("bob identity")));
                s.refuses(Code::UnknownKey, &a_to_b());
            }),
            ("by-unknown-p256", "the old key is not known, P-256", |s| {
                knows_a(s);
                s.refuses(Code::UnknownKey, &Draft::succession(&first(P256), &second(P256), NOW, NOW + DAY));
            }),
            ("nobody-known", "no key is known", |s| s.refuses(Code::UnknownKey, &a_to_b())),
            ("by-call-key", "the old key is registered as a call key", |s| {
                s.knows(call("alice", &a(), NOW + DAY));
                s.refuses(Code::UnknownKey, &a_to_b());
            }),
            ("by-unknown-to-known", "the old key is not known, the new one is: it names itself", |s| {
                knows_a(s);
                s.refuses(Code::UnknownKey, &Draft::succession(&b(), &a(), NOW, NOW + DAY));
            }),
            (
                "by-unknown-forged",
                "the old key is not known, and the signatures do not verify: they come last",
                |s| {
                    let mut draft = a_to_b();
                    draft.signers[1].sign = |_, _| vec![0; 64];
                    s.refuses(Code::UnknownKey, &draft);
                },
            ),
        ],
    );
}

fn chains(group: &mut Group<'_>) {
    group.plays(
        honest(rule("K2.3", "")),
        &[
            ("chain", "A names B, and B names C", |s| {
                knows_a(s);
                s.takes(&a_to_b());
                s.takes(&b_to_c());
            }),
            ("chain-out-of-order", "B names C before A has named B: not yet, and then it is taken", |s| {
                knows_a(s);
                s.refuses(Code::UnknownKey, &b_to_c());
                s.takes(&a_to_b());
                s.takes(&b_to_c());
            }),
            ("chain-mixed", "Ed25519 names P-256, and that Ed25519", |s| {
                knows_a(s);
                s.takes(&Draft::succession(&a(), &second(P256), NOW, NOW + DAY));
                s.takes(&Draft::succession(&second(P256), &third(), NOW, NOW + DAY));
            }),
            ("chain-late", "both statements arrive late, in order", |s| {
                knows_a(s);
                s.now = NOW + 30 * DAY;
                s.takes(&a_to_b());
                s.takes(&b_to_c());
            }),
            ("two-identities", "two identities hand over, each to its own", |s| {
                let bob = Key::p256("bob identity");
                s.knows(identity("bob", &bob));
                knows_a(s);
                s.takes(&a_to_b());
                s.takes(&Draft::succession(&bob, &Key::p256("bob second identity"), NOW, NOW + 60));
            }),
        ],
    );
    group.plays(
        rule("K2.2", "a thief whose key was revoked goes on with the key that it named"),
        &[("chain-revoked", "B is revoked, and names C", |s| {
            knows_a(s);
            s.takes(&a_to_b());
            s.revokes_key(&b());
            s.refuses(Code::Revoked, &b_to_c());
        })],
    );
}

fn inherited(group: &mut Group<'_>) {
    group.plays(
        rule("R2", "a key lives for longer than the admin said, under another name"),
        &[
            ("end-inherited", "the old key has an end: the new one has the same", |s| {
                s.knows(Record { expires: Some(NOW + 30 * DAY), ..identity("alice", &a()) });
                s.takes(&a_to_b());
            }),
            ("until-after-end", "until lies after the old key's own end, which counts", |s| {
                s.knows(Record { expires: Some(NOW + 60), ..identity("alice", &a()) });
                s.takes(&a_to_b());
            }),
            (
                "end-inherited-in-chain",
                "of a chain, the last key has the end of the first, and not the until of one between",
                |s| {
                    s.knows(Record { expires: Some(NOW + 30 * DAY), ..identity("alice", &a()) });
                    s.takes(&a_to_b());
                    s.takes(&b_to_c());
                },
            ),
            (
                "end-inherited-reached",
                "the end that the new key inherited is reached: it names nobody",
                |s| {
                    s.knows(Record { expires: Some(NOW + 60), ..identity("alice", &a()) });
                    s.takes(&a_to_b());
                    s.now = NOW + 60;
                    s.refuses(Code::CertificateExpired, &b_to_c());
                },
            ),
            (
                "issued-from-inherited",
                "what the old key issued before a moment is revoked: of the new one, too",
                |s| {
                    s.knows(Record { issued_from: Some(NOW - 60), ..identity("alice", &a()) });
                    s.takes(&a_to_b());
                },
            ),
        ],
    );
}
