//! Stage 1, V1.7: the parameters of `Signature-Input`.

use envelope_core::Code;
use envelope_test_vectors::Vector;

use super::super::draft::NOW;
use super::super::{Topic, rule};

pub(super) fn fill(all: &mut Vec<Vector>) {
    let mut topic = Topic::new("parameter", all);
    let missing = rule("V1.7", "a signature without time, nonce or key is good for ever, for everything");
    topic.refused(
        missing,
        Code::Malformed,
        &[
            ("no-created", "created is missing", |d| d.drop_parameter("created")),
            ("no-expires", "expires is missing", |d| d.drop_parameter("expires")),
            ("no-nonce", "nonce is missing", |d| d.drop_parameter("nonce")),
            ("no-keyid", "keyid is missing", |d| d.drop_parameter("keyid")),
        ],
    );
    let types = rule("V1.7", "a value of another type is compared in ways that nobody thought of");
    topic.refused(
        types,
        Code::Malformed,
        &[
            ("created-string", "created is a string", |d| d.set("created", format!("\"{NOW}\""))),
            ("created-decimal", "created is a decimal", |d| d.set("created", format!("{NOW}.0"))),
            ("created-date", "created is a date", |d| d.set("created", format!("@{NOW}"))),
            ("created-token", "created is a token", |d| d.set("created", "now")),
            ("created-negative", "created is negative", |d| d.set("created", format!("-{NOW}"))),
            ("created-plus", "created has a plus sign", |d| d.set("created", format!("+{NOW}"))),
            ("created-leading-zero", "created has a leading zero", |d| d.set("created", format!("0{NOW}"))),
            ("created-16-digits", "created has 16 digits", |d| d.set("created", "1000000000000000")),
            ("created-negative-zero", "created is minus zero", |d| d.set("created", "-0")),
            ("created-bytes", "created is a byte sequence", |d| d.set("created", ":AAAA:")),
            ("created-true", "created has no value", |d| d.set("created", "")),
            ("expires-string", "expires is a string", |d| d.set("expires", format!("\"{}\"", NOW + 60))),
            ("expires-decimal", "expires is a decimal", |d| d.set("expires", format!("{}.5", NOW + 60))),
            ("expires-leading-zero", "expires has a leading zero", |d| {
                d.set("expires", format!("0{}", NOW + 60))
            }),
            ("expires-false", "expires is a boolean", |d| d.set("expires", "?0")),
            ("nonce-token", "nonce is a token", |d| d.set("nonce", "abcdefghijklmnopqrstuvwx")),
            ("nonce-bytes", "nonce is a byte sequence", |d| d.set("nonce", ":AAAAAAAAAAAAAAAAAAAAAAAA:")),
            ("nonce-integer", "nonce is an integer", |d| d.set("nonce", "123456789012345")),
            ("keyid-token", "keyid is a token", |d| {
                let keyid = format!("a{}", d.key.thumbprint());
                d.set("keyid", keyid);
            }),
            ("keyid-integer", "keyid is an integer", |d| d.set("keyid", "1")),
            ("alg-token", "alg is a token", |d| d.set("alg", "ed25519")),
            ("alg-true", "alg has no value", |d| d.set("alg", "")),
        ],
    );
    let range = rule("V1.7", "a nonce that can be guessed or a time without sense: copies are let through");
    topic.refused(
        range,
        Code::Malformed,
        &[
            ("expires-before-created", "expires lies one second before created", |d| d.times(NOW, NOW - 1)),
            ("nonce-21", "nonce has 21 characters", |d| d.set("nonce", format!("\"{}\"", "n".repeat(21)))),
            ("nonce-257", "nonce has 257 characters", |d| d.set("nonce", format!("\"{}\"", "n".repeat(257)))),
            ("nonce-empty", "nonce is empty", |d| d.set("nonce", "\"\"")),
            ("keyid-257", "keyid has 257 characters", |d| d.set("keyid", format!("\"{}\"", "k".repeat(257)))),
        ],
    );
    topic.valid(
        range.honest(),
        &[
            ("expires-is-created", "expires is created: good for one second", |d| d.times(NOW, NOW)),
            ("nonce-22", "nonce has 22 characters", |d| d.set("nonce", format!("\"{}\"", "n".repeat(22)))),
            ("nonce-256", "nonce has 256 characters", |d| d.set("nonce", format!("\"{}\"", "n".repeat(256)))),
        ],
    );
    let unknown = rule("V1.7", "the signer means something by it that the verifier passes over");
    topic.refused(
        unknown,
        Code::Malformed,
        &[
            ("unknown", "there is a parameter that the profile does not know", |d| {
                d.add("context", "\"pack\"")
            }),
            ("unknown-true", "there is a parameter without value that the profile does not know", |d| {
                d.add("strict", "")
            }),
        ],
    );
}
