//! What the operating system says of this process; Linux only.

use std::fs;

/// Of this process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Process {
    /// Processor time so far, in seconds: of the program itself, and of the system for it.
    pub(super) user: f64,
    pub(super) system: f64,
    /// Bytes of memory that it has.
    pub(super) resident: u64,
    /// Bytes that it has asked for.
    pub(super) virtual_size: u64,
    pub(super) threads: u64,
    pub(super) descriptors: u64,
}

/// Clock ticks of a second: what Linux tells programs on every machine (`USER_HZ`).
const TICKS: f64 = 100.0;
/// Bytes of a page, where nobody says otherwise.
const PAGE: u64 = 4096;

impl Process {
    /// `None` where the system does not say.
    pub(super) fn read() -> Option<Self> {
        let descriptors = fs::read_dir("/proc/self/fd").ok()?.count();
        // One of them is the directory that is read.
        let descriptors = u64::try_from(descriptors).ok()?.saturating_sub(1);
        Self::parse(&fs::read_to_string("/proc/self/stat").ok()?, descriptors)
    }

    /// proc_pid_stat(5): behind the name, which may hold anything, the state is the third field.
    fn parse(stat: &str, descriptors: u64) -> Option<Self> {
        let (_, rest) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        let seconds = |field: usize| fields.get(field - 3)?.parse::<f64>().ok().map(|ticks| ticks / TICKS);
        Some(Self {
            user: seconds(14)?,
            system: seconds(15)?,
            threads: number(20)?,
            virtual_size: number(23)?,
            resident: number(24)?.saturating_mul(PAGE),
            descriptors,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_found_behind_any_name() {
        let stat = "42 (a) name) S 1 42 42 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 3 0 100 8192000 200 1844 1 1";
        let process = Process::parse(stat, 7);
        let expected = Process {
            user: 2.5,
            system: 0.5,
            threads: 3,
            virtual_size: 8_192_000,
            resident: 200 * PAGE,
            descriptors: 7,
        };
        assert_eq!(process, Some(expected));
        assert_eq!(Process::parse("42 (name) S 1", 7), None);
    }
}
