//! Packs: their rules, and the tokens that open them. A request reads them from memory, without a lock that a writer holds.

pub(crate) mod rule_set;
#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test"
)]
mod tests;
pub(crate) mod token;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use envelope_core::{Backing, Caller, Identity, Pack, Policy, Timestamp, Users, pack_key};

use self::rule_set::RuleSet;
use self::token::{Mac, same};
use super::store::{PackRow, StoreError, TokenRow};

/// Everything that the program knows of packs.
#[derive(Debug)]
pub(crate) struct Packs {
    /// What the configuration says, and the rules for what is not listed.
    configured: Policy,
    auth_required: bool,
    /// By guid, as its [`pack_key`].
    registered: papaya::HashMap<String, Arc<Registered>>,
    tokens: papaya::HashMap<Mac, Arc<Token>>,
    /// The same by the names of their holders.
    holders: papaya::HashMap<Identity, Arc<Token>>,
}

/// A pack that somebody has registered.
#[derive(Debug)]
pub(crate) struct Registered {
    /// Its guid as they wrote it.
    pub(crate) guid: String,
    /// Its rules as they gave them.
    pub(crate) rules: Pack,
    /// Its rules as they hold here.
    effective: Arc<Pack>,
    pub(crate) registered: Timestamp,
    pub(crate) registered_by: Option<String>,
    /// The digest of its deployment, and when that was: it may be repeated until a token of it is used.
    pub(crate) deployment: Option<(String, Timestamp)>,
}

/// A token that may open something.
#[derive(Debug)]
pub(crate) struct Token {
    mac: Mac,
    /// The guid of its pack, as its [`pack_key`].
    pack: Arc<str>,
    holder: Identity,
    expires: Option<Timestamp>,
    /// When it was last used, in seconds; 0 for never.
    last_used: AtomicU64,
    /// What of that is written down.
    noted: AtomicU64,
}

impl Token {
    fn is_live(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|end| now < end)
    }

    fn is_new(&self) -> bool {
        self.last_used.load(Ordering::Relaxed) > self.noted.load(Ordering::Relaxed)
    }
}

impl Packs {
    pub(crate) fn new(configured: Policy, auth_required: bool) -> Self {
        Self {
            configured,
            auth_required,
            registered: papaya::HashMap::new(),
            tokens: papaya::HashMap::new(),
            holders: papaya::HashMap::new(),
        }
    }

    /// The rules for a pack as they hold here: those of the configuration, else of the store, else of what is not listed.
    pub(crate) fn rules(&self, guid: Option<&str>) -> Arc<Pack> {
        let Some(guid) = guid else { return Arc::clone(self.configured.pack(None)) };
        match (self.configured.get(guid), self.find(guid)) {
            (Some(rules), _) => Arc::clone(rules),
            (None, Some(pack)) => Arc::clone(&pack.effective),
            (None, None) => Arc::clone(self.configured.pack(None)),
        }
    }

    /// Whether nothing passes without a credential.
    pub(crate) const fn is_auth_required(&self) -> bool {
        self.auth_required
    }

    /// A pack of the store.
    pub(crate) fn find(&self, guid: &str) -> Option<Arc<Registered>> {
        self.registered.pin().get(&*pack_key(guid)).cloned()
    }

    /// The rules that the configuration has for a pack.
    pub(crate) fn configured(&self, guid: &str) -> Option<&Arc<Pack>> {
        self.configured.get(guid)
    }

    /// What the configuration lists, in the order of the guids.
    pub(crate) const fn all_configured(&self) -> &Policy {
        &self.configured
    }

    /// The guids of the packs of the store that `meant` picks, in order, after one.
    pub(crate) fn guids(&self, after: &str, meant: impl Fn(&Registered) -> bool) -> Vec<String> {
        let packs = self.registered.pin();
        let mut guids: Vec<String> = packs
            .iter()
            .filter(|(guid, pack)| guid.as_str() > after && meant(pack))
            .map(|(guid, _)| guid.clone())
            .collect();
        guids.sort_unstable();
        guids
    }

    /// The packs that somebody may call with an envelope, by what is listed.
    pub(crate) fn callable(&self, caller: &Caller) -> Vec<String> {
        self.callable_if(|guid, rules| rules.allows_by_envelope(caller, guid))
    }

    fn callable_if(&self, may: impl Fn(&str, &Pack) -> bool) -> Vec<String> {
        let configured = self.configured.iter().filter(|(guid, rules)| may(guid, rules));
        let mut guids: Vec<String> = configured.map(|(guid, _)| guid.into()).collect();
        let registered = self.registered.pin();
        let callable = registered
            .iter()
            .filter(|(guid, pack)| self.configured.get(guid).is_none() && may(guid, &pack.effective));
        guids.extend(callable.map(|(_, pack)| pack.guid.clone()));
        guids.sort_unstable();
        guids
    }

    /// The groups that any rule names, in lower case: `org` and `team@org` of each entry `name@org`.
    pub(crate) fn groups_in_use(&self) -> HashSet<String> {
        let mut groups = HashSet::new();
        self.configured.iter().for_each(|(_, rules)| groups_of(rules, &mut groups));
        self.registered.pin().values().for_each(|pack| groups_of(&pack.rules, &mut groups));
        groups
    }

    /// The packs that can be called without a credential and could not with `--auth-required`.
    pub(crate) fn open(&self) -> Vec<String> {
        let packs = self.registered.pin();
        let mut open: Vec<String> =
            packs.values().filter(|pack| pack.rules.open).map(|pack| pack.guid.clone()).collect();
        open.sort_unstable();
        open
    }

    /// Who holds a token of a pack. `None`: it is not good there.
    pub(crate) fn holder(&self, mac: &Mac, guid: &str, now: Timestamp) -> Option<Caller> {
        let token = self.live(mac, now)?;
        if *token.pack != *pack_key(guid) {
            return None;
        }
        token.last_used.fetch_max(now.as_unix(), Ordering::Relaxed);
        let backing = Backing::Token { pack: Arc::clone(&token.pack) };
        Some(Caller::by_bearer(token.holder.clone(), backing))
    }

    /// Whether a token is good: a pack that the configuration has taken over has none.
    fn opens(&self, token: &Token, now: Timestamp) -> bool {
        token.is_live(now) && self.configured.get(&token.pack).is_none()
    }

    /// A token that opens something.
    pub(crate) fn live(&self, mac: &Mac, now: Timestamp) -> Option<Arc<Token>> {
        let tokens = self.tokens.pin();
        // The map compares as maps do; what decides takes as long for every token.
        tokens.get(mac).filter(|token| same(&token.mac, mac) && self.opens(token, now)).cloned()
    }

    /// Whether the token behind the name of a holder opens anything; notes that it was used.
    pub(crate) fn is_live_holder(&self, holder: &Identity, now: Timestamp) -> bool {
        let holders = self.holders.pin();
        let Some(token) = holders.get(holder).filter(|token| self.opens(token, now)) else { return false };
        token.last_used.fetch_max(now.as_unix(), Ordering::Relaxed);
        true
    }

    /// When the tokens of a pack were last used, as far as this process knows: by the holder.
    pub(crate) fn last_used(&self, holder: &Identity) -> Option<Timestamp> {
        let used = self.holders.pin().get(holder)?.last_used.load(Ordering::Relaxed);
        (used > 0).then(|| Timestamp::from_unix(used))
    }

    /// The uses of tokens that are not written down yet: keyed hash, and when.
    pub(crate) fn unnoted(&self) -> Vec<(Mac, Timestamp)> {
        let tokens = self.tokens.pin();
        let used = |token: &Token| (token.mac, Timestamp::from_unix(token.last_used.load(Ordering::Relaxed)));
        tokens.values().filter(|token| token.is_new()).map(|token| used(token)).collect()
    }

    /// These are written down.
    pub(crate) fn noted(&self, uses: &[(Mac, Timestamp)]) {
        let tokens = self.tokens.pin();
        for (mac, at) in uses {
            if let Some(token) = tokens.get(mac) {
                token.noted.fetch_max(at.as_unix(), Ordering::Relaxed);
            }
        }
    }

    /// Takes a row of the store in.
    pub(crate) fn take_pack(&self, row: PackRow) -> Result<(), StoreError> {
        let packs = self.registered.pin();
        if row.is_removed() {
            packs.remove(&row.guid);
            return Ok(());
        }
        // Rules that cannot be read close their pack, and no other.
        let rules = RuleSet::read(&row.rules).unwrap_or_else(|| {
            tracing::error!(pack = row.guid, "the rules of the pack cannot be read: it is closed");
            Pack { signed: false, allowed_users: Users::Named(Vec::new()), ..Pack::trusted() }
        });
        let effective = Arc::new(under(rules.clone(), self.auth_required));
        let registered = row.registered()?;
        let pack = Registered {
            deployment: row.deployment.clone().zip(row.deployed()?),
            guid: row.spelled,
            rules,
            effective,
            registered,
            registered_by: row.registered_by,
        };
        packs.insert(row.guid, Arc::new(pack));
        Ok(())
    }

    /// Forgets the tokens that have run out.
    pub(crate) fn forget_ended(&self, now: Timestamp) {
        self.tokens.pin().retain(|_, token| token.is_live(now));
        self.holders.pin().retain(|_, token| token.is_live(now));
    }

    /// The same for a token.
    pub(crate) fn take_token(&self, row: &TokenRow) -> Result<(), StoreError> {
        let mac = token::decode(&row.mac).ok_or(StoreError::Row)?;
        let holder = Identity::of_token(&row.pack, &row.name, row.serial()?).ok_or(StoreError::Row)?;
        let noted = row.last_used()?.map_or(0, Timestamp::as_unix);
        let tokens = self.tokens.pin();
        // What was used meanwhile, and is not written down yet, is not forgotten.
        let known = tokens.get(&mac).map_or(0, |token| token.last_used.load(Ordering::Relaxed));
        let token = Arc::new(Token {
            mac,
            pack: row.pack.as_str().into(),
            holder: holder.clone(),
            expires: row.expires()?,
            last_used: AtomicU64::new(known.max(noted)),
            noted: AtomicU64::new(noted),
        });
        tokens.insert(mac, Arc::clone(&token));
        self.holders.pin().insert(holder, token);
        Ok(())
    }
}

fn groups_of(rules: &Pack, groups: &mut HashSet<String>) {
    for users in rules.agents.values().chain([&rules.allowed_users]) {
        let Users::Named(entries) = users else { continue };
        for entry in entries {
            if let Some((_, organisation)) = entry.as_str().rsplit_once('@') {
                groups.insert(organisation.to_ascii_lowercase());
                groups.insert(entry.as_str().to_ascii_lowercase());
            }
        }
    }
    if let Some((_, organisation)) = rules.owner.as_ref().and_then(|owner| owner.as_str().rsplit_once('@')) {
        groups.insert(organisation.to_ascii_lowercase());
        groups.extend(rules.owner.as_ref().map(|owner| owner.as_str().to_ascii_lowercase()));
    }
}

/// Rules as they hold while a credential is required, or is not.
pub(crate) fn under(rules: Pack, auth_required: bool) -> Pack {
    if auth_required { rules.closed() } else { rules }
}
