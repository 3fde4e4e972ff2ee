//! What the readers of structured fields take, they take in its one spelling: it serialises to the same bytes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use base64ct::{Base64, Encoding};
use envelope_core::Code;
use envelope_core::field::{Component, Item, Parameter, Reader};
use proptest::prelude::*;

/// RFC 9651 section 4.1, for the types that are read; `None` where the reader does not keep the value.
fn write_item(item: &Item<'_>) -> Option<String> {
    match item {
        Item::Integer(number) => Some(format!("={number}")),
        Item::String(text) => Some(format!("={}", write_string(text))),
        Item::Token(token) => Some(format!("={token}")),
        Item::Boolean(true) => Some(String::new()),
        Item::Boolean(false) => Some("=?0".into()),
        Item::Other => None,
    }
}

fn write_string(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn write_parameters(parameters: &[Parameter<'_>]) -> Option<String> {
    parameters.iter().map(|(name, item)| Some(format!(";{name}{}", write_item(item)?))).collect()
}

fn write_components(components: &[Component<'_>]) -> Option<String> {
    let items: Option<Vec<String>> = components
        .iter()
        .map(|component| Some(write_string(&component.name) + &write_parameters(&component.parameters)?))
        .collect();
    Some(format!("({})", items?.join(" ")))
}

/// Pieces that meet in interesting ways.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => prop::sample::select(vec![
            "(", ")", "\"", "\\", "\\\"", "\\\\", ";", "=", " ", ",", ", ", ":", "?", "?0", "?1", "-", ".", "a", "sig",
            "\"@method\"", "\"a\"", ";created=", ";nonce=\"", "0", "1", "17", "01", "1.5", "-1", ":AAAA:", "*", "A",
        ])
        .prop_map(str::to_owned),
        1 => "[ -~]",
        1 => "[a-z*][a-z0-9_.*-]{0,70}",
        1 => "[0-9]{1,17}",
        1 => any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// Something that is nearly a member of `Signature-Input`.
fn members() -> impl Strategy<Value = String> {
    let item = prop_oneof![
        "\"[ -~]{0,6}\"",
        "[0-9]{1,16}",
        "-?[0-9]{1,3}(\\.[0-9]{0,4})?",
        "[A-Za-z*][a-zA-Z0-9:/!-]{0,5}",
        Just("?0".to_owned()),
        Just("?1".to_owned()),
        ":[A-Za-z0-9+/]{0,8}={0,2}:",
    ];
    let parameter = ("[a-z*][a-z0-9]{0,2}", proptest::option::of(item)).prop_map(|(name, item)| match item {
        Some(item) => format!(";{name}={item}"),
        None => format!(";{name}"),
    });
    let parameters = proptest::collection::vec(parameter, 0..3).prop_map(|all| all.concat()).boxed();
    let component = ("\"([a-z@-]|\\\\\"|\\\\\\\\){0,6}\"", parameters.clone())
        .prop_map(|(name, parameters)| format!("{name}{parameters}"));
    (proptest::collection::vec(component, 0..4), parameters)
        .prop_map(|(components, parameters)| format!("({}){parameters}", components.join(" ")))
}

fn read_member(text: &str) -> Option<(Vec<Component<'_>>, Vec<Parameter<'_>>)> {
    let mut reader = Reader::new(text.as_bytes()).ok()?;
    let member = (reader.components(64).ok()?, reader.parameters().ok()?);
    reader.at_end().then_some(member)
}

fn holds_other(components: &[Component<'_>], parameters: &[Parameter<'_>]) -> bool {
    let all = components.iter().flat_map(|component| &component.parameters).chain(parameters);
    all.into_iter().any(|(_, item)| *item == Item::Other)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn a_member_has_one_spelling(text in prop_oneof![pieces(), members()]) {
        if let Some((components, parameters)) = read_member(&text) {
            match (write_components(&components), write_parameters(&parameters)) {
                (Some(components), Some(parameters)) => prop_assert_eq!(&(components + &parameters), &text),
                _ => prop_assert!(holds_other(&components, &parameters)),
            }
            for (index, component) in components.iter().enumerate() {
                prop_assert!(!components[..index].contains(component), "a component is there twice");
            }
        }
    }

    #[test]
    fn a_string_has_one_spelling(text in prop_oneof![pieces(), "\"[ -~]{0,12}\""]) {
        let Ok(mut reader) = Reader::new(text.as_bytes()) else { return Ok(()) };
        if let Ok(read) = reader.string() {
            prop_assert_eq!(write_string(&read), reader.since(0));
            prop_assert_eq!(reader.position(), reader.since(0).len());
        }
    }

    #[test]
    fn bytes_have_one_spelling(text in prop_oneof![pieces(), ":[A-Za-z0-9+/_-]{0,12}={0,3}:"]) {
        let Ok(mut reader) = Reader::new(text.as_bytes()) else { return Ok(()) };
        if let Ok(read) = reader.bytes() {
            prop_assert_eq!(format!(":{}:", Base64::encode_string(&read)), reader.since(0));
        }
    }

    #[test]
    fn bytes_of_any_kind_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let text = format!(":{}:", Base64::encode_string(&bytes));
        let mut reader = Reader::new(text.as_bytes()).unwrap();
        prop_assert_eq!(reader.bytes().unwrap(), bytes);
        prop_assert!(reader.at_end());
    }

    #[test]
    fn keys_and_tokens_are_of_their_characters(text in pieces()) {
        let Ok(mut reader) = Reader::new(text.as_bytes()) else {
            prop_assert!(!text.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
            return Ok(());
        };
        if let Ok(key) = reader.key() {
            prop_assert!((1..=64).contains(&key.len()));
            prop_assert!(key.starts_with(|first: char| first.is_ascii_lowercase() || first == '*'));
            prop_assert!(key.bytes().all(|byte| b"abcdefghijklmnopqrstuvwxyz0123456789_-.*".contains(&byte)));
        }
        let mut reader = Reader::new(text.as_bytes()).unwrap();
        let token = reader.token();
        prop_assert!(token.is_empty() || token.starts_with(|first: char| first.is_ascii_alphabetic() || first == '*'));
    }
}

#[test]
fn numbers() {
    let read = |text: &str| {
        let text = format!(";a={text}");
        let mut reader = Reader::new(text.as_bytes()).unwrap();
        let parameters = reader.parameters().map_err(|refusal| refusal.code())?;
        if !reader.at_end() {
            return Err(Code::Malformed);
        }
        match parameters.first() {
            Some((_, Item::Integer(number))) => Ok(Some(*number)),
            Some((_, Item::Other)) => Ok(None),
            other => panic!("{other:?}"),
        }
    };
    for (text, number) in [("0", 0), ("1", 1), ("999999999999999", 999_999_999_999_999)] {
        assert_eq!(read(text), Ok(Some(number)), "{text}");
    }
    for text in ["-1", "-999999999999999", "0.0", "1.5", "-0.5", "1.05", "1.125", "999999999999.999", "-10.0"]
    {
        assert_eq!(read(text), Ok(None), "{text}");
    }
    for text in [
        "",
        "-",
        "+1",
        "00",
        "01",
        "-0",
        "-01",
        "1000000000000000",
        "1.",
        ".5",
        "1.50",
        "1.00",
        "1.1234",
        "01.5",
        "1000000000000.5",
        "1e3",
        "1 ",
        "0x1",
        "--1",
        "1.5.5",
    ] {
        assert_eq!(read(text), Err(Code::Malformed), "{text}");
    }
}

#[test]
fn a_key_has_at_most_64_characters() {
    let key = |length: usize| {
        Reader::new("k".repeat(length).as_bytes())
            .unwrap()
            .key()
            .map(str::len)
            .map_err(|refusal| refusal.code())
    };
    assert_eq!(key(64), Ok(64));
    assert_eq!(key(65), Err(Code::Malformed));
}

#[test]
fn a_list_has_a_limit() {
    let text = "(\"a\" \"b\" \"c\")";
    let read = |limit| Reader::new(text.as_bytes()).unwrap().components(limit).map(|list| list.len());
    assert_eq!(read(3), Ok(3));
    assert_eq!(read(2).unwrap_err().code(), Code::TooLarge);
}
