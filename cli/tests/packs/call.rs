//! `envelope call PACK AGENT`, and which credential goes with it.

use serde_json::{Value, json};

use crate::outside::{Home, done, failed};
use crate::provider::Provider;
use crate::verifier::Verifier;
use crate::{deploy, enrolled, json as json_of, wallet};

const GUID: &str = "b1946ac9";

/// Who called, as the server says it.
fn by(home: &Home, args: &[&str]) -> Value {
    json_of(&home.envelope().args(["call", GUID, "A"]).args(args).output().unwrap())["by"].clone()
}

#[test]
fn an_agent_is_called_with_what_was_given() {
    let verifier = Verifier::start();
    let home = enrolled(&verifier, "alice");
    deploy(&home, &verifier, GUID);
    let arguments = "{\"city\":\"Berlin\", \"n\": 12345678901234567890.10}";
    done(&home.run(["call", "b194", "Weather \"x\"", arguments, "-H", "Idempotency-Key: 1"]));
    let seen = verifier.server.last();
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/api/pack/b1946ac9/agent"));
    assert_eq!(seen.body, format!("{{\"name\":\"Weather \\\"x\\\"\",\"args\":{arguments}}}"));
    assert_eq!(seen.value("content-type").as_deref(), Some("application/json"));
    let input = seen.value("signature-input").unwrap();
    assert!(input.contains("\"idempotency-key\"") && input.contains("\"content-digest\""), "{input}");
    let answer = json_of(&home.run_with(["call", &verifier.pack(GUID), "A", "-"], b" {\"a\": [1]}\n"));
    assert_eq!(answer, json!({"by": "alice", "name": "A", "args": {"a": [1]}}));
    for (arguments, stdin) in [("[]", ""), ("-", "null"), ("-", ""), ("-", "{\"a\": \"\u{fffd}")] {
        let said = failed(&home.run_with(["call", "b194", "A", arguments], stdin.as_bytes()), 2);
        assert!(said.starts_with("envelope: error: the arguments are not a JSON object\n"), "{said}");
    }
    assert!(
        failed(&home.run_with(["call", "b194", "A", "-"], b"{\"a\":\"\xff\"}"), 2)
            .contains("not a JSON object")
    );
    for (args, error) in [
        (["call", "b194", "", "{}"].as_slice(), "an agent has a name"),
        (&["call", "b194", "A", "--body", "x"], "no body but its arguments"),
        (&["call", "GET", "http://127.0.0.1:1/", "{}"], "nothing comes after METHOD and URL"),
        (&["call", "get", "http://127.0.0.1:1/"], "the method is not in upper case: get"),
    ] {
        let said = failed(&home.envelope().args(args).output().unwrap(), 2);
        assert!(said.contains(error), "{said}");
    }
}

#[test]
fn the_credential_is_the_best_that_the_wallet_has() {
    let github = json!({"access_token": "TOKEN-SECRET"});
    let (_provider, verifier) = Provider::with_verifier(&[(200, github)], "github");
    let token = deploy(&enrolled(&verifier, "owner"), &verifier, GUID);
    let home = Home::new();
    let url = verifier.pack(GUID);

    let said = failed(&home.run(["call", &url, "A"]), 1);
    assert!(said.starts_with("envelope: error: unauthenticated: "), "nothing is here: {said}");
    assert_eq!(verifier.server.last().value("authorization"), None);

    done(&home.run_with(["pack", "add", &url, "--token-file", "-"], token.as_bytes()));
    assert_eq!(by(&home, &[]), "token");
    done(&home.run(["login", &verifier.url()]));
    assert_eq!(by(&home, &[]), "github:alice");
    assert_eq!(by(&home, &["--credential", "token"]), "token");

    let keyid = home.keygen("default", "ed25519");
    assert_eq!(by(&home, &[]), "github:alice", "nobody there knows the key");
    verifier.with(|state| state.known.push((keyid, "alice".into())));
    done(&home.run(["enroll", &verifier.url()]));
    assert_eq!(by(&home, &[]), "alice");
    for (kind, who) in [("signed", "alice"), ("login", "github:alice"), ("token", "token")] {
        assert_eq!(by(&home, &["--credential", kind]), who);
    }
    done(&home.run(["logout", &verifier.url()]));
    let said = failed(&home.run(["call", GUID, "A", "--credential", "login"]), 2);
    assert!(said.starts_with("envelope: error: nobody is logged in at http://127.0.0.1:"), "{said}");
    assert!(said.contains("envelope: hint: envelope login http://127.0.0.1:"), "{said}");
}

#[test]
fn a_url_under_a_pack_of_the_wallet_gets_its_credential_and_others_do_not() {
    let verifier = Verifier::start();
    let token = deploy(&enrolled(&verifier, "owner"), &verifier, GUID);
    let home = Home::new();
    done(&home.run_with(["pack", "add", &verifier.pack(GUID), "--token-file", "-"], token.as_bytes()));
    let agent = format!("{}/agent", verifier.pack("B1946AC9"));
    let post = ["call", "POST", &agent, "--body", "-"];
    assert_eq!(json_of(&home.run_with(post, b"{\"name\":\"A\",\"args\":{}}"))["by"], "token");
    let seen = verifier.server.last();
    assert_eq!(seen.value("authorization"), Some(format!("Bearer {token}")));
    assert_eq!(seen.value("content-type").as_deref(), Some("application/json"));
    // A field that was given is a credential, too.
    let given = ["call", "POST", &agent, "-H", "Authorization: Bearer other"];
    assert!(failed(&home.run(given), 1).contains("unauthenticated"));
    assert_eq!(verifier.server.last().value("authorization").as_deref(), Some("Bearer other"));
    let both = ["call", "POST", &agent, "-H", "Authorization: Bearer other", "--credential", "token"];
    assert!(failed(&home.run(both), 2).contains("a token and a header field Authorization"));
    let before = verifier.server.seen().len();
    for path in ["/api/pack/b1946ac9x/agent", "/api/packs/b1946ac9", "/"] {
        let said = failed(&home.run(["call", "POST", &format!("{}{path}", verifier.url())]), 2);
        assert!(said.contains("there is no identity default here"), "{said}");
    }
    assert_eq!(verifier.server.seen().len(), before);
    let said = failed(&home.run(["call", "POST", &verifier.url(), "--credential", "token"]), 2);
    assert!(said.starts_with("envelope: error: the wallet has no token of http://"), "{said}");
}

#[test]
fn a_verifier_that_began_anew_is_called_again_when_the_call_was_signed() {
    let verifier = Verifier::start();
    let home = enrolled(&verifier, "alice");
    deploy(&home, &verifier, GUID);
    verifier.with(|state| state.anew = 1);
    assert_eq!(by(&home, &[]), "alice");
    let seen = verifier.server.seen();
    let [.., first, second] = seen.as_slice() else { panic!() };
    assert_eq!(
        (first.body == second.body, first.value("signature") == second.value("signature")),
        (true, false)
    );
    verifier.with(|state| state.anew = 1);
    assert_eq!(done(&home.run(["pack", "allow", GUID, "bob"])), "bob\n");
}

#[test]
fn an_older_wallet_is_read_and_stays_readable() {
    let verifier = Verifier::start();
    let home = enrolled(&verifier, "alice");
    let kept = wallet(&home);
    assert_eq!(kept.as_object().unwrap().keys().collect::<Vec<_>>(), ["statements", "verifiers", "version"]);
    deploy(&home, &verifier, GUID);
    done(&home.run(["pack", "remove", GUID]));
    assert_eq!(wallet(&home), kept);
}
