//! Stage 2, V2.1, V2.2, V2.5 and V2.6: what is covered.

use envelope_core::Code;
use envelope_test_vectors::Vector;

use super::super::draft::quoted;
use super::super::{Topic, rule};

pub(super) fn fill(all: &mut Vec<Vector>) {
    let mut topic = Topic::new("coverage", all);
    tags(&mut topic);
    components(&mut topic);
    omissions(&mut topic);
    values(&mut topic);
}

fn tags(topic: &mut Topic<'_>) {
    let tag = rule("V2.1", "a signature that was made for another purpose is taken for a call");
    topic.refused(
        tag,
        Code::TagRefused,
        &[
            ("tag-missing", "there is no tag", |d| d.drop_parameter("tag")),
            ("tag-other", "the tag is of another profile", |d| d.set("tag", "\"web-bot-auth\"")),
            ("tag-version", "the tag is of another version", |d| d.set("tag", "\"envelope/2\"")),
            ("tag-case", "the tag is in another case", |d| d.set("tag", "\"Envelope/1\"")),
            ("tag-prefix", "the tag goes on behind envelope/1", |d| d.set("tag", "\"envelope/1.1\"")),
            ("tag-empty", "the tag is empty", |d| d.set("tag", "\"\"")),
            ("tag-token", "the tag is a token", |d| d.set("tag", "envelope/1")),
            ("tag-integer", "the tag is an integer", |d| d.set("tag", "1")),
            ("tag-true", "the tag has no value", |d| d.set("tag", "")),
        ],
    );
    topic.valid(
        tag.honest(),
        &[("tag-first", "the tag comes first", |d| {
            let tag = d.parameters.pop().unwrap();
            d.parameters.insert(0, tag);
        })],
    );
}

fn components(topic: &mut Topic<'_>) {
    let derived = rule("V2.2", "signer and verifier may mean two different things by one component");
    for (name, component) in [
        ("target-uri", "\"@target-uri\""),
        ("request-target", "\"@request-target\""),
        ("scheme", "\"@scheme\""),
        ("query-param", "\"@query-param\";name=\"lang\""),
        ("status", "\"@status\""),
        ("signature-params", "\"@signature-params\""),
        ("unknown-derived", "\"@body\""),
        ("at-alone", "\"@\""),
        ("method-upper-case", "\"@Method\""),
    ] {
        let title = format!("{component} is covered, too");
        let file = format!("component-{name}");
        topic.one(derived, Some(Code::ComponentRefused), &file, &title, |d| d.cover(component));
    }
    let parameters = rule("V2.2", "the parameter takes a part of the message out of the signature");
    for (name, from, to) in [
        ("sf", "\"content-type\"", "\"content-type\";sf"),
        ("key", "\"content-digest\"", "\"content-digest\";key=\"sha-256\""),
        ("bs", "\"content-type\"", "\"content-type\";bs"),
        ("req", "\"@method\"", "\"@method\";req"),
        ("req-of-field", "\"content-type\"", "\"content-type\";req"),
        ("tr", "\"content-type\"", "\"content-type\";tr"),
        ("unknown", "\"content-type\"", "\"content-type\";a=1"),
        ("bytes", "\"content-type\"", "\"content-type\";a=:AAAA:"),
        ("negative", "\"content-type\"", "\"content-type\";a=-1"),
        ("decimal", "\"content-type\"", "\"content-type\";a=-1.5"),
        ("token", "\"content-type\"", "\"content-type\";a=b/c:d"),
        ("false", "\"content-type\"", "\"content-type\";a=?0"),
        ("two", "\"content-type\"", "\"content-type\";sf;req"),
    ] {
        let title = format!("a component has a parameter: {to}");
        let file = format!("component-parameter-{name}");
        topic.one(parameters, Some(Code::ComponentRefused), &file, &title, |d| d.respell(from, to));
    }
    topic.one(
        parameters,
        Some(Code::ComponentRefused),
        "component-parameter-besides",
        "a field is covered twice, once with a parameter",
        |d| d.cover("\"content-type\";sf"),
    );
    topic.one(
        parameters,
        Some(Code::ComponentRefused),
        "component-parameter-order",
        "a field is covered twice, with the same parameters in another order",
        |d| d.respell("\"content-type\"", "\"content-type\";sf;req \"content-type\";req;sf"),
    );
    let fields = rule("V2.2", "a name that no field has is covered in place of the one that is meant");
    topic.refused(
        fields,
        Code::ComponentRefused,
        &[
            ("component-upper-case", "the name of a field is in upper case", |d| {
                d.respell("\"content-type\"", "\"Content-Type\"");
            }),
            ("component-signature", "Signature is covered", |d| d.cover("\"signature\"")),
            ("component-signature-input", "Signature-Input is covered", |d| d.cover("\"signature-input\"")),
            ("component-empty", "a component has no name", |d| d.cover("\"\"")),
            ("component-space", "the name of a field holds a space", |d| d.cover("\"x note\"")),
            ("component-colon", "the name of a field holds a colon", |d| d.cover("\"x-note: 1\"")),
        ],
    );
}

fn omissions(topic: &mut Topic<'_>) {
    let covered = rule("V2.5", "whoever is in between may change what is not covered");
    for name in
        ["@method", "@authority", "@path", "@query", "content-type", "content-digest", "signature-key"]
    {
        let file = format!("not-covered-{}", name.trim_start_matches('@'));
        topic.one(covered, Some(Code::NotCovered), &file, &format!("{name} is not covered"), |d| {
            d.uncover(name)
        });
    }
    for (name, value) in [
        ("Authorization", "Bearer abc"),
        ("Idempotency-Key", "\"1\""),
        ("Mcp-Session-Id", "s1"),
        ("Mcp-Protocol-Version", "2025-06-18"),
    ] {
        let lower = name.to_ascii_lowercase();
        let title = format!("{name} is there and not covered");
        topic.one(covered, Some(Code::NotCovered), &format!("not-covered-{lower}"), &title, |d| {
            d.header(name, value);
            d.uncover(&lower);
        });
    }
    topic.refused(
        covered,
        Code::NotCovered,
        &[
            ("nothing-covered", "the list of components is empty", |d| d.components = Some(Vec::new())),
            ("query-not-covered-without-query", "@query is not covered, and there is no query", |d| {
                d.target = "/api/pack/p1/agent".into();
                d.uncover("@query");
            }),
            ("digest-not-covered-without-body", "there is no body, and Content-Digest is not covered", |d| {
                d.body = Some(Vec::new());
                d.digest = Some(super::super::draft::sha256(b""));
                d.uncover("content-digest");
            }),
            ("empty-not-covered", "Content-Type is empty and not covered", |d| {
                d.headers.retain(|(name, _)| name != "Content-Type");
                d.header("Content-Type", "");
                d.uncover("content-type");
            }),
            ("authorization-added", "Authorization is added after signing", |d| {
                d.tamper(|request| request.headers.push(("authorization".into(), "Bearer abc".into())));
            }),
        ],
    );
    let present = rule("V2.5", "a field that is not there is taken for an empty one");
    topic.refused(
        present,
        Code::NotCovered,
        &[
            ("absent-field", "a covered field is not in the request", |d| d.cover("\"x-note\"")),
            ("absent-listed-field", "Authorization is covered and not in the request", |d| {
                d.cover("\"authorization\"")
            }),
            ("removed-field", "a covered field is removed after signing", |d| {
                d.header("X-Note", "1");
                d.cover("\"x-note\"");
                d.tamper(|request| request.headers.retain(|(name, _)| name != "X-Note"));
            }),
            ("absent-certificate", "Signature-Key is removed after signing", |d| {
                d.tamper(|request| request.headers.retain(|(name, _)| name != "Signature-Key"));
            }),
        ],
    );
}

fn values(topic: &mut Topic<'_>) {
    let bytes = rule("V2.6", "a line end or a byte in a value makes two different requests out of one base");
    for (name, value, title) in [
        ("value-non-ascii", "caf\u{e9}", "the value of a covered field holds a byte above 0x7E"),
        ("value-control", "a\u{1}b", "the value of a covered field holds a control byte"),
        ("value-delete", "a\u{7f}b", "the value of a covered field holds 0x7F"),
        ("value-line-end", "a\nb", "the value of a covered field holds a line end"),
        (
            "value-ends-with-line-end",
            "a\n",
            "the value of a covered field ends with a line end, which is no white space",
        ),
        (
            "value-ends-with-form-feed",
            "a\u{c}",
            "the value of a covered field ends with a form feed, which is no white space",
        ),
        ("value-nul", "a\0b", "the value of a covered field holds a zero byte"),
    ] {
        topic.one(bytes, Some(Code::Malformed), name, title, |d| {
            d.header("X-Note", value);
            d.cover("\"x-note\"");
        });
    }
    topic.one(
        bytes,
        Some(Code::Malformed),
        "value-content-type",
        "Content-Type holds a byte above 0x7E",
        |d| {
            d.headers.retain(|(name, _)| name != "Content-Type");
            d.header("Content-Type", "text/pla\u{ef}n");
        },
    );
    let printable = " !\"#$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~";
    for (name, value, title) in [
        ("value-tab", "a\tb", "the value of a covered field holds a tab"),
        ("value-printable", printable, "the value of a covered field holds each kind of printable character"),
        ("value-white-space", " \t a \t ", "white space stands around the value of a covered field"),
    ] {
        topic.one(rule("V2.6", "an honest caller is locked out"), None, name, title, |d| {
            d.header("X-Note", value);
            d.cover(&quoted("x-note"));
        });
    }
}
