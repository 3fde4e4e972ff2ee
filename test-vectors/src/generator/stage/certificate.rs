//! Stage 4, V4.1, V4.3 and V4.10: the certificate as a JWS.

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use envelope_core::Algorithm::{Ed25519, P256};
use envelope_core::Code;
use envelope_test_vectors::Vector;

use super::super::certificate::Draft as Certificate;
use super::super::draft::{Draft, NOW, quoted};
use super::super::keys::{self, Key, base64url};
use super::super::{Topic, rule};

pub(super) fn fill(all: &mut Vec<Vector>) {
    let mut topic = Topic::new("certificate", all);
    schemes(&mut topic);
    spelling(&mut topic);
    headers(&mut topic);
    signatures(&mut topic);
}

pub(super) fn header(draft: &mut Draft, name: &str, json: &str) {
    draft.certificate().header.set(name, json);
}

pub(super) fn claim(draft: &mut Draft, name: &str, json: &str) {
    draft.certificate().claims.set(name, json);
}

fn schemes(topic: &mut Topic<'_>) {
    let scheme = rule("V4.1", "a key that nobody vouches for signs");
    for (name, scheme_value) in [
        ("jwt", "jwt;jwt=\"e30.e30.AAAA\""),
        ("hwk", "hwk;kty=\"OKP\";crv=\"Ed25519\";x=\"JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs\""),
        ("jwks-uri", "jwks_uri;id=\"https://issuer.example\";kid=\"1\""),
        ("bytes", "x509;x5c=:MIIB:"),
        ("other-parameters", "other;a=-1;b=2.5;c=?0;d;e=f"),
    ] {
        let title = format!("Signature-Key has another scheme: {scheme_value}");
        topic.one(scheme, Some(Code::CertificateInvalid), &format!("scheme-{name}"), &title, |d| {
            d.scheme = Some(scheme_value.into());
        });
    }
    topic.refused(
        scheme,
        Code::CertificateInvalid,
        &[
            ("scheme-renamed", "a certificate that is right stands under another scheme", |d| {
                rename_scheme(d, "jwt")
            }),
            ("scheme-upper-case", "a certificate that is right stands under the scheme in upper case", |d| {
                rename_scheme(d, "JKT-JWT");
            }),
            ("scheme-longer", "a certificate that is right stands under a longer scheme", |d| {
                rename_scheme(d, "jkt-jwt2")
            }),
        ],
    );
}

/// So many lists in one another.
pub(super) fn levels(count: usize) -> String {
    format!("{}{}", "[".repeat(count), "]".repeat(count))
}

/// Another scheme, around a certificate that is right.
fn rename_scheme(draft: &mut Draft, scheme: &str) {
    draft.scheme = Some(format!("{scheme};jwt=\"{}\"", draft.certificate().to_jws()));
}

fn spelling(topic: &mut Topic<'_>) {
    let compact =
        rule("V4.1", "a certificate that two readers read in two ways: revocation and audit miss it");
    topic.refused(
        compact,
        Code::CertificateInvalid,
        &[
            ("two-parts", "the JWS has two parts", |d| {
                d.certificate().tamper = |jws| jws.rsplit_once('.').unwrap().0.into();
            }),
            ("one-part", "the JWS has one part", |d| d.certificate().tamper = |jws| jws.replace('.', "")),
            ("four-parts", "the JWS has four parts", |d| {
                d.certificate().tamper = |jws| format!("{jws}.AAAA")
            }),
            ("four-parts-empty", "the JWS has four parts, of which one is empty", |d| {
                d.certificate().tamper = |jws| jws.replacen('.', "..", 1);
            }),
            ("empty", "the JWS is empty", |d| d.certificate().tamper = |_| String::new()),
            ("dots", "the JWS is two dots", |d| d.certificate().tamper = |_| "..".into()),
            ("detached", "the claims are detached", |d| {
                d.certificate().tamper = |jws| {
                    let parts: Vec<&str> = jws.split('.').collect();
                    format!("{}..{}", parts[0], parts[2])
                };
            }),
            ("padding", "the signature of the JWS is padded", |d| {
                d.certificate().tamper = |jws| format!("{jws}==")
            }),
            ("standard-alphabet", "the signature of the JWS is in the standard alphabet", |d| {
                d.certificate().tamper = |jws| {
                    let (input, _) = jws.rsplit_once('.').unwrap();
                    format!("{input}.{}", Base64::encode_string(&[0xff; 64]).trim_end_matches('='))
                };
            }),
            ("trailing-bits", "the last character of the JWS has bits that are dropped", |d| {
                d.certificate().tamper = |jws| {
                    let last = jws.chars().last().unwrap();
                    let next = char::from(u8::try_from(u32::from(last)).unwrap() + 1);
                    format!("{}{next}", &jws[..jws.len() - 1])
                };
            }),
            ("signature-63", "the signature of the JWS has 63 bytes", |d| {
                d.certificate().sign = |key, input| key.sign(input)[..63].into();
            }),
            ("signature-63-zero", "the signature of the JWS lacks its last byte, which is zero", |d| {
                let ends_with_zero = |jws: &str| {
                    let signature = jws.rsplit_once('.').unwrap().1;
                    Base64UrlUnpadded::decode_vec(signature).unwrap().ends_with(&[0])
                };
                for number in 0.. {
                    claim(d, "jti", &format!("\"{number}\""));
                    if ends_with_zero(&d.certificate().to_jws()) {
                        break;
                    }
                }
                d.certificate().sign = |key, input| key.sign(input)[..63].into();
            }),
            ("signature-65", "the signature of the JWS has 65 bytes", |d| {
                d.certificate().sign = |key, input| [key.sign(input), vec![0]].concat();
            }),
            ("signature-empty", "the signature of the JWS is empty", |d| {
                d.certificate().sign = |_, _| Vec::new()
            }),
            ("header-padding", "the header of the JWS is padded", |d| {
                d.certificate().respell_header = |json| {
                    let spaces = " ".repeat(3 - (json.len() + 2) % 3);
                    format!("{json}{spaces}").into_bytes()
                };
                d.certificate().tamper = |jws| jws.replacen('.', "==.", 1);
            }),
            ("header-not-json", "the header is not JSON", |d| {
                d.certificate().respell_header = |_| b"typ".into()
            }),
            ("header-array", "the header is an array", |d| {
                d.certificate().respell_header = |json| format!("[{json}]").into_bytes();
            }),
            ("header-byte-order-mark", "the header starts with a byte order mark", |d| {
                d.certificate().respell_header = |json| format!("\u{feff}{json}").into_bytes();
            }),
            ("claims-not-json", "the claims are not JSON", |d| {
                d.certificate().respell_claims = |json| json.replace('"', "'").into_bytes();
            }),
            ("claims-string", "the claims are a string", |d| {
                d.certificate().respell_claims = |_| b"\"claims\"".into()
            }),
            ("claims-trailing", "something follows the claims", |d| {
                d.certificate().respell_claims = |json| format!("{json}{{}}").into_bytes();
            }),
            ("claims-comma", "a comma follows the last claim", |d| {
                d.certificate().respell_claims = |json| json.replace("}}}", "}},}").into_bytes();
            }),
            ("claims-not-utf-8", "the claims are not UTF-8", |d| {
                claim(d, "note", "\"?\"");
                d.certificate().respell_claims = |json| {
                    json.into_bytes().into_iter().map(|byte| if byte == b'?' { 0xff } else { byte }).collect()
                };
            }),
            ("claims-lone-surrogate", "a string of the claims holds half a character", |d| {
                claim(d, "note", "\"\\ud800\"")
            }),
            ("claims-257", "an object of the claims has 257 members", |d| {
                let members: Vec<String> = (0..257).map(|number| format!("\"{number}\":0")).collect();
                claim(d, "note", &format!("{{{}}}", members.join(",")));
            }),
            ("claims-33-levels", "the claims have 33 levels", |d| claim(d, "note", &levels(32))),
            ("claims-control", "a string of the claims holds a control byte", |d| {
                claim(d, "note", "\"a\u{1}\"")
            }),
        ],
    );
    let twice = rule("V4.1", "of two members one is verified and the other is used");
    topic.refused(
        twice,
        Code::CertificateInvalid,
        &[
            ("twice-header", "a header member is there twice", |d| {
                d.certificate().header.add("typ", "\"jkt-s256+jwt\"");
            }),
            ("twice-alg", "alg is there twice, and the first is none", |d| {
                header(d, "alg", "\"none\"");
                d.certificate().header.add("alg", "\"Ed25519\"");
            }),
            ("twice-exp", "exp is there twice", |d| {
                d.certificate().claims.add("exp", (NOW + 600).to_string())
            }),
            ("twice-claim-escaped", "a claim is there twice, once with an escape in its name", |d| {
                d.certificate().claims.add("e\\u0078p", (NOW + 600).to_string());
            }),
            ("twice-ignored", "a claim that is ignored is there twice", |d| {
                d.certificate().claims.add("note", "1");
                d.certificate().claims.add("note", "1");
            }),
            ("twice-jwk-x", "x is twice in the jwk of the header", |d| {
                let jwk = d.certificate().issuer.jwk().replace("\"kty\"", "\"x\":\"AA\",\"kty\"");
                header(d, "jwk", &jwk);
            }),
            ("twice-cnf-x", "x is twice in cnf.jwk", |d| {
                let jwk = d.key.jwk().replace("\"kty\"", "\"x\":\"AA\",\"kty\"");
                d.certificate().confirm(&jwk);
            }),
            ("twice-deep", "a member is twice in an object in an array in a claim that is ignored", |d| {
                claim(d, "note", r#"[{"a":[{"b":1,"b":1}]}]"#);
            }),
        ],
    );
}

fn headers(topic: &mut Topic<'_>) {
    let typ = rule("V4.1", "a token that was made for something else is taken for a certificate");
    topic.refused(
        typ,
        Code::CertificateInvalid,
        &[
            ("typ-missing", "typ is missing", |d| d.certificate().header.remove("typ")),
            ("typ-jwt", "typ is JWT", |d| header(d, "typ", "\"JWT\"")),
            ("typ-upper-case", "typ is in upper case", |d| header(d, "typ", "\"JKT-S256+JWT\"")),
            ("typ-media-type", "typ is a whole media type", |d| {
                header(d, "typ", "\"application/jkt-s256+jwt\"")
            }),
            ("typ-number", "typ is a number", |d| header(d, "typ", "1")),
            ("crit", "there is a crit", |d| header(d, "crit", "[\"exp\"]")),
            ("crit-empty", "there is an empty crit", |d| header(d, "crit", "[]")),
            ("crit-null", "there is a crit that is null", |d| header(d, "crit", "null")),
        ],
    );
    let alg = rule("V4.1", "whoever writes a certificate chooses how it is verified, or that it is not");
    topic.refused(
        alg,
        Code::CertificateInvalid,
        &[
            ("alg-none", "alg is none, and the signature is empty", |d| {
                header(d, "alg", "\"none\"");
                d.certificate().sign = |_, _| Vec::new();
            }),
            ("alg-none-signed", "alg is none, and there is a signature", |d| header(d, "alg", "\"none\"")),
            ("alg-hs256", "alg is HS256, with the public key as secret", |d| header(d, "alg", "\"HS256\"")),
            ("alg-rs256", "alg is RS256", |d| header(d, "alg", "\"RS256\"")),
            ("alg-lower-case", "alg is in lower case", |d| header(d, "alg", "\"ed25519\"")),
            ("alg-missing", "alg is missing", |d| d.certificate().header.remove("alg")),
            ("alg-list", "alg is a list", |d| header(d, "alg", "[\"Ed25519\"]")),
        ],
    );
    let jwk = rule("V4.1", "a certificate without a key is verified with a key from elsewhere");
    topic.refused(
        jwk,
        Code::CertificateInvalid,
        &[
            ("jwk-missing", "the header has no jwk", |d| d.certificate().header.remove("jwk")),
            ("jwk-elsewhere", "the header names the key by kid alone", |d| {
                let kid = quoted(&d.certificate().issuer.thumbprint());
                d.certificate().header.remove("jwk");
                header(d, "kid", &kid);
            }),
            ("cnf-missing", "cnf is missing", |d| d.certificate().claims.remove("cnf")),
            ("cnf-string", "cnf is a string", |d| claim(d, "cnf", "\"key\"")),
            ("cnf-empty", "cnf has no jwk", |d| claim(d, "cnf", "{}")),
            ("cnf-jkt", "cnf names the key by thumbprint alone", |d| {
                let cnf = format!("{{\"jkt\":\"{}\"}}", d.key.thumbprint());
                claim(d, "cnf", &cnf);
            }),
        ],
    );
    let mismatch = rule("V4.3", "the message chooses the algorithm of the key");
    topic.refused(
        mismatch,
        Code::AlgorithmMismatch,
        &[
            ("alg-es256-of-ed25519", "alg is ES256, and jwk is an Ed25519 key", |d| {
                header(d, "alg", "\"ES256\"")
            }),
            ("alg-ed25519-of-p256", "alg is Ed25519, and jwk is a P-256 key", |d| {
                d.algorithms(P256, Ed25519);
                header(d, "alg", "\"Ed25519\"");
            }),
            ("alg-eddsa-of-p256", "alg is EdDSA, and jwk is a P-256 key", |d| {
                d.algorithms(P256, Ed25519);
                header(d, "alg", "\"EdDSA\"");
            }),
        ],
    );
}

fn signatures(topic: &mut Topic<'_>) {
    let signature = rule("V4.10", "anybody writes certificates in the name of anybody");
    topic.refused(
        signature,
        Code::CertificateInvalid,
        &[
            ("signed-by-call-key", "the call key has signed the certificate", |d| {
                d.certificate().signer = Some(Key::ed25519("alice call"));
            }),
            ("signed-by-stranger", "a stranger has signed the certificate", |d| {
                d.certificate().signer = Some(Key::ed25519("mallory identity"));
            }),
            ("signed-by-stranger-p256", "a stranger has signed the P-256 certificate", |d| {
                d.algorithms(P256, P256);
                d.certificate().signer = Some(Key::p256("mallory identity"));
            }),
            ("zero-signature", "the signature of the certificate is zero", |d| {
                d.certificate().sign = |_, _| vec![0; 64];
            }),
            ("claims-changed", "exp was changed after the certificate was signed", |d| {
                d.certificate().tamper = |jws| change_claims(&jws, "exp", &(NOW + 901).to_string());
            }),
            ("call-key-changed", "cnf was changed after the certificate was signed", |d| {
                let certificate = d.certificate.take().unwrap();
                let mallory = Key::ed25519("mallory call");
                let mut forged = Certificate::new(certificate.issuer, &mallory);
                forged.sign = |key, _| {
                    let call_key = Key::ed25519("alice call");
                    let jws = Certificate::new(key.clone(), &call_key).to_jws();
                    Base64UrlUnpadded::decode_vec(jws.rsplit_once('.').unwrap().1).unwrap()
                };
                d.set("keyid", quoted(&mallory.thumbprint()));
                d.key = mallory;
                d.certify(forged);
            }),
            ("header-changed", "the header was written anew after the certificate was signed", |d| {
                d.certificate().tamper = |jws| {
                    let (header, rest) = jws.split_once('.').unwrap();
                    let json = Base64UrlUnpadded::decode_vec(header).unwrap();
                    format!("{}.{rest}", base64url(&[&json[..], b" "].concat()))
                };
            }),
            ("s-plus-order", "the Ed25519 signature of the certificate has s + L", |d| {
                d.certificate().sign = keys::sign_s_plus_order;
            }),
            ("small-order-r", "R of the certificate's signature is of small order", |d| {
                d.certificate().sign = keys::sign_small_order_r;
            }),
        ],
    );
    topic.valid(
        rule("V4.10", "an honest caller is locked out"),
        &[("high-s", "the P-256 signature of the certificate has the high s", |d| {
            d.algorithms(P256, Ed25519);
            d.certificate().sign = keys::sign_high_s;
        })],
    );
}

/// Sets a number among the claims of a signed certificate.
fn change_claims(jws: &str, name: &str, number: &str) -> String {
    let parts: Vec<&str> = jws.split('.').collect();
    let json = String::from_utf8(Base64UrlUnpadded::decode_vec(parts[1]).unwrap()).unwrap();
    let (before, after) = json.split_once(&format!("\"{name}\":")).unwrap();
    let rest = after.trim_start_matches(|digit: char| digit.is_ascii_digit());
    format!(
        "{}.{}.{}",
        parts[0],
        base64url(format!("{before}\"{name}\":{number}{rest}").as_bytes()),
        parts[2]
    )
}
