//! `kill -9` at any moment: what was answered holds, and what was not is wholly there or wholly absent.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use sqlx::{Connection, SqliteConnection};
use support::admin::{start, succession, thumbprint};
use support::{Answer, Http, PackServer, Person, key, now, read_answer};

const ROUNDS: u64 = 50;
/// The most sets of changes that one of two workers makes in a round.
const SETS: u64 = 4;

/// One set of changes, and how far its answers came.
#[derive(Default)]
struct Set {
    label: String,
    ticket: Option<String>,
    enrolled: bool,
    rotated: bool,
    pair: bool,
    revoked: bool,
}

/// The answer, when the server lives to give it.
fn send(address: SocketAddr, request: &Http) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(&request.bytes()).ok()?;
    let answer = read_answer(&mut BufReader::new(stream))?;
    assert_eq!(answer.status, 200, "{answer:?}");
    Some(answer)
}

impl Set {
    /// Ticket, enrolment, rotation, two keys, and the revocation of both, until the server dies.
    fn run(label: String, address: SocketAddr) -> Self {
        let mut set = Self { label, ..Self::default() };
        set.go(address);
        set
    }

    fn go(&mut self, address: SocketAddr) -> Option<()> {
        let (label, root) = (self.label.clone(), Person::new("root"));
        let ask = |target: &str, body: serde_json::Value| {
            send(address, &root.request("POST", target, Some(&body.to_string())))
        };
        let ticket = ask("/api/keys/tickets", json!({"identity": label}))?.json();
        let ticket = ticket["ticket"].as_str()?.to_owned();
        self.ticket = Some(ticket.clone());
        send(address, &Person::new(&label).enrolls(&ticket))?;
        self.enrolled = true;
        let statement = succession(&key(&label), &key(&format!("{label}n")), now(), 0);
        let request = Http::new("POST", "/api/statements", support::admin::AUTHORITY);
        send(address, &request.body(&statement))?;
        self.rotated = true;
        for half in ["p", "q"] {
            let name = format!("{label}{half}");
            ask("/api/keys", json!({"identity": format!("{label}pair"), "key": thumbprint(&name)}))?;
        }
        self.pair = true;
        ask("/api/keys/revocations", json!({"identity": format!("{label}pair")}))?;
        self.revoked = true;
        Some(())
    }

    /// Compares with the file what was answered, and that nothing is there by half.
    async fn check(&self, store: &mut SqliteConnection) {
        let label = &self.label;
        let row = async |store: &mut SqliteConnection, name: &str| -> Option<(Option<i64>, Option<String>)> {
            let sql = "SELECT revoked, successor FROM known_key WHERE thumbprint = $1";
            sqlx::query_as(sql).bind(thumbprint(name)).fetch_optional(store).await.unwrap()
        };
        let (first, next) = (row(store, label).await, row(store, &format!("{label}n")).await);
        let used_by: Vec<Option<String>> =
            sqlx::query_scalar("SELECT used_by FROM ticket WHERE identity = $1")
                .bind(label)
                .fetch_all(&mut *store)
                .await
                .unwrap();
        assert!(self.ticket.is_none() || used_by.len() == 1, "{label}: the ticket");
        let used = used_by.iter().flatten().any(|key| *key == thumbprint(label));
        assert_eq!(first.is_some(), used, "{label}: key and ticket together");
        assert!(first.is_some() || !self.enrolled, "{label}: enrolled");
        let successor = first.and_then(|(_, successor)| successor);
        assert_eq!(successor.is_some(), next.is_some(), "{label}: both keys of a rotation together");
        assert!(next.is_some() || !self.rotated, "{label}: rotated");
        let pair = [row(store, &format!("{label}p")).await, row(store, &format!("{label}q")).await];
        let there = pair.iter().flatten().count();
        assert!(there == 2 || !self.pair, "{label}: registered");
        let revoked = pair.iter().flatten().filter(|(revoked, _)| revoked.is_some()).count();
        assert!(revoked == 0 || revoked == 2, "{label}: both revoked, or neither");
        assert!(revoked == 2 || !self.revoked, "{label}: revoked");
    }
}

async fn check(store: &Path, sets: &[Set]) {
    let url = format!("sqlite:{}", store.display());
    let mut store = SqliteConnection::connect(&url).await.unwrap();
    let integrity: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut store).await.unwrap();
    assert_eq!(integrity, "ok");
    for set in sets {
        set.check(&mut store).await;
    }
    let statements: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM statement").fetch_one(&mut store).await.unwrap();
    let rotated: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM known_key WHERE successor IS NOT NULL")
        .fetch_one(&mut store)
        .await
        .unwrap();
    assert_eq!(statements, rotated, "the evidence is there with the change");
    store.close().await.unwrap();
}

#[test]
fn a_crash_at_any_moment_leaves_nothing_by_half() {
    let (pack, directory) = (PackServer::start(), tempfile::tempdir().unwrap());
    let path = directory.path().join("store.sqlite");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut before: Vec<Set> = Vec::new();
    let (mut whole, mut cut) = (0, 0);
    for round in 0..ROUNDS {
        let mut verifier = start(&pack, &path, &[]);
        for set in &before {
            if set.rotated {
                assert_eq!(Person::new(&set.label).calls(&verifier), "certificate-expired");
                assert_eq!(Person::new(&format!("{}n", set.label)).calls(&verifier), "200");
            }
            if set.revoked {
                assert_eq!(Person::new(&format!("{}p", set.label)).calls(&verifier), "revoked");
            }
        }
        let mut random = [0; 1];
        getrandom::fill(&mut random).unwrap();
        let address = verifier.address;
        let workers: Vec<_> = (0..2)
            .map(|worker| {
                std::thread::spawn(move || {
                    let mut sets = Vec::new();
                    for number in 0..SETS {
                        sets.push(Set::run(format!("k{round}-{worker}-{number}"), address));
                        if !sets.last().unwrap().revoked {
                            return sets;
                        }
                    }
                    sets
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(u64::from(random[0]) * 2 / 3));
        verifier.signal("KILL");
        verifier.child.wait().unwrap();
        before = workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect();
        cut += before.iter().filter(|set| set.ticket.is_some() && !set.revoked).count();
        whole += before.iter().filter(|set| set.revoked).count();
        runtime.block_on(check(&path, &before));
    }
    println!("{whole} sets whole, {cut} cut");
    assert!(whole > 10 && cut > 10, "the moments were random: {whole} sets whole, {cut} cut");
}
