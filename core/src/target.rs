//! The request target: canonical or refused, never normalised (spec, section 3.2).

use crate::error::{Code, Refusal};

const MAX_TARGET: usize = 8192;

const fn refuse(detail: &'static str) -> Refusal {
    Refusal::new(Code::TargetNotCanonical, detail)
}

/// The path and the query of a request, as sent and known to be canonical.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// Checks `path?query`.
    ///
    /// # Errors
    /// [`Code::TargetNotCanonical`].
    pub fn new(path_and_query: &'a str) -> Result<Self, Refusal> {
        if path_and_query.len() > MAX_TARGET {
            return Err(refuse("the target is longer than 8192 bytes"));
        }
        let (path, query) = match path_and_query.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path_and_query, None),
        };
        check_path(path)?;
        if let Some(query) = query {
            if query.is_empty() {
                return Err(refuse("there is a question mark and no query"));
            }
            check_bytes(query, |byte| byte == b'?')?;
        }
        Ok(Self { path, query })
    }

    /// The path: `@path`.
    #[must_use]
    pub const fn path(&self) -> &'a str {
        self.path
    }

    /// The query without its question mark.
    #[must_use]
    pub const fn query(&self) -> Option<&'a str> {
        self.query
    }
}

/// Checks a path alone: what a gateway asks of every request that it forwards, signed or not.
///
/// # Errors
/// [`Code::TargetNotCanonical`].
pub fn check_path(path: &str) -> Result<(), Refusal> {
    let Some(segments) = path.strip_prefix('/') else {
        return Err(refuse("the path does not start with a slash"));
    };
    check_bytes(path, |_| false)?;
    let mut segments = segments.split('/').peekable();
    while let Some(segment) = segments.next() {
        // Servlet containers drop what follows a semicolon before they look for dots.
        match segment.split(';').next().unwrap_or_default() {
            "" if segment.is_empty() && segments.peek().is_some() => {
                return Err(refuse("the path holds two slashes in a row"));
            }
            "." | ".." => return Err(refuse("the path holds a dot segment")),
            _ => {}
        }
    }
    Ok(())
}

fn check_bytes(text: &str, also: impl Fn(u8) -> bool) -> Result<(), Refusal> {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => check_escape(bytes.next(), bytes.next())?,
            byte if is_unreserved(byte) || b"!$&'()*+,;=:@/".contains(&byte) || also(byte) => {}
            b'#' => return Err(refuse("the target holds a fragment")),
            _ => return Err(refuse("the target holds a character that must be percent-encoded")),
        }
    }
    Ok(())
}

fn check_escape(high: Option<u8>, low: Option<u8>) -> Result<(), Refusal> {
    let (Some(high), Some(low)) = (high.and_then(hex_digit), low.and_then(hex_digit)) else {
        return Err(refuse("a percent sign is not followed by two upper-case hex digits"));
    };
    match high * 16 + low {
        b'/' | b'\\' | 0 => Err(refuse("the target holds %2F, %5C or %00")),
        byte if is_unreserved(byte) => Err(refuse("a character is percent-encoded that needs no escape")),
        _ => Ok(()),
    }
}

const fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_targets_pass_as_they_are() {
        for target in [
            "/",
            "/a",
            "/a/",
            "/a/b.c/..d/.e/f..",
            "/a?b",
            "/a?b=/c//d?e&f=../",
            "/%20%C3%A4",
            "/a:b@c;d,e=(f)!$&'*+",
        ] {
            let parsed = Target::new(target).unwrap();
            let query = parsed.query().map(|query| alloc::format!("?{query}")).unwrap_or_default();
            assert_eq!(alloc::format!("{}{query}", parsed.path()), target);
        }
    }

    #[test]
    fn every_other_spelling_is_refused() {
        for target in [
            "",
            "a",
            "*",
            "?",
            "//",
            "//a",
            "/a//b",
            "/.",
            "/..",
            "/a/./b",
            "/a/../b",
            "/a/..",
            "/a\\b",
            "/a b",
            "/a\u{7f}",
            "/\u{e4}",
            "/%2f",
            "/%c3%a4",
            "/%41",
            "/%7E",
            "/%2E%2E/",
            "/%2F",
            "/%5C",
            "/%00",
            "/a?",
            "/a?b=%2F",
            "/a?%5C",
            "/a?\u{e4}",
            "/a?b[]=1",
            "/a#b",
            "/a?b#c",
            "/%",
            "/%4",
            "/%G0",
            "/a?b=%",
            "/a\"",
            "/a<",
            "/a|",
            "/a^",
            "/a`",
            "/a{",
            "/a?b|c",
            "http://a/",
        ] {
            assert_eq!(Target::new(target).unwrap_err().code(), Code::TargetNotCanonical, "{target}");
        }
        let long = alloc::format!("/{}", "a".repeat(MAX_TARGET));
        assert_eq!(Target::new(&long).unwrap_err().code(), Code::TargetNotCanonical);
    }
}
