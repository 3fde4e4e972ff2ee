//! `envelope pack show`, `allow`, `deny`, `token` and `remove`.

use serde_json::{Value, json};

use crate::outside::{Home, done, failed, stderr};
use crate::verifier::Verifier;
use crate::{deploy, enrolled, json as json_of, wallet};

const GUID: &str = "b1946ac9-2a44";

/// A verifier, and the home of an owner who has deployed a pack there.
fn owner() -> (Verifier, Home) {
    let verifier = Verifier::start();
    let home = enrolled(&verifier, "alice");
    let bundle =
        format!(r#"{{"guid":"{GUID}","auth":{{"agents":[{{"name":"Sales","allowed_users":["eve"]}}]}}}}"#);
    done(&home.run_with(["pack", "deploy", "-"], bundle.as_bytes()));
    (verifier, home)
}

#[test]
fn entries_come_and_go() {
    let (verifier, home) = owner();
    assert_eq!(done(&home.run(["pack", "allow", "b194", "bob", "dev@acme"])), "bob\ndev@acme\n");
    let sent: Value = serde_json::from_str(&verifier.server.last().body).unwrap();
    assert_eq!(sent, json!({"allow": ["bob", "dev@acme"]}));
    assert_eq!(done(&home.run(["pack", "deny", "B194", "bob"])), "dev@acme\n");
    assert_eq!(done(&home.run(["pack", "allow", &verifier.pack(GUID), "*", "--agent", "Sales"])), "eve\n*\n");
    let pack = json_of(&home.run(["pack", "deny", GUID, "eve", "--agent", "Sales", "--json"]));
    assert_eq!(pack["agents"], json!([{"name": "Sales", "allowed_users": ["*"]}]));
    assert_eq!(json_of(&home.run(["pack", "show", "b194", "--json"])), pack);
    let shown = done(&home.run(["pack", "show", "b194"]));
    assert!(shown.contains("allowed users  dev@acme\n") && shown.contains("Sales: *\n"), "{shown}");
    assert!(shown.contains("default 1  expires never  last used never\n"), "{shown}");
    let said = failed(&home.run(["pack", "allow", "b194", "x", "--agent", "None"]), 1);
    assert!(said.starts_with("envelope: error: malformed: "), "{said}");
}

#[test]
fn the_default_token_is_rotated_into_the_wallet() {
    let (verifier, home) = owner();
    let before = wallet(&home)["packs"][0]["token"].clone();
    let output = home.run(["pack", "token", "b194", "--rotate", "--overlap", "1h"]);
    assert_eq!(done(&output), "");
    let sent: Value = serde_json::from_str(&verifier.server.last().body).unwrap();
    assert_eq!(sent, json!({"name": "default", "overlap": 3600}));
    let after = wallet(&home)["packs"][0]["token"].clone();
    assert_ne!(before, after);
    assert_eq!(after, verifier.with(|state| state.packs[GUID].1["default"].clone()));
    let shown = done(&home.run(["pack", "token", "b194", "--rotate", "--show"]));
    assert_eq!(wallet(&home)["packs"][0]["token"], shown.trim_end());
    let said = failed(&home.run(["pack", "token", "b194", "--ttl", "1h"]), 2);
    assert!(said.starts_with("envelope: error: the pack has a token default already\n"), "{said}");

    assert_eq!(done(&home.run(["pack", "token", "b194", "--end"])), "3\n");
    assert_eq!(wallet(&home)["packs"][0].get("token"), None);
    assert!(failed(&home.run(["pack", "token", "b194", "--show"]), 2).contains("has no token of http://"));
}

#[test]
fn a_token_for_somebody_else_is_printed_once_and_not_kept() {
    let (verifier, home) = owner();
    let own = wallet(&home);
    let made = done(&home.run(["pack", "token", "b194", "--name", "ci", "--ttl", "7d"]));
    assert_eq!(made.trim_end(), verifier.with(|state| state.packs[GUID].1["ci"].clone()));
    assert_eq!(wallet(&home), own);
    let said = failed(&home.run(["pack", "token", "b194", "--name", "ci"]), 2);
    assert!(
        said.starts_with("envelope: error: the pack has a token ci already\nenvelope: hint: --rotate"),
        "{said}"
    );
    let facts = json_of(&home.run(["pack", "token", "b194", "--name", "ci", "--rotate", "--json"]));
    assert_eq!((&facts["serial"], &facts["name"]), (&json!(2), &json!("ci")));
    let list = done(&home.run(["pack", "token", "b194"]));
    assert!(list.starts_with("default 1  expires never"), "{list}");
    assert!(list.lines().nth(1).unwrap().starts_with("ci 1  expires 20"), "{list}");
    assert!(!list.contains("tok_"));
    assert_eq!(done(&home.run(["pack", "token", "b194", "--name", "ci", "--end"])), "2\n");
    assert_eq!(wallet(&home), own);
}

#[test]
fn a_pack_is_removed_at_the_verifier_first() {
    let (verifier, home) = owner();
    let mallory = enrolled(&verifier, "mallory");
    let token = wallet(&home)["packs"][0]["token"].as_str().unwrap().to_owned();
    let url = verifier.pack(GUID);
    done(&mallory.run_with(["pack", "add", &url, "--token-file", "-"], token.as_bytes()));
    verifier.instead(&format!("DELETE /api/packs/{GUID}"), 403, "{}");
    assert!(failed(&mallory.run(["pack", "remove", "b194"]), 1).contains("403"));
    assert_eq!(
        wallet(&mallory)["packs"][0]["token"],
        token.as_str(),
        "nothing is forgotten that is there yet"
    );
    let output = mallory.run(["pack", "remove", "b194", "--force"]);
    done(&output);
    assert!(stderr(&output).contains("has not taken it out: the server answered 403"), "{}", stderr(&output));
    assert_eq!(wallet(&mallory).get("packs"), None);

    verifier.with(|state| state.instead.clear());
    let output = home.run(["pack", "remove", "b194"]);
    done(&output);
    assert!(stderr(&output).contains("it is open to everybody"), "{}", stderr(&output));
    assert!(verifier.with(|state| state.packs.is_empty()));
    assert_eq!(wallet(&home).get("packs"), None);
}

#[test]
fn which_pack_is_meant_has_to_be_clear() {
    let (verifier, home) = owner();
    let other = Verifier::start();
    let known = verifier.with(|state| state.known.clone());
    other.with(|state| state.known = known);
    deploy(&home, &other, GUID);
    let said = failed(&home.run(["pack", "show", "b194"]), 2);
    let hint = format!("envelope: hint: name one of them: {}, {}\n", verifier.pack(GUID), other.pack(GUID));
    assert_eq!(said, format!("envelope: error: 2 packs are called that\n{hint}"));
    for (text, hint) in
        [("b19", "shortened to 4 characters"), ("c0ffee", "name the pack by its URL"), ("POST", "a full URL")]
    {
        let said = failed(&home.run(["call", text, "x"]), 2);
        assert!(said.starts_with(&format!("envelope: error: the wallet knows no pack {text}\n")), "{said}");
        assert!(said.contains(hint), "{said}");
    }
    let said = failed(&home.run(["pack", "show", "http://127.0.0.1:1/api/pack/p1/agent"]), 2);
    assert!(said.starts_with("envelope: error: not the URL of a pack: "), "{said}");
    assert_eq!(deploy(&home, &verifier, GUID).len(), 47);
}
