//! The vectors of `spec/keys.md`: what keys say of themselves, and what becomes of the records.

mod draft;
mod example;
mod key;
mod list;
mod member;
mod record;
mod retirement;
mod scene;
mod spelling;
mod succession;
mod successor;

use envelope_core::{Algorithm, Code};
use envelope_test_vectors::statement::Vector;

use super::Rule;
use super::draft::NOW;
use super::keys::Key;
use draft::Draft;
use scene::{Scene, identity};

pub(crate) use example::example;

/// Name, title, and what is changed.
type Row = (&'static str, &'static str, fn(&mut Draft));
/// Name, title, and what happens.
type Play = (&'static str, &'static str, fn(&mut Scene));

/// All of them, in the order of keys.md.
pub(crate) fn vectors() -> Vec<Vector> {
    let mut all = Vec::new();
    for part in [
        spelling::fill,
        member::fill,
        key::fill,
        succession::fill,
        successor::fill,
        retirement::fill,
        list::fill,
        record::fill,
    ] {
        part(&mut all);
    }
    let mut names: Vec<&str> = all.iter().map(|vector: &Vector| vector.name.as_str()).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "two vectors have one name: {names:?}");
    all
}

/// The vectors whose names start alike.
struct Group<'a> {
    name: &'static str,
    /// The right statement that rows change.
    subject: fn() -> Draft,
    vectors: &'a mut Vec<Vector>,
}

impl<'a> Group<'a> {
    fn new(name: &'static str, subject: fn() -> Draft, vectors: &'a mut Vec<Vector>) -> Self {
        Self { name, subject, vectors }
    }

    /// Statements that are refused with one code.
    fn refused(&mut self, rule: Rule, code: Code, rows: &[Row]) {
        for (name, title, change) in rows {
            self.one(rule, Some(code), name, title, change);
        }
    }

    /// Statements that are taken.
    fn valid(&mut self, rule: Rule, rows: &[Row]) {
        for (name, title, change) in rows {
            self.one(rule, None, name, title, change);
        }
    }

    /// One statement to a verifier that knows Alice by her two first keys of either algorithm.
    fn one(
        &mut self,
        rule: Rule,
        code: Option<Code>,
        name: &str,
        title: &str,
        change: impl FnOnce(&mut Draft),
    ) {
        let mut draft = (self.subject)();
        change(&mut draft);
        self.play(rule, name, title, |scene| {
            scene.knows(identity("alice", &first(Algorithm::Ed25519)));
            scene.knows(identity("alice", &first(Algorithm::P256)));
            match code {
                None => scene.takes(&draft),
                Some(code) => scene.refuses(code, &draft),
            }
        });
    }

    fn plays(&mut self, rule: Rule, plays: &[Play]) {
        for (name, title, play) in plays {
            self.play(rule, name, title, play);
        }
    }

    fn play(&mut self, rule: Rule, name: &str, title: &str, play: impl FnOnce(&mut Scene)) {
        let mut scene = Scene::new();
        play(&mut scene);
        let (records, steps) = scene.end();
        self.vectors.push(Vector {
            name: format!("{}-{name}", self.name),
            title: title.into(),
            spec: rule.spec.into(),
            if_broken: rule.if_broken.into(),
            records,
            steps,
        });
    }
}

/// A day.
const DAY: u64 = 86_400;
/// What a lax reader means.
const TWO_WAYS: &str =
    "a statement that two readers read in two ways: one verifier takes it, another does not";
/// What a reader means who refuses what is right.
const HONEST: &str = "a user cannot change or end her key";

/// The other side of a rule: what a bug means that refuses too much.
const fn honest(rule: Rule) -> Rule {
    Rule { if_broken: HONEST, ..rule }
}

/// Alice's first identity key, and those that come after it.
fn first(algorithm: Algorithm) -> Key {
    Key::new(algorithm, "alice identity")
}

fn second(algorithm: Algorithm) -> Key {
    Key::new(algorithm, "alice second identity")
}

fn third() -> Key {
    Key::ed25519("alice third identity")
}

/// Alice hands over to her second key, and uses the first for a day yet.
fn succession() -> Draft {
    Draft::succession(&first(Algorithm::Ed25519), &second(Algorithm::Ed25519), NOW, NOW + DAY)
}

/// Alice's first key retires.
fn retirement() -> Draft {
    Draft::retirement(&first(Algorithm::Ed25519), NOW)
}
