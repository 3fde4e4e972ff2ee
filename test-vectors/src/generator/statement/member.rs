//! K1.2, K1.3 and K1.6: the members of a statement, their types, and what they say.

use envelope_core::Algorithm::{Ed25519, P256};
use envelope_core::Code;
use envelope_test_vectors::statement::Vector;

use super::super::draft::{NOW, quoted};
use super::super::keys::base64url;
use super::super::members::Members;
use super::super::rule;
use super::draft::Draft;
use super::{DAY, Group, TWO_WAYS, first, honest, second, succession, third};

pub(super) fn fill(all: &mut Vec<Vector>) {
    let mut group = Group::new("succession", succession, all);
    missing(&mut group);
    twice(&mut group);
    unknown(&mut group);
    types(&mut group);
    names(&mut group);
    times(&mut group);
}

fn missing(group: &mut Group<'_>) {
    let missing = rule("K1.2", "a statement leaves open what it says, and a reader makes something of it");
    group.refused(
        missing,
        Code::Malformed,
        &[
            ("no-payload", "payload is missing", |d| d.tamper = |general| general.remove("payload")),
            ("no-signatures", "signatures is missing", |d| d.tamper = |general| general.remove("signatures")),
            ("no-protected", "protected is missing", |d| {
                d.signers[0].tamper = |entry| entry.remove("protected")
            }),
            ("no-signature-text", "signature is missing", |d| {
                d.signers[1].tamper = |entry| entry.remove("signature");
            }),
            ("no-typ", "typ is missing", |d| d.signers[0].header.remove("typ")),
            ("no-alg", "alg is missing", |d| d.signers[1].header.remove("alg")),
            ("no-jwk", "jwk is missing", |d| d.signers[1].header.remove("jwk")),
        ],
    );
    for name in ["iss", "sub", "iat", "until"] {
        let title = format!("{name} is missing");
        group.one(missing, Some(Code::Malformed), &format!("no-{name}"), &title, |d| d.claims.remove(name));
    }
}

fn twice(group: &mut Group<'_>) {
    let twice = rule("K1.3", TWO_WAYS);
    let again = |members: &mut Members, name: &str| {
        let value = members.take(name);
        members.add(name, value.clone());
        members.add(name, value);
    };
    for name in ["iss", "sub", "iat", "until"] {
        let title = format!("{name} is there twice");
        group.one(twice, Some(Code::Duplicate), &format!("two-{name}"), &title, |d| {
            again(&mut d.claims, name)
        });
    }
    for (at, name) in [(0, "typ"), (1, "alg"), (1, "jwk")] {
        let title = format!("{name} is there twice");
        group.one(twice, Some(Code::Duplicate), &format!("two-{name}"), &title, |d| {
            again(&mut d.signers[at].header, name);
        });
    }
    group.refused(
        twice,
        Code::Duplicate,
        &[
            ("two-payload", "payload is there twice, with other claims", |d| {
                d.tamper = |general| general.add("payload", quoted(&base64url(b"{}")));
            }),
            ("two-signatures", "signatures is there twice", |d| {
                d.tamper = |general| general.add("signatures", "[]");
            }),
            ("two-protected", "protected is there twice", |d| {
                d.signers[0].tamper = |entry| entry.add("protected", quoted(&base64url(b"{}")));
            }),
            ("two-signature", "signature is there twice", |d| {
                d.signers[1].tamper = |entry| entry.add("signature", quoted(&base64url(&[0; 64])));
            }),
            ("two-until-escaped", "until is there twice, once with an escape", |d| {
                d.claims.add(r"unti\u006c", (NOW + 7 * DAY).to_string());
            }),
            ("two-x", "a coordinate is there twice", |d| {
                let x = first(Ed25519).coordinates().0;
                let jwk = d.signers[0].header.take("jwk").replace("\"x\":", &format!("\"x\":\"{x}\",\"x\":"));
                d.signers[0].header.add("jwk", jwk);
            }),
        ],
    );
}

fn unknown(group: &mut Group<'_>) {
    let unknown = rule("K1.2", "a statement says more than its reader understands");
    group.refused(
        unknown,
        Code::Malformed,
        &[
            ("extra-member", "the statement has a member that is not known", |d| {
                d.tamper = |general| general.add("note", r#""for Bob""#);
            }),
            ("extra-entry-member", "a signature has a member that is not known", |d| {
                d.signers[0].tamper = |entry| entry.add("note", "1");
            }),
            ("unprotected-header", "a signature has an unprotected header", |d| {
                d.signers[1].tamper = |entry| entry.add("header", r#"{"kid":"1"}"#);
            }),
            ("extra-header", "a header has a member that is not known", |d| {
                d.signers[0].header.add("kid", "\"1\"");
            }),
            ("crit", "a header has crit", |d| d.signers[1].header.add("crit", r#"["b64"]"#)),
            ("b64", "a header has b64", |d| d.signers[0].header.add("b64", "true")),
            ("extra-claim", "the claims have a member that is not known", |d| d.claims.add("nbf", "0")),
            ("jti", "the claims have a jti, as a certificate does", |d| d.claims.add("jti", "\"c-1\"")),
            ("exp", "the claims have an exp, as a certificate does", |d| {
                d.claims.add("exp", (NOW + 60).to_string());
            }),
        ],
    );
    group.valid(
        honest(unknown),
        &[
            ("jwk-member", "a jwk has members that are not part of the key", |d| {
                let jwk = d.signers[0].header.take("jwk").replace("{", r#"{"kid":"1","use":"sig","#);
                d.signers[0].header.add("jwk", jwk);
            }),
            ("jwk-no-alg", "a jwk has no alg", |d| {
                let jwk = d.signers[1].header.take("jwk").replace(r#""alg":"Ed25519","#, "");
                d.signers[1].header.add("jwk", jwk);
            }),
        ],
    );
}

fn types(group: &mut Group<'_>) {
    let typ = rule("K1.2", "what was signed for one purpose is taken for another");
    for (name, value) in [
        ("retirement", "\"envelope-retirement\""),
        ("revocations", "\"envelope-revocations\""),
        ("certificate", "\"jkt-s256+jwt\""),
        ("upper-case", "\"Envelope-Succession\""),
        ("media-type", "\"application/envelope-succession\""),
        ("empty", "\"\""),
        ("number", "1"),
    ] {
        let title = format!("typ of the old key's signature is {value}");
        group.one(typ, Some(Code::Malformed), &format!("typ-{name}"), &title, |d| {
            d.signers[0].header.set("typ", value);
        });
    }
    group.refused(
        typ,
        Code::Malformed,
        &[("second-typ", "typ of the new key's signature is another one", |d| {
            d.signers[1].header.set("typ", "\"envelope-retirement\"");
        })],
    );
    let shape = rule("K1.2", TWO_WAYS);
    group.refused(
        shape,
        Code::Malformed,
        &[
            ("payload-object", "payload is an object", |d| d.tamper = |general| general.set("payload", "{}")),
            ("protected-object", "protected is an object", |d| {
                d.signers[0].tamper = |entry| entry.set("protected", "{}");
            }),
            ("signature-number", "signature is a number", |d| {
                d.signers[1].tamper = |entry| entry.set("signature", "0");
            }),
            ("alg-array", "alg is a list", |d| d.signers[0].header.set("alg", r#"["Ed25519"]"#)),
            ("iss-array", "iss is a list", |d| {
                let iss = d.claims.take("iss");
                d.claims.add("iss", format!("[{iss}]"));
            }),
            ("sub-null", "sub is null", |d| d.claims.set("sub", "null")),
        ],
    );
    for (name, value) in [
        ("string", quoted(&NOW.to_string())),
        ("fraction", format!("{NOW}.0")),
        ("exponent", format!("{NOW}e0")),
        ("negative", "-1".into()),
        ("null", "null".into()),
        ("2-64", "18446744073709551616".into()),
    ] {
        let title = format!("iat is {value}");
        group.one(shape, Some(Code::Malformed), &format!("iat-{name}"), &title, |d| {
            d.claims.set("iat", value)
        });
    }
    group.refused(
        shape,
        Code::Malformed,
        &[
            ("until-string", "until is a string", |d| {
                d.claims.set("until", quoted(&(NOW + DAY).to_string()));
            }),
            ("until-fraction", "until has a fraction", |d| d.claims.set("until", format!("{}.5", NOW + DAY))),
        ],
    );
}

fn names(group: &mut Group<'_>) {
    let issuer = rule("K1.2", "a key hands over what is another key's");
    let named = |members: &mut Members, name: &str, text: String| members.set(name, quoted(&text));
    let rows: [(&str, &str, &str, String); 8] = [
        (
            "iss-new",
            "iss",
            "iss names the new key",
            format!("urn:jkt:sha-256:{}", second(Ed25519).thumbprint()),
        ),
        (
            "iss-other",
            "iss",
            "iss names another key",
            format!("urn:jkt:sha-256:{}", first(P256).thumbprint()),
        ),
        ("iss-bare", "iss", "iss is a thumbprint without urn", first(Ed25519).thumbprint()),
        (
            "iss-upper-case",
            "iss",
            "iss has its urn in upper case",
            format!("URN:JKT:SHA-256:{}", first(Ed25519).thumbprint()),
        ),
        (
            "iss-sha-512",
            "iss",
            "iss names another hash",
            format!("urn:jkt:sha-512:{}", first(Ed25519).thumbprint()),
        ),
        (
            "sub-old",
            "sub",
            "sub names the old key",
            format!("urn:jkt:sha-256:{}", first(Ed25519).thumbprint()),
        ),
        ("sub-other", "sub", "sub names another key", format!("urn:jkt:sha-256:{}", third().thumbprint())),
        ("sub-padding", "sub", "sub is padded", format!("urn:jkt:sha-256:{}=", second(Ed25519).thumbprint())),
    ];
    for (name, claim, title, text) in rows {
        group.one(issuer, Some(Code::Malformed), name, title, |d| named(&mut d.claims, claim, text));
    }
}

fn times(group: &mut Group<'_>) {
    let order = rule("K1.2", "an old key ends before it said so, and verifiers do not agree when");
    group.refused(
        order,
        Code::Malformed,
        &[("until-before-iat", "until lies a second before iat", |d| {
            d.claims.set("until", (NOW - 1).to_string());
        })],
    );
    let at_once = || Draft::succession(&first(Ed25519), &second(Ed25519), NOW, NOW);
    group.one(honest(order), None, "until-is-iat", "until is iat: the old key ends at once", |d| {
        *d = at_once()
    });
    let long = rule("K1.6", "a thief has the old key for longer than its owner believes");
    let lasting = |seconds| Draft::succession(&first(Ed25519), &second(Ed25519), NOW, NOW + seconds);
    group.one(long, Some(Code::WindowTooLong), "until-604801", "until lies 604801 seconds after iat", |d| {
        *d = lasting(604_801);
    });
    group.one(long, Some(Code::WindowTooLong), "until-forever", "until is the end of time", |d| {
        d.claims.set("until", u64::MAX.to_string());
    });
    group.one(honest(long), None, "until-604800", "until lies 604800 seconds after iat", |d| {
        *d = lasting(604_800);
    });
}
