//! The URL of a request: what is signed is what a client sends.

use envelope_core::{Refusal, Url};
use reqwest::Url as Sent;

use crate::error::Error;

/// The part of a URL that keeps it from being signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UrlPart {
    Scheme,
    UserInformation,
    Host,
    Fragment,
    Target,
}

/// Checks a URL that some client will be given, such as curl: it must be one that can be signed, and clients write a host in
/// one spelling whatever they are given. They leave path and query alone.
pub(crate) fn check(text: &str) -> Result<(), Error> {
    let (signed, sent) = read(text)?;
    if authority(&sent) == signed.authority() { Ok(()) } else { Err(Error::OtherTarget) }
}

/// The URL as reqwest takes it, and its authority. It writes path and query anew as well, and must write what is signed.
pub(crate) fn exact(text: &str) -> Result<(Sent, String), Error> {
    let (signed, sent) = read(text)?;
    let authority = authority(&sent);
    let same = authority == signed.authority()
        && sent.path() == signed.target().path()
        && sent.query() == signed.target().query();
    if same { Ok((sent, authority)) } else { Err(Error::OtherTarget) }
}

/// Whether it names this very machine, which no proxy can reach.
pub(crate) fn is_loopback(url: &Sent) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    match address {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

fn read(text: &str) -> Result<(Url<'_>, Sent), Error> {
    let signed = Url::parse(text).map_err(|refusal| Error::Url(refusal, part_at_fault(text, refusal)))?;
    let sent = Sent::parse(text).map_err(|_| Error::OtherTarget)?;
    Ok((signed, sent))
}

fn authority(url: &Sent) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (host, _) => host.unwrap_or_default().into(),
    }
}

/// Where the flaw is: the first part that core refuses.
fn part_at_fault(text: &str, refusal: Refusal) -> UrlPart {
    let Some((scheme, rest)) = text.split_once("://") else { return UrlPart::Scheme };
    if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return UrlPart::Scheme;
    }
    let (authority, target) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if authority.contains('@') {
        UrlPart::UserInformation
    } else if Url::parse(&format!("{scheme}://{authority}/")) == Err(refusal) {
        UrlPart::Host
    } else if target.contains('#') {
        UrlPart::Fragment
    } else {
        UrlPart::Target
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_sent_is_what_is_signed() {
        for url in [
            "http://a.example",
            "https://A.example:443/b?c=d",
            "http://[::1]:80/",
            "http://127.0.0.1:8080/a%20b",
        ] {
            assert_eq!(exact(url).unwrap().1, Url::parse(url).unwrap().authority(), "{url}");
            check(url).unwrap();
        }
        for url in ["http://0x7f.1/", "http://127.1/", "http://[0:0::1]/", "http://127.0.0.1./", "http://1/"]
        {
            assert!(matches!(exact(url), Err(Error::OtherTarget)), "{url}");
            assert!(matches!(check(url), Err(Error::OtherTarget)), "{url}");
        }
        // curl sends a quote as it is.
        assert!(matches!(exact("http://a.example/?it's"), Err(Error::OtherTarget)));
        check("http://a.example/?it's").unwrap();
    }

    #[test]
    fn the_part_at_fault_is_named() {
        for (url, part) in [
            ("a.example/b", UrlPart::Scheme),
            ("ftp://a.example/b", UrlPart::Scheme),
            ("http://me:secret@a.example/", UrlPart::UserInformation),
            ("http:///b", UrlPart::Host),
            ("http://a.example:0/", UrlPart::Host),
            ("http://a.example/b#c", UrlPart::Fragment),
            ("http://a.example#c", UrlPart::Fragment),
            ("http://a.example/../b", UrlPart::Target),
            ("http://a.example/b?", UrlPart::Target),
        ] {
            match check(url) {
                Err(Error::Url(_, found)) => assert_eq!(found, part, "{url}"),
                other => panic!("{url}: {other:?}"),
            }
        }
    }

    #[test]
    fn this_machine_is_known_in_every_spelling() {
        for (url, expected) in [
            ("http://127.0.0.1:1/", true),
            ("http://127.9.9.9/", true),
            ("http://[::1]/", true),
            ("http://[::ffff:127.0.0.1]/", true),
            ("http://localhost/", true),
            ("http://a.localhost/", true),
            ("http://notlocalhost/", false),
            ("http://10.0.0.1/", false),
            ("http://localhost.example/", false),
        ] {
            assert_eq!(is_loopback(&Sent::parse(url).unwrap()), expected, "{url}");
        }
    }
}
