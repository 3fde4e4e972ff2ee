//! Time: seconds, given by the caller. Core has no clock.

/// Seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// That many seconds after 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn from_unix(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn as_unix(self) -> u64 {
        self.0
    }

    /// That many seconds later; the end of time where there is no such moment.
    #[must_use]
    pub const fn plus(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// The seconds from `earlier` to this moment; 0 when `earlier` is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// How long signatures may be valid, and how far clocks may be apart (spec, stage 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    longest: u64,
}

impl Window {
    /// How far `created` may lie ahead of the verifier's clock, in seconds; nonces are kept that much longer.
    pub const SKEW: u64 = 5;
    /// The longest window that can be configured, in seconds.
    pub const MAX: u64 = 300;

    /// A window of `seconds`, 1 to [`Window::MAX`]; `None` outside of that.
    #[must_use]
    pub const fn new(seconds: u64) -> Option<Self> {
        if seconds >= 1 && seconds <= Self::MAX { Some(Self { longest: seconds }) } else { None }
    }

    /// The longest `expires - created`, in seconds.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.longest
    }
}

impl Default for Window {
    /// 60 seconds.
    fn default() -> Self {
        Self { longest: 60 }
    }
}
