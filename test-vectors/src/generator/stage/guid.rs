//! Stage 8: which pack is meant, who is registered, and what each credential is good for.

use std::collections::BTreeMap;

use envelope_core::Algorithm::Ed25519;
use envelope_core::Code;
use envelope_test_vectors::{Pack, Policy, Trusted, Users, Vector};

use super::super::draft::Draft;
use super::super::keys::Key;
use super::super::{Row, Topic, rule};
use super::login::login;
use super::policy::{bare, named, pack, wants};

const GUID: &str = "b1946ac9-2492-4d23-8f3b-0f6d5c8e7a01";
const HOLDER: &str = "pack:p1/default/1";
const LOCKED_OUT: &str = "an honest caller is locked out";

pub(super) fn fill(all: &mut Vec<Vector>) {
    let mut topic = Topic::new("policy", all);
    guids(&mut topic);
    registered(&mut topic);
    credentials(&mut topic);
    owners(&mut topic);
    agents(&mut topic);
    holders(&mut topic);
}

/// Rules for one guid, by which Alice may call, and the request names another, or the same in another spelling; nobody may call what
/// is not listed.
fn spelled(draft: &mut Draft, listed: &str, called: &str) {
    pack(draft, |pack| pack.allowed_users = named(&["alice"]));
    relist(draft, listed, called);
}

fn relist(draft: &mut Draft, listed: &str, called: &str) {
    if let Some(Policy { packs, .. }) = &mut draft.verifier.policy {
        let rules = packs.remove("p1").unwrap();
        *packs = BTreeMap::from([(listed.into(), rules)]);
    }
    wants(draft, Some(called), None, "call");
}

/// Nobody may call the pack with this guid, and everybody what is not listed.
fn closed(draft: &mut Draft, listed: &str, called: &str) {
    pack(draft, |pack| pack.allowed_users = named(&[]));
    relist(draft, listed, called);
    if let Some(policy) = &mut draft.verifier.policy {
        policy.unlisted.allowed_users = Users::EVERYBODY;
    }
}

fn guids(topic: &mut Topic<'_>) {
    let bare_digits = GUID.replace('-', "");
    let upper = GUID.to_ascii_uppercase();
    let upper_digits = bare_digits.to_ascii_uppercase();
    let elsewhere = format!("{}-{}", &bare_digits[..5], &bare_digits[5..]);
    let doubled = GUID.replace('-', "--");
    let spellings = [
        ("guid", "in the same spelling", GUID, GUID),
        ("guid-upper-case", "in upper case", GUID, &*upper),
        ("guid-no-hyphens", "without its hyphens", GUID, &*bare_digits),
        ("guid-upper-case-no-hyphens", "in upper case without its hyphens", GUID, &*upper_digits),
        ("guid-hyphen-elsewhere", "with its hyphens elsewhere", GUID, &*elsewhere),
        ("guid-hyphens-twice", "with every hyphen twice", GUID, &*doubled),
        ("guid-listed-upper-case", "and its rules have it in upper case", &*upper, GUID),
        ("guid-listed-no-hyphens", "and its rules have it without hyphens", &*bare_digits, GUID),
        ("guid-no-uuid-case", "which is no UUID, in another case", "p1", "P1"),
        (
            "guid-no-uuid-listed-case",
            "which is no UUID, and its rules have it in another case",
            "Pack-A",
            "pack-a",
        ),
    ];
    let honest = rule("V8.4", LOCKED_OUT);
    let shut = rule(
        "V8.4",
        "whoever spells the guid of a pack otherwise calls it by the rules for what is not listed",
    );
    for (name, title, listed, called) in spellings {
        let title = format!("the pack is called by its guid, {title}");
        topic.one(honest, None, name, &title, |d| spelled(d, listed, called));
        let name = format!("{name}-closed");
        let title = format!("nobody may call the pack; {title}");
        topic.one(shut, Some(Code::NotAllowed), &name, &title, |d| closed(d, listed, called));
    }
    let other = rule("V8.4", "the rules of one pack are those of another");
    let letter = GUID.replacen('b', "g", 1);
    for (name, title, listed, called) in [
        ("guid-other", "another UUID is called", GUID, "b1946ac9-2492-4d23-8f3b-0f6d5c8e7a02"),
        ("guid-31-digits", "31 digits are no UUID: hyphens count", &GUID[..35], &bare_digits[..31]),
        (
            "guid-33-digits",
            "33 digits are no UUID: hyphens count",
            &format!("{GUID}0"),
            &format!("{bare_digits}0"),
        ),
        (
            "guid-no-hex",
            "32 letters that are not hex are no UUID: hyphens count",
            &letter,
            &letter.replace('-', ""),
        ),
        ("guid-no-uuid-hyphen", "a guid that is no UUID has a hyphen more", "p1", "p-1"),
        ("guid-underscore", "a UUID with _ for its hyphens is another guid", GUID, &GUID.replace('-', "_")),
    ] {
        topic.one(other, Some(Code::NotAllowed), name, title, |d| spelled(d, listed, called));
    }
    let narrowed = rule("V8.2", "a certificate that was made for one pack opens another");
    topic.refused(
        narrowed,
        Code::AudienceMismatch,
        &[
            ("aud-guid-case", "aud is the guid, in another case than the request", |d| {
                d.certificate().claims.set("aud", format!("[\"{}\"]", GUID.to_ascii_uppercase()));
                spelled(d, GUID, GUID);
            }),
            ("aud-guid-no-hyphens", "aud is the guid without the hyphens that the request has", |d| {
                d.certificate().claims.set("aud", format!("[\"{}\"]", GUID.replace('-', "")));
                spelled(d, GUID, GUID);
            }),
        ],
    );
    topic.valid(
        narrowed.honest(),
        &[(
            "aud-guid-as-called",
            "aud is the guid as the request has it, and the rules have another case",
            |d| {
                d.certificate().claims.set("aud", format!("[\"{}\"]", GUID.to_ascii_uppercase()));
                spelled(d, GUID, &GUID.to_ascii_uppercase());
            },
        )],
    );
    bare(
        topic,
        rule("V8.1", "whoever spells the guid of a pack otherwise calls it without saying who"),
        Some(Code::Unauthenticated),
        "guid-case-no-envelope",
        "there is no envelope, the pack is not open, and what is not listed is",
        |d| {
            closed(d, GUID, &GUID.to_ascii_uppercase());
            if let Some(policy) = &mut d.verifier.policy {
                policy.unlisted.open = true;
            }
        },
    );
}

/// A user calls who belongs to `acme` and a team of it; by these rules.
fn user(draft: &mut Draft, change: impl FnOnce(&mut Pack)) {
    login(draft, Ed25519, |certificate| certificate.claims.set("groups", r#"["acme","dev@acme"]"#));
    pack(draft, change);
}

fn alice_has_key(draft: &mut Draft) {
    draft.verifier.trust.push(Trusted::new("alice", Key::ed25519("alice identity").thumbprint()));
}

fn every(pack: &mut Pack) {
    pack.allowed_users = Users::Registered;
}

fn registered(topic: &mut Topic<'_>) {
    topic.valid(
        rule("V8.4", LOCKED_OUT),
        &[
            ("null", "whoever has a key here may call: an identity key is trusted", |d| pack(d, every)),
            ("null-call-key", "whoever has a key here may call: the call key is registered", |d| {
                d.register();
                pack(d, every);
            }),
            ("null-owner", "whoever has a key here may call, and a user who owns the pack", |d| {
                user(d, |pack| {
                    pack.allowed_users = Users::Registered;
                    pack.owner = Some("github:alice".into());
                });
            }),
            ("null-open", "whoever has a key here may call, a user calls, and the pack is open", |d| {
                user(d, |pack| {
                    pack.allowed_users = Users::Registered;
                    pack.open = true;
                });
            }),
        ],
    );
    topic.refused(
        rule("V8.4", "whoever the provider knows calls what is for those who have a key"),
        Code::NotAllowed,
        &[
            ("null-user", "whoever has a key here may call, and a user of a provider calls", |d| {
                user(d, every);
            }),
            ("null-user-has-key", "the same, and somebody of the user's name has a key", |d| {
                user(d, every);
                alice_has_key(d);
            }),
            ("null-not-signed", "whoever has a key here may call, but with no envelope", |d| {
                pack(d, |pack| {
                    pack.allowed_users = Users::Registered;
                    pack.signed = false;
                });
            }),
        ],
    );
    bare(
        topic,
        rule("V8.1", "anybody calls without saying who"),
        Some(Code::Unauthenticated),
        "null-no-envelope",
        "there is no envelope, and whoever has a key here may call",
        |d| pack(d, every),
    );
}

fn credentials(topic: &mut Topic<'_>) {
    topic.valid(
        rule("V8.4", LOCKED_OUT),
        &[
            ("identity-user", "the pack takes who comes from a provider, and no other envelope", |d| {
                user(d, |pack| (pack.signed, pack.identity) = (false, true));
            }),
            ("identity-user-listed", "the same, and the user is in the list", |d| {
                user(d, |pack| {
                    (pack.signed, pack.identity) = (false, true);
                    pack.allowed_users = named(&["alice"]);
                });
            }),
            ("identity-signed-user", "the pack takes both, and a user calls", |d| {
                user(d, |pack| pack.identity = true);
            }),
            ("identity-signed-key", "the pack takes both, and an identity with a key calls", |d| {
                pack(d, |pack| pack.identity = true);
            }),
            (
                "token-signed-user",
                "the pack takes envelopes and tokens, and a user calls with an envelope",
                |d| {
                    user(d, |pack| pack.token = true);
                },
            ),
            ("signed-user", "the pack takes envelopes, and a user calls with one", |d| user(d, |_| {})),
        ],
    );
    topic.refused(
        rule("V8.4", "a pack takes credentials that its owner does not take"),
        Code::NotAllowed,
        &[
            (
                "identity-key",
                "the pack takes who comes from a provider alone, and an identity with a key calls",
                |d| {
                    pack(d, |pack| (pack.signed, pack.identity) = (false, true));
                },
            ),
            (
                "identity-key-of-user",
                "the same, and the name of the identity looks like one of a provider",
                |d| {
                    d.identity = "github:alice".into();
                    d.register();
                    pack(d, |pack| (pack.signed, pack.identity) = (false, true));
                },
            ),
            (
                "identity-user-not-listed",
                "the pack takes who comes from a provider, and the user is in no list",
                |d| {
                    user(d, |pack| {
                        (pack.signed, pack.identity) = (false, true);
                        pack.allowed_users = named(&["bob"]);
                    });
                },
            ),
            (
                "agent-everybody-user-not-listed",
                "everybody may use the agent, and the user may not call the pack",
                |d| {
                    user(d, |pack| pack.allowed_users = named(&["bob"]));
                    agent(d, Users::EVERYBODY);
                },
            ),
            ("not-signed-user", "the pack takes neither envelopes nor who comes from a provider", |d| {
                user(d, |pack| pack.signed = false);
            }),
            ("token-user", "the pack takes tokens alone, and a user calls", |d| {
                user(d, |pack| (pack.signed, pack.token) = (false, true));
            }),
            ("token-key", "the pack takes tokens alone, and an identity with a key calls", |d| {
                pack(d, |pack| (pack.signed, pack.token) = (false, true));
            }),
        ],
    );
    let nobody = rule("V8.1", "anybody calls without saying who");
    let refused: [Row; 2] = [
        ("identity-no-envelope", "there is no envelope, and the pack takes who comes from a provider", |d| {
            pack(d, |pack| pack.identity = true);
        }),
        ("token-no-envelope", "there is no envelope, and the pack takes tokens", |d| {
            pack(d, |pack| pack.token = true);
        }),
    ];
    for (name, title, change) in refused {
        bare(topic, nobody, Some(Code::Unauthenticated), name, title, change);
    }
}

fn owned(pack: &mut Pack, owner: &str) {
    pack.owner = Some(owner.into());
    pack.allowed_users = named(&[]);
}

fn owners(topic: &mut Topic<'_>) {
    topic.valid(
        rule("V8.4", LOCKED_OUT),
        &[
            ("owner-identity", "the owner is the whole identity of the user", |d| {
                user(d, |pack| owned(pack, "github:alice"));
            }),
            ("owner-user", "the owner is the user's name, which nobody has here", |d| {
                user(d, |pack| owned(pack, "alice"));
            }),
            ("owner-user-case", "the owner is the user's name at GitHub in another case", |d| {
                user(d, |pack| owned(pack, "Alice"));
            }),
            (
                "owner-user-identity-alone",
                "the same, and the pack takes who comes from a provider alone",
                |d| {
                    user(d, |pack| {
                        owned(pack, "alice");
                        (pack.signed, pack.identity) = (false, true);
                    });
                },
            ),
        ],
    );
    topic.refused(
        rule("V8.4", "whoever takes the owner's name at the provider owns the pack"),
        Code::NotAllowed,
        &[
            ("owner-user-has-key", "the owner has a key here, and the user the owner's name", |d| {
                user(d, |pack| owned(pack, "alice"));
                alice_has_key(d);
            }),
            ("owner-other-user", "the owner is another user", |d| user(d, |pack| owned(pack, "github:bob"))),
            ("owner-other-provider", "the owner is the user of another provider", |d| {
                user(d, |pack| owned(pack, "oidc:alice"));
            }),
            ("owner-not-signed-user", "the pack takes no envelopes, not even its owner's", |d| {
                user(d, |pack| {
                    owned(pack, "alice");
                    pack.signed = false;
                });
            }),
        ],
    );
}

fn agent(draft: &mut Draft, users: Users) {
    if let Some(policy) = &mut draft.verifier.policy {
        policy.packs.values_mut().for_each(|pack| {
            pack.agents.insert("helper".into(), users.clone());
        });
    }
    wants(draft, Some("p1"), Some("helper"), "call");
}

fn agents(topic: &mut Topic<'_>) {
    topic.valid(
        rule("V8.5", LOCKED_OUT),
        &[
            ("agent-null", "whoever has a key here may use the agent", |d| {
                pack(d, |_| {});
                agent(d, Users::Registered);
            }),
            ("agent-user", "the rule of the agent has the user's name", |d| {
                user(d, |_| {});
                agent(d, named(&["bob", "alice"]));
            }),
            ("agent-team", "the rule of the agent has a team of the user's", |d| {
                user(d, |_| {});
                agent(d, named(&["dev@acme"]));
            }),
            (
                "agent-everybody-user",
                "everybody who may call the pack may use the agent, and a user calls",
                |d| {
                    user(d, |_| {});
                    agent(d, Users::EVERYBODY);
                },
            ),
            (
                "agent-null-owner-user",
                "the owner is the user's name, and whoever has a key here may use the agent",
                |d| {
                    user(d, |pack| owned(pack, "alice"));
                    agent(d, Users::Registered);
                },
            ),
            ("agent-owner-user", "the owner is the user's name, and others may use the agent", |d| {
                user(d, |pack| owned(pack, "alice"));
                agent(d, named(&["bob"]));
            }),
        ],
    );
    let closed = rule("V8.5", "whoever may call one agent of a pack calls them all");
    topic.refused(
        closed,
        Code::AgentNotAllowed,
        &[
            ("agent-null-user", "whoever has a key here may use the agent, and a user calls", |d| {
                user(d, |_| {});
                agent(d, Users::Registered);
            }),
            ("agent-open-user", "the pack is open, others may use the agent, and a user calls", |d| {
                user(d, |pack| pack.open = true);
                agent(d, named(&["bob"]));
            }),
            ("agent-other-team", "the rule of the agent has another team", |d| {
                user(d, |_| {});
                agent(d, named(&["ops@acme"]));
            }),
            (
                "agent-user-has-key",
                "the rule of the agent has somebody who has a key, and the user's name",
                |d| {
                    user(d, |_| {});
                    alice_has_key(d);
                    agent(d, named(&["alice"]));
                },
            ),
        ],
    );
    bare(
        topic,
        closed,
        Some(Code::AgentNotAllowed),
        "agent-null-no-envelope",
        "there is no envelope, the pack is open, and whoever has a key here may use the agent",
        |d| {
            pack(d, |pack| pack.open = true);
            agent(d, Users::Registered);
        },
    );
}

/// A key calls that a token of pack `p1` has enrolled.
fn holder(draft: &mut Draft, change: impl FnOnce(&mut Pack)) {
    draft.identity = HOLDER.into();
    draft.verifier.trust.iter_mut().for_each(|key| key.identity = HOLDER.into());
    pack(draft, change);
}

fn holders(topic: &mut Topic<'_>) {
    topic.valid(
        rule("V8.4", LOCKED_OUT),
        &[
            ("holder", "a token of the pack has enrolled the key, and no list is asked", |d| {
                holder(d, |pack| pack.allowed_users = named(&[]));
            }),
            ("holder-token-alone", "the same, and the pack takes tokens alone", |d| {
                holder(d, |pack| {
                    (pack.signed, pack.token) = (false, true);
                    pack.allowed_users = named(&[]);
                });
            }),
            ("holder-guid-case", "the same, and the request has the guid in another case", |d| {
                holder(d, |_| {});
                wants(d, Some("P1"), None, "call");
            }),
            ("holder-call-key", "a token of the pack has enrolled the call key", |d| {
                d.identity = HOLDER.into();
                d.register();
                pack(d, |pack| pack.allowed_users = named(&[]));
            }),
            ("holder-open", "a token of another pack has enrolled the key, and the pack is open", |d| {
                holder(d, |pack| pack.open = true);
                relist(d, "p2", "p2");
            }),
        ],
    );
    topic.refused(
        rule("V8.4", "the token of one pack opens another"),
        Code::NotAllowed,
        &[
            (
                "holder-other-pack",
                "a token of another pack has enrolled the key, and everybody may call",
                |d| {
                    holder(d, |_| {});
                    relist(d, "p2", "p2");
                },
            ),
            ("holder-other-pack-null", "the same, and whoever has a key here may call", |d| {
                holder(d, |pack| pack.allowed_users = Users::Registered);
                relist(d, "p2", "p2");
            }),
            ("holder-neither", "the pack takes neither envelopes nor tokens", |d| {
                holder(d, |pack| (pack.signed, pack.identity) = (false, true));
            }),
        ],
    );
    topic.valid(
        rule("V8.5", LOCKED_OUT),
        &[(
            "holder-agent",
            "everybody who may call the pack may use the agent, and the key is a token's",
            |d| {
                holder(d, |_| {});
                agent(d, Users::EVERYBODY);
            },
        )],
    );
    topic.refused(
        rule("V8.5", "a token opens what was given to others by name"),
        Code::AgentNotAllowed,
        &[
            ("holder-agent-null", "whoever has a key here may use the agent: no token's has one", |d| {
                holder(d, |_| {});
                agent(d, Users::Registered);
            }),
            ("holder-agent-of-others", "others may use the agent, and the key is a token's", |d| {
                holder(d, |_| {});
                agent(d, named(&["alice"]));
            }),
        ],
    );
}
