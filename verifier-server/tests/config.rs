//! Starting: what refuses to start, and what it says.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use std::process::Command;

use support::{Http, Person, Program};

/// Runs `serve` where it must not start; gives its exit code and its error text.
fn refused(args: &[&str], file: Option<&str>) -> (i32, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("verifier.toml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_envelope-verifier"));
    command.arg("serve").args(args);
    if let Some(text) = file {
        std::fs::write(&path, text).unwrap();
        command.arg("--config").arg(&path);
    }
    let output = command.output().unwrap();
    assert!(output.stdout.is_empty());
    let text = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), text.replace(path.to_str().unwrap(), "verifier.toml"))
}

#[test]
fn what_cannot_be_configured_is_told_with_a_hint() {
    let published = r#"{"kty":"OKP","crv":"Ed25519","x":"JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"}"#;
    let published = format!("rfc={published}");
    let cases: &[(&[&str], &str)] = &[
        (&["--listen", "0.0.0.0:0"], "is not loopback"),
        (&["--listen", "0.0.0.0:0", "--auth-required"], "does not say what clients call this server"),
        (&["--authority", "http://pack.example"], "an authority is not host or host:port"),
        (&["--authority", "a:99999"], "an authority is not host or host:port"),
        (&["--trust", "alice"], "is not NAME=KEY"),
        (
            &[
                "--trust",
                "a=59CCHWMQhoRB9YwDiOcacjlSDkqOLVMc8mrcHyqu_MY",
                "--trust",
                "b=59CCHWMQhoRB9YwDiOcacjlSDkqOLVMc8mrcHyqu_MY",
            ],
            "is given twice",
        ),
        (&["--trust", "rfc=kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"], "example printed in an RFC"),
        (&["--trust", "a b=kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"], "is no name of an identity"),
        (&["--trust", "alice=nothing"], "no PEM, JWK, OpenSSH key, did:key or thumbprint"),
        (&["--trust", &published], "example printed in an RFC"),
        (&["--authority", "a.example:80"], "has the default port"),
        (&["--listen", "127.0.0.1:7997", "--upstream", "http://localhost:7997"], "is this verifier itself"),
        (&["--upstream", "http://a:99999"], "is not an origin"),
        (&["--head-timeout", "18446744073709551615"], "is not 1 to 86400 seconds"),
        (&["--body-timeout", "0"], "is not 1 to 86400 seconds"),
        (&["--replay-capacity", "0"], "a limit is 0"),
        (&["--replay-share", "0"], "a limit is 0"),
        (&["--cors-origin", "http://a/"], "is no origin"),
        (&["--window", "301"], "is not 1 to 300 seconds"),
        (&["--window", "0"], "is not 1 to 300 seconds"),
        (&["--upstream", "http://a/path"], "is not an origin"),
        (&["--upstream", "ftp://a"], "is not an origin"),
        (&["--upstream", "127.0.0.1"], "is not an origin"),
        (&["--admin", "alice"], "no store of keys to administer"),
        (&["--admin", "a b"], "is no name of an identity"),
        (&["--store", "/nowhere/store.sqlite"], "/nowhere/store.sqlite"),
        (&["--store", "/"], "is no name of a store"),
        (&["--revocations", "/nowhere/list"], "not said who signs the revocation list"),
        (&["--revocations-key", "59CCHWMQhoRB9YwDiOcacjlSDkqOLVMc8mrcHyqu_MY"], "and no list"),
        (&["--revocations-max-age", "60"], "and no list"),
        (&["--config", "/nowhere/verifier.toml"], "/nowhere/verifier.toml"),
    ];
    for (args, expected) in cases {
        let (code, text) = refused(args, None);
        assert_eq!(code, 2, "{args:?}\n{text}");
        assert!(
            text.starts_with("envelope-verifier: error: ") && text.contains(expected),
            "{args:?}\n{text}"
        );
        assert!(text.contains("\nenvelope-verifier: hint: "), "{args:?}\n{text}");
    }
}

/// A private key that was given by mistake is not repeated.
#[test]
fn errors_do_not_repeat_keys() {
    for secret in
        [r#"{"kty":"OKP","crv":"Ed25519","d":"SECRET","x":"rqU8"}"#, "-----BEGIN PRIVATE KEY-----\nSECRET"]
    {
        let (code, text) = refused(&["--trust", &format!("alice= {secret}")], None);
        assert_eq!(code, 2);
        assert!(text.contains("the key of alice: ") && !text.contains("SECRET"), "{text}");
    }
}

#[test]
fn errors_in_the_file_name_file_and_line() {
    let cases = [
        ("window = 30\nwindwo = 30\n", "verifier.toml:2: unknown field `windwo`"),
        ("\n\nwindow = \"a\"\n", "verifier.toml:3: invalid type"),
        ("window = 30\nwindow = 40\n", "verifier.toml:2: "),
        (
            "[[pack]]\nguid = \"a\"\naccept = [\"token\"]\n",
            "pack a accepts token, and the configuration keeps no tokens",
        ),
        ("[[pack]]\nguid = \"a\"\naccept = [\"magic\"]\n", "verifier.toml:3: unknown variant `magic`"),
        (
            "[[pack]]\nguid = \"a\"\naccept = [\"identity\"]\n",
            "pack a accepts identity, and there is no identity provider",
        ),
        ("[[pack]]\nguid = \"List\"\n", "cannot stand in a path"),
        ("[[pack]]\nguid = \"a\"\n[[pack]]\nguid = \"A\"\n", "pack A is there twice"),
        ("[[route]]\npath = \"/api/pack/x\"\n", "is no path of the upstream's own"),
        ("[[route]]\npath = \"/verify\"\n", "is no path of the upstream's own"),
        ("url = \"https://h/x\"\n", "the --url is not an origin"),
        ("login-ttl = 5\n", "--login-ttl is not 60 to 86400 seconds"),
        ("attempts = 0\n", "--attempts is 0"),
        ("agent-path = \"agent\"\n", "--agent-path is no path"),
        ("oidc-client-id = \"x\"\n", "an --oidc- flag is there, and no issuer"),
        ("[[pack]]\nguid = \"a/b\"\n", "pack guid \"a/b\" cannot stand in a path"),
        ("[[pack]]\nguid = \"deploy\"\n", "cannot stand in a path"),
        (
            "[[pack]]\nguid = \"a\"\n[[pack.agent]]\nname = \"x\"\nallowed-users = \"*\"\n[[pack.agent]]\nname = \"x\"\nallowed-users = []\n",
            "pack a has two rules for one agent",
        ),
        ("[[pack]]\nguid = \"a\"\naccept = []\n", "pack a accepts nothing"),
        ("[[pack]]\nguid = \"a\"\n[[pack]]\nguid = \"a\"\n", "pack a is there twice"),
        ("revoked = [\"x\"]\n", "revoked: x is no thumbprint"),
        (
            "[[call-key]]\nidentity = \"ci\"\nkey = \"59CCHWMQhoRB9YwDiOcacjlSDkqOLVMc8mrcHyqu_MY\"\nexpires = \"2030-01-01T00:00:00Z\"\n",
            "given by its thumbprint",
        ),
    ];
    for (file, expected) in cases {
        let (code, text) = refused(&[], Some(file));
        assert_eq!(code, 2, "{text}");
        assert!(text.contains(expected), "{expected}\n{text}");
    }
}

#[test]
fn flags_win_over_the_file_and_key_files_lie_beside_it() {
    let alice = Person::new("alice");
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("alice.pem"), alice.identity_key.verifying_key().to_pem()).unwrap();
    let file = directory.path().join("verifier.toml");
    std::fs::write(
        &file,
        "listen = \"127.0.0.1:1\"\nwindow = 10\nauth_required = true\ntrust = [\"alice=alice.pem\"]\n",
    )
    .unwrap();
    let verifier = Program::serve(&["--config", file.to_str().unwrap(), "--window", "20"]);
    let described = verifier.send(&Http::new("GET", "/.well-known/envelope", "h")).json();
    assert_eq!(described["window"], 20);
    let authorities = [verifier.address.to_string(), format!("localhost:{}", verifier.address.port())];
    assert_eq!(described["authorities"], serde_json::json!(authorities));
    assert!(verifier.logs("trusts alice"), "{}", verifier.log());
    assert!(!verifier.log().contains("--auth-required"), "{}", verifier.log());
}

#[test]
fn every_spelling_of_a_key_is_trusted() {
    let key = Person::new("alice").identity_key;
    let key = key.verifying_key();
    let directory = tempfile::tempdir().unwrap();
    let mut spellings = vec![key.to_did(), key.thumbprint().to_string(), key.to_jwk(), key.to_openssh()];
    for (name, text) in [
        ("a.pem", key.to_pem()),
        ("a.jwk", key.to_jwk()),
        ("a.pub", key.to_openssh()),
        ("a.did", key.to_did()),
    ] {
        let path = directory.path().join(name);
        std::fs::write(&path, format!("{text}\n")).unwrap();
        spellings.push(path.display().to_string());
    }
    for spelling in spellings {
        let trust = format!("alice={spelling}");
        let verifier = Program::serve(&["--trust", &trust, "--authority", "pack.example", "--auth-required"]);
        let call = Person::new("alice").post("pack.example", "/api/pack/p1/agent", "{}");
        let ask = call.header("X-Original-Method", "POST").header("X-Original-URI", "/api/pack/p1/agent");
        let ask = Http {
            method: "GET".into(),
            target: "/verify".into(),
            body: None,
            ..ask.without("Content-Length")
        };
        assert_eq!(verifier.send(&ask).status, 200, "{spelling}");
    }
}

/// A store that this verifier must not work with.
#[test]
fn a_store_that_cannot_be_used_is_told_with_a_hint() {
    use std::os::unix::fs::PermissionsExt;

    use sqlx::Connection;

    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store.sqlite");
    let path = store.to_str().unwrap().to_owned();
    let (alice, bob) = (Person::new("alice"), Person::new("bob"));
    let starts = |args: &[&str]| drop(Program::serve(&[&["--store", &path], args].concat()));
    let fails = |args: &[&str], expected: &str| {
        let (code, text) = refused(&[&["--listen", "127.0.0.1:0", "--store", &path], args].concat(), None);
        assert!(code == 2 && text.contains(expected), "{expected}\n{text}");
        assert!(text.contains("\nenvelope-verifier: hint: "), "{text}");
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let run = |sql: &'static str| {
        runtime.block_on(async {
            let mut connection = sqlx::SqliteConnection::connect(&format!("sqlite:{path}")).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        });
    };
    starts(&[]);
    fails(&["--trust", &alice.trust("alice"), "--admin", "bob"], "the admin bob has no key");
    starts(&["--trust", &alice.trust("alice"), "--admin", "alice"]);

    let next = Person::new("alice 2");
    let statement = support::admin::succession(&alice.identity_key, &next.identity_key, support::now(), 0);
    {
        let verifier =
            Program::serve(&["--store", &path, "--trust", &alice.trust("alice"), "--authority", "a"]);
        let request = Http::new("POST", "/api/statements", "a").body(&statement);
        assert_eq!(verifier.send(&request).status, 200);
    }
    fails(&["--trust", &next.trust("bob")], "know the key");
    starts(&["--trust", &bob.trust("bob"), "--admin", "alice"]);

    let issuer = directory.path().join("store.issuer.pem");
    let pem = std::fs::read(&issuer).unwrap();
    std::fs::set_permissions(&issuer, std::fs::Permissions::from_mode(0o640)).unwrap();
    fails(&[], "can be read by others");
    std::fs::set_permissions(&issuer, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&issuer, "nothing").unwrap();
    fails(&[], "is no Ed25519 private key");
    std::fs::write(&issuer, pem).unwrap();

    run("UPDATE known_key SET role = 'call' WHERE identity IS NOT NULL");
    fails(&[], "is no store of keys, or is damaged");
    run("UPDATE known_key SET role = 'identity' WHERE identity IS NOT NULL");
    run("INSERT INTO _sqlx_migrations VALUES (999, 'later', CURRENT_TIMESTAMP, TRUE, x'00', 1)");
    fails(&[], "was written by a newer version");
    run("DELETE FROM _sqlx_migrations WHERE version = 999");
    starts(&[]);
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{path}{end}"));
    }
    std::fs::write(&store, "no database at all, but text that is long enough to be looked at").unwrap();
    fails(&[], "is no store of keys, or is damaged");
}
