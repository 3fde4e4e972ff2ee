//! Time: the clock of this machine, and how moments are written and read.

use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use envelope_core::{Issue, Succession, Timestamp, registry};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::error::Error;

/// What the clock reads.
pub(crate) fn now() -> Result<Timestamp, Error> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| Error::Clock)?;
    Ok(Timestamp::from_unix(since.as_secs()))
}

/// A moment in RFC 3339; in seconds where that has no way to write it.
pub(crate) fn show(moment: Timestamp) -> String {
    let date =
        i64::try_from(moment.as_unix()).ok().and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
    date.and_then(|date| date.format(&Rfc3339).ok()).unwrap_or_else(|| moment.as_unix().to_string())
}

/// A moment on the command line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment(pub(crate) Timestamp);

impl FromStr for Moment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let seconds = match text.parse::<u64>() {
            Ok(seconds) => Some(seconds),
            Err(_) => OffsetDateTime::parse(text, &Rfc3339)
                .ok()
                .and_then(|date| u64::try_from(date.unix_timestamp()).ok()),
        };
        let moment = seconds.map(|seconds| Self(Timestamp::from_unix(seconds)));
        moment.ok_or("a time is written 2030-01-31T12:00:00Z, or in seconds since 1970")
    }
}

/// How long something lasts, on the command line: `MIN` to `MAX` seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span<const MIN: u64, const MAX: u64> {
    pub(crate) seconds: u64,
}

/// How long a certificate is good.
pub(crate) type Lifetime = Span<1, { Issue::MAX_LIFETIME }>;
/// How long a key is good yet that has a successor.
pub(crate) type Overlap = Span<0, { Succession::MAX_OVERLAP }>;
/// How long a ticket or a registration is good.
pub(crate) type Term = Span<1, { registry::MAX_REGISTRATION }>;

impl<const MIN: u64, const MAX: u64> FromStr for Span<MIN, MAX> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, unit) = match text.char_indices().last() {
            Some((at, 's')) => (text.get(..at), 1),
            Some((at, 'm')) => (text.get(..at), 60),
            Some((at, 'h')) => (text.get(..at), 3600),
            Some((at, 'd')) => (text.get(..at), 86_400),
            _ => (None, 0),
        };
        let number = number.filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
        let seconds = number.and_then(|number| number.parse::<u64>().ok()?.checked_mul(unit));
        match seconds {
            None => Err("a length of time is written 90s, 15m, 24h or 7d".into()),
            Some(seconds) if (MIN..=MAX).contains(&seconds) => Ok(Self { seconds }),
            Some(_) if MAX > 2 * 86_400 => Err(format!("it can be {MIN}s to {}d", MAX / 86_400)),
            Some(_) => Err(format!("it can be {MIN}s to {}h", MAX / 3600)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_both_spellings() {
        for text in ["1700000000", "2023-11-14T22:13:20Z", "2023-11-14T23:13:20+01:00"] {
            assert_eq!(text.parse::<Moment>().unwrap().0, Timestamp::from_unix(1_700_000_000), "{text}");
        }
        for text in ["", "-1", "2023-11-14", "1969-12-31T23:59:59Z", "yesterday", "1e9"] {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
        assert_eq!(show(Timestamp::from_unix(1_700_000_000)), "2023-11-14T22:13:20Z");
        assert_eq!(show(Timestamp::from_unix(u64::MAX)), u64::MAX.to_string());
    }

    #[test]
    fn lifetimes_have_a_unit_and_an_end() {
        for (text, seconds) in
            [("1s", 1), ("90s", 90), ("15m", 900), ("24h", 86_400), ("86400s", 86_400), ("1d", 86_400)]
        {
            assert_eq!(text.parse::<Lifetime>().unwrap().seconds, seconds, "{text}");
        }
        for text in
            ["", "s", "15", "0s", "25h", "86401s", "-1s", "+5m", "1.5h", "15M", "99999999999999999999h"]
        {
            assert!(text.parse::<Lifetime>().is_err(), "{text}");
        }
        assert_eq!("0s".parse::<Overlap>().unwrap().seconds, 0);
        assert_eq!("7d".parse::<Overlap>().unwrap().seconds, 604_800);
        assert!("8d".parse::<Overlap>().is_err());
        assert_eq!("90d".parse::<Term>().unwrap().seconds, 7_776_000);
    }
}
