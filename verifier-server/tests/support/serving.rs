//! A router of the test's own, served as the program serves its own.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use axum::Router;
use envelope_verifier::Clock;
use envelope_verifier::server::{App, Flags, Known, serve};

/// Runs a router on a thread of its own until the test ends; the router is made there, when the address is known.
pub fn run(router: impl AsyncFnOnce(SocketAddr) -> Router + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let config = Flags { head_timeout: Some(5), ..Flags::default() }.resolve().unwrap();
            let known = Arc::new(Known::open(&config, address, &Clock::system()).await.unwrap());
            let app = App::new(&config, address, Clock::system(), known, None).unwrap();
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            serve(app, router(address).await, listener, std::future::pending()).await;
        });
    });
    address
}
