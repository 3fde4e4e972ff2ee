//! The tower layer: verifies before the inner service sees anything, and answers refusals itself.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use envelope_core::{Access, Caller, SharedReplayCache, Trust};
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::guard::{Guard, strip_envelope_fields};
use crate::problem::problem;
use crate::replay::ShardedReplayCache;

/// Puts a [`Guard`] in front of a service.
///
/// The inner service gets requests that may pass, with their whole body, a [`Caller`] among the
/// extensions where there is one, and no `Envelope-*` field that a client sent. Put it outside of whatever rewrites
/// the path (`Router::nest`): the path that was signed is the one that the client sent.
pub struct VerifierLayer<T, R = ShardedReplayCache> {
    guard: Arc<Guard<T, R>>,
    pack: Option<Arc<str>>,
    scope: &'static str,
}

impl<T, R> VerifierLayer<T, R> {
    /// For a server that is no pack of its own: certificates must name its authority, and carry the scope `call`.
    #[must_use]
    pub fn new(guard: Guard<T, R>) -> Self {
        Self { guard: Arc::new(guard), pack: None, scope: Access::CALL.scope }
    }

    /// For the pack with this guid: its rules are used, and certificates may name it as audience.
    #[must_use]
    pub fn for_pack(mut self, guid: &str) -> Self {
        self.pack = Some(guid.into());
        self
    }

    /// With another scope than `call` for certificates to carry.
    #[must_use]
    pub const fn with_scope(mut self, scope: &'static str) -> Self {
        self.scope = scope;
        self
    }
}

impl<T, R> Clone for VerifierLayer<T, R> {
    fn clone(&self) -> Self {
        Self { guard: Arc::clone(&self.guard), pack: self.pack.clone(), scope: self.scope }
    }
}

impl<T, R> fmt::Debug for VerifierLayer<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifierLayer")
            .field("pack", &self.pack)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl<S, T, R> Layer<S> for VerifierLayer<T, R> {
    type Service = VerifierService<S, T, R>;

    fn layer(&self, inner: S) -> Self::Service {
        VerifierService { inner, layer: self.clone() }
    }
}

/// The service that [`VerifierLayer`] makes.
pub struct VerifierService<S, T, R = ShardedReplayCache> {
    inner: S,
    layer: VerifierLayer<T, R>,
}

impl<S: Clone, T, R> Clone for VerifierService<S, T, R> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<S: fmt::Debug, T, R> fmt::Debug for VerifierService<S, T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifierService").field("inner", &self.inner).field("layer", &self.layer).finish()
    }
}

impl<S, T, R, In, Out> Service<Request<In>> for VerifierService<S, T, R>
where
    S: Service<Request<In>, Response = Response<Out>> + Clone + Send + 'static,
    S::Future: Send,
    T: Trust + Send + Sync + 'static,
    R: SharedReplayCache + Send + Sync + 'static,
    In: Body<Data = Bytes> + From<Bytes> + Send + 'static,
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
        let VerifierLayer { guard, pack, scope } = self.layer.clone();
        Box::pin(async move {
            let (mut head, body) = request.into_parts();
            let access = Access { pack: pack.as_deref(), agent: None, scope };
            let admitted = match guard.admit(&head, body, &access, |_| Ok(None)).await {
                Ok(admitted) => admitted,
                Err(refusal) => return Ok(problem(refusal, guard.clock().now())),
            };
            strip_envelope_fields(&mut head.headers);
            head.extensions.remove::<Caller>();
            if let Some(caller) = admitted.caller {
                head.extensions.insert(caller);
            }
            inner.call(Request::from_parts(head, In::from(admitted.body))).await
        })
    }
}
