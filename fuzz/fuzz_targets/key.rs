//! A key that we read in one spelling we write in every spelling, and each is the same key.
#![no_main]

use envelope_core::key::format::KeyRef;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(KeyRef::Key(key)) = KeyRef::parse(text) else { return };
    for spelling in [key.to_jwk(), key.to_pem(), key.to_did(), key.to_openssh()] {
        match KeyRef::parse(&spelling) {
            Ok(KeyRef::Key(read)) => assert_eq!(read, key),
            other => panic!("{spelling}: {other:?}"),
        }
    }
    assert_eq!(KeyRef::parse(&key.thumbprint().to_string()).unwrap().thumbprint(), key.thumbprint());
});
