//! Stage 1, V1.1 to V1.4: the request itself.

use envelope_core::Code;
use envelope_test_vectors::Vector;

use super::super::draft::{Draft, quoted};
use super::super::{Topic, rule};

pub(super) fn fill(all: &mut Vec<Vector>) {
    let mut topic = Topic::new("parse", all);
    method_and_names(&mut topic);
    lengths(&mut topic);
    twice(&mut topic);
    underscores(&mut topic);
    let overrides = rule("V1.4", "the upstream does something else than the method that was signed");
    topic.refused(
        overrides,
        Code::Malformed,
        &[
            ("x-http-method-override", "a field overrides the method", |d| {
                cover_field(d, "X-HTTP-Method-Override", "DELETE")
            }),
            ("x-http-method", "a field overrides the method", |d| cover_field(d, "X-HTTP-Method", "DELETE")),
            ("x-method-override", "a field overrides the method", |d| {
                cover_field(d, "X-Method-Override", "DELETE")
            }),
            (
                "x-http-method-override-underscores",
                "a field overrides the method where - and _ are one",
                |d| {
                    cover_field(d, "X_HTTP_Method_Override", "DELETE");
                },
            ),
            ("x-http-method-underscore", "a field overrides the method where - and _ are one", |d| {
                cover_field(d, "x-http_method", "DELETE");
            }),
            ("x-original-url", "a field overrides the target", |d| {
                cover_field(d, "X-Original-URL", "/admin")
            }),
            ("x-rewrite-url", "a field overrides the target", |d| cover_field(d, "X-Rewrite-Url", "/admin")),
            ("override-not-covered", "a field that is not covered overrides the method", |d| {
                d.header("x-http-method-override", "DELETE");
            }),
        ],
    );
    topic.valid(
        overrides.honest(),
        &[("no-override", "fields with names that are much like those, and _ in others", |d| {
            d.header("X-HTTP-Method-Overrides", "DELETE");
            d.header("X-Original-Host", "other.example");
            d.header("X_Trace", "1");
            // Only _ stands for -, and only for that.
            d.header("Content.Type", "1");
            d.header("_ost", "1");
        })],
    );
}

/// Fields that CGI and its heirs take for one of those that may be there once.
fn underscores(topic: &mut Topic<'_>) {
    let twins = rule("V1.4", "the upstream takes the value of a field that nobody signed");
    for name in [
        "Content_Type",
        "content_digest",
        "Mcp_Session-Id",
        "mcp_protocol_version",
        "Idempotency_Key",
        "Signature_Input",
        "signature_key",
        "Content_Length",
        "Transfer_Encoding",
    ] {
        let file = format!("underscore-{}", name.to_ascii_lowercase().replace('_', "-"));
        let title = format!("{name} is there, which some servers take for the field with -");
        topic.one(twins, Some(Code::Malformed), &file, &title, |d| d.header(name, "1"));
    }
}

fn cover_field(draft: &mut Draft, name: &str, value: &str) {
    draft.header(name, value);
    draft.cover(&quoted(&name.to_ascii_lowercase()));
}

fn method_and_names(topic: &mut Topic<'_>) {
    let method = rule("V1.1", "verifier and upstream may take the method for two different ones");
    topic.refused(
        method,
        Code::Malformed,
        &[
            ("method-lower-case", "the method is in lower case", |d| d.method = "post".into()),
            ("method-mixed-case", "the method is in mixed case", |d| d.method = "Post".into()),
            ("method-digit", "the method holds a digit", |d| d.method = "POST1".into()),
            ("method-underscore", "the method holds an underscore", |d| d.method = "M_SEARCH".into()),
            ("method-connect", "the method is CONNECT, which sends no path", |d| d.method = "CONNECT".into()),
            ("method-empty", "the method is empty", |d| d.method = String::new()),
            ("method-33", "the method has 33 letters", |d| d.method = "A".repeat(33)),
        ],
    );
    topic
        .valid(method.honest(), &[("method-32", "the method has 32 letters", |d| d.method = "A".repeat(32))]);
    let names = rule("V1.1", "verifier and upstream may see two different sets of header fields");
    topic.refused(
        names,
        Code::Malformed,
        &[
            ("name-space", "a field name holds a space", |d| d.header("X Note", "1")),
            ("name-colon", "a field name holds a colon", |d| d.header("X:Note", "1")),
            ("name-empty", "a field name is empty", |d| d.header("", "1")),
            ("name-non-ascii", "a field name holds a byte above 0x7E", |d| d.header("X-N\u{f6}te", "1")),
            ("name-trailing-space", "a field name ends with a space", |d| d.header("Host ", "other.example")),
        ],
    );
}

fn lengths(topic: &mut Topic<'_>) {
    let limits = rule("V1.2", "a stranger makes the verifier work on input without bounds");
    topic.refused(
        limits,
        Code::TooLarge,
        &[
            ("signature-input-4097", "Signature-Input has 4097 bytes", |d| fill_signature_input(d, 4097)),
            ("signature-key-8193", "Signature-Key has 8193 bytes", |d| fill_signature_key(d, 8193)),
            ("content-digest-513", "Content-Digest has 513 bytes", |d| fill_content_digest(d, 513)),
            ("signature-257", "Signature has 257 bytes", |d| fill_signature(d, "si")),
            ("components-65", "there are 65 covered components", |d| fill_components(d, 65)),
            ("lines-257", "there are 257 header lines", |d| fill_lines(d, 257)),
        ],
    );
    topic.valid(
        limits.honest(),
        &[
            ("signature-input-4096", "Signature-Input has 4096 bytes", |d| fill_signature_input(d, 4096)),
            ("signature-key-8192", "Signature-Key has 8192 bytes", |d| fill_signature_key(d, 8192)),
            ("content-digest-512", "Content-Digest has 512 bytes", |d| fill_content_digest(d, 512)),
            ("components-64", "there are 64 covered components", |d| fill_components(d, 64)),
            ("lines-256", "there are 256 header lines", |d| fill_lines(d, 256)),
        ],
    );
    topic.refused(
        rule("V1.5", "a signature of another length reaches the code that verifies it"),
        Code::Malformed,
        &[("signature-256", "Signature has 256 bytes: not too large, but no signature", |d| {
            fill_signature(d, "s")
        })],
    );
}

/// Covers one more field, with a name of the length that is missing.
fn fill_signature_input(draft: &mut Draft, length: usize) {
    let now = draft.label.len() + "=".len() + draft.signature_params().len();
    let name = "x".repeat(length - now - " \"\"".len());
    draft.header(&name, "1");
    draft.cover(&quoted(&name));
}

/// Fills the certificate with a claim that is ignored, and the label with what base64 leaves open.
fn fill_signature_key(draft: &mut Draft, length: usize) {
    for pad in 0.. {
        draft.certificate().claims.set("pad", quoted(&"x".repeat(pad)));
        let rest = "=jkt-jwt;jwt=\"\"".len() + draft.certificate().to_jws().len();
        if rest + 8 > length {
            draft.label = "x".repeat(length - rest);
            return;
        }
    }
}

/// Fills the field with a digest of another algorithm.
fn fill_content_digest(draft: &mut Draft, length: usize) {
    let digest = draft.digest.clone().unwrap_or_default();
    let rest = length - digest.len() - ", =::".len();
    let value = "A".repeat((rest - 4) / 4 * 4);
    let name = "x".repeat(rest - value.len());
    draft.digest = Some(format!("{digest}, {name}=:{value}:"));
}

/// A signature of 252 characters under a label.
fn fill_signature(draft: &mut Draft, label: &str) {
    draft.label = label.into();
    let value = format!("{label}=:{}:", "A".repeat(252));
    draft.tamper_field("Signature", |_| value);
}

fn fill_components(draft: &mut Draft, count: usize) {
    for number in 0..count - 7 {
        draft.header(&format!("X-{number}"), "1");
        draft.cover(&format!("\"x-{number}\""));
    }
}

/// Counts the three fields of the envelope that a GET has.
fn fill_lines(draft: &mut Draft, count: usize) {
    draft.get();
    while draft.headers.len() + 3 < count {
        draft.header("X-Line", "1");
    }
}

fn twice(topic: &mut Topic<'_>) {
    let lines = rule("V1.3", "verifier and upstream may each take another of the two lines");
    for (name, value) in [
        ("Content-Type", "application/json"),
        ("Content-Type", "text/plain"),
        ("Host", "pack.example"),
        ("Host", "other.example"),
        ("Authorization", "Bearer abc"),
        ("Idempotency-Key", "\"1\""),
        ("Mcp-Session-Id", "s1"),
        ("Mcp-Protocol-Version", "2025-06-18"),
    ] {
        let same = if value.contains("plain") || value.contains("other") { "-other" } else { "" };
        let file = format!("twice-{}{same}", name.to_ascii_lowercase());
        let title = format!("{name} is on two lines");
        topic.one(lines, Some(Code::Duplicate), &file, &title, |d| {
            if !d.headers.iter().any(|(known, _)| known == name) {
                d.header(name, value);
            }
            d.header(&name.to_ascii_lowercase(), value);
        });
    }
    for name in ["Content-Digest", "Signature-Key", "Signature-Input", "Signature"] {
        let file = format!("twice-{}", name.to_ascii_lowercase());
        topic.one(lines, Some(Code::Duplicate), &file, &format!("{name} is on two lines"), |d| {
            d.tamper(move |request| {
                let line = request.headers.iter().find(|(known, _)| known == name).cloned();
                request.headers.extend(line);
            });
        });
    }
}
