//! The wallet: the verifiers that the identities here are known to, packs and their tokens, logins, and what keys have said
//! that not every verifier has heard yet.
//!
//! `wallet/wallet.json`, of mode 0600 in a directory of mode 0700, is one JSON object:
//!
//! | member | holds |
//! |---|---|
//! | `version` | 1 |
//! | `verifiers` | `{url, identity, name, packs, owed, trouble?}`: a verifier that knows the key of `identity`, as `name` |
//! | `statements` | what keys have said of themselves |
//! | `packs` | `{url, guid, kind, token?, name?}`: `kind` is `pack` or `swarm`, the pack is `{url}/api/{kind}/{guid}` |
//! | `logins` | `{url, name, packs}`: a verifier that knows `name` by the word of an identity provider |
//!
//! `packs` and `logins` are there when there are some, so that a program that does not know them reads every other wallet;
//! one that has them it refuses, instead of losing a token. The tokens of packs are secrets; what proves a login is elsewhere.
//! It is read without a lock and changed under one, whole: whatever is killed leaves the old wallet or the new one.

mod entry;
mod pack;

use envelope_core::{Thumbprint, Timestamp};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::home::Home;
use crate::identity::Name;
use crate::origin::Origin;

pub(crate) use entry::{Statement, Successor, Trouble, Verifier};
pub(crate) use pack::{Login, Pack};

const FILE: &str = "wallet.json";
const VERSION: u32 = 1;
/// The longest wallet: some hundred verifiers.
const MAX_LENGTH: usize = 1 << 20;
/// How many statements are kept that everybody has heard: a verifier that is met later may know one of the keys in them.
const KEPT: usize = 100;

/// All that is remembered of others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wallet {
    version: u32,
    /// By verifier and identity, each pair once.
    verifiers: Vec<Verifier>,
    /// In the order in which they were made.
    statements: Vec<Statement>,
    /// By verifier and guid, each pair once.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    packs: Vec<Pack>,
    /// By verifier, each once.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    logins: Vec<Login>,
}

impl Default for Wallet {
    fn default() -> Self {
        Self {
            version: VERSION,
            verifiers: Vec::new(),
            statements: Vec::new(),
            packs: Vec::new(),
            logins: Vec::new(),
        }
    }
}

impl Wallet {
    /// The wallet as it is now; an empty one where there is none.
    pub(crate) fn load(home: &Home) -> Result<Self, Error> {
        // What is behind a link may be another disk, which is not there today: nobody is forgotten for that.
        if home.wallet.is_link(FILE) {
            return Err(Error::NotAFile(home.wallet.path(FILE)));
        }
        let Some(text) = home.wallet.read_up_to(FILE, MAX_LENGTH)? else { return Ok(Self::default()) };
        let unreadable = || Error::Wallet(home.wallet.path(FILE));
        let wallet: Self = serde_json::from_slice(&text).map_err(|_| unreadable())?;
        if wallet.version == VERSION { Ok(wallet) } else { Err(unreadable()) }
    }

    /// Changes the wallet, one process at a time. The change is on the disk when this is done, or none of it is.
    pub(crate) fn change<T>(
        home: &Home,
        change: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let lock = home.wallet.lock("wallet")?;
        let before = Self::load(home)?;
        let mut wallet = before.clone();
        let done = change(&mut wallet)?;
        if wallet != before {
            wallet.prune();
            // Memory that grows leaves pieces of tokens behind; a wallet that is too large may.
            let mut text = Zeroizing::new(Vec::with_capacity(MAX_LENGTH));
            serde_json::to_writer_pretty(&mut *text, &wallet)
                .map_err(|_| Error::Wallet(home.wallet.path(FILE)))?;
            // What could not be read again is not written.
            if text.len() > MAX_LENGTH {
                return Err(Error::WalletFull(home.wallet.path(FILE)));
            }
            lock.replace_for_good(FILE, &text)?;
        }
        Ok(done)
    }

    pub(crate) fn verifiers(&self) -> &[Verifier] {
        &self.verifiers
    }

    pub(crate) fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// The verifier at `url`, for `identity` where one is named; else for the only identity that it knows, or the default one.
    pub(crate) fn find<'a>(&'a self, url: &'a Origin, identity: Option<&Name>) -> Option<&'a Verifier> {
        let mut there = self.at(url);
        match identity {
            Some(name) => there.find(|verifier| verifier.identity == *name),
            None => {
                let all: Vec<_> = there.collect();
                match all.as_slice() {
                    [only] => Some(only),
                    several => several.iter().find(|verifier| verifier.identity.is_default()).copied(),
                }
            }
        }
    }

    /// The entries for the verifier at `url`, one for each identity that is known there.
    pub(crate) fn at<'a>(&'a self, url: &'a Origin) -> impl Iterator<Item = &'a Verifier> {
        self.verifiers.iter().filter(move |verifier| verifier.url == *url)
    }

    /// The verifiers that an identity owes something.
    pub(crate) fn owed(&self, identity: &Name) -> impl Iterator<Item = &Verifier> {
        self.verifiers.iter().filter(move |it| it.identity == *identity && !it.owed.is_empty())
    }

    /// What was said.
    pub(crate) fn statement(&self, id: &str) -> Option<&Statement> {
        self.statements.iter().find(|statement| statement.id == id)
    }

    /// What keys of an identity have said that the files here do not agree with yet.
    pub(crate) fn unsettled(&self, identity: &Name) -> impl Iterator<Item = &Statement> {
        self.statements.iter().filter(move |it| !it.settled && it.identity == *identity)
    }

    /// Remembers a verifier; one that is there already keeps what it is owed.
    pub(crate) fn remember(&mut self, new: Verifier) {
        match self.entry(&new.url, &new.identity) {
            Some(known) => (known.name, known.packs) = (new.name, new.packs),
            None => self.verifiers.push(new),
        }
    }

    /// Notes a verifier that may know the identity; one that is there already stays.
    pub(crate) fn meet(&mut self, url: Origin, identity: &Name) {
        if self.entry(&url, identity).is_none() {
            self.verifiers.push(Verifier::new(url, identity.clone(), String::new(), Vec::new()));
        }
    }

    /// Forgets a verifier; gives what was known of it.
    pub(crate) fn forget(&mut self, url: &Origin, identity: Option<&Name>) -> Vec<Verifier> {
        let is_meant = |it: &mut Verifier| it.url == *url && identity.is_none_or(|name| it.identity == *name);
        self.verifiers.extract_if(.., is_meant).collect()
    }

    /// Notes what a key has said; every verifier that knows the identity is to hear it.
    pub(crate) fn owe(&mut self, statement: Statement) {
        let concerned = self.verifiers.iter_mut().filter(|verifier| verifier.identity == statement.identity);
        for verifier in concerned {
            verifier.owed.push(statement.id.clone());
        }
        self.statements.push(statement);
    }

    /// A verifier has heard a statement.
    pub(crate) fn heard(&mut self, url: &Origin, identity: &Name, id: &str) {
        if let Some(verifier) = self.entry(url, identity) {
            verifier.owed.retain(|owed| owed != id);
            if verifier.owed.is_empty() {
                verifier.trouble = None;
            }
        }
    }

    /// A verifier knows this key, however it came by it: what led to it need not be told any more.
    pub(crate) fn knows(&mut self, url: &Origin, identity: &Name, key: &Thumbprint) {
        let mut known = vec![*key];
        let mut led_here = Vec::new();
        // The last of them was made last, so the chain is walked from its end.
        for statement in self.statements.iter().rev() {
            if statement.successor.is_some_and(|successor| known.contains(&successor.key)) {
                known.push(statement.key);
                led_here.push(statement.id.clone());
            }
        }
        if let Some(verifier) = self.entry(url, identity) {
            verifier.owed.retain(|owed| !led_here.contains(owed));
            if verifier.owed.is_empty() {
                verifier.trouble = None;
            }
        }
    }

    /// A verifier could not be told.
    pub(crate) fn not_heard(&mut self, url: &Origin, identity: &Name, trouble: Trouble) {
        if let Some(verifier) = self.entry(url, identity) {
            verifier.trouble = Some(trouble);
        }
    }

    /// The files here agree with a statement.
    pub(crate) fn settle(&mut self, id: &str) {
        for statement in self.statements.iter_mut().filter(|statement| statement.id == id) {
            statement.settled = true;
        }
    }

    /// The key that a verifier knows best: one that has a successor of which it has not heard, as long as that key is good.
    pub(crate) fn known_key(&self, verifier: &Verifier, now: Timestamp) -> Option<Thumbprint> {
        let first = verifier.owed.iter().find_map(|id| {
            let statement = self.statement(id)?;
            statement.successor.map(|successor| (statement.key, successor.until))
        });
        first.filter(|(_, until)| now.as_unix() < *until).map(|(key, _)| key)
    }

    /// Whether a key that has a successor may be needed yet.
    pub(crate) fn needs(&self, key: &Thumbprint, now: Timestamp) -> bool {
        self.verifiers.iter().any(|verifier| self.known_key(verifier, now).as_ref() == Some(key))
    }

    fn prune(&mut self) {
        let owed: Vec<&String> = self.verifiers.iter().flat_map(|verifier| &verifier.owed).collect();
        let mut surplus = self.statements.len().saturating_sub(KEPT);
        self.statements.retain(|statement| {
            let is_kept = surplus == 0 || !statement.settled || owed.contains(&&statement.id);
            surplus -= usize::from(!is_kept);
            is_kept
        });
    }

    fn entry(&mut self, url: &Origin, identity: &Name) -> Option<&mut Verifier> {
        self.verifiers.iter_mut().find(|verifier| verifier.url == *url && verifier.identity == *identity)
    }
}

#[cfg(test)]
mod tests {
    use envelope_core::Algorithm;

    use super::*;
    use crate::random;

    fn keyid() -> Thumbprint {
        random::key(Algorithm::Ed25519).unwrap().verifying_key().thumbprint()
    }

    fn verifier(url: &str, identity: &str) -> Verifier {
        Verifier::new(url.parse().unwrap(), identity.parse().unwrap(), "alice".into(), vec!["p1".into()])
    }

    fn succession(identity: &str, key: Thumbprint, until: u64) -> Statement {
        let successor = Some(Successor { key: keyid(), until });
        let (identity, id) = (identity.parse().unwrap(), key.to_string());
        Statement { id, identity, key, successor, text: "{}".into(), settled: false }
    }

    #[test]
    fn the_credential_is_the_one_that_the_verifier_knows() {
        let mut wallet = Wallet::default();
        let (a, b): (Origin, Origin) =
            ("https://a.example".parse().unwrap(), "https://b.example".parse().unwrap());
        wallet.remember(verifier("https://a.example", "work"));
        let name = |found: Option<&Verifier>| found.map(|found| found.identity.as_str().to_owned());
        assert_eq!(name(wallet.find(&a, None)).as_deref(), Some("work"));
        assert_eq!(wallet.find(&b, None), None);
        assert_eq!(wallet.find(&a, Some(&"default".parse().unwrap())), None);
        wallet.remember(verifier("https://a.example", "home"));
        assert_eq!(wallet.find(&a, None), None, "which of two nobody can say");
        wallet.remember(verifier("https://a.example", "default"));
        assert_eq!(name(wallet.find(&a, None)).as_deref(), Some("default"));
        assert_eq!(wallet.forget(&a, Some(&"work".parse().unwrap())).len(), 1);
        assert_eq!(wallet.forget(&a, None).len(), 2);
        assert_eq!(wallet.verifiers(), []);
    }

    #[test]
    fn what_is_owed_is_owed_in_order_until_it_is_heard() {
        let mut wallet = Wallet::default();
        let a: Origin = "https://a.example".parse().unwrap();
        let alice: Name = "default".parse().unwrap();
        wallet.remember(verifier("https://a.example", "default"));
        wallet.remember(verifier("https://b.example", "work"));
        let (first, second) = (keyid(), keyid());
        wallet.owe(succession("default", first, 100));
        wallet.owe(succession("default", second, 200));
        wallet.remember(verifier("https://a.example", "default"));
        assert_eq!(wallet.find(&a, None).unwrap().owed, [first.to_string(), second.to_string()]);
        assert_eq!(wallet.verifiers()[1].owed, <[String; 0]>::default());
        assert!(!wallet.needs(&second, Timestamp::from_unix(99)), "the one before it is");
        assert!(wallet.needs(&first, Timestamp::from_unix(99)));
        assert!(!wallet.needs(&first, Timestamp::from_unix(100)), "it is not good any more");
        wallet.heard(&a, &alice, &first.to_string());
        assert!(!wallet.needs(&first, Timestamp::from_unix(99)), "it was heard");
        assert_eq!(wallet.find(&a, None).unwrap().owed, [second.to_string()]);
        assert!(wallet.needs(&second, Timestamp::from_unix(99)));
    }

    #[test]
    fn a_verifier_that_knows_a_key_need_not_hear_what_led_to_it() {
        let mut wallet = Wallet::default();
        let a: Origin = "https://a.example".parse().unwrap();
        let name = Name::default();
        wallet.remember(verifier("https://a.example", "default"));
        let chain: Vec<Thumbprint> = (0..4).map(|_| keyid()).collect();
        for pair in chain.windows(2) {
            let successor = Some(Successor { key: pair[1], until: 100 });
            let (identity, id) = (name.clone(), pair[0].to_string());
            wallet.owe(Statement { id, identity, key: pair[0], successor, text: "{}".into(), settled: true });
        }
        let (identity, key) = (name.clone(), chain[3]);
        let id = "retirement".to_owned();
        wallet.owe(Statement { id, identity, key, successor: None, text: "{}".into(), settled: true });
        wallet.knows(&a, &name, &chain[2]);
        let owed = &wallet.find(&a, None).unwrap().owed;
        assert_eq!(*owed, [chain[2].to_string(), "retirement".into()], "what comes after it is owed yet");
        wallet.knows(&a, &name, &chain[3]);
        assert_eq!(wallet.find(&a, None).unwrap().owed, ["retirement"], "a retirement leads to no key");
    }

    #[test]
    fn it_reads_what_it_writes_and_nothing_else() {
        let mut wallet = Wallet::default();
        wallet.remember(verifier("https://a.example", "default"));
        wallet.owe(succession("default", keyid(), 100));
        let text = serde_json::to_string(&wallet).unwrap();
        assert_eq!(serde_json::from_str::<Wallet>(&text).unwrap(), wallet);
        for (from, to) in [("https://a.example", "a"), ("\"settled\"", "\"set\""), ("\"default\"", "\".\"")] {
            assert!(serde_json::from_str::<Wallet>(&text.replace(from, to)).is_err(), "{to}");
        }
    }
}
