//! Deployments that come at once, or are cut by `kill -9`: what was answered holds, and what was not is wholly there or not at all.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use serde_json::{Value, json};
use support::PackServer;
use support::admin::told;
use support::packs::{World, call, deploy, deployment, token_in};

#[test]
fn of_two_deployments_at_once_one_comes_first() {
    let w = World::open();
    for round in 0..10 {
        let guid = format!("p{round}");
        let body = |who: &str| json!({"guid": guid, "auth": {"owner": who, "accept": ["token"]}});
        let tokens: Vec<Option<String>> = std::thread::scope(|scope| {
            let racing = ["alice", "bob", "carol"].map(|who| {
                let (w, body) = (&w, body(who));
                scope.spawn(move || {
                    let answer = w.send(&deployment(&body));
                    (told(&answer) == "200").then(|| token_in(&answer)).flatten()
                })
            });
            racing.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let tokens: Vec<String> = tokens.into_iter().flatten().collect();
        assert_eq!(tokens.len(), 1, "the pack is one's");
        assert_eq!(w.told(&call(&guid).bearer(&tokens[0])), "200");
    }
}

#[test]
fn a_crash_while_the_upstream_deploys_leaves_nothing_and_the_deployment_is_repeated() {
    let (arrived, waiting) = channel();
    let (arrived, held) = (Mutex::new(arrived), Mutex::new(true));
    let server = PackServer::answering(move |request, stream| {
        if std::mem::take(&mut *held.lock().unwrap()) {
            arrived.lock().unwrap().send(()).unwrap();
            return;
        }
        deploy(request, stream);
    });
    let w = World::with(server, &[]);
    let body = json!({"guid": "p1", "auth": {"owner": "alice", "accept": ["token"]}});
    let address = w.verifier.address;
    let request = deployment(&body);
    let client = std::thread::spawn(move || {
        use std::io::Write;
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.write_all(&request.bytes()).unwrap();
        support::read_answer(&mut std::io::BufReader::new(stream)).is_none()
    });
    waiting.recv().unwrap();
    let w = w.again(&[]);
    assert!(client.join().unwrap(), "there was no answer");
    assert_eq!(w.shown("p1"), Value::Null);
    let token = token_in(&w.send(&deployment(&body))).unwrap();
    assert_eq!(w.told(&call("p1").bearer(&token)), "200");
}

/// Deploys packs one after the other until the verifier is gone; gives their guids, and the token of each that was answered.
fn deploy_until_the_end(address: SocketAddr, prefix: &str) -> Vec<(String, Option<String>)> {
    let mut deployed = Vec::new();
    loop {
        let guid = format!("{prefix}-{}", deployed.len());
        let token = TcpStream::connect(address).ok().and_then(|mut stream| {
            stream.write_all(&deployment(&guarded(&guid)).bytes()).ok()?;
            let answer = support::read_answer(&mut BufReader::new(stream))?;
            assert_eq!(answer.status, 200, "{answer:?}");
            token_in(&answer)
        });
        let is_over = token.is_none();
        deployed.push((guid, token));
        if is_over {
            return deployed;
        }
    }
}

fn guarded(guid: &str) -> Value {
    json!({"guid": guid, "auth": {"accept": ["token"], "owner": "alice", "allowed_users": ["bob"]}})
}

#[test]
fn a_crash_at_any_moment_leaves_rules_and_token_together_or_neither() {
    let mut w = World::open();
    let (mut whole, mut cut) = (0, 0);
    for round in 0..15 {
        let address = w.verifier.address;
        let workers = [0, 1].map(|worker| {
            std::thread::spawn(move || deploy_until_the_end(address, &format!("g{round}-{worker}")))
        });
        let mut random = [0; 1];
        getrandom::fill(&mut random).unwrap();
        std::thread::sleep(Duration::from_millis(20 + u64::from(random[0])));
        w = w.again(&[]);
        for (guid, token) in workers.into_iter().flat_map(|worker| worker.join().unwrap()) {
            let shown = w.shown(&guid);
            if let Some(token) = &token {
                assert_eq!(w.told(&call(&guid).bearer(token)), "200", "{guid}");
                whole += 1;
                continue;
            }
            cut += 1;
            if shown != Value::Null {
                assert_eq!((&shown["owner"], &shown["allowed_users"]), (&json!("alice"), &json!(["bob"])));
                assert_eq!(shown["tokens"].as_array().unwrap().len(), 1, "{shown}");
            }
            let token = token_in(&w.send(&deployment(&guarded(&guid)))).unwrap();
            assert_eq!(w.told(&call(&guid).bearer(&token)), "200", "it is repeated");
        }
    }
    assert!(whole > 10 && cut > 10, "the moments were random: {whole} whole, {cut} cut");
}
