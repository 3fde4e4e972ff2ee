//! What `NAME.pem` holds of a key that lives elsewhere: a line that says where, and the public key.
//!
//! RFC 7468 section 2 lets explanatory text stand before a PEM, so the file is still a public key to OpenSSL; and whatever the
//! home of a key, it is one file.

use envelope_core::VerifyingKey;

use crate::pem::PemError;

/// Where a key can live that is not in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the ssh-agent, which signs and never hands it out.
    SshAgent,
    /// In the keyring of the desktop, under its keyid.
    Keyring,
}

const HOME: &str = "Home: ";

impl Place {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::SshAgent => "ssh-agent",
            Self::Keyring => "keyring",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::SshAgent, Self::Keyring].into_iter().find(|place| place.as_str() == text)
    }
}

/// The file for a key that lives at `place`.
pub(crate) fn write(place: Place, key: &VerifyingKey) -> String {
    format!("{HOME}{}\n{}", place.as_str(), key.to_pem())
}

/// Where the key lives, and its public half; `None` for a file that holds the key itself.
pub(crate) fn read(file: &[u8]) -> Result<Option<(Place, VerifyingKey)>, PemError> {
    let Some(rest) = file.strip_prefix(HOME.as_bytes()) else { return Ok(None) };
    let text = std::str::from_utf8(rest).map_err(|_| PemError::Unreadable)?;
    let (place, pem) = text.split_once('\n').ok_or(PemError::Unreadable)?;
    let place = Place::parse(place).ok_or(PemError::UnknownPlace)?;
    let key = VerifyingKey::from_pem(pem).map_err(|_| PemError::Unreadable)?;
    Ok(Some((place, key)))
}

#[cfg(test)]
mod tests {
    use envelope_core::Algorithm;

    use super::*;
    use crate::random;

    #[test]
    fn every_place_comes_back() {
        for place in [Place::SshAgent, Place::Keyring] {
            for algorithm in [Algorithm::Ed25519, Algorithm::P256] {
                let key = random::key(algorithm).unwrap().verifying_key().clone();
                let file = write(place, &key);
                assert_eq!(read(file.as_bytes()), Ok(Some((place, key.clone()))));
                assert_eq!(read(&file.as_bytes()[..60]), Err(PemError::Unreadable));
                assert_eq!(read(key.to_pem().as_bytes()), Ok(None));
            }
        }
    }

    #[test]
    fn a_place_that_is_not_known_is_an_error() {
        let key = random::key(Algorithm::Ed25519).unwrap().verifying_key().to_pem();
        for place in ["tpm", "", "keyring ", "Keyring"] {
            let file = format!("Home: {place}\n{key}");
            assert_eq!(read(file.as_bytes()), Err(PemError::UnknownPlace), "{place}");
        }
        assert_eq!(read(b"Home: keyring"), Err(PemError::Unreadable));
    }
}
