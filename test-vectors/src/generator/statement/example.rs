//! The example at the start of keys.md.

use std::fmt::Write;

use envelope_core::Algorithm::Ed25519;

use super::super::draft::NOW;
use super::super::keys::Key;
use super::super::spec::indented;
use super::draft::Draft;
use super::{DAY, first, list, second};

/// One succession, one retirement and one revocation list, with their keys.
pub(crate) fn example() -> String {
    let (old, new, verifier) = (first(Ed25519), second(Ed25519), Key::ed25519("verifier"));
    let succession = Draft::succession(&old, &new, NOW, NOW + 7 * DAY);
    let retirement = Draft::retirement(&old, NOW);
    let list = Draft::list(&verifier, list::content());
    let mut text = String::from(
        "The keys (each private `d` is here because these are examples: no verifier should trust them)\n",
    );
    for (whose, key) in [
        ("Alice's identity key", &old),
        ("Alice's second identity key", &new),
        ("The verifier's key", &verifier),
    ] {
        write!(text, "\n{whose}, thumbprint `{}`\n\n```json\n{}\n```\n", key.thumbprint(), key.private_jwk())
            .unwrap();
    }
    for (title, draft, effect) in [
        (
            "A succession. Alice names her second key, and uses the first for seven days yet. Its claims",
            succession,
            format!(
                "A verifier that knows the first key as `alice` takes it at any time from {}. From then on it knows the second key as
`alice`, too, and from {} on it refuses the certificates of the first one.",
                NOW - 5,
                NOW + 7 * DAY
            ),
        ),
        (
            "A retirement. Alice's first key must not be used any more. Its claims",
            retirement,
            "A verifier that knows the key refuses, from then on, its certificates and its statements. The second key, if it was named
before, stays good."
                .into(),
        ),
        (
            "A revocation list. The first key is revoked; of the second, one certificate, and what it issued more than a minute
before; a third key ends a day later. Its claims",
            list,
            format!(
                "A verifier that was told the thumbprint of the issuer takes it at any time from {}, and refuses every signed request when
it has no younger one at {}.",
                NOW - 5,
                NOW + DAY + 1
            ),
        ),
    ] {
        let (headers, claims) = draft.parts();
        write!(text, "\n{title}\n\n```json\n{}\n```\n\nThe header of each signature\n\n```json\n", indented(&claims))
            .unwrap();
        for header in headers {
            text.push_str(&indented(&header));
            text.push('\n');
        }
        write!(text, "```\n\nThe statement\n\n```json\n{}\n```\n\n{effect}\n", draft.to_text()).unwrap();
    }
    text.trim_end().into()
}
