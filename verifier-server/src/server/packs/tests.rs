//! Deciding takes as many instructions among ten thousand packs as among ten.

use std::process::Command;

use envelope_core::{Access, Decision};

use super::token::{TokenKey, make};
use super::*;
use crate::place::Kind;

const NOW: Timestamp = Timestamp::from_unix(1_767_225_600);
/// Says to the program how many packs it shall decide among, when it runs itself.
const AMONG: &str = "ENVELOPE_TEST_DECIDE_AMONG";
const RULES: usize = 20;

fn guid(number: usize) -> String {
    format!("b1946ac9-2a44-4c0b-8f5e-{number:012x}")
}

/// So many packs, each with a token and rules for twenty agents; gives the tokens of ten of them, too.
fn packs(count: usize) -> (Packs, Vec<(String, String)>, TokenKey) {
    let packs = Packs::new(Policy::new(Pack::trusted()), true);
    let key = TokenKey::derive(&[7; 32]);
    let agents: Vec<_> = (0..RULES)
        .map(|agent| serde_json::json!({"name": format!("Agent{agent}"), "allowed_users": if agent == 7 { serde_json::json!("*") } else { serde_json::json!([format!("user{agent}")]) }}))
        .collect();
    let rules = serde_json::json!({"accept": ["signed", "token"], "owner": "alice", "allowed_users": [], "agents": agents});
    // What is read once is the same for all of them: under the counter, reading takes a minute.
    packs.take_pack(PackRow::for_test("first", &rules.to_string())).unwrap();
    let first = packs.find("first").unwrap();
    let mut tokens = Vec::new();
    for number in 0..count {
        let guid = guid(number);
        let (rules, registered) = (first.rules.clone(), first.registered);
        let effective = Arc::new(rules.clone());
        let pack = Registered {
            guid: guid.clone(),
            rules,
            effective,
            registered,
            registered_by: None,
            deployment: None,
        };
        packs.registered.pin().insert(guid.clone(), Arc::new(pack));
        // Ten of them, wherever they are, are called.
        let mac = if number % (count / 10) == 0 {
            let token = make(Kind::Pack).unwrap();
            tokens.push((guid.clone(), token.to_string()));
            key.hash(&token)
        } else {
            let mut mac = [1; 32];
            mac[..8].copy_from_slice(&number.to_le_bytes());
            mac
        };
        packs.take_token(&TokenRow::for_test(&token::encode(&mac), &guid)).unwrap();
    }
    (packs, tokens, key)
}

#[inline(never)]
fn decide_many(packs: &Packs, tokens: &[(String, String)], key: &TokenKey) -> usize {
    let mut allowed = 0;
    for round in 0..100 {
        let (guid, token) = &tokens[round % tokens.len()];
        let rules = packs.rules(Some(guid));
        let caller = packs.holder(&key.hash(token), guid, NOW);
        let access = Access { pack: Some(guid), agent: Some("Agent7"), scope: "call" };
        allowed += usize::from(rules.decide(caller.as_ref(), &access) == Decision::Allow);
    }
    allowed
}

/// What the other test runs, under a counter of instructions.
#[test]
fn decides() {
    let Some(count) = std::env::var(AMONG).ok().and_then(|count| count.parse().ok()) else { return };
    let (packs, tokens, key) = packs(count);
    // The first time, tables are made.
    assert_eq!(tokens.len(), 10);
    assert_eq!(decide_many(&packs, &tokens, &key), 100);
}

fn instructions(among: usize) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*decide_many*"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "server::packs::tests::decides"])
        .env(AMONG, among.to_string())
        .output()
        .expect("valgrind counts the instructions: install it");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    let collected = told.lines().find_map(|line| line.split_once("Collected : "));
    collected.unwrap_or_else(|| panic!("{told}")).1.trim().parse().unwrap()
}

#[test]
fn ten_thousand_packs_are_no_slower_than_ten() {
    let (few, many) = (instructions(10), instructions(10_000));
    println!("instructions for 100 decisions: {few} among 10 packs, {many} among 10,000");
    assert!(few > 100_000, "{few}: nothing was counted");
    assert!(many < few + few / 50, "{few} among ten, {many} among ten thousand");
}
