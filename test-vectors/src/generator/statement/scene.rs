//! What a verifier has written down, what comes in, and what it has written down then.

use std::collections::BTreeMap;

use base64ct::{Base64UrlUnpadded, Encoding};
use envelope_core::Code;
use envelope_test_vectors::statement::{Act, Record, Revocation, Role, Step};

use super::super::draft::NOW;
use super::super::keys::Key;
use super::draft::{Draft, Effect};

/// An identity key without an end.
pub(super) fn identity(name: &str, key: &Key) -> Record {
    Record { role: Some(Role::Identity), identity: Some(name.into()), ..nobodys(key) }
}

/// A call key that is registered until `expires`.
pub(super) fn call(name: &str, key: &Key, expires: u64) -> Record {
    let jwk = serde_json::from_str(&key.jwk()).unwrap();
    Record {
        role: Some(Role::Call),
        identity: Some(name.into()),
        jwk: Some(jwk),
        expires: Some(expires),
        ..nobodys(key)
    }
}

/// A key of which nothing is said.
pub(super) fn nobodys(key: &Key) -> Record {
    Record {
        key: key.thumbprint(),
        role: None,
        identity: None,
        jwk: None,
        expires: None,
        issued_from: None,
        revoked: false,
        successor: None,
    }
}

/// A vector that is being played.
pub(super) struct Scene {
    /// The clock of the next step.
    pub now: u64,
    /// What is written down, by the bytes of the thumbprint.
    book: BTreeMap<Vec<u8>, Record>,
    before: Option<Vec<Record>>,
    steps: Vec<Step>,
}

impl Scene {
    pub(super) const fn new() -> Self {
        Self { now: NOW, book: BTreeMap::new(), before: None, steps: Vec::new() }
    }

    /// It is written down.
    pub(super) fn knows(&mut self, record: Record) {
        self.book.insert(Base64UrlUnpadded::decode_vec(&record.key).unwrap(), record);
    }

    fn record(&mut self, key: &str) -> &mut Record {
        self.book.get_mut(&Base64UrlUnpadded::decode_vec(key).unwrap()).unwrap()
    }

    fn records(&self) -> Vec<Record> {
        self.book.values().cloned().collect()
    }

    /// The statement is taken.
    pub(super) fn takes(&mut self, draft: &Draft) {
        let act = self.shown(draft);
        match draft.effect.clone() {
            Effect::List { list, .. } => {
                let step = self.step("valid", act);
                self.steps.push(Step { content: Some(list), ..step });
                return;
            }
            Effect::Retirement { key } => self.record(&key).revoked = true,
            Effect::Succession { old, new, until } => {
                let known = self.record(&old);
                let heir = Record { key: new.clone(), ..known.clone() };
                known.successor = Some(new);
                known.expires = Some(known.expires.unwrap_or(u64::MAX).min(until));
                self.knows(heir);
            }
        }
        self.done(act);
    }

    /// The statement is refused.
    pub(super) fn refuses(&mut self, code: Code, draft: &Draft) {
        let act = self.shown(draft);
        self.not_done(code, act);
    }

    /// An admin registers a key: nothing changes but its end, and what was said of it before it was anybody's holds on.
    pub(super) fn registers(&mut self, record: &Record) {
        let act = self.told(Act::Register { register: record.clone() });
        let bytes = Base64UrlUnpadded::decode_vec(&record.key).unwrap();
        let registered = match self.book.remove(&bytes) {
            None => record.clone(),
            Some(known) if known.role.is_none() => Record {
                expires: known.expires.into_iter().chain(record.expires).min(),
                issued_from: known.issued_from.max(record.issued_from),
                ..record.clone()
            },
            Some(known) => Record { expires: record.expires, ..known },
        };
        self.book.insert(bytes, registered);
        self.done(act);
    }

    /// An admin registers a key in vain.
    pub(super) fn does_not_register(&mut self, code: Code, record: Record) {
        let act = self.told(Act::Register { register: record });
        self.not_done(code, act);
    }

    /// An admin revokes a key.
    pub(super) fn revokes_key(&mut self, key: &Key) {
        let act = self.told(Act::Revoke { revoke: Revocation::Key { key: key.thumbprint() } });
        let bytes = Base64UrlUnpadded::decode_vec(&key.thumbprint()).unwrap();
        self.book.entry(bytes).or_insert_with(|| nobodys(key)).revoked = true;
        self.done(act);
    }

    /// An admin revokes all keys that an identity has.
    pub(super) fn revokes_identity(&mut self, name: &str) {
        let act = self.told(Act::Revoke { revoke: Revocation::Identity { identity: name.into() } });
        for record in self.book.values_mut().filter(|record| record.identity.as_deref() == Some(name)) {
            record.revoked = true;
        }
        self.done(act);
    }

    /// An admin revokes what an identity issued before a moment.
    pub(super) fn revokes_issued_before(&mut self, name: &str, moment: u64) {
        let revoke = Revocation::IssuedBefore { identity: name.into(), issued_before: moment };
        let act = self.told(Act::Revoke { revoke });
        for record in self.book.values_mut() {
            let is_concerned =
                record.role == Some(Role::Identity) && record.identity.as_deref() == Some(name);
            if is_concerned && !record.revoked {
                record.issued_from = record.issued_from.max(Some(moment));
            }
        }
        self.done(act);
    }

    fn shown(&mut self, draft: &Draft) -> Act {
        let text = draft.to_text();
        self.told(match &draft.effect {
            Effect::List { issuer, .. } => Act::List { list: text, issuer: issuer.clone() },
            _ => Act::Statement { statement: text },
        })
    }

    /// The first thing that comes in: what was said until now had been written down before.
    fn told(&mut self, act: Act) -> Act {
        self.before.get_or_insert_with(|| self.book.values().cloned().collect());
        act
    }

    fn done(&mut self, act: Act) {
        let step = Step { records: Some(self.records()), ..self.step("valid", act) };
        self.steps.push(step);
    }

    fn not_done(&mut self, code: Code, act: Act) {
        let step = self.step(code.as_str(), act);
        self.steps.push(step);
    }

    fn step(&self, expect: &str, act: Act) -> Step {
        Step { expect: expect.into(), now: self.now, act, records: None, content: None }
    }

    /// What was written down before, and the steps.
    pub(super) fn end(self) -> (Vec<Record>, Vec<Step>) {
        (self.before.unwrap(), self.steps)
    }
}
