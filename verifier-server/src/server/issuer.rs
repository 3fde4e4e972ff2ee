//! The key by which the verifiers of one store sign, revocation lists and login certificates: `store.issuer.pem` beside `store.sqlite`, made at the
//! first start.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use base64ct::{Base64UrlUnpadded, Encoding};
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, KeypairBytes};
use envelope_core::{Algorithm, SigningKey, VerifyingKey};
use zeroize::{Zeroize, Zeroizing};

use super::config::ConfigError;
use super::packs::token::TokenKey;

/// The key, and the one under which tokens of packs are hashed, which is derived from it: who keeps the one has both.
#[derive(Debug)]
pub(crate) struct Issuer {
    key: Arc<SigningKey>,
    public: Arc<VerifyingKey>,
    tokens: TokenKey,
}

impl Issuer {
    /// Reads the key beside a store, or makes it where there is none. Two verifiers that do so at once agree on one.
    pub(crate) fn open(store: &Path) -> Result<Self, ConfigError> {
        let secret = read_or_make(&store.with_extension("issuer.pem"))?;
        let key = signing_key(&secret)?;
        let public = Arc::new(key.verifying_key().clone());
        public.prepare();
        Ok(Self { key: Arc::new(key), public, tokens: TokenKey::derive(&secret) })
    }

    /// The key itself.
    pub(crate) fn key(&self) -> &SigningKey {
        &self.key
    }

    /// Its public half.
    pub(crate) const fn public(&self) -> &Arc<VerifyingKey> {
        &self.public
    }

    /// The key under which tokens are hashed.
    pub(crate) const fn tokens(&self) -> &TokenKey {
        &self.tokens
    }
}

/// A key of the verifier's own in a file, which is made where there is none.
pub(crate) fn own_key(path: &Path) -> Result<SigningKey, ConfigError> {
    signing_key(&*read_or_make(path)?)
}

fn signing_key(secret: &[u8; 32]) -> Result<SigningKey, ConfigError> {
    SigningKey::from_bytes(Algorithm::Ed25519, secret)
        .map_err(|refusal| ConfigError::new(refusal.detail(), "remove the key for a new one"))
}

/// The secret in a file that nobody else can read. Two verifiers that make it at once agree on one.
fn read_or_make(path: &Path) -> Result<Zeroizing<[u8; 32]>, ConfigError> {
    let unusable = |error: io::Error| {
        ConfigError::new(
            format!("{}: {error}", path.display()),
            "give --store or --data-dir a directory that this verifier can write",
        )
    };
    if !path.exists() {
        make(path).map_err(unusable)?;
    }
    let mode = fs::metadata(path).map_err(unusable)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(ConfigError::new(
            format!("{} can be read by others", path.display()),
            "run chmod 600 on it",
        ));
    }
    let pem = Zeroizing::new(fs::read_to_string(path).map_err(unusable)?);
    let key = ed25519_dalek::SigningKey::from_pkcs8_pem(&pem).map_err(|_| {
        ConfigError::new(
            format!("{} is no Ed25519 private key in PKCS#8 PEM", path.display()),
            "put a copy from before in its place; without one, remove it for a new key",
        )
    })?;
    Ok(Zeroizing::new(key.to_bytes()))
}

/// Whole and on the disk before it has its name, and never in place of another.
fn make(path: &Path) -> io::Result<()> {
    let mut secret = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *secret).map_err(io::Error::other)?;
    // Without the public key: that form is the one that every openssl reads.
    let mut pair = KeypairBytes { secret_key: *secret, public_key: None };
    let pem = pair.to_pkcs8_pem(LineEnding::LF);
    pair.secret_key.zeroize();
    let pem = pem.map_err(io::Error::other)?;
    // A name of its own: process ids are the same in two containers that share the directory.
    let mut own = [0; 12];
    getrandom::fill(&mut own).map_err(io::Error::other)?;
    let temporary = path.with_extension(format!("{}.tmp", Base64UrlUnpadded::encode_string(&own)));
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&temporary)?;
    file.write_all(pem.as_bytes())?;
    file.sync_all()?;
    let linked = match fs::hard_link(&temporary, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    };
    fs::remove_file(&temporary)?;
    linked?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}
