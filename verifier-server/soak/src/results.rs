//! What a scene has found: rows and demands, as core/benches/report puts them into documents.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::Outcome;

/// How often what was heard: codes, statuses, or how a connection ended.
pub(crate) type Heard = BTreeMap<String, usize>;

/// The same in words.
pub(crate) fn listed(heard: &Heard) -> String {
    heard.iter().map(|(said, count)| format!("{count} `{said}`")).collect::<Vec<_>>().join(", ")
}

#[derive(Default)]
pub(crate) struct Results {
    rows: Vec<Value>,
    ratios: Vec<Value>,
    are_met: bool,
}

impl Results {
    pub(crate) fn new() -> Self {
        Self { are_met: true, ..Self::default() }
    }

    /// A figure.
    pub(crate) fn row(&mut self, what: &str, value: f64, unit: &str) {
        println!("{what}: {value:.2} {unit}");
        self.rows.push(json!({"what": what, "value": (value * 100.0).round() / 100.0, "unit": unit}));
    }

    /// A count.
    pub(crate) fn count(&mut self, what: &str, value: usize) {
        println!("{what}: {value}");
        self.rows.push(json!({"what": what, "value": value, "unit": "1"}));
    }

    /// What was seen, in words.
    pub(crate) fn said(&mut self, what: &str, text: &str) {
        println!("{what}: {text}");
        self.rows.push(json!({"what": what, "text": text}));
    }

    pub(crate) fn at_most(&mut self, what: &str, value: f64, goal: f64) {
        self.demand(what, value, goal, "at most", value <= goal);
    }

    pub(crate) fn at_least(&mut self, what: &str, value: f64, goal: f64) {
        self.demand(what, value, goal, "at least", value >= goal);
    }

    /// What must not be there at all.
    pub(crate) fn none(&mut self, what: &str, count: usize) {
        let value = u32::try_from(count).unwrap_or(u32::MAX).into();
        self.demand(what, value, 0.0, "at most", count == 0);
    }

    fn demand(&mut self, what: &str, value: f64, goal: f64, bound: &str, is_met: bool) {
        println!("{what}: {value:.2} (demanded: {bound} {goal}; {})", if is_met { "met" } else { "MISSED" });
        self.are_met &= is_met;
        let value = (value * 1000.0).round() / 1000.0;
        self.ratios.push(json!({"what": what, "value": value, "goal": goal, "bound": bound}));
    }

    pub(crate) const fn are_met(&self) -> bool {
        self.are_met
    }

    pub(crate) fn write(self, scene: &str, directory: &Path) -> Outcome<()> {
        let processor = fs::read_to_string("/proc/cpuinfo")?;
        let processor = processor.lines().find(|line| line.starts_with("model name"));
        let processor =
            processor.and_then(|line| line.split_once(": ")).map_or("an unnamed processor", |(_, name)| name);
        let command = format!("verifier-server/soak/run {scene}");
        let suite = json!({"suite": scene, "command": command, "processor": processor, "rows": self.rows, "ratios": self.ratios});
        fs::create_dir_all(directory)?;
        fs::write(directory.join(format!("{scene}.json")), serde_json::to_string_pretty(&suite)? + "\n")?;
        Ok(())
    }
}
