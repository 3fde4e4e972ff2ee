//! The private halves of the keys, on vectors whose keys the profile refuses: RFC 9421, 8032, 6979, 8037.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use base64ct::{Base64, Base64UrlUnpadded, Encoding};

use super::{Algorithm, Coordinates, Point, Secret, Signature, SigningKey, Thumbprint, VerifyingKey};
use crate::Code;

fn hex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
}

fn base64url(text: &str) -> [u8; 32] {
    Base64UrlUnpadded::decode_vec(text).unwrap().try_into().unwrap()
}

fn signature(bytes: Vec<u8>) -> Signature {
    Signature::from_bytes(bytes.try_into().unwrap())
}

/// RFC 9421 appendix B.2.6: the base is that of `tests/published.rs`, where it comes out of the writer.
#[test]
fn rfc_9421_ed25519() {
    let base = "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\
        \"@method\": POST\n\
        \"@path\": /foo\n\
        \"@authority\": example.com\n\
        \"content-type\": application/json\n\
        \"content-length\": 18\n\
        \"@signature-params\": (\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \"content-length\")\
        ;created=1618884473;keyid=\"test-key-ed25519\"";
    let expected = "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==";
    let seed = base64url("n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU");
    let (secret, point) = Secret::read(Algorithm::Ed25519, &seed).unwrap();
    let y = base64url("JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs");
    assert_eq!(point.coordinates(), Coordinates::Ed25519 { y });
    let signature = secret.sign(base.as_bytes());
    assert_eq!(Base64::encode_string(signature.as_bytes()), expected);
    assert!(point.verify(base.as_bytes(), &signature));
    assert!(!point.verify(&base.as_bytes()[1..], &signature));
}

/// RFC 9421 appendix B.2.4: made with a random k, so it verifies and does not reproduce.
#[test]
fn rfc_9421_p256() {
    let base = "\"@status\": 200\n\
        \"content-type\": application/json\n\
        \"content-digest\": sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:\n\
        \"content-length\": 23\n\
        \"@signature-params\": (\"@status\" \"content-type\" \"content-digest\" \"content-length\")\
        ;created=1618884473;keyid=\"test-key-ecc-p256\"";
    let published =
        "wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==";
    let x = base64url("qIVYZVLCrPZHGHjP17CTW0_-D9Lfw0EkjqF7xB4FivA");
    let y = base64url("Mc4nN9LTDOBhfoUeg8Ye9WedFRhnZXZJA12Qp0zZ6F0");
    let (secret, own) =
        Secret::read(Algorithm::P256, &base64url("UpuF81l-kOxbjf7T4mNSv0r5tN67Gim7rnf6EFpcYDs")).unwrap();
    let point = Point::p256(&x, &y).unwrap();
    assert!(own == point);
    let published = signature(Base64::decode_vec(published).unwrap());
    assert!(point.verify(base.as_bytes(), &published));
    assert!(!point.verify(&base.as_bytes()[1..], &published));
    assert!(point.verify(base.as_bytes(), &secret.sign(base.as_bytes())));
}

/// RFC 8032 section 7.1: seed, public key, message, signature.
#[test]
fn rfc_8032() {
    for (seed, public, message, expected) in [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
        (
            "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
            "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
        ),
    ] {
        let (secret, point) = Secret::read(Algorithm::Ed25519, &hex(seed).try_into().unwrap()).unwrap();
        let y = hex(public).try_into().unwrap();
        assert_eq!(point.coordinates(), Coordinates::Ed25519 { y });
        let made = secret.sign(&hex(message));
        assert_eq!(made.as_bytes().as_slice(), hex(expected));
        assert!(point.verify(&hex(message), &made));
    }
}

/// RFC 6979 appendix A.2.5, P-256 with SHA-256. Where its s is the high one, ours is n - s.
#[test]
fn rfc_6979() {
    let scalar = hex("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721");
    let (secret, point) = Secret::read(Algorithm::P256, &scalar.try_into().unwrap()).unwrap();
    for (message, r, s, low) in [
        (
            "sample",
            "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716",
            "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
            false,
        ),
        (
            "test",
            "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367",
            "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083",
            true,
        ),
    ] {
        let published = signature([hex(r), hex(s)].concat());
        assert!(point.verify(message.as_bytes(), &published), "high or low, it verifies");
        let made = secret.sign(message.as_bytes());
        assert_eq!(made.as_bytes()[..32], hex(r));
        assert_eq!(made == published, low);
        let p256 = p256::ecdsa::Signature::from_slice(published.as_bytes()).unwrap();
        assert_eq!(p256.normalize_s().to_bytes().as_slice(), made.as_bytes());
    }
}

/// RFC 8037 appendix A.3: the thumbprint of the key of RFC 8032, TEST 1.
#[test]
fn rfc_8037_thumbprint() {
    let point = Point::ed25519(&base64url("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")).unwrap();
    assert_eq!(point.thumbprint().to_string(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

/// RFC 8037 appendix A.4 and A.5: a JWS by the same key.
#[test]
fn rfc_8037_signature() {
    let seed = base64url("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
    let (secret, point) = Secret::read(Algorithm::Ed25519, &seed).unwrap();
    let input = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let expected = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let made = secret.sign(input);
    assert_eq!(Base64UrlUnpadded::encode_string(made.as_bytes()), expected);
    assert!(point.verify(input, &made));
}

#[test]
fn a_secret_does_not_show() {
    for algorithm in [Algorithm::Ed25519, Algorithm::P256] {
        let key = SigningKey::from_bytes(algorithm, &[0x41; 32]).unwrap();
        let shown = alloc::format!("{key:?} {:?}", key.verifying_key());
        assert!(!shown.contains("4141") && !shown.contains("65, 65") && !shown.contains("AAAA"), "{shown}");
        assert!(shown.contains(&key.verifying_key().thumbprint().to_string()));
        assert_eq!(*key.to_bytes(), [0x41; 32]);
        assert_eq!(key.algorithm(), algorithm);
    }
}

#[test]
fn scalars_outside_of_the_group_are_refused() {
    let order = hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    for scalar in [[0; 32], order.try_into().unwrap(), [0xff; 32]] {
        assert_eq!(SigningKey::from_bytes(Algorithm::P256, &scalar).unwrap_err().code(), Code::KeyRefused);
    }
}

#[test]
fn a_thumbprint_has_one_spelling() {
    let text = "X48pnHcIYm-2x7MRgbuTn8773wv2m2YRYcv7AeOrN5U";
    let thumbprint = Thumbprint::parse(text).unwrap();
    assert_eq!(thumbprint.to_string(), text);
    assert_eq!(alloc::format!("{thumbprint:?}"), text);
    let spoilt: [String; 6] = [
        String::new(),
        text[..42].into(),
        alloc::format!("{text}="),
        alloc::format!("{text}A"),
        text.replace('-', "+"),
        text.replace("N5U", "N5V"),
    ];
    for spoilt in spoilt {
        assert_eq!(Thumbprint::parse(&spoilt), None, "{spoilt}");
    }
}

#[test]
fn a_jwk_comes_back() {
    for algorithm in [Algorithm::Ed25519, Algorithm::P256] {
        let key = SigningKey::from_bytes(algorithm, &[0x41; 32]).unwrap();
        let jwk = key.verifying_key().to_jwk();
        assert_eq!(&VerifyingKey::from_jwk(&jwk).unwrap(), key.verifying_key());
        assert!(jwk.contains(algorithm.jose_name()));
        assert_eq!(VerifyingKey::from_jwk(&jwk.replace('}', "")).unwrap_err().code(), Code::KeyRefused);
    }
}

/// Members that are ignored may have 32 levels with the JWK itself, and no more.
#[test]
fn a_jwk_has_32_levels() {
    let jwk = SigningKey::from_bytes(Algorithm::Ed25519, &[0x41; 32]).unwrap().verifying_key().to_jwk();
    let deep = |lists: usize| {
        jwk.replace('}', &alloc::format!(",\"note\":{}{}}}", "[".repeat(lists), "]".repeat(lists)))
    };
    assert!(VerifyingKey::from_jwk(&deep(31)).is_ok());
    assert_eq!(VerifyingKey::from_jwk(&deep(32)).unwrap_err().code(), Code::KeyRefused);
}

/// Our path of verifying accepts exactly what dalek's strict one does, on signatures with one bit changed.
#[test]
fn every_bit_of_a_signature_counts() {
    for algorithm in [Algorithm::Ed25519, Algorithm::P256] {
        let key = SigningKey::from_bytes(algorithm, &[0x41; 32]).unwrap();
        let signature = key.sign(b"message");
        assert!(key.verifying_key().verify(b"message", &signature).is_ok());
        for bit in 0..512 {
            let mut bytes = *signature.as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let changed = key.verifying_key().verify(b"message", &Signature::from_bytes(bytes));
            assert_eq!(changed.unwrap_err().code(), Code::BadSignature, "{algorithm:?} bit {bit}");
        }
    }
}
