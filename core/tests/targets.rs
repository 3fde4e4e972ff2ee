//! The rules of the spec, section 3.2, written a second time, against the reader.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use envelope_core::target::{Target, check_path};
use proptest::prelude::*;

/// The seven rules, one after the other, over the whole text.
fn is_canonical(target: &str) -> bool {
    if target.len() > 8192 || !target.starts_with('/') {
        return false;
    }
    let (path, query) = match target.find('?') {
        Some(at) => (&target[..at], Some(&target[at + 1..])),
        None => (target, None),
    };
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let inner_empty = segments.iter().rev().skip(1).any(|segment| segment.is_empty());
    let dots = segments.iter().any(|segment| {
        let name = segment.find(';').map_or(*segment, |at| &segment[..at]);
        name == "." || name == ".."
    });
    let path_bytes = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/%";
    let allowed = |text: &str, more: &str| text.chars().all(|c| path_bytes.contains(c) || more.contains(c));
    let escapes = |text: &str| {
        text.split('%').skip(1).all(|rest| {
            let Some(hex) = rest.get(..2) else { return false };
            let upper = hex.chars().all(|c| c.is_ascii_digit() || ('A'..='F').contains(&c));
            let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            upper
                && !["2F", "5C", "00"].contains(&hex)
                && u8::from_str_radix(hex, 16).is_ok_and(|byte| !unreserved(byte))
        })
    };
    !inner_empty
        && !dots
        && allowed(path, "")
        && escapes(path)
        && query.is_none_or(|query| !query.is_empty() && allowed(query, "?") && escapes(query))
}

/// Pieces that meet in interesting ways.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec!["/", "a", ".", "..", "?", "%20", ";", "%"]).prop_map(str::to_owned),
        1 => prop::sample::select(vec!["//", "/./", "%2F", "%2f", "%5C", "%00", "%41", "%7E", "%C3%A9", "%c3", "#", "\\", " ", "é", "[", "~", "&=", "*", "http:"])
            .prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
        1 => "%[0-9A-Fa-f]{2}",
        1 => "[ -~]",
    ];
    (any::<bool>(), proptest::collection::vec(piece, 0..7))
        .prop_map(|(slash, pieces)| format!("{}{}", if slash { "/" } else { "" }, pieces.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn a_target_is_taken_exactly_when_the_rules_say_so(target in pieces()) {
        prop_assert_eq!(Target::new(&target).is_ok(), is_canonical(&target), "{:?}", target);
        let path = target.split('?').next().unwrap_or_default();
        prop_assert_eq!(check_path(path).is_ok(), is_canonical(path), "{:?}", path);
    }

    #[test]
    fn what_is_taken_is_taken_as_it_is(target in pieces()) {
        if let Ok(read) = Target::new(&target) {
            let query = read.query().map(|query| format!("?{query}")).unwrap_or_default();
            prop_assert_eq!(format!("{}{query}", read.path()), target);
        }
    }
}

#[test]
fn every_byte_and_every_escape() {
    for byte in 0..=u8::MAX {
        for escape in [format!("%{byte:02X}"), format!("%{byte:02x}")] {
            for target in [format!("/a{escape}b"), format!("/?{escape}"), format!("/{escape}")] {
                assert_eq!(Target::new(&target).is_ok(), is_canonical(&target), "{target}");
            }
        }
        let character = char::from(byte);
        for target in [format!("/a{character}b"), format!("/a?{character}b")] {
            assert_eq!(Target::new(&target).is_ok(), is_canonical(&target), "{target:?}");
        }
    }
}
