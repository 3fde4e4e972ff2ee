//! K2.1, K2.8 and K2.9: which keys retire, and what they cannot do then.

use envelope_core::Algorithm::{Ed25519, P256};
use envelope_core::Code;
use envelope_test_vectors::statement::{Record, Vector};

use super::super::draft::NOW;
use super::super::keys::Key;
use super::super::rule;
use super::draft::Draft;
use super::scene::{call, identity, nobodys};
use super::{DAY, Group, first, honest, retirement, second, succession, third};

pub(super) fn fill(all: &mut Vec<Vector>) {
    let mut group = Group::new("retirement", retirement, all);
    good(&mut group);
    clock(&mut group);
    who(&mut group);
    afterwards(&mut group);
}

fn a() -> Key {
    first(Ed25519)
}

fn good(group: &mut Group<'_>) {
    let lost = honest(rule("R3", ""));
    for (name, algorithm) in [("ed25519", Ed25519), ("p256", P256)] {
        let title = format!("an identity key retires, {}", algorithm.jose_name());
        group.one(lost, None, name, &title, |d| *d = Draft::retirement(&first(algorithm), NOW));
        let key = Key::new(algorithm, "alice call");
        let title = format!("a registered call key retires, {}", algorithm.jose_name());
        group.play(lost, &format!("call-key-{name}"), &title, |s| {
            s.knows(identity("alice", &a()));
            s.knows(call("alice", &key, NOW + DAY));
            s.takes(&Draft::retirement(&key, NOW));
        });
    }
    group.plays(
        lost,
        &[
            ("ended", "an identity key retires after its end", |s| {
                s.knows(Record { expires: Some(NOW - 1), ..identity("alice", &a()) });
                s.takes(&retirement());
            }),
            ("call-key-ended", "a call key retires after its registration ran out", |s| {
                let key = Key::ed25519("alice call");
                s.knows(call("alice", &key, NOW - 1));
                s.takes(&Draft::retirement(&key, NOW));
            }),
            ("made-long-before", "the statement was kept for years", |s| {
                s.knows(identity("alice", &a()));
                s.now = NOW + 3650 * DAY;
                s.takes(&retirement());
            }),
            ("with-successor", "a key retires that has named its successor, which stays good", |s| {
                s.knows(identity("alice", &a()));
                s.takes(&succession());
                s.takes(&retirement());
            }),
            ("one-of-two", "one of two keys of an identity retires", |s| {
                s.knows(identity("alice", &a()));
                s.knows(identity("alice", &first(P256)));
                s.takes(&retirement());
            }),
        ],
    );
}

fn clock(group: &mut Group<'_>) {
    let ahead = rule("K2.1", "a statement is taken before it was made");
    group.one(ahead, Some(Code::NotYetValid), "iat-ahead-6", "iat lies 6 seconds ahead", |d| {
        *d = Draft::retirement(&a(), NOW + 6);
    });
    group.one(honest(ahead), None, "iat-ahead-5", "iat lies 5 seconds ahead", |d| {
        *d = Draft::retirement(&a(), NOW + 5);
    });
    group.plays(
        ahead,
        &[(
            "unknown-iat-ahead",
            "iat lies ahead, and the key is not known: the first that fails counts",
            |s| {
                s.refuses(Code::NotYetValid, &Draft::retirement(&a(), NOW + 6));
            },
        )],
    );
}

fn who(group: &mut Group<'_>) {
    group.plays(
        rule("K2.8", "a stranger fills a verifier with keys that it must remember for ever"),
        &[
            ("by-unknown", "the key is not known", |s| {
                s.knows(identity("alice", &first(P256)));
                s.refuses(Code::UnknownKey, &retirement());
            }),
            ("nobody-known", "no key is known", |s| s.refuses(Code::UnknownKey, &retirement())),
            (
                "by-unknown-forged",
                "the key is not known, and the signature does not verify: it comes last",
                |s| {
                    let mut draft = retirement();
                    draft.signers[0].sign = |_, _| vec![0; 64];
                    s.refuses(Code::UnknownKey, &draft);
                },
            ),
            (
                "before-registration",
                "a key that is not known retires in vain, and is registered after",
                |s| {
                    s.refuses(Code::UnknownKey, &retirement());
                    s.registers(&identity("alice", &a()));
                    s.takes(&retirement());
                },
            ),
        ],
    );
    group.plays(
        rule("K2.9", "a client that lost an answer does not know whether its key has ended"),
        &[
            ("twice", "the same statement again", |s| {
                s.knows(identity("alice", &a()));
                s.takes(&retirement());
                s.refuses(Code::Replayed, &retirement());
            }),
            ("twice-other", "another retirement of the same key", |s| {
                s.knows(identity("alice", &a()));
                s.takes(&retirement());
                s.refuses(Code::Replayed, &Draft::retirement(&a(), NOW - 1));
            }),
            ("twice-p256", "the same statement again, P-256", |s| {
                s.knows(identity("alice", &first(P256)));
                s.takes(&Draft::retirement(&first(P256), NOW));
                s.refuses(Code::Replayed, &Draft::retirement(&first(P256), NOW));
            }),
            ("of-revoked", "the key was revoked by an admin", |s| {
                s.knows(Record { revoked: true, ..identity("alice", &a()) });
                s.refuses(Code::Replayed, &retirement());
            }),
            ("of-revoked-nobodys", "the key was revoked before anybody had registered it", |s| {
                s.knows(Record { revoked: true, ..nobodys(&a()) });
                s.refuses(Code::Replayed, &retirement());
            }),
        ],
    );
}

fn afterwards(group: &mut Group<'_>) {
    group.plays(
        rule("K2.2", "whoever stole a key that has retired names the next one"),
        &[
            ("then-succession", "a key retires, and then names a successor", |s| {
                s.knows(identity("alice", &a()));
                s.takes(&retirement());
                s.refuses(Code::Revoked, &succession());
            }),
            ("then-succession-of-heir", "a key that was named retires, and then names a successor", |s| {
                s.knows(identity("alice", &a()));
                s.takes(&succession());
                s.takes(&Draft::retirement(&second(Ed25519), NOW));
                s.refuses(Code::Revoked, &Draft::succession(&second(Ed25519), &third(), NOW, NOW + DAY));
            }),
            (
                "then-replay",
                "a key that has named its successor retires, and the succession comes again",
                |s| {
                    s.knows(identity("alice", &a()));
                    s.takes(&succession());
                    s.takes(&retirement());
                    s.refuses(Code::Revoked, &succession());
                },
            ),
        ],
    );
    group.plays(
        rule("K2.7", "a key that has retired comes back"),
        &[("then-successor", "a key retires, and is then named as a successor", |s| {
            s.knows(identity("alice", &a()));
            s.knows(identity("alice", &first(P256)));
            s.takes(&retirement());
            s.refuses(Code::Revoked, &Draft::succession(&first(P256), &a(), NOW, NOW + DAY));
        })],
    );
    group.plays(
        honest(rule("R3", "")),
        &[("heir-goes-on", "a key retires, and the successor that it had named hands over", |s| {
            s.knows(identity("alice", &a()));
            s.takes(&succession());
            s.takes(&retirement());
            s.takes(&Draft::succession(&second(Ed25519), &third(), NOW, NOW + DAY));
        })],
    );
}
