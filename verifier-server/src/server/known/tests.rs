//! Any sequence of changes: memory is what the file says, and both are what a small model of the rules says.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, LazyLock};

use envelope_core::{Algorithm, Identity, Retirement, Signature, SigningKey, Succession, statement};
use proptest::prelude::*;

use super::admin::{Admin, Certified};
use super::change::Revocation;
use super::*;
use crate::server::Config;

const PEOPLE: [&str; 3] = ["alice", "bob", "carol"];
/// Keys 0 to 4 are identity keys, 5 and 6 call keys, by how they are used mostly.
const KEYS: usize = 7;
/// The admin's.
const ROOT: usize = KEYS;
/// The configuration trusts this one as alice's …
const TRUSTED: usize = 3;
/// … and revokes this one.
const REVOKED: usize = 4;

#[derive(Clone, Debug)]
enum Operation {
    Register { person: usize, key: usize, call: bool, ttl: Option<u64> },
    Succeed { old: usize, new: usize, overlap: u64 },
    Retire(usize),
    RevokeKey(usize),
    RevokeIdentity(usize),
    RevokeCertificate(usize),
    IssuedBefore { person: usize, ago: u64 },
    Pass(u64),
}

fn operation() -> impl Strategy<Value = Operation> {
    let (key, person) = (0..KEYS, 0..PEOPLE.len());
    prop_oneof![
        4 => (person.clone(), key.clone(), prop::bool::weighted(0.3), prop::option::of(1..40_u64))
            .prop_map(|(person, key, call, ttl)| Operation::Register { person, key, call, ttl }),
        5 => (key.clone(), key.clone(), 0..30_u64)
            .prop_map(|(old, new, overlap)| Operation::Succeed { old, new, overlap }),
        1 => key.clone().prop_map(Operation::Retire),
        1 => key.clone().prop_map(Operation::RevokeKey),
        1 => person.clone().prop_map(Operation::RevokeIdentity),
        1 => key.prop_map(Operation::RevokeCertificate),
        1 => (person, 0..30_u64).prop_map(|(person, ago)| Operation::IssuedBefore { person, ago }),
        3 => (1..20_u64).prop_map(Operation::Pass),
    ]
}

/// What the model knows of a key.
#[derive(Clone, Debug, Default)]
struct Told {
    owner: Option<(usize, bool)>,
    expires: Option<u64>,
    issued_from: u64,
    revoked: bool,
    succeeded: bool,
}

#[derive(Default)]
struct Model {
    keys: BTreeMap<usize, Told>,
    certificates: Vec<usize>,
}

impl Model {
    fn configured() -> Self {
        let mut keys = BTreeMap::new();
        keys.insert(TRUSTED, Told { owner: Some((0, false)), ..Told::default() });
        keys.insert(REVOKED, Told { revoked: true, ..Told::default() });
        Self { keys, ..Self::default() }
    }

    /// Whether the operation is done.
    fn apply(&mut self, operation: &Operation, now: u64) -> bool {
        match *operation {
            Operation::Register { person, key, call, ttl } => {
                let expires = if call { Some(now + ttl.unwrap_or(86_400)) } else { ttl.map(|ttl| now + ttl) };
                let known = self
                    .keys
                    .entry(key)
                    .or_insert_with(|| Told { owner: Some((person, call)), ..Told::default() });
                if known.revoked || known.owner != Some((person, call)) || known.succeeded {
                    return false;
                }
                known.expires = expires;
                true
            }
            Operation::Succeed { old, new, overlap } => {
                let Some(known) = self.keys.get(&old).cloned() else { return false };
                let over = known.expires.is_some_and(|end| now >= end);
                let speaks = matches!(known.owner, Some((_, false))) && !known.revoked && !known.succeeded;
                if !speaks || over || self.keys.contains_key(&new) {
                    return false;
                }
                let end = known.expires.unwrap_or(u64::MAX).min(now + overlap);
                self.keys.insert(new, known.clone());
                self.keys.insert(old, Told { expires: Some(end), succeeded: true, ..known });
                true
            }
            Operation::Retire(key) => match self.keys.get_mut(&key) {
                Some(known) if !known.revoked => {
                    known.revoked = true;
                    true
                }
                _ => false,
            },
            Operation::RevokeKey(key) => {
                self.keys.entry(key).or_default().revoked = true;
                true
            }
            Operation::RevokeIdentity(person) => self.each_of(person, |known, _| known.revoked = true),
            Operation::RevokeCertificate(key) => {
                let is_known = self.keys.contains_key(&key);
                if is_known {
                    self.certificates.push(key);
                }
                is_known
            }
            Operation::IssuedBefore { person, ago } => self.each_of(person, |known, call| {
                if !known.revoked && !call {
                    known.issued_from = known.issued_from.max(now - ago);
                }
            }),
            Operation::Pass(_) => true,
        }
    }

    fn each_of(&mut self, person: usize, mut change: impl FnMut(&mut Told, bool)) -> bool {
        let mut heard_of = false;
        for known in self.keys.values_mut() {
            if let Some((owner, call)) = known.owner
                && owner == person
            {
                heard_of = true;
                change(known, call);
            }
        }
        heard_of
    }

    fn standing(&self, key: usize) -> String {
        let Some(known) = self.keys.get(&key) else { return "unknown".into() };
        match known.owner {
            _ if known.revoked => "revoked".into(),
            Some((owner, false)) => {
                format!("{} {:?} from {}", PEOPLE[owner], known.expires, known.issued_from)
            }
            Some((owner, true)) => format!("{} calls {:?}", PEOPLE[owner], known.expires),
            None => "nobody's".into(),
        }
    }
}

fn told(keys: &Known, key: &Thumbprint) -> String {
    match keys.standing(key) {
        Standing::Unknown => "unknown".into(),
        Standing::Revoked => "revoked".into(),
        Standing::Identity { identity, expires, issued_from } => {
            format!("{identity} {:?} from {}", expires.map(Timestamp::as_unix), issued_from.as_unix())
        }
        Standing::CallKey { identity, key: held, expires } => {
            assert_eq!(held.thumbprint(), *key);
            format!("{identity} calls {:?}", Some(expires.as_unix()))
        }
    }
}

fn key(number: usize) -> SigningKey {
    SigningKey::from_bytes(Algorithm::Ed25519, &[u8::try_from(number).unwrap() + 1; 32]).unwrap()
}

fn print(number: usize) -> Thumbprint {
    static PRINTS: LazyLock<[Thumbprint; KEYS + 1]> =
        LazyLock::new(|| std::array::from_fn(|number| key(number).verifying_key().thumbprint()));
    PRINTS[number]
}

fn root() -> Identity {
    Identity::new("root").unwrap()
}

fn person(number: usize) -> Identity {
    Identity::new(PEOPLE[number]).unwrap()
}

fn signed(draft: &statement::Unsigned, keys: &[SigningKey]) -> String {
    let signatures: Vec<Signature> =
        draft.signing_inputs().zip(keys).map(|(input, key)| key.sign(input.as_bytes())).collect();
    draft.attach(&signatures).unwrap()
}

async fn perform(keys: &Known, operation: &Operation, now: Timestamp) -> Result<(), Refusal> {
    let root = admin(now.as_unix());
    let revoke = async |revocation| keys.revoke(&revocation, &root).await.map(drop);
    match *operation {
        Operation::Register { person: owner, key: number, call, ttl } => {
            let record = if call {
                let expires = now.plus(ttl.unwrap_or(86_400));
                Record::call_key(person(owner), key(number).verifying_key().clone(), expires)
            } else {
                let expires = ttl.map(|ttl| now.plus(ttl));
                Record { expires, ..Record::identity(person(owner), print(number)) }
            };
            keys.register(record, &root).await.map(drop)
        }
        Operation::Succeed { old, new, overlap } => {
            let pair = [key(old), key(new)];
            let [first, second] = pair.each_ref().map(SigningKey::verifying_key);
            let draft = Succession { old: first, new: second, issued: now, overlap }.draft()?;
            keys.state(signed(&draft, &pair).as_bytes()).await.map(drop)
        }
        Operation::Retire(number) => {
            let key = key(number);
            let draft = Retirement { key: key.verifying_key(), issued: now }.draft()?;
            keys.state(signed(&draft, &[key]).as_bytes()).await.map(drop)
        }
        Operation::RevokeKey(key) => revoke(Revocation::Key(print(key))).await,
        Operation::RevokeIdentity(number) => revoke(Revocation::Identity(person(number))).await,
        Operation::RevokeCertificate(key) => revoke(Revocation::Certificate(print(key), "1".into())).await,
        Operation::IssuedBefore { person: number, ago } => {
            revoke(Revocation::IssuedBefore(person(number), Timestamp::from_unix(now.as_unix() - ago))).await
        }
        Operation::Pass(_) => Ok(()),
    }
}

const HERE: std::net::SocketAddr =
    std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7998);

/// What is read from the file into an empty memory.
async fn fresh(keys: &Known) -> Known {
    let config =
        Config { trust: keys.configured.clone(), ..crate::server::Flags::default().resolve().unwrap() };
    let fresh = Known::open(&config, HERE, &keys.clock).await.unwrap();
    fresh.configured.iter().for_each(|record| fresh.put(record));
    let mut news = keys.store.as_ref().unwrap().store.news().await;
    fresh.take(&mut news, 0, &mut |_| ()).await.unwrap();
    fresh
}

fn compare(keys: &Known, model: &Model, after: &str) {
    for number in 0..KEYS {
        let key = print(number);
        assert_eq!(told(keys, &key), model.standing(number), "key {number} after {after}");
        assert_eq!(keys.has_revoked(&key, "1"), model.certificates.contains(&number), "{after}");
        assert!(!keys.has_revoked(&key, "2"));
    }
}

async fn run(operations: &[Operation]) {
    // In memory, where there is such a place: what is on the disk is for others to test.
    let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let config = Config {
        store: Some(directory.path().join("store.sqlite")),
        trust: {
            let mut trust = TrustList::new();
            trust.trust(person(0), print(TRUSTED));
            trust.revoke(print(REVOKED));
            trust.trust(root(), print(ROOT));
            trust
        },
        ..crate::server::Flags::default().resolve().unwrap()
    };
    let time = Arc::new(AtomicU64::new(1_700_000_000));
    let clock = {
        let time = Arc::clone(&time);
        Clock::new(move || Timestamp::from_unix(time.load(Ordering::SeqCst)))
    };
    let keys = Known::open(&config, HERE, &clock).await.unwrap();
    let mut model = Model::configured();
    for operation in operations {
        if let Operation::Pass(seconds) = operation {
            time.fetch_add(*seconds, Ordering::SeqCst);
        }
        let now = time.load(Ordering::SeqCst);
        let done = perform(&keys, operation, Timestamp::from_unix(now)).await;
        assert_eq!(done.is_ok(), model.apply(operation, now), "{operation:?}: {done:?}");
        compare(&keys, &model, &format!("{operation:?}"));
        compare(&fresh(&keys).await, &model, &format!("{operation:?}, read anew"));
    }
    compare(&Known::open(&config, HERE, &clock).await.unwrap(), &model, "a restart");
}

fn admin(now: u64) -> Admin {
    let issued = Timestamp::from_unix(now);
    let certified = Certified { by: print(ROOT), is_login: false, issued, id: Some("root".into()) };
    let call_key = key(ROOT + 1).verifying_key().thumbprint();
    Admin { identity: root(), call_key: Some(call_key), certificate: Some(certified) }
}

#[tokio::test]
async fn what_was_taken_back_stays_so_however_the_clock_goes() {
    let directory = tempfile::tempdir().unwrap();
    let mut trust = TrustList::new();
    trust.trust(root(), print(ROOT));
    let store = Some(directory.path().join("store.sqlite"));
    let config = Config { store, trust, ..crate::server::Flags::default().resolve().unwrap() };
    let time = Arc::new(AtomicU64::new(1_700_000_000));
    let clock = {
        let time = Arc::clone(&time);
        Clock::new(move || Timestamp::from_unix(time.load(Ordering::SeqCst)))
    };
    let keys = Known::open(&config, HERE, &clock).await.unwrap();
    let by = admin(1_700_000_000);
    keys.register(Record::identity(person(0), print(0)), &by).await.unwrap();
    keys.revoke(&Revocation::Certificate(print(0), "1".into()), &by).await.unwrap();
    let (ticket, _) = keys.issue_ticket(person(0), 60, &by).await.unwrap();
    keys.revoke(&Revocation::Identity(person(0)), &by).await.unwrap();
    // Set back, the clock brings no ticket back.
    time.store(1_700_000_000 - 30, Ordering::SeqCst);
    assert!(keys.check_ticket(&ticket).await.is_err());
    assert!(keys.enroll(&ticket, print(1)).await.is_err());
    // A certificate that was made out for later is still revoked then.
    time.store(1_700_000_000 + 30 * 86_400, Ordering::SeqCst);
    prune(keys.store.as_ref().unwrap(), &clock).await.unwrap();
    assert!(keys.has_revoked(&print(0), "1"));
    drop(keys);
    assert!(Known::open(&config, HERE, &clock).await.unwrap().has_revoked(&print(0), "1"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn memory_file_and_model_agree(operations in prop::collection::vec(operation(), 15..25)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(&operations));
    }
}
