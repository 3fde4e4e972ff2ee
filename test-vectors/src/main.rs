//! Writes the vectors and the generated sections of the spec; with `--check`, says which of them differ.

#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "the generator works on constants: where one is wrong it must stop, and nobody else calls it"
)]
mod generator;

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use envelope_test_vectors::{root, to_pretty};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => write(&wanted()?),
        ["--check"] => check(&wanted()?),
        _ => {
            writeln!(std::io::stderr(), "usage: envelope-test-vectors [--check]")?;
            Ok(ExitCode::from(2))
        }
    }
}

/// What must be in each file.
type Files = BTreeMap<PathBuf, String>;

fn wanted() -> Result<Files, Box<dyn Error>> {
    let vectors = generator::vectors();
    let mut files = Files::new();
    for vector in &vectors {
        files.insert(root().join("vectors").join(format!("{}.json", vector.name)), to_pretty(vector)?);
    }
    let statements = generator::statements();
    for vector in &statements {
        files.insert(root().join("statements").join(format!("{}.json", vector.name)), to_pretty(vector)?);
    }
    let (log, key) = generator::receipts();
    files.insert(root().join("receipts/example.jsonl"), log);
    files.insert(root().join("receipts/key"), format!("{key}\n"));
    let repository = root().parent().ok_or("the crate lies in no repository")?;
    for section in generator::sections(&vectors, &statements) {
        let path = repository.join(section.file);
        let text = match files.remove(&path) {
            Some(text) => text,
            None => std::fs::read_to_string(&path)?,
        };
        files.insert(path, replace(&text, section.name, &section.text)?);
    }
    Ok(files)
}

/// Puts `section` between its markers.
fn replace(text: &str, name: &str, section: &str) -> Result<String, Box<dyn Error>> {
    let begin = format!("<!-- begin generated: {name} -->\n");
    let end = format!("<!-- end generated: {name} -->");
    let (before, rest) = text.split_once(&begin).ok_or_else(|| format!("{begin} is missing"))?;
    let (_, after) = rest.split_once(&end).ok_or_else(|| format!("{end} is missing"))?;
    Ok(format!("{before}{begin}{section}\n{end}{after}"))
}

fn write(wanted: &Files) -> Result<ExitCode, Box<dyn Error>> {
    for path in superfluous(wanted)? {
        std::fs::remove_file(path)?;
    }
    for (path, text) in wanted {
        if std::fs::read_to_string(path).ok().as_ref() != Some(text) {
            std::fs::create_dir_all(path.parent().ok_or("a file without a directory")?)?;
            std::fs::write(path, text)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn check(wanted: &Files) -> Result<ExitCode, Box<dyn Error>> {
    let mut output = std::io::stdout().lock();
    let mut clean = true;
    for path in superfluous(wanted)? {
        writeln!(output, "superfluous: {}", shown(&path))?;
        clean = false;
    }
    for (path, text) in wanted {
        if std::fs::read_to_string(path).ok().as_ref() != Some(text) {
            writeln!(output, "differs: {}", shown(path))?;
            clean = false;
        }
    }
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn shown(path: &Path) -> String {
    let repository = root().parent().unwrap_or(root());
    path.strip_prefix(repository).unwrap_or(path).display().to_string()
}

/// The files under `vectors/`, `statements/` and `receipts/` that nobody wants.
fn superfluous(wanted: &Files) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut found = Vec::new();
    let mut directories = vec![root().join("vectors"), root().join("statements"), root().join("receipts")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory)? {
            let path = entry?.path();
            if path.is_dir() {
                directories.push(path);
            } else if !wanted.contains_key(&path) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}
