//! Vectors of `spec/keys.md`: what a verifier has written down, what it is shown or told, and what it has written down then.

mod format;
mod runner;

pub use format::{
    Act, Ended, List, Narrowed, Record, Revocation, RevokedCertificate, Role, Step, Vector, load,
};
pub use runner::{Outcome, Verdict, run};
