//! Private keys of other programs.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use base64ct::{Base64UrlUnpadded, Encoding};
use envelope_core::{Algorithm, SigningKey};

use crate::outside::{Home, done, failed, succeeded, thumbprint};

/// What OpenSSL finds in the file of an identity.
fn openssl_finds(home: &Home, identity: &str, passin: &str) -> String {
    let file = format!("home/identities/{identity}.pem");
    thumbprint(&home.other("openssl", ["pkey", "-in", &file, "-passin", passin, "-pubout"])).to_string()
}

#[test]
fn keys_of_ssh_keygen() {
    let home = Home::new();
    home.put("passphrase", "correct horse\n");
    for (file_type, passphrase) in
        [("ed25519", ""), ("ed25519", "correct horse"), ("ecdsa", ""), ("ecdsa", "correct horse")]
    {
        let name = format!("{file_type}-{}", passphrase.len());
        home.other("ssh-keygen", ["-q", "-t", file_type, "-N", passphrase, "-f", &name]);
        let keyid = thumbprint(&home.read(&format!("{name}.pub"))).to_string();
        let mut import = home.envelope();
        import.args(["key", "import", &name, "--json", "--identity", &name]);
        if !passphrase.is_empty() {
            assert!(
                failed(&import.output().unwrap()).contains("the key is encrypted and there is no passphrase")
            );
            import.args(["--passphrase-file", "passphrase"]);
        }
        let imported = done(&import.output().unwrap());
        assert!(imported.contains(&keyid), "{imported}");
        // It stays encrypted, under the same passphrase.
        let key_home = if passphrase.is_empty() { "file" } else { "encrypted" };
        assert!(imported.contains(&format!(r#""home":"{key_home}""#)), "{imported}");
        assert_eq!(openssl_finds(&home, &name, &format!("pass:{passphrase}")), keyid);
    }
}

#[test]
fn every_cipher_of_ssh_keygen() {
    let home = Home::new();
    home.put("passphrase", "x");
    for cipher in ["aes128-cbc", "aes256-ctr", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com"] {
        let args = ["-q", "-t", "ed25519", "-N", "x", "-a", "2", "-Z", cipher, "-f", cipher];
        home.other("ssh-keygen", args);
        let name = cipher.replace('@', "-");
        let import = ["key", "import", cipher, "--passphrase-file", "passphrase", "--identity", &name];
        let keyid = thumbprint(&home.read(&format!("{cipher}.pub"))).to_string();
        assert_eq!(done(&home.run(import)).trim_end(), keyid, "{cipher}");
    }
}

/// The number of such a key is shorter than 32 bytes, and OpenSSH writes it without leading zeros.
#[test]
fn short_numbers_of_ssh_keygen() {
    let home = Home::new();
    for zeros in [1, 2] {
        let mut secret = [0x7f; 32];
        secret[..zeros].fill(0);
        let public = SigningKey::from_bytes(Algorithm::P256, &secret).unwrap().verifying_key().clone();
        let keyid = public.thumbprint();
        let d = format!(r#"{{"d":"{}","#, Base64UrlUnpadded::encode_string(&secret));
        home.put("jwk", &public.to_jwk().replacen('{', &d, 1));
        let name = format!("short{zeros}");
        done(&home.run(["key", "import", "jwk", "--identity", &name]));
        home.put("ssh", &done(&home.run(["key", "export", "--private", "--identity", &name])));
        // ssh-keygen writes it anew in its own format.
        home.other("ssh-keygen", ["-q", "-p", "-N", "", "-f", "ssh"]);
        assert!(home.read("ssh").starts_with("-----BEGIN OPENSSH PRIVATE KEY-----"));
        let again = format!("again{zeros}");
        let imported = done(&home.run(["key", "import", "ssh", "--identity", &again]));
        assert_eq!(imported.trim_end(), keyid.to_string());
        // And it reads what we write.
        home.put(
            "ours",
            &done(&home.run(["key", "export", "--private", "--format", "openssh", "--identity", &name])),
        );
        assert_eq!(thumbprint(&home.other("ssh-keygen", ["-y", "-f", "ours"])), keyid);
    }
}

#[test]
fn keys_of_openssl() {
    let home = Home::new();
    home.put("passphrase", "x\n");
    let p256 = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
    succeeded(home.program("openssl").args(["genpkey", "-algorithm", "ed25519", "-out", "ed.pem"]));
    succeeded(home.program("openssl").args(["genpkey", "-out", "ec.pem"]).args(p256));
    succeeded(home.program("openssl").args([
        "ecparam",
        "-name",
        "prime256v1",
        "-genkey",
        "-out",
        "sec1.pem",
    ]));
    succeeded(home.program("openssl").args(["ec", "-in", "sec1.pem", "-out", "bare.pem"]));
    let encrypted = ["-algorithm", "ed25519", "-aes-256-cbc", "-pass", "pass:x", "-out", "enc.pem"];
    succeeded(home.program("openssl").arg("genpkey").args(encrypted));
    for file in ["ec.pem", "ed.pem", "sec1.pem", "bare.pem"] {
        home.other("chmod", ["600", file]);
    }
    assert!(home.read("sec1.pem").starts_with("-----BEGIN EC PARAMETERS-----"));
    assert!(home.read("bare.pem").starts_with("-----BEGIN EC PRIVATE KEY-----"));
    for name in ["ed", "ec", "sec1", "bare", "enc"] {
        let file = format!("{name}.pem");
        let passphrase = if name == "enc" { ["--passphrase-file", "passphrase"].as_slice() } else { &[] };
        let mut import = home.envelope();
        import.args(["key", "import", &file, "--identity", name]).args(passphrase);
        let public = home.other("openssl", ["pkey", "-in", &file, "-passin", "pass:x", "-pubout"]);
        let keyid = thumbprint(&public).to_string();
        assert_eq!(done(&import.output().unwrap()).trim_end(), keyid, "{name}");
        assert_eq!(openssl_finds(&home, name, "pass:x"), keyid, "{name}");
    }
    // OpenSSL's own encryption of SEC 1 is one turn of MD5.
    let old = ["ec", "-in", "bare.pem", "-aes256", "-passout", "pass:x", "-out", "old.pem"];
    home.other("openssl", old);
    let said = failed(&home.run(["key", "import", "old.pem", "--identity", "old"]));
    assert!(said.contains("openssl pkcs8 -topk8"), "{said}");
}

#[test]
fn a_key_that_comes_in_the_clear_is_encrypted_when_a_passphrase_is_given() {
    let home = Home::new();
    home.put("passphrase", "x");
    home.other("openssl", ["genpkey", "-algorithm", "ed25519", "-out", "ed.pem"]);
    let import = done(&home.run(["key", "import", "ed.pem", "--passphrase-file", "passphrase", "--json"]));
    assert!(import.contains(r#""encrypted":true,"home":"encrypted""#), "{import}");
    assert!(home.read("home/identities/default.pem").starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    assert_eq!(openssl_finds(&home, "default", "pass:x"), home.keyid("default").to_string());
}

#[test]
fn keys_come_on_stdin_and_from_private_files() {
    let home = Home::new();
    home.other("openssl", ["genpkey", "-algorithm", "ed25519", "-out", "ed.pem"]);
    let pem = home.read("ed.pem");
    let keyid = done(&home.run_with(["key", "import", "-", "--identity", "a"], &pem));
    for mode in [0o640, 0o604] {
        fs::set_permissions(home.path("ed.pem"), fs::Permissions::from_mode(mode)).unwrap();
        let said = failed(&home.run(["key", "import", "ed.pem", "--identity", "b"]));
        assert!(said.contains("others may use ed.pem"), "{said}");
        assert!(said.contains("envelope: hint: chmod 600 ed.pem\n"), "{said}");
    }
    fs::set_permissions(home.path("ed.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(done(&home.run(["key", "import", "ed.pem", "--identity", "b"])), keyid);
}

#[test]
fn what_is_there_already_stays() {
    let home = Home::new();
    home.other("openssl", ["genpkey", "-algorithm", "ed25519", "-out", "ed.pem"]);
    done(&home.run(["keygen"]));
    let before = home.read("home/identities/default.pem");
    assert!(
        failed(&home.run(["key", "import", "ed.pem"])).contains("the identity default has a key already")
    );
    assert_eq!(home.read("home/identities/default.pem"), before);
}

#[test]
fn what_is_no_key_or_everybodys_is_refused() {
    let home = Home::new();
    home.put("passphrase", "wrong");
    home.other("ssh-keygen", ["-q", "-t", "ed25519", "-N", "right", "-f", "ssh"]);
    home.other("ssh-keygen", ["-q", "-t", "rsa", "-N", "", "-f", "rsa"]);
    home.other("openssl", ["genpkey", "-algorithm", "x25519", "-out", "x25519.pem"]);
    // RFC 8032 section 7.1, TEST 1.
    let secret = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    home.put("published.jwk", &format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}","d":"{secret}"}}"#));
    home.put("public.jwk", &format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}"#));
    for (file, what) in [
        ("ssh", "the passphrase does not open the key: ssh"),
        ("ssh.pub", "others may use ssh.pub"),
        ("rsa", "no private key of Ed25519 or P-256"),
        ("x25519.pem", "no private key of Ed25519 or P-256"),
        ("published.jwk", "the key is printed in an RFC"),
        ("public.jwk", "no JWK with the private key of Ed25519 or P-256"),
        ("passphrase", "no private key of Ed25519 or P-256: passphrase"),
        ("missing", "cannot read missing"),
    ] {
        let said = failed(&home.run(["key", "import", file, "--passphrase-file", "passphrase"]));
        assert!(said.contains(what), "{file}: {said}");
        assert!(!said.contains(secret) && !said.contains("wrong"), "{said}");
    }
    assert!(!home.path("home/identities/default.pem").exists());
}
