//! Stage 8: who may call what.

use std::collections::BTreeMap;

use envelope_core::Code;
use envelope_test_vectors::{Access, Pack, Policy, Request, Users, Vector};

use super::super::draft::{Draft, quoted};
use super::super::{Row, Rule, Topic, rule};

pub(super) fn fill(all: &mut Vec<Vector>) {
    let mut topic = Topic::new("policy", all);
    without_envelope(&mut topic);
    no_downgrade(&mut topic);
    audiences(&mut topic);
    scopes(&mut topic);
    packs(&mut topic);
    agents(&mut topic);
}

pub(super) fn named(names: &[&str]) -> Users {
    Users::Named(names.iter().map(|name| (*name).into()).collect())
}

fn trusted() -> Pack {
    Pack {
        open: false,
        signed: true,
        token: false,
        identity: false,
        owner: None,
        allowed_users: Users::EVERYBODY,
        agents: BTreeMap::new(),
    }
}

/// Rules for pack `p1`; what is not listed is closed to everybody.
pub(super) fn pack(draft: &mut Draft, change: impl FnOnce(&mut Pack)) {
    let mut pack = trusted();
    change(&mut pack);
    let unlisted = Pack { allowed_users: named(&[]), ..trusted() };
    draft.verifier.policy = Some(Policy { packs: BTreeMap::from([("p1".into(), pack)]), unlisted });
    wants(draft, Some("p1"), None, "call");
}

pub(super) fn wants(draft: &mut Draft, pack: Option<&str>, agent: Option<&str>, scope: &str) {
    draft.access =
        Some(Access { pack: pack.map(Into::into), agent: agent.map(Into::into), scope: scope.into() });
}

fn strip(request: &mut Request) {
    request.headers.retain(|(name, _)| !name.starts_with("Signature"));
}

/// A request without an envelope.
pub(super) fn bare(
    topic: &mut Topic<'_>,
    rule: Rule,
    code: Option<Code>,
    name: &str,
    title: &str,
    change: fn(&mut Draft),
) {
    let mut draft = topic.draft(name);
    draft.tamper(strip);
    change(&mut draft);
    let sealed = draft.seal();
    let verifier = sealed.verifier.clone();
    let step = match code {
        None => sealed.expecting("valid", None),
        Some(code) => sealed.expecting(code.as_str(), Some(rule.stage())),
    };
    topic.single(rule, name, title, step, verifier);
}

fn without_envelope(topic: &mut Topic<'_>) {
    let closed = rule("V8.1", "anybody calls without saying who");
    let refused: [Row; 4] = [
        ("no-envelope", "there is no envelope", |_| {}),
        ("no-envelope-pack", "there is no envelope, and the pack is not open", |d| pack(d, |_| {})),
        ("no-envelope-bearer", "there is no envelope, but a bearer token that nobody knows", |d| {
            d.header("Authorization", "Bearer abc");
        }),
        ("no-envelope-unlisted", "one pack is open, and another is called", |d| {
            pack(d, |pack| pack.open = true);
            wants(d, Some("p2"), None, "call");
        }),
    ];
    for (name, title, change) in refused {
        bare(topic, closed, Some(Code::Unauthenticated), name, title, change);
    }
    let open = rule("V8.1", "an open pack that worked before the verifier came works no more");
    bare(topic, open, None, "open-no-envelope", "there is no envelope, and the pack is open", |d| {
        pack(d, |pack| pack.open = true);
    });
    let held: [(&str, Code, Row); 4] = [
        (
            "V1.1",
            Code::Malformed,
            ("open-method", "there is no envelope, and the method is in lower case", |d| {
                d.method = "post".into();
            }),
        ),
        (
            "V1.2",
            Code::TooLarge,
            ("open-lines", "there is no envelope, and there are 257 header lines", |d| {
                while d.headers.len() < 257 {
                    d.header("X-Line", "1");
                }
            }),
        ),
        (
            "V1.3",
            Code::Duplicate,
            ("open-twice", "there is no envelope, and Content-Type is on two lines", |d| {
                d.header("content-type", "text/plain");
            }),
        ),
        (
            "V1.4",
            Code::Malformed,
            ("open-override", "there is no envelope, and a field overrides the method", |d| {
                d.header("X-HTTP-Method-Override", "DELETE");
            }),
        ),
    ];
    for (spec, code, (name, title, change)) in held {
        let same =
            rule(spec, "whoever leaves the envelope out gets what no signed request gets past the verifier");
        let mut draft = topic.draft(name);
        draft.tamper(strip);
        pack(&mut draft, |pack| pack.open = true);
        draft.no_body();
        change(&mut draft);
        let sealed = draft.seal();
        let verifier = sealed.verifier.clone();
        let step = sealed.expecting(code.as_str(), Some(same.stage()));
        topic.single(same, name, title, step, verifier);
    }
    topic.valid(
        open,
        &[("open-envelope", "there is an envelope, and the pack is open", |d| {
            pack(d, |pack| {
                pack.open = true;
                pack.signed = false;
                pack.allowed_users = named(&["bob"]);
            });
        })],
    );
}

/// Name, title, what must come of it, and what is broken.
type Broken = (&'static str, &'static str, Code, u8, fn(&mut Draft));

fn no_downgrade(topic: &mut Topic<'_>) {
    let downgrade = rule("6", "whoever breaks a signature is let in as somebody without one");
    let open: [Broken; 3] = [
        ("open-bad-signature", "the pack is open, and the signature is wrong", Code::BadSignature, 5, |d| {
            d.tamper(|request| request.method = "PUT".into());
        }),
        ("open-expired", "the pack is open, and the signature has expired", Code::Expired, 3, |d| {
            d.now += 61
        }),
        (
            "open-signature-alone",
            "the pack is open, and of the envelope there is Signature alone",
            Code::Malformed,
            1,
            |d| {
                d.tamper(|request| request.headers.retain(|(name, _)| !name.starts_with("Signature-")));
            },
        ),
    ];
    for (name, title, code, stage, change) in open {
        let mut draft = topic.draft(name);
        pack(&mut draft, |pack| pack.open = true);
        draft.header("Authorization", "Bearer abc");
        change(&mut draft);
        let sealed = draft.seal();
        let verifier = sealed.verifier.clone();
        topic.single(downgrade, name, title, sealed.expecting(code.as_str(), Some(stage)), verifier);
    }
}

fn audience(draft: &mut Draft, json: &str) {
    draft.certificate().claims.set("aud", json);
    pack(draft, |_| {});
}

fn audiences(topic: &mut Topic<'_>) {
    let other = rule("V8.2", "a certificate that was made for one pack opens another");
    for (name, json, title) in [
        ("aud-other-host", r#"["other.example"]"#, "aud is another host"),
        ("aud-other-pack", r#"["p2"]"#, "aud is another pack"),
        ("aud-string-other", r#""other.example""#, "aud is a string, another host"),
        ("aud-empty", "[]", "aud is an empty list"),
        ("aud-empty-string", r#""""#, "aud is an empty string"),
        ("aud-pack-case", r#"["P1"]"#, "aud is the pack in another case"),
        ("aud-prefix", r#"["p","pack.example.evil.example","ack.example"]"#, "aud holds parts of names"),
        ("aud-kelvin", "[\"pac\u{212a}.example\"]", "aud has the Kelvin sign for the k of the host"),
        ("aud-url", r#"["https://pack.example"]"#, "aud is a URL"),
        ("aud-star", r#"["*"]"#, "aud is a star, which means nothing"),
    ] {
        topic.one(other, Some(Code::AudienceMismatch), name, title, |d| audience(d, json));
    }
    topic.one(
        other,
        Some(Code::AudienceMismatch),
        "aud-pack-without-pack",
        "aud is a pack, and none is called",
        |d| {
            d.certificate().claims.set("aud", r#"["p1"]"#);
        },
    );
    let honest = rule("V8.2", "an honest caller is locked out");
    for (name, json, title) in [
        ("aud-host", r#"["pack.example"]"#, "aud is the host"),
        ("aud-pack", r#"["p1"]"#, "aud is the pack"),
        ("aud-string", r#""pack.example""#, "aud is a string, the host"),
        ("aud-host-case", r#"["PACK.Example"]"#, "aud is the host in upper case"),
        ("aud-several", r#"["p0","other.example","p1"]"#, "aud is a list with the pack in it"),
    ] {
        topic.one(honest, None, name, title, |d| audience(d, json));
    }
}

fn scopes(topic: &mut Topic<'_>) {
    let missing = rule("V8.3", "a certificate that was made to call deploys and administers");
    for (name, scope, needed, title) in [
        ("scope-other", "deploy", "call", "scope is another one"),
        ("scope-admin-needed", "call deploy", "admin", "scope is two others"),
        ("scope-case", "Call", "call", "scope is in another case"),
        ("scope-prefix", "calls cal call:p1", "call", "scope holds words that look alike"),
        ("scope-list", "call,deploy", "call", "a comma divides two scopes: they are one word"),
        ("scope-admin-for-call", "admin", "call", "scope is admin, which does not include call"),
    ] {
        topic.one(missing, Some(Code::ScopeMissing), name, title, |d| {
            d.certificate().claims.set("scope", quoted(scope));
            pack(d, |_| {});
            wants(d, Some("p1"), None, needed);
        });
    }
    let honest = rule("V8.3", "an honest caller is locked out");
    for (name, scope, needed, title) in [
        ("scope", "call", "call", "scope is the one that is needed"),
        ("scope-second", "deploy call admin", "call", "scope has the one that is needed among others"),
        ("scope-any-character", "!#[]~:/ call", "call", "scope has a word of unusual characters"),
    ] {
        topic.one(honest, None, name, title, |d| {
            d.certificate().claims.set("scope", quoted(scope));
            pack(d, |_| {});
            wants(d, Some("p1"), None, needed);
        });
    }
    topic.valid(
        honest,
        &[("registered-every-scope", "a registered key is not narrowed", |d| {
            d.register();
            pack(d, |_| {});
            wants(d, Some("p1"), None, "admin");
        })],
    );
}

fn packs(topic: &mut Topic<'_>) {
    let closed = rule("V8.4", "everybody with any identity calls every pack");
    topic.refused(
        closed,
        Code::NotAllowed,
        &[
            ("not-in-list", "others may call the pack", |d| {
                pack(d, |pack| pack.allowed_users = named(&["bob"]))
            }),
            ("nobody", "nobody may call the pack", |d| pack(d, |pack| pack.allowed_users = named(&[]))),
            ("not-signed", "the pack does not accept envelopes", |d| pack(d, |pack| pack.signed = false)),
            ("not-signed-owner", "the pack does not accept envelopes, not even its owner's", |d| {
                pack(d, |pack| {
                    pack.signed = false;
                    pack.owner = Some("alice".into());
                });
            }),
            ("other-owner", "the pack is somebody else's, and nobody else may call it", |d| {
                pack(d, |pack| {
                    pack.owner = Some("bob".into());
                    pack.allowed_users = named(&[]);
                });
            }),
            ("unlisted", "the pack is not listed, and nobody may call what is not", |d| {
                pack(d, |_| {});
                wants(d, Some("p2"), None, "call");
            }),
            ("no-pack", "no pack is called, and nobody may call what is not listed", |d| {
                pack(d, |_| {});
                wants(d, None, None, "call");
            }),
            ("name-case", "the list has the name in another case", |d| {
                pack(d, |pack| pack.allowed_users = named(&["Alice", "alic", "alice2"]));
            }),
        ],
    );
    topic.valid(
        rule("V8.4", "an honest caller is locked out"),
        &[
            ("in-list", "the caller is in the list", |d| {
                pack(d, |pack| pack.allowed_users = named(&["bob", "alice"]));
            }),
            ("owner", "the caller owns the pack, and nobody else may call it", |d| {
                pack(d, |pack| {
                    pack.owner = Some("alice".into());
                    pack.allowed_users = named(&[]);
                });
            }),
            ("everybody", "everybody with an identity may call", |d| pack(d, |_| {})),
        ],
    );
}

fn agent(draft: &mut Draft, agent: &str, users: Users) {
    pack(draft, |pack| {
        pack.agents.insert("helper".into(), users);
    });
    wants(draft, Some("p1"), Some(agent), "call");
}

fn agents(topic: &mut Topic<'_>) {
    let closed = rule("V8.5", "whoever may call one agent of a pack calls them all");
    topic.refused(
        closed,
        Code::AgentNotAllowed,
        &[
            ("agent-of-others", "others may use the agent", |d| agent(d, "helper", named(&["bob"]))),
            ("agent-of-nobody", "nobody may use the agent", |d| agent(d, "helper", named(&[]))),
            ("agent-without-rule", "there are rules for other agents alone", |d| {
                agent(d, "writer", Users::EVERYBODY)
            }),
            ("agent-case", "there is a rule for the name in another case", |d| {
                agent(d, "Helper", Users::EVERYBODY)
            }),
        ],
    );
    bare(
        topic,
        closed,
        Some(Code::AgentNotAllowed),
        "agent-no-envelope",
        "there is no envelope, the pack is open, and the agent is somebody's",
        |d| {
            agent(d, "helper", named(&["alice"]));
            open(d);
        },
    );
    let honest = rule("V8.5", "an honest caller is locked out");
    topic.valid(
        honest,
        &[
            ("agent", "the caller may use the agent", |d| agent(d, "helper", named(&["alice"]))),
            ("agent-everybody", "everybody who may call the pack may use the agent", |d| {
                agent(d, "helper", Users::EVERYBODY)
            }),
            ("agent-owner", "the caller owns the pack, and others may use the agent", |d| {
                agent(d, "helper", named(&["bob"]));
                d.verifier.policy.as_mut().unwrap().packs.get_mut("p1").unwrap().owner = Some("alice".into());
            }),
            ("agent-no-rules", "there are no rules for agents", |d| {
                pack(d, |_| {});
                wants(d, Some("p1"), Some("helper"), "call");
            }),
            ("no-agent", "there are rules for agents, and none is named", |d| {
                agent(d, "helper", named(&["bob"]));
                wants(d, Some("p1"), None, "call");
            }),
        ],
    );
    bare(
        topic,
        honest,
        None,
        "agent-open",
        "there is no envelope, the pack is open, and the agent is everybody's",
        |d| {
            agent(d, "helper", Users::EVERYBODY);
            open(d);
        },
    );
}

fn open(draft: &mut Draft) {
    if let Some(policy) = &mut draft.verifier.policy {
        for pack in policy.packs.values_mut() {
            pack.open = true;
        }
    }
}
