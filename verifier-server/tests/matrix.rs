//! Who gets through: every credential, at every kind of pack, with `--auth-required` off and on. The cells are those of one list, which
//! `access.md` shows, too; each is put to the gateway, to the tower layer, and to the program behind real nginx (`auth_request`) and real
//! Caddy (`forward_auth`), and all of them must say what the list says: the status, the code, and whom the upstream hears of. What is
//! refused does not reach it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

#[path = "matrix/front.rs"]
mod front;
#[path = "matrix/list.rs"]
mod list;
#[path = "matrix/scene.rs"]
mod scene;
mod support;

use std::sync::atomic::Ordering;

use front::Front;
use list::{CREDENTIALS, MODES, fate};
use scene::Scene;

/// Every cell of one table, at every front.
fn cells(auth_required: bool) {
    let scene = Scene::start(auth_required);
    let fronts = Front::all(&scene);
    let mut wrong = Vec::new();
    let mut asked = 0;
    for (credential, name, _) in CREDENTIALS {
        scene.set_for(credential);
        for mode in &MODES {
            let fate = fate(credential, mode, auth_required);
            for front in &fronts {
                let call = scene.call(credential, mode);
                let before = scene.arrived.load(Ordering::SeqCst);
                let (seen, expected) = (front.send(&call), front.expects(&fate, &call));
                let arrived = scene.arrived.load(Ordering::SeqCst) - before;
                if seen != expected {
                    wrong.push(format!(
                        "{name} | {} | {:?}: {seen:?}, not {expected:?}",
                        mode.name, front.kind
                    ));
                }
                assert_eq!(
                    arrived,
                    usize::from(seen.status == 200),
                    "{name} | {}: {:?}",
                    mode.name,
                    front.kind
                );
                asked += 1;
            }
        }
    }
    assert_eq!(asked, CREDENTIALS.len() * MODES.len() * fronts.len());
    assert!(wrong.is_empty(), "{} of {asked} cells:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn while_auth_is_not_required() {
    cells(false);
}

#[test]
fn with_auth_required() {
    cells(true);
}

/// Tearing a pack down is for its owner and for admins, deploying over it for who may; whoever may call it may not, at any front.
#[test]
fn who_may_call_a_pack_may_not_do_away_with_it() {
    let scene = Scene::start(false);
    let mut passed = Vec::new();
    for front in &Front::all(&scene) {
        for (what, request) in scene.ends_of_packs() {
            if front.send(&request).status == 200 {
                passed.push(format!("{what}: {:?}", front.kind));
            }
        }
    }
    assert!(passed.is_empty(), "{}", passed.join("\n"));
    assert_eq!(scene.arrived.load(Ordering::SeqCst), 0);
}

/// `ACCESS=overwrite` writes it anew.
#[test]
fn the_document_is_what_the_list_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/access.md");
    let document = list::document();
    if std::env::var("ACCESS").is_ok_and(|wish| wish == "overwrite") {
        std::fs::write(path, &document).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(written == document, "access.md is not what the list says: run the test with ACCESS=overwrite");
}
