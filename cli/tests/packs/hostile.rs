//! Servers that answer what they should not, and secrets that must not come out.

use serde_json::json;

use crate::outside::{Home, done, failed, stderr};
use crate::verifier::Verifier;
use crate::{deploy, enrolled, wallet};

#[test]
fn what_a_verifier_would_not_answer_to_a_deployment_is_not_kept() {
    let verifier = Verifier::start();
    let home = Home::new();
    let token = |random: &str| format!("tok_{random}");
    let good = token(&"A".repeat(43));
    for body in [
        json!({"pack_guid": "a\u{1b}[2J", "pack_token": good}),
        json!({"pack_guid": "../x", "pack_token": good}),
        json!({"pack_guid": "deploy", "pack_token": good}),
        json!({"pack_guid": 1, "pack_token": good}),
        json!({"pack_guid": "p1", "pack_token": token("SECRET")}),
        json!({"pack_guid": "p1", "pack_token": token(&"\u{1b}".repeat(43))}),
        json!({"pack_guid": "p1", "pack_token": token(&"A".repeat(20_000))}),
        json!({"pack_guid": "p1", "pack_token": 1}),
        json!({"pack_guid": "p1", "swarm_token": "sk-SECRET"}),
        json!({"pack_token": good}),
        json!([]),
        json!("tok_SECRET"),
    ] {
        verifier.instead("POST /api/pack/deploy", 200, &body.to_string());
        let said = failed(&home.run_with(["pack", "deploy", "-", "--at", &verifier.url()], b"{}"), 2);
        assert!(said.contains("answered something else than a verifier does"), "{body}: {said}");
        assert!(!said.contains("SECRET") && !said.contains('\u{1b}') && !said.contains(&good), "{said}");
        assert!(!home.path("home/wallet/wallet.json").exists(), "{body}");
    }
    for (status, field) in [(200, "Content-Type: application/json"), (500, "Content-Type: text/plain")] {
        let huge = "a".repeat(40 << 20);
        verifier.with(|state| state.instead.insert("POST /api/pack/deploy".into(), (status, field, huge)));
        let said = failed(&home.run_with(["pack", "deploy", "-", "--at", &verifier.url()], b"{}"), 2);
        assert!(said.contains("answered something else than a verifier does"), "{said}");
    }
}

#[test]
fn what_is_shown_does_not_speak_to_the_terminal() {
    let verifier = Verifier::start();
    let home = enrolled(&verifier, "alice");
    let evil = "x\u{1b}[2J\u{9b}1m\u{202e}\u{7f}";
    let token = format!("tok_{}", "A".repeat(43));
    let answer = json!({"pack_guid": "p1-x", "pack_token": token, "owner": evil, "allowed_users": [evil], "swarm_guid": null});
    verifier.instead("POST /api/pack/deploy", 200, &answer.to_string());
    let bundle = json!({"name": evil}).to_string();
    let deployed = home.run_with(["pack", "deploy", "-", "--json"], bundle.as_bytes());
    let facts: serde_json::Value = serde_json::from_str(&done(&deployed)).unwrap();
    assert_eq!(facts["owner"], evil, "JSON holds what was said, in escapes");
    let pack = json!({"guid": "p1-x", "owner": evil, "allowed_users": [evil], "accept": [evil], "registered_by": evil,
        "agents": [{"name": evil, "allowed_users": [evil]}], "tokens": [{"name": evil, "serial": 1}]});
    for what in ["GET /api/packs/p1-x", "POST /api/packs/p1-x/users"] {
        verifier.instead(what, 200, &pack.to_string());
    }
    verifier.instead("POST /api/pack/p1-x/agent", 401, "{}");
    let shown = [
        deployed,
        home.run(["pack", "show", "p1-x"]),
        home.run(["pack", "show", "p1-x", "--json"]),
        home.run(["pack", "allow", "p1-x", "bob"]),
        home.run(["pack", "deny", "p1-x", "bob", "--json"]),
        home.run(["pack", "token", "p1-x"]),
        home.run(["pack", "token", "p1-x", "--json"]),
        home.run(["pack", "list"]),
        home.run(["pack", "list", "--json"]),
    ];
    for output in shown {
        let text = done(&output) + &stderr(&output);
        assert!(text.chars().all(|it| it == '\n' || (!it.is_control() && it != '\u{202e}')), "{text:?}");
    }
    for answer in [json!({"guid": "other"}), json!({}), json!([])] {
        verifier.instead("GET /api/packs/p1-x", 200, &answer.to_string());
        assert!(failed(&home.run(["pack", "show", "p1-x"]), 2).contains("answered something else"));
    }
    verifier.instead("POST /api/packs/p1-x/tokens", 200, r#"{"token":"tok_SECRET","serial":1}"#);
    let said = failed(&home.run(["pack", "token", "p1-x", "--rotate"]), 2);
    assert!(said.contains("answered something else") && !said.contains("SECRET"), "{said}");
    assert_eq!(wallet(&home)["packs"][0]["token"], token);
}

#[test]
fn a_token_is_in_nothing_that_is_said() {
    let verifier = Verifier::start();
    let token = deploy(&enrolled(&verifier, "alice"), &verifier, "b1946ac9");
    let home = Home::new();
    let pack = verifier.pack("b1946ac9");
    done(&home.run_with(["pack", "add", &pack, "--token-file", "-"], token.as_bytes()));
    let closed = "http://127.0.0.1:9/api/pack/b1946ac8";
    done(&home.run_with(["pack", "add", closed, "--token-file", "-"], token.as_bytes()));
    verifier.instead("POST /api/pack/b1946ac9/agent", 401, "{}");
    for args in
        [&["call", &pack, "A"][..], &["call", closed, "A"], &["pack", "show", &pack], &["call", "b194", "A"]]
    {
        for (name, value) in [("RUST_LOG", "trace"), ("RUST_BACKTRACE", "1")] {
            let output = home.envelope().args(args).env(name, value).output().unwrap();
            assert_ne!(output.status.code(), Some(0), "{args:?}");
            assert!(!stderr(&output).contains(&token[4..]), "{}", stderr(&output));
            assert!(!String::from_utf8(output.stdout).unwrap().contains(&token[4..]));
        }
    }
    // A wallet that cannot be read is not repeated either.
    let broken = std::fs::read_to_string(home.path("home/wallet/wallet.json"))
        .unwrap()
        .replace("\"version\"", "\"x\"");
    home.put("home/wallet/wallet.json", broken.as_bytes());
    assert!(!failed(&home.run(["call", "b194", "A"]), 2).contains(&token[4..]));
}
