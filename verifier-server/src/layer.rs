//! The tower layer: verifies before the inner service sees anything, and answers refusals itself.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use envelope_core::{Access, Caller, Code, Pack, Policy, Refusal, SharedReplayCache, Trust, target};
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::agent::AgentCalls;
use crate::guard::{Admitted, BoxError, Guard, Rules, strip_credential, strip_envelope_fields};
use crate::place::Place;
use crate::problem::problem;
use crate::replay::ShardedReplayCache;

/// Puts a [`Guard`] in front of a service.
///
/// The inner service gets requests that may pass, with their whole body, a [`Caller`] among the
/// extensions where there is one, and no `Envelope-*` field that a client sent. Put it outside of whatever rewrites
/// the path (`Router::nest`): the path that was signed is the one that the client sent.
pub struct VerifierLayer<T, P = Policy, R = ShardedReplayCache> {
    guard: Arc<Guard<T, P, R>>,
    packs: Packs,
    agent_calls: Arc<AgentCalls>,
    scope: &'static str,
}

/// The address of the client, for a server in which nobody else says it: put among a request's extensions before the layer sees
/// it. Bad credentials are counted by it; without it, all clients are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub std::net::IpAddr);

/// Which pack a request is for.
#[derive(Clone, Debug)]
enum Packs {
    /// None.
    None,
    /// Always the same.
    One(Arc<str>),
    /// The one that the path names.
    ByPath,
}

impl<T, P, R> VerifierLayer<T, P, R> {
    /// For a server that is no pack of its own: certificates must name its authority, and carry the scope `call`.
    #[must_use]
    pub fn new(guard: Guard<T, P, R>) -> Self {
        let agent_calls = Arc::default();
        Self { guard: Arc::new(guard), packs: Packs::None, agent_calls, scope: Access::CALL.scope }
    }

    /// For the pack with this guid: its rules are used, and certificates may name it as audience. Where it has rules for agents, calls
    /// are those whose path ends as [`AgentCalls`] says.
    #[must_use]
    pub fn for_pack(mut self, guid: &str) -> Self {
        self.packs = Packs::One(guid.into());
        self
    }

    /// For a server of many packs: `/api/pack/{guid}/…`, or `/api/swarm/{guid}/…`, is for the pack that it names, with its rules and
    /// those of its agents (`…/agent`). Any other path is held to the rules of what is not listed.
    #[must_use]
    pub fn for_packs_by_path(mut self) -> Self {
        self.packs = Packs::ByPath;
        self
    }

    /// With agents that are named elsewhere than by `name` in the body of calls to `…/agent`.
    #[must_use]
    pub fn with_agent_calls(mut self, agent_calls: AgentCalls) -> Self {
        self.agent_calls = Arc::new(agent_calls);
        self
    }

    /// With another scope than `call` for certificates to carry.
    #[must_use]
    pub const fn with_scope(mut self, scope: &'static str) -> Self {
        self.scope = scope;
        self
    }
}

impl<T, P, R> Clone for VerifierLayer<T, P, R> {
    fn clone(&self) -> Self {
        Self {
            guard: Arc::clone(&self.guard),
            packs: self.packs.clone(),
            agent_calls: Arc::clone(&self.agent_calls),
            scope: self.scope,
        }
    }
}

impl<T, P, R> fmt::Debug for VerifierLayer<T, P, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifierLayer")
            .field("packs", &self.packs)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl<S, T, P, R> Layer<S> for VerifierLayer<T, P, R> {
    type Service = VerifierService<S, T, P, R>;

    fn layer(&self, inner: S) -> Self::Service {
        VerifierService { inner, layer: self.clone() }
    }
}

/// The service that [`VerifierLayer`] makes.
pub struct VerifierService<S, T, P = Policy, R = ShardedReplayCache> {
    inner: S,
    layer: VerifierLayer<T, P, R>,
}

impl<S: Clone, T, P, R> Clone for VerifierService<S, T, P, R> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<S: fmt::Debug, T, P, R> fmt::Debug for VerifierService<S, T, P, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifierService").field("inner", &self.inner).field("layer", &self.layer).finish()
    }
}

impl<S, T, P, R, In, Out> Service<Request<In>> for VerifierService<S, T, P, R>
where
    S: Service<Request<In>, Response = Response<Out>> + Clone + Send + 'static,
    S::Future: Send,
    T: Trust + Send + Sync + 'static,
    P: Rules + Send + Sync + 'static,
    R: SharedReplayCache + Send + Sync + 'static,
    In: Body<Data = Bytes, Error: Into<BoxError>> + From<Bytes> + Send + 'static,
    Out: From<Bytes> + Send + 'static,
{
    type Response = Response<Out>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<In>) -> Self::Future {
        // The service that was polled ready is the one to call; its clone was not.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let layer = self.layer.clone();
        Box::pin(async move {
            let (mut head, body) = request.into_parts();
            let admitted = match layer.admit(&head, body).await {
                Ok(admitted) => admitted,
                Err(refusal) => return Ok(problem(refusal, layer.guard.clock().now())),
            };
            strip_envelope_fields(&mut head.headers);
            strip_credential(&mut head.headers, admitted.caller.as_ref());
            head.extensions.remove::<Caller>();
            if let Some(caller) = admitted.caller {
                head.extensions.insert(caller);
            }
            inner.call(Request::from_parts(head, In::from(admitted.body))).await
        })
    }
}

impl<T: Trust, P: Rules, R: SharedReplayCache> VerifierLayer<T, P, R> {
    async fn admit<B>(&self, head: &Parts, body: B) -> Result<Admitted, Refusal>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>>,
    {
        let (pack, path) = self.packs.of(head.uri.path())?;
        let access = Access { pack, agent: None, scope: self.scope };
        let agent_of = |rules: &Pack, body: &[u8]| self.agent_calls.agent(rules, head, path, body);
        self.guard.admit(head, body, &access, agent_of).await
    }
}

impl Packs {
    /// The pack that a path is for, and where in it.
    fn of<'a>(&'a self, path: &'a str) -> Result<(Option<&'a str>, &'a str), Refusal> {
        match self {
            Self::None => Ok((None, path)),
            Self::One(guid) => {
                Ok((Some(guid), path.rfind('/').and_then(|last| path.get(last..)).unwrap_or_default()))
            }
            Self::ByPath => {
                // An unsigned request must not leave its pack by dot segments either.
                target::check_path(path)?;
                match Place::of(path) {
                    Place::Pack { guid, path: Some(path) } => Ok((Some(guid), path)),
                    Place::Pack { path: None, .. } | Place::Deploy(_) | Place::List => Err(Refusal::new(
                        Code::NotAllowed,
                        "deploying, listing and tearing down packs needs the gateway",
                    )),
                    Place::Near => {
                        Err(Refusal::new(Code::NotAllowed, "the path is near the packs and names none"))
                    }
                    _ => Ok((None, path)),
                }
            }
        }
    }
}
