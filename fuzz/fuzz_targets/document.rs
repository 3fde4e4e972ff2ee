//! What we read as a document we write, and read again as the same.
#![no_main]

use envelope_core::Document;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &[u8]| {
    if let Ok(document) = Document::parse(json) {
        assert_eq!(Document::parse(document.to_json().as_bytes()).as_ref(), Ok(&document));
        assert!(serde_json::from_slice::<serde_json::Value>(json).is_ok());
    }
});
