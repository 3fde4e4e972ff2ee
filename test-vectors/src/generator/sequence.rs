//! Several requests in a row, to one verifier.

use envelope_core::Code;
use envelope_test_vectors::{Step, Verifier};

use super::draft::Draft;
use super::{Rule, Topic, finish};

/// What must come of a request: nothing, or a code and the stage that gives it.
pub(super) type Expect = Option<(Code, u8)>;
pub(super) const VALID: Expect = None;

/// A sequence that is being written.
pub(super) struct Sequence {
    topic: &'static str,
    name: &'static str,
    steps: Vec<Step>,
    verifier: Option<Verifier>,
}

impl Sequence {
    pub(super) const fn new(topic: &'static str, name: &'static str) -> Self {
        Self { topic, name, steps: Vec::new(), verifier: None }
    }

    /// A request of the sequence. Those with the same `nonce` have the same nonce; the verifier is that of the first.
    pub(super) fn step(mut self, nonce: u8, expect: Expect, change: impl FnOnce(&mut Draft)) -> Self {
        let mut draft = Draft::new(&format!("{}/{} {nonce}", self.topic, self.name));
        change(&mut draft);
        let sealed = draft.seal();
        self.verifier.get_or_insert_with(|| sealed.verifier.clone());
        self.steps.push(finish(sealed, expect.map(|(code, _)| code), expect.map_or(0, |(_, stage)| stage)));
        self
    }

    pub(super) fn end(self, topic: &mut Topic<'_>, rule: Rule, title: &str) {
        topic.sequence(rule, self.name, title, self.steps, self.verifier.unwrap());
    }
}
