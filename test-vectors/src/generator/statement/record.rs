//! R1 and R4 to R6: what an admin says of keys, and what statements make of it.

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
    let mut group = Group::new("record", succession, all);
    registers(&mut group);
    registers_what_was_narrowed(&mut group);
    registers_call_keys(&mut group);
    revokes_keys(&mut group);
    revokes_identities(&mut group);
    revokes_what_was_issued(&mut group);
}

fn a() -> Key {
    first(Ed25519)
}

fn call_key() -> Key {
    Key::ed25519("alice call")
}

fn registers(group: &mut Group<'_>) {
    let known = rule("R1", "a key changes hands, or comes back");
    group.plays(
        honest(known),
        &[
            ("identity", "an identity key is registered, and hands over", |s| {
                s.registers(&identity("alice", &a()));
                s.takes(&succession());
            }),
            ("identity-anew", "an identity key is registered anew, with another end", |s| {
                s.knows(identity("alice", &a()));
                s.registers(&Record { expires: Some(NOW + DAY), ..identity("alice", &a()) });
                s.registers(&Record { expires: Some(NOW + 2 * DAY), ..identity("alice", &a()) });
                s.registers(&identity("alice", &a()));
            }),
            (
                "identity-ended-anew",
                "an identity key that has ended is registered anew, and hands over",
                |s| {
                    s.knows(Record { expires: Some(NOW - 1), ..identity("alice", &a()) });
                    s.registers(&Record { expires: Some(NOW + DAY), ..identity("alice", &a()) });
                    s.takes(&succession());
                },
            ),
            (
                "issued-from-stays",
                "a key is registered anew: what it issued before a moment stays revoked",
                |s| {
                    s.knows(Record { issued_from: Some(NOW - 60), ..identity("alice", &a()) });
                    s.registers(&Record { expires: Some(NOW + DAY), ..identity("alice", &a()) });
                },
            ),
            ("heir-anew", "a key that came after another is registered anew", |s| {
                s.knows(identity("alice", &a()));
                s.takes(&succession());
                s.registers(&Record { expires: Some(NOW + DAY), ..identity("alice", &second(Ed25519)) });
            }),
        ],
    );
    group.plays(
        known,
        &[
            ("revoked-anew", "a revoked key is registered anew", |s| {
                s.knows(Record { revoked: true, ..identity("alice", &a()) });
                s.does_not_register(Code::Revoked, identity("alice", &a()));
            }),
            ("revoked-nobodys", "a key is registered that was revoked before anybody had", |s| {
                s.knows(Record { revoked: true, ..nobodys(&a()) });
                s.does_not_register(Code::Revoked, identity("alice", &a()));
            }),
            ("retired-anew", "a key retires, and is registered anew", |s| {
                s.knows(identity("alice", &a()));
                s.takes(&retirement());
                s.does_not_register(Code::Revoked, identity("alice", &a()));
            }),
            ("other-identity", "Alice's key is registered for Bob", |s| {
                s.knows(identity("alice", &a()));
                s.does_not_register(Code::KeyRefused, identity("bob", &a()));
            }),
            ("identity-as-call", "an identity key is registered as a call key", |s| {
                s.knows(identity("alice", &a()));
                s.does_not_register(Code::KeyRefused, call("alice", &a(), NOW + DAY));
            }),
            ("call-as-identity", "a call key is registered as an identity key", |s| {
                s.knows(call("alice", &a(), NOW + DAY));
                s.does_not_register(Code::KeyRefused, identity("alice", &a()));
            }),
            (
                "succeeded-anew",
                "a key that has named its successor is registered anew: it would live on",
                |s| {
                    s.knows(identity("alice", &a()));
                    s.takes(&succession());
                    s.does_not_register(Code::KeyRefused, identity("alice", &a()));
                },
            ),
            ("heir-other-identity", "a key that came after Alice's is registered for Bob", |s| {
                s.knows(identity("alice", &a()));
                s.takes(&succession());
                s.does_not_register(Code::KeyRefused, identity("bob", &second(Ed25519)));
            }),
        ],
    );
}

fn registers_what_was_narrowed(group: &mut Group<'_>) {
    let narrowed = rule("R1", "what was said of a key is forgotten when somebody registers it");
    let before = || Record { expires: Some(NOW + DAY), issued_from: Some(NOW - 60), ..nobodys(&a()) };
    group.play(
        narrowed,
        "narrowed-before",
        "a key is registered that was narrowed before anybody had",
        |s| {
            s.knows(before());
            s.registers(&identity("alice", &a()));
        },
    );
    group.play(narrowed, "narrowed-before-ends-earlier", "the same, with an end before that one", |s| {
        s.knows(before());
        s.registers(&Record { expires: Some(NOW + 60), ..identity("alice", &a()) });
    });
    group.play(narrowed, "narrowed-before-ends-later", "the same, with an end after that one", |s| {
        s.knows(before());
        s.registers(&Record { expires: Some(NOW + 2 * DAY), ..identity("alice", &a()) });
    });
}

fn registers_call_keys(group: &mut Group<'_>) {
    let lasting = rule("R1", "a key that signs without a certificate is good for ever");
    for (name, title, expires) in [
        ("call-now", "the registration of a call key ends now", Some(NOW)),
        ("call-90-days-1", "a call key is registered for 90 days and a second", Some(NOW + 90 * DAY + 1)),
        ("call-no-end", "a call key is registered without an end", None),
    ] {
        group.play(lasting, name, title, |s| {
            s.does_not_register(Code::KeyRefused, Record { expires, ..call("alice", &call_key(), 0) });
        });
    }
    for (name, title, key, expires) in [
        ("call-1", "a call key is registered for a second", call_key(), NOW + 1),
        ("call-90-days", "a call key is registered for 90 days", call_key(), NOW + 90 * DAY),
        ("call-p256", "a P-256 call key is registered", Key::p256("alice call"), NOW + DAY),
    ] {
        group.play(honest(lasting), name, title, |s| s.registers(&call("alice", &key, expires)));
    }
    group.plays(
        honest(lasting),
        &[("call-anew", "a call key whose registration ran out is registered anew", |s| {
            s.knows(call("alice", &call_key(), NOW - 1));
            s.registers(&call("alice", &call_key(), NOW + DAY));
        })],
    );
    group.plays(
        rule("R1", "a key changes hands, or comes back"),
        &[("call-other-identity", "Alice's call key is registered for Bob", |s| {
            s.knows(call("alice", &call_key(), NOW + DAY));
            s.does_not_register(Code::KeyRefused, call("bob", &call_key(), NOW + DAY));
        })],
    );
}

fn revokes_keys(group: &mut Group<'_>) {
    group.plays(
        rule("R4", "an admin revokes a key, and somebody goes on with it"),
        &[
            ("revoke-identity-key", "an identity key is revoked, and names a successor", |s| {
                s.knows(identity("alice", &a()));
                s.revokes_key(&a());
                s.refuses(Code::Revoked, &succession());
            }),
            ("revoke-call-key", "a call key is revoked, and retires", |s| {
                s.knows(call("alice", &call_key(), NOW + DAY));
                s.revokes_key(&call_key());
                s.refuses(Code::Replayed, &Draft::retirement(&call_key(), NOW));
            }),
            ("revoke-unknown", "a key is revoked that nobody knows, and is then named as a successor", |s| {
                s.knows(identity("alice", &a()));
                s.revokes_key(&second(Ed25519));
                s.refuses(Code::Revoked, &succession());
            }),
            ("revoke-twice", "a key is revoked twice", |s| {
                s.knows(identity("alice", &a()));
                s.revokes_key(&a());
                s.revokes_key(&a());
            }),
            ("revoke-succeeded", "a key is revoked that has named its successor, which stays good", |s| {
                s.knows(identity("alice", &a()));
                s.takes(&succession());
                s.revokes_key(&a());
                s.takes(&Draft::succession(&second(Ed25519), &third(), NOW, NOW + DAY));
            }),
        ],
    );
}

fn revokes_identities(group: &mut Group<'_>) {
    group.plays(
        rule("R5", "an admin revokes an identity, and a key that its thief named is still good"),
        &[
            (
                "revoke-identity",
                "an identity is revoked: both its identity keys and its call key, nobody else's",
                |s| {
                    s.knows(identity("alice", &a()));
                    s.knows(identity("alice", &first(P256)));
                    s.knows(call("alice", &call_key(), NOW + DAY));
                    s.knows(identity("bob", &Key::ed25519("bob identity")));
                    s.revokes_identity("alice");
                    s.refuses(Code::Revoked, &succession());
                },
            ),
            ("revoke-identity-heir", "an identity is revoked after a succession: the successor, too", |s| {
                s.knows(identity("alice", &a()));
                s.takes(&succession());
                s.revokes_identity("alice");
                s.refuses(Code::Revoked, &Draft::succession(&second(Ed25519), &third(), NOW, NOW + DAY));
            }),
            ("revoke-identity-then-new", "an identity is revoked, and gets a new key", |s| {
                s.knows(identity("alice", &a()));
                s.revokes_identity("alice");
                s.registers(&identity("alice", &second(Ed25519)));
                s.takes(&Draft::succession(&second(Ed25519), &third(), NOW, NOW + DAY));
            }),
            ("revoke-identity-unknown", "an identity is revoked that has no keys", |s| {
                s.knows(identity("alice", &a()));
                s.revokes_identity("alic");
                s.takes(&succession());
            }),
        ],
    );
}

fn revokes_what_was_issued(group: &mut Group<'_>) {
    group.plays(
        rule("R6", "a thief goes on with a call key whose certificate was revoked"),
        &[
            (
                "issued-before",
                "what an identity issued is revoked: by both its identity keys, nobody else's",
                |s| {
                    s.knows(identity("alice", &a()));
                    s.knows(identity("alice", &first(P256)));
                    s.knows(call("alice", &call_key(), NOW + DAY));
                    s.knows(identity("bob", &Key::ed25519("bob identity")));
                    s.revokes_issued_before("alice", NOW);
                },
            ),
            (
                "issued-before-earlier",
                "what was issued is revoked, and then what was issued before an earlier moment",
                |s| {
                    s.knows(identity("alice", &a()));
                    s.revokes_issued_before("alice", NOW);
                    s.revokes_issued_before("alice", NOW - 1);
                    s.revokes_issued_before("alice", NOW + 1);
                },
            ),
            (
                "issued-before-heir",
                "what was issued is revoked, and the key names a successor: of that, too",
                |s| {
                    s.knows(identity("alice", &a()));
                    s.revokes_issued_before("alice", NOW);
                    s.takes(&succession());
                },
            ),
            (
                "issued-before-after-succession",
                "what was issued is revoked after a succession: of both keys",
                |s| {
                    s.knows(identity("alice", &a()));
                    s.takes(&succession());
                    s.revokes_issued_before("alice", NOW);
                },
            ),
            (
                "issued-before-then-new",
                "what was issued is revoked, and then a key is registered: of that, not",
                |s| {
                    s.knows(identity("alice", &a()));
                    s.revokes_issued_before("alice", NOW);
                    s.registers(&identity("alice", &first(P256)));
                },
            ),
        ],
    );
}
