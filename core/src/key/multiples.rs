//! Multiples of a point, made once, so that it is multiplied with few doublings: of keys that verify again, and of the base points.
//!
//! A scalar is cut into pieces of a few bits. Each piece has a row: the odd multiples of the point, moved to where the piece stands.
//! So all pieces are gone through at once, and the doublings are those of one piece. Nothing here is secret, and nothing takes the
//! same time for every scalar.

use alloc::boxed::Box;

use group::Group;

/// How a scalar is cut, and how many multiples are kept of each piece.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Bits of a piece: 16 or 32.
    pub(super) piece: usize,
    /// Width of the non-adjacent form: 2^(window - 2) multiples are kept for each piece.
    pub(super) window: u32,
}

// The sizes are measured, on both curves: larger ones gain little, and crowd the caches of a server that has many callers.
impl Shape {
    /// For each key.
    pub(super) const OF_KEY: Self = Self { piece: 16, window: 5 };
    /// For a base point.
    pub(super) const OF_BASE: Self = Self { piece: 16, window: 8 };
}

/// The most pieces that a scalar of 256 bits has.
const PIECES: usize = 16;
/// The most digits that a piece has: a carry makes one more than its bits.
const PLACES: usize = 33;

/// The digits of all pieces, by their place.
type Digits = [[i8; PIECES]; PLACES];

/// Rows of multiples of one point.
pub(super) struct Multiples<G> {
    shape: Shape,
    points: Box<[G]>,
}

impl<G: Group> Multiples<G> {
    pub(super) fn new(point: G, shape: Shape) -> Self {
        let (mut base, width) = (point, 1_usize << (shape.window - 2));
        let mut points = alloc::vec::Vec::with_capacity(256 / shape.piece * width);
        for _ in 0..256 / shape.piece {
            let twice = base.double();
            points.extend(core::iter::successors(Some(base), |odd| Some(*odd + twice)).take(width));
            base = (0..shape.piece).fold(base, |base, _| base.double());
        }
        Self { shape, points: points.into() }
    }

    fn rows(&self) -> impl Iterator<Item = &[G]> {
        self.points.chunks_exact(1 << (self.shape.window - 2))
    }

    /// The digits of a scalar, little-endian.
    fn digits(&self, scalar: &[u8; 32]) -> Digits {
        let mut digits = [[0; PIECES]; PLACES];
        for (number, piece) in scalar.chunks_exact(self.shape.piece / 8).enumerate() {
            let value = piece.iter().rev().fold(0, |value, byte| value << 8 | i64::from(*byte));
            let column = digits.iter_mut().filter_map(|place| place.get_mut(number));
            write_digits(column, value, self.shape.window);
        }
        digits
    }
}

/// The non-adjacent form: digits are zero or odd, lie below 2^(window - 1), and of `window` in a row one is not zero.
fn write_digits<'a>(digits: impl Iterator<Item = &'a mut i8>, mut value: i64, window: u32) {
    let whole = 1_i64 << window;
    for digit in digits {
        if value == 0 {
            return;
        }
        if value & 1 == 1 {
            let rest = value & (whole - 1);
            let odd = if rest > whole / 2 { rest - whole } else { rest };
            // At most 2^(window - 1) - 1, and windows are 8 at most.
            *digit = i8::try_from(odd).unwrap_or_default();
            value -= odd;
        }
        value >>= 1;
    }
}

/// \[a\]A + \[b\]B, where the scalars are little-endian. Both are cut into pieces of the same size.
pub(super) fn double_multiple<G: Group>(
    (multiples_a, a): (&Multiples<G>, &[u8; 32]),
    (multiples_b, b): (&Multiples<G>, &[u8; 32]),
) -> G {
    let (digits_a, digits_b) = (multiples_a.digits(a), multiples_b.digits(b));
    let places = digits_a.iter().zip(&digits_b).take(multiples_a.shape.piece + 1);
    // Nothing is doubled before there is something to double.
    let mut sum = None;
    for (place_a, place_b) in places.rev() {
        sum = sum.map(|sum: G| sum.double());
        for (multiples, digits) in [(multiples_a, place_a), (multiples_b, place_b)] {
            for (row, digit) in multiples.rows().zip(digits) {
                // The n-th odd number is 2n + 1.
                let Some(point) = row.get(usize::from(digit.unsigned_abs() / 2)) else { continue };
                sum = match (sum, digit.signum()) {
                    (sum, 0) => sum,
                    (None, 1) => Some(*point),
                    (None, _) => Some(-*point),
                    (Some(sum), 1) => Some(sum + point),
                    (Some(sum), _) => Some(sum - point),
                };
            }
        }
    }
    sum.unwrap_or_else(G::identity)
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
    use curve25519_dalek::{EdwardsPoint, Scalar};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn digits_are_few_and_odd_and_add_up() {
        for value in [0, 1, 2, 3, 0x7f, 0x80, 0xff, 0xffff, 0x8000_0000, 0xffff_ffff, 0xa5a5_a5a5] {
            for window in 2..=8 {
                let mut digits = [0; PLACES];
                write_digits(digits.iter_mut(), value, window);
                let sum = digits.iter().rev().fold(0, |sum, digit| sum * 2 + i64::from(*digit));
                assert_eq!(sum, value, "{window}");
                assert!(digits.iter().all(|digit| *digit == 0 || digit & 1 == 1));
                assert!(digits.iter().all(|digit| i64::from(*digit).abs() < 1 << (window - 1)));
                let width = usize::try_from(window).unwrap();
                for run in digits.windows(width) {
                    assert!(run.iter().filter(|digit| **digit != 0).count() <= 1, "{window}");
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// All scalars that fit, reduced or not: 2²⁵⁶ - 1 carries out of every piece.
        #[test]
        fn a_sum_of_multiples_is_what_it_is_by_any_other_way(
            a in prop_oneof![Just([0; 32]), Just([0xff; 32]), any::<[u8; 32]>()],
            b: [u8; 32],
            point in 1_u64..,
            piece in prop_oneof![Just(16_usize), Just(32)],
            windows in (2_u32..=8, 2_u32..=8),
        ) {
            let point = EdwardsPoint::mul_base(&Scalar::from(point));
            let multiples = |point, window| Multiples::new(point, Shape { piece, window });
            let sum = double_multiple(
                (&multiples(point, windows.0), &a),
                (&multiples(ED25519_BASEPOINT_POINT, windows.1), &b),
            );
            let expected = point * Scalar::from_bytes_mod_order(a)
                + ED25519_BASEPOINT_POINT * Scalar::from_bytes_mod_order(b);
            prop_assert_eq!(sum, expected);
        }
    }
}
