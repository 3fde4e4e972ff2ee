//! `envelope rotate`: the key of an identity hands over to a new one.

use envelope_core::{Algorithm, Signature, Succession, UntrustedSuccession};

use crate::args::Rotate;
use crate::call_key::CallKey;
use crate::client;
use crate::clock;
use crate::command::key::owed;
use crate::command::keygen::algorithm;
use crate::delivery;
use crate::elsewhere::Place;
use crate::error::Error;
use crate::handover::Handover;
use crate::home::Home;
use crate::identity::{Identity, KeyHome, Name};
use crate::identity_key::IdentityKey;
use crate::passphrase::{Passphrase, PassphraseSource};
use crate::random;
use crate::report::{self, Fact, Facts};
use crate::ssh_agent::Agent;
use crate::wallet::{Statement, Successor, Wallet};
use crate::wiping::wiped;

pub(crate) fn run(name: &Name, args: Rotate) -> Result<(), Error> {
    let home = Home::find()?;
    let source = PassphraseSource::new(args.passphrase)?;
    let handover = Handover::begin(&home, name)?;
    let current = Identity::new(&home, name);
    if !args.force && !Wallet::load(&home)?.verifiers().iter().any(|it| it.identity == *name) {
        // Whoever knows the old key would not hear of the new one.
        current.home()?;
        return Err(Error::NobodyToTell);
    }
    let (statement, call_key) = wiped(|| {
        let (old, passphrase) = current.open_with_passphrase(&source)?;
        let next = handover.next();
        let new = match &args.ssh_agent {
            Some(key) => {
                let key = Agent::find(key)?;
                next.create_in_agent(&key)?;
                IdentityKey::in_agent(key)
            }
            None => {
                let wanted = args.alg.map_or(old.verifying_key().algorithm(), algorithm);
                make(&next, wanted, current.home()?, passphrase, &source)?
            }
        };
        let statement = say(name, &old, &new, args.overlap.seconds)?;
        // While the new key is open: nobody is asked for its passphrase at the next call.
        Ok::<_, Error>((statement, CallKey::make(&new)?))
    })?;

    // From here on it is certain: whatever happens to this process, the next one goes on.
    Wallet::change(&home, |wallet| {
        wallet.owe(statement.clone());
        Ok(())
    })?;
    client::run(delivery::deliver(&home, delivery::PATIENCE, |verifier| verifier.identity == *name))?;
    handover.settle()?;
    drop(handover);
    call_key.keep(&home, &current)?;
    drop(call_key);
    report(&home, &statement, args.json.json)
}

/// Makes the next key, where the old one lives; one in the agent is followed by one in a file, unless told otherwise.
fn make(
    next: &Identity<'_>,
    algorithm: Algorithm,
    old_home: KeyHome,
    passphrase: Option<Passphrase>,
    source: &PassphraseSource,
) -> Result<IdentityKey, Error> {
    let key = random::key(algorithm)?;
    match old_home {
        KeyHome::Elsewhere(Place::Keyring) => drop(next.create_next_in_keyring(&key)?),
        KeyHome::Elsewhere(Place::SshAgent) => {
            next.create(&key, source.read_new("the new key")?.as_ref())?;
            report::hint_that("the new key is in a file; --ssh-agent KEY takes one that the agent holds");
        }
        KeyHome::File | KeyHome::Encrypted => drop(next.create(&key, passphrase.as_ref())?),
    }
    Ok(key.into())
}

/// "This is my successor", and "I accept".
fn say(name: &Name, old: &IdentityKey, new: &IdentityKey, overlap: u64) -> Result<Statement, Error> {
    let issued = clock::now()?;
    let succession = Succession { old: old.verifying_key(), new: new.verifying_key(), issued, overlap };
    let unsigned = succession.draft().map_err(Error::Unsignable)?;
    let inputs = unsigned.signing_inputs().zip([old, new]);
    let signatures: Vec<Signature> =
        inputs.map(|(input, key)| key.sign(input.as_bytes())).collect::<Result<_, _>>()?;
    let text = unsigned.attach(&signatures).map_err(Error::Unsignable)?;
    // What an agent signed is read as a verifier reads it.
    let read = UntrustedSuccession::parse(text.as_bytes()).map_err(Error::Unsignable)?;
    read.verify().map_err(Error::Unsignable)?;
    let successor = Successor { key: new.verifying_key().thumbprint(), until: read.until().as_unix() };
    Ok(Statement::new(name.clone(), old.verifying_key().thumbprint(), Some(successor), text))
}

fn report(home: &Home, said: &Statement, json: bool) -> Result<(), Error> {
    let wallet = Wallet::load(home)?;
    let name = &said.identity;
    let of_this: Vec<_> = wallet.verifiers().iter().filter(|it| it.identity == *name).collect();
    let Some(successor) = said.successor else { return Ok(()) };
    if json {
        let told = of_this.iter().filter(|it| it.owed.is_empty()).map(|it| it.url.to_string()).collect();
        let facts = Facts::default()
            .with("identity", name.as_str())
            .with("keyid", successor.key.to_string().as_str())
            .with("previous", said.key.to_string().as_str())
            .with("until", Fact::Number(successor.until))
            .with("told", Fact::List(told))
            .with("owed", Fact::Json(owed(&wallet, name)));
        facts.print(true)?;
    } else {
        report::line(&successor.key.to_string())?;
    }
    if of_this.is_empty() {
        report::hint_that("nobody was told: envelope enroll URL tells a verifier of the new key");
    }
    // Those that were not reached hear of it later; those that refuse, never.
    match delivery::say_what_is_owed(of_this) {
        (_, 0) => Ok(()),
        (_, refused) => Err(Error::Untold(refused)),
    }
}
