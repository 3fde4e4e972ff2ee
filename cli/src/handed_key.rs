//! A call key and its certificate that somebody handed out: `--key` and `--certificate`.

use std::path::Path;

use envelope_core::{Code, Refusal, UntrustedCertificate};

use crate::args::Handed;
use crate::call_key::{CallKey, Issuer};
use crate::clock;
use crate::error::Error;
use crate::message::{Limit, read_input};
use crate::passphrase::PassphraseSource;
use crate::pem;
use crate::private_dir::read_private;

/// How far ahead of a verifier's clock a certificate may be issued: spec, V4.5.
const SKEW: u64 = 5;

/// Reads both, where they are given. Whether they fit each other, and whether the certificate has run out, core says when
/// something is signed.
pub(crate) fn read(handed: &Handed, passphrase: &PassphraseSource) -> Result<Option<CallKey>, Error> {
    let (Some(key), Some(certificate)) = (&handed.key, &handed.certificate) else { return Ok(None) };
    let certificate = read_certificate(certificate)?;
    let text = read_private(key)?;
    let passphrase = if pem::is_encrypted(&text) {
        passphrase.read(&format!("the key in {}", key.display()))?
    } else {
        None
    };
    let key = pem::decode(&text, passphrase.as_ref()).map_err(|error| Error::Pem(key.clone(), error))?;
    Ok(Some(CallKey::new(key, certificate, Issuer::Identity)))
}

/// A certificate is no secret: its file may be anybody's.
fn read_certificate(path: &Path) -> Result<String, Error> {
    let text = String::from_utf8(read_input(path, Limit::MESSAGE)?);
    let certificate = text.map_err(|_| invalid("the certificate is no text"))?.trim_ascii().to_owned();
    let read = UntrustedCertificate::parse(&certificate).map_err(Error::Unsignable)?;
    let issued = read.issued();
    read.verify().map_err(Error::Unsignable)?;
    // Verifiers would refuse it: the clock here is behind that of whoever issued it.
    if issued > clock::now()?.plus(SKEW) {
        return Err(invalid("the certificate is not good yet"));
    }
    Ok(certificate)
}

const fn invalid(detail: &'static str) -> Error {
    Error::Unsignable(Refusal::new(Code::CertificateInvalid, detail))
}
