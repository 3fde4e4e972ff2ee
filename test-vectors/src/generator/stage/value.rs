//! Stage 1, V1.5: the values of `Signature`, `Signature-Key` and `Content-Digest`.

use base64ct::{Base64, Base64Url, Encoding};
use envelope_core::Code;
use envelope_test_vectors::Vector;

use super::super::draft::{Draft, sha512};
use super::super::{Topic, rule};
use super::field::SIGNATURE;

pub(super) fn fill(all: &mut Vec<Vector>) {
    let mut topic = Topic::new("field", all);
    signatures(&mut topic);
    signature_keys(&mut topic);
    digests(&mut topic);
}

/// Another spelling of the base64 in `Signature`.
fn respell_base64(draft: &mut Draft, respell: fn(Vec<u8>, &str) -> String) {
    draft.tamper_field(SIGNATURE, move |value| {
        let encoded = value.trim_start_matches("sig=").trim_matches(':');
        format!("sig=:{}:", respell(Base64::decode_vec(encoded).unwrap(), encoded))
    });
}

fn signatures(topic: &mut Topic<'_>) {
    let base64 = rule(
        "V1.5",
        "one signature has many spellings: logs and caches that compare them are blind to copies",
    );
    topic.refused(
        base64,
        Code::Malformed,
        &[
            ("base64-no-padding", "the signature is not padded", |d| {
                respell_base64(d, |_, encoded| encoded.trim_end_matches('=').into());
            }),
            ("base64-more-padding", "the signature is padded too much", |d| {
                respell_base64(d, |_, encoded| format!("{encoded}=="));
            }),
            ("base64-url-alphabet", "the signature is in the alphabet of base64url", |d| {
                respell_base64(d, |mut bytes, _| {
                    bytes[..3].copy_from_slice(&[0xfb, 0xff, 0xbf]);
                    Base64Url::encode_string(&bytes)
                });
            }),
            ("base64-trailing-bits", "the last character of the signature has bits that are dropped", |d| {
                respell_base64(d, |_, encoded| {
                    let last = encoded.trim_end_matches('=').chars().last().unwrap();
                    let next = char::from(u8::try_from(u32::from(last)).unwrap() + 1);
                    format!("{}{next}==", &encoded[..85])
                });
            }),
            ("base64-space", "the signature holds a space", |d| {
                respell_base64(d, |_, encoded| encoded.replacen(&encoded[4..5], " ", 1));
            }),
            ("base64-line-end", "a space follows the signature in its colons", |d| {
                respell_base64(d, |_, encoded| format!("{encoded} "));
            }),
        ],
    );
    let length = rule("V1.5", "a signature of another length reaches the code that verifies it");
    topic.refused(
        length,
        Code::Malformed,
        &[
            ("signature-63", "the signature has 63 bytes", |d| {
                respell_base64(d, |bytes, _| Base64::encode_string(&bytes[..63]));
            }),
            ("signature-65", "the signature has 65 bytes", |d| {
                respell_base64(d, |mut bytes, _| {
                    bytes.push(0);
                    Base64::encode_string(&bytes)
                });
            }),
            ("signature-empty", "the signature has no bytes", |d| respell_base64(d, |_, _| String::new())),
            ("signature-string", "the signature is a string", |d| {
                d.tamper_field(SIGNATURE, |value| value.replace(':', "\""));
            }),
            ("signature-true", "the signature is a boolean", |d| d.tamper_field(SIGNATURE, |_| "sig".into())),
            ("signature-open", "the signature does not end", |d| {
                d.tamper_field(SIGNATURE, |value| value.trim_end_matches(':').into());
            }),
            ("signature-parameter", "the signature has a parameter", |d| {
                d.tamper_field(SIGNATURE, |value| format!("{value};a=1"));
            }),
            ("signature-list", "the signature stands in a list", |d| {
                d.tamper_field(SIGNATURE, |value| format!("{})", value.replace("=:", "=(:")));
            }),
        ],
    );
}

fn signature_keys(topic: &mut Topic<'_>) {
    let shape = rule("V1.5", "what one reader takes for a parameter of the key, another takes for nothing");
    topic.refused(
        shape,
        Code::Malformed,
        &[
            ("key-parameter", "Signature-Key has one parameter more", |d| {
                d.scheme = Some(format!("jkt-jwt;jwt=\"{}\";a=1", d.certificate().to_jws()));
            }),
            ("key-parameter-before", "Signature-Key has one parameter more, before jwt", |d| {
                d.scheme = Some(format!("jkt-jwt;a;jwt=\"{}\"", d.certificate().to_jws()));
            }),
            ("key-no-jwt", "the scheme jkt-jwt has no jwt", |d| d.scheme = Some("jkt-jwt".into())),
            ("key-other-name", "the certificate is in a parameter of another name", |d| {
                d.scheme = Some(format!("jkt-jwt;jws=\"{}\"", d.certificate().to_jws()));
            }),
            ("key-jwt-true", "jwt has no value", |d| d.scheme = Some("jkt-jwt;jwt".into())),
            ("key-jwt-token", "jwt is a token", |d| {
                d.scheme = Some(format!("jkt-jwt;jwt={}", d.certificate().to_jws()));
            }),
            ("key-jwt-bytes", "jwt is a byte sequence", |d| {
                let bytes = Base64::encode_string(d.certificate().to_jws().as_bytes());
                d.scheme = Some(format!("jkt-jwt;jwt=:{bytes}:"));
            }),
            ("key-scheme-string", "the scheme is a string", |d| {
                d.scheme = Some(format!("\"jkt-jwt\";jwt=\"{}\"", d.certificate().to_jws()));
            }),
            ("key-scheme-empty", "there is no scheme", |d| {
                d.scheme = Some(format!(";jwt=\"{}\"", d.certificate().to_jws()));
            }),
            ("key-scheme-list", "the scheme stands in a list", |d| {
                d.scheme = Some(format!("(jkt-jwt);jwt=\"{}\"", d.certificate().to_jws()));
            }),
        ],
    );
}

fn digests(topic: &mut Topic<'_>) {
    let spelling = rule("V1.5", "a digest that a lax reader skips protects no body");
    topic.refused(
        spelling,
        Code::Malformed,
        &[
            ("digest-empty", "Content-Digest is empty", |d| d.digest = Some(String::new())),
            ("digest-true", "the digest has no value", |d| d.digest = Some("sha-256".into())),
            ("digest-string", "the digest is a string", |d| {
                respell_digest(d, |value| value.replace(':', "\""))
            }),
            ("digest-token", "the digest is a token", |d| respell_digest(d, |_| "sha-256=abc".into())),
            ("digest-parameter", "the digest has a parameter", |d| {
                respell_digest(d, |value| format!("{value};a"))
            }),
            ("digest-upper-case", "the algorithm is in upper case", |d| {
                respell_digest(d, |value| value.replace("sha", "SHA"));
            }),
            ("digest-no-padding", "the digest is not padded", |d| {
                respell_digest(d, |value| format!("{}:", value.trim_end_matches("=:")))
            }),
            ("digest-trailing-bits", "the last character of the digest has bits that are dropped", |d| {
                d.digest = Some(format!("sha-256=:{}B=:", "A".repeat(42)));
            }),
            ("digest-url-alphabet", "the digest is in the alphabet of base64url", |d| {
                d.digest = Some(format!("sha-256=:-_{}=:", "A".repeat(41)));
            }),
            ("digest-31", "the sha-256 digest has 31 bytes", |d| {
                d.digest = Some(format!("sha-256=:{}:", Base64::encode_string(&[0; 31])));
            }),
            ("digest-33", "the sha-256 digest has 33 bytes", |d| {
                d.digest = Some(format!("sha-256=:{}:", Base64::encode_string(&[0; 33])));
            }),
            ("digest-sha-512-32", "the sha-512 digest has 32 bytes", |d| {
                respell_digest(d, |value| value.replace("256", "512"));
            }),
            ("digest-comma", "no space follows the comma between two digests", |d| {
                respell_digest(d, |value| format!("{value},{}", sha512(b"")));
            }),
            ("digest-two-spaces", "two spaces follow the comma between two digests", |d| {
                respell_digest(d, |value| format!("{value},  {}", sha512(b"")));
            }),
            ("digest-trailing-comma", "Content-Digest ends with a comma", |d| {
                respell_digest(d, |value| format!("{value},"));
            }),
            ("digest-unknown-malformed", "a digest of an unknown algorithm is no byte sequence", |d| {
                respell_digest(d, |value| format!("{value}, md5=1"));
            }),
        ],
    );
}

pub(super) fn respell_digest(draft: &mut Draft, respell: fn(String) -> String) {
    draft.digest = draft.digest.take().map(respell);
}
