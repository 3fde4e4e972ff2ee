//! The keyring of the desktop: the Secret Service. Entries are under the keyid, so that the name of an identity can change;
//! what they hold is the PEM of an unencrypted key.

use envelope_core::{SigningKey, Thumbprint};
use keyring::{Entry, Error as Fault};
use zeroize::Zeroizing;

use crate::error::KeyringError;
use crate::pem;

const SERVICE: &str = "envelope";

/// Keeps a key there.
pub(crate) fn keep(key: &SigningKey) -> Result<(), KeyringError> {
    let pem = pem::encode(key, None).map_err(KeyringError::Pem)?;
    let entry = entry(&key.verifying_key().thumbprint())?;
    entry.set_secret(pem.as_bytes()).map_err(read_fault)
}

/// The key that is kept there.
pub(crate) fn fetch(keyid: &Thumbprint) -> Result<SigningKey, KeyringError> {
    let pem = Zeroizing::new(entry(keyid)?.get_secret().map_err(read_fault)?);
    let key = pem::decode(&pem, None).map_err(KeyringError::Pem)?;
    // Whoever can write there could have put another key in its place.
    if key.verifying_key().thumbprint() == *keyid { Ok(key) } else { Err(KeyringError::OtherKey) }
}

/// Takes a key out. One that is not there is out already.
pub(crate) fn forget(keyid: &Thumbprint) -> Result<(), KeyringError> {
    match entry(keyid)?.delete_credential() {
        Err(Fault::NoEntry) => Ok(()),
        forgotten => forgotten.map_err(read_fault),
    }
}

fn entry(keyid: &Thumbprint) -> Result<Entry, KeyringError> {
    Entry::new(SERVICE, &keyid.to_string()).map_err(read_fault)
}

/// Some faults carry the secret with them; their texts do not.
fn read_fault(fault: Fault) -> KeyringError {
    match fault {
        Fault::NoDefaultStore => KeyringError::NoService,
        Fault::NoEntry => KeyringError::NoEntry,
        Fault::NoStorageAccess(_) => KeyringError::Locked,
        Fault::BadEncoding(bytes) | Fault::BadDataFormat(bytes, _) => {
            drop(Zeroizing::new(bytes));
            KeyringError::Failed("the entry cannot be read".into())
        }
        fault => KeyringError::Failed(fault.to_string()),
    }
}
