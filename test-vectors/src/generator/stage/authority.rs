//! Stage 2, V2.4: whom the request is addressed to.

use envelope_core::Code;
use envelope_test_vectors::Vector;

use super::super::draft::Draft;
use super::super::{Topic, rule};

pub(super) fn fill(all: &mut Vec<Vector>) {
    let mut topic = Topic::new("authority", all);
    let ours = rule("V2.4", "a call to one host is replayed at another");
    for (name, host, title) in [
        ("host-other", "other.example", "Host is of another verifier"),
        ("host-empty", "", "Host is empty"),
        ("host-port", "pack.example:8443", "Host has a port that is not configured"),
        ("host-port-empty", "pack.example:", "Host has an empty port"),
        ("host-two-ports", "pack.example:80:443", "Host has two ports"),
        ("host-trailing-dot", "pack.example.", "Host ends with a dot"),
        ("host-longer", "pack.example.evil.example", "Host starts as ours does"),
        ("host-subdomain", "sub.pack.example", "Host ends as ours does"),
        ("host-user", "user@pack.example", "Host has user information"),
        ("host-list", "pack.example, other.example", "Host is a list"),
        ("host-space", "pack.example other.example", "Host holds a space"),
        ("host-scheme", "https://pack.example", "Host has a scheme"),
        ("host-path", "pack.example/", "Host has a path"),
        ("host-non-ascii", "p\u{e4}ck.example", "Host holds a byte above 0x7E"),
        ("host-form-feed", "pack.example\u{c}", "Host ends with a form feed, which is no white space"),
    ] {
        topic.one(ours, Some(Code::WrongAuthority), name, title, |d| d.host(Some(host)));
    }
    topic.refused(
        ours,
        Code::WrongAuthority,
        &[
            ("no-host", "there is no Host", |d| d.host(None)),
            ("no-host-forwarded", "there is no Host, but X-Forwarded-Host", |d| {
                d.host(None);
                d.header("X-Forwarded-Host", "pack.example");
            }),
            ("absolute-form-other", "the absolute-form target names another host", |d| {
                d.target = "https://other.example/a".into();
            }),
            (
                "absolute-form-and-host-differ",
                "both are ours, but Host and the absolute-form target differ",
                |d| {
                    d.verifier.authorities.push("other.example".into());
                    d.target = "https://other.example/a".into();
                    d.authority = "other.example".into();
                },
            ),
            ("absolute-form-user", "the absolute-form target has user information", |d| {
                d.host(None);
                d.target = "https://user@pack.example/a".into();
            }),
            ("absolute-form-host-empty", "Host is empty beside an absolute-form target", |d| {
                d.host(Some(""));
                d.target = "https://pack.example/a".into();
            }),
            (
                "absolute-form-host-non-ascii",
                "Host holds a byte above 0x7E beside an absolute-form target",
                |d| {
                    d.host(Some("\u{ff}"));
                    d.target = "https://pack.example/a".into();
                },
            ),
            ("configured-port-missing", "the configured authority has a port, and Host has none", |d| {
                configured(d, "pack.example:8443", "pack.example");
            }),
        ],
    );
    let forwarded = rule("V2.4", "whoever sets a field of a proxy chooses which host the signature is for");
    for (name, field, value) in [
        ("x-forwarded-host", "X-Forwarded-Host", "pack.example"),
        ("forwarded", "Forwarded", "host=pack.example"),
        ("x-original-host", "X-Original-Host", "pack.example"),
    ] {
        let title = format!("Host is of another verifier, and {field} is ours");
        topic.one(forwarded, Some(Code::WrongAuthority), &format!("host-other-{name}"), &title, |d| {
            d.host(Some("other.example"));
            d.header(field, value);
        });
    }
    let honest = rule("V2.4", "an honest caller is locked out");
    for (name, host, title) in [
        ("host-443", "pack.example:443", "Host has the default port of https"),
        ("host-80", "pack.example:80", "Host has the default port of http"),
        ("host-upper-case", "PACK.Example", "Host is in upper case"),
        ("host-white-space", " pack.example\t", "white space stands around Host"),
    ] {
        topic.one(honest, None, name, title, |d| d.host(Some(host)));
    }
    topic.valid(
        honest,
        &[
            ("second-of-the-list", "the verifier answers for several hosts", |d| {
                d.verifier.authorities.insert(0, "other.example".into());
            }),
            ("configured-port", "the configured authority has a port", |d| {
                configured(d, "pack.example:8443", "pack.example:8443");
            }),
            ("configured-port-443", "the configured authority has the default port, as has Host", |d| {
                configured(d, "pack.example:443", "pack.example:443");
            }),
            (
                "configured-with-and-without-port",
                "the host is configured twice: the entry that is as sent counts",
                |d| {
                    configured(d, "pack.example:443", "pack.example:443");
                    d.verifier.authorities.insert(0, "pack.example".into());
                },
            ),
            ("configured-other-port", "the host is configured with another port, too", |d| {
                d.verifier.authorities.insert(0, "pack.example:8443".into());
            }),
            ("configured-upper-case", "the configured authority is in upper case", |d| {
                d.verifier.authorities = vec!["Pack.EXAMPLE".into()];
            }),
            ("configured-ipv4", "the configured authority is an address", |d| {
                configured(d, "127.0.0.1:7998", "127.0.0.1:7998");
            }),
            ("configured-ipv6", "the configured authority is an IPv6 address", |d| {
                configured(d, "[::1]", "[::1]:443");
            }),
            ("absolute-form-no-host", "the target is in absolute-form, and there is no Host", |d| {
                d.host(None);
                d.target = "https://pack.example/a".into();
            }),
            ("absolute-form-port", "the absolute-form target has the default port, as has Host", |d| {
                d.host(Some("pack.example:443"));
                d.target = "https://pack.example:443/a".into();
            }),
            ("forwarded-other", "X-Forwarded-Host is of another verifier, and nobody looks at it", |d| {
                d.header("X-Forwarded-Host", "other.example");
            }),
        ],
    );
}

/// One configured authority, which is signed, and what `Host` says.
fn configured(draft: &mut Draft, authority: &str, host: &str) {
    draft.verifier.authorities = vec![authority.into()];
    draft.authority = authority.into();
    draft.host(Some(host));
}
