//! Two processes at once, and processes that are killed: the wallet is whole.

use std::process::Stdio;
use std::time::Duration;

use crate::outside::{Home, done};
use crate::verifier::Verifier;
use crate::{enrolled, wallet};

/// Starts deploying a pack.
fn start(home: &Home, guid: &str) -> std::process::Child {
    let file = format!("{guid}.json");
    home.put(&file, format!(r#"{{"guid":"{guid}"}}"#).as_bytes());
    let mut command = home.envelope();
    command.args(["pack", "deploy", &file]).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

#[test]
fn whatever_moment_a_deployment_is_killed_at_the_wallet_is_whole() {
    let verifier = Verifier::start();
    let home = enrolled(&verifier, "alice");
    done(&home.run(["pack", "register", "first-one"]));
    let mut kept = 0;
    for round in 0..40_u64 {
        let guid = format!("pack-{round}");
        let mut child = start(&home, &guid);
        // A debug build takes some tens of milliseconds for all of it.
        std::thread::sleep(Duration::from_millis(3 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        let wallet = wallet(&home);
        let packs = wallet["packs"].as_array().unwrap();
        assert_eq!(packs[0]["guid"], "first-one");
        assert!(packs.iter().all(|pack| pack["token"].as_str().unwrap().len() == 47), "{wallet}");
        kept += u32::from(packs.iter().any(|pack| pack["guid"] == guid.as_str()));
        // What was lost is had by saying it again.
        done(&home.run(["pack", "deploy", &format!("{guid}.json")]));
    }
    assert!((1..40).contains(&kept), "it was killed before and after the wallet was written: {kept}");
    assert_eq!(wallet(&home)["packs"].as_array().unwrap().len(), 41);
    for pack in wallet(&home)["packs"].as_array().unwrap() {
        let token = verifier.with(|state| state.packs[pack["guid"].as_str().unwrap()].1["default"].clone());
        assert_eq!(pack["token"], token);
    }
}

#[test]
fn of_many_at_once_each_leaves_its_token() {
    let verifier = Verifier::start();
    let home = enrolled(&verifier, "alice");
    let mut children: Vec<_> = (0..12).map(|number| start(&home, &format!("pack-{number}"))).collect();
    assert!(children.iter_mut().all(|child| child.wait().unwrap().success()));
    let wallet = wallet(&home);
    let mut guids: Vec<&str> =
        wallet["packs"].as_array().unwrap().iter().map(|pack| pack["guid"].as_str().unwrap()).collect();
    guids.sort_unstable();
    guids.dedup();
    assert_eq!(guids.len(), 12);
}
