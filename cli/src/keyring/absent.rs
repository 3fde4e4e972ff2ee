//! The keyring of the desktop, in a program that was built without it.

use envelope_core::{SigningKey, Thumbprint};

use crate::error::KeyringError;

pub(crate) fn keep(_: &SigningKey) -> Result<(), KeyringError> {
    Err(KeyringError::NotBuilt)
}

pub(crate) fn forget(_: &Thumbprint) -> Result<(), KeyringError> {
    Err(KeyringError::NotBuilt)
}

pub(crate) fn fetch(_: &Thumbprint) -> Result<SigningKey, KeyringError> {
    Err(KeyringError::NotBuilt)
}
