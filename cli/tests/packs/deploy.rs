//! `envelope pack deploy`, `register`, `add` and `list`.

use serde_json::{Value, json};

use crate::outside::{Home, done, failed, stderr};
use crate::verifier::Verifier;
use crate::{deploy, enrolled, json as json_of, wallet};

const GUID: &str = "b1946ac9-2a44-4c0b-8f5e-3a1d1e9f6d11";

#[test]
fn a_pack_is_deployed_by_the_identity_and_its_token_goes_to_the_wallet_and_nowhere_else() {
    let verifier = Verifier::start();
    let home = enrolled(&verifier, "alice");
    home.put(
        "bundle.json",
        format!("{{\"swarm_guid\": \"{GUID}\", \"n\": 1.50, \"name\": \"crm\"}}").as_bytes(),
    );
    let rules = [
        "--allow",
        "alice,bob@acme",
        "--agent",
        "Public=*",
        "--agent",
        "Own=alice",
        "--accept",
        "signed,token",
    ];
    let mut command = home.envelope();
    let output = command.args(["pack", "deploy", "bundle.json"]).args(rules).output().unwrap();
    assert_eq!(done(&output), format!("{}\n", verifier.pack(GUID)));
    let sent: Value = serde_json::from_str(&verifier.server.last().body).unwrap();
    assert!(verifier.server.last().body.ends_with(
        "\"swarm_guid\": \"b1946ac9-2a44-4c0b-8f5e-3a1d1e9f6d11\", \"n\": 1.50, \"name\": \"crm\"}"
    ));
    assert_eq!(sent["auth"]["agents"][0], json!({"name": "Public", "allowed_users": "*"}));
    assert_eq!(verifier.with(|state| state.packs[GUID].0["owner"].clone()), "alice");

    let token = verifier.with(|state| state.packs[GUID].1["default"].clone());
    assert!(!done(&output).contains(&token) && !stderr(&output).contains(&token));
    let kept = wallet(&home);
    let entry = json!({"url": verifier.url(), "guid": GUID, "kind": "pack", "token": token, "name": "crm"});
    assert_eq!((&kept["version"], &kept["packs"]), (&json!(1), &json!([entry])));
    assert_eq!(done(&home.run(["pack", "token", "b194", "--show"])).trim_end(), token);
    let mode = std::os::unix::fs::MetadataExt::mode(
        &std::fs::metadata(home.path("home/wallet/wallet.json")).unwrap(),
    );
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn with_json_the_token_is_told_once_and_a_swarm_is_called_by_its_older_name() {
    let verifier = Verifier::start();
    let home = Home::new();
    let output = home.run_with(
        ["pack", "deploy", "-", "--at", &verifier.url(), "--swarm", "--json"],
        br#"{"swarm_guid":"s1-x"}"#,
    );
    let facts = json_of(&output);
    assert_eq!(facts["url"], format!("{}/api/swarm/s1-x", verifier.url()));
    assert_eq!(
        (&facts["kind"], &facts["owner"], &facts["allowed_users"]),
        (&json!("swarm"), &Value::Null, &json!("*"))
    );
    assert!(facts["token"].as_str().unwrap().starts_with("rsk_"));
    let seen = verifier.server.last();
    assert_eq!(
        (seen.target.as_str(), seen.value("signature")),
        ("/api/swarm/deploy", None),
        "nobody is here"
    );
    assert_eq!(done(&home.run(["call", "s1-x", "A"])), r#"{"args":{},"by":"token","name":"A"}"#);
    assert_eq!(verifier.server.last().target, "/api/swarm/s1-x/agent");
}

#[test]
fn who_deploys_can_be_said() {
    let verifier = Verifier::start();
    let home = enrolled(&verifier, "alice");
    let deploy_as = |who: &str, guid: &str| {
        let bundle = format!(r#"{{"guid":"{guid}"}}"#);
        home.run_with(["pack", "deploy", "-", "--as", who], bundle.as_bytes())
    };
    done(&deploy_as("none", "p-none"));
    assert_eq!(verifier.server.last().value("signature"), None);
    done(&deploy_as("signed", "p-signed"));
    assert!(verifier.server.last().value("signature-key").unwrap().starts_with("sig=jkt-jwt;"));
    let output =
        Home::new().run_with(["pack", "deploy", "-", "--at", &verifier.url(), "--as", "signed"], b"{}");
    assert!(failed(&output, 2).contains("there is no identity default here"));
}

#[test]
fn deploying_again_takes_the_new_token_and_what_is_refused_leaves_the_old_one() {
    let verifier = Verifier::start();
    let home = enrolled(&verifier, "alice");
    let first = deploy(&home, &verifier, GUID);
    let second = deploy(&home, &verifier, GUID);
    assert_ne!(first, second);
    assert_eq!(wallet(&home)["packs"][0]["token"], second.as_str());

    let mallory = enrolled(&verifier, "mallory");
    let bundle = format!(r#"{{"guid":"{GUID}"}}"#);
    let output = mallory.run_with(["pack", "deploy", "-"], bundle.as_bytes());
    assert!(failed(&output, 1).starts_with("envelope: error: not-allowed: "));
    assert_eq!(wallet(&mallory).get("packs"), None, "an older program reads the wallet yet");

    let said = failed(&home.run_with(["pack", "deploy", "-"], b"{}"), 1);
    assert!(
        said.starts_with("envelope: error: the server answered 400\nenvelope: hint: it says: "),
        "{said}"
    );
    assert!(said.contains("\\u{1b}[1mguid") && !said.contains('\u{1b}'), "{said}");
    assert_eq!(wallet(&home)["packs"][0]["token"], second.as_str());

    // An open pack that somebody deploys again whom nobody knows: the rules and the token stay.
    verifier.instead("POST /api/pack/deploy", 200, &format!(r#"{{"pack_guid":"{GUID}"}}"#));
    let output = home.run_with(["pack", "deploy", "-"], bundle.as_bytes());
    done(&output);
    assert!(stderr(&output).contains("the verifier gave no token"), "{}", stderr(&output));
    assert_eq!(wallet(&home)["packs"][0]["token"], second.as_str());
}

#[test]
fn a_pack_that_is_there_is_registered() {
    let verifier = Verifier::start();
    let home = enrolled(&verifier, "alice");
    assert_eq!(
        done(&home.run(["pack", "register", "p1-x", "--owner", "alice"])),
        format!("{}\n", verifier.pack("p1-x"))
    );
    let sent: Value = serde_json::from_str(&verifier.server.last().body).unwrap();
    assert_eq!(sent, json!({"guid": "p1-x", "owner": "alice"}));
    assert!(wallet(&home)["packs"][0]["token"].as_str().unwrap().starts_with("tok_"));
}

#[test]
fn a_token_that_somebody_gave_opens_the_pack() {
    let verifier = Verifier::start();
    let token = deploy(&enrolled(&verifier, "alice"), &verifier, GUID);
    let url = verifier.pack(GUID);
    let (file, stdin, variable) = (Home::new(), Home::new(), Home::new());
    file.put("token", format!("{token}\n").as_bytes());
    assert_eq!(done(&file.run(["pack", "add", &url, "--token-file", "token"])), format!("{url}\n"));
    done(&stdin.run_with(["pack", "add", &url, "--token-file", "-"], token.as_bytes()));
    done(&variable.envelope().args(["pack", "add", &url]).env("ENVELOPE_TOKEN", &token).output().unwrap());
    for home in [file, stdin, variable] {
        assert_eq!(done(&home.run(["call", "b1946ac9", "A"])), r#"{"args":{},"by":"token","name":"A"}"#);
    }

    let home = Home::new();
    let add = |token: &str| home.run_with(["pack", "add", &url, "--token-file", "-"], token.as_bytes());
    for wrong in ["", "tkt_abc", "SECRET", &format!("{token}A"), &format!("{token}\n{token}")] {
        let said = failed(&add(wrong), 2);
        assert!(said.starts_with("envelope: error: not a token of a pack\n"), "{said}");
        assert!(wrong.is_empty() || !said.contains(wrong), "{said}");
    }
    assert!(failed(&home.run(["pack", "add", &url]), 2).starts_with("envelope: error: no token is given\n"));
    home.put("token", token.as_bytes());
    std::process::Command::new("chmod").args(["644"]).arg(home.path("token")).status().unwrap();
    let said = failed(&home.run(["pack", "add", &url, "--token-file", "token"]), 2);
    assert!(said.contains("its mode is 0644"), "{said}");

    done(&add(&token));
    assert!(!stderr(&add(&token)).contains("takes the place"));
    let other = token.replace('A', "B");
    assert!(stderr(&add(&other)).contains("it takes the place of another token"));
}

#[test]
fn the_list_says_what_would_be_used() {
    let verifier = Verifier::start();
    let (alice, bob) = (enrolled(&verifier, "alice"), Home::new());
    let token = deploy(&alice, &verifier, GUID);
    let url = verifier.pack(GUID);
    done(&bob.run_with(["pack", "add", &url, "--token-file", "-"], token.as_bytes()));
    assert_eq!(done(&bob.run(["pack", "list"])), format!("{url}  token\n"));
    let expected = json!({"verifier": verifier.url(), "pack": GUID, "url": url, "credential": "token", "identity": null,
        "name": null, "token": true});
    assert_eq!(json_of(&bob.run(["pack", "list", "--json"])), json!([expected]));
    let list = done(&alice.run(["pack", "list"]));
    assert_eq!(list, format!("{}  default  alice\n{url}  signed  crm\n", verifier.url()));
    for home in [&alice, &bob] {
        let both = [home.run(["pack", "list"]), home.run(["pack", "list", "--json"])];
        assert!(!both.iter().any(|output| done(output).contains(&token)));
    }
}

#[test]
fn a_token_does_not_travel_where_everybody_can_read_it() {
    let home = Home::new();
    let deploy = |more: &[&str]| {
        let args = [&["pack", "deploy", "b.json", "--at", "http://pack.invalid"], more].concat();
        home.envelope().args(args).output().unwrap()
    };
    home.put("b.json", b"{}");
    let said = failed(&deploy(&[]), 2);
    assert!(said.starts_with("envelope: error: over plain HTTP everybody on the way to http://pack.invalid can read the token\n"), "{said}");
    assert!(failed(&deploy(&["--plain-http"]), 2).starts_with("envelope: error: no answer"));
    let token = format!("tok_{}", "A".repeat(43));
    done(
        &home.run_with(
            ["pack", "add", "http://pack.invalid/api/pack/p1", "--token-file", "-"],
            token.as_bytes(),
        ),
    );
    let said = failed(&home.run(["call", "p1", "A"]), 2);
    assert!(said.contains("can read the token"), "{said}");
    assert!(
        failed(&home.run(["call", "p1", "A", "--plain-http"]), 2).starts_with("envelope: error: no answer")
    );
}
