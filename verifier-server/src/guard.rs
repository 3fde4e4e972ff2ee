//! All stages of a verification over `http` types, in order: what the layer, the gateway and forward-auth share.

use std::future::Future;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use envelope_core::{
    Access, Caller, CertificateCache, Code, Field, Intact, Pack, Policy, Refusal, Request, SharedReplayCache,
    SignatureUse, Trust, Verified, Verifier, is_enveloped,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use http_body::Body;
use http_body_util::BodyExt;

use crate::certificates::ShardedCertificateCache;
use crate::clock::Clock;
use crate::mark::Mark;
use crate::replay::ShardedReplayCache;
use crate::witness::{Step, Witness};

/// Who may call what, and who has shown a bearer instead of an envelope.
pub trait Rules {
    /// Brings what is known up to date; asked before every decision.
    ///
    /// # Errors
    /// [`Code::RevocationStale`] when it cannot be known what holds now.
    fn catch_up(&self) -> impl Future<Output = Result<(), Refusal>> + Send {
        std::future::ready(Ok(()))
    }

    /// The rules of a pack, or of what is not listed.
    fn pack(&self, guid: Option<&str>) -> Arc<Pack>;

    /// Who has shown the bearer of a request that is no envelope: the token of a pack, or that of an identity provider. `None`
    /// where there is none that the pack takes.
    ///
    /// # Errors
    /// [`Code::Unauthenticated`], [`Code::ProviderUnavailable`], [`Code::TooManyAttempts`].
    fn bearer(
        &self,
        head: &Parts,
        guid: Option<&str>,
        rules: &Pack,
    ) -> impl Future<Output = Result<Option<Caller>, Refusal>> + Send {
        let _ = (head, guid, rules);
        std::future::ready(Ok(None))
    }
}

impl Rules for Policy {
    fn pack(&self, guid: Option<&str>) -> Arc<Pack> {
        Arc::clone(Self::pack(self, guid))
    }
}

impl<P: Rules + Sync + Send> Rules for Arc<P> {
    fn catch_up(&self) -> impl Future<Output = Result<(), Refusal>> + Send {
        (**self).catch_up()
    }

    fn pack(&self, guid: Option<&str>) -> Arc<Pack> {
        (**self).pack(guid)
    }

    fn bearer(
        &self,
        head: &Parts,
        guid: Option<&str>,
        rules: &Pack,
    ) -> impl Future<Output = Result<Option<Caller>, Refusal>> + Send {
        (**self).bearer(head, guid, rules)
    }
}

/// A verifier with everything it needs to decide: whom it trusts, what it has seen, who may call what.
#[derive(Debug)]
pub struct Guard<T, P = Policy, R = ShardedReplayCache> {
    verifier: Verifier<ShardedCertificateCache>,
    trust: T,
    rules: P,
    replay: Arc<R>,
    clock: Clock,
    mark: Option<Arc<Mark>>,
    max_body: usize,
}

/// A request that may pass.
#[derive(Debug)]
#[non_exhaustive]
pub struct Admitted {
    /// Who calls; `None` when the request carries no credential and needs none.
    pub caller: Option<Caller>,
    /// The rules by which it may pass.
    pub rules: Arc<Pack>,
    /// The whole body: the one that was signed, where there is a caller.
    pub body: Bytes,
}

/// What a request is held to.
#[derive(Debug)]
pub(crate) struct Terms<'a, T, P, C> {
    pub(crate) verifier: &'a Verifier<C>,
    pub(crate) trust: &'a T,
    pub(crate) rules: &'a P,
    /// The longest body, in bytes.
    pub(crate) max_body: usize,
}

const MEBIBYTE: usize = 1 << 20;

/// Certificates that are kept ready: callers that take turns within minutes.
const CERTIFICATES: usize = 1024;

impl<T: Trust, P: Rules> Guard<T, P> {
    /// A guard with a replay cache in memory for a million live nonces, a cache of certificates, and bodies of 1 MiB at most.
    ///
    /// # Panics
    /// Never on a system that has random bytes.
    #[must_use]
    #[allow(clippy::expect_used, reason = "a verifier without random bytes must not start")]
    pub fn new(verifier: Verifier, trust: T, rules: P) -> Self {
        let replay = ShardedReplayCache::new(1_000_000).expect("the system has random bytes");
        let (replay, clock) = (Arc::new(replay), Clock::system());
        let verifier = verifier.with_certificates(ShardedCertificateCache::new(CERTIFICATES));
        Self { verifier, trust, rules, replay, clock, mark: None, max_body: MEBIBYTE }
    }
}

impl<T: Trust, P: Rules, R: SharedReplayCache> Guard<T, P, R> {
    /// The same with another replay cache: one with another capacity, or one that several verifiers share.
    #[must_use]
    pub fn with_replay_cache<S>(self, replay: Arc<S>) -> Guard<T, P, S> {
        let Self { verifier, trust, rules, clock, mark, max_body, .. } = self;
        Guard { verifier, trust, rules, replay, clock, mark, max_body }
    }

    /// The same with another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The same with a mark that outlives the process, so that nothing is accepted again after it began anew.
    #[must_use]
    pub fn with_mark(mut self, mark: Arc<Mark>) -> Self {
        self.mark = Some(mark);
        self
    }

    /// The same with another limit for bodies, in bytes.
    #[must_use]
    pub const fn with_max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// The verifier.
    #[must_use]
    pub const fn verifier(&self) -> &Verifier<ShardedCertificateCache> {
        &self.verifier
    }

    /// Whom it trusts.
    #[must_use]
    pub const fn trust(&self) -> &T {
        &self.trust
    }

    /// Who may call what.
    #[must_use]
    pub const fn rules(&self) -> &P {
        &self.rules
    }

    /// The longest body, in bytes.
    #[must_use]
    pub const fn max_body(&self) -> usize {
        self.max_body
    }

    /// The replay cache.
    #[must_use]
    pub fn replay_cache(&self) -> &R {
        &self.replay
    }

    /// The mark that outlives the process, where there is one.
    #[must_use]
    pub fn mark(&self) -> Option<&Mark> {
        self.mark.as_deref()
    }

    /// The clock.
    #[must_use]
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Takes a request through every stage. `agent_of` is shown the rules and the body, and finds the agent that it names, where
    /// there are rules for it. A body that fails with a [`Refusal`], or because of one, is refused with it.
    ///
    /// # Errors
    /// The refusal of the first step that fails.
    pub async fn admit<B>(
        &self,
        head: &Parts,
        body: B,
        access: &Access<'_>,
        agent_of: impl FnOnce(&Pack, &[u8]) -> Result<Option<String>, Refusal>,
    ) -> Result<Admitted, Refusal>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<BoxError>,
    {
        let Self { verifier, trust, rules, max_body, .. } = self;
        rules.catch_up().await?;
        let terms = Terms { verifier, trust, rules, max_body: *max_body };
        self.admit_on(&terms, head, body, access, agent_of).await
    }

    /// The same on other terms than the guard's own; what was seen, and the clock, are the same.
    pub(crate) async fn admit_on<B, U: Trust, Q: Rules, C: CertificateCache>(
        &self,
        terms: &Terms<'_, U, Q, C>,
        head: &Parts,
        body: B,
        access: &Access<'_>,
        agent_of: impl FnOnce(&Pack, &[u8]) -> Result<Option<String>, Refusal>,
    ) -> Result<Admitted, Refusal>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<BoxError>,
    {
        Witness::pack(head, access.pack);
        let mut rules = terms.rules.pack(access.pack);
        let (mut caller, body) = match self.verify(terms.verifier, terms.trust, head)? {
            Some(verified) => {
                let mut check = verified.body();
                let body = read(body, terms.max_body, |chunk| check.update(chunk)).await?;
                let intact = check.finish(self.clock.now())?;
                Witness::passed(head, Step::Body);
                let caller = Some(self.caller(intact).await?);
                Witness::caller(head, caller.as_ref());
                Witness::passed(head, Step::Replay);
                (caller, body)
            }
            None => {
                let caller = terms.rules.bearer(head, access.pack, &rules).await?;
                Witness::caller(head, caller.as_ref());
                // Nobody makes a verifier read a body that it would not let through.
                let access = Access { agent: None, ..*access };
                rules.decide(caller.as_ref(), &access).into_result()?;
                (caller, read(body, terms.max_body, |_| ()).await?)
            }
        };
        if !body.is_empty() {
            // A body may take its time, and somebody may lose a right meanwhile.
            terms.rules.catch_up().await?;
            rules = terms.rules.pack(access.pack);
            if caller.as_ref().is_none_or(|caller| caller.call().is_none()) {
                caller = terms.rules.bearer(head, access.pack, &rules).await?;
            }
        }
        let agent = agent_of(&rules, &body)?;
        Witness::agent(head, agent.as_deref());
        let access = Access { agent: agent.as_deref(), ..*access };
        rules.decide(caller.as_ref(), &access).into_result()?;
        Witness::passed(head, Step::Policy);
        Ok(Admitted { caller, rules, body })
    }

    /// The same for a request whose body stays with the proxy that asks: whoever reads it must check the digest.
    ///
    /// # Errors
    /// The refusal of the first step that fails.
    pub async fn admit_without_body(
        &self,
        head: &Parts,
        access: &Access<'_>,
    ) -> Result<Option<Caller>, Refusal> {
        self.rules.catch_up().await?;
        Witness::pack(head, access.pack);
        let rules = self.rules.pack(access.pack);
        let caller = match self.verify(&self.verifier, &self.trust, head)? {
            Some(verified) => {
                let body_expected = !["GET", "HEAD", "OPTIONS"].contains(&head.method.as_str());
                let intact = verified.body_checked_elsewhere(body_expected)?;
                Some(self.caller(intact).await?)
            }
            None => self.rules.bearer(head, access.pack, &rules).await?,
        };
        Witness::caller(head, caller.as_ref());
        Witness::passed(head, Step::Replay);
        rules.decide(caller.as_ref(), access).into_result()?;
        Witness::passed(head, Step::Policy);
        Ok(caller)
    }

    /// Stage 7.
    async fn caller(&self, intact: Intact) -> Result<Caller, Refusal> {
        if let Some(mark) = &self.mark {
            mark.check(intact.call().created())?;
        }
        Ok(intact.fresh_in(&*self.replay, self.clock.now()).await?.into_caller())
    }

    /// Stages 1 to 5; `None` when the request is not an envelope at all.
    fn verify<C: CertificateCache>(
        &self,
        verifier: &Verifier<C>,
        trust: &impl Trust,
        head: &Parts,
    ) -> Result<Option<Verified>, Refusal> {
        let fields = fields(&head.headers);
        let target = target(head);
        let request = Request::new(head.method.as_str(), &target, &fields);
        if is_enveloped(&request) {
            let now = self.clock.now();
            let recall = |signature: &SignatureUse<'_>| self.replay.recall(signature);
            let verified = verifier.verify_recalling(&request, trust, recall, now)?;
            Witness::signed(head, &verified, now);
            Ok(Some(verified))
        } else {
            request.check().map(|()| None)
        }
    }
}

/// Any error of a body.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a body did not arrive: a body may know that of itself, and fail with the [`Refusal`].
fn broken_off(error: BoxError) -> Refusal {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&*error);
    while let Some(error) = cause {
        if let Some(refusal) = error.downcast_ref() {
            return *refusal;
        }
        cause = error.source();
    }
    Refusal::new(Code::Malformed, "the body did not arrive whole")
}

/// Reads a body up to the limit, showing each piece as it arrives.
async fn read<B>(body: B, max_body: usize, mut seen: impl FnMut(&[u8])) -> Result<Bytes, Refusal>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    const TOO_LARGE: Refusal = Refusal::new(Code::TooLarge, "the body is longer than the verifier takes");
    let limit = u64::try_from(max_body).unwrap_or(u64::MAX);
    if body.size_hint().lower() > limit {
        return Err(TOO_LARGE);
    }
    let mut body = std::pin::pin!(body);
    // Most bodies arrive in one piece, which is kept as it is.
    let (mut first, mut whole) = (Bytes::new(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken_off(error.into()))?;
        let Ok(chunk) = frame.into_data() else { continue };
        if first.len() + whole.len() + chunk.len() > max_body {
            return Err(TOO_LARGE);
        }
        seen(&chunk);
        if first.is_empty() && whole.is_empty() {
            first = chunk;
        } else {
            whole.extend_from_slice(&std::mem::take(&mut first));
            whole.extend_from_slice(&chunk);
        }
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}

/// Every header line, in order of names; lines of one name in the order in which they came.
pub(crate) fn fields(headers: &HeaderMap) -> Vec<Field<'_>> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
}

/// The request target as the client sent it: `http` has split it and changed nothing.
pub(crate) fn target(head: &Parts) -> std::borrow::Cow<'_, str> {
    let uri = &head.uri;
    match (uri.path_and_query(), uri.scheme_str(), uri.authority()) {
        (Some(target), None, None) => target.as_str().into(),
        // `Uri` would write a slash before a query that follows the authority at once.
        (Some(target), Some(scheme), Some(authority)) => {
            format!("{scheme}://{authority}{}", target.as_str()).into()
        }
        _ => uri.to_string().into(),
    }
}

/// Takes out what has served its purpose: a bearer that was the caller's credential here is nobody else's business.
pub(crate) fn strip_credential(headers: &mut HeaderMap, caller: Option<&Caller>) {
    if caller.is_some_and(|caller| caller.call().is_none()) {
        headers.remove(http::header::AUTHORIZATION);
    }
}

#[cfg(feature = "server")]
/// The bearer of a request; `None` where there is no such credential, or more than one.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(http::header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, bearer) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(bearer.trim_ascii()).filter(|bearer| !bearer.is_empty())
}

/// Takes out what only a verifier may say. Whoever sends it, it is not believed.
pub(crate) fn strip_envelope_fields(headers: &mut HeaderMap) {
    strip_fields(headers, |name| name.starts_with("envelope-"));
}

/// Takes out the fields whose name `matches`, as CGI and its heirs would read it: with `-` for `_`.
pub(crate) fn strip_fields(headers: &mut HeaderMap, matches: impl Fn(&str) -> bool) {
    let as_read = |name: &HeaderName| -> bool {
        let name = name.as_str();
        if name.contains('_') { matches(&name.replace('_', "-")) } else { matches(name) }
    };
    let matching = headers.keys().filter(|name| as_read(name));
    for name in matching.cloned().collect::<Vec<_>>() {
        headers.remove(name);
    }
}
