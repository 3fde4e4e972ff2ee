//! The rules of keys, over whole lives of them: what a verifier has written down says the same as everything that happened.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod caller;
mod history;
mod keychain;

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use caller::{Arriving, verifier};
use envelope_core::*;
use history::{Certified, Event, History, Kind, Said};
use keychain::{Keychain, Signed};
use proptest::prelude::*;

/// The clock at the start. It moves by less than the window of a request, so that one signature does for all.
const START: u64 = 1_767_225_600;
const LONGEST: u64 = 50;
/// Keys that take part: enough for a chain, a fork and a stranger.
const KEYS: usize = 6;
const OWNERS: [&str; 2] = ["alice", "bob"];

/// Something that somebody tries. Times count from the clock, 10 s before it.
#[derive(Clone, Debug)]
enum Attempt {
    Register { key: usize, kind: Kind, owner: usize, end: Option<u64> },
    Succeed { old: usize, new: usize, at: u64, overlap: u64, forged: Option<usize> },
    Retire { key: usize, at: u64, forged: bool },
    RevokeKey { key: usize },
    RevokeIdentity { owner: usize },
    RevokeIssuedBefore { owner: usize, moment: u64 },
    RevokeCertificate { key: usize, jti: usize },
    Wait { seconds: u64 },
}

fn attempt() -> impl Strategy<Value = Attempt> {
    let (key, owner, jti) = (0..KEYS, 0..OWNERS.len(), 0..3usize);
    let kind = prop_oneof![3 => Just(Kind::Identity), 1 => Just(Kind::Call)];
    let end = proptest::option::of(5u64..40);
    let forged = proptest::option::weighted(0.1, 0..2usize);
    prop_oneof![
        6 => (key.clone(), kind, owner.clone(), end)
            .prop_map(|(key, kind, owner, end)| Attempt::Register { key, kind, owner, end }),
        10 => (key.clone(), 1..KEYS, 5u64..18, 0u64..20, forged).prop_map(|(old, step, at, overlap, forged)| {
            Attempt::Succeed { old, new: (old + step) % KEYS, at, overlap, forged }
        }),
        2 => (key.clone(), 5u64..18, proptest::bool::weighted(0.2))
            .prop_map(|(key, at, forged)| Attempt::Retire { key, at, forged }),
        1 => key.clone().prop_map(|key| Attempt::RevokeKey { key }),
        1 => owner.clone().prop_map(|owner| Attempt::RevokeIdentity { owner }),
        2 => (owner, 7u64..14).prop_map(|(owner, moment)| Attempt::RevokeIssuedBefore { owner, moment }),
        2 => (key, jti).prop_map(|(key, jti)| Attempt::RevokeCertificate { key, jti }),
        6 => (1u64..6).prop_map(|seconds| Attempt::Wait { seconds }),
    ]
}

/// A request that somebody makes after an attempt: under a certificate, or with a key alone.
#[derive(Clone, Copy, Debug)]
struct Call {
    issuer: Option<usize>,
    call: usize,
    issued: u64,
    jti: usize,
}

fn call() -> impl Strategy<Value = Call> {
    (proptest::option::weighted(0.8, 1..KEYS + 1), 0..KEYS, 7u64..17, 0..3usize).prop_map(
        |(step, call, issued, jti)| {
            // The last step is for a call key that takes no other part.
            let issuer = step.map(|step| if step == KEYS { call } else { (call + step) % KEYS });
            let call = if issuer == Some(call) { KEYS } else { call };
            Call { issuer, call, issued, jti }
        },
    )
}

/// Certificates that have verified once. What can change about them is checked all the same.
#[derive(Clone, Default)]
struct Kept(Rc<RefCell<HashMap<String, Arc<Certificate>>>>);

impl CertificateCache for Kept {
    fn recall(&self, jws: &str) -> Option<Arc<Certificate>> {
        self.0.borrow().get(jws).cloned()
    }

    fn keep(&self, certificate: Certificate) -> Arc<Certificate> {
        let certificate = Arc::new(certificate);
        self.0.borrow_mut().insert(certificate.as_str().into(), Arc::clone(&certificate));
        certificate
    }
}

thread_local! {
    static KEYCHAIN: RefCell<Keychain> = RefCell::new(Keychain::new(KEYS + 1, Timestamp::from_unix(START)));
    static KEPT: Kept = Kept::default();
}

/// A verifier, and everything that it took.
struct Life<'a> {
    keychain: &'a mut Keychain,
    now: u64,
    trust: TrustList,
    certificates: BTreeSet<(Thumbprint, String)>,
    events: Vec<Event>,
}

impl Life<'_> {
    fn time(&self) -> Timestamp {
        Timestamp::from_unix(self.now)
    }

    fn when(&self, offset: u64) -> u64 {
        self.now + offset - 10
    }

    fn history(&self) -> History<'_> {
        History(&self.events)
    }

    /// Tries it on the verifier, and compares with what the history says of it.
    fn attempt(&mut self, attempt: &Attempt) {
        match *attempt {
            Attempt::Register { key, kind, owner, end } => self.register(key, kind, owner, end),
            Attempt::Succeed { old, new, at, overlap, forged } => self.succeed(old, new, at, overlap, forged),
            Attempt::Retire { key, at, forged } => self.retire(key, at, forged),
            Attempt::RevokeKey { key } => {
                self.trust.revoke(self.keychain.thumbprint(key));
                self.events.push(Event::KeyRevoked { key });
            }
            Attempt::RevokeIdentity { owner } => {
                let changed = registry::revoke_identity(&self.trust, &name(owner));
                self.trust.apply(changed);
                self.events.push(Event::IdentityRevoked { owner });
            }
            Attempt::RevokeIssuedBefore { owner, moment } => {
                let moment = self.when(moment);
                let moment_of = Timestamp::from_unix(moment);
                let changed = registry::revoke_issued_before(&self.trust, &name(owner), moment_of);
                self.trust.apply(changed);
                self.events.push(Event::IssuedBefore { owner, moment });
            }
            Attempt::RevokeCertificate { key, jti } => {
                let thumbprint = self.keychain.thumbprint(key);
                self.trust.revoke_certificate(thumbprint, &jti.to_string());
                self.certificates.insert((thumbprint, jti.to_string()));
                self.events.push(Event::CertificateRevoked { key, jti });
            }
            Attempt::Wait { seconds } => self.now = (self.now + seconds).min(START + LONGEST),
        }
    }

    fn register(&mut self, key: usize, kind: Kind, owner: usize, end: Option<u64>) {
        let end = end.map(|end| self.when(end));
        let expires = end.map(Timestamp::from_unix);
        let record = match kind {
            Kind::Identity => Record::identity(name(owner), self.keychain.thumbprint(key)),
            Kind::Call => Record::call_key(name(owner), self.keychain.key(key).clone(), self.time()),
        };
        let registered = registry::register(&self.trust, Record { expires, ..record }, self.time());
        let expected = self.history().refuses_registration(key, kind, owner, end, self.now);
        assert_eq!(registered.as_ref().err().map(Refusal::code), expected);
        if let Ok(record) = registered {
            self.trust.insert(record);
            self.events.push(Event::Registered { key, kind, owner, end });
        }
    }

    fn succeed(&mut self, old: usize, new: usize, at: u64, overlap: u64, forged: Option<usize>) {
        let at = self.when(at);
        let said = Said { at, forged: forged.is_some() };
        let expected = self.history().refuses_succession(old, new, said, self.now);
        let signed = Signed::unless_refused(expected, forged);
        let text = self.keychain.succession(old, new, at, overlap, signed);
        let statement = UntrustedSuccession::parse(text.as_bytes()).unwrap();
        let changed = registry::succeed(&self.trust, &statement, self.time());
        assert_eq!(changed.as_ref().err().map(Refusal::code), expected);
        if let Ok(records) = changed {
            self.trust.apply(records);
            self.events.push(Event::Succeeded { old, new, until: at + overlap });
        }
    }

    fn retire(&mut self, key: usize, at: u64, forged: bool) {
        let at = self.when(at);
        let expected = self.history().refuses_retirement(key, Said { at, forged }, self.now);
        let signed = Signed::unless_refused(expected, forged.then_some(0));
        let text = self.keychain.retirement(key, at, signed);
        let statement = UntrustedRetirement::parse(text.as_bytes()).unwrap();
        let changed = registry::retire(&self.trust, &statement, self.time());
        assert_eq!(changed.as_ref().err().map(Refusal::code), expected);
        if let Ok(record) = changed {
            self.trust.insert(record);
            self.events.push(Event::Retired { key });
        }
    }

    /// Every key stands as the history says.
    fn check_standings(&self) {
        let history = self.history();
        for key in 0..=KEYS {
            let standing = self.trust.standing(&self.keychain.thumbprint(key));
            let expected = match (history.is_revoked(key), history.kind(key), history.owner(key)) {
                (true, ..) => Standing::Revoked,
                (false, Some(Kind::Identity), Some(owner)) => Standing::Identity {
                    identity: name(owner),
                    expires: history.end(key).map(Timestamp::from_unix),
                    issued_from: Timestamp::from_unix(history.issued_from(key)),
                },
                (false, Some(Kind::Call), Some(owner)) => Standing::CallKey {
                    identity: name(owner),
                    key: Arc::new(self.keychain.key(key).clone()),
                    expires: Timestamp::from_unix(history.end(key).unwrap()),
                },
                _ => Standing::Unknown,
            };
            assert!(is_same(&standing, &expected), "key {key}: {standing:?} and not {expected:?}");
            let record = self.trust.record(&self.keychain.thumbprint(key));
            let successor = record.and_then(|record| record.successor);
            assert_eq!(successor, history.successor(key).map(|key| self.keychain.thumbprint(key)));
        }
    }

    /// A real request comes out as the history says.
    fn check_call(&mut self, call: Call) {
        let issued = self.when(call.issued);
        let certified =
            call.issuer.map(|issuer| Certified { issuer, call: call.call, issued, jti: call.jti });
        let request = self.keychain.request(certified, call.call);
        let outcome = verify(&request, &self.trust, self.time());
        let history = self.history();
        let flaws = match certified {
            Some(certified) => history.flaws(certified, self.now),
            None => history.flaws_alone(call.call, self.now),
        };
        match &outcome {
            Ok(identity) => {
                let whose = history.owner(call.issuer.unwrap_or(call.call));
                assert_eq!((flaws, identity), (Vec::new(), &name(whose.unwrap())));
            }
            Err(code) => assert!(flaws.contains(code), "{call:?}: {code} is none of {flaws:?}"),
        }
        // Signatures take long: of the requests that are good, one in three is put to both.
        if outcome.is_ok() && call.jti > 0 {
            return;
        }
        // Whoever knows the keys as they were registered, and the list, says the same as whoever keeps the records.
        let told = WithRevocations::new(self.as_registered(), self.list(), 0);
        assert_eq!(verify(&request, &told, self.time()), outcome, "{call:?}");
    }

    /// The keys without anything that became of them.
    fn as_registered(&self) -> TrustList {
        let mut trust = TrustList::new();
        for record in self.trust.iter() {
            match &record.role {
                Role::Nobodys => {}
                Role::IdentityKey(identity) => trust.trust(identity.clone(), record.key),
                Role::CallKey(identity, key) => {
                    trust.register(identity.clone(), (**key).clone(), record.expires.unwrap());
                }
            }
        }
        trust
    }

    fn list(&self) -> RevocationList {
        RevocationList::of(self.time(), self.trust.iter(), self.certificates.clone())
    }

    /// The list forbids what the records forbid: of every key and every certificate.
    fn check_list(&self) {
        let (list, bare) = (self.list(), self.as_registered());
        for key in 0..=KEYS {
            let thumbprint = self.keychain.thumbprint(key);
            let narrowed = list.narrow(&thumbprint, bare.standing(&thumbprint));
            let standing = self.trust.standing(&thumbprint);
            assert!(is_same(&narrowed, &standing), "key {key}: {narrowed:?} and not {standing:?}");
            for jti in 0..3 {
                let expected = self.history().has_revoked(key, jti);
                assert_eq!(list.has_revoked(&thumbprint, &jti.to_string()), expected);
                assert_eq!(self.trust.has_revoked(&thumbprint, &jti.to_string()), expected);
            }
        }
    }
}

fn name(owner: usize) -> Identity {
    Identity::new(OWNERS[owner]).unwrap()
}

fn is_same(one: &Standing, other: &Standing) -> bool {
    use Standing::{CallKey, Identity, Revoked, Unknown};
    match (one, other) {
        (Unknown, Unknown) | (Revoked, Revoked) => true,
        (
            Identity { identity, expires, issued_from },
            Identity { identity: whose, expires: end, issued_from: from },
        ) => (identity, expires, issued_from) == (whose, end, from),
        (CallKey { identity, key, expires }, CallKey { identity: whose, key: other, expires: end }) => {
            (identity, key, expires) == (whose, other, end)
        }
        _ => false,
    }
}

/// Who calls, or why nobody does.
fn verify(request: &Arriving, trust: &impl Trust, now: Timestamp) -> Result<Identity, Code> {
    let fields: Vec<Field<'_>> =
        request.fields.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
    let verifier = verifier().with_certificates(KEPT.with(Kept::clone));
    let verified = verifier.verify(&Request::new(&request.method, &request.target, &fields), trust, now);
    verified.map(|verified| verified.call().identity().clone()).map_err(|refusal| refusal.code())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn records_say_what_happened(
        life in proptest::collection::vec((attempt(), call()), 20..60),
        asked in any::<prop::sample::Index>(),
    ) {
        KEYCHAIN.with_borrow_mut(|keychain| {
            let (trust, certificates) = (TrustList::new(), BTreeSet::new());
            let mut alive = Life { keychain, now: START, trust, certificates, events: Vec::new() };
            let asked = asked.index(4);
            for (step, (attempt, call)) in life.iter().enumerate() {
                alive.attempt(attempt);
                alive.check_standings();
                if step % 4 == asked {
                    alive.check_call(*call);
                    alive.check_list();
                }
            }
        });
    }
}
