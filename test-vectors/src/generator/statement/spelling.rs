//! K1.1 and K1.2: JSON and base64url around a statement, and who has signed it.

use base64ct::{Base64, Encoding};
use envelope_core::Algorithm::P256;
use envelope_core::Code;
use envelope_test_vectors::statement::Vector;

use super::super::draft::{NOW, quoted};
use super::super::members::Members;
use super::super::rule;
use super::draft::{Draft, urn};
use super::{Group, TWO_WAYS, first, honest, retirement, succession, third};

pub(super) fn fill(all: &mut Vec<Vector>) {
    let mut group = Group::new("succession", succession, all);
    length(&mut group);
    json(&mut group);
    base64(&mut group);
    signatures(&mut group);
    let mut group = Group::new("retirement", retirement, all);
    retirements(&mut group);
}

fn length(group: &mut Group<'_>) {
    let long = rule("K1.1", "whoever posts long statements makes a verifier work");
    group.refused(
        long,
        Code::TooLarge,
        &[("4097-bytes", "the statement is 4097 bytes long", |d| d.respell = |text| padded(text, 4097))],
    );
    group.valid(
        honest(long),
        &[("4096-bytes", "the statement is 4096 bytes long", |d| d.respell = |text| padded(text, 4096))],
    );
}

fn padded(text: String, length: usize) -> String {
    format!("{text}{}", " ".repeat(length - text.len()))
}

fn json(group: &mut Group<'_>) {
    let read = rule("K1.2", TWO_WAYS);
    group.refused(
        read,
        Code::Malformed,
        &[
            ("empty", "the statement is empty", |d| d.respell = |_| String::new()),
            ("cut", "the statement lacks its last character", |d| {
                d.respell = |text| text[..text.len() - 1].into();
            }),
            ("trailing", "something follows the statement", |d| d.respell = |text| format!("{text}{{}}")),
            ("array", "the statement is a list of statements", |d| d.respell = |text| format!("[{text}]")),
            ("string", "the statement is a string", |d| d.respell = |_| "\"statement\"".into()),
            ("compact", "the statement is a JWS in compact serialisation", |d| {
                d.respell = |text| {
                    let read: serde_json::Value = serde_json::from_str(&text).unwrap();
                    let signed = &read["signatures"][0];
                    let part = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
                    let parts = [&signed["protected"], &read["payload"], &signed["signature"]];
                    parts.map(part).join(".")
                };
            }),
            ("flattened", "the statement is in flattened serialisation", |d| {
                d.signers.truncate(1);
                d.respell = |text| text.replace("\"signatures\":[{", "").replace("}]}", "}");
            }),
            ("byte-order-mark", "the statement starts with a byte order mark", |d| {
                d.respell = |text| format!("\u{feff}{text}");
            }),
            ("claims-array", "the claims are in a list", |d| {
                d.respell_claims = |json| format!("[{json}]").into_bytes();
            }),
            ("claims-not-utf-8", "a claim is not UTF-8", |d| {
                d.respell_claims = |json| {
                    let mut bytes = json.into_bytes();
                    bytes.splice(1..1, *b"\"\xff\":1,");
                    bytes
                };
            }),
            ("claims-trailing", "something follows the claims", |d| {
                d.respell_claims = |json| format!("{json}{json}").into_bytes();
            }),
            ("header-not-json", "the header is not JSON", |d| {
                d.signers[0].respell_header = |json| json.replace('"', "'").into_bytes();
            }),
            ("header-33-levels", "a header has 33 levels", |d| deepen(d, 33)),
            ("second-header-not-json", "the header of the new key is not JSON", |d| {
                d.signers[1].respell_header = |json| json.replace('"', "'").into_bytes();
            }),
        ],
    );
    group.valid(
        honest(read),
        &[
            ("white-space", "there is white space in the JSON around", |d| {
                d.respell = |text| text.replace(',', " ,\n\t").replace(':', " : ") + "\r\n";
            }),
            ("other-order", "the members stand in another order, as they were signed", |d| {
                d.tamper = |general| {
                    let payload = general.take("payload");
                    general.add("payload", payload);
                };
                d.signers[0].tamper = |entry| {
                    let header = entry.take("protected");
                    entry.add("protected", header);
                };
                let iss = d.claims.take("iss");
                d.claims.add("iss", iss);
                let typ = d.signers[1].header.take("typ");
                d.signers[1].header.add("typ", typ);
            }),
            (
                "signed-white-space",
                "there is white space in the claims and in a header, and it was signed",
                |d| {
                    d.respell_claims = |json| json.replace(',', " ,\n ").into_bytes();
                    d.signers[0].respell_header = |json| json.replace(',', "\t, ").into_bytes();
                },
            ),
            ("header-32-levels", "a header has 32 levels", |d| deepen(d, 32)),
            ("escapes", "names and values are spelled with escapes", |d| {
                d.respell = |text| text.replace("\"payload\"", r#""pa\u0079load""#);
                d.respell_claims = |json| json.replace("\"urn:", r#""\u0075rn:"#).into_bytes();
            }),
        ],
    );
}

/// Lists in one another, in a member of the old key's JWK that is ignored.
fn deepen(draft: &mut Draft, levels: usize) {
    // The header and the JWK are two of them.
    let (open, close) = ("[".repeat(levels - 2), "]".repeat(levels - 2));
    let jwk = draft.signers[0].header.take("jwk");
    draft.signers[0].header.add("jwk", jwk.replace('}', &format!(",\"note\":{open}{close}}}")));
}

fn base64(group: &mut Group<'_>) {
    let spelled = rule("K1.2", TWO_WAYS);
    group.refused(
        spelled,
        Code::Malformed,
        &[
            ("payload-padding", "the claims are padded", |d| {
                d.respell_claims = |json| filled(json, 1).into_bytes();
                d.tamper = |general| append(general, "payload", "==");
            }),
            ("header-padding", "a header is padded", |d| {
                d.signers[0].respell_header = |json| filled(json, 2).into_bytes();
                d.signers[0].tamper = |entry| append(entry, "protected", "=");
            }),
            ("signature-padding", "a signature is padded", |d| {
                d.signers[1].tamper = |entry| append(entry, "signature", "==");
            }),
            ("payload-trailing-bits", "the last character of the claims has bits that are dropped", |d| {
                d.respell_claims = |json| filled(json, 1).into_bytes();
                d.tamper = |general| next_character(general, "payload");
            }),
            ("header-trailing-bits", "the last character of a header has bits that are dropped", |d| {
                d.signers[1].respell_header = |json| filled(json, 1).into_bytes();
                d.signers[1].tamper = |entry| next_character(entry, "protected");
            }),
            ("signature-trailing-bits", "the last character of a signature has bits that are dropped", |d| {
                d.signers[0].tamper = |entry| next_character(entry, "signature");
            }),
            ("signature-standard-alphabet", "a signature is in the standard alphabet", |d| {
                d.signers[0].tamper = |entry| {
                    let signature = Base64::encode_string(&[0xff; 64]);
                    entry.set("signature", quoted(signature.trim_end_matches('=')));
                };
            }),
            ("payload-line-end", "there is a line end in the claims", |d| {
                d.tamper = |general| append(general, "payload", r"\n");
            }),
            ("signature-63", "a signature has 63 bytes", |d| {
                d.signers[1].sign = |key, input| key.sign(input)[..63].into();
            }),
            ("signature-65", "a signature has 65 bytes", |d| {
                d.signers[0].sign = |key, input| [key.sign(input), vec![0]].concat();
            }),
            ("signature-empty", "a signature is empty", |d| d.signers[1].sign = |_, _| Vec::new()),
            ("payload-empty", "the claims are empty: they are elsewhere", |d| {
                d.tamper = |general| general.set("payload", r#""""#);
            }),
        ],
    );
}

/// JSON with spaces behind it, so that its length leaves this remainder when divided by 3.
fn filled(json: String, remainder: usize) -> String {
    let spaces = (3 + remainder - json.len() % 3) % 3;
    format!("{json}{}", " ".repeat(spaces))
}

fn append(members: &mut Members, name: &str, more: &str) {
    let value = members.take(name);
    members.add(name, format!("{}{more}\"", value.trim_end_matches('"')));
}

/// The next character of the alphabet in place of the last one, which says the same when its last bits are dropped.
fn next_character(members: &mut Members, name: &str) {
    let value = members.take(name);
    let text = value.trim_matches('"');
    let last = u32::from(text.chars().last().unwrap());
    let next = char::from(u8::try_from(last).unwrap() + 1);
    members.add(name, quoted(&format!("{}{next}", &text[..text.len() - 1])));
}

fn signatures(group: &mut Group<'_>) {
    let alone = rule(
        "K1.2",
        "whoever stole the old key names himself the successor, or a key that knows nothing of it",
    );
    group.refused(
        alone,
        Code::Malformed,
        &[
            ("old-alone", "the signature of the new key was cut off", |d| d.signers.truncate(1)),
            ("new-alone", "the signature of the old key was cut off", |d| {
                d.signers.remove(0);
            }),
            ("no-signature", "there are no signatures", |d| d.signers.clear()),
            ("third-signature", "a third key has signed", |d| {
                d.signers.push(Draft::retirement(&third(), NOW).signers.remove(0));
                let typ = quoted("envelope-succession");
                d.signers[2].header.set("typ", typ);
            }),
            ("swapped", "the signatures stand in the other order", |d| d.signers.swap(0, 1)),
            ("new-twice", "the new key has signed twice, the old one not at all", |d| {
                d.signers[0] = succession().signers.remove(1);
            }),
            ("old-twice", "the old key has signed twice, the new one not at all", |d| {
                d.signers[1] = succession().signers.remove(0);
            }),
            ("signatures-object", "signatures is an object", |d| {
                d.tamper = |general| {
                    let list = general.take("signatures");
                    general.add(
                        "signatures",
                        list.trim_matches(['[', ']']).split("},{").next().unwrap().to_owned() + "}",
                    );
                };
            }),
            ("signature-null", "the second signature is null", |d| {
                d.tamper = |general| {
                    let list = general.take("signatures");
                    let one = list.split_inclusive("},").next().unwrap().to_owned();
                    general.add("signatures", one + "null]");
                };
            }),
        ],
    );
}

fn retirements(group: &mut Group<'_>) {
    let typ = rule("K1.2", "what was signed for one purpose is taken for another: it ends a key");
    group.refused(
        typ,
        Code::Malformed,
        &[
            ("typ-succession", "typ is that of a succession", |d| {
                d.signers[0].header.set("typ", "\"envelope-succession\"");
            }),
            ("typ-revocations", "typ is that of a revocation list", |d| {
                d.signers[0].header.set("typ", "\"envelope-revocations\"");
            }),
            ("typ-certificate", "typ is that of a certificate", |d| {
                d.signers[0].header.set("typ", "\"jkt-s256+jwt\"");
            }),
            ("of-certificate", "the claims have exp and jti, as those of a certificate", |d| {
                d.claims.add("exp", (NOW + 60).to_string());
                d.claims.add("jti", "\"c-1\"");
            }),
            ("two-signers", "two keys have signed", |d| {
                d.signers.extend(Draft::retirement(&first(P256), NOW).signers);
            }),
            ("crit", "the header has crit", |d| d.signers[0].header.add("crit", "[]")),
            ("sub", "a retirement has a sub", |d| {
                let sub = d.claims.take("iss");
                d.claims.add("iss", sub.clone());
                d.claims.add("sub", sub);
            }),
            ("until", "a retirement has an until", |d| d.claims.add("until", NOW.to_string())),
            ("no-iat", "iat is missing", |d| d.claims.remove("iat")),
            ("no-iss", "iss is missing", |d| d.claims.remove("iss")),
            ("iat-string", "iat is a string", |d| d.claims.set("iat", quoted(&NOW.to_string()))),
            ("iat-2-64", "iat is 18446744073709551616", |d| {
                d.claims.set("iat", "18446744073709551616");
            }),
            ("iss-other", "iss names another key that is known: it would be ended", |d| {
                d.claims.set("iss", urn(&first(P256).thumbprint()));
            }),
        ],
    );
    group.refused(
        rule("K1.3", TWO_WAYS),
        Code::Duplicate,
        &[("two-iss", "iss is there twice", |d| {
            d.claims.add("iss", urn(&first(P256).thumbprint()));
        })],
    );
    group.refused(
        rule("K1.1", "whoever posts long statements makes a verifier work"),
        Code::TooLarge,
        &[("4097-bytes", "the statement is 4097 bytes long", |d| d.respell = |text| padded(text, 4097))],
    );
    group.valid(
        honest(rule("K1.1", "")),
        &[("4096-bytes", "the statement is 4096 bytes long", |d| d.respell = |text| padded(text, 4096))],
    );
}
