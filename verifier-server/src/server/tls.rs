//! What the listener shows clients of TLS (RFC 8446): a certificate and its key, read anew when the files change.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

use super::config::{ConfigError, shown_path};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Where certificate and key are.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// PEM: the certificate of this server first, then those that lead to an authority (RFC 7468).
    pub cert: PathBuf,
    /// PEM: PKCS#8, SEC 1 or PKCS#1.
    pub key: PathBuf,
}

/// TLS 1.2 and 1.3 with the certificate of the moment.
#[derive(Clone)]
pub struct Tls {
    files: TlsFiles,
    shown: Arc<Shown>,
    acceptor: TlsAcceptor,
    /// What the files held when they were looked at last.
    seen: [u8; 32],
}

#[derive(Debug)]
struct Shown(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// Both files, as they are.
struct Contents {
    cert: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

impl Tls {
    /// Reads both files.
    ///
    /// # Errors
    /// When one cannot be read, or they are no certificate and its key.
    pub fn open(files: &TlsFiles) -> Result<Self, ConfigError> {
        let contents = Contents::read(files).map_err(|(path, error)| {
            // One file may have both; the certificate is read first.
            let key = if path == files.cert { "tls-cert" } else { "tls-key" };
            ConfigError::new(
                format!("{}: {error}", shown_path(&path)),
                "--tls-cert and --tls-key are files that this program can read",
            )
            .at(key)
        })?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let pair = contents.pair(files, &provider)?;
        warn_of_readers(&files.key);
        let shown = Arc::new(Shown(ArcSwap::from_pointee(pair)));
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|error| {
                ConfigError::new(format!("no TLS: {error}"), "this is a fault of the program")
            })?;
        let mut config = config.with_no_client_auth().with_cert_resolver(shown.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Self { files: files.clone(), shown, acceptor, seen: contents.digest() })
    }

    /// What makes connections of it.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }

    /// Keeps looking at the files, for ever. As long as they are no pair, as while one of them is replaced and the other not yet, the
    /// pair before is shown.
    pub async fn keep_current(mut self) {
        loop {
            tokio::time::sleep(LOOK).await;
            let files = self.files.clone();
            // A disk may take its time.
            let read = tokio::task::spawn_blocking(move || Contents::read(&files)).await;
            match read {
                Ok(Ok(contents)) => self.take(&contents),
                Ok(Err((path, error))) => self.miss(&path, &error),
                Err(error) => tracing::error!(%error, "the certificate cannot be looked at"),
            }
        }
    }

    fn take(&mut self, contents: &Contents) {
        let digest = contents.digest();
        if std::mem::replace(&mut self.seen, digest) == digest {
            return;
        }
        match contents.pair(&self.files, &rustls::crypto::aws_lc_rs::default_provider()) {
            Ok(pair) => {
                warn_of_readers(&self.files.key);
                self.shown.0.store(Arc::new(pair));
                tracing::info!(file = %self.files.cert.display(), "a new certificate is shown");
            }
            Err(error) => tracing::warn!(%error, "the certificate before is still shown"),
        }
    }

    /// Said once, until something else is seen.
    fn miss(&mut self, path: &Path, error: &io::Error) {
        const NOTHING: [u8; 32] = [0; 32];
        if std::mem::replace(&mut self.seen, NOTHING) != NOTHING {
            tracing::warn!(file = %path.display(), %error, "the certificate before is still shown");
        }
    }
}

impl Contents {
    fn read(files: &TlsFiles) -> Result<Self, (PathBuf, io::Error)> {
        let read = |path: &Path| fs::read(path).map_err(|error| (path.to_owned(), error));
        Ok(Self { cert: read(&files.cert)?, key: Zeroizing::new(read(&files.key)?) })
    }

    fn digest(&self) -> [u8; 32] {
        let [cert, key] = [&self.cert, &*self.key].map(Sha256::digest);
        Sha256::digest([cert, key].concat()).into()
    }

    fn pair(&self, files: &TlsFiles, provider: &CryptoProvider) -> Result<CertifiedKey, ConfigError> {
        let broken = |key, what: &str, hint| {
            let path = if key == "tls-cert" { &files.cert } else { &files.key };
            ConfigError::new(format!("{}: {what}", path.display()), hint).at(key)
        };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.cert).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| {
            broken(
                "tls-cert",
                "there is no certificate in it",
                "--tls-cert is a PEM file: the server's certificate, then those that lead to an authority",
            )
        })?;
        // Nothing of what was read is said: it may be the key.
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| {
            broken(
                "tls-key",
                "there is no private key in it that is not encrypted",
                "--tls-key is a PEM file: PKCS#8, SEC 1 or PKCS#1, without a passphrase",
            )
        })?;
        CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => broken(
                "tls-key",
                &format!("it is not the key of {}", files.cert.display()),
                "give --tls-cert and --tls-key the two files that were issued together",
            ),
            rustls::Error::InvalidCertificate(_) => broken(
                "tls-cert",
                "the first certificate in it cannot be read",
                "--tls-cert begins with the server's certificate",
            ),
            _ => broken(
                "tls-key",
                "it is no key of a kind that TLS has here",
                "ECDSA P-256, P-384 and P-521, Ed25519 and RSA keys are taken",
            ),
        })
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

fn warn_of_readers(key: &Path) {
    if fs::metadata(key).is_ok_and(|file| file.permissions().mode() & 0o004 != 0) {
        tracing::warn!(file = %key.display(), "everybody on this machine can read the key of the certificate");
    }
}
