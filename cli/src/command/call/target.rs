//! What is called: an agent of a pack, or any URL.

use std::path::Path;

use serde::de::IgnoredAny;
use serde_json::Value;

use crate::args::{self, Call};
use crate::error::{Error, PackError};
use crate::home::Home;
use crate::message::{Limit, read_input};
use crate::outgoing::{self, Outgoing};
use crate::pack_id::PackId;
use crate::secret::Secret;
use crate::wallet::Wallet;

/// The request, and the pack that was named.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) request: Outgoing,
    pack: Option<PackId>,
}

impl Target {
    /// A method and a URL are told from a pack and an agent by the URL's `://`.
    pub(super) fn read(args: &Call) -> Result<Self, Error> {
        let is_method = args.first.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-');
        if args.second.contains("://") && is_method { Self::url(args) } else { Self::agent(args) }
    }

    fn url(args: &Call) -> Result<Self, Error> {
        if args.arguments.is_some() {
            return Err(PackError::Surplus.into());
        }
        let request = Outgoing::read(&args::Outgoing {
            method: args.first.clone(),
            url: args.second.clone(),
            body: args.body.clone(),
            header: args.header.clone(),
        })?;
        Ok(Self { request, pack: None })
    }

    fn agent(args: &Call) -> Result<Self, Error> {
        if args.body.is_some() {
            return Err(PackError::BodyForAgent.into());
        }
        if args.second.is_empty() {
            return Err(PackError::NoAgentName.into());
        }
        let pack = Wallet::load(&Home::find()?)?.which_pack(&args.first)?;
        let body = body(&args.second, args.arguments.as_deref())?;
        let mut given = outgoing::read_fields(&args.header)?;
        let has_type = given.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        if !has_type {
            given.push(("Content-Type".into(), Secret::any("application/json".into())));
        }
        let request = Outgoing::new("POST", format!("{}/agent", pack.url()), given, Some(body));
        Ok(Self { request, pack: Some(pack) })
    }

    /// The pack that was named, or to which the URL leads where the wallet knows it.
    pub(super) fn pack(&self, wallet: &Wallet) -> Option<PackId> {
        let is_known = |pack: &PackId| {
            wallet.known_packs().iter().any(|it| it.origin == pack.origin && it.guid == pack.guid)
        };
        let around = || PackId::around(self.request.url()).filter(is_known);
        self.pack.clone().or_else(around)
    }

    pub(super) fn has_authorization(&self) -> bool {
        self.request.given().any(|(name, _)| name.eq_ignore_ascii_case("authorization"))
    }
}

/// `{"name":AGENT,"args":ARGUMENTS}`, the arguments as they were written: numbers keep their digits.
fn body(agent: &str, arguments: Option<&str>) -> Result<Vec<u8>, Error> {
    let arguments = match arguments {
        None => b"{}".to_vec(),
        Some("-") => read_input(Path::new("-"), Limit::BODY)?,
        Some(text) => text.as_bytes().to_vec(),
    };
    let text = std::str::from_utf8(&arguments).unwrap_or_default().trim_ascii();
    if !text.starts_with('{') || serde_json::from_str::<IgnoredAny>(text).is_err() {
        return Err(PackError::NotArguments.into());
    }
    Ok(format!("{{\"name\":{},\"args\":{text}}}", Value::from(agent)).into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_stay_as_they_were_written() {
        let body = |agent: &str, arguments| String::from_utf8(body(agent, arguments).unwrap()).unwrap();
        assert_eq!(body("Weather", None), r#"{"name":"Weather","args":{}}"#);
        assert_eq!(
            body("a\"b", Some(" {\"n\": 12345678901234567890.10}\n")),
            r#"{"name":"a\"b","args":{"n": 12345678901234567890.10}}"#
        );
    }

    #[test]
    fn the_arguments_are_one_object() {
        for text in
            ["", "[]", "1", "null", "\"{}\"", "{", "{}{}", "{},\"name\":\"x\"", "{\"a\":}", "\u{feff}{}"]
        {
            assert!(matches!(body("a", Some(text)), Err(Error::Pack(PackError::NotArguments))), "{text}");
        }
    }
}
