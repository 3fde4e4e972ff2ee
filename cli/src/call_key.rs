//! Call keys: made when one is needed, shared by all processes that need one, replaced before they run out.
//!
//! One file holds the certificate (first line) and the private key (PKCS#8 PEM), so that no crash can part them.

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use envelope_core::{Grant, Issue, SigningKey, Thumbprint, Timestamp, UntrustedCertificate};
use zeroize::Zeroizing;

use crate::args::Handed;
use crate::clock;
use crate::error::Error;
use crate::handed_key;
use crate::home::Home;
use crate::identity::{Identity, Name};
use crate::identity_key::IdentityKey;
use crate::passphrase::PassphraseSource;
use crate::pem;
use crate::private_dir::Locked;
use crate::random;
use crate::report;

/// How long a call key lives, in seconds.
const LIFETIME: u64 = 15 * 60;

/// A call key and its certificate.
pub(crate) struct CallKey {
    key: SigningKey,
    certificate: String,
}

impl fmt::Debug for CallKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallKey({:?})", self.key)
    }
}

/// What is left of the life of a stored call key.
enum Stored {
    /// A third of its life or more.
    Fresh(CallKey),
    /// Less than that.
    Late(CallKey, Timestamp),
    /// Nothing: there is none, or none that can be used.
    Nothing,
}

impl CallKey {
    /// The call key that was handed out, where one is given; else that of the identity.
    pub(crate) fn choose(name: &Name, handed: &Handed, passphrase: &PassphraseSource) -> Result<Self, Error> {
        match (&handed.key, &handed.certificate) {
            (Some(key), Some(certificate)) => handed_key::read(key, certificate, passphrase),
            _ => Self::of(&Home::find()?, name, passphrase),
        }
    }

    /// The call key of an identity: the stored one while it is fresh, without a lock and without a passphrase; else a new one,
    /// which is kept where it can be.
    fn of(home: &Home, name: &Name, passphrase: &PassphraseSource) -> Result<Self, Error> {
        let identity = Identity::new(home, name);
        if let Stored::Fresh(key) = stored(home, name, &identity)? {
            return Ok(key);
        }
        let lock = match home.run.lock(name.as_str()) {
            Err(error) if home.run.is_unusable(&error) => Err(error),
            lock => Ok(lock?),
        };
        // Whoever held the lock before may have made one.
        let late = match stored(home, name, &identity)? {
            Stored::Fresh(key) => return Ok(key),
            Stored::Late(key, end) => Some((key, end)),
            Stored::Nothing => None,
        };
        let key = match (identity.open(passphrase).and_then(|identity_key| Self::make(&identity_key)), late) {
            (Ok(key), _) => key,
            (Err(error), None) => return Err(error),
            (Err(error), Some((key, end))) => {
                report::hint_that(&format!(
                    "the call key runs out at {} and cannot be renewed: {error}",
                    clock::show(end)
                ));
                return Ok(key);
            }
        };
        match lock.and_then(|lock| key.keep(home, name, lock)) {
            // It signs all the same; only the next one has to be made again.
            Err(error) if home.run.is_unusable(&error) => {
                let dir = home.run.as_path().display().to_string();
                report::hint_that(&format!(
                    "no call key can be kept in {}: {error}",
                    report::printable(&dir)
                ));
            }
            kept => kept?,
        }
        Ok(key)
    }

    /// Writes it where all processes find it.
    fn keep(&self, home: &Home, name: &Name, lock: Locked<'_>) -> Result<(), Error> {
        let text = self.to_file(home, name)?;
        match lock.replace(&file(name), text.as_bytes()) {
            // Somebody has removed the directory, and the lock with it.
            Err(error) if home.run.is_gone(&error) => {
                drop(lock);
                home.run.lock(name.as_str())?.replace(&file(name), text.as_bytes())
            }
            kept => kept,
        }
    }

    pub(crate) fn key(&self) -> &SigningKey {
        &self.key
    }

    pub(crate) fn certificate(&self) -> &str {
        &self.certificate
    }

    /// A key and the certificate that speaks of it.
    pub(crate) const fn new(key: SigningKey, certificate: String) -> Self {
        Self { key, certificate }
    }

    fn make(identity_key: &IdentityKey) -> Result<Self, Error> {
        let key = random::key(identity_key.verifying_key().algorithm())?;
        let id = certificate_id()?;
        let issue = Issue {
            call_key: key.verifying_key(),
            issued: clock::now()?,
            lifetime: LIFETIME,
            id: &id,
            grant: Grant::everything(),
        };
        let certificate = identity_key.certify(&issue)?;
        Ok(Self { key, certificate })
    }

    fn to_file(&self, home: &Home, name: &Name) -> Result<Zeroizing<String>, Error> {
        let pem =
            pem::encode(&self.key, None).map_err(|error| Error::Pem(home.run.path(&file(name)), error))?;
        let mut text = Zeroizing::new(String::with_capacity(self.certificate.len() + 1 + pem.len()));
        text.push_str(&self.certificate);
        text.push('\n');
        text.push_str(&pem);
        Ok(text)
    }

    fn from_file(text: &[u8]) -> Option<Self> {
        let end = text.iter().position(|byte| *byte == b'\n')?;
        let (certificate, pem) = text.split_at_checked(end)?;
        let certificate = std::str::from_utf8(certificate).ok()?.to_owned();
        let key = pem::decode(pem.trim_ascii_start(), None).ok()?;
        Some(Self { key, certificate })
    }

    /// How long the certificate is good yet; `None` when it is not one of `identity` for this key, or not of this time.
    fn life(&self, identity: &Thumbprint, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let read = UntrustedCertificate::parse(&self.certificate).ok()?;
        let (issued, expires) = (read.issued(), read.expires());
        let certificate = read.verify().ok()?;
        let fits = certificate.identity_key() == *identity
            && certificate.call_key() == self.key.verifying_key()
            && *certificate.grant() == Grant::everything()
            // A certificate from the future: the clock has been set back. Verifiers would refuse it.
            && (issued..expires).contains(&now);
        fits.then_some((issued, expires))
    }
}

/// An identifier for a certificate that is used once.
pub(crate) fn certificate_id() -> Result<String, Error> {
    Ok(Base64UrlUnpadded::encode_string(&random::bytes::<16>()?))
}

fn file(name: &Name) -> String {
    format!("{name}.call")
}

fn stored(home: &Home, name: &Name, identity: &Identity<'_>) -> Result<Stored, Error> {
    let Some(owner) = identity.public()? else { return Ok(Stored::Nothing) };
    let text = match home.run.read(&file(name)) {
        Err(error) if home.run.is_unusable(&error) => None,
        text => text?,
    };
    let Some(text) = text else { return Ok(Stored::Nothing) };
    let now = clock::now()?;
    Ok(match CallKey::from_file(&text).and_then(|key| Some((key.life(&owner.thumbprint(), now)?, key))) {
        None => Stored::Nothing,
        Some(((issued, expires), key)) if expires.since(now) < expires.since(issued) / 3 => {
            Stored::Late(key, expires)
        }
        Some((_, key)) => Stored::Fresh(key),
    })
}

#[cfg(test)]
mod tests {
    use envelope_core::Algorithm;

    use super::*;

    #[test]
    fn debug_says_nothing_of_the_secret() {
        let key = CallKey::make(&random::key(Algorithm::P256).unwrap().into()).unwrap();
        assert_eq!(
            format!("{key:?}"),
            format!("CallKey(SigningKey(P256 {}))", key.key.verifying_key().thumbprint())
        );
    }

    #[test]
    fn the_life_of_a_call_key_is_that_of_its_certificate() {
        let identity_key = IdentityKey::from(random::key(Algorithm::Ed25519).unwrap());
        let identity = identity_key.verifying_key().thumbprint();
        let key = CallKey::make(&identity_key).unwrap();
        let issued = UntrustedCertificate::parse(&key.certificate).unwrap().issued();
        let end = issued.plus(LIFETIME);
        let earlier = Timestamp::from_unix(issued.as_unix() - 1);
        assert_eq!(key.life(&identity, issued), Some((issued, end)));
        assert_eq!(key.life(&identity, issued.plus(LIFETIME - 1)), Some((issued, end)));
        assert_eq!(key.life(&identity, end), None);
        assert_eq!(key.life(&identity, earlier), None);

        let stranger = random::key(Algorithm::Ed25519).unwrap().verifying_key().thumbprint();
        assert_eq!(key.life(&stranger, issued), None);
        let parted =
            CallKey { key: random::key(Algorithm::Ed25519).unwrap(), certificate: key.certificate.clone() };
        assert_eq!(parted.life(&identity, issued), None);
    }
}
