//! What we read as a structured field, the crate `sfv` reads, too, and writes as the same bytes: there is one spelling.
#![no_main]

use envelope_core::{Envelope, Request};
use libfuzzer_sys::fuzz_target;
use sfv::{Dictionary, FieldType, Parser};

fn same(line: &[u8]) {
    // Spaces and tabs around a value are the line's, not the value's (RFC 9110 section 5.5).
    let value = line.trim_ascii();
    let read: Dictionary = Parser::new(value).parse().expect("we read no field that sfv does not");
    let written = read.serialize().expect("a field is not empty");
    assert_eq!(written.as_bytes(), value);
}

// The four fields, one a line.
fuzz_target!(|data: &[u8]| {
    let names = ["signature-input", "signature", "signature-key", "content-digest"];
    let lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    let fields: Vec<_> =
        names.into_iter().zip(lines.iter().copied()).filter(|(_, line)| !line.is_empty()).collect();
    let request = Request::new("GET", "/", &fields);
    if Envelope::parse(&request).is_ok() {
        fields.iter().for_each(|(_, value)| same(value));
    }
});
