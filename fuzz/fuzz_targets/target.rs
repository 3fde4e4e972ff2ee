//! A URL that we sign means the same to everybody: the crate `url` changes nothing of it.
#![no_main]

use envelope_core::Url;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(ours) = Url::parse(text) else { return };
    // Hosts that a browser would rewrite (0x7f.1) are the command's business, which compares what is sent with what is signed.
    let Ok(theirs) = url::Url::parse(text) else { return };
    assert_eq!(theirs.path(), ours.target().path());
    // Browsers write ' as %27 in a query; the command refuses to send what would change so.
    let plain = |query: Option<&str>| query.map(|query| query.replace("%27", "'"));
    assert_eq!(plain(theirs.query()), plain(ours.target().query()));
    assert_eq!((theirs.fragment(), theirs.username(), theirs.password()), (None, "", None));
});
