//! Stage 8: whom an entry of a rule means, of those for whom an identity provider vouches.

use envelope_core::Algorithm::Ed25519;
use envelope_core::Code;
use envelope_test_vectors::{Registered, Trusted, Users, Vector};

use super::super::draft::{Draft, NOW, quoted};
use super::super::keys::Key;
use super::super::{Topic, rule};
use super::login::login;
use super::policy::named;

/// Name, title, the entry, who calls, and what they belong to.
type Row = (&'static str, &'static str, &'static str, &'static str, &'static str);

const STRANGER: &str = "somebody else at the provider, or in another organisation, calls";
const ALICE: &str = "github:alice";
const OTHER: &str = "oidc:alice";
const MAIL: &str = "oidc:alice@example.com";

pub(super) fn fill(all: &mut Vec<Vector>) {
    let mut topic = Topic::new("login", all);
    meant(&mut topic);
    not_meant(&mut topic);
    with_key(&mut topic);
}

/// A user calls who belongs to these groups, and a list with this entry says who may.
fn calls(draft: &mut Draft, entry: &str, user: &str, groups: &str) {
    login(draft, Ed25519, |certificate| {
        certificate.claims.set("sub", quoted(user));
        certificate.claims.set("groups", groups);
    });
    draft.identity = user.into();
    if let Some(policy) = &mut draft.verifier.policy {
        policy.unlisted.allowed_users = named(&[entry]);
    }
}

fn meant(topic: &mut Topic<'_>) {
    let honest = rule("V8.4", "an honest caller is locked out");
    let rows: [Row; 18] = [
        (
            "entry-identity-no-key",
            "the rule names the whole identity, and nobody has the user's name",
            ALICE,
            ALICE,
            "[]",
        ),
        ("entry-user", "the rule names the user, and nobody of that name has a key", "alice", ALICE, "[]"),
        ("entry-case", "the rule names the user of GitHub in another case", "Alice", ALICE, "[]"),
        ("entry-case-of-user", "the user of GitHub is in another case", "alice", "github:ALICE", "[]"),
        (
            "entry-identity-case",
            "the rule names the whole identity at GitHub, the user in another case",
            "github:Alice",
            ALICE,
            "[]",
        ),
        (
            "entry-organisation",
            "the rule names the user in their organisation",
            "alice@acme",
            ALICE,
            r#"["acme"]"#,
        ),
        (
            "entry-organisation-second",
            "the organisation is the second of two",
            "alice@acme",
            ALICE,
            r#"["other","acme"]"#,
        ),
        (
            "entry-organisation-case",
            "the rule names user and organisation at GitHub in another case",
            "ALICE@Acme",
            ALICE,
            r#"["aCME"]"#,
        ),
        (
            "entry-team-no-key",
            "the rule names a team of the user's, and nobody has the user's name",
            "dev@acme",
            ALICE,
            r#"["dev@acme"]"#,
        ),
        (
            "entry-team-case",
            "the rule names a team at GitHub in another case",
            "Dev@ACME",
            ALICE,
            r#"["dEV@acme"]"#,
        ),
        ("entry-other-kind", "the rule names the user of another provider than GitHub", "alice", OTHER, "[]"),
        (
            "entry-other-kind-organisation",
            "the rule names the user of another provider in their organisation",
            "alice@acme",
            OTHER,
            r#"["acme"]"#,
        ),
        (
            "entry-other-kind-team",
            "the rule names a team at another provider",
            "dev@acme",
            OTHER,
            r#"["dev@acme"]"#,
        ),
        ("entry-at-identity", "the user's name has an @, and the rule the whole identity", MAIL, MAIL, "[]"),
        (
            "entry-at-organisation",
            "the user's name has an @: the entry is cut at its last one",
            "alice@example.com@acme",
            MAIL,
            r#"["acme"]"#,
        ),
        (
            "entry-colon",
            "the user's name has a colon: the provider ends at the first",
            "a:b",
            "oidc:a:b",
            "[]",
        ),
        (
            "entry-group-not-ascii",
            "one of the groups is not ASCII, the other is the rule's",
            "dev@acme",
            ALICE,
            "[\"z\u{fc}rich\",\"dev@acme\"]",
        ),
        ("entry-digits", "the user's name is a number", "7", "oidc:7", "[]"),
    ];
    for (name, title, entry, user, groups) in rows {
        topic.one(honest, None, name, title, |d| calls(d, entry, user, groups));
    }
    topic.one(honest, None, "entry-last", "the user is the last in the list", |d| {
        calls(d, "alice", ALICE, "[]");
        if let Some(policy) = &mut d.verifier.policy {
            policy.unlisted.allowed_users = named(&["bob", "carol", "alice"]);
        }
    });
}

fn not_meant(topic: &mut Topic<'_>) {
    let stranger = rule("V8.4", STRANGER);
    let rows: [Row; 24] = [
        ("entry-other-user", "the rule names another user", "bob", ALICE, "[]"),
        ("entry-prefix", "the rule names the first letters of the user", "alic", ALICE, "[]"),
        ("entry-longer", "the rule names somebody whose name begins as the user's", "alice2", ALICE, "[]"),
        ("entry-other-provider", "the rule names the user of another provider", "gitlab:alice", ALICE, "[]"),
        ("entry-provider-case", "the rule has the provider in another case", "GitHub:alice", ALICE, "[]"),
        (
            "entry-provider-of-user-case",
            "the provider is GitHub but for case: names there are taken as they are",
            "Alice",
            "GitHub:alice",
            "[]",
        ),
        (
            "entry-other-organisation",
            "the rule names another organisation",
            "alice@acme",
            ALICE,
            r#"["other"]"#,
        ),
        (
            "entry-other-in-organisation",
            "the rule names somebody else in the organisation",
            "bob@acme",
            ALICE,
            r#"["acme"]"#,
        ),
        (
            "entry-organisation-in-team",
            "the rule names the user in an organisation, and they are in a team of it alone",
            "alice@acme",
            ALICE,
            r#"["dev@acme"]"#,
        ),
        ("entry-other-team", "the rule names another team", "dev@acme", ALICE, r#"["ops@acme"]"#),
        (
            "entry-team-of-other",
            "the rule names a team of that name elsewhere",
            "dev@acme",
            ALICE,
            r#"["dev@other"]"#,
        ),
        (
            "entry-group-alone",
            "the rule names the organisation, which is nobody",
            "acme",
            ALICE,
            r#"["acme"]"#,
        ),
        (
            "entry-team-alone",
            "the rule names the team without its organisation",
            "dev",
            ALICE,
            r#"["dev@acme"]"#,
        ),
        ("entry-no-name", "nothing stands in front of the @", "@acme", ALICE, r#"["acme"]"#),
        ("entry-no-organisation", "nothing follows the @", "alice@", ALICE, r#"["acme"]"#),
        (
            "entry-no-groups",
            "the rule names an organisation, and the user is in none",
            "alice@acme",
            ALICE,
            "[]",
        ),
        (
            "entry-kelvin",
            "the organisation is the rule's but for the Kelvin sign: the case of A to Z alone is ignored",
            "alice@kernel",
            ALICE,
            "[\"\u{212a}ernel\"]",
        ),
        (
            "entry-other-kind-case",
            "the rule names the user of another provider than GitHub in another case",
            "Alice",
            OTHER,
            "[]",
        ),
        (
            "entry-other-kind-identity-case",
            "the rule names the whole identity at another provider in another case",
            "oidc:Alice",
            OTHER,
            "[]",
        ),
        (
            "entry-other-kind-organisation-case",
            "the rule names an organisation at another provider in another case",
            "alice@Acme",
            OTHER,
            r#"["acme"]"#,
        ),
        (
            "entry-other-kind-team-case",
            "the rule names a team at another provider in another case",
            "Dev@acme",
            OTHER,
            r#"["dev@acme"]"#,
        ),
        (
            "entry-at-name",
            "the user's name has an @ and is the entry: such an entry is no bare name",
            "alice@example.com",
            MAIL,
            "[]",
        ),
        ("entry-at-team", "the user has taken the name of a team", "dev@acme", "oidc:dev@acme", "[]"),
        (
            "entry-first-at",
            "the entry has two @, and is cut at the last one",
            "alice@example.com@acme",
            OTHER,
            r#"["example.com@acme"]"#,
        ),
    ];
    for (name, title, entry, user, groups) in rows {
        topic.one(stranger, Some(Code::NotAllowed), name, title, |d| calls(d, entry, user, groups));
    }
}

fn trust(draft: &mut Draft, identity: &str) {
    draft.verifier.trust.push(Trusted::new(identity, Key::ed25519("alice identity").thumbprint()));
}

/// Somebody has a key here who has the name of the user.
fn with_key(topic: &mut Topic<'_>) {
    let same = rule("V8.4", "whoever takes a name at the provider calls in place of the one who has it here");
    let honest = same.honest();
    topic.valid(
        honest,
        &[
            ("entry-identity", "the rule names the whole identity", |d| {
                calls(d, ALICE, ALICE, "[]");
                trust(d, "alice");
            }),
            (
                "entry-organisation-has-key",
                "somebody has the user's name, and the rule an organisation",
                |d| {
                    calls(d, "alice@acme", ALICE, r#"["acme"]"#);
                    trust(d, "alice");
                },
            ),
            ("entry-team", "the rule names a team of the user's", |d| {
                calls(d, "dev@acme", ALICE, r#"["dev@acme"]"#);
                trust(d, "alice");
            }),
            ("entry-other-has-key", "somebody else has a key", |d| {
                calls(d, "alice", ALICE, "[]");
                trust(d, "bob");
            }),
            ("entry-everybody-has-key", "somebody has the user's name, and everybody may call", |d| {
                login(d, Ed25519, |_| {});
                trust(d, "alice");
            }),
        ],
    );
    topic.refused(
        rule("V8.4", STRANGER),
        Code::NotAllowed,
        &[("entry-user-has-key", "the rule names somebody who has a key, and has the user's name", |d| {
            calls(d, "alice", ALICE, "[]");
            trust(d, "alice");
        })],
    );
    topic.refused(
        same,
        Code::NotAllowed,
        &[
            ("entry-user-has-key-case", "the same in another case", |d| {
                calls(d, "alice", ALICE, "[]");
                trust(d, "Alice");
            }),
            ("entry-other-kind-has-key", "the same at another provider than GitHub", |d| {
                calls(d, "alice", OTHER, "[]");
                trust(d, "alice");
            }),
            ("entry-other-kind-has-key-case", "the same there, in another case", |d| {
                calls(d, "alice", OTHER, "[]");
                trust(d, "ALICE");
            }),
            (
                "entry-user-has-call-key",
                "the rule names somebody who has a call key, and the user's name",
                |d| {
                    calls(d, "alice", ALICE, "[]");
                    let jwk = serde_json::from_str(&Key::ed25519("alice second call").jwk()).unwrap();
                    d.verifier.registered.push(Registered {
                        identity: "alice".into(),
                        jwk,
                        expires: NOW + 3600,
                    });
                },
            ),
            ("entry-user-has-revoked-key", "the key of who has the user's name is revoked", |d| {
                calls(d, "alice", ALICE, "[]");
                trust(d, "alice");
                d.verifier.revoked.push(Key::ed25519("alice identity").thumbprint());
            }),
            ("entry-user-has-ended-key", "the time of the key of who has the user's name is over", |d| {
                calls(d, "alice", ALICE, "[]");
                trust(d, "alice");
                d.verifier.trust.iter_mut().for_each(|key| key.expires = Some(NOW));
            }),
            ("entry-nobody", "the list is empty", |d| {
                calls(d, "alice", ALICE, "[]");
                if let Some(policy) = &mut d.verifier.policy {
                    policy.unlisted.allowed_users = Users::Named(Vec::new());
                }
            }),
        ],
    );
}
