//! Random bytes, and secrets made of them.

use base64ct::{Base64UrlUnpadded, Encoding};
use envelope_core::{Code, Refusal};
use zeroize::Zeroizing;

/// Fills `bytes` from the system's generator.
///
/// # Errors
/// [`Code::ReplayUnavailable`] when it gives none: what needs them is refused.
pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), Refusal> {
    getrandom::fill(bytes).map_err(|error| {
        tracing::error!(%error, "no random bytes");
        Refusal::new(Code::ReplayUnavailable, "the verifier has no random bytes")
    })
}

/// A secret: 32 random bytes in base64url behind a prefix that says what it is.
///
/// # Errors
/// As [`fill`].
pub(crate) fn secret(prefix: &str) -> Result<Zeroizing<String>, Refusal> {
    let mut bytes = Zeroizing::new([0; 32]);
    fill(&mut *bytes)?;
    let text = Zeroizing::new(Base64UrlUnpadded::encode_string(&*bytes));
    Ok(Zeroizing::new(format!("{prefix}{}", text.as_str())))
}
