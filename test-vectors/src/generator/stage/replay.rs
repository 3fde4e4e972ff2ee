//! Stage 7: every nonce once. Sequences of requests to one verifier.

use envelope_core::Algorithm::{Ed25519, P256};
use envelope_core::Code;
use envelope_test_vectors::{Pack, Policy, Replay, Users, Vector};

use super::super::draft::{Draft, NOW};
use super::super::keys::{self, Key};
use super::super::sequence::{Expect, Sequence, VALID};
use super::super::{Rule, Topic, rule};
use super::signature::relabel;

pub(super) fn fill(all: &mut Vec<Vector>) {
    let mut topic = Topic::new("replay", all);
    copies(&mut topic);
    other_calls(&mut topic);
    refused_before(&mut topic);
    clocks(&mut topic);
    room(&mut topic);
    unknowing(&mut topic);
    restarts(&mut topic);
}

const REPLAYED: Expect = Some((Code::Replayed, 7));

fn sequence(name: &'static str) -> Sequence {
    Sequence::new("replay", name)
}

const ONCE: Rule = rule("V7.1", "whoever sees a call makes it again");

fn same(_: &mut Draft) {}

fn at(seconds: u64) -> impl FnOnce(&mut Draft) {
    move |draft| draft.now = NOW + seconds
}

fn copies(topic: &mut Topic<'_>) {
    sequence("copy").step(1, VALID, same).step(1, REPLAYED, same).end(topic, ONCE, "the same bytes again");
    sequence("copies")
        .step(1, VALID, same)
        .step(1, REPLAYED, same)
        .step(1, REPLAYED, same)
        .step(2, VALID, same)
        .step(1, REPLAYED, same)
        .end(topic, ONCE, "the same bytes again and again, with another call in between");
    sequence("copy-p256")
        .step(1, VALID, |d| d.algorithms(P256, P256))
        .step(1, REPLAYED, |d| d.algorithms(P256, P256))
        .end(topic, ONCE, "the same bytes again, P-256 keys");
    sequence("copy-registered").step(1, VALID, Draft::register).step(1, REPLAYED, Draft::register).end(
        topic,
        ONCE,
        "the same bytes again, registered key",
    );
    let twin = rule("V7.1", "whoever sees a call makes it again with the other signature that ECDSA takes");
    sequence("high-s-twin")
        .step(1, VALID, |d| d.algorithms(Ed25519, P256))
        .step(1, REPLAYED, |d| {
            d.algorithms(Ed25519, P256);
            d.sign = keys::sign_high_s;
        })
        .end(topic, twin, "the same with n − s in place of s");
    sequence("other-label")
        .step(1, VALID, Draft::register)
        .step(1, REPLAYED, |d| {
            d.register();
            relabel(d, &["Signature-Input", "Signature"]);
        })
        .end(topic, ONCE, "the same under another label, which nobody signed");
    sequence("other-case")
        .step(1, VALID, same)
        .step(1, REPLAYED, |d| {
            d.tamper(|request| {
                for (name, _) in &mut request.headers {
                    name.make_ascii_lowercase();
                }
                request.headers.reverse();
            });
        })
        .end(topic, ONCE, "the same with the header lines in another order and case");
    sequence("other-certificate")
        .step(1, VALID, same)
        .step(1, REPLAYED, |d| d.certificate().claims.set("jti", "\"c-2\""))
        .end(topic, ONCE, "the same key and nonce with a new certificate");
}

fn other_calls(topic: &mut Topic<'_>) {
    let pair = rule("V7.1", "a caller is locked out by another, or by the weather");
    sequence("other-nonce").step(1, VALID, same).step(2, VALID, same).end(
        topic,
        pair,
        "the same call with another nonce",
    );
    sequence("same-nonce-other-request")
        .step(1, VALID, same)
        .step(1, REPLAYED, |d| d.target = "/api/pack/p2/agent".into())
        .end(topic, ONCE, "another call, signed, with a nonce that was used");
    sequence("same-nonce-other-key")
        .step(1, VALID, same)
        .step(1, VALID, |d| d.call_key(Key::ed25519("alice second call")))
        .end(topic, pair, "the same nonce with another key");
    sequence("nonce-case")
        .step(1, VALID, |d| d.set("nonce", "\"nnnnnnnnnnnnnnnnnnnnnn\""))
        .step(1, VALID, |d| d.set("nonce", "\"NNNNNNNNNNNNNNNNNNNNNN\""))
        .end(topic, pair, "two nonces that differ in case alone");
    sequence("nonce-escape")
        .step(1, VALID, |d| d.set("nonce", r#""nnnnnnnnnnnnnnnnnnnnnn\\""#))
        .step(1, VALID, |d| d.set("nonce", r#""nnnnnnnnnnnnnnnnnnnnnn\"""#))
        .step(1, REPLAYED, |d| d.set("nonce", r#""nnnnnnnnnnnnnnnnnnnnnn\\""#))
        .end(topic, pair, "two nonces that differ in an escaped character");
}

fn refused_before(topic: &mut Topic<'_>) {
    let burn = rule("V7.1", "a stranger who sees a call on its way burns its nonce");
    sequence("bad-signature-first")
        .step(1, Some((Code::BadSignature, 5)), |d| d.tamper(|request| request.method = "PUT".into()))
        .step(1, VALID, same)
        .step(1, REPLAYED, same)
        .end(topic, burn, "a changed copy comes first: its nonce is not used up");
    sequence("digest-mismatch-first")
        .step(1, Some((Code::DigestMismatch, 6)), |d| d.tamper(|request| request.body = None))
        .step(1, VALID, same)
        .end(topic, burn, "a copy with another body comes first: its nonce is not used up");
    sequence("expired-meanwhile-first")
        .step(1, Some((Code::Expired, 6)), |d| d.now_after_body = Some(NOW + 61))
        .step(1, VALID, at(30))
        .end(
            topic,
            burn,
            "a copy that took too long comes first, and the clock is put right: its nonce is not used up",
        );
    let policy = Policy {
        packs: std::collections::BTreeMap::new(),
        unlisted: Pack {
            open: false,
            signed: true,
            token: false,
            identity: false,
            owner: None,
            allowed_users: Users::Named(vec!["bob".into()]),
            agents: std::collections::BTreeMap::new(),
        },
    };
    let keep = rule("V7.1", "a call that was refused is kept, and made again once its caller is allowed");
    sequence("not-allowed-first")
        .step(1, Some((Code::NotAllowed, 8)), |d| d.verifier.policy = Some(policy))
        .step(1, REPLAYED, same)
        .end(topic, keep, "a call that may not be made: its nonce is used up");
}

fn clocks(topic: &mut Topic<'_>) {
    let kept = rule("V7.1", "a nonce is forgotten while its signature is still good");
    sequence("last-second")
        .step(1, VALID, same)
        .step(1, REPLAYED, at(59))
        .step(1, REPLAYED, at(60))
        .step(1, Some((Code::Expired, 3)), at(61))
        .end(topic, kept, "a copy until the last second, and one second later");
    sequence("created-ahead")
        .step(1, VALID, |d| d.times(NOW + 5, NOW + 65))
        .step(1, REPLAYED, |d| {
            d.times(NOW + 5, NOW + 65);
            d.now = NOW + 65;
        })
        .end(topic, kept, "a call from a clock that is ahead, and a copy in its last second");
    sequence("clock-back")
        .step(1, VALID, at(60))
        .step(2, VALID, |d| {
            d.times(NOW + 65, NOW + 70);
            d.now = NOW + 65;
        })
        .step(1, REPLAYED, at(60))
        .end(topic, kept, "the clock is put back by 5 seconds");
    sequence("long-window")
        .step(1, VALID, |d| {
            d.verifier.window = 300;
            d.times(NOW, NOW + 300);
        })
        .step(2, VALID, |d| {
            d.times(NOW + 299, NOW + 359);
            d.now = NOW + 299;
        })
        .step(1, REPLAYED, |d| {
            d.times(NOW, NOW + 300);
            d.now = NOW + 300;
        })
        .end(topic, kept, "a copy at the end of a window of 300 seconds");
}

fn room(topic: &mut Topic<'_>) {
    let full = rule("V7.2", "a verifier under load forgets nonces, and lets copies through");
    let capacity = |capacity| {
        move |draft: &mut Draft| {
            draft.register();
            draft.verifier.replay = Some(Replay::Capacity(capacity));
        }
    };
    const FULL: Expect = Some((Code::ReplayCapacity, 7));
    sequence("capacity")
        .step(1, VALID, capacity(2))
        .step(2, VALID, Draft::register)
        .step(3, FULL, Draft::register)
        .step(1, REPLAYED, Draft::register)
        .step(2, REPLAYED, Draft::register)
        .step(3, FULL, Draft::register)
        .end(
            topic,
            full,
            "the cache has room for two: the third is refused, and the first two are still known",
        );
    sequence("capacity-none").step(1, FULL, capacity(0)).end(topic, full, "the cache has no room at all");
    sequence("capacity-kept")
        .step(1, VALID, capacity(1))
        .step(2, FULL, |d| {
            d.register();
            d.times(NOW + 60, NOW + 70);
            d.now = NOW + 65;
        })
        .end(topic, full, "a nonce takes room until 5 seconds after expires");
    let freed = rule("V7.2", "a verifier that was full once takes no call any more");
    sequence("capacity-freed")
        .step(1, VALID, capacity(1))
        .step(2, VALID, |d| {
            d.register();
            d.times(NOW + 600, NOW + 660);
            d.now = NOW + 600;
        })
        .end(topic, freed, "a nonce gives its room back some time after expires");
    let flood = rule("V7.2", "a stranger fills the cache with calls that are not signed");
    sequence("capacity-not-taken")
        .step(1, Some((Code::BadSignature, 5)), |d| {
            capacity(1)(d);
            d.tamper(|request| request.method = "PUT".into());
        })
        .step(2, VALID, Draft::register)
        .end(topic, flood, "a call that is refused before takes no room");
}

const UNAVAILABLE: Expect = Some((Code::ReplayUnavailable, 7));

/// A cache that cannot know whether it has seen a nonce.
fn unknowing(topic: &mut Topic<'_>) {
    sequence("unavailable").step(1, UNAVAILABLE, |d| d.verifier.replay = Some(Replay::Unavailable)).end(
        topic,
        rule("V7.3", "whoever stops the replay cache makes calls again"),
        "the cache does not answer",
    );
    let late = rule("V7.3", "a call that waited for the cache until its nonce was forgotten is made again");
    sequence("asked-too-late")
        .step(1, VALID, same)
        .step(1, UNAVAILABLE, |d| d.now_at_replay = Some(NOW + 66))
        .end(topic, late, "a copy for which the cache is asked 6 seconds after expires");
    sequence("asked-too-late-new")
        .step(1, UNAVAILABLE, |d| d.now_at_replay = Some(NOW + 66))
        .step(1, VALID, same)
        .end(topic, late, "the cache is asked 6 seconds after expires, and once more in time");
    sequence("asked-last")
        .step(1, VALID, |d| d.now_at_replay = Some(NOW + 65))
        .step(1, REPLAYED, |d| d.now_at_replay = Some(NOW + 65))
        .end(topic, late.honest(), "the cache is asked 5 seconds after expires, twice");
    let back = rule("V7.3", "whoever sets the clock back makes calls again");
    let later = |draft: &mut Draft| {
        draft.times(NOW + 600, NOW + 660);
        draft.now = NOW + 600;
    };
    sequence("set-back")
        .step(1, VALID, same)
        .step(2, VALID, later)
        .step(1, UNAVAILABLE, at(30))
        .step(1, UNAVAILABLE, same)
        .step(1, Some((Code::Expired, 3)), at(61))
        .end(topic, back, "a copy after the clock was set back behind what was forgotten");
    sequence("set-back-new").step(1, VALID, same).step(2, VALID, later).step(3, UNAVAILABLE, same).end(
        topic,
        back,
        "a call that was never made, after the clock was set back behind what was forgotten",
    );
    sequence("set-back-caught-up")
        .step(1, VALID, same)
        .step(2, VALID, later)
        .step(1, UNAVAILABLE, at(30))
        .step(2, REPLAYED, later)
        .step(3, VALID, later)
        .end(topic, back.honest(), "the clock was set back, and put right");
}

/// The verifier begins anew: it has forgotten its nonces, and knows until when it could have accepted what was created.
fn restarts(topic: &mut Topic<'_>) {
    let anew = rule("V7.3", "whoever makes the verifier begin anew makes calls again");
    let created = |seconds: u64| {
        move |draft: &mut Draft| {
            draft.times(NOW + seconds, NOW + seconds + 60);
            draft.now = NOW + 20;
        }
    };
    let begun = |until: u64, change: fn(&mut Draft)| {
        move |draft: &mut Draft| {
            change(draft);
            draft.restart = Some(NOW + until);
        }
    };
    sequence("restart")
        .step(1, VALID, same)
        .step(1, REPLAYED, same)
        .step(1, UNAVAILABLE, begun(10, |d| d.now = NOW + 20))
        .step(1, UNAVAILABLE, at(60))
        .end(topic, anew, "a copy after the verifier began anew, and again in its last second");
    sequence("restart-p256")
        .step(1, VALID, |d| d.algorithms(P256, P256))
        .step(1, UNAVAILABLE, begun(10, |d| d.algorithms(P256, P256)))
        .end(topic, anew, "a copy after the verifier began anew, P-256 keys");
    sequence("restart-registered")
        .step(1, VALID, Draft::register)
        .step(1, UNAVAILABLE, begun(10, Draft::register))
        .end(topic, anew, "a copy after the verifier began anew, registered key");
    sequence("restart-created-at")
        .step(1, VALID, created(10))
        .step(1, UNAVAILABLE, move |d| {
            created(10)(d);
            d.restart = Some(NOW + 10);
        })
        .end(
            topic,
            anew,
            "a copy that was created in the last second in which the earlier run could have accepted it",
        );
    sequence("restart-created-ahead")
        .step(1, VALID, created(25))
        .step(1, UNAVAILABLE, move |d| {
            created(25)(d);
            d.restart = Some(NOW + 25);
        })
        .end(topic, anew, "a copy of a call from a clock that is ahead, after the verifier began anew");
    sequence("restart-twice")
        .step(1, VALID, created(11))
        .step(2, VALID, move |d| {
            created(12)(d);
            d.restart = Some(NOW + 11);
        })
        .step(1, UNAVAILABLE, move |d| {
            created(11)(d);
            d.restart = Some(NOW + 12);
        })
        .step(2, UNAVAILABLE, created(12))
        .step(3, VALID, created(13))
        .end(topic, anew, "copies after the verifier began anew twice");
    sequence("restart-unavailable")
        .step(1, UNAVAILABLE, |d| d.verifier.replay = Some(Replay::Unavailable))
        .step(2, UNAVAILABLE, begun(10, |d| d.times(NOW + 5, NOW + 20)))
        .end(topic, anew, "a cache that does not answer, after the verifier began anew, either");
    sequence("restart-new").step(1, UNAVAILABLE, begun(10, same)).end(
        topic,
        anew,
        "a call from before that was never made: the verifier cannot know",
    );
    sequence("restart-bad-signature")
        .step(
            1,
            Some((Code::BadSignature, 5)),
            begun(10, |d| d.tamper(|request| request.method = "PUT".into())),
        )
        .end(
            topic,
            rule("V5.1", "a stranger learns when the verifier began anew"),
            "a changed call after the verifier began anew",
        );
    let after = anew.honest();
    sequence("restart-created-after")
        .step(1, VALID, same)
        .step(2, VALID, move |d| {
            created(11)(d);
            d.restart = Some(NOW + 10);
        })
        .step(2, REPLAYED, created(11))
        .step(1, UNAVAILABLE, at(20))
        .end(topic, after, "a call that was created a second later is taken, once");
    sequence("restart-capacity")
        .step(1, VALID, |d| {
            d.register();
            d.verifier.replay = Some(Replay::Capacity(1));
        })
        .step(2, Some((Code::ReplayCapacity, 7)), Draft::register)
        .step(3, VALID, move |d| {
            d.register();
            created(11)(d);
            d.restart = Some(NOW + 10);
        })
        .end(topic, after, "a cache that was full has room after the verifier began anew");
}
