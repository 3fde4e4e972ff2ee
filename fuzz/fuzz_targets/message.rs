//! A raw HTTP message that the command reads it reads again as the same; what verifies stops verifying when a covered byte changes.
#![no_main]

use envelope_core::*;
use envelope_fuzz::{Message, NOW};
use libfuzzer_sys::fuzz_target;

/// The base that was signed, and the body, of a message that verifies.
fn verified(bytes: &[u8]) -> Option<(String, Vec<u8>)> {
    let mut trust = TrustList::new();
    let alice = Thumbprint::parse("59CCHWMQhoRB9YwDiOcacjlSDkqOLVMc8mrcHyqu_MY").unwrap();
    trust.trust(Identity::new("alice").unwrap(), alice);
    let verifier = Verifier::new(Authorities::new(["pack.example"]).unwrap());
    let now = Timestamp::from_unix(NOW);
    Message::parse(bytes).ok()?.read(|request, _, body| {
        let intact = verifier.verify(request, &trust, now).and_then(|it| it.check_body(body, now)).ok()?;
        Some((intact.call().base().as_str().to_owned(), body.to_vec()))
    })
}

// A place, what is put there, and the message.
fuzz_target!(|input: (u16, u8, &[u8])| {
    let (at, with, bytes) = input;
    let Ok(message) = Message::parse(bytes) else { return };
    if !bytes.trim_ascii_start().starts_with(b"{") {
        let again = Message::parse(&message.to_http()).expect("what was read is written");
        let held = |message: &Message| message.read(|it, fields, body| format!("{it:?} {fields:?} {body:?}"));
        assert_eq!(held(&again), held(&message));
    }
    if let Some(signed) = verified(bytes) {
        let mut bent = bytes.to_vec();
        let at = usize::from(at) % bent.len();
        bent[at] = with;
        // Fields that are not covered, and spellings that mean the same, are nobody's business.
        assert!(verified(&bent).is_none_or(|read| read == signed), "something else verifies, too");
    }
});
