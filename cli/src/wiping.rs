//! Secrets are wiped where they are dropped. A value that was moved has left copies on the stack, which nobody drops: these are
//! overwritten here.

use std::hint::black_box;

use zeroize::Zeroize;

/// More than any command uses below the place where it opens a key.
const STACK: usize = 256 * 1024;

/// Does something with secrets, and wipes the part of the stack on which that was done.
#[inline(never)]
pub(crate) fn wiped<T>(work: impl FnOnce() -> T) -> T {
    let done = apart(work);
    overwrite();
    done
}

/// In a frame of its own, which is gone when the stack is overwritten.
#[inline(never)]
fn apart<T>(work: impl FnOnce() -> T) -> T {
    work()
}

#[inline(never)]
fn overwrite() {
    // In words: writes that nobody may leave out are made one by one, and bytes would be eight times as many.
    let mut stack = [0u64; STACK / size_of::<u64>()];
    stack.zeroize();
    black_box(&mut stack);
}
