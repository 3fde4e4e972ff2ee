//! A statement of which any part of what was signed is changed does not verify.
#![no_main]

use envelope_core::{RevocationList, Timestamp, UntrustedStatement};
use libfuzzer_sys::fuzz_target;

fn verified(json: &[u8]) -> Option<UntrustedStatement> {
    let read = UntrustedStatement::parse(json).ok()?;
    let verified = match &read {
        UntrustedStatement::Succession(it) => it.verify(),
        UntrustedStatement::Retirement(it) => it.verify(),
    };
    verified.is_ok().then_some(read)
}

// A place, what is put there, and the statement.
fuzz_target!(|input: (u16, u8, &[u8])| {
    let (at, with, json) = input;
    if let Some(statement) = verified(json) {
        let mut bent = json.to_vec();
        let at = usize::from(at) % bent.len();
        bent[at] = with;
        // White space between the parts is nobody's business: then it is the same statement.
        assert!(verified(&bent).is_none_or(|read| read == statement));
    }
    let issuer = envelope_core::Thumbprint::parse("59CCHWMQhoRB9YwDiOcacjlSDkqOLVMc8mrcHyqu_MY").unwrap();
    let _ = RevocationList::verify(json, &issuer, Timestamp::from_unix(1_767_225_600));
});
