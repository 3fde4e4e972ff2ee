//! A private key that the command reads in one spelling it writes in every spelling, and each is the same key; where the public half
//! stands beside the private one, a changed file is no other key.
#![no_main]

use envelope_fuzz::{read_key, spellings};
use libfuzzer_sys::fuzz_target;

// A place, what is put there, and the file.
fuzz_target!(|input: (u16, u8, &[u8])| {
    let (at, with, text) = input;
    let Some(key) = read_key(text) else { return };
    let [pem, openssh, jwk] = spellings(&key);
    for spelling in [&pem, &openssh, &jwk] {
        let read = read_key(spelling.as_bytes()).expect("what was written is read");
        assert_eq!(read.to_bytes(), key.to_bytes());
    }
    for spelling in [openssh, jwk] {
        let mut bent = spelling.into_bytes();
        let at = usize::from(at) % bent.len();
        bent[at] = with;
        assert!(read_key(&bent).is_none_or(|read| read.to_bytes() == key.to_bytes()), "another key");
    }
});
