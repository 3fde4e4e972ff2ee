//! Stage 1, V1.5 and V1.6: the fields as structured fields, each in its one spelling.

use envelope_core::Code;
use envelope_test_vectors::Vector;

use super::super::draft::{Draft, NOW, sha256};
use super::super::{Topic, rule};
use super::value::respell_digest;

pub(super) const INPUT: &str = "Signature-Input";
pub(super) const SIGNATURE: &str = "Signature";
pub(super) const KEY: &str = "Signature-Key";

pub(super) fn fill(all: &mut Vec<Vector>) {
    let mut topic = Topic::new("field", all);
    presence(&mut topic);
    labels(&mut topic);
    lists(&mut topic);
    duplicates(&mut topic);
}

fn remove(draft: &mut Draft, names: &'static [&'static str]) {
    draft.tamper(move |request| request.headers.retain(|(name, _)| !names.contains(&name.as_str())));
}

fn presence(topic: &mut Topic<'_>) {
    let presence = rule("V1.5", "whoever leaves a field out is taken for somebody without an envelope");
    topic.refused(
        presence,
        Code::Malformed,
        &[
            ("no-signature-input", "there is no Signature-Input", |d| remove(d, &[INPUT])),
            ("no-signature", "there is no Signature", |d| remove(d, &[SIGNATURE])),
            ("only-signature-key", "of the envelope there is Signature-Key alone", |d| {
                remove(d, &[INPUT, SIGNATURE])
            }),
            ("only-signature", "of the envelope there is Signature alone", |d| remove(d, &[INPUT, KEY])),
            ("only-signature-input", "of the envelope there is Signature-Input alone", |d| {
                remove(d, &[SIGNATURE, KEY])
            }),
            ("empty-signature-input", "Signature-Input is empty", |d| {
                d.tamper_field(INPUT, |_| String::new())
            }),
            ("empty-signature", "Signature is empty", |d| d.tamper_field(SIGNATURE, |_| String::new())),
            ("empty-signature-key", "Signature-Key is empty", |d| d.tamper_field(KEY, |_| String::new())),
        ],
    );
}

fn labels(topic: &mut Topic<'_>) {
    let labels = rule("V1.5", "two verifiers may each take another of the signatures, or none");
    topic.refused(
        labels,
        Code::Malformed,
        &[
            ("label-upper-case", "the label is in upper case", |d| d.label = "Sig".into()),
            ("label-digit", "the label starts with a digit", |d| d.label = "1sig".into()),
            ("label-65", "the label has 65 characters", |d| d.label = "a".repeat(65)),
            ("label-empty", "the label is empty", |d| d.label = String::new()),
            ("label-of-signature", "Signature has another label", |d| {
                d.tamper_text(SIGNATURE, "sig=", "sig1=")
            }),
            ("label-of-signature-key", "Signature-Key has another label", |d| {
                d.tamper_text(KEY, "sig=", "sig1=")
            }),
            ("label-space", "a space stands before the equals sign", |d| {
                d.tamper_text(INPUT, "sig=", "sig =")
            }),
            ("second-signature-input", "a second label in Signature-Input", |d| {
                d.tamper_field(INPUT, |value| format!("{value}, sig2=(\"@method\");created=1"));
            }),
            ("second-signature", "a second label in Signature", |d| {
                d.tamper_field(SIGNATURE, |value| format!("{value}, {}", value.replace("sig=", "sig2=")));
            }),
            ("second-signature-key", "a second label in Signature-Key", |d| {
                let second = |value: &str| format!("{value}, {}", value.replace("sig=", "sig2="));
                d.tamper_field(KEY, second);
            }),
            ("second-label-first", "a second label before that of the envelope", |d| {
                d.tamper_field(SIGNATURE, |value| format!("{}, {value}", value.replace("sig=", "sig0=")));
            }),
            ("trailing-comma", "Signature-Input ends with a comma", |d| {
                d.tamper_field(INPUT, |value| format!("{value},"));
            }),
            ("leading-comma", "Signature starts with a comma", |d| {
                d.tamper_field(SIGNATURE, |value| format!(",{value}"));
            }),
        ],
    );
    topic
        .valid(labels.honest(), &[("label-64", "the label has 64 characters", |d| d.label = "a".repeat(64))]);
}

fn lists(topic: &mut Topic<'_>) {
    let spelling =
        rule("V1.5", "a field that two readers read in two ways: what was verified is not what is used");
    topic.refused(
        spelling,
        Code::Malformed,
        &[
            ("list-two-spaces", "two spaces divide two components", |d| {
                d.tamper_text(INPUT, "\" \"", "\"  \"")
            }),
            ("list-leading-space", "a space stands before the first component", |d| {
                d.tamper_text(INPUT, "(\"", "( \"")
            }),
            ("list-trailing-space", "a space stands behind the last component", |d| {
                d.tamper_text(INPUT, "\")", "\" )")
            }),
            ("list-tab", "a tab divides two components", |d| d.tamper_text(INPUT, "\" \"", "\"\t\"")),
            ("list-comma", "a comma divides two components", |d| d.tamper_text(INPUT, "\" \"", "\",\"")),
            ("list-no-space", "nothing divides two components", |d| d.tamper_text(INPUT, "\" \"", "\"\"")),
            ("list-open", "the list of components does not end", |d| d.tamper_text(INPUT, "\")", "\"")),
            ("list-missing", "there is no list of components", |d| {
                d.tamper_field(INPUT, |_| "sig=1;created=1".into())
            }),
            ("list-is-string", "a string stands in place of the list", |d| {
                d.tamper_text(INPUT, "(\"@method\" \"@authority\"", "\"@method\"");
            }),
            ("component-token", "a component is a token", |d| {
                d.tamper_text(INPUT, "\"content-type\"", "content-type")
            }),
            ("component-integer", "a component is an integer", |d| {
                d.tamper_text(INPUT, "\"content-type\"", "1")
            }),
            ("string-open", "a string does not end", |d| d.tamper_text(INPUT, "envelope/1\"", "envelope/1")),
            ("string-escape", "a string holds an escape that does not exist", |d| {
                d.set("nonce", r#""abcdefghijklmnopqrstu\n""#);
            }),
            ("string-escape-letter", "a letter is escaped that needs no escape", |d| {
                d.set("tag", r#""envelope\/1""#)
            }),
            ("string-escape-at-end", "a string ends in the middle of an escape", |d| {
                d.set("tag", "\"envelope/1\\\"");
            }),
            ("string-control", "a string holds a control byte", |d| {
                d.set("nonce", "\"abcdefghijklmnopqrstuv\u{1}\"")
            }),
            ("string-tab", "a string holds a tab", |d| d.set("nonce", "\"abcdefghijklmnopqrstuv\t\"")),
            ("string-non-ascii", "a string holds a byte above 0x7E", |d| {
                d.set("nonce", "\"abcdefghijklmnopqrstuv\u{e9}\"");
            }),
            ("string-single-quotes", "a string in single quotation marks", |d| d.set("tag", "'envelope/1'")),
            ("parameter-space", "a space stands behind a semicolon", |d| {
                d.tamper_text(INPUT, ";expires", "; expires")
            }),
            ("parameter-space-before", "a space stands before a semicolon", |d| {
                d.tamper_text(INPUT, ";expires", " ;expires")
            }),
            ("parameter-space-equals", "a space stands behind an equals sign", |d| {
                d.tamper_text(INPUT, "nonce=", "nonce= ")
            }),
            ("parameter-upper-case", "the name of a parameter is in upper case", |d| {
                d.tamper_text(INPUT, ";nonce", ";Nonce")
            }),
            ("parameter-empty", "a parameter has no name", |d| {
                d.tamper_field(INPUT, |value| format!("{value};"))
            }),
            ("parameter-true", "true is written out", |d| d.set("expires", "?1")),
            ("decimal-trailing-zero", "a decimal ends with a zero", |d| {
                d.respell("\"content-type\"", "\"content-type\";a=1.50")
            }),
            ("decimal-no-fraction", "a decimal has no fraction", |d| {
                d.respell("\"content-type\"", "\"content-type\";a=1.")
            }),
            ("decimal-four-digits", "a decimal has four digits of a fraction", |d| {
                d.respell("\"content-type\"", "\"content-type\";a=1.2345");
            }),
            ("decimal-13-digits", "a decimal has 13 digits before its fraction", |d| {
                d.respell("\"content-type\"", "\"content-type\";a=1234567890123.5");
            }),
            ("negative-zero", "an integer is minus zero", |d| {
                d.respell("\"content-type\"", "\"content-type\";a=-0")
            }),
            ("decimal-negative-zero", "a decimal is minus zero", |d| {
                d.respell("\"content-type\"", "\"content-type\";a=-0.0")
            }),
            ("parameter-date", "a parameter is a date", |d| d.set("tag", "@1767225600")),
            ("parameter-display-string", "a parameter is a display string", |d| {
                d.set("tag", "%\"envelope/1\"")
            }),
            ("minus-alone", "an integer is a minus sign", |d| {
                d.respell("\"content-type\"", "\"content-type\";a=-")
            }),
            ("bytes-no-padding", "a byte sequence is not padded", |d| {
                d.respell("\"content-type\"", "\"content-type\";a=:AAA:")
            }),
            ("trailing-text", "text follows the parameters", |d| {
                d.tamper_field(INPUT, |value| format!("{value} x"))
            }),
        ],
    );
}

fn duplicates(topic: &mut Topic<'_>) {
    let twice = rule("V1.6", "of two things one is verified and the other is used");
    topic.refused(
        twice,
        Code::Duplicate,
        &[
            ("twice-label-signature-input", "the label is twice in Signature-Input", |d| {
                d.tamper_field(INPUT, |value| format!("{value}, {value}"));
            }),
            ("twice-label-signature", "the label is twice in Signature", |d| {
                d.tamper_field(SIGNATURE, |value| format!("{value}, {value}"));
            }),
            ("twice-label-signature-key", "the label is twice in Signature-Key", |d| {
                d.tamper_field(KEY, |value| format!("{value}, {value}"));
            }),
            ("twice-component", "a field is covered twice", |d| d.cover("\"content-type\"")),
            ("twice-derived-component", "@method is covered twice", |d| d.cover("\"@method\"")),
            ("twice-component-parameter", "a parameter of a component is there twice", |d| {
                d.respell("\"content-type\"", "\"content-type\";sf;sf");
            }),
            ("twice-created", "created is there twice, the same", |d| d.add("created", NOW.to_string())),
            ("twice-expires", "expires is there twice, and the second is later", |d| {
                d.add("expires", (NOW + 61).to_string());
            }),
            ("twice-keyid", "keyid is there twice", |d| d.add("keyid", "\"x\"")),
            ("twice-tag", "tag is there twice", |d| d.add("tag", "\"envelope/1\"")),
            ("twice-unknown", "a parameter that is not known is there twice", |d| {
                d.add("a", "1");
                d.add("a", "1");
            }),
            ("twice-jwt", "jwt is twice in Signature-Key", |d| {
                let jws = d.certificate().to_jws();
                d.scheme = Some(format!("jkt-jwt;jwt=\"{jws}\";jwt=\"{jws}\""));
            }),
            ("twice-digest", "sha-256 is there twice, the same", |d| {
                respell_digest(d, |value| format!("{value}, {value}"))
            }),
            ("twice-digest-wrong-first", "sha-256 is there twice, and the first is wrong", |d| {
                respell_digest(d, |value| format!("{}, {value}", sha256(b"")));
            }),
            ("twice-digest-unknown", "a digest of an unknown algorithm is there twice", |d| {
                respell_digest(d, |value| format!("{value}, md5=:AAAA:, md5=:AAAA:"));
            }),
        ],
    );
    topic.valid(
        twice.honest(),
        &[("one-name", "label, covered field and digest have the name of a parameter", |d| {
            d.label = "nonce".into();
            d.header("Nonce", "1");
            d.cover("\"nonce\"");
            respell_digest(d, |value| format!("{value}, nonce=:AAAA:"));
        })],
    );
}
