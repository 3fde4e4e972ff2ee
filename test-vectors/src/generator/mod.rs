//! The generator: every vector is a right request with one thing changed.

mod certificate;
mod draft;
mod keys;
mod members;
mod receipts;
mod sequence;
mod spec;
mod stage;
mod statement;

use envelope_core::Code;
use envelope_test_vectors::{Exchange, Pack, Step, Users, Vector, Verifier};

pub(crate) use receipts::example as receipts;
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
    every_step_has_both(&all);
    every_code_is_given(&all);
    every_rule_decides(&all);
    all
}

/// The rows of the steps of stages 1 to 8 in the tables of the spec: the step, and what is said of it.
fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
    let spec = include_str!("../../../spec/envelope.md");
    spec.lines().filter_map(|line| line.strip_prefix("| V")?.split_once(' '))
}

/// The steps of stages 1 to 8, as the tables of the spec name them.
fn steps() -> Vec<&'static str> {
    let steps: Vec<&str> = rows().map(|(step, _)| step).collect();
    assert!(steps.len() > 40, "the spec has lost its steps: {steps:?}");
    steps
}

/// Of each step there is a request that it refuses, and one that it lets pass.
fn every_step_has_both(vectors: &[Vector]) {
    for step in steps() {
        let of_step = || vectors.iter().filter(|vector| vector.spec.strip_prefix('V') == Some(step));
        for wanted in [true, false] {
            let found =
                of_step().any(|vector| vector.steps().iter().any(|it| (it.expect == "valid") == wanted));
            assert!(found, "V{step}: no vector that is {}", if wanted { "valid" } else { "refused" });
        }
    }
}

/// The codes of a step: those that its row names, and where it says that others would give them, theirs.
fn codes(step: &str) -> Vec<Code> {
    let text = rows().find(|(known, _)| *known == step).map_or("", |(_, text)| text);
    let named = text.split('`').filter_map(Code::parse);
    let others =
        text.split(' ').filter_map(|word| word.strip_prefix('V')).filter(|_| text.contains("the same |"));
    named.chain(others.flat_map(codes)).collect()
}

/// Of each code of a step there is a request that the step refuses with it.
fn every_code_is_given(vectors: &[Vector]) {
    for step in steps() {
        let codes = codes(step);
        assert!(!codes.is_empty(), "V{step} has no code");
        for code in codes {
            let is_given = vectors.iter().any(|vector| {
                vector.spec.strip_prefix('V') == Some(step)
                    && vector.steps().iter().any(|it| it.expect == code.as_str())
            });
            assert!(is_given, "V{step}: no vector is refused as {code}");
        }
    }
}

/// What the rules of a pack may say, and whether they do.
type Says = (&'static str, fn(&Pack) -> bool);

/// All of it.
const RULES: [Says; 12] = [
    ("open", |pack| pack.open),
    ("signed", |pack| pack.signed),
    ("not signed", |pack| !pack.signed),
    ("token", |pack| pack.token),
    ("identity", |pack| pack.identity),
    ("owner", |pack| pack.owner.is_some()),
    ("allowed_users \"*\"", |pack| matches!(pack.allowed_users, Users::Everybody(_))),
    ("allowed_users null", |pack| pack.allowed_users == Users::Registered),
    ("allowed_users, a list", |pack| matches!(pack.allowed_users, Users::Named(_))),
    ("agents \"*\"", |pack| pack.agents.values().any(|users| matches!(users, Users::Everybody(_)))),
    ("agents null", |pack| pack.agents.values().any(|users| *users == Users::Registered)),
    ("agents, a list", |pack| pack.agents.values().any(|users| matches!(users, Users::Named(_)))),
];

/// Of each rule of stage 8, for identities with a key and for users of a provider, there is a pack whose vector is valid, and one
/// whose vector is refused.
fn every_rule_decides(vectors: &[Vector]) {
    let of_stage: Vec<(&Verifier, bool)> = vectors
        .iter()
        .filter(|vector| ["V8.4", "V8.5"].contains(&vector.spec.as_str()))
        .flat_map(|vector| vector.steps().iter().map(|step| (&vector.verifier, step.expect == "valid")))
        .collect();
    for (name, holds) in RULES {
        for (is_user, is_valid) in [(false, true), (false, false), (true, true), (true, false)] {
            let found = of_stage.iter().any(|(verifier, valid)| {
                let rules = verifier.policy.iter().flat_map(|policy| policy.packs.values());
                *valid == is_valid && verifier.issuer.is_some() == is_user && rules.into_iter().any(holds)
            });
            assert!(found, "{name}: no vector of a user ({is_user}) that is valid ({is_valid})");
        }
    }
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
