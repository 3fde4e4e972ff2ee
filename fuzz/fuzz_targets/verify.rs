//! What was signed verifies, and stops verifying when any byte of the message changes that means anything.
#![no_main]

use arbitrary::Arbitrary;
use envelope_core::*;
use libfuzzer_sys::fuzz_target;

const NOW: u64 = 1_767_225_600;

#[derive(Arbitrary, Debug)]
struct Input {
    p256: bool,
    path: String,
    body: Option<Vec<u8>>,
    header: Vec<(String, Vec<u8>)>,
    nonce: [u8; 16],
    /// Which part is bent, where, and what is put there.
    bend: (u8, u16, u8),
}

fn admit(method: &str, target: &str, fields: &[(String, Vec<u8>)], body: &[u8], alice: Thumbprint) -> bool {
    let fields: Vec<Field<'_>> =
        fields.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
    let mut trust = TrustList::new();
    trust.trust(Identity::new("alice").unwrap(), alice);
    let verifier = Verifier::new(Authorities::new(["pack.example"]).unwrap());
    let now = Timestamp::from_unix(NOW);
    let request = Request::new(method, target, &fields);
    verifier.verify(&request, &trust, now).and_then(|it| it.check_body(body, now)).is_ok()
}

fuzz_target!(|input: Input| {
    let algorithm = if input.p256 { Algorithm::P256 } else { Algorithm::Ed25519 };
    let [identity_key, call_key] = [1, 2].map(|byte| SigningKey::from_bytes(algorithm, &[byte; 32]).unwrap());
    let (now, grant) = (Timestamp::from_unix(NOW), Grant::everything());
    let issue = Issue { call_key: call_key.verifying_key(), issued: now, lifetime: 900, id: "1", grant };
    let certificate = issue.sign(&identity_key).unwrap();
    let url = format!("https://pack.example/{}", input.path);
    let given: Vec<Field<'_>> =
        input.header.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
    let request = Request::new("POST", &url, &given);
    let signer = Signer::certified(&call_key, &certificate).unwrap();
    let Ok(signed) = signer.sign(&request, input.body.as_deref(), now, &input.nonce) else { return };

    let mut fields = vec![("host".to_owned(), b"pack.example".to_vec())];
    fields.extend(input.header.iter().cloned());
    fields.extend(signed.fields().map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())));
    let target = url.strip_prefix("https://pack.example").unwrap().to_owned();
    let (body, alice) = (input.body.unwrap_or_default(), identity_key.verifying_key().thumbprint());
    assert!(admit("POST", &target, &fields, &body, alice), "what was signed does not verify");

    let (part, at, with) = input.bend;
    let at = usize::from(at);
    let (mut bent_target, mut bent_fields, mut bent_body) =
        (target.clone().into_bytes(), fields.clone(), body.clone());
    match part % 3 {
        0 => {
            let length = bent_target.len();
            bent_target[at % length] = with;
        }
        1 => {
            let which = at % fields.len();
            let value = &mut bent_fields[which].1;
            let length = value.len();
            if length > 0 {
                value[(at / fields.len()) % length] = with;
            }
        }
        _ if body.is_empty() => bent_body.push(with),
        _ => {
            let length = bent_body.len();
            bent_body[at % length] = with;
        }
    }
    let Ok(bent_target) = String::from_utf8(bent_target) else { return };
    // Trailing space of a value, and the case of the host, mean nothing.
    let means = |fields: &[(String, Vec<u8>)]| -> Vec<(String, Vec<u8>)> {
        let value = |value: &[u8]| value.trim_ascii().to_ascii_lowercase();
        fields
            .iter()
            .map(|(name, bytes)| {
                (name.clone(), if name == "host" { value(bytes) } else { bytes.trim_ascii().to_vec() })
            })
            .collect()
    };
    if (&bent_target, means(&bent_fields), &bent_body) != (&target, means(&fields), &body) {
        assert!(
            !admit("POST", &bent_target, &bent_fields, &bent_body, alice),
            "something else verifies, too"
        );
    }
});
