//! Authorities: whom a request is addressed to, and whom a verifier answers for (spec, section 3.3).

use alloc::borrow::Cow;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::error::{Code, Refusal};
use crate::request::strip_scheme;
use crate::target::Target;

/// The authorities that a verifier answers for (spec, section 3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorities(Vec<Arc<str>>);

impl Authorities {
    /// A list of `host` or `host:port`; the case does not matter.
    ///
    /// # Errors
    /// [`Code::WrongAuthority`] when one of them is no authority: empty, with user information, a scheme, a path, or a
    /// port that is not a number from 1 to 65535.
    pub fn new<S: AsRef<str>>(list: impl IntoIterator<Item = S>) -> Result<Self, Refusal> {
        let list = list
            .into_iter()
            .map(|entry| check_authority(entry.as_ref()).map(|entry| entry.to_ascii_lowercase().into()));
        Ok(Self(list.collect::<Result<_, _>>()?))
    }

    /// The entries, in lower case.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|entry| &**entry)
    }

    /// The entry that answers for what the client addressed.
    pub(crate) fn find(&self, addressed: &str) -> Result<&Arc<str>, Refusal> {
        let bare =
            addressed.strip_suffix(":443").or_else(|| addressed.strip_suffix(":80")).unwrap_or(addressed);
        let entry = |wanted: &str| self.0.iter().find(|entry| entry.eq_ignore_ascii_case(wanted));
        entry(addressed)
            .or_else(|| entry(bare))
            .ok_or(Refusal::new(Code::WrongAuthority, "the verifier does not answer for this host"))
    }
}

fn check_authority(text: &str) -> Result<&str, Refusal> {
    let refusal = Refusal::new(Code::WrongAuthority, "an authority is written host or host:port");
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let port_ok = port.is_none_or(|port| {
        !port.starts_with('0')
            && port.bytes().all(|byte| byte.is_ascii_digit())
            && port.parse::<u16>().is_ok()
    });
    let host_ok = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => {
            !address.is_empty()
                && address.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':' || byte == b'.')
        }
        None => {
            !host.is_empty()
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
        }
    };
    if port_ok && host_ok { Ok(text) } else { Err(refusal) }
}

/// A URL as a signer takes it: scheme, authority and canonical target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url<'a> {
    authority: Cow<'a, str>,
    target: Target<'a>,
}

impl<'a> Url<'a> {
    /// Reads an `http` or `https` URL that is already canonical (spec, S1).
    ///
    /// # Errors
    /// [`Code::TargetNotCanonical`].
    pub fn parse(url: &'a str) -> Result<Self, Refusal> {
        let refuse = |detail| Refusal::new(Code::TargetNotCanonical, detail);
        let rest = strip_scheme(url).ok_or(refuse("the URL does not start with http:// or https://"))?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        if authority.contains('@') {
            return Err(refuse("the URL holds user information"));
        }
        let default_port = if url.len() - rest.len() == "http://".len() { ":80" } else { ":443" };
        let authority = authority.strip_suffix(default_port).unwrap_or(authority);
        check_authority(authority).map_err(|_| refuse("the URL names no host, or a port that is no port"))?;
        let authority = if authority.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(authority.to_ascii_lowercase())
        } else {
            Cow::Borrowed(authority)
        };
        Ok(Self { authority, target: Target::new(if target.is_empty() { "/" } else { target })? })
    }

    /// `@authority`.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The path and query.
    #[must_use]
    pub const fn target(&self) -> Target<'a> {
        self.target
    }
}
