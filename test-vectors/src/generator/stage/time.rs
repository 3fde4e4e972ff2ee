//! Stage 3: the window.

use envelope_core::Code;
use envelope_test_vectors::Vector;

use super::super::draft::{Draft, NOW};
use super::super::{Topic, rule};

pub(super) fn fill(all: &mut Vec<Vector>) {
    let mut topic = Topic::new("time", all);
    let window = rule("V3.1", "a signature that leaks is good for longer than the verifier's owner allows");
    topic.refused(
        window,
        Code::WindowTooLong,
        &[
            ("window-61", "good for 61 seconds, where 60 are allowed", |d| d.times(NOW, NOW + 61)),
            ("window-11-of-10", "good for 11 seconds, where 10 are allowed", |d| configured(d, 10, 11)),
            ("window-301-of-300", "good for 301 seconds, where 300 are allowed", |d| configured(d, 300, 301)),
            ("window-endless", "good for ever", |d| d.times(NOW, 999_999_999_999_999)),
            ("window-since-1970", "made in 1970 and good until now", |d| d.times(0, NOW + 10)),
        ],
    );
    topic.valid(
        window.honest(),
        &[
            ("window-60", "good for 60 seconds, where 60 are allowed", |d| d.times(NOW, NOW + 60)),
            ("window-59", "good for 59 seconds, where 60 are allowed", |d| d.times(NOW, NOW + 59)),
            ("window-10-of-10", "good for 10 seconds, where 10 are allowed", |d| configured(d, 10, 10)),
            ("window-300-of-300", "good for 300 seconds, where 300 are allowed", |d| configured(d, 300, 300)),
        ],
    );
    let early = rule("V3.2", "a signature is made today for tomorrow, when its maker may not sign any more");
    topic.refused(
        early,
        Code::NotYetValid,
        &[
            ("created-in-6", "created lies 6 seconds ahead", |d| d.times(NOW + 6, NOW + 20)),
            ("created-in-a-day", "created lies a day ahead", |d| d.times(NOW + 86_400, NOW + 86_410)),
        ],
    );
    topic.valid(
        early.honest(),
        &[
            ("created-in-5", "created lies 5 seconds ahead", |d| d.times(NOW + 5, NOW + 20)),
            ("created-in-4", "created lies 4 seconds ahead", |d| d.times(NOW + 4, NOW + 20)),
        ],
    );
    let late = rule("V3.3", "a signature that leaks is good for longer than its maker meant");
    topic.refused(
        late,
        Code::Expired,
        &[
            ("expired-1", "expires passed a second ago", |d| d.now = NOW + 61),
            ("expired-5", "expires passed 5 seconds ago: the skew is for created alone", |d| {
                d.now = NOW + 65
            }),
            ("expired-a-day", "expires passed a day ago", |d| d.times(NOW - 86_460, NOW - 86_400)),
            ("expired-1970", "expired in 1970", |d| d.times(0, 60)),
        ],
    );
    topic.valid(
        late.honest(),
        &[
            ("last-second", "expires is now", |d| d.now = NOW + 60),
            ("last-but-one-second", "expires is in a second", |d| d.now = NOW + 59),
        ],
    );
}

fn configured(draft: &mut Draft, window: u64, lifetime: u64) {
    draft.verifier.window = window;
    draft.times(NOW, NOW + lifetime);
}
