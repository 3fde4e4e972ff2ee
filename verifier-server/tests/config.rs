//! Starting: what refuses to start, and what it says.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use std::fs::{File, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use support::{Http, Person, Program};

/// Runs `serve` where it must not start; gives its exit code and its error text.
fn refused(args: &[&str], file: Option<&str>) -> (i32, String) {
    refused_in(tempfile::tempdir().unwrap().path(), args, file)
}

/// The same with the file in a directory; what lies beside it is called by its name.
fn refused_in(directory: &Path, args: &[&str], file: Option<&str>) -> (i32, String) {
    let path = directory.join("verifier.toml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_envelope-verifier"));
    command.arg("serve").args(args);
    // Where nothing is said of the port, any will do: the usual one may be another test's.
    if !args.contains(&"--listen") && !file.is_some_and(|text| text.contains("listen")) {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    if let Some(text) = file {
        std::fs::write(&path, text).unwrap();
        command.arg("--config").arg(&path);
    }
    let output = command.output().unwrap();
    assert!(output.stdout.is_empty());
    let text = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), text.replace(&format!("{}/", directory.display()), ""))
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

/// What is wrong stands on the line with the arrow, and this is how it is told.
const WRONG: &[(&str, &str)] = &[
    // The form.
    ("window = 30\nwindwo = 30 # <-", "unknown key \"windwo\": \"window\" is one"),
    ("window = 30\nmax_in_flihgt = 30 # <-", "unknown key \"max_in_flihgt\": \"max-in-flight\" is one"),
    ("window = 30\nfrobnicate = 30 # <-", "unknown key \"frobnicate\"\n"),
    ("\n\nwindow = \"a\" # <-", "invalid type: a string, expected u64"),
    ("\nmax-body = -1 # <-", "invalid value: integer `-1`, expected usize"),
    ("\nwindow = 99999999999999999999 # <-", "invalid type: integer `99999999999999999999`"),
    ("\ntrust = \"alice\" # <-", "invalid type: a string, expected a sequence"),
    ("trust = [\n\"alice=alice.pem\",\n7, # <-\n]", "invalid type: integer `7`, expected a string"),
    ("window = 30\nwindow = 40 # <-", "duplicate key"),
    ("\nno sense # <-", "key with no value, expected `=`"),
    ("\ntrust = [\"a\" \"b\"] # <-", "missing comma between array elements"),
    ("\nurl = \"x # <-", "invalid basic string, expected `\"`"),
    ("\nlisten = \"nowhere\" # <-", "invalid socket address syntax"),
    ("\nmetrics-from = [\n\"127.0.0.1\",\n\"localhost\", # <-\n]", "invalid IP address syntax"),
    ("\ntrusted-proxy = [\n\"127.0.0.1\",\n\"10.0.0.0/8\", # <-\n]", "invalid IP address syntax"),
    ("\nlog = \"xml\" # <-", "\"xml\" is unknown here, expected `text` or `json`"),
    ("\naudit = \"never\" # <-", "\"never\" is unknown here, expected `required` or `best-effort`"),
    ("[[pack]]\nguid = \"a\"\nowners = \"x\" # <-", "unknown key \"owners\": \"owner\" is one"),
    ("\n[[pack]] # <-\nowner = \"a\"", "missing field `guid`"),
    (
        "[[pack]]\nguid = \"a\"\naccept = [\"magic\"] # <-",
        "\"magic\" is unknown here, expected one of `signed`, `token`, `identity`, `open`",
    ),
    ("[[pack]]\nguid = \"a\"\nallowed-users = 5 # <-", "this is neither a name nor a list of names"),
    (
        "[[pack]]\nguid = \"a\"\n[[pack.agent]]\nname = \"x\"\nuser = \"*\" # <-",
        "unknown key \"user\": there are name, allowed-users here",
    ),
    ("[[pack]]\nguid = \"a\"\n[[pack.agent]] # <-\nname = \"x\"", "missing field `allowed-users`"),
    (
        "[[route]]\npath = \"/x\"\nlists_packs = true # <-",
        "unknown key \"lists_packs\": \"lists-packs\" is one",
    ),
    ("[[route]]\npaht = \"/x\" # <-", "unknown key \"paht\": \"path\" is one"),
    (
        "[[route]]\npath = \"/x\"\naccess = \"all\" # <-",
        "\"all\" is unknown here, expected one of `open`, `registered`, `admin`",
    ),
    ("[[call-key]]\nidentity = \"x\"\nexpire = \"x\" # <-", "unknown key \"expire\": \"expires\" is one"),
    // Single values.
    ("auth-required = false\nlisten = \"192.0.2.1:1\" # <-", "192.0.2.1:1 is not loopback"),
    ("auth-required = true\nlisten = \"0.0.0.0:1\" # <-", "0.0.0.0:1 is every address"),
    ("\nauthority = [\n\"a.example\",\n\"http://b\", # <-\n]", "an authority is not host or host:port"),
    ("\nauthority = [\"a.example:443\"] # <-", "an authority has the default port"),
    ("\nwindow = 301 # <-", "the window is not 1 to 300 seconds"),
    ("\ntls-cert = \"c.pem\" # <-", "there is a --tls-cert, and no key for it"),
    ("\ntls-key = \"k.pem\" # <-", "there is a --tls-key, and no certificate for it"),
    ("\nupstream = \"http://[\" # <-", "the upstream is no URL"),
    ("\nupstream = \"http://a/path\" # <-", "the upstream is not an origin"),
    ("\nurl = \"https://[\" # <-", "the --url is no URL"),
    ("\nurl = \"https://h/x\" # <-", "the --url is not an origin"),
    ("\nlogin-ttl = 5 # <-", "--login-ttl is not 60 to 86400 seconds"),
    ("\nattempts = 0 # <-", "--attempts is 0"),
    ("\nagent-path = \"agent\" # <-", "--agent-path is no path"),
    ("\nagent-member = \"\" # <-", "--agent-member is empty"),
    ("agent-member = \"a\"\nuser-member = \"A\" # <-", "--user-member and --agent-member are the same"),
    ("\ncors-origin = [\n\"*\",\n\"http://a/\", # <-\n]", "a --cors-origin is no origin"),
    ("\nadmin = [\n\"a\",\n\"a b\", # <-\n]", "\"a b\" is no name of an identity"),
    ("\nadmin = [\"alice\"] # <-", "there is an --admin, and no store of keys to administer"),
    ("\naudit = \"best-effort\" # <-", "there is no directory for the audit log"),
    ("\naudit-file-size = 5 # <-", "there is no directory for the audit log"),
    ("data-dir = \"data\"\naudit-file-size = 0 # <-", "a limit is 0"),
    ("\nrevocations = \"list\" # <-", "it is not said who signs the revocation list"),
    ("\nrevocations-key = \"x\" # <-", "there is a --revocations-key, and no list"),
    ("\nrevocations-max-age = 60 # <-", "there is a --revocations-max-age, and no list"),
    (
        "revocations = \"list\"\nrevocations-key = \"x\" # <-",
        "the key of the revocation list: the text is no PEM, JWK, OpenSSH key, did:key or thumbprint",
    ),
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
    (
        "trust = [\n\"alice=\", # <-\n]",
        "the key of alice: the text is no PEM, JWK, OpenSSH key, did:key or thumbprint",
    ),
    ("trust = [\n\"alice\", # <-\n]", "a --trust is not NAME=KEY"),
    (
        "trust = [\n\"a=59CCHWMQhoRB9YwDiOcacjlSDkqOLVMc8mrcHyqu_MY\",\n\"b=59CCHWMQhoRB9YwDiOcacjlSDkqOLVMc8mrcHyqu_MY\", # <-\n]",
        "the key 59CCHWMQhoRB9YwDiOcacjlSDkqOLVMc8mrcHyqu_MY is given twice",
    ),
    (
        "trust = [\n\"pack:a=59CCHWMQhoRB9YwDiOcacjlSDkqOLVMc8mrcHyqu_MY\", # <-\n]",
        "pack:a is a name that only tokens have",
    ),
    (
        "\nrevoked = [\n\"59CCHWMQhoRB9YwDiOcacjlSDkqOLVMc8mrcHyqu_MY\",\n\"x\", # <-\n]",
        "revoked: \"x\" is no thumbprint",
    ),
    (
        "[[call-key]]\nidentity = \"ci\"\nkey = \"59CCHWMQhoRB9YwDiOcacjlSDkqOLVMc8mrcHyqu_MY\" # <-\nexpires = \"2030-01-01T00:00:00Z\"",
        "a registered call key is given by its thumbprint",
    ),
    (
        "[[call-key]]\nidentity = \"ci\"\nkey = \"ci.pem\" # <-\nexpires = \"2030-01-01T00:00:00Z\"",
        "the key of ci: the text is no PEM, JWK, OpenSSH key, did:key or thumbprint",
    ),
    (
        "[[call-key]]\nidentity = \"a b\" # <-\nkey = \"did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK\"\nexpires = \"2030-01-01T00:00:00Z\"",
        "\"a b\" is no name of an identity",
    ),
    (
        "[[call-key]]\nidentity = \"pack:a\" # <-\nkey = \"did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK\"\nexpires = \"2030-01-01T00:00:00Z\"",
        "pack:a is a name that only tokens have",
    ),
    (
        "[[call-key]]\nidentity = \"ci\"\nkey = \"did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK\"\nexpires = \"tomorrow\" # <-",
        "\"tomorrow\" is no time",
    ),
    (
        "trust = [\"a=did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK\"]\n[[call-key]]\nidentity = \"ci\"\nkey = \"did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK\" # <-\nexpires = \"2030-01-01T00:00:00Z\"",
        "the key jFDaeGsWf0aXgg1ezRT8nsPz0OUCctRstgJOHJHKVng is given twice",
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
    ("[[pack]]\nguid = \"List\" # <-", "pack guid \"List\" cannot stand in a path"),
    ("[[pack]]\nguid = \"a/b\" # <-", "pack guid \"a/b\" cannot stand in a path"),
    ("[[pack]]\nguid = \"a\"\n[[pack]]\nguid = \"A\" # <-", "pack A is there twice"),
    ("[[pack]]\nguid = \"a\"\nowner = \"x y\" # <-", "\"x y\" is no name of an identity"),
    ("[[pack]]\nguid = \"a\"\nallowed-users = \"x y\" # <-", "\"x y\" is no name of an identity"),
    (
        "[[pack]]\nguid = \"a\"\nallowed-users = [\n\"x\",\n\"x y\", # <-\n]",
        "\"x y\" is no name of an identity",
    ),
    (
        "[[pack]]\nguid = \"a\"\n[[pack.agent]]\nname = \"x\"\nallowed-users = [\"x y\"] # <-",
        "\"x y\" is no name of an identity",
    ),
    (
        "[[pack]]\nguid = \"a\"\n[[pack]]\nguid = \"b\"\n[[pack.agent]]\nname = \"x\"\nallowed-users = [\n\"x\",\n\"x y\", # <-\n]",
        "\"x y\" is no name of an identity",
    ),
    (
        "[[pack]]\nguid = \"a\"\n[[pack.agent]]\nname = \"x\"\nallowed-users = \"*\"\n[[pack.agent]]\nallowed-users = []\nname = \"x\" # <-",
        "pack a has two rules for one agent",
    ),
    (
        "[[route]]\nmethod = \"GET\"\npath = \"/api/pack/x\" # <-",
        "the route \"/api/pack/x\" is no path of the upstream's own",
    ),
    (
        "[[route]]\npath = \"/a\"\n[[route]]\npath = \"/verify\" # <-",
        "the route \"/verify\" is no path of the upstream's own",
    ),
    ("[[route]]\npath = \"/a\"\nmethod = \"GE T\" # <-", "the method of a [[route]] is none"),
    // Providers.
    ("\noidc-client-id = \"x\" # <-", "an --oidc- flag is there, and no issuer"),
    ("\noidc-audience = \"x\" # <-", "an --oidc- flag is there, and no issuer"),
    ("\noidc-name = \"x\" # <-", "an --oidc- flag is there, and no issuer"),
    ("oidc-client-id = \"x\"\noidc-issuer = \"nothing\" # <-", "the issuer of OpenID tokens is no URL"),
    (
        "oidc-client-id = \"x\"\noidc-issuer = \"https://a?b\" # <-",
        "the issuer of OpenID tokens has more than a host and a path",
    ),
    (
        "oidc-client-id = \"x\"\noidc-issuer = \"http://issuer.example\" # <-",
        "the issuer of OpenID tokens could be read and changed on the way",
    ),
    (
        "\noidc-issuer = \"https://a\" # <-",
        "it is not said for whom the tokens of the OpenID provider must be",
    ),
    (
        "oidc-issuer = \"https://a\"\noidc-audience = \"\" # <-",
        "it is not said for whom the tokens of the OpenID provider must be",
    ),
    ("oidc-issuer = \"https://a\"\noidc-client-id = \"\" # <-", "the client_id of a provider is empty"),
    (
        "oidc-issuer = \"https://a\"\noidc-audience = \"x\"\noidc-name = \"github\" # <-",
        "the OpenID provider is called github",
    ),
    (
        "oidc-issuer = \"https://a\"\noidc-audience = \"x\"\noidc-name = \"A\" # <-",
        "\"A\" is no name of a provider",
    ),
    (
        "oidc-issuer = \"https://a\"\noidc-audience = \"x\"\noidc-algorithm = [\n\"RS256\",\n\"HS256\", # <-\n]",
        "\"HS256\" is no algorithm that tokens may be signed with",
    ),
    (
        "oidc-issuer = \"https://a\"\noidc-audience = \"x\"\noidc-user-claim = \"\" # <-",
        "a claim or the scope of the OpenID provider is empty",
    ),
    (
        "oidc-issuer = \"https://a\"\noidc-audience = \"x\"\noidc-groups-claim = \"\" # <-",
        "a claim or the scope of the OpenID provider is empty",
    ),
    (
        "oidc-issuer = \"https://a\"\noidc-audience = \"x\"\noidc-scope = \"\" # <-",
        "a claim or the scope of the OpenID provider is empty",
    ),
    ("\ngithub-api = \"https://g?x\" # <-", "the API of GitHub has more than a host and a path"),
    ("github = true\ngithub-api = \"x\" # <-", "the API of GitHub is no URL"),
    (
        "github = true\ngithub-api = \"http://github.example\" # <-",
        "the API of GitHub could be read and changed on the way",
    ),
    ("github = true\ngithub-web = \"x\" # <-", "the address of GitHub is no URL"),
    ("github = true\ngithub-client-id = \"\" # <-", "the client_id of a provider is empty"),
];

#[test]
fn errors_in_the_file_name_file_line_and_the_fix() {
    for (file, expected) in WRONG {
        told(tempfile::tempdir().unwrap().path(), file, expected);
        let underscored: Vec<_> = file.lines().map(with_underscores).collect();
        told(tempfile::tempdir().unwrap().path(), &underscored.join("\n"), expected);
    }
}

#[test]
fn the_hint_is_for_what_is_wrong() {
    let cases = [
        ("windwo = 30", "the keys are those of `envelope-verifier serve --help`, and [[pack]]"),
        ("window = \"a\"", "write a value of that kind"),
        ("window = -1", "write a value of that kind"),
        ("log = \"xml\"", "write a value of that kind"),
        ("listen = \"nowhere\"", "write an address with its port, such as 127.0.0.1:7998"),
        ("trusted-proxy = [\"10.0.0.0/8\"]", "write an address without a port, such as 192.0.2.1"),
        ("window = 30\nwindow = 40", "take one of the two out"),
        ("[[pack]]\nowner = \"a\"", "add it to the table that begins here"),
        ("[[pack]]\nguid = \"a\"\nallowed-users = 5", "write \"*\", or [\"alice\", \"bob\"]"),
        ("no sense", "the file is TOML, see https://toml.io"),
        ("window = 301", "leave --window out for 60 seconds"),
    ];
    for (file, hint) in cases {
        let (_, text) = refused(&[], Some(file));
        assert!(text.contains(&format!("\nenvelope-verifier: hint: {hint}")), "{file}\n{text}");
    }
}

/// The error is told of the line with the arrow, in these words, and a hint follows.
fn told(directory: &Path, file: &str, expected: &str) {
    told_beside(directory, &[], file, expected);
}

/// The same beside flags.
fn told_beside(directory: &Path, args: &[&str], file: &str, expected: &str) {
    let line = file.lines().position(|line| line.ends_with("# <-")).unwrap() + 1;
    let (code, text) = refused_in(directory, args, Some(file));
    assert_eq!(code, 2, "{file}\n{text}");
    let start = format!("envelope-verifier: error: verifier.toml:{line}: {expected}");
    // The log may have told of it before.
    assert!(text.starts_with(&start) || text.contains(&format!("\n{start}")), "{file}\n{start}\n{text}");
    assert!(text.contains("\nenvelope-verifier: hint: "), "{file}\n{text}");
}

/// The same line with the other spelling of its key.
fn with_underscores(line: &str) -> String {
    match line.split_once(" = ") {
        Some((key, value)) => format!("{} = {value}", key.replace('-', "_")),
        None => line.replace("[[call-key]]", "[[call_key]]"),
    }
}

/// What the configuration names is there, and no good: with `/` at its end a directory, else a file with its mode and contents.
type Named = (&'static str, u32, &'static str);

const NAMED: &[(&[Named], &str, &str)] = &[
    // The store.
    (
        &[("s.sqlite", 0o640, "")],
        "\n\nstore = \"s.sqlite\" # <-",
        "s.sqlite can be read or written by others",
    ),
    (&[("s.sqlite/", 0o700, "")], "\n\nstore = \"s.sqlite\" # <-", "s.sqlite is not a file"),
    (&[], "\n\nstore = \"s.sqlite-wal\" # <-", "\"s.sqlite-wal\" is no name of a store"),
    (&[], "\n\nstore = \"none/s.sqlite\" # <-", "none/s.sqlite: No such file or directory"),
    (
        &[("s.sqlite", 0o600, "no database at all, but text that is long enough to be looked at")],
        "\n\nstore = \"s.sqlite\" # <-",
        "s.sqlite is no store of keys, or is damaged",
    ),
    (&[("s.issuer.pem", 0o640, "")], "\n\nstore = \"s.sqlite\" # <-", "s.issuer.pem can be read by others"),
    (&[("s.issuer.pem/", 0o700, "")], "\n\nstore = \"s.sqlite\" # <-", "s.issuer.pem: Is a directory"),
    (&[("s.sqlite-wal/", 0o700, "")], "\n\nstore = \"s.sqlite\" # <-", "s.sqlite: "),
    (
        &[("s.issuer.pem", 0o600, "nothing")],
        "\n\nstore = \"s.sqlite\" # <-",
        "s.issuer.pem is no Ed25519 private key in PKCS#8 PEM",
    ),
    (
        &[("s.issuer.pem", 0o600, PUBLISHED)],
        "\n\nstore = \"s.sqlite\" # <-",
        "the key is an example printed in an RFC",
    ),
    (
        &[("data/", 0o700, ""), ("data/store.sqlite", 0o640, "")],
        "\n\ndata-dir = \"data\" # <-",
        "data/store.sqlite can be read or written by others",
    ),
    (
        &[("s.sqlite", 0o640, "")],
        "\ndata-dir = \"data\"\nstore = \"s.sqlite\" # <-",
        "s.sqlite can be read or written by others",
    ),
    (
        &[],
        "store = \"s.sqlite\"\ntrust = [\"a=59CCHWMQhoRB9YwDiOcacjlSDkqOLVMc8mrcHyqu_MY\"]\nadmin = [\n\"a\",\n\"b\", # <-\n]",
        "the admin b has no key, neither in the configuration nor in the store",
    ),
    // The data directory, and the audit log in it.
    (&[("data", 0o600, "")], "\n\ndata-dir = \"data\" # <-", "data: File exists"),
    (
        &[("data/", 0o700, ""), ("data/lock/", 0o700, "")],
        "\n\ndata-dir = \"data\" # <-",
        "data: Is a directory",
    ),
    (
        &[("data/", 0o700, ""), ("data/replay-mark", 0o600, "soon")],
        "\n\ndata-dir = \"data\" # <-",
        "data/replay-mark is no time in seconds",
    ),
    (
        &[("data/", 0o700, ""), ("data/audit.pem", 0o640, "")],
        "\n\ndata-dir = \"data\" # <-",
        "data/audit.pem can be read by others",
    ),
    (
        &[("data/", 0o700, ""), ("data/audit", 0o600, "")],
        "\n\ndata-dir = \"data\" # <-",
        "data/audit: File exists",
    ),
    (
        &[
            ("data/", 0o700, ""),
            ("data/audit/", 0o700, ""),
            ("data/audit/00000000000000000001.jsonl", 0o600, "nothing\n"),
        ],
        "\n\ndata-dir = \"data\" # <-",
        "data/audit/00000000000000000001.jsonl does not end with a line of an audit log",
    ),
    // The revocation list.
    (
        &[],
        "revocations-key = \"59CCHWMQhoRB9YwDiOcacjlSDkqOLVMc8mrcHyqu_MY\"\n\nrevocations = \"list\" # <-",
        "the revocation list list: No such file or directory",
    ),
    (
        &[("list", 0o600, "{}")],
        "revocations-key = \"59CCHWMQhoRB9YwDiOcacjlSDkqOLVMc8mrcHyqu_MY\"\n\nrevocations = \"list\" # <-",
        "the revocation list list: ",
    ),
    // TLS.
    (&[], "tls-key = \"k.pem\"\n\ntls-cert = \"c.pem\" # <-", "c.pem: No such file or directory"),
    (
        &[("c.pem", 0o600, CERTIFICATE)],
        "tls-cert = \"c.pem\"\n\ntls-key = \"k.pem\" # <-",
        "k.pem: No such file or directory",
    ),
    (
        &[("c.pem", 0o600, "nothing"), ("k.pem", 0o600, PUBLISHED)],
        "tls-key = \"k.pem\"\n\ntls-cert = \"c.pem\" # <-",
        "c.pem: there is no certificate in it",
    ),
    (
        &[("c.pem", 0o600, CERTIFICATE), ("k.pem", 0o600, "nothing")],
        "tls-cert = \"c.pem\"\n\ntls-key = \"k.pem\" # <-",
        "k.pem: there is no private key in it that is not encrypted",
    ),
    (
        &[("c.pem", 0o600, CERTIFICATE), ("k.pem", 0o600, OTHER)],
        "tls-cert = \"c.pem\"\n\ntls-key = \"k.pem\" # <-",
        "k.pem: it is not the key of c.pem",
    ),
    (
        &[("c.pem", 0o600, CERTIFICATE), ("k.pem", 0o600, NO_KEY)],
        "tls-cert = \"c.pem\"\n\ntls-key = \"k.pem\" # <-",
        "k.pem: it is no key of a kind that TLS has here",
    ),
    (
        &[("c.pem", 0o600, NO_CERTIFICATE), ("k.pem", 0o600, PUBLISHED)],
        "tls-key = \"k.pem\"\n\ntls-cert = \"c.pem\" # <-",
        "c.pem: the first certificate in it cannot be read",
    ),
    // One file that should have both.
    (&[], "tls-key = \"both.pem\"\n\ntls-cert = \"both.pem\" # <-", "both.pem: No such file or directory"),
    (
        &[("both.pem", 0o600, PUBLISHED)],
        "tls-key = \"both.pem\"\n\ntls-cert = \"both.pem\" # <-",
        "both.pem: there is no certificate in it",
    ),
    (
        &[("both.pem", 0o600, CERTIFICATE)],
        "tls-cert = \"both.pem\"\n\ntls-key = \"both.pem\" # <-",
        "both.pem: there is no private key in it that is not encrypted",
    ),
];

/// The private key of RFC 9421, appendix B.1.4, and a certificate for it.
const PUBLISHED: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF
-----END PRIVATE KEY-----
";
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----
MIIBNDCB56ADAgECAhRvhMojSY0q9ozzeDSX6N1VHd4bETAFBgMrZXAwDzENMAsG
A1UEAwwEdGVzdDAgFw0yNjExMjgwNTAxMzdaGA8yMTI2MTEwNDA1MDEzN1owDzEN
MAsGA1UEAwwEdGVzdDAqMAUGAytlcAMhACa0C4+T//PYlxEvfrxYKyMtvXJRfQgv
6Dz7MN3OQ9G7o1MwUTAdBgNVHQ4EFgQUpXeppg0VvNAHVCY3ixrXf63hGagwHwYD
VR0jBBgwFoAUpXeppg0VvNAHVCY3ixrXf63hGagwDwYDVR0TAQH/BAUwAwEB/zAF
BgMrZXADQQC42yDTz0LOzvt4uJ2ZTt+1Q8v3UQLYYAl7mTOYJO3LfStIolyVHBnn
PI/q6wZlZC9ihOSIS3Rb4DW7/GCFtTwI
-----END CERTIFICATE-----
";
/// The one of appendix B.1.3.
const OTHER: &str = "-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIFKbhfNZfpDsW43+0+JjUr9K+bTeuxopu653+hBaXGA7oAoGCCqGSM49
AwEHoUQDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lfw0EkjqF7xB4FivAxzic30tMM
4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ==
-----END EC PRIVATE KEY-----
";
const NO_KEY: &str = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
const NO_CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

#[test]
fn errors_of_what_the_file_names_name_file_and_line() {
    for (named, file, expected) in NAMED {
        let directory = tempfile::tempdir().unwrap();
        for (name, mode, contents) in *named {
            let path = directory.path().join(name);
            if name.ends_with('/') {
                std::fs::create_dir(&path).unwrap();
            } else {
                std::fs::write(&path, contents).unwrap();
            }
            std::fs::set_permissions(&path, Permissions::from_mode(*mode)).unwrap();
        }
        told(directory.path(), file, expected);
    }
}

/// What another program has, this one cannot have as well.
#[test]
fn errors_of_what_is_in_use_name_file_and_line() {
    let directory = tempfile::tempdir().unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    told(directory.path(), &format!("window = 30\nlisten = \"{address}\" # <-"), &format!("{address}: "));
    let file = format!("listen = \"{address}\"\n\nupstream = \"http://{address}\" # <-");
    drop(socket);
    told(directory.path(), &file, "the upstream is this verifier itself");
    std::fs::create_dir(directory.path().join("data")).unwrap();
    let lock = File::create(directory.path().join("data/lock")).unwrap();
    lock.lock().unwrap();
    told(directory.path(), "\n\ndata-dir = \"data\" # <-", "another verifier runs on data");
    let lock = File::open(directory.path()).unwrap();
    lock.lock().unwrap();
    told(
        directory.path(),
        "\n\nstore = \"s.sqlite\" # <-",
        "another program holds a lock on the directory of s.sqlite",
    );
}

/// What a flag has said is not looked for in the file.
#[test]
fn an_error_that_a_flag_makes_names_no_line() {
    let cases: &[(&[&str], &str, &str)] = &[
        (&["--window", "0"], "window = 30", "the window is not 1 to 300 seconds"),
        (&["--max-body", "0"], "max_body = 0", "a limit is 0"),
        (&["--max-body", "0"], "max-body = 0", "a limit is 0"),
        (
            &["--authority", "http://b"],
            "authority = [\"a.example\"]",
            "an authority is not host or host:port",
        ),
        (&["--trust", "alice"], "trust = []", "a --trust is not NAME=KEY"),
        (&["--trust", "alice"], "window = 30", "a --trust is not NAME=KEY"),
        (&["--store", "/nowhere/s.sqlite"], "data-dir = \"data\"", "/nowhere/s.sqlite: No such file"),
        (&["--store", "/nowhere/s.sqlite"], "store = \"s.sqlite\"", "/nowhere/s.sqlite: No such file"),
        (&["--data-dir", "/proc/version"], "data-dir = \"data\"", "/proc/version: "),
        (
            &["--tls-cert", "/nowhere/c.pem"],
            "tls-cert = \"c.pem\"\ntls-key = \"k.pem\"",
            "/nowhere/c.pem: No such file",
        ),
        // What is missing stands nowhere.
        (&["--admin", "a"], "store = \"s.sqlite\"", "the admin a has no key"),
    ];
    for (args, file, expected) in cases {
        let (code, text) = refused(args, Some(file));
        assert_eq!(code, 2, "{args:?}\n{text}");
        assert!(text.starts_with(&format!("envelope-verifier: error: {expected}")), "{args:?}\n{text}");
        assert!(text.contains("\nenvelope-verifier: hint: "), "{args:?}\n{text}");
    }
    // What the file says beside a flag is.
    let cases: &[(&[&str], &str, &str)] = &[
        (&["--authority", "b.example"], "\nauthority = [\"http://a\"] # <-", "an authority is not"),
        (
            &["--authority", "http://b"],
            "\nauthority = [\n\"a\",\n\"http://a\", # <-\n]",
            "an authority is not",
        ),
        (&["--window", "30"], "window = 0\nmax-body = 0 # <-", "a limit is 0"),
        (&["--tls-key", "/nowhere/k.pem"], "tls-key = \"k.pem\"\ntls-cert = \"c.pem\" # <-", "c.pem: "),
    ];
    for (args, file, expected) in cases {
        told_beside(tempfile::tempdir().unwrap().path(), args, file, expected);
    }
}

/// A private key that stands where something else should is not repeated.
#[test]
fn a_wrong_value_of_the_file_is_not_repeated() {
    let pem = "-----BEGIN PRIVATE KEY-----\\nSECRET\\n-----END PRIVATE KEY-----";
    let jwk = r#"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"d\":\"SECRET\",\"x\":\"rqU8\"}"#;
    let seed = "SECRETSECRETSECRETSECRETSECRETSECRETSECRETS";
    let files = [
        // A value of another kind.
        "\nwindow = \"KEY\" # <-",
        "\ntrust = \"KEY\" # <-",
        "\nauth-required = \"KEY\" # <-",
        "\nmax-body = \"KEY\" # <-",
        "\nrevoked = \"KEY\" # <-",
        "\npack = \"KEY\" # <-",
        "\nlisten = \"KEY\" # <-",
        "\nlog = \"KEY\" # <-",
        "\naudit = \"KEY\" # <-",
        "\ntrusted-proxy = [\"KEY\"] # <-",
        "[[pack]]\nguid = \"a\"\naccept = [\"KEY\"] # <-",
        "[[route]]\npath = \"/a\"\naccess = \"KEY\" # <-",
        "[[pack]]\nguid = \"a\"\nallowed-users = [[\"KEY\"]] # <-",
        "\n\"KEY\" = 1 # <-",
        "[[pack]]\n\"KEY\" = 1 # <-",
        // Of the same kind.
        "\nauthority = [\"http://KEY\"] # <-",
        "\nupstream = \"KEY\" # <-",
        "\nurl = \"KEY\" # <-",
        "\ncors-origin = [\"KEY\"] # <-",
        "\nadmin = [\"KEY =\"] # <-",
        "\ntrust = [\"KEY\"] # <-",
        "\ntrust = [\"KEY =\"] # <-",
        "\nrevoked = [\"KEY=\"] # <-",
        "\nagent-path = \"KEY\" # <-",
        "[[call-key]]\nidentity = \"KEY =\" # <-\nkey = \"k\"\nexpires = \"x\"",
        "[[call-key]]\nidentity = \"ci\"\nkey = \"KEY =\" # <-\nexpires = \"x\"",
        "[[call-key]]\nidentity = \"ci\"\nexpires = \"KEY\" # <-\nkey = \"did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK\"",
        "[[pack]]\nguid = \"KEY =\" # <-\naccept = []",
        "[[pack]]\nguid = \"a\"\nowner = \"KEY =\" # <-",
        "[[pack]]\nguid = \"a\"\nallowed-users = [\"KEY =\"] # <-",
        "[[route]]\npath = \"KEY\" # <-",
        "[[route]]\npath = \"/a\"\nmethod = \"KEY =\" # <-",
        "oidc-issuer = \"https://a\"\noidc-audience = \"x\"\noidc-name = \"KEY\" # <-",
        "oidc-issuer = \"https://a\"\noidc-audience = \"x\"\noidc-algorithm = [\"KEY\"] # <-",
        "oidc-audience = \"x\"\noidc-issuer = \"KEY\" # <-",
        "\ngithub-api = \"KEY\" # <-",
        // No value at all.
        "\nwindow = KEY # <-",
        "\nKEY # <-",
    ];
    let cases = files.iter().flat_map(|file| [pem, jwk, seed].map(|key| file.replace("KEY", key)));
    // A file's name is shown, unless it is none.
    let names = [
        "tls-key = \"k.pem\"\n\ntls-cert = \"KEY\" # <-",
        "tls-key = \"KEY\" # <-\ntls-cert = \"verifier.toml\"",
    ];
    for file in cases.chain(names.map(|file| file.replace("KEY", pem))) {
        let line = file.lines().position(|line| line.ends_with("# <-")).unwrap() + 1;
        let (code, text) = refused(&[], Some(&file));
        assert_eq!(code, 2, "{file}\n{text}");
        let start = format!("envelope-verifier: error: verifier.toml:{line}: ");
        assert!(text.starts_with(&start) && !text.contains("SECRET"), "{file}\n{text}");
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
    use sqlx::Connection;

    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store.sqlite");
    let path = store.to_str().unwrap().to_owned();
    let (alice, bob) = (Person::new("alice"), Person::new("bob"));
    let starts = |args: &[&str]| drop(Program::serve(&[&["--store", &path], args].concat()));
    let fails = |args: &[&str], expected: &str| {
        told_beside(directory.path(), args, "\n\nstore = \"store.sqlite\" # <-", expected);
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
    let file = "store = \"store.sqlite\"\n\nadmin = [\"bob\"] # <-";
    told_beside(directory.path(), &["--trust", &alice.trust("alice")], file, "the admin bob has no key");
    starts(&["--trust", &alice.trust("alice"), "--admin", "alice"]);

    let next = Person::new("alice 2");
    let statement = support::admin::succession(&alice.identity_key, &next.identity_key, support::now(), 0);
    {
        let verifier =
            Program::serve(&["--store", &path, "--trust", &alice.trust("alice"), "--authority", "a"]);
        let request = Http::new("POST", "/api/statements", "a").body(&statement);
        assert_eq!(verifier.send(&request).status, 200);
    }
    fails(&["--trust", &next.trust("bob")], "the store and the configuration know the key");
    starts(&["--trust", &bob.trust("bob"), "--admin", "alice"]);

    let issuer = directory.path().join("store.issuer.pem");
    let pem = std::fs::read(&issuer).unwrap();
    std::fs::set_permissions(&issuer, Permissions::from_mode(0o640)).unwrap();
    fails(&[], "store.issuer.pem can be read by others");
    std::fs::set_permissions(&issuer, Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&issuer, "nothing").unwrap();
    fails(&[], "store.issuer.pem is no Ed25519 private key");
    std::fs::write(&issuer, pem).unwrap();

    run("UPDATE known_key SET role = 'call' WHERE identity IS NOT NULL");
    fails(&[], "store.sqlite is no store of keys, or is damaged");
    run("UPDATE known_key SET role = 'identity' WHERE identity IS NOT NULL");
    run("INSERT INTO _sqlx_migrations VALUES (999, 'later', CURRENT_TIMESTAMP, TRUE, x'00', 1)");
    fails(&[], "store.sqlite was written by a newer version");
    run("DELETE FROM _sqlx_migrations WHERE version = 999");
    run("UPDATE _sqlx_migrations SET success = FALSE");
    fails(&[], "store.sqlite has tables of another program");
    run("UPDATE _sqlx_migrations SET success = TRUE");
    starts(&[]);
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{path}{end}"));
    }
    std::fs::write(&store, "no database at all, but text that is long enough to be looked at").unwrap();
    fails(&[], "store.sqlite is no store of keys, or is damaged");
}
