//! Every field that `-H` takes is covered by the signature, and reaches a verifier as it was given; changed, it is refused.
#![no_main]

use arbitrary::Arbitrary;
use envelope_core::*;
use envelope_fuzz::{NOW, sign};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input {
    method: String,
    path: String,
    header: Vec<String>,
    /// Which field is bent, where, and what is put there.
    bend: (u8, u8, u8),
}

fuzz_target!(|input: Input| {
    let [identity_key, call_key] =
        [1, 2].map(|byte| SigningKey::from_bytes(Algorithm::Ed25519, &[byte; 32]).unwrap());
    let (now, grant) = (Timestamp::from_unix(NOW), Grant::everything());
    let issue = Issue { call_key: call_key.verifying_key(), issued: now, lifetime: 900, id: "1", grant };
    let (certificate, count) = (issue.sign(&identity_key).unwrap(), input.header.len());
    let url = format!("https://pack.example/{}", input.path);
    let Some((mut given, added)) = sign(&input.method, &url, input.header, call_key, certificate) else {
        return;
    };
    assert_eq!(given.len(), count);

    let mut trust = TrustList::new();
    trust.trust(Identity::new("alice").unwrap(), identity_key.verifying_key().thumbprint());
    let verifier = Verifier::new(Authorities::new(["pack.example"]).unwrap());
    let admit = |given: &[(String, String)]| {
        let host = ("host", &b"pack.example"[..]);
        let sent = given.iter().chain(&added).map(|(name, value)| (name.as_str(), value.as_bytes()));
        let fields: Vec<Field<'_>> = [host].into_iter().chain(sent).collect();
        let request = Request::new(&input.method, &url["https://pack.example".len()..], &fields);
        verifier.verify(&request, &trust, now).and_then(|it| it.check_body(b"", now)).is_ok()
    };
    assert!(admit(&given), "what was signed does not verify");
    let (which, at, with) = input.bend;
    let Some(which) = usize::from(which).checked_rem(given.len()) else { return };
    let mut value = given[which].1.clone().into_bytes();
    let at = usize::from(at) % value.len();
    value[at] = with;
    let Ok(value) = String::from_utf8(value) else { return };
    if value.trim_matches([' ', '\t']) != given[which].1 {
        given[which].1 = value;
        assert!(!admit(&given), "another value verifies, too");
    }
});
