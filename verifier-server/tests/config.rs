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

/// What is wrong stands on the line with the arrow.
const WRONG: &[(&str, &str)] = &[
    // The form.
    ("window = 30\nwindwo = 30 # <-", "unknown key \"windwo\": \"window\" is one"),
    ("\n\nwindow = \"a\" # <-", "invalid type: a string, expected u64"),
    ("window = 30\nwindow = 40 # <-", "duplicate key"),
    ("\nno sense # <-", ""),
    ("[[pack]]\nguid = \"a\"\nowners = \"x\" # <-", "unknown key \"owners\": \"owner\" is one"),
    (
        "[[pack]]\nguid = \"a\"\n[[pack.agent]]\nname = \"x\"\nuser = \"*\" # <-",
        "unknown key \"user\": there are name, allowed-users, allowed_users here",
    ),
    ("[[route]]\npaht = \"/x\" # <-", "unknown key \"paht\": \"path\" is one"),
    ("[[call-key]]\nidentity = \"x\"\nexpire = \"x\" # <-", "unknown key \"expire\": \"expires\" is one"),
    ("[[pack]]\nguid = \"a\"\naccept = [\"magic\"] # <-", "unknown variant `magic`"),
    ("\nlisten = \"nowhere\" # <-", "invalid socket address syntax"),
    // Single values.
    ("auth-required = false\nlisten = \"192.0.2.1:1\" # <-", "192.0.2.1:1 is not loopback"),
    ("auth-required = true\nlisten = \"0.0.0.0:1\" # <-", "0.0.0.0:1 is every address"),
    ("\nauthority = [\n\"a.example\",\n\"http://b\", # <-\n]", "an authority is not host or host:port"),
    ("\nauthority = [\"a.example:443\"] # <-", "an authority has the default port"),
    ("\nwindow = 301 # <-", "the window is not 1 to 300 seconds"),
    ("\ntls-cert = \"c.pem\" # <-", "there is a --tls-cert, and no key for it"),
    ("\ntls_key = \"k.pem\" # <-", "there is a --tls-key, and no certificate"),
    ("tls-key = \"k.pem\"\ntls-cert = \"c.pem\" # <-", "c.pem: "),
    ("\nupstream = \"http://a/path\" # <-", "the upstream is not an origin"),
    (
        "listen = \"127.0.0.1:7996\"\nupstream = \"http://localhost:7996\" # <-",
        "the upstream is this verifier itself",
    ),
    ("\nurl = \"https://h/x\" # <-", "the --url is not an origin"),
    ("\nlogin-ttl = 5 # <-", "--login-ttl is not 60 to 86400 seconds"),
    ("\nattempts = 0 # <-", "--attempts is 0"),
    ("\nagent-path = \"agent\" # <-", "--agent-path is no path"),
    ("\nagent-member = \"\" # <-", "--agent-member is empty"),
    ("agent-member = \"a\"\nuser-member = \"A\" # <-", "--user-member and --agent-member are the same"),
    ("\ncors-origin = [\"*\", \"http://a/\"] # <-", "a --cors-origin is no origin"),
    ("\nadmin = [\n\"a\",\n\"a b\", # <-\n]", "is no name of an identity"),
    ("\nadmin = [\"alice\"] # <-", "no store of keys to administer"),
    ("\naudit = \"best-effort\" # <-", "there is no directory for the audit log"),
    ("\naudit-file-size = 5 # <-", "there is no directory for the audit log"),
    ("data-dir = \"data\"\naudit_file_size = 0 # <-", "a limit is 0"),
    ("\nrevocations = \"list\" # <-", "not said who signs the revocation list"),
    ("\nrevocations-key = \"x\" # <-", "there is a --revocations-key, and no list"),
    ("\nrevocations-max-age = 60 # <-", "there is a --revocations-max-age, and no list"),
    ("revocations = \"list\"\nrevocations-key = \"x\" # <-", "the key of the revocation list: "),
    (
        "revocations-key = \"59CCHWMQhoRB9YwDiOcacjlSDkqOLVMc8mrcHyqu_MY\"\nrevocations = \"list\" # <-",
        "list: No such file",
    ),
    ("\nstore = \"/nowhere/store.sqlite\" # <-", "/nowhere/store.sqlite"),
    ("\ndata-dir = \"/proc/version\" # <-", "/proc/version"),
    ("\nmax-body = 0 # <-", "a limit is 0"),
    ("\nreplay-capacity = 0 # <-", "a limit is 0"),
    ("\nreplay-share = 0 # <-", "a limit is 0"),
    ("\nmax-connections = 0 # <-", "a limit is 0"),
    ("\nclient-connections = 0 # <-", "a limit is 0"),
    ("\nmax-in-flight = 0 # <-", "a limit is 0"),
    ("\nclient-in-flight = 0 # <-", "a limit is 0"),
    ("\nclient-rate = 0 # <-", "a limit is 0"),
    ("\nrefusal-rate = 0 # <-", "a limit is 0"),
    ("\nrequest-memory = 0 # <-", "a limit is 0"),
    ("\nhead-timeout = 0 # <-", "a timeout is not 1 to 86400 seconds"),
    ("\nbody-timeout = 0 # <-", "a timeout is not 1 to 86400 seconds"),
    ("\nwrite-timeout = 0 # <-", "a timeout is not 1 to 86400 seconds"),
    ("\nupstream-timeout = 0 # <-", "a timeout is not 1 to 86400 seconds"),
    ("\nshutdown-timeout = 86401 # <-", "a timeout is not 1 to 86400 seconds"),
    // Keys.
    ("trust = [\n\"alice=\", # <-\n]", "the key of alice: "),
    ("trust = [\n\"alice\", # <-\n]", "a --trust is not NAME=KEY"),
    (
        "trust = [\n\"a=59CCHWMQhoRB9YwDiOcacjlSDkqOLVMc8mrcHyqu_MY\",\n\"b=59CCHWMQhoRB9YwDiOcacjlSDkqOLVMc8mrcHyqu_MY\", # <-\n]",
        "is given twice",
    ),
    (
        "trust = [\n\"pack:a=59CCHWMQhoRB9YwDiOcacjlSDkqOLVMc8mrcHyqu_MY\", # <-\n]",
        "is a name that only tokens have",
    ),
    ("\nrevoked = [\"x\"] # <-", "revoked: x is no thumbprint"),
    (
        "[[call-key]]\nidentity = \"ci\"\nkey = \"59CCHWMQhoRB9YwDiOcacjlSDkqOLVMc8mrcHyqu_MY\" # <-\nexpires = \"2030-01-01T00:00:00Z\"",
        "given by its thumbprint",
    ),
    (
        "[[call-key]]\nidentity = \"a b\" # <-\nkey = \"did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK\"\nexpires = \"2030-01-01T00:00:00Z\"",
        "is no name of an identity",
    ),
    (
        "[[call-key]]\nidentity = \"ci\"\nkey = \"did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK\"\nexpires = \"tomorrow\" # <-",
        "\"tomorrow\" is no time",
    ),
    // Packs.
    (
        "[[pack]]\nguid = \"a\"\naccept = [\"token\"] # <-",
        "pack a accepts token, and the configuration keeps no tokens",
    ),
    (
        "[[pack]]\nguid = \"a\"\naccept = [\"identity\"] # <-",
        "pack a accepts identity, and there is no identity provider",
    ),
    ("[[pack]]\nguid = \"a\"\naccept = [] # <-", "pack a accepts nothing"),
    ("[[pack]]\nguid = \"List\" # <-", "cannot stand in a path"),
    ("[[pack]]\nguid = \"a/b\" # <-", "pack guid \"a/b\" cannot stand in a path"),
    ("[[pack]]\nguid = \"a\"\n[[pack]]\nguid = \"A\" # <-", "pack A is there twice"),
    ("[[pack]]\nguid = \"a\"\nowner = \"x y\" # <-", "is no name of an identity"),
    ("[[pack]]\nguid = \"a\"\nallowed-users = [\"x y\"] # <-", "is no name of an identity"),
    (
        "[[pack]]\nguid = \"a\"\n[[pack.agent]]\nname = \"x\"\nallowed_users = [\"x y\"] # <-",
        "is no name of an identity",
    ),
    (
        "[[pack]]\nguid = \"a\"\n[[pack.agent]]\nname = \"x\"\nallowed-users = \"*\"\n[[pack.agent]]\nallowed-users = []\nname = \"x\" # <-",
        "pack a has two rules for one agent",
    ),
    ("[[route]]\nmethod = \"GET\"\npath = \"/api/pack/x\" # <-", "is no path of the upstream's own"),
    ("[[route]]\npath = \"/a\"\n[[route]]\npath = \"/verify\" # <-", "is no path of the upstream's own"),
    ("[[route]]\npath = \"/a\"\nmethod = \"GE T\" # <-", "the method of a [[route]] is none"),
    // Providers.
    ("\noidc-client-id = \"x\" # <-", "an --oidc- flag is there, and no issuer"),
    ("oidc-client-id = \"x\"\noidc-issuer = \"nothing\" # <-", "is no URL"),
    ("\noidc-issuer = \"https://a\" # <-", "it is not said for whom the tokens"),
    (
        "oidc-client-id = \"x\"\noidc-issuer = \"http://issuer.example\" # <-",
        "could be read and changed on the way",
    ),
    ("\ngithub-api = \"https://g?x\" # <-", "the API of GitHub has more than a host and a path"),
    ("github = true\ngithub-web = \"x\" # <-", "the address of GitHub is no URL"),
    ("github = true\ngithub-client-id = \"\" # <-", "the client_id of a provider is empty"),
];

#[test]
fn errors_in_the_file_name_file_line_and_the_fix() {
    for (file, expected) in WRONG {
        let line = file.lines().position(|line| line.ends_with("# <-")).unwrap() + 1;
        let (code, text) = refused(&[], Some(file));
        assert_eq!(code, 2, "{file}\n{text}");
        let start = format!("envelope-verifier: error: verifier.toml:{line}: ");
        assert!(text.starts_with(&start) && text.contains(expected), "{file}\n{start}{expected}\n{text}");
        assert!(text.contains("\nenvelope-verifier: hint: "), "{file}\n{text}");
    }
}

/// What a flag has said is not looked for in the file.
#[test]
fn an_error_that_a_flag_makes_names_no_line() {
    let cases: &[(&[&str], &str, &str)] = &[
        (&["--window", "0"], "window = 30", "the window is not 1 to 300 seconds"),
        (&["--max-body", "0"], "max_body = 0", "a limit is 0"),
        (
            &["--authority", "http://b"],
            "authority = [\"a.example\"]",
            "an authority is not host or host:port",
        ),
        (&["--trust", "alice"], "trust = []", "a --trust is not NAME=KEY"),
    ];
    for (args, file, expected) in cases {
        let (code, text) = refused(args, Some(file));
        assert_eq!(code, 2, "{args:?}\n{text}");
        assert!(text.starts_with(&format!("envelope-verifier: error: {expected}")), "{args:?}\n{text}");
    }
    let (_, text) = refused(&["--authority", "b.example"], Some("\nauthority = [\"http://a\"]"));
    assert!(text.starts_with("envelope-verifier: error: verifier.toml:2: an authority"), "{text}");
}

/// A private key that stands where something else should is not repeated.
#[test]
fn a_wrong_value_of_the_file_is_not_repeated() {
    let pem = "-----BEGIN PRIVATE KEY-----\\nSECRET\\n-----END PRIVATE KEY-----";
    for key in ["window", "trust", "auth-required", "max-body", "revoked"] {
        let (code, text) = refused(&[], Some(&format!("\n{key} = \"{pem}\"")));
        assert_eq!(code, 2, "{text}");
        assert!(
            text.starts_with("envelope-verifier: error: verifier.toml:2: ") && !text.contains("SECRET"),
            "{key}\n{text}"
        );
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
