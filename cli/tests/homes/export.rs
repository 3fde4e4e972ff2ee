//! Keys for other programs.

use serde_json::Value;

use crate::outside::{Home, done, failed, stderr, thumbprint};

#[test]
fn public_keys_are_read_by_others() {
    let home = Home::new();
    for alg in ["ed25519", "p256"] {
        done(&home.run(["keygen", "--alg", alg, "--identity", alg]));
        let keyid = home.keyid(alg);
        let export = |format: &str| done(&home.run(["key", "export", "--format", format, "--identity", alg]));
        home.put("public.pem", &export("pem"));
        let pem = home.other("openssl", ["pkey", "-pubin", "-in", "public.pem", "-pubout"]);
        assert_eq!(thumbprint(&pem), keyid);
        home.put("public.pub", &export("openssh"));
        let rfc4716 = home.other("ssh-keygen", ["-e", "-f", "public.pub"]);
        assert!(rfc4716.starts_with("---- BEGIN SSH2 PUBLIC KEY ----"));
        assert!(export("did").starts_with("did:key:z"));
        let jwk: Value = serde_json::from_str(&export("jwk")).unwrap();
        assert!(jwk.get("d").is_none() && jwk.get("x").is_some());
    }
    assert_eq!(done(&home.run(["key", "export", "--identity", "p256"])), home.read("public.pem"));
}

#[test]
fn private_keys_are_read_by_others() {
    let home = Home::new();
    for alg in ["ed25519", "p256"] {
        done(&home.run(["keygen", "--alg", alg, "--identity", alg]));
        let keyid = home.keyid(alg);
        let export = |format: &str| {
            done(&home.run(["key", "export", "--private", "--format", format, "--identity", alg]))
        };
        assert_eq!(export("pem"), home.read(&format!("home/identities/{alg}.pem")));
        home.put("ssh", &export("openssh"));
        assert_eq!(thumbprint(&home.other("ssh-keygen", ["-y", "-P", "", "-f", "ssh"])), keyid);
        // What is exported comes back.
        for format in ["pem", "jwk", "openssh"] {
            let name = format!("{alg}-{format}");
            let again = home.run_with(["key", "import", "-", "--identity", &name], &export(format));
            assert_eq!(done(&again).trim_end(), keyid.to_string());
            let file = |name: &str| home.read(&format!("home/identities/{name}.pem"));
            assert_eq!(file(&name), file(alg));
        }
    }
    let did = failed(&home.run(["key", "export", "--private", "--format", "did", "--identity", "p256"]));
    assert!(did.contains("a did:key is a public key"), "{did}");
}

#[test]
fn an_encrypted_key_stays_encrypted_where_it_can() {
    let home = Home::new();
    home.put("passphrase", "x y");
    done(&home.run(["keygen", "--passphrase-file", "passphrase"]));
    let keyid = home.keyid("default");
    // As PEM nobody needs the passphrase.
    let pem = done(&home.run(["key", "export", "--private"]));
    assert_eq!(pem, home.read("home/identities/default.pem"));
    assert!(pem.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));

    let openssh = ["key", "export", "--private", "--format", "openssh"];
    assert!(failed(&home.run(openssh)).contains("the key is encrypted"));
    let mut export = home.envelope();
    export.args(openssh).args(["--passphrase-file", "passphrase"]);
    home.put("ssh", &done(&export.output().unwrap()));
    assert_eq!(thumbprint(&home.other("ssh-keygen", ["-y", "-P", "x y", "-f", "ssh"])), keyid);
    let wrong = home.program("ssh-keygen").args(["-y", "-P", "x", "-f", "ssh"]).output().unwrap();
    assert!(!wrong.status.success() && stderr(&wrong).contains("incorrect passphrase"));

    let jwk = ["key", "export", "--private", "--format", "jwk", "--passphrase-file", "passphrase"];
    let again = home.run_with(["key", "import", "-", "--identity", "again"], &done(&home.run(jwk)));
    assert_eq!(done(&again).trim_end(), keyid.to_string());
}
