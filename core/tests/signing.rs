//! Signing: S1 to S7, and what a signer refuses because a verifier would.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod caller;

use caller::{Alice, Arriving, NOW, alice, code, issue};
use envelope_core::{
    Algorithm, Code, Document, Field, Grant, Issue, Refusal, Request, Signed, Signer, SigningKey,
    UntrustedCertificate, Url,
};
use envelope_test_vectors::{Exchange, Message};

const URL: &str = "https://pack.example/api/pack/p1/agent?lang=en";

fn sign(url: &str, fields: &[Field<'_>]) -> Result<Signed, Refusal> {
    sign_as("POST", url, fields)
}

fn sign_as(method: &str, url: &str, fields: &[Field<'_>]) -> Result<Signed, Refusal> {
    Alice::ed25519().signer().sign(&Request::new(method, url, fields), Some(b"{}"), NOW, &[1; 16])
}

/// The example of the spec: core's signer makes the bytes that the generator makes without core.
#[test]
fn the_signer_writes_the_example_of_the_spec() {
    let vector = envelope_test_vectors::load()
        .unwrap()
        .into_iter()
        .find(|vector| vector.name == "whole/example")
        .unwrap();
    let Message::Request(request) = &vector.steps()[0].message else { panic!("a request") };
    let field = |name: &str| request.headers.iter().find(|(known, _)| known == name).unwrap().1.clone();
    let seed = |d: &str| {
        use base64ct::{Base64UrlUnpadded, Encoding};
        <[u8; 32]>::try_from(Base64UrlUnpadded::decode_vec(d).unwrap()).unwrap()
    };
    // The private keys stand in the spec.
    let spec = std::fs::read_to_string(envelope_test_vectors::root().join("../spec/envelope.md")).unwrap();
    let mut keys = spec.lines().filter_map(|line| line.split_once("\"d\":\"")).map(|(_, rest)| {
        SigningKey::from_bytes(Algorithm::Ed25519, &seed(rest.split('"').next().unwrap())).unwrap()
    });
    let (identity_key, call_key) = (keys.next().unwrap(), keys.next().unwrap());
    let certificate = issue(&call_key).sign(&identity_key).unwrap();
    let nonce = field("Signature-Input").split_once("nonce=\"").unwrap().1[..22].to_owned();
    let nonce: [u8; 16] = {
        use base64ct::{Base64UrlUnpadded, Encoding};
        Base64UrlUnpadded::decode_vec(&nonce).unwrap().try_into().unwrap()
    };
    let fields: [Field<'_>; 1] = [("Content-Type", b"application/json")];
    let signed = Signer::certified(&call_key, &certificate)
        .unwrap()
        .sign(&Request::new("POST", URL, &fields), request.body().as_deref(), NOW, &nonce)
        .unwrap();
    let written: Vec<(&str, &str)> = signed.fields().collect();
    let names = ["Content-Digest", "Signature-Key", "Signature-Input", "Signature"];
    assert_eq!(written.len(), names.len());
    for (name, value) in written {
        assert!(names.contains(&name));
        assert_eq!(field(name), value);
    }
    assert_eq!(signed.base(), vector.steps()[0].base.as_ref().unwrap().join("\n"));
}

/// As the spec says below its example.
#[test]
fn the_example_is_good_from_5_seconds_before_to_60_seconds_after() {
    let vectors = envelope_test_vectors::load().unwrap();
    let vector = vectors.into_iter().find(|vector| vector.name == "whole/example").unwrap();
    for (now, valid) in [(-6, false), (-5, true), (0, true), (60, true), (61, false)] {
        let mut vector = vector.clone();
        if let Exchange::Single(step) = &mut vector.exchange {
            step.now = step.now.checked_add_signed(now).unwrap();
        }
        assert_eq!(envelope_test_vectors::run(&vector).unwrap() == vector.expected(), valid, "{now}");
    }
}

#[test]
fn s1_urls() {
    for (url, authority, path, query) in [
        ("https://pack.example", "pack.example", "/", None),
        ("https://pack.example/", "pack.example", "/", None),
        ("https://pack.example:443/a", "pack.example", "/a", None),
        ("http://pack.example:80/a", "pack.example", "/a", None),
        ("https://pack.example:80/a", "pack.example:80", "/a", None),
        ("http://pack.example:443/a", "pack.example:443", "/a", None),
        ("HTTP://PACK.example:8080/a?b", "pack.example:8080", "/a", Some("b")),
        ("https://[::1]:8443/a", "[::1]:8443", "/a", None),
        ("https://127.0.0.1/?a:b@c", "127.0.0.1", "/", Some("a:b@c")),
    ] {
        let read = Url::parse(url).unwrap();
        assert_eq!((read.authority(), read.target().path(), read.target().query()), (authority, path, query));
    }
    for url in [
        "",
        "pack.example/a",
        "/a",
        "ftp://pack.example/a",
        "https:/pack.example",
        "https:///a",
        "https://user@pack.example/a",
        "https://user:secret@pack.example/a",
        "https://pack.example/a#b",
        "https://pack.example#b",
        "https://pack.example:/a",
        "https://pack.example:0/a",
        "https://pack.example:080/a",
        "https://pack.example:65536/a",
        "https://pack.example:+1/a",
        "https://pack.example:a/a",
        "https://pack example/a",
        "https://p\u{e4}ck.example/a",
        "https://pack.example\\a",
        "https://[::1/a",
        "https://[]/a",
        "https://[::g]/a",
        "https://pack.example/a/../b",
        "https://pack.example/%7Ea",
        "https://pack.example/a?",
    ] {
        assert_eq!(code(Url::parse(url)), Code::TargetNotCanonical, "{url}");
        assert_eq!(code(sign(url, &[])), Code::TargetNotCanonical, "{url}");
    }
}

#[test]
fn s2_what_no_verifier_takes() {
    let long = [b'a'; 8193];
    for (expected, name, value) in [
        (Code::Malformed, "X Note", b"1".as_slice()),
        (Code::Malformed, "", b"1"),
        (Code::Malformed, "Host", b"pack.example"),
        (Code::Malformed, "X-HTTP-Method-Override", b"PUT"),
        (Code::Malformed, "x_http_method", b"PUT"),
        (Code::Malformed, "Content_Type", b"a/b"),
        (Code::Malformed, "X-Note", b"a\nb"),
        (Code::Malformed, "X-Note", b"a\x7f"),
        (Code::Malformed, "X-Note", "\u{e4}".as_bytes()),
        (Code::Duplicate, "Signature", b"sig=:AAAA:"),
        (Code::Duplicate, "signature-input", b"sig=()"),
        (Code::Duplicate, "Signature-Key", b"sig=hwk"),
        (Code::Duplicate, "Content-Digest", b"sha-256=:AAAA:"),
        (Code::Duplicate, "Signature", long.as_slice()),
    ] {
        assert_eq!(code(sign(URL, &[(name, value)])), expected, "{name}");
    }
    for name in ["Content-Type", "authorization", "Idempotency-Key", "mcp-session-id", "Mcp-Protocol-Version"]
    {
        assert_eq!(code(sign(URL, &[(name, b"a"), (name, b"a")])), Code::Duplicate, "{name}");
    }
    for method in ["", "post", "Post", "P0ST", "GET ", &"A".repeat(33)] {
        assert_eq!(code(sign_as(method, URL, &[])), Code::Malformed, "{method}");
    }
    let lines = vec![("X-Line", b"1".as_slice()); 257];
    assert_eq!(code(sign(URL, &lines)), Code::TooLarge);
}

/// Four derived components, `content-digest` and `signature-key` are covered beside the fields of the request.
#[test]
fn s2_no_more_than_a_verifier_takes() {
    let names: Vec<String> = (0..59).map(|number| format!("x-{number}")).collect();
    let fields: Vec<Field<'_>> = names.iter().map(|name| (name.as_str(), b"1".as_slice())).collect();
    assert!(sign(URL, &fields[..58]).is_ok());
    assert_eq!(code(sign(URL, &fields)), Code::TooLarge);

    let name = "x".repeat(4000);
    assert_eq!(code(sign(URL, &[(&name, b"1")])), Code::TooLarge);
}

#[test]
fn s3_to_s5_what_is_covered() {
    let fields: [Field<'_>; 6] = [
        ("X-Tag", b"one"),
        ("Mcp-Protocol-Version", b"1"),
        ("Authorization", b"Bearer a"),
        ("x-tag", b" two\t"),
        ("Accept", b"*/*"),
        ("Content-Type", b"application/json"),
    ];
    let signed = sign(URL, &fields).unwrap();
    let value = |name: &str| signed.fields().find(|(known, _)| *known == name).unwrap().1.to_owned();
    assert!(value("Signature-Input").starts_with(
        "sig=(\"@method\" \"@authority\" \"@path\" \"@query\" \"content-type\" \"content-digest\" \
         \"signature-key\" \"authorization\" \"mcp-protocol-version\" \"x-tag\" \"accept\");created=1767225600;\
         expires=1767225660;nonce=\"AQEBAQEBAQEBAQEBAQEBAQ\";keyid=\""
    ));
    assert!(value("Signature-Input").ends_with("\";tag=\"envelope/1\""));
    assert_eq!(value("Content-Digest"), "sha-256=:RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=:");
    assert!(signed.base().contains("\n\"x-tag\": one, two\n"));
    assert!(!signed.base().ends_with('\n'));

    let keys = Alice::ed25519();
    let request = Request::new("GET", "https://pack.example/", &[]);
    let signed = Signer::registered(&keys.call_key).sign(&request, None, NOW, &[1; 16]).unwrap();
    let names: Vec<&str> = signed.fields().map(|(name, _)| name).collect();
    assert_eq!(names, ["Signature-Input", "Signature"]);
    let caller = Arriving::new(&request, "/", None, &signed).admit(&keys.registered(), NOW).unwrap();
    assert_eq!((caller.identity(), caller.call().unwrap().certificate()), (&alice(), None));
}

#[test]
fn s6_the_window() {
    let keys = Alice::ed25519();
    let request = Request::new("GET", "https://pack.example/", &[]);
    let expires = |signer: &Signer<'_>, created| {
        let signed = signer.sign(&request, None, created, &[1; 16])?;
        let (_, rest) = signed.base().split_once(";expires=").unwrap();
        Ok::<u64, Refusal>(rest.split(';').next().unwrap().parse().unwrap())
    };
    let start = NOW.as_unix();
    assert_eq!(expires(&keys.signer(), NOW), Ok(start + 60));
    assert_eq!(expires(&keys.signer().with_lifetime(1).unwrap(), NOW), Ok(start + 1));
    assert_eq!(expires(&keys.signer().with_lifetime(300).unwrap(), NOW), Ok(start + 300));
    for lifetime in [0, 301, u64::MAX] {
        assert_eq!(code(keys.signer().with_lifetime(lifetime)), Code::WindowTooLong);
    }
    // The certificate ends at start + 900.
    assert_eq!(expires(&keys.signer(), NOW.plus(850)), Ok(start + 900));
    assert_eq!(expires(&keys.signer(), NOW.plus(899)), Ok(start + 900));
    assert_eq!(code(expires(&keys.signer(), NOW.plus(900))), Code::CertificateExpired);
    assert_eq!(expires(&Signer::registered(&keys.call_key), NOW.plus(900)), Ok(start + 960));
}

#[test]
fn a_signer_has_a_certificate_for_its_key() {
    let (keys, other) = (Alice::ed25519(), Alice::new(Algorithm::Ed25519, Algorithm::P256));
    assert_eq!(code(Signer::certified(&keys.call_key, &other.certificate)), Code::CertificateInvalid);
    assert_eq!(code(Signer::certified(&keys.call_key, "e30.e30.AAAA")), Code::CertificateInvalid);
}

#[test]
fn certificates_that_no_verifier_takes_are_not_made() {
    let keys = Alice::ed25519();
    let made = |issue: Issue<'_>| issue.sign(&keys.identity_key);
    let right = || issue(&keys.call_key);
    let long = "j".repeat(257);
    let bytes = "c".repeat(9000);
    for issue in [
        Issue { lifetime: 0, ..right() },
        Issue { lifetime: 86_401, ..right() },
        Issue { id: &long, ..right() },
        Issue { call_key: keys.identity_key.verifying_key(), ..right() },
        Issue { grant: Grant::everything().scope(["two words"]), ..right() },
        Issue { grant: Grant::everything().scope([""]), ..right() },
        Issue { grant: Grant::everything().scope(Vec::<String>::new()), ..right() },
        Issue { grant: Grant::everything().audience([bytes.as_str()]), ..right() },
    ] {
        assert_eq!(code(made(issue)), Code::CertificateInvalid);
    }
    // Without the check of what was written, which `sign` makes in the end.
    let input = |issue: Issue<'_>| issue.signing_input(keys.identity_key.verifying_key());
    for issue in [
        Issue { lifetime: 0, ..right() },
        Issue { lifetime: 86_401, ..right() },
        Issue { id: &long, ..right() },
        Issue { call_key: keys.identity_key.verifying_key(), ..right() },
    ] {
        assert_eq!(code(input(issue)), Code::CertificateInvalid);
    }
    for lifetime in [1, 86_400] {
        made(Issue { lifetime, ..right() }).unwrap();
    }
    let grant = Grant::everything().audience(["pack.example", "p1"]).scope(["call", "deploy"]);
    let issue = Issue { grant: grant.clone(), ..right() };
    let jws = made(issue.clone()).unwrap();
    let read = UntrustedCertificate::parse(&jws).unwrap();
    assert_eq!(read.grant(), &grant);
    assert_eq!((read.issued(), read.expires(), read.id()), (NOW, NOW.plus(900), Some("c-1")));
    assert_eq!(read.call_key(), keys.call_key.verifying_key());
    assert_eq!(read.identity_key(), keys.identity_key.verifying_key());
    assert!(read.check_time(NOW).is_ok());

    // The same in two steps, for a key that lies elsewhere.
    let input = issue.signing_input(keys.identity_key.verifying_key()).unwrap();
    let signature = keys.identity_key.sign(input.as_bytes());
    assert_eq!(envelope_core::issue::attach(input, &signature), jws);

    let verified = read.verify().unwrap();
    assert_eq!(verified.as_str(), jws);
    assert_eq!(verified.identity_key(), keys.identity_key.verifying_key().thumbprint());
    assert_eq!((verified.expires(), verified.id(), verified.grant()), (NOW.plus(900), Some("c-1"), &grant));
    assert_eq!(verified.call_key(), keys.call_key.verifying_key());
}

#[test]
fn a_document_joins_what_it_can() {
    let keys = Alice::ed25519();
    let sign = |fields: &[Field<'_>]| {
        let request = Request::new("POST", URL, fields);
        let signed = keys.signer().sign(&request, Some(b"{}"), NOW, &[1; 16]).unwrap();
        Document::new(&request, Some(b"{}"), &signed)
    };
    let document = sign(&[("X-Tag", b" one "), ("x-tag", b""), ("X-TAG", b"three")]).unwrap();
    assert!(document.to_json().contains("\"x-tag\":\"one, , three\""));
    assert_eq!(document.authority(), "pack.example");
    assert_eq!(code(sign(&[("X-Tag", b"one"), ("x-tag", b" ")])), Code::Malformed);
}
