//! Where a page begins: `?after=…`, as the page before has named it.

use axum::extract::Request;
use envelope_core::Refusal;

use super::body::malformed;

/// The value of `after`; `None` for the first page.
pub(super) fn after(request: &Request) -> Result<Option<String>, Refusal> {
    match request.uri().query() {
        None | Some("") => Ok(None),
        Some(query) => query
            .strip_prefix("after=")
            .and_then(decode)
            .map(Some)
            .ok_or(malformed("the query is not after=…, as next has named it")),
    }
}

/// Refuses a query where none is looked at: nobody shall think that it says something.
pub(super) fn none(request: &Request) -> Result<(), Refusal> {
    match request.uri().query() {
        None | Some("") => Ok(()),
        Some(_) => Err(malformed("this endpoint takes no query")),
    }
}

/// Without percent-encoding. A plus is itself: names have no spaces.
fn decode(text: &str) -> Option<String> {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let (hex, rest) = piece.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(hex, 16).ok()?);
        bytes.extend(rest.bytes());
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('&'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_comes_back_however_it_was_written() {
        for (text, read) in [
            ("github:a+b@c/d", Some("github:a+b@c/d")),
            ("github%3Aa%2Bb%40c%2Fd", Some("github:a+b@c/d")),
            ("", Some("")),
            ("a%2", None),
            ("a%zz", None),
            ("a%ff", None),
            ("a&b=c", None),
        ] {
            assert_eq!(decode(text).as_deref(), read, "{text}");
        }
    }
}
