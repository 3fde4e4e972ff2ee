//! A vector put to `envelope-core`.

use std::error::Error;

use envelope_core as core;
use envelope_core::{
    CertificateCache, Code, Document, Envelope, Field, Memory, MemoryReplayCache, NonceUse, Refusal,
    ReplayCache, ReplayError, SignatureBase, SignatureUse, Timestamp, Uncached, Window,
};

use crate::carrier;
use crate::format::{Access, Message, Pack, Replay, Step, Users, Vector, Verifier};
use crate::known::{Known, identity};

/// What came of each request of a vector, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome(pub Vec<Verdict>);

/// What came of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may pass.
    Valid {
        /// Who calls; `None` without an envelope.
        identity: Option<String>,
        /// The call key; `None` without an envelope.
        keyid: Option<String>,
        /// The bytes that were signed; `None` without an envelope.
        base: Option<String>,
    },
    /// It may not.
    Refused {
        /// Why.
        code: Code,
        /// The stage in which it was found.
        stage: u8,
    },
}

/// Puts a vector to core, through its public interface.
///
/// # Errors
/// A vector that cannot be put: its verifier makes no sense, or a string holds what is no byte.
pub fn run(vector: &Vector) -> Result<Outcome, Box<dyn Error>> {
    run_with(vector, Uncached)
}

/// The same with a verifier that keeps certificates.
///
/// # Errors
/// As [`run`].
pub fn run_with(vector: &Vector, certificates: impl CertificateCache) -> Result<Outcome, Box<dyn Error>> {
    let mut verifier = Session::new(&vector.verifier, certificates)?;
    vector.steps().iter().map(|step| verifier.step(step)).collect::<Result<_, _>>().map(Outcome)
}

/// The default of the spec, V6.1.
const MAX_BODY: u64 = 1 << 20;

/// A verifier as an embedder sets it up.
struct Session<C> {
    verifier: core::Verifier<C>,
    trust: Known,
    policy: core::Policy,
    cache: Cache,
    /// Until when an earlier run could have accepted what was created then; `None` when there was none.
    begun: Option<Timestamp>,
    told: Option<Replay>,
    max_body: u64,
}

enum Cache {
    Memory(MemoryReplayCache),
    Unavailable,
}

impl Cache {
    fn new(told: Option<&Replay>) -> Self {
        let memory = |capacity| Self::Memory(MemoryReplayCache::new(capacity, *b"envelope vectors"));
        match told {
            None => memory(1000),
            Some(Replay::Capacity(capacity)) => memory(*capacity),
            Some(Replay::Unavailable) => Self::Unavailable,
        }
    }
}

impl ReplayCache for Cache {
    fn remember(&mut self, nonce: &NonceUse<'_>, now: Timestamp) -> Result<(), ReplayError> {
        match self {
            Self::Memory(cache) => cache.remember(nonce, now),
            Self::Unavailable => Err(ReplayError::Unavailable),
        }
    }

    fn recall(&self, signature: &SignatureUse<'_>) -> Memory {
        match self {
            Self::Memory(cache) => cache.recall(signature),
            Self::Unavailable => Memory::default(),
        }
    }
}

type Found = Result<Verdict, (u8, Refusal)>;

impl<C: CertificateCache> Session<C> {
    fn new(verifier: &Verifier, certificates: C) -> Result<Self, Box<dyn Error>> {
        let window = Window::new(verifier.window).ok_or("window is not 1 to 300")?;
        let mut policy = core::Policy::new(core::Pack::trusted());
        if let Some(rules) = &verifier.policy {
            policy = core::Policy::new(pack(&rules.unlisted)?);
            for (guid, rules) in &rules.packs {
                policy.insert(guid, pack(rules)?);
            }
        }
        Ok(Self {
            verifier: core::Verifier::new(core::Authorities::new(&verifier.authorities)?)
                .with_window(window)
                .with_certificates(certificates),
            trust: verifier.known()?,
            policy,
            cache: Cache::new(verifier.replay.as_ref()),
            begun: None,
            told: verifier.replay.clone(),
            max_body: verifier.max_body.unwrap_or(MAX_BODY),
        })
    }

    fn step(&mut self, step: &Step) -> Result<Verdict, Box<dyn Error>> {
        if let Some(until) = step.restart {
            self.cache = Cache::new(self.told.as_ref());
            self.begun = Some(Timestamp::from_unix(until));
        }
        let found = match &step.message {
            Message::Request(request) => {
                let values: Option<Vec<Vec<u8>>> =
                    request.headers.iter().map(|(_, value)| carrier::bytes(value)).collect();
                let values = values.ok_or("a header value holds what is no byte")?;
                let fields: Vec<Field<'_>> = request
                    .headers
                    .iter()
                    .zip(&values)
                    .map(|((name, _), value)| (name.as_str(), value.as_slice()))
                    .collect();
                let body = request.body().unwrap_or_default();
                self.verify(&core::Request::new(&request.method, &request.target, &fields), &body, step)
            }
            Message::Document(json) => Document::parse(json.as_bytes())
                .map_err(|refusal| (refusal.code().stage().number(), refusal))
                .and_then(|document| {
                    self.verify(&document.request(&document.fields()), document.body(), step)
                }),
        };
        Ok(found.unwrap_or_else(|(stage, refusal)| Verdict::Refused { code: refusal.code(), stage }))
    }

    /// The spec's section 6, step by step, with the stage of whatever refuses.
    fn verify(&mut self, request: &core::Request<'_>, body: &[u8], step: &Step) -> Found {
        let now = Timestamp::from_unix(step.now);
        let after_body = Timestamp::from_unix(step.now_after_body.unwrap_or(step.now));
        let at_replay = step.now_at_replay.map_or(after_body, Timestamp::from_unix);
        let wants = step.access.as_ref().map_or(core::Access::CALL, access);
        if !core::is_enveloped(request) {
            request.check().map_err(|refusal| (1, refusal))?;
            self.policy.decide(None, &wants).into_result().map_err(|refusal| (8, refusal))?;
            return Ok(Verdict::Valid { identity: None, keyid: None, base: None });
        }
        let verified = self
            .verifier
            .verify_recalling(request, &self.trust, |signature| self.cache.recall(signature), now)
            .map_err(|refusal| (self.stage(request, &refusal), refusal))?;
        if u64::try_from(body.len()).is_ok_and(|length| length > self.max_body) {
            // V6.1 is of whoever reads the body: core never holds it.
            return Err((6, Refusal::new(Code::TooLarge, "the body is longer than the verifier takes")));
        }
        let intact = verified.check_body(body, after_body).map_err(|refusal| (6, refusal))?;
        if self.begun.is_some_and(|begun| intact.call().created() <= begun) {
            // V7.3 is half of whoever runs the verifier: core does not know of earlier runs.
            return Err((7, Refusal::new(Code::ReplayUnavailable, "an earlier run may have seen this")));
        }
        let fresh = intact.fresh(&mut self.cache, at_replay).map_err(|refusal| (7, refusal))?;
        let caller = fresh.into_caller();
        self.policy.decide(Some(&caller), &wants).into_result().map_err(|refusal| (8, refusal))?;
        Ok(Verdict::Valid {
            identity: Some(caller.identity().to_string()),
            keyid: caller.keyid().map(|keyid| keyid.to_string()),
            base: caller.call().map(|call| call.base().as_str().to_owned()),
        })
    }

    /// Which of the stages 1 to 5 refused: the first two can be taken alone, the codes of the others are their own.
    fn stage(&self, request: &core::Request<'_>, refusal: &Refusal) -> u8 {
        match Envelope::parse(request) {
            Err(_) => 1,
            Ok(envelope) => match SignatureBase::build(&envelope, request, self.verifier.authorities()) {
                Err(_) => 2,
                Ok(_) => refusal.code().stage().number(),
            },
        }
    }
}

fn access(access: &Access) -> core::Access<'_> {
    core::Access { pack: access.pack.as_deref(), agent: access.agent.as_deref(), scope: &access.scope }
}

fn pack(pack: &Pack) -> Result<core::Pack, Box<dyn Error>> {
    let mut agents = std::collections::BTreeMap::new();
    for (agent, rule) in &pack.agents {
        agents.insert(agent.clone(), users(rule)?);
    }
    Ok(core::Pack {
        open: pack.open,
        signed: pack.signed,
        token: pack.token,
        identity: pack.identity,
        owner: pack.owner.as_deref().map(identity).transpose()?,
        allowed_users: users(&pack.allowed_users)?,
        agents,
    })
}

fn users(users: &Users) -> Result<core::Users, Box<dyn Error>> {
    match users {
        Users::Everybody(_) => Ok(core::Users::Everybody),
        Users::Registered => Ok(core::Users::Registered),
        Users::Named(names) => {
            names.iter().map(|name| identity(name)).collect::<Result<_, _>>().map(core::Users::Named)
        }
    }
}
