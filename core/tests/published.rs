//! RFC 9421 appendix B: its bases come out of the writer byte for byte, and its messages are no envelopes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use base64ct::{Base64, Encoding};
use envelope_core::{
    Authorities, BaseWriter, Code, Envelope, Field, Refusal, Request, SignatureBase, TrustList, Verifier,
};
use serde_json::Value;

/// The facts of the appendix; `about` in the file says what they are.
fn appendix() -> Value {
    let path = envelope_test_vectors::root().join("published/rfc9421-appendix-b.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn case(section: &str) -> Value {
    let appendix = appendix();
    appendix["cases"].as_array().unwrap().iter().find(|case| case["section"] == section).unwrap().clone()
}

fn base(case: &Value) -> String {
    let lines: Vec<&str> =
        case["base"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    lines.join("\n")
}

/// The value of the `Signature-Input` member of a case.
fn parameters(case: &Value) -> String {
    base(case).rsplit_once("\"@signature-params\": ").unwrap().1.to_owned()
}

/// The test request of the appendix.
fn fields() -> Vec<(String, String)> {
    let appendix = appendix();
    let headers = appendix["test-request"]["headers"].as_array().unwrap();
    headers.iter().map(|pair| (pair[0].as_str().unwrap().into(), pair[1].as_str().unwrap().into())).collect()
}

#[test]
fn the_bases_come_out_of_the_writer() {
    let request: std::collections::HashMap<String, String> = fields().into_iter().collect();
    let mut writer = BaseWriter::new();
    writer.component("date", &request["date"]);
    writer.component("@method", "POST");
    writer.component("@path", "/foo");
    writer.component("@authority", "example.com");
    writer.component("content-type", &request["content-type"]);
    writer.component("content-length", &request["content-length"]);
    let ed25519 = case("B.2.6");
    assert_eq!(writer.finish(&parameters(&ed25519)), base(&ed25519));

    let mut writer = BaseWriter::new();
    writer.component("@status", "200");
    writer.component("content-type", "application/json");
    writer.component(
        "content-digest",
        "sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:",
    );
    writer.component("content-length", "23");
    let p256 = case("B.2.4");
    assert_eq!(writer.finish(&parameters(&p256)), base(&p256));

    let mut writer = BaseWriter::new();
    writer.component("date", &request["date"]);
    writer.component("@authority", "example.com");
    writer.component("content-type", &request["content-type"]);
    let hmac = case("B.2.5");
    assert_eq!(writer.finish(&parameters(&hmac)), base(&hmac));
}

/// The test request with the signature of a case, whose parameters go on with `more`.
fn refusal(section: &str, more: &str) -> Refusal {
    let case = case(section);
    let label = case["label"].as_str().unwrap();
    let mut fields = fields();
    fields.push(("Signature-Input".into(), format!("{label}={}{more}", parameters(&case))));
    fields.push(("Signature".into(), format!("{label}=:{}:", case["signature"].as_str().unwrap())));
    let fields: Vec<Field<'_>> =
        fields.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let request = Request::new("POST", "/foo?param=Value&Pet=dog", &fields);
    let authorities = Authorities::new(["example.com"]).unwrap();
    let now = envelope_core::Timestamp::from_unix(1_618_884_473);
    let refusal = Verifier::new(authorities.clone()).verify(&request, &TrustList::new(), now).unwrap_err();
    // The same refusal comes from the stage alone.
    match Envelope::parse(&request) {
        Err(parsed) => assert_eq!(parsed, refusal),
        Ok(envelope) => {
            assert_eq!(SignatureBase::build(&envelope, &request, &authorities).unwrap_err(), refusal);
        }
    }
    refusal
}

const TIMES: &str = ";expires=1618884500;nonce=\"b3k2pp5k7z-50gnwp.yemd\"";

#[test]
fn the_messages_are_no_envelopes() {
    // Without a nonce and without an end.
    assert_eq!(refusal("B.2.6", "").code(), Code::Malformed);
    assert_eq!(refusal("B.2.4", "").code(), Code::Malformed);
    assert_eq!(refusal("B.2.6", ";expires=1618884500").detail(), "nonce is missing");
    // With both: for another purpose than a call.
    assert_eq!(refusal("B.2.6", TIMES).code(), Code::TagRefused);
    assert_eq!(refusal("B.2.4", TIMES).code(), Code::TagRefused);
    // With the tag, too: what they cover is not enough, or not of a request.
    let tagged = format!("{TIMES};tag=\"envelope/1\"");
    assert_eq!(refusal("B.2.6", &tagged).code(), Code::NotCovered);
    assert_eq!(refusal("B.2.4", &tagged).code(), Code::ComponentRefused);
    // HMAC comes with 32 bytes.
    assert_eq!(refusal("B.2.5", &tagged).detail(), "the signature is not 64 bytes long");
}

#[test]
fn the_signatures_are_whole() {
    for section in ["B.2.4", "B.2.6"] {
        assert_eq!(Base64::decode_vec(case(section)["signature"].as_str().unwrap()).unwrap().len(), 64);
    }
}
