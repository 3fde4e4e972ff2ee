//! How far the writer is, for whoever watches it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What was written, what is on the disk, and what could not be written.
#[derive(Debug)]
pub(in crate::server) struct Progress {
    began: Instant,
    lines: AtomicU64,
    lost: AtomicU64,
    /// Milliseconds since the start, and one, of the first line that is not on the disk yet; 0 where all are.
    unsynced: AtomicU64,
    is_failing: AtomicBool,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            lines: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            unsynced: AtomicU64::new(0),
            is_failing: AtomicBool::new(false),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// The operating system has so many lines more.
    pub(super) fn written(&self, lines: u64) {
        self.lines.fetch_add(lines, Ordering::Relaxed);
        // Only the first that the disk has not got counts.
        let _ = self.unsynced.compare_exchange(0, self.now(), Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The disk has all of them.
    pub(super) fn synced(&self) {
        self.unsynced.store(0, Ordering::Relaxed);
    }

    /// A receipt could not be written.
    pub(super) fn lose(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn fails(&self, does: bool) {
        self.is_failing.store(does, Ordering::Relaxed);
    }

    pub(in crate::server) fn lines(&self) -> u64 {
        self.lines.load(Ordering::Relaxed)
    }

    pub(in crate::server) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// How old the oldest line is that is not on the disk.
    pub(in crate::server) fn lag(&self) -> Duration {
        match self.unsynced.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => Duration::from_millis(self.now().saturating_sub(since)),
        }
    }

    pub(in crate::server) fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }
}
