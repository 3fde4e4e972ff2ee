//! Stage 4, V4.2: the keys in a certificate.

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use envelope_core::Code;
use envelope_test_vectors::Vector;

use super::super::draft::Draft;
use super::super::keys::{self, Key, base64url, hex};
use super::super::{Rule, Topic, rule};

pub(super) fn fill(all: &mut Vec<Vector>) {
    let mut topic = Topic::new("key", all);
    spellings(&mut topic);
    points(&mut topic);
    published(&mut topic);
    weak(&mut topic);
}

/// The two places of a certificate where a key stands.
#[derive(Clone, Copy)]
enum Place {
    Identity,
    Call,
}

impl Place {
    const BOTH: [Self; 2] = [Self::Identity, Self::Call];

    const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Call => "call",
        }
    }

    /// Puts the text of a JWK there, in place of the key that signs.
    fn put(self, draft: &mut Draft, jwk: &str) {
        match self {
            Self::Identity => draft.certificate().header.set("jwk", jwk),
            Self::Call => draft.certificate().confirm(jwk),
        }
    }

    /// Puts a whole key there, which is trusted and signs.
    fn take(self, draft: &mut Draft, key: Key) {
        match self {
            Self::Identity => draft.identity_key(key),
            Self::Call => draft.call_key(key),
        }
    }
}

fn jwks(topic: &mut Topic<'_>, rule: Rule, name: &str, title: &str, jwk: &str) {
    for place in Place::BOTH {
        let title = format!("the {} key: {title}", place.name());
        topic.one(rule, Some(Code::KeyRefused), &format!("{}-{name}", place.name()), &title, |d| {
            if jwk.contains("P-256") {
                d.algorithms(envelope_core::Algorithm::P256, envelope_core::Algorithm::P256);
            }
            place.put(d, jwk);
        });
    }
}

/// An Ed25519 and a P-256 key, for their coordinates.
fn coordinates() -> (String, String, String) {
    let (x, _) = Key::ed25519("eve").coordinates();
    let (px, py) = Key::p256("eve").coordinates();
    (x, px, py.unwrap_or_default())
}

fn spellings(topic: &mut Topic<'_>) {
    let kinds = rule("V4.2", "a key of a kind that nobody has judged signs");
    let (x, px, py) = coordinates();
    let okp = |crv: &str, x: &str| format!(r#"{{"crv":"{crv}","kty":"OKP","x":"{x}"}}"#);
    let ec = |crv: &str, x: &str, y: &str| format!(r#"{{"crv":"{crv}","kty":"EC","x":"{x}","y":"{y}"}}"#);
    jwks(topic, kinds, "string", "is a string", &format!("\"{x}\""));
    jwks(topic, kinds, "empty", "is an empty object", "{}");
    jwks(
        topic,
        kinds,
        "rsa",
        "is an RSA key",
        r#"{"e":"AQAB","kty":"RSA","n":"u1SU1LfVLPHCozMxH2Mo4lgOEePzNm0t"}"#,
    );
    jwks(topic, kinds, "oct", "is a shared secret", &format!(r#"{{"k":"{x}","kty":"oct"}}"#));
    jwks(topic, kinds, "x25519", "is an X25519 key", &okp("X25519", &x));
    jwks(topic, kinds, "ed448", "says Ed448", &okp("Ed448", &x));
    jwks(topic, kinds, "p384", "says P-384", &ec("P-384", &px, &py));
    jwks(topic, kinds, "crv-case", "writes the curve in lower case", &okp("ed25519", &x));
    jwks(topic, kinds, "crv-missing", "names no curve", &format!(r#"{{"kty":"OKP","x":"{x}"}}"#));
    jwks(topic, kinds, "kty-missing", "names no type", &format!(r#"{{"crv":"Ed25519","x":"{x}"}}"#));
    jwks(
        topic,
        kinds,
        "kty-other",
        "is an Ed25519 key of the type EC",
        &format!(r#"{{"crv":"Ed25519","kty":"EC","x":"{x}"}}"#),
    );
    jwks(topic, kinds, "x-missing", "has no x", r#"{"crv":"Ed25519","kty":"OKP"}"#);
    jwks(topic, kinds, "x-number", "has a number as x", r#"{"crv":"Ed25519","kty":"OKP","x":1}"#);
    jwks(topic, kinds, "x-31", "has an x of 31 bytes", &okp("Ed25519", &base64url(&[9; 31])));
    jwks(topic, kinds, "x-33", "has an x of 33 bytes", &okp("Ed25519", &base64url(&[9; 33])));
    jwks(topic, kinds, "x-padding", "has a padded x", &okp("Ed25519", &format!("{x}=")));
    jwks(
        topic,
        kinds,
        "y-missing",
        "is a P-256 key without y",
        &format!(r#"{{"crv":"P-256","kty":"EC","x":"{px}"}}"#),
    );
    let private = rule("V4.2", "somebody publishes a private key with every request, and nobody says so");
    jwks(topic, private, "private", "holds a private d", &Key::ed25519("eve").private_jwk());
    jwks(topic, private, "private-p256", "is a P-256 key with a private d", &Key::p256("eve").private_jwk());
    jwks(
        topic,
        private,
        "private-null",
        "holds a d that is null",
        &okp("Ed25519", &x).replace("\"kty\"", "\"d\":null,\"kty\""),
    );
}

fn points(topic: &mut Topic<'_>) {
    let curve =
        rule("V4.2", "a point outside of the curve gives its owner signatures that nobody should take");
    let (_, px, py) = coordinates();
    let mut off = Base64UrlUnpadded::decode_vec(&py).unwrap();
    off[31] ^= 1;
    jwks(topic, curve, "off-curve", "is a P-256 point off the curve", &ec(&px, &base64url(&off)));
    jwks(topic, curve, "swapped", "is a P-256 point with x and y swapped", &ec(&py, &px));
    jwks(
        topic,
        curve,
        "p256-zero",
        "is a P-256 point with x and y zero",
        &ec(&base64url(&[0; 32]), &base64url(&[0; 32])),
    );
    jwks(topic, curve, "p256-31", "is a P-256 key with an x of 31 bytes", &ec(&base64url(&[9; 31]), &py));
    jwks(
        topic,
        curve,
        "p256-compressed",
        "is a P-256 key with a compressed point as x",
        &ec(&base64url(&[2; 33]), &py),
    );
    let (unreduced, y) = keys::unreduced_p256_point();
    jwks(
        topic,
        curve,
        "p256-unreduced",
        "is a P-256 point whose x is not below the prime",
        &ec(&unreduced, &y),
    );
    let standard = Base64::encode_string(&[[0xff; 16], [0xfb; 16]].concat());
    jwks(
        topic,
        curve,
        "p256-alphabet",
        "is a P-256 key with an x in the standard alphabet",
        &ec(standard.trim_end_matches('='), &py),
    );
    let no_point = base64url(&no_ed25519_point());
    jwks(topic, curve, "ed25519-no-point", "is an Ed25519 key whose y has no x", &okp(&no_point));
}

fn no_ed25519_point() -> [u8; 32] {
    let mut bytes = [0; 32];
    for y in 2.. {
        bytes[0] = y;
        if ed25519_dalek::VerifyingKey::from_bytes(&bytes).is_err() {
            break;
        }
    }
    bytes
}

/// Keys whose private halves are printed in RFCs: everything else is right, signatures included.
fn published(topic: &mut Topic<'_>) {
    let everybody = rule("V4.2", "everybody knows the private key, and signs with it");
    let ed25519 = |text| Key::ed25519_seed(&hex(text));
    let url = |text| <[u8; 32]>::try_from(Base64UrlUnpadded::decode_vec(text).unwrap()).unwrap();
    for (name, source, key) in [
        (
            "rfc8032-1",
            "RFC 8032, TEST 1",
            ed25519("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"),
        ),
        (
            "rfc8032-2",
            "RFC 8032, TEST 2",
            ed25519("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"),
        ),
        (
            "rfc8032-3",
            "RFC 8032, TEST 3",
            ed25519("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"),
        ),
        (
            "rfc8032-1024",
            "RFC 8032, TEST 1024",
            ed25519("f5e5767cf153319517630f226876b86c8160cc583bc013744c6bf255f5cc0ee5"),
        ),
        (
            "rfc8032-abc",
            "RFC 8032, TEST SHA(abc)",
            ed25519("833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42"),
        ),
        (
            "rfc8032-ctx-1",
            "RFC 8032, 7.2, first key",
            ed25519("0305334e381af78f141cb666f6199f57bc3495335a256a95bd2a55bf546663f6"),
        ),
        (
            "rfc8032-ctx-2",
            "RFC 8032, 7.2, second key",
            ed25519("ab9c2853ce297ddab85c993b3ae14bcad39b2c682beabc27d6d4eb20711d6560"),
        ),
        (
            "rfc9421-ed25519",
            "RFC 9421, test-key-ed25519",
            Key::ed25519_seed(&url("n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU")),
        ),
        (
            "rfc9421-p256",
            "RFC 9421, test-key-ecc-p256",
            Key::p256_scalar(&url("UpuF81l-kOxbjf7T4mNSv0r5tN67Gim7rnf6EFpcYDs")),
        ),
        (
            "rfc6979",
            "RFC 6979, A.2.5",
            Key::p256_scalar(&hex("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721")),
        ),
        ("rfc7515", "RFC 7515, A.3", Key::p256_scalar(&url("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"))),
        (
            "rfc7517",
            "RFC 7517, A.1 and A.2",
            Key::p256_scalar(&url("870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE")),
        ),
    ] {
        for place in Place::BOTH {
            let title = format!("the {} key: is printed in {source}", place.name());
            let file = format!("{}-{name}", place.name());
            topic.one(everybody, Some(Code::KeyRefused), &file, &title, |d| place.take(d, key.clone()));
        }
    }
    // Of these the RFCs print the public half alone.
    for (name, source, x, y) in [
        (
            "rfc7518-alice",
            "RFC 7518, C, Alice",
            "gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0",
            "SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps",
        ),
        (
            "rfc7518-bob",
            "RFC 7518, C, Bob",
            "weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",
            "e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck",
        ),
        (
            "rfc7520",
            "RFC 7520, 5.5",
            "Ze2loSV3wrroKUN_4zhwGhCqo3Xhu1td4QjeQ5wIVR0",
            "HlLtdXARY_f55A3fnzQbPcm6hgr34Mp8p-nuzQCE0Zw",
        ),
        (
            "rfc7800",
            "RFC 7800, 3.2",
            "18wHLeIgW9wVN6VD1Txgpqy2LszYkMf6J8njVAibvhM",
            "-V4dS4UaLMgP_4fY4j8ir7cl1TXlFdAgcx55o7TkcSA",
        ),
        (
            "rfc9449",
            "RFC 9449, 4.1",
            "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
            "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
        ),
    ] {
        let jwk = ec(x, y);
        jwks(topic, everybody, name, &format!("is printed in {source}"), &jwk);
    }
    let x = "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE";
    jwks(topic, everybody, "rfc8410", "is printed in RFC 8410, 10", &okp(x));
}

fn ec(x: &str, y: &str) -> String {
    format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#)
}

fn okp(x: &str) -> String {
    format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#)
}

/// Public keys of small order, each with a signature that satisfies the plain equation.
fn weak(topic: &mut Topic<'_>) {
    let forgeable = rule("V4.2", "anybody signs without any private key");
    let (canonical, lax) = keys::small_order_points();
    let canonical = canonical.into_iter().map(|key| (key, "small-order", "is a point of small order"));
    let lax = lax
        .into_iter()
        .map(|key| (key, "not-canonical", "is a point of small order, not canonically encoded"));
    for (number, (key, name, title)) in canonical.chain(lax).enumerate() {
        for place in Place::BOTH {
            let file = format!("{}-{name}-{}", place.name(), number + 1);
            let title = format!("the {} key: {title}", place.name());
            topic.one(forgeable, Some(Code::KeyRefused), &file, &title, |d| place.take(d, Key::Weak(key)));
        }
    }
    let two =
        rule("V4.2", "one key has two thumbprints: it can be revoked under one and used under the other");
    let unreduced = unreduced_ed25519_point();
    let title = "is an Ed25519 point of large order whose y is not below the prime";
    jwks(topic, two, "ed25519-unreduced", title, &okp(&base64url(&unreduced)));
}

/// p + y, for a small y that a point has: two spellings in 255 bits of one coordinate.
fn unreduced_ed25519_point() -> [u8; 32] {
    for y in 2..19 {
        let mut reduced = [0; 32];
        reduced[0] = y;
        if ed25519_dalek::VerifyingKey::from_bytes(&reduced).is_ok_and(|key| !key.is_weak()) {
            let mut bytes = [0xff; 32];
            (bytes[0], bytes[31]) = (0xed + y, 0x7f);
            return bytes;
        }
    }
    unreachable!("about half of these are points")
}
