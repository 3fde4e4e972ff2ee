//! Call keys: made when one is needed, shared by all processes that need one, replaced before they run out.
//!
//! One file holds the certificate (first line) and the private key (PKCS#8 PEM), so that no crash can part them.

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use envelope_core::{
    Grant, Issue, Refusal, Signer, SigningKey, Thumbprint, Timestamp, UntrustedCertificate, UntrustedLogin,
};
use zeroize::Zeroizing;

use crate::clock;
use crate::error::Error;
use crate::home::Home;
use crate::identity::Identity;
use crate::identity_key::IdentityKey;
use crate::passphrase::PassphraseSource;
use crate::pem::{self, PemError};
use crate::private_dir::Locked;
use crate::random;
use crate::report;

/// How long a call key lives, in seconds.
const LIFETIME: u64 = 15 * 60;

/// A call key and its certificate.
pub(crate) struct CallKey {
    key: SigningKey,
    certificate: String,
    issuer: Issuer,
}

/// Who has certified a call key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Issuer {
    /// An identity key.
    Identity,
    /// A verifier, at a login.
    Verifier,
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
    /// The call key of an identity's key: the stored one while it is fresh, without a lock and without a passphrase; else a new
    /// one, which is kept where it can be.
    pub(crate) fn of(
        home: &Home,
        identity: &Identity<'_>,
        passphrase: &PassphraseSource,
    ) -> Result<Self, Error> {
        let (file, lock) = identity.call_key_files(home);
        if let Stored::Fresh(key) = stored(home, &file, identity)? {
            return Ok(key);
        }
        let lock = match home.run.lock(&lock) {
            Err(error) if home.run.is_unusable(&error) => Err(error),
            lock => Ok(lock?),
        };
        // Whoever held the lock before may have made one.
        let late = match stored(home, &file, identity)? {
            Stored::Fresh(key) => return Ok(key),
            Stored::Late(key, end) => Some((key, end)),
            Stored::Nothing => None,
        };
        sweep(home);
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
        key.keep_under(home, identity, lock)?;
        Ok(key)
    }

    /// A new call key of an identity's key that is open, kept where it can be.
    pub(crate) fn renew(
        home: &Home,
        identity: &Identity<'_>,
        identity_key: &IdentityKey,
    ) -> Result<Self, Error> {
        let key = Self::make(identity_key)?;
        key.keep(home, identity)?;
        Ok(key)
    }

    /// Keeps it where all processes find it, if it can be kept there.
    pub(crate) fn keep(&self, home: &Home, identity: &Identity<'_>) -> Result<(), Error> {
        let (_, lock) = identity.call_key_files(home);
        self.keep_under(home, identity, home.run.lock(&lock))
    }

    fn keep_under(
        &self,
        home: &Home,
        identity: &Identity<'_>,
        lock: Result<Locked<'_>, Error>,
    ) -> Result<(), Error> {
        match lock.and_then(|lock| self.write(home, identity, lock)) {
            // It signs all the same; only the next one has to be made again.
            Err(error) if home.run.is_unusable(&error) => {
                let dir = home.run.as_path().display().to_string();
                report::hint_that(&format!(
                    "no call key can be kept in {}: {error}",
                    report::printable(&dir)
                ));
                Ok(())
            }
            kept => kept,
        }
    }

    fn write(&self, home: &Home, identity: &Identity<'_>, lock: Locked<'_>) -> Result<(), Error> {
        let (file, name) = identity.call_key_files(home);
        let text = self.to_file().map_err(|error| Error::Pem(home.run.path(&file), error))?;
        match lock.replace(&file, text.as_bytes()) {
            // Somebody has removed the directory, and the lock with it.
            Err(error) if home.run.is_gone(&error) => {
                drop(lock);
                home.run.lock(&name)?.replace(&file, text.as_bytes())
            }
            kept => kept,
        }
    }

    /// Keeps the stored one for a key that is put by. Without it another one is made.
    pub(crate) fn put_by(home: &Home, from: &Identity<'_>, to: &Identity<'_>) {
        let (from, to) = (from.call_key_files(home).0, to.call_key_files(home).0);
        let _ = std::fs::rename(home.run.path(&from), home.run.path(&to));
    }

    /// Removes the one that is stored.
    pub(crate) fn forget(home: &Home, identity: &Identity<'_>) -> Result<(), Error> {
        home.run.remove(&identity.call_key_files(home).0)
    }

    pub(crate) fn key(&self) -> &SigningKey {
        &self.key
    }

    pub(crate) fn certificate(&self) -> &str {
        &self.certificate
    }

    /// A key and the certificate that speaks of it.
    pub(crate) const fn new(key: SigningKey, certificate: String, issuer: Issuer) -> Self {
        Self { key, certificate, issuer }
    }

    /// The same key with another certificate.
    pub(crate) fn certified_anew(self, certificate: String, issuer: Issuer) -> Self {
        Self { key: self.key, certificate, issuer }
    }

    /// What signs with it: who has certified it decides the scheme of `Signature-Key`.
    pub(crate) fn signer(&self) -> Result<Signer<'_>, Refusal> {
        match self.issuer {
            Issuer::Identity => Signer::certified(&self.key, &self.certificate),
            Issuer::Verifier => Signer::logged_in(&self.key, &self.certificate),
        }
    }

    /// A new one.
    pub(crate) fn make(identity_key: &IdentityKey) -> Result<Self, Error> {
        Self::make_for(identity_key, Grant::everything())
    }

    /// The same for so much.
    pub(crate) fn make_for(identity_key: &IdentityKey, grant: Grant) -> Result<Self, Error> {
        let key = random::key(identity_key.verifying_key().algorithm())?;
        let id = certificate_id()?;
        let issue = Issue {
            call_key: key.verifying_key(),
            issued: clock::now()?,
            lifetime: LIFETIME,
            id: &id,
            grant,
        };
        let certificate = identity_key.certify(&issue)?;
        Ok(Self::new(key, certificate, Issuer::Identity))
    }

    pub(crate) fn to_file(&self) -> Result<Zeroizing<String>, PemError> {
        let pem = pem::encode(&self.key, None)?;
        let mut text = Zeroizing::new(String::with_capacity(self.certificate.len() + 1 + pem.len()));
        text.push_str(&self.certificate);
        text.push('\n');
        text.push_str(&pem);
        Ok(text)
    }

    pub(crate) fn from_file(text: &[u8], issuer: Issuer) -> Option<Self> {
        let end = text.iter().position(|byte| *byte == b'\n')?;
        let (certificate, pem) = text.split_at_checked(end)?;
        let certificate = std::str::from_utf8(certificate).ok()?.to_owned();
        let key = pem::decode(pem.trim_ascii_start(), None).ok()?;
        Some(Self::new(key, certificate, issuer))
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

/// Removes call keys of which nobody can make anything any more. It is done when one is renewed, which is seldom enough, and what
/// cannot be removed now can be removed then.
fn sweep(home: &Home) {
    let (Ok(names), Ok(now)) = (home.run.names(), clock::now()) else { return };
    for name in names.iter().filter(|name| name.ends_with(".call")) {
        let Ok(Some(text)) = home.run.read(name) else { continue };
        let certificate =
            text.split(|byte| *byte == b'\n').next().and_then(|line| std::str::from_utf8(line).ok());
        let end = certificate.and_then(|jws| {
            let own = UntrustedCertificate::parse(jws).map(|read| read.expires());
            own.or_else(|_| UntrustedLogin::parse(jws).map(|read| read.expires())).ok()
        });
        if end.is_some_and(|end| now >= end) {
            let _ = home.run.remove(name);
        }
    }
}

fn stored(home: &Home, file: &str, identity: &Identity<'_>) -> Result<Stored, Error> {
    let Some(owner) = identity.public()? else { return Ok(Stored::Nothing) };
    let text = match home.run.read(file) {
        Err(error) if home.run.is_unusable(&error) => None,
        text => text?,
    };
    let Some(text) = text else { return Ok(Stored::Nothing) };
    let now = clock::now()?;
    Ok(
        match CallKey::from_file(&text, Issuer::Identity)
            .and_then(|key| Some((key.life(&owner.thumbprint(), now)?, key)))
        {
            None => Stored::Nothing,
            Some(((issued, expires), key)) if expires.since(now) < expires.since(issued) / 3 => {
                Stored::Late(key, expires)
            }
            Some((_, key)) => Stored::Fresh(key),
        },
    )
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
        let other = random::key(Algorithm::Ed25519).unwrap();
        let parted = CallKey::new(other, key.certificate.clone(), Issuer::Identity);
        assert_eq!(parted.life(&identity, issued), None);
    }
}
