//! Requests that are valid as a whole: what an implementation must take.

use envelope_core::Algorithm::{Ed25519, P256};
use envelope_test_vectors::Vector;

use super::super::{Topic, rule};

const LOCKED_OUT: &str = "an honest caller is locked out";

pub(super) fn fill(all: &mut Vec<Vector>) {
    let mut topic = Topic::new("whole", all);
    topic.valid(
        rule("V5.1", LOCKED_OUT),
        &[
            ("example", "the example of the spec: POST with body and query, Ed25519 keys", |_| {}),
            ("p256", "both keys are P-256", |d| d.algorithms(P256, P256)),
            ("no-query", "there is no query: @query is a lone question mark", |d| {
                d.target = "/api/pack/p1/agent".into()
            }),
            ("every-listed-field", "each field that must be covered is there", |d| {
                d.header("Authorization", "Bearer abc");
                d.header("Idempotency-Key", "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"");
                d.header("Mcp-Session-Id", "s1");
                d.header("Mcp-Protocol-Version", "2025-06-18");
            }),
            ("empty-field", "a covered field has an empty value", |d| {
                d.header("X-Empty", "");
                d.cover("\"x-empty\"");
            }),
            ("component-order", "the components come in another order", |d| {
                let order = [
                    "content-digest",
                    "@query",
                    "signature-key",
                    "@path",
                    "content-type",
                    "@authority",
                    "@method",
                ];
                d.components = Some(order.map(super::super::draft::quoted).into());
            }),
            ("parameter-order", "the parameters come in another order", |d| d.parameters.reverse()),
            ("label", "the label is not sig", |d| d.label = "*my_label-1.x*".into()),
            ("method", "a method that few know", |d| d.method = "M-SEARCH".into()),
        ],
    );
    topic.valid(
        rule("V1.3", LOCKED_OUT),
        &[("field-on-two-lines", "a covered field is on two lines, which a comma and a space join", |d| {
            d.header("X-Tag", " one ");
            d.header("x-tag", "two\t");
            d.cover("\"x-tag\"");
        })],
    );
    topic.valid(
        rule("V2.2", LOCKED_OUT),
        &[("another-field", "a field that need not be covered is", |d| {
            d.header("X-Request-Id", "42");
            d.cover("\"x-request-id\"");
        })],
    );
    topic.valid(
        rule("V2.5", LOCKED_OUT),
        &[("uncovered-field", "a field that is not covered may hold anything", |d| {
            d.header("X-Note", "caf\u{e9}")
        })],
    );
    topic.valid(
        rule("V4.3", LOCKED_OUT),
        &[
            ("p256-call-key", "an Ed25519 identity certifies a P-256 call key", |d| {
                d.algorithms(Ed25519, P256)
            }),
            ("p256-identity", "a P-256 identity certifies an Ed25519 call key", |d| {
                d.algorithms(P256, Ed25519)
            }),
        ],
    );
    topic.valid(
        rule("V4.12", LOCKED_OUT),
        &[("registered", "the call key is registered, and there is no Signature-Key", |d| d.register())],
    );
    topic.valid(
        rule("V4.13", LOCKED_OUT),
        &[("registered-p256", "the registered call key is P-256", |d| {
            d.algorithms(P256, P256);
            d.register();
        })],
    );
    topic.valid(
        rule("V4.15", LOCKED_OUT),
        &[
            ("alg-ed25519", "alg names the algorithm of the key", |d| d.set("alg", "\"ed25519\"")),
            ("alg-p256", "alg names the algorithm of the P-256 key", |d| {
                d.algorithms(P256, P256);
                d.set("alg", "\"ecdsa-p256-sha256\"");
            }),
        ],
    );
    topic.valid(
        rule("V6.2", LOCKED_OUT),
        &[
            ("get", "GET without a body", |d| d.get()),
            ("get-p256", "GET without a body, P-256 keys", |d| {
                d.algorithms(P256, P256);
                d.get();
            }),
        ],
    );
    topic.valid(
        rule("3.5", "a string is compared as written and not as read: honest callers are locked out"),
        &[("nonce-with-escapes", "the nonce holds both escapes that a string has", |d| {
            d.set("nonce", r#""abc\"def\\ghi jkl(mno);p=q""#);
        })],
    );
}
