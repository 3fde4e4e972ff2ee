//! The gateway: what may pass goes to the upstream.

use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::response::Response;
use envelope_core::{Access, Backing, Caller, Code, Pack, Refusal, target};
use http::Method;
use http::request::Parts;

use super::browsers::Browsers;
use super::listen::Peer;
use super::members::Members;
use super::routes::App;
use super::upstream::{Upstream, UpstreamError, body_changed, check_framing};
use super::{audit, deploy, lists, passage};
use crate::guard::{Admitted, Rules};
use crate::place::Place;
use crate::problem::{gateway_problem, problem};

/// A request to the upstream, on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way<'a> {
    pub(super) app: &'a App,
    pub(super) peer: Peer,
    pub(super) upstream: &'a Upstream,
}

/// Every request that no other route takes.
pub(crate) async fn handle(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    // Only the gateway has browsers at the other end.
    if let Some(answer) = app.browsers().preflight(request.method(), request.headers()) {
        return answer;
    }
    let reader = app.browsers().reader(request.headers());
    let answer = forward(&app, peer, request).await;
    let mut answer = answer.unwrap_or_else(|refusal| problem(refusal, app.now()));
    Browsers::expose(reader, &mut answer);
    answer
}

async fn forward(app: &App, peer: Peer, request: Request) -> Result<Response, Refusal> {
    const NOT_HERE: Refusal = Refusal::new(Code::NotAllowed, "there is nothing to call at this path");
    let (head, body) = request.into_parts();
    let uri = head.uri.clone();
    // An unsigned request must not leave its pack by dot segments either.
    target::check_path(uri.path())?;
    let upstream = app.upstream().ok_or(NOT_HERE)?;
    let place = Place::of(uri.path());
    let looks = head.method == Method::GET || head.method == Method::HEAD;
    let is_here = match place {
        Place::Pack { path: Some(_), .. } => true,
        Place::Pack { path: None, .. } => head.method == Method::DELETE,
        Place::Deploy(_) => head.method == Method::POST,
        Place::List => looks,
        Place::Elsewhere => app.route(&head).is_some(),
        Place::Near | Place::Own => false,
    };
    if !is_here {
        return Err(NOT_HERE);
    }
    check_framing(&head)?;
    app.browsers().check(&head, app.guard().verifier().authorities())?;
    let way = Way { app, peer, upstream };
    // Boxed, but for calls: what those wait for is moved about, and would be as large as the largest of these.
    match place {
        Place::Pack { guid, path: Some(path) } => call(&way, guid, path, head, body).await,
        Place::Pack { guid, path: None } => Box::pin(deploy::tear_down(&way, guid, head, body)).await,
        Place::Deploy(kind) => Box::pin(deploy::deploy(&way, kind, head, body)).await,
        Place::List => Box::pin(lists::packs(&way, head, body)).await,
        Place::Elsewhere => Box::pin(lists::route(&way, app.route(&head).ok_or(NOT_HERE)?, head, body)).await,
        Place::Near | Place::Own => Err(NOT_HERE),
    }
}

/// A call to a pack.
async fn call(
    way: &Way<'_>,
    guid: &str,
    path: &str,
    mut head: Parts,
    body: Body,
) -> Result<Response, Refusal> {
    let access = Access { pack: Some(guid), ..Access::CALL };
    let agent_of = |rules: &Pack, body: &[u8]| way.app.agent_calls().agent(rules, &head, path, body);
    let admission = way.app.guard().admit(&head, body, &access, agent_of);
    let mut admitted = way.in_time(admission).await?;
    if let Some(member) = way.app.user_member() {
        name_user(member, &mut head, &mut admitted)?;
    }
    allowed_by(way.app, &head, access.pack, &admitted.rules, admitted.caller.as_ref()).await?;
    if lists::has_agents(&admitted.rules, &head, path) {
        return Ok(Box::pin(lists::agents(way, path, head, admitted)).await);
    }
    Ok(way.send(head, admitted).await)
}

/// Puts the verified identity where the caller says who they are; takes out what nobody has verified. A body that cannot be read might
/// say it to an upstream that can.
fn name_user(member: &str, head: &mut Parts, admitted: &mut Admitted) -> Result<(), Refusal> {
    if admitted.body.is_empty() {
        return Ok(());
    }
    let unreadable = Refusal::new(Code::Malformed, "the body is no JSON object that could say who calls");
    let mut body = Members::parse(&admitted.body).ok_or(unreadable)?;
    match &admitted.caller {
        Some(caller) => body.set(member, &caller.identity().as_str().into()),
        None => body.remove(member),
    }
    admitted.body = body.to_bytes();
    body_changed(&mut head.headers);
    Ok(())
}

impl Way<'_> {
    /// What comes of an admission, unless the body takes too long.
    pub(super) async fn in_time(
        &self,
        admission: impl Future<Output = Result<Admitted, Refusal>>,
    ) -> Result<Admitted, Refusal> {
        tokio::time::timeout(self.app.body_timeout(), admission)
            .await
            .map_err(|_| Refusal::new(Code::Malformed, "the body did not arrive in time"))?
    }

    /// Sends an admitted request on; the answer is the upstream's.
    pub(super) async fn send(&self, head: Parts, admitted: Admitted) -> Response {
        let answer = self.upstream.send(head, admitted, self.app.proxies().hop(self.peer)).await;
        answer.unwrap_or_else(|error| self.failed(error))
    }

    /// What a client hears when the upstream gave no answer.
    pub(super) fn failed(&self, error: UpstreamError) -> Response {
        gateway_problem::<Body>(error.status(), error.title(), self.app.now())
    }
}

/// Nothing is left that could refuse the request: the receipt is written, and the line by which `envelope-verifier report` knows who
/// calls, and by what.
pub(super) async fn allowed(
    way: &Way<'_>,
    head: &Parts,
    pack: Option<&str>,
    caller: Option<&Caller>,
) -> Result<(), Refusal> {
    allowed_by(way.app, head, pack, &way.app.known().pack(pack), caller).await
}

/// The same where the rules of the pack are at hand.
pub(super) async fn allowed_by(
    app: &App,
    head: &Parts,
    pack: Option<&str>,
    rules: &Pack,
    caller: Option<&Caller>,
) -> Result<(), Refusal> {
    passage::sent_by(head, caller).await?;
    audit::allow(app, head, caller).await?;
    log_allowed(app, head, pack, rules, caller);
    Ok(())
}

fn log_allowed(app: &App, head: &Parts, pack: Option<&str>, rules: &Pack, caller: Option<&Caller>) {
    let client = app.proxies().client(head);
    // Who gets in only because anybody does would be refused with a credential, too.
    let is_lost = |caller: &Caller| rules.open && pack.is_some() && !rules.allows_when_closed(caller, pack);
    let required = caller.is_some_and(is_lost).then_some("refused");
    let pack = pack.unwrap_or_default();
    match caller {
        Some(caller) => {
            let credential = match (caller.call(), caller.backing()) {
                (Some(_), Backing::User(_)) => "login",
                (Some(_), _) => "signed",
                (None, Backing::User(_)) => "identity",
                (None, _) => "token",
            };
            let keyid = caller.keyid().map(tracing::field::display);
            tracing::info!(credential, pack, identity = %caller.identity(), %client, keyid, required, "allowed");
        }
        None => tracing::info!(credential = "none", pack, %client, "allowed"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test panics when it fails")]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};
    use std::sync::Arc;

    use super::*;
    use crate::clock::Clock;
    use crate::server::{Flags, Known};

    /// It is moved several times before it is waited for.
    #[tokio::test]
    async fn what_a_call_waits_for_is_small() {
        let (here, clock) = (SocketAddr::from((Ipv4Addr::LOCALHOST, 7998)), Clock::system());
        let config = Flags::default().resolve().unwrap();
        let known = Arc::new(Known::open(&config, here, &clock).await.unwrap());
        let app = App::new(&config, here, clock, known, None).unwrap();
        let size = size_of_val(&forward(&app, Peer(here), Request::new(Body::empty())));
        assert!(size < 8 << 10, "{size} bytes");
    }
}
