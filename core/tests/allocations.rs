//! How often a verification asks for memory: a number that would grow in silence.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test panics when it fails")]

mod caller;

use std::cell::RefCell;
use std::sync::Arc;

use allocation_counter::{AllocationInfo, measure};
use caller::{Alice, Arriving, HOST, NOW};
use envelope_core::{
    Access, Algorithm, Authorities, Certificate, CertificateCache, Code, Decision, Field, MemoryReplayCache,
    NonceUse, Pack, Policy, Refusal, ReplayCache as _, Request, Timestamp, TrustList, Verifier,
};

/// Keeps one certificate.
#[derive(Default)]
struct One(RefCell<Option<Arc<Certificate>>>);

impl CertificateCache for One {
    fn recall(&self, jws: &str) -> Option<Arc<Certificate>> {
        self.0.borrow().clone().filter(|certificate| certificate.as_str() == jws)
    }

    fn keep(&self, certificate: Certificate) -> Arc<Certificate> {
        Arc::clone(self.0.borrow_mut().insert(Arc::new(certificate)))
    }
}

struct Server {
    verifier: Verifier<One>,
    trust: TrustList,
    policy: Policy,
    replay: MemoryReplayCache,
}

impl Server {
    fn new(keys: &Alice) -> Self {
        Self {
            verifier: Verifier::new(Authorities::new([HOST]).unwrap()).with_certificates(One::default()),
            trust: keys.trusted(),
            policy: Policy::new(Pack::trusted()),
            replay: MemoryReplayCache::new(100, [7; 16]),
        }
    }

    fn admit(&mut self, request: &Request<'_>, body: &[u8], now: Timestamp) -> Result<Decision, Refusal> {
        let verified = self.verifier.verify(request, &self.trust, now)?;
        let caller = verified.check_body(body, now)?.fresh(&mut self.replay, now)?.into_caller();
        Ok(self.policy.decide(Some(&caller), &Access { pack: Some("p1"), ..Access::CALL }))
    }
}

/// What each of four requests asked for, and what was said to the last, which is spoilt and comes `now`.
fn measured(
    algorithm: Algorithm,
    now: Timestamp,
    spoil: fn(&mut Arriving),
) -> (Vec<AllocationInfo>, Result<Decision, Code>) {
    let keys = Alice::new(algorithm, algorithm);
    let mut server = Server::new(&keys);
    let fields: [Field<'_>; 3] = [("accept", b"*/*"), ("content-type", b"application/json"), ("te", b"")];
    let request = Request::new("POST", "https://pack.example/api/pack/p1/agent?lang=en", &fields);
    let arriving = |nonce: u8| {
        let signed = keys.signer().sign(&request, Some(b"body"), NOW, &[nonce; 16]).unwrap();
        Arriving::new(&request, "/api/pack/p1/agent?lang=en", Some(b"body"), &signed)
    };
    let mut last = arriving(9);
    spoil(&mut last);
    let mut result = None;
    let mut infos = Vec::new();
    for (arriving, now) in (0..3).map(|nonce| (arriving(nonce), NOW)).chain([(last, now)]) {
        let fields: Vec<Field<'_>> =
            arriving.fields.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        let request = Request::new(&arriving.method, &arriving.target, &fields);
        infos.push(measure(|| result = Some(server.admit(&request, &arriving.body, now))));
    }
    (infos, result.unwrap().map_err(|refusal| refusal.code()))
}

/// Allocations of a request, when the server has seen some, and what it said.
fn count(algorithm: Algorithm, now: Timestamp, spoil: fn(&mut Arriving)) -> (u64, Result<Decision, Code>) {
    let (infos, result) = measured(algorithm, now, spoil);
    (infos[3].count_total, result)
}

/// The components, the parameters, the parameter of the certificate, the base, the nonce, and the call.
#[test]
fn a_verified_call_takes_six() {
    for algorithm in [Algorithm::Ed25519, Algorithm::P256] {
        assert_eq!(count(algorithm, NOW, |_| ()), (6, Ok(Decision::Allow)), "{algorithm:?}");
    }
}

#[test]
fn what_is_refused_takes_fewer() {
    let refused = |now, spoil| count(Algorithm::Ed25519, now, spoil);
    let cut = |arriving: &mut Arriving| arriving.field("signature-input").truncate(40);
    assert_eq!(refused(NOW, cut), (2, Err(Code::Malformed)));
    assert_eq!(refused(NOW.plus(61), |_| ()), (4, Err(Code::Expired)));
    let method = |arriving: &mut Arriving| arriving.method = "post".to_owned();
    assert_eq!(refused(NOW, method), (0, Err(Code::Malformed)));
}

/// A call key that comes a second time will come again: then its table is made, and never again.
#[test]
fn the_second_use_of_a_call_key_makes_its_table() {
    let (infos, _) = measured(Algorithm::Ed25519, NOW, |_| ());
    let kibibytes: Vec<_> = infos.iter().map(|info| info.bytes_total >> 10).collect();
    assert!(kibibytes[1] >= 16 && kibibytes[1] > kibibytes[0], "{kibibytes:?}");
    assert!(kibibytes[2..].iter().all(|kibibytes| *kibibytes < 10), "{kibibytes:?}");
}

/// What the replay cache says that it has taken is what it has: while it fills, and while what has expired goes.
#[test]
fn the_replay_cache_knows_its_size() {
    let (keyid, identity) = (Alice::ed25519().call_key.verifying_key().thumbprint(), caller::alice());
    let mut cache = MemoryReplayCache::new(usize::MAX, [7; 16]).with_share(1 << 40);
    let mut taken = 0;
    for number in 0..6000_u64 {
        let (nonce, now) = (number.to_string(), NOW.plus(number / 2000 * 100));
        let wanted = NonceUse {
            keyid,
            nonce: &nonce,
            keep_until: now.plus(number % 60),
            identity: &identity,
            fingerprint: None,
        };
        taken += measure(|| cache.remember(&wanted, now).unwrap()).bytes_current;
        assert_eq!(i64::try_from(cache.allocated_bytes()).unwrap(), taken, "{number}");
    }
}
