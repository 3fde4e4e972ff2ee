//! Randomness: from the system's generator, and from nowhere else.

use envelope_core::{Algorithm, Code, SigningKey};
use zeroize::Zeroizing;

use crate::error::Error;

/// `N` random bytes for a nonce or an identifier.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(Error::Random)?;
    Ok(bytes)
}

/// A new key.
pub(crate) fn key(algorithm: Algorithm) -> Result<SigningKey, Error> {
    loop {
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(secret.as_mut_slice()).map_err(Error::Random)?;
        match SigningKey::from_bytes(algorithm, &secret) {
            // Not a scalar of P-256: one draw in 2³² is not. Draw again.
            Err(refusal) if refusal.code() == Code::KeyRefused => {}
            key => return key.map_err(Error::Unsignable),
        }
    }
}
