//! `verifier-server/soak/run`: scenes in which the verifier must keep its word. Each starts the real program on one processor, and callers,
//! attackers and upstream on another.

mod attack;
mod callers;
mod client;
mod faults;
mod honest;
mod malformed;
mod mixed;
mod results;
mod scene;
mod trouble;
mod upstream;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use crate::scene::Programs;

/// What cannot be tried is said, and ends the run.
pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// How long, how many.
pub(crate) struct Size {
    /// Of one attack.
    pub(crate) attack: Duration,
    pub(crate) strangers: usize,
    /// Of what an attacker is let through with, how many must be.
    pub(crate) taken: usize,
    /// Of a mixed run, and how often the verifier is killed in it.
    pub(crate) mixed: Duration,
    pub(crate) kill: Duration,
    pub(crate) malformed: usize,
    /// Of what is looked at in a fault.
    pub(crate) fault: Duration,
}

const WHOLE: Size = Size {
    attack: Duration::from_secs(30),
    strangers: 1_000_000,
    taken: 5000,
    mixed: Duration::from_secs(600),
    kill: Duration::from_secs(20),
    malformed: 100_000,
    fault: Duration::from_secs(5),
};
const QUICK: Size = Size {
    attack: Duration::from_secs(5),
    strangers: 10_000,
    taken: 1000,
    mixed: Duration::from_secs(40),
    kill: Duration::from_secs(10),
    malformed: 10_000,
    fault: Duration::from_secs(1),
};

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("CANNOT TRY: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Outcome<bool> {
    let mut arguments = std::env::args().skip(1);
    let mut program = || arguments.next().map(PathBuf::from).ok_or("verifier-server/soak/run runs this");
    let programs = Programs { verifier: program()?, envelope: program()? };
    let (flags, scenes): (Vec<_>, Vec<_>) = arguments.partition(|word| word.starts_with("--"));
    let is_quick = match flags.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => false,
        ["--quick"] => true,
        _ => return Err("there is --quick, and no other flag".into()),
    };
    let size = if is_quick { &QUICK } else { &WHOLE };
    let all = ["mixed", "steady", "faults", "attack", "malformed"];
    let scenes: Vec<&str> =
        if scenes.is_empty() { all.to_vec() } else { scenes.iter().map(String::as_str).collect() };
    attack::pin(1).map_err(|error| format!("a second processor is needed: {error}"))?;
    attack::take_descriptors()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let mut are_met = true;
    let mut found = Vec::new();
    for scene in scenes {
        println!("\n{scene}");
        let results = runtime.block_on(async {
            match scene {
                "mixed" => mixed::run(&programs, size, true).await,
                "steady" => mixed::run(&programs, size, false).await,
                "malformed" => malformed::run(&programs, size).await,
                "faults" => faults::run(&programs, size).await,
                "attack" => attack::run(&programs, size).await,
                _ => Err(format!("there are {}", all.join(", ")).into()),
            }
        })?;
        are_met &= results.are_met();
        found.push((scene, results));
    }
    if !is_quick {
        for (scene, results) in found {
            results.write(scene, Path::new("results"))?;
        }
    }
    Ok(are_met)
}
