//! Verification with a table for the key: what is accepted without, in less time.

use alloc::boxed::Box;

use curve25519_dalek::EdwardsPoint;
use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use group::Group;
use once_cell::race::OnceBox;
use p256::ProjectivePoint;
use p256::elliptic_curve::PrimeField;

use super::multiples::{Multiples, Shape, double_multiple};
use super::{Point, Signature, equation};

/// Multiples of a key: of -A for Ed25519, of Q for P-256.
pub(super) enum Prepared {
    Ed25519 { key: [u8; 32], multiples: Multiples<EdwardsPoint> },
    P256 { multiples: Multiples<ProjectivePoint> },
}

// The sizes are measured: larger ones gain little, and crowd the caches of a server that has many callers.
const ED25519_KEY: Shape = Shape { piece: 16, window: 5 };
const ED25519_BASE: Shape = Shape { piece: 16, window: 8 };
const P256_KEY: Shape = Shape { piece: 16, window: 5 };
const P256_BASE: Shape = Shape { piece: 16, window: 8 };

/// Multiples of the base points, made with the first key of the curve.
static ED25519: OnceBox<Multiples<EdwardsPoint>> = OnceBox::new();
static P256: OnceBox<Multiples<ProjectivePoint>> = OnceBox::new();

fn ed25519_base() -> &'static Multiples<EdwardsPoint> {
    ED25519.get_or_init(|| Box::new(Multiples::new(ED25519_BASEPOINT_POINT, ED25519_BASE)))
}

fn p256_base() -> &'static Multiples<ProjectivePoint> {
    P256.get_or_init(|| Box::new(Multiples::new(ProjectivePoint::generator(), P256_BASE)))
}

impl Prepared {
    /// The table for a key that was accepted.
    pub(super) fn new(point: &Point) -> Self {
        match point {
            Point::Ed25519(key) => {
                ed25519_base();
                Self::Ed25519 {
                    key: key.to_bytes(),
                    multiples: Multiples::new(-key.to_edwards(), ED25519_KEY),
                }
            }
            Point::P256(key) => {
                p256_base();
                Self::P256 { multiples: Multiples::new(ProjectivePoint::from(*key.as_affine()), P256_KEY) }
            }
        }
    }

    pub(super) fn verify(&self, message: &[u8], signature: &Signature) -> bool {
        match self {
            Self::Ed25519 { key, multiples } => equation::ed25519(key, message, signature, |k, s| {
                double_multiple((multiples, k.as_bytes()), (ed25519_base(), s.as_bytes()))
            }),
            Self::P256 { multiples } => equation::p256(message, signature, |of_base, of_key| {
                let little_endian = |scalar: p256::Scalar| {
                    let mut bytes: [u8; 32] = scalar.to_repr().into();
                    bytes.reverse();
                    bytes
                };
                double_multiple((multiples, &little_endian(of_key)), (p256_base(), &little_endian(of_base)))
            }),
        }
    }
}
