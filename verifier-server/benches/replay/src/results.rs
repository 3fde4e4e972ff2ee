//! The figures, printed as they come and written at the end.

use std::path::Path;

#[derive(Default)]
pub struct Results {
    rows: Vec<String>,
    ratios: Vec<String>,
}

impl Results {
    pub fn row(&mut self, what: &str, value: f64, unit: &str) {
        println!("{what:74} {value:12.2} {unit}");
        self.rows.push(format!(r#"{{"what": "{what}", "value": {value:.3}, "unit": "{unit}"}}"#));
    }

    pub fn goal(&mut self, what: &str, value: f64, goal: f64, bound: &str) {
        println!("{what:74} {value:12.2} {bound} {goal}");
        self.ratios.push(format!(
            r#"{{"what": "{what}", "value": {value:.3}, "goal": {goal}, "bound": "{bound}"}}"#
        ));
    }

    pub fn write(&self) {
        let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let processor = format!("{}, {processors} cores", model.map_or("unknown", |(_, name)| name));
        let text = format!(
            "{{\n  \"suite\": \"replay\",\n  \"command\": \"{}\",\n  \"processor\": \"{processor}\",\n  \"rows\": [\n    {}\n  ],\n  \"ratios\": [\n    {}\n  ]\n}}\n",
            "cargo run --release --manifest-path verifier-server/benches/replay/Cargo.toml",
            self.rows.join(",\n    "),
            self.ratios.join(",\n    "),
        );
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../core/benches/results");
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("replay.json"), text).unwrap();
    }
}
