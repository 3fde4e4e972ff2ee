//! A bare axum handler, and the same behind the layer.

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use axum::serve::ListenerExt;
use envelope_core::{Authorities, Pack, Policy, Verifier, Window};
use envelope_verifier::{Guard, VerifierLayer};
use tokio::net::TcpListener;

use crate::Outcome;
use crate::callers::{AUTHORITY, PACK, TARGET, WINDOW, trust};

/// Takes the body and answers a little.
async fn agent(body: Bytes) -> &'static str {
    if body.is_empty() { "{\"answer\":\"nothing was asked\"}" } else { "{\"answer\":\"sunny\"}" }
}

fn router() -> Router {
    Router::new().route(TARGET, post(agent))
}

pub(crate) fn bare(address: &str) -> Outcome<()> {
    serve(address, router())
}

pub(crate) fn layer(address: &str) -> Outcome<()> {
    let window = Window::new(WINDOW).ok_or("no window")?;
    let verifier = Verifier::new(Authorities::new([AUTHORITY])?).with_window(window);
    let guard = Guard::new(verifier, trust()?, Policy::new(Pack::trusted()));
    serve(address, router().layer(VerifierLayer::new(guard).for_pack(PACK)))
}

fn serve(address: &str, router: Router) -> Outcome<()> {
    // As many threads as there are processors that it may use.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await?.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        axum::serve(listener, router).await?;
        Ok(())
    })
}
