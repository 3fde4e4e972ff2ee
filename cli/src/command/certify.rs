//! `envelope certify`: a certificate for a key that somebody else holds.

use envelope_core::{Grant, Issue};

use crate::args::Certify;
use crate::call_key::certificate_id;
use crate::clock;
use crate::error::Error;
use crate::home::Home;
use crate::identity::{Identity, Name};
use crate::key_arg;
use crate::passphrase::PassphraseSource;
use crate::report::{self, Fact, Facts};
use crate::wiping::wiped;

pub(crate) fn run(name: &Name, args: Certify) -> Result<(), Error> {
    let call_key = key_arg::read_full(&args.key)?;
    let mut grant = Grant::everything();
    if !args.aud.is_empty() {
        grant = grant.audience(args.aud);
    }
    if !args.scope.is_empty() {
        // A scope holds no space: "call deploy" are two of them.
        grant = grant.scope(args.scope.iter().flat_map(|scope| scope.split(' ')));
    }
    let home = Home::find()?;
    let passphrase = PassphraseSource::new(args.passphrase)?;
    let id = certificate_id()?;
    let issue =
        Issue { call_key: &call_key, issued: clock::now()?, lifetime: args.ttl.seconds, id: &id, grant };
    // Nothing is printed while a secret is in memory.
    let (certificate, identity_keyid) = wiped(|| {
        let identity_key = Identity::new(&home, name).open(&passphrase)?;
        let certificate = identity_key.certify(&issue)?;
        Ok::<_, Error>((certificate, identity_key.verifying_key().thumbprint().to_string()))
    })?;
    if !args.json.json {
        return report::line(&certificate);
    }
    let facts = Facts::default()
        .with("certificate", certificate.as_str())
        .with("keyid", call_key.thumbprint().to_string().as_str())
        .with("identity", name.as_str())
        .with("identity_key", identity_keyid.as_str())
        .with("id", id.as_str())
        .with("issued", Fact::Time(issue.issued))
        .with("expires", Fact::Time(issue.issued.plus(issue.lifetime)))
        .and("aud", issue.grant.audiences().map(|list| Fact::List(list.to_vec())))
        .and("scope", issue.grant.scopes().map(|list| Fact::List(list.to_vec())));
    facts.print(true)
}
