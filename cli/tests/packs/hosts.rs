//! The recipes for chat hosts, in `recipes`: run by the programs that they are for.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::json;

use crate::outside::{Home, done, program, stderr};
use crate::provider::Provider;
use crate::verifier::Verifier;
use crate::{deploy, enrolled};

const GUID: &str = "b1946ac9-2a44";

/// Runs a recipe in a home, with `envelope` on the path.
fn run(home: &Home, recipe: &str, args: &[&str]) -> Option<Output> {
    let mut command = program(if recipe == "host.py" { "python3" } else { "node" })?;
    settle(home, &mut command);
    let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes").join(recipe);
    Some(command.arg(recipe).args(args).output().unwrap())
}

fn settle(home: &Home, command: &mut Command) {
    home.settle(command);
    let bin = Path::new(env!("CARGO_BIN_EXE_envelope")).parent().unwrap();
    command.env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()));
}

/// Does the same with each recipe whose program is there.
fn each(check: impl Fn(&dyn Fn(&Home, &[&str]) -> Output)) {
    for recipe in ["host.py", "host.mjs"] {
        if run(&Home::new(), recipe, &[]).is_some() {
            check(&|home, args| run(home, recipe, args).unwrap());
        }
    }
}

#[test]
fn a_host_has_a_token_or_has_envelope_sign() {
    let (_provider, verifier) =
        Provider::with_verifier(&[(200, json!({"access_token": "TOKEN-SECRET"}))], "github");
    let owner = enrolled(&verifier, "alice");
    let token = deploy(&owner, &verifier, GUID);
    let (holder, user, nobody) = (Home::new(), Home::new(), Home::new());
    let url = verifier.pack(GUID);
    for home in [&holder, &user] {
        done(&home.run_with(["pack", "add", &url, "--token-file", "-"], token.as_bytes()));
    }
    done(&user.run(["login", &verifier.url()]));
    each(|host| {
        let arguments = r#"{"city": "Zürich", "n": [1, null]}"#;
        for (home, who, pack) in [
            (&owner, "alice", "b194"),
            (&user, "github:alice", url.as_str()),
            (&holder, "token", "B1946AC9-2A44"),
        ] {
            let answer: serde_json::Value =
                serde_json::from_str(&done(&host(home, &[pack, "Weather", arguments]))).unwrap();
            assert_eq!(
                answer,
                json!({"by": who, "name": "Weather", "args": {"city": "Zürich", "n": [1, null]}})
            );
        }
        let seen = verifier.server.last();
        assert_eq!(seen.value("authorization"), Some(format!("Bearer {token}")));
        assert_eq!(seen.value("content-type").as_deref(), Some("application/json"));
        verifier.with(|state| state.anew = 1);
        assert!(done(&host(&owner, &["b194", "A"])).contains(r#""args":{},"by":"alice""#));
        // Nothing is here, and an open pack takes that.
        let open = format!("{}/api/swarm/open", verifier.url());
        assert!(done(&host(&nobody, &[&open, "A"])).contains(r#""by":"nobody""#));
        assert_eq!(verifier.server.last().target, "/api/swarm/open/agent");
    });
}

#[test]
fn a_host_says_why_nothing_was_called() {
    let verifier = Verifier::start();
    let home = enrolled(&verifier, "alice");
    let token = deploy(&home, &verifier, GUID);
    let other = Home::new();
    let plain = "http://pack.invalid/api/pack/p1-plain";
    done(&other.run_with(["pack", "add", plain, "--token-file", "-"], token.as_bytes()));
    each(|host| {
        let fails = |home: &Home, args: &[&str], said: &str| {
            let output = host(home, args);
            assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
            assert!(stderr(&output).contains(said), "{said}: {}", stderr(&output));
            assert!(!stderr(&output).contains(&token), "{}", stderr(&output));
        };
        fails(&home, &["b19", "A"], "the wallet knows no packs");
        fails(&home, &["http://127.0.0.1:1/", "A"], "not the URL of a pack");
        fails(&home, &["b194", "A", "[]"], "not a JSON object");
        fails(&home, &["b194", "A", "{"], "host: error: ");
        fails(&home, &["b194"], "host.");
        fails(&other, &["p1-plain", "A"], "a token does not go over plain HTTP to another machine");
        let refused = host(&Home::new(), &[&verifier.pack(GUID), "A"]);
        assert_eq!((refused.status.code(), refused.stdout.is_empty()), (Some(1), false));

        let path = other.path("home/wallet/wallet.json");
        let whole = std::fs::read_to_string(&path).unwrap();
        other.put("home/wallet/wallet.json", whole.replace("\"token\": ", "\"token\" ").as_bytes());
        fails(&other, &["p1-plain", "A"], "not a wallet: ");
        other.put("home/wallet/wallet.json", whole.replace("\"version\": 1", "\"version\": 2").as_bytes());
        fails(&other, &["p1-plain", "A"], "not a wallet that this program reads");
        other.put("home/wallet/wallet.json", whole.as_bytes());
        let chmod = |mode| assert!(Command::new("chmod").arg(mode).arg(&path).status().unwrap().success());
        chmod("644");
        fails(&other, &["p1-plain", "A"], "others may use ");
        chmod("600");
        // The key that signs is gone: what envelope says of it is passed on.
        let signer = enrolled(&verifier, "bob");
        std::fs::remove_dir_all(signer.path("home/identities")).unwrap();
        std::fs::remove_dir_all(signer.path("home/run")).unwrap();
        fails(&signer, &[&verifier.pack(GUID), "A"], "envelope: error: there is no identity default here");
    });
}
