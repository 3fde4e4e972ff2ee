//! Who may ask: the stages of a verification, on the terms of the verifier's own endpoints.

use axum::body::Body;
use axum::extract::Request;
use bytes::Bytes;
use envelope_core::{
    Access, Caller, CertificateCache, Code, Envelope, Identity, Issuer, Pack, Policy, Refusal, Standing,
    Thumbprint, Timestamp, Trust, Users, Verifier,
};
use http::request::Parts;

use crate::certificates::ShardedCertificateCache;
use crate::guard::{self, Admitted, Rules, Terms};
use crate::server::known::Known;
use crate::server::known::admin::Admin;
use crate::server::packs::rule_set::MAX_RULES;
use crate::server::routes::App;
use crate::server::{audit, passage};

/// The longest body, in bytes.
const MAX_BODY: usize = 16 << 10;
/// The longest statement, in bytes.
const MAX_STATEMENT: usize = 4 << 10;

pub(super) const UNCERTIFIED: Refusal = Refusal::new(
    Code::KeyRefused,
    "whoever is not known yet signs with a call key that the new identity key has certified",
);

/// The scope of certificates that an admin's requests need.
const ADMIN: &str = "admin";

/// A known identity, with a certificate for this scope; gives the body, too.
pub(super) async fn known(app: &App, request: Request, scope: &str) -> Result<(Caller, Bytes), Refusal> {
    known_who(app, request, scope, |_| Ok(())).await
}

/// The same for somebody who may do something.
async fn known_who(
    app: &App,
    request: Request,
    scope: &str,
    may: impl FnOnce(&Caller) -> Result<(), Refusal>,
) -> Result<(Caller, Bytes), Refusal> {
    app.known().check_store()?;
    app.known().catch_up().await?;
    let (head, body) = request.into_parts();
    // Of whoever the verifier knows: also a user of an identity provider, or the holder of a token, may ask who they are.
    let signed = Policy::new(Pack { allowed_users: Users::Everybody, token: true, ..Pack::trusted() });
    let admitted = admit(app, &terms(app, &signed, MAX_BODY), &head, body, scope).await?;
    let (caller, body) = caller(admitted)?;
    may(&caller)?;
    allow(app, &head, Some(&caller)).await?;
    Ok((caller, body))
}

/// Somebody who may administer packs, their own at least.
pub(super) async fn pack_admin(app: &App, request: Request) -> Result<(Caller, Bytes), Refusal> {
    app.known().check_store()?;
    app.known().catch_up().await?;
    let (head, body) = request.into_parts();
    let signed = Policy::new(Pack { allowed_users: Users::Everybody, ..Pack::trusted() });
    let (caller, body) = caller(admit(app, &terms(app, &signed, MAX_RULES), &head, body, ADMIN).await?)?;
    allow(app, &head, Some(&caller)).await?;
    Ok((caller, body))
}

/// Who has sent it has their limits here, too; then the receipt is written.
async fn allow(app: &App, head: &Parts, caller: Option<&Caller>) -> Result<(), Refusal> {
    passage::sent_by(head, caller).await?;
    audit::allow(app, head, caller).await
}

fn terms<'a>(
    app: &'a App,
    rules: &'a Policy,
    max_body: usize,
) -> Terms<'a, Known, Policy, ShardedCertificateCache> {
    Terms { verifier: app.guard().verifier(), trust: app.known(), rules, max_body }
}

/// An admin, with a certificate for the scope `admin`.
pub(super) async fn admin(app: &App, request: Request) -> Result<(Admin, Bytes), Refusal> {
    const NO_ADMIN: Refusal = Refusal::new(Code::NotAllowed, "only an admin may do this");
    let may = |caller: &Caller| if app.is_admin(caller) { Ok(()) } else { Err(NO_ADMIN) };
    let (caller, body) = known_who(app, request, ADMIN, may).await?;
    Ok((Admin::of(&caller), body))
}

/// Somebody whose identity key is still to be registered.
pub(super) async fn newcomer(
    app: &App,
    head: &Parts,
    body: Body,
    scope: &str,
) -> Result<(Caller, Bytes), Refusal> {
    let call_key = call_key(head);
    let known = app.guard().verifier();
    // Certificates of strangers are not kept.
    let verifier = Verifier::new(known.authorities().clone()).with_window(known.window());
    let signed = Policy::new(Pack { allowed_users: Users::Everybody, token: true, ..Pack::trusted() });
    let trust = Newcomer { keys: app.known(), call_key };
    let terms = Terms { verifier: &verifier, trust: &trust, rules: &signed, max_body: MAX_BODY };
    let (caller, body) = caller(admit(app, &terms, head, body, scope).await?)?;
    allow(app, head, Some(&caller)).await?;
    Ok((caller, body))
}

/// Anybody; who signs the request as well is verified all the same.
pub(super) async fn anybody(app: &App, request: Request) -> Result<Bytes, Refusal> {
    app.known().check_store()?;
    app.known().catch_up().await?;
    // Nobody has signed the request, so nothing else asks whether the verifier is up to date.
    app.known().check_current(app.now())?;
    let (head, body) = request.into_parts();
    let open = Policy::new(Pack::open());
    let admitted = admit(app, &terms(app, &open, MAX_STATEMENT), &head, body, Access::CALL.scope).await?;
    allow(app, &head, admitted.caller.as_ref()).await?;
    Ok(admitted.body)
}

async fn admit<T: Trust, C: CertificateCache>(
    app: &App,
    terms: &Terms<'_, T, Policy, C>,
    head: &Parts,
    body: Body,
    scope: &str,
) -> Result<Admitted, Refusal> {
    let access = Access { pack: None, agent: None, scope };
    let admission = app.guard().admit_on(terms, head, body, &access, |_, _| Ok(None));
    tokio::time::timeout(app.body_timeout(), admission)
        .await
        .map_err(|_| Refusal::new(Code::Malformed, "the body did not arrive in time"))?
}

fn caller(admitted: Admitted) -> Result<(Caller, Bytes), Refusal> {
    const UNSIGNED: Refusal = Refusal::new(Code::Unauthenticated, "the request carries no credential");
    admitted.caller.map(|caller| (caller, admitted.body)).ok_or(UNSIGNED)
}

/// Trust in whoever is not known yet, for one request: a key that is known is what it is.
struct Newcomer<'a> {
    keys: &'a Known,
    /// The key that has signed: being unknown makes it nobody's identity key.
    call_key: Option<Thumbprint>,
}

impl Trust for Newcomer<'_> {
    fn standing(&self, key: &Thumbprint) -> Standing {
        match self.keys.standing(key) {
            Standing::Unknown if self.call_key != Some(*key) => {
                // Whose it will be, the ticket says; this name is never looked at.
                Identity::new("newcomer").map_or(Standing::Unknown, |identity| Standing::Identity {
                    identity,
                    expires: None,
                    issued_from: Timestamp::default(),
                })
            }
            standing => standing,
        }
    }

    fn has_revoked(&self, identity_key: &Thumbprint, id: &str) -> bool {
        self.keys.has_revoked(identity_key, id)
    }

    fn check_current(&self, now: Timestamp) -> Result<(), Refusal> {
        self.keys.check_current(now)
    }

    // A login certificate is no way to get another.
    fn issuer(&self, _: &Thumbprint) -> Option<Issuer> {
        None
    }
}

/// The key that the signature names; the verification checks that it is the certificate's.
fn call_key(head: &Parts) -> Option<Thumbprint> {
    let (fields, target) = (guard::fields(&head.headers), guard::target(head));
    let request = envelope_core::Request::new(head.method.as_str(), &target, &fields);
    Thumbprint::parse(Envelope::parse(&request).ok()?.untrusted_keyid())
}
