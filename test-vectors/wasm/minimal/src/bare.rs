//! What a program without an operating system must bring: an allocator, and what becomes of a panic.
//!
//! An allocator cannot be written without `unsafe`. This one is for measuring: it hands out an arena and takes nothing back.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicUsize, Ordering};

const SIZE: usize = 512 * 1024;

#[repr(align(16))]
struct Arena {
    bytes: UnsafeCell<[u8; SIZE]>,
    used: AtomicUsize,
}

#[global_allocator]
static ARENA: Arena = Arena { bytes: UnsafeCell::new([0; SIZE]), used: AtomicUsize::new(0) };

// SAFETY: every byte is handed out once.
unsafe impl Sync for Arena {}

// SAFETY: what is handed out lies in the arena, is aligned (to 16 bytes at most, as the arena is) and overlaps nothing.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let size = layout.size().next_multiple_of(16);
        let start = self.used.fetch_add(size, Ordering::Relaxed);
        if layout.align() > 16 || start.saturating_add(size) > SIZE {
            return core::ptr::null_mut();
        }
        self.bytes.get().cast::<u8>().wrapping_add(start)
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
