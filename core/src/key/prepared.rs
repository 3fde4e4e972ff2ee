//! A key that has been made ready to verify often.

use super::{Point, Signature, ecdsa, eddsa};

/// What is accepted without, in less time.
pub(super) enum Prepared {
    Ed25519(eddsa::Prepared),
    P256(ecdsa::Prepared),
}

impl Prepared {
    pub(super) fn new(point: &Point) -> Self {
        match point {
            Point::Ed25519(key) => Self::Ed25519(eddsa::Prepared::new(key)),
            Point::P256(key) => Self::P256(ecdsa::Prepared::new(key)),
        }
    }

    pub(super) fn verify(&self, message: &[u8], signature: &Signature) -> bool {
        match self {
            Self::Ed25519(key) => key.verify(message, signature),
            Self::P256(key) => key.verify(message, signature),
        }
    }
}
