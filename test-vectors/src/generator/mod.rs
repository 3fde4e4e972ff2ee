//! The generator: every vector is a right request with one thing changed.

mod certificate;
mod draft;
mod keys;
mod members;
mod sequence;
mod spec;
mod stage;
mod statement;

use envelope_core::Code;
use envelope_test_vectors::{Exchange, Step, Vector, Verifier};

pub(crate) use spec::sections;
pub(crate) use statement::vectors as statements;

use draft::{Draft, Sealed};

/// Name, title, and what is changed.
type Row = (&'static str, &'static str, fn(&mut Draft));

/// All vectors, in the order of the spec.
pub(super) fn vectors() -> Vec<Vector> {
    let mut all = Vec::new();
    stage::fill(&mut all);
    let mut names: Vec<&str> = all.iter().map(|vector: &Vector| vector.name.as_str()).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "two vectors have one name: {names:?}");
    all
}

/// The vectors of one topic.
struct Topic<'a> {
    name: &'static str,
    vectors: &'a mut Vec<Vector>,
}

/// What a group of vectors has in common: the step of the spec, and what a bug there would mean.
#[derive(Clone, Copy)]
struct Rule {
    spec: &'static str,
    if_broken: &'static str,
}

impl Rule {
    /// The stage of the step: the digit behind the V. A document is read before stage 1, and counts to it.
    fn stage(self) -> u8 {
        self.spec.strip_prefix('V').and_then(|step| step.split('.').next()?.parse().ok()).unwrap_or(1)
    }

    /// The other side of a rule: what a bug means that refuses too much.
    const fn honest(self) -> Self {
        Self { if_broken: "an honest caller is locked out", ..self }
    }
}

const fn rule(spec: &'static str, if_broken: &'static str) -> Rule {
    Rule { spec, if_broken }
}

impl<'a> Topic<'a> {
    fn new(name: &'static str, vectors: &'a mut Vec<Vector>) -> Self {
        Self { name, vectors }
    }

    /// Requests that are refused with one code.
    fn refused(&mut self, rule: Rule, code: Code, rows: &[Row]) {
        for (name, title, change) in rows {
            self.one(rule, Some(code), name, title, change);
        }
    }

    /// Requests that are valid.
    fn valid(&mut self, rule: Rule, rows: &[Row]) {
        for (name, title, change) in rows {
            self.one(rule, None, name, title, change);
        }
    }

    fn one(
        &mut self,
        rule: Rule,
        code: Option<Code>,
        name: &str,
        title: &str,
        change: impl FnOnce(&mut Draft),
    ) {
        let mut draft = self.draft(name);
        change(&mut draft);
        let sealed = draft.seal();
        let verifier = sealed.verifier.clone();
        self.single(rule, name, title, finish(sealed, code, rule.stage()), verifier);
    }

    /// A right request with a nonce of its own.
    fn draft(&self, name: &str) -> Draft {
        Draft::new(&format!("{}/{name}", self.name))
    }

    fn single(&mut self, rule: Rule, name: &str, title: &str, step: Step, verifier: Verifier) {
        self.push(rule, name, title, Exchange::Single(Box::new(step)), verifier);
    }

    fn sequence(&mut self, rule: Rule, name: &str, title: &str, steps: Vec<Step>, verifier: Verifier) {
        self.push(rule, name, title, Exchange::Sequence { steps }, verifier);
    }

    fn push(&mut self, rule: Rule, name: &str, title: &str, exchange: Exchange, verifier: Verifier) {
        self.vectors.push(Vector {
            name: format!("{}/{name}", self.name),
            title: title.into(),
            spec: rule.spec.into(),
            if_broken: rule.if_broken.into(),
            exchange,
            verifier,
        });
    }
}

/// The expectation that goes with a request.
fn finish(sealed: Sealed, code: Option<Code>, stage: u8) -> Step {
    match code {
        None => sealed.valid(),
        Some(code) => sealed.expecting(code.as_str(), Some(stage)),
    }
}
