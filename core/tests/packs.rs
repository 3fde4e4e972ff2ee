//! The rules of packs: how a guid is spelled, what is decided ahead of an envelope, and what holds once nothing is open.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod caller;

use caller::{Alice, Arriving, NOW, alice};
use envelope_core::*;

/// Alice, whose key the verifier knows, with an envelope.
fn by_envelope() -> Caller {
    let alice = Alice::ed25519();
    let request = Request::new("GET", "https://pack.example/", &[]);
    let signed = alice.signer().sign(&request, None, NOW, &[7; 16]).unwrap();
    Arriving::new(&request, "/", None, &signed).admit(&alice.trusted(), NOW).unwrap()
}

/// A user of an identity provider, by a token of it.
fn user() -> Caller {
    let identity = Identity::new("github:alice").unwrap();
    let backing = Backing::of_user(&identity, std::sync::Arc::default(), |_| false);
    Caller::by_bearer(identity, backing)
}

/// The holder of a token of the pack `p1`.
fn holder() -> Caller {
    let identity = Identity::of_token("p1", "default", 1).unwrap();
    let backing = Backing::of_registered(&identity);
    Caller::by_bearer(identity, backing)
}

/// A pack that takes no credential at all, for everybody.
fn nothing() -> Pack {
    Pack { signed: false, allowed_users: Users::Everybody, ..Pack::trusted() }
}

#[test]
fn a_guid_has_one_spelling() {
    let spelled = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
    for guid in [
        spelled,
        "6BA7B810-9DAD-11D1-80B4-00C04FD430C8",
        "6ba7b8109dad11d180b400c04fd430c8",
        "6BA7B8109DAD-11D180B400C04FD430C8-",
    ] {
        assert_eq!(pack_key(guid), spelled, "{guid}");
    }
    for (guid, key) in [("P1", "p1"), ("p-1", "p-1"), ("", ""), ("6BA7-B8", "6ba7-b8")] {
        assert_eq!(pack_key(guid), key, "{guid}");
    }
}

#[test]
fn who_will_come_with_an_envelope_is_told_so_ahead() {
    let signed = Pack { signed: true, ..nothing() };
    for caller in [user(), holder()] {
        assert!(!signed.allows(&caller, "p1") && signed.allows_by_envelope(&caller, "p1"));
        assert!(!nothing().allows_by_envelope(&caller, "p1"));
    }
    assert!(!signed.allows_by_envelope(&holder(), "p2"));
}

#[test]
fn what_was_open_is_for_who_is_let_in_otherwise() {
    let open = |pack| Pack { open: true, ..pack };
    let [signed, token, identity] = [
        Pack { signed: true, ..nothing() },
        Pack { token: true, ..nothing() },
        Pack { identity: true, ..nothing() },
    ];
    for pack in [nothing(), signed.clone(), token.clone(), identity.clone()] {
        assert_eq!(pack.clone().closed(), pack);
    }
    for pack in [signed, token, identity] {
        assert_eq!(open(pack.clone()).closed(), pack);
    }
    assert_eq!(open(nothing()).closed(), Pack::trusted(), "nobody else could call it");
}

#[test]
fn who_could_call_what_will_be_closed_is_known_before() {
    let open = |pack| Pack { open: true, ..pack };
    let (alice_herself, user, holder) = (by_envelope(), user(), holder());
    let named = Caller::by_bearer(alice(), Backing::Registered);
    let nothing = open(nothing());
    assert!(nothing.allows_when_closed(&alice_herself, Some("p1")));
    for caller in [&named, &user, &holder] {
        assert!(!nothing.allows_when_closed(caller, Some("p1")), "{caller:?}");
    }
    for (pack, [by_envelope, by_user, by_holder]) in [
        (Pack { signed: true, ..nothing.clone() }, [true, false, false]),
        (Pack { token: true, ..nothing.clone() }, [false, false, true]),
        (Pack { identity: true, ..nothing.clone() }, [false, true, false]),
    ] {
        assert_eq!(pack.allows_when_closed(&alice_herself, Some("p1")), by_envelope, "{pack:?}");
        assert_eq!(pack.allows_when_closed(&user, Some("p1")), by_user, "{pack:?}");
        assert_eq!(pack.allows_when_closed(&holder, Some("p1")), by_holder, "{pack:?}");
        assert!(!pack.allows_when_closed(&holder, Some("p2")), "{pack:?}");
    }
}
