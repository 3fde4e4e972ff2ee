//! Section 8: the envelope as a document.

use envelope_core::Code;
use envelope_test_vectors::{Message, Step, Vector};

use super::super::draft::Draft;
use super::super::{Rule, Topic, finish, rule};

pub(super) fn fill(all: &mut Vec<Vector>) {
    let mut topic = Topic::new("document", all);
    accepted(&mut topic);
    not_documents(&mut topic);
    duplicates(&mut topic);
    behind(&mut topic);
}

type Row = (&'static str, &'static str, fn(String) -> String);

/// The document of a right request, with its text changed.
fn document(
    topic: &mut Topic<'_>,
    rule: Rule,
    expect: Option<(Code, u8)>,
    row: &Row,
    change: fn(&mut Draft),
) {
    let (name, title, respell) = row;
    let mut draft = topic.draft(name);
    change(&mut draft);
    let sealed = draft.seal();
    let verifier = sealed.verifier.clone();
    let text = respell(sealed.request.to_document().unwrap());
    let step = finish(sealed, expect.map(|(code, _)| code), expect.map_or(0, |(_, stage)| stage));
    topic.single(rule, name, title, Step { message: Message::Document(text), ..step }, verifier);
}

fn plain(topic: &mut Topic<'_>, rule: Rule, expect: Option<(Code, u8)>, rows: &[Row]) {
    for row in rows {
        document(topic, rule, expect, row, |_| {});
    }
}

fn replace(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{text} does not hold {from}");
    text.replacen(from, to, 1)
}

fn accepted(topic: &mut Topic<'_>) {
    let honest = rule("8", "an envelope that came through a queue or a log cannot be verified");
    plain(
        topic,
        honest,
        None,
        &[
            ("example", "a document", |text| text),
            ("white-space", "white space stands between the members", |text| {
                replace(&text, ",\"body\"", " ,\n\t\"body\"")
            }),
            ("escapes", "characters are written as escapes", |text| {
                replace(&text, "\"POST\"", "\"\\u0050OST\"")
            }),
        ],
    );
    plain(
        topic,
        honest,
        None,
        &[
            ("name-case", "the name of a header field is in upper case", |text| {
                replace(&text, "\"content-type\":", "\"Content-Type\":")
            }),
            ("content-length-right", "Content-Length is the length of the body", |text| {
                replace(&text, "\"headers\":{", "\"headers\":{\"content-length\":\"35\",")
            }),
        ],
    );
    document(topic, honest, None, &("get", "there is no body", |text| text), Draft::get);
    document(
        topic,
        honest,
        None,
        &("no-query", "the query is absent", |text| replace(&text, ",\"query\":\"\"", "")),
        |d| d.target = "/a".into(),
    );
    document(topic, honest, None, &("query-empty", "the query is empty", |text| text), |d| {
        d.target = "/a".into()
    });
    document(topic, honest, None, &("joined", "a field that was on two lines is joined", |text| text), |d| {
        d.header("X-Tag", "one");
        d.header("X-Tag", "two");
        d.cover("\"x-tag\"");
    });
}

fn not_documents(topic: &mut Topic<'_>) {
    let shape = rule("8", "what cannot be read is read in some way");
    plain(
        topic,
        shape,
        Some((Code::Malformed, 1)),
        &[
            ("empty", "there is nothing", |_| String::new()),
            ("not-json", "it is not JSON", |_| "POST / HTTP/1.1".into()),
            ("array", "it is an array", |text| format!("[{text}]")),
            ("truncated", "it does not end", |text| text[..text.len() - 1].into()),
            ("trailing", "something follows", |text| format!("{text}{text}")),
            ("unknown-member", "there is a member that the profile does not know", |text| {
                replace(&text, "{\"authority\"", "{\"scheme\":\"https\",\"authority\"")
            }),
            ("no-method", "there is no method", |text| replace(&text, "\"method\":\"POST\",", "")),
            ("no-authority", "there is no authority", |text| {
                replace(&text, "\"authority\":\"pack.example\",", "")
            }),
            ("no-path", "there is no path", |text| replace(&text, "\"path\":\"/api/pack/p1/agent\",", "")),
            ("method-number", "the method is a number", |text| replace(&text, "\"POST\"", "1")),
            ("query-null", "the query is null", |text| replace(&text, "\"lang=en\"", "null")),
            ("headers-list", "the header fields are a list", |text| {
                let start = text.find("\"headers\":").unwrap();
                let end = text.find("},\"method\"").unwrap();
                format!("{}\"headers\":[]{}", &text[..start], &text[end + 1..])
            }),
            ("header-list", "a header field is a list", |text| {
                replace(&text, "\"application/json\"", "[\"application/json\"]")
            }),
            ("members-257", "an object has 257 members", |text| {
                let fields: Vec<String> = (0..257).map(|number| format!("\"x-{number}\":\"1\",")).collect();
                replace(&text, "\"headers\":{", &format!("\"headers\":{{{}", fields.concat()))
            }),
            ("value-control", "the value of a field that is not covered holds a control character", |text| {
                replace(&text, "\"headers\":{", "\"headers\":{\"x-note\":\"a\\u0001b\",")
            }),
            ("content-length", "Content-Length is not the length of the body", |text| {
                replace(&text, "\"headers\":{", "\"headers\":{\"content-length\":\"34\",")
            }),
            ("header-name", "the name of a header field is no token", |text| {
                replace(&text, "\"headers\":{", "\"headers\":{\"x note\":\"1\",")
            }),
            ("body-no-padding", "the body is not padded", |text| {
                replace(&text, "=\",\"headers\"", "\",\"headers\"")
            }),
            ("body-url-alphabet", "the body is in the alphabet of base64url", |text| {
                let start = text.find("\"body\":\"").unwrap();
                format!("{}\"body\":\"-_-_{}", &text[..start], &text[start + "\"body\":\"".len() + 4..])
            }),
            ("body-object", "the body is JSON", |text| {
                let start = text.find("\"body\":").unwrap();
                let end = text.find(",\"headers\"").unwrap();
                format!("{}\"body\":{{}}{}", &text[..start], &text[end..])
            }),
        ],
    );
}

fn duplicates(topic: &mut Topic<'_>) {
    let twice = rule("8", "of two members one is verified and the other is used");
    plain(
        topic,
        twice,
        Some((Code::Duplicate, 1)),
        &[
            ("twice-method", "the method is there twice", |text| {
                replace(&text, "\"method\":\"POST\"", "\"method\":\"POST\",\"method\":\"POST\"")
            }),
            ("twice-method-escaped", "the method is there twice, once with an escape in its name", |text| {
                replace(&text, "\"method\":\"POST\"", "\"method\":\"POST\",\"m\\u0065thod\":\"POST\"")
            }),
            ("twice-header", "a header field is there twice", |text| {
                replace(&text, "\"headers\":{", "\"headers\":{\"content-type\":\"application/json\",")
            }),
            ("twice-header-case", "a header field is there twice, once in upper case", |text| {
                replace(&text, "\"headers\":{", "\"headers\":{\"Content-Type\":\"application/json\",")
            }),
            (
                "twice-header-other",
                "a field that may be on several lines is there twice, once in upper case",
                |text| replace(&text, "\"headers\":{", "\"headers\":{\"X-Note\":\"1\",\"x-note\":\"2\","),
            ),
            ("host-in-headers-case", "Host is among the header fields, in upper case", |text| {
                replace(&text, "\"headers\":{", "\"headers\":{\"HOST\":\"pack.example\",")
            }),
            ("twice-body", "the body is there twice", |text| {
                replace(&text, "{\"authority\"", "{\"body\":\"\",\"authority\"")
            }),
            ("host-in-headers", "Host is among the header fields, beside the authority", |text| {
                replace(&text, "\"headers\":{", "\"headers\":{\"host\":\"pack.example\",")
            }),
        ],
    );
}

/// What is found behind the reading, as in a request.
fn behind(topic: &mut Topic<'_>) {
    let carried = rule("8", "a document is taken on less than a request");
    let rows: &[((Code, u8), Row)] = &[
        (
            (Code::Malformed, 1),
            ("method-lower-case", "the method is in lower case", |text| {
                replace(&text, "\"POST\"", "\"post\"")
            }),
        ),
        (
            (Code::WrongAuthority, 2),
            ("other-authority", "the authority is another", |text| {
                replace(&text, "\"pack.example\"", "\"other.example\"")
            }),
        ),
        (
            (Code::TargetNotCanonical, 2),
            ("path-relative", "the path does not start with a slash", |text| {
                replace(&text, "\"/api/", "\"api/")
            }),
        ),
        (
            (Code::TargetNotCanonical, 2),
            ("path-absolute", "the path is a URL", |text| {
                replace(&text, "\"/api/", "\"https://pack.example/api/")
            }),
        ),
        (
            (Code::TargetNotCanonical, 2),
            ("path-question-mark", "the path holds the query", |text| {
                replace(&replace(&text, "/agent\"", "/agent?lang=en\""), ",\"query\":\"lang=en\"", "")
            }),
        ),
        (
            (Code::TargetNotCanonical, 2),
            ("path-dot-dot", "two dots in the path", |text| replace(&text, "/p1/", "/p1/../")),
        ),
        (
            (Code::TargetNotCanonical, 2),
            ("query-fragment", "a number sign in the query", |text| replace(&text, "=en\"", "=en#a\"")),
        ),
        (
            (Code::BadSignature, 5),
            ("path-changed", "the path was changed", |text| replace(&text, "/p1/", "/p2/")),
        ),
        (
            (Code::BadSignature, 5),
            ("query-changed", "the query was changed", |text| replace(&text, "=en", "=de")),
        ),
        (
            (Code::BadSignature, 5),
            ("method-changed", "the method was changed", |text| replace(&text, "\"POST\"", "\"PUT\"")),
        ),
        (
            (Code::Malformed, 1),
            ("value-line-end", "the value of a covered field ends with a line end", |text| {
                replace(&text, "\"application/json\"", "\"application/json\\n\"")
            }),
        ),
        (
            (Code::Malformed, 1),
            ("uncovered-line-end", "the value of a field that is not covered would be two lines", |text| {
                replace(&text, "\"content-type\":", "\"x-note\":\"1\\r\\nx-admin: 1\",\"content-type\":")
            }),
        ),
        (
            (Code::Malformed, 1),
            ("transfer-encoding", "the document says that its body comes in chunks", |text| {
                replace(&text, "\"content-type\":", "\"transfer-encoding\":\"chunked\",\"content-type\":")
            }),
        ),
        (
            (Code::Malformed, 2),
            ("value-non-ascii", "the value of a covered field holds a letter that is not ASCII", |text| {
                replace(&text, "\"application/json\"", "\"application/j\u{e9}son\"")
            }),
        ),
        (
            (Code::NotCovered, 2),
            ("header-added", "Authorization was added", |text| {
                replace(&text, "\"headers\":{", "\"headers\":{\"authorization\":\"Bearer abc\",")
            }),
        ),
        (
            (Code::DigestMismatch, 6),
            ("body-removed", "the body was removed", |text| {
                let end = text.find(",\"headers\"").unwrap();
                let start = text.find(",\"body\"").unwrap();
                format!("{}{}", &text[..start], &text[end..])
            }),
        ),
    ];
    for (expect, row) in rows {
        document(topic, carried, Some(*expect), row, |_| {});
    }
}
