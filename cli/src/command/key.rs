//! `envelope key list` and `envelope key show`: the identity keys that are here.

use envelope_core::VerifyingKey;
use serde_json::{Value, json};

use crate::args::{KeyFormat, KeyList, KeyShow};
use crate::error::Error;
use crate::home::Home;
use crate::identity::{self, Identity, KeyHome, Name};
use crate::passphrase::PassphraseSource;
use crate::pem::PemError;
use crate::report::{self, Fact, Facts, printable};
use crate::wallet::{Verifier, Wallet};

pub(crate) fn list(args: &KeyList) -> Result<(), Error> {
    let home = Home::find()?;
    let mut lines = String::new();
    let mut array = Vec::new();
    let mut not_listed = 0;
    let wallet = Wallet::load(&home)?;
    let names = identity::list(&home)?;
    for name in &names {
        // One key that cannot be read does not hide the others.
        let (key, key_home) = match look_at(&home, name) {
            Ok(found) => found,
            Err(error) => {
                report::error(&error, hint(name, &error));
                not_listed += 1;
                continue;
            }
        };
        let (alg, keyid) = (key.algorithm().http_name(), key.thumbprint());
        let lives = key_home.as_str();
        lines.push_str(&format!("{:16}  {alg:17}  {keyid}  {lives}\n", printable(name.as_str())));
        wallet.owed(name).for_each(|verifier| lines.push_str(&owes(verifier)));
        array.push(facts(name, &key, key_home).with("owed", Fact::Json(owed(&wallet, name))).to_json());
    }
    // A key that was revoked is not here any more, and somebody may not have heard so.
    for verifier in
        wallet.verifiers().iter().filter(|it| !it.owed.is_empty() && !names.contains(&it.identity))
    {
        let name = printable(verifier.identity.as_str());
        lines.push_str(&format!("{name:16}  revoked\n{}", owes(verifier)));
        let facts =
            Facts::default().with("identity", verifier.identity.as_str()).with("revoked", Fact::Flag(true));
        array.push(facts.with("owed", Fact::Json(owed(&wallet, &verifier.identity))).to_json());
    }
    if args.json.json {
        report::line(&Value::from(array).to_string())?;
    } else {
        report::data(lines.as_bytes())?;
    }
    if not_listed == 0 { Ok(()) } else { Err(Error::NotListed(not_listed)) }
}

fn owes(verifier: &Verifier) -> String {
    format!("  owes {}  {}\n", verifier.url, printable(verifier.why()))
}

/// The key, and where it lives.
fn look_at(home: &Home, name: &Name) -> Result<(VerifyingKey, KeyHome), Error> {
    let identity = Identity::new(home, name);
    let key = identity.verifying_key(&PassphraseSource::Nobody)?;
    Ok((key, identity.home()?))
}

fn hint(name: &Name, error: &Error) -> Option<String> {
    match error {
        Error::Pem(_, PemError::Encrypted) => Some(format!(
            "envelope key show --identity {name} opens it with its passphrase and notes its public half"
        )),
        error => error.hint(),
    }
}

pub(crate) fn show(name: &Name, args: KeyShow) -> Result<(), Error> {
    let home = Home::find()?;
    let identity = Identity::new(&home, name);
    let key = identity.verifying_key(&PassphraseSource::new(args.passphrase)?)?;
    if args.json {
        let jwk = serde_json::from_str(&key.to_jwk()).unwrap_or_default();
        let facts = facts(name, &key, identity.home()?)
            .with("did", key.to_did().as_str())
            .with("jwk", Fact::Json(jwk))
            .with("openssh", key.to_openssh().as_str())
            .with("pem", key.to_pem().as_str());
        return facts.print(true);
    }
    let text = match args.format {
        KeyFormat::Jwk => key.to_jwk(),
        KeyFormat::Pem => key.to_pem(),
        KeyFormat::Keyid => key.thumbprint().to_string(),
        KeyFormat::Did => key.to_did(),
        KeyFormat::Openssh => key.to_openssh(),
    };
    report::line(text.trim_ascii_end())
}

/// The verifiers that have not heard something yet.
pub(super) fn owed(wallet: &Wallet, name: &Name) -> Value {
    let tell = |verifier: &Verifier| json!({ "verifier": verifier.url.as_str(), "why": verifier.trouble.as_ref().map(|it| it.why.as_str()) });
    wallet.owed(name).map(tell).collect()
}

/// What is told of a key, whatever was done with it.
pub(super) fn facts(name: &Name, key: &VerifyingKey, home: KeyHome) -> Facts {
    Facts::default()
        .with("identity", name.as_str())
        .with("keyid", key.thumbprint().to_string().as_str())
        .with("alg", key.algorithm().http_name())
        .with("home", home.as_str())
        .with("encrypted", Fact::Flag(home == KeyHome::Encrypted))
}
