//! What a signature with a live call key does, and does not: what makes it slow again is seen here, without a clock.

use std::collections::BTreeMap;
use std::mem::MaybeUninit;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use crate::outside::{Home, done, stderr};

const URL: &str = "https://pack.example/api/pack/p1/agent";
const DIRS: [&str; 6] = ["identities", "next", "retired", "wallet", "logins", "run"];

/// What happened in the home while `work` was done: file by file what was opened, and whatever else than reading.
fn watched(home: &Home, work: impl FnOnce()) -> (Vec<String>, Vec<String>) {
    let watch = inotify::init(CreateFlags::NONBLOCK).unwrap();
    let changes = WatchFlags::ATTRIB | WatchFlags::CLOSE_WRITE | WatchFlags::CREATE | WatchFlags::DELETE;
    let changes = changes | WatchFlags::MODIFY | WatchFlags::MOVE;
    // Of two events that are alike, one after the other, one is told: what is closed between two openings parts them.
    let all = changes | WatchFlags::OPEN | WatchFlags::CLOSE_NOWRITE;
    let paths = ["home".to_owned()].into_iter().chain(DIRS.map(|dir| format!("home/{dir}")));
    let paths = paths.filter(|path| home.path(path).exists());
    let dirs: BTreeMap<i32, String> =
        paths.map(|path| (inotify::add_watch(&watch, home.path(&path), all).unwrap(), path)).collect();
    work();
    let mut buffer = [MaybeUninit::uninit(); 65_536];
    let mut events = Reader::new(watch, &mut buffer);
    let (mut opened, mut changed) = (Vec::new(), Vec::new());
    loop {
        let event = match events.next() {
            Err(Errno::AGAIN) => return (opened, changed),
            event => event.unwrap(),
        };
        assert!(!event.events().contains(ReadFlags::QUEUE_OVERFLOW));
        let name = event.file_name().map(|name| format!("/{}", name.to_str().unwrap())).unwrap_or_default();
        let name = format!("{}{name}", dirs[&event.wd()]);
        if event.events().contains(ReadFlags::OPEN) {
            opened.push(name);
        } else if !event.events().contains(ReadFlags::CLOSE_NOWRITE) {
            changed.push(format!("{name}: {:?}", event.events()));
        }
    }
}

/// A home whose identity is known to the verifier, with a body to sign.
fn enrolled(alg: &str, passphrase: &[&str]) -> Home {
    let home = Home::new();
    home.put("passphrase", b"correct horse battery staple\n");
    let keygen = ["keygen", "--alg", alg].into_iter().chain(passphrase.iter().copied());
    done(&home.envelope().args(keygen).output().unwrap());
    let wallet = r#"{"version":1,"verifiers":[{"url":"https://pack.example","identity":"default","name":"alice","packs":[],"owed":[]}],"statements":[]}"#;
    home.put("home/wallet/wallet.json", wallet.as_bytes());
    home.put("body", b"{}");
    home
}

#[test]
fn a_live_call_key_signs_with_four_files_read_and_nothing_written() {
    for (alg, passphrase) in
        [("ed25519", &[][..]), ("p256", &[]), ("ed25519", &["--passphrase-file", "passphrase"])]
    {
        let home = enrolled(alg, passphrase);
        let sign = format!("envelope sign POST {URL} --body body");
        let (opened, changed) = watched(&home, || {
            done(&home.bash(&format!("{sign} {}", passphrase.join(" "))));
        });
        assert!(opened.len() > 4 && !changed.is_empty(), "a call key is made, and nothing seen of it");

        // One file at a time is all that is open: no socket, no runtime. And no file can be written, of whatever length.
        let (opened, changed) = watched(&home, || {
            done(&home.bash(&format!("exec 3>&- && ulimit -n 4 && ulimit -f 0 && exec {sign}")));
        });
        let files = [
            "wallet/wallet.json",
            "identities/default.pem",
            "identities/default.pub.jwk",
            "run/default.call",
        ];
        assert_eq!(opened, files.map(|file| format!("home/{file}")), "{alg}, each of these once");
        assert_eq!(changed, <[String; 0]>::default(), "{alg}");
    }
}

#[test]
fn the_limit_of_that_test_is_felt() {
    let home = enrolled("ed25519", &[]);
    let sign = home.bash(&format!("ulimit -f 0 && exec envelope sign POST {URL} --body body"));
    assert!(!sign.status.success(), "a call key was made where no file can be written: {}", stderr(&sign));
}
