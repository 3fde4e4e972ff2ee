//! What breaks around the verifier, what callers see of it, and that nothing is lost.

use std::collections::HashSet;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::callers::{Call, Id, Person};
use crate::client::Connection;
use crate::honest::Caller;
use crate::results::{Heard, Results, listed};
use crate::scene::{Programs, Scene};
use crate::upstream::{Manner, Upstream};
use crate::{Outcome, Size};

const CALLERS: usize = 8;
/// How many that were let through must be refused as `replayed` in each fault: those of at least one phase, about.
const REPLAYED: usize = 20;
/// By what one sees why it does not start where it cannot write.
const REASONS: [&str; 4] = ["replay-mark", "Read-only", "Permission", "not permitted"];
/// How long one waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn run(programs: &Programs, size: &Size) -> Outcome<Results> {
    let mut results = Results::new();
    let (mut lost, mut unproven, mut passed, mut missed, mut replayed) = (0, 0, 0, Vec::new(), usize::MAX);
    let faults: [(&str, Fault); 8] = [
        ("the disk is full", Fault::FullDisk),
        ("the data directory is read-only", Fault::ReadOnly),
        ("the upstream is gone", Fault::Gone),
        ("the upstream says nothing", Fault::Silent),
        ("the upstream cuts its answers", Fault::Cutting),
        ("the clock is set forward by an hour, and back", Fault::Clock),
        ("descriptors run out", Fault::Descriptors),
        ("SIGTERM in the middle of it", Fault::Term),
    ];
    for (name, fault) in faults {
        let mut stage =
            Stage::set(programs, fault, size).await.map_err(|error| format!("{name}: {error}"))?;
        let done = stage.play(fault).await;
        let done = match done {
            Ok(()) => stage.count_losses(fault).await,
            Err(error) => Err(error),
        };
        stage.clear().await?;
        let losses = done.map_err(|error| format!("{name}: {error}: {:?}", stage.told))?;
        (lost, unproven) = (lost + losses.calls, unproven + losses.unproven);
        passed += stage.again.get("200").copied().unwrap_or_default();
        replayed = replayed.min(stage.again.get("replayed").copied().unwrap_or_default());
        missed.extend(stage.missed.drain(..).map(|what| format!("{name}: {what}")));
        stage.told.push(format!("sent again after they were let through: {}", listed(&stage.again)));
        results.said(name, &stage.told.join("; "));
    }
    results.none("calls lost, let through twice, or without a receipt", lost);
    results.none("calls that were let through, sent again in a later phase, and answered by 200", passed);
    results.at_least("those that were refused as `replayed`, in the fault with fewest", replayed as f64, {
        REPLAYED as f64
    });
    for what in &missed {
        println!("MISSED: {what}");
    }
    results.none("what else was demanded of one fault and missed", missed.len());
    results.none("receipts that are lost, withheld, not proven, or signed by no checkpoint", unproven);
    Ok(results)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    FullDisk,
    ReadOnly,
    Gone,
    Silent,
    Cutting,
    Clock,
    Descriptors,
    Term,
}

/// A verifier, an upstream, and callers; and what they have told.
struct Stage<'a> {
    upstream: Arc<Upstream>,
    scene: Scene<'a>,
    callers: Vec<Caller>,
    mounted: Option<PathBuf>,
    length: Duration,
    told: Vec<String>,
    /// Calls that were let through in the phases before, the last of each.
    kept: Vec<Call>,
    /// What was heard when they were sent again.
    again: Heard,
    /// What was demanded and is not so.
    missed: Vec<String>,
}

impl<'a> Stage<'a> {
    async fn set(programs: &'a Programs, fault: Fault, size: &Size) -> Outcome<Self> {
        let upstream = Upstream::start().await?;
        let people = Person::many("honest", CALLERS)?;
        let trust: Vec<_> = people.iter().map(|person| person.trust()).collect();
        let mut scene = Scene::new(
            programs,
            &[
                format!("upstream = \"http://{}\"", upstream.address),
                format!("trust = {trust:?}"),
                "upstream-timeout = 2".into(),
                // So that the next file is begun while nothing can be written.
                "audit-file-size = 1048576".into(),
            ],
        )?;
        let mut mounted = None;
        match fault {
            Fault::FullDisk => {
                fs::create_dir(&scene.data)?;
                said("mount", &["-t", "tmpfs", "-o", "size=64m,mode=700", "tmpfs", &shown(&scene.data)])
                    .await?;
                mounted = Some(scene.data.clone());
            }
            Fault::Clock => {
                let library = ["x86_64-linux-gnu", "aarch64-linux-gnu"]
                    .map(|machine| PathBuf::from(format!("/usr/lib/{machine}/faketime/libfaketimeMT.so.1")));
                let library =
                    library.iter().find(|path| path.exists()).ok_or("libfaketime is not installed")?;
                let file = scene.directory().join("clock");
                fs::write(&file, "+0")?;
                scene.environment = [
                    ("LD_PRELOAD", shown(library)),
                    ("FAKETIME_TIMESTAMP_FILE", shown(&file)),
                    ("FAKETIME_NO_CACHE", "1".into()),
                    ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
                ]
                .map(|(name, value)| (name.into(), value))
                .to_vec();
            }
            Fault::Descriptors => scene.under = ["prlimit", "--nofile=80:80"].map(Into::into).to_vec(),
            _ => {}
        }
        scene.start().await?;
        let to = scene.address;
        let callers = people.into_iter().map(|person| Caller::new(person, to, Ipv4Addr::LOCALHOST)).collect();
        let mut stage = Self {
            upstream,
            scene,
            callers,
            mounted,
            length: size.fault,
            told: Vec::new(),
            kept: Vec::new(),
            again: Heard::new(),
            missed: Vec::new(),
        };
        stage.until("200").await?;
        Ok(stage)
    }

    /// The upstream is as it should be, and so are the answers.
    async fn prompt_again(&mut self, told: &str) -> Outcome<()> {
        self.upstream.behave(Manner::Prompt);
        self.until("200").await?;
        self.only(told, &["200"]).await
    }

    async fn play(&mut self, fault: Fault) -> Outcome<()> {
        match fault {
            Fault::FullDisk => {
                let filler = self.scene.data.join("filler");
                // Until nothing more goes in.
                let _ = fs::write(&filler, vec![0; 64 << 20]);
                self.until("audit-unavailable").await?;
                self.only("full", &["audit-unavailable"]).await?;
                fs::remove_file(filler)?;
                self.until("200").await?;
                self.only("with room again", &["200"]).await
            }
            Fault::ReadOnly => {
                let directories =
                    [self.scene.data.clone(), self.scene.data.join("audit")].map(|path| shown(&path));
                said("chattr", &["+i", &directories[0], &directories[1]]).await?;
                let done = self.read_only().await;
                said("chattr", &["-i", &directories[0], &directories[1]]).await?;
                done?;
                self.scene.start().await?;
                self.until("200").await?;
                self.only("writable again", &["200"]).await
            }
            Fault::Gone => {
                self.upstream.behave(Manner::Gone);
                self.until("502").await?;
                self.only("gone", &["502"]).await?;
                self.prompt_again("there again").await
            }
            Fault::Silent => {
                self.upstream.behave(Manner::Silent);
                self.only("silent for longer than --upstream-timeout", &["504"]).await?;
                self.prompt_again("prompt again").await
            }
            Fault::Cutting => {
                self.upstream.behave(Manner::Cutting);
                self.only("cutting: a 200 that ends before its length", &["unexpected end of file"]).await?;
                self.prompt_again("whole again").await
            }
            Fault::Clock => {
                let clock = self.scene.directory().join("clock");
                for (set, due) in
                    [("+3600", "expired"), ("+0", "200"), ("-3600", "not-yet-valid"), ("+0", "200")]
                {
                    fs::write(&clock, set)?;
                    self.until(due).await?;
                    self.only(&format!("{set} s"), &[due]).await?;
                }
                Ok(())
            }
            Fault::Descriptors => {
                let mut idle = Vec::new();
                for _ in 0..300 {
                    // Some are turned away: that is what is looked for.
                    if let Ok(connection) = Connection::open(self.scene.address, Ipv4Addr::LOCALHOST).await {
                        idle.push(connection);
                    }
                }
                self.only(
                    "300 idle connections at 80 descriptors",
                    &["200", "connection reset", "unexpected end of file", "broken pipe"],
                )
                .await?;
                self.until("200").await?;
                drop(idle);
                self.until("200").await?;
                self.only("without them", &["200"]).await
            }
            Fault::Term => {
                let pid = self.scene.pid()?;
                let ending = async {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                    said("kill", &["-TERM", &pid.to_string()]).await
                };
                let (heard, ended) =
                    tokio::join!(load(std::mem::take(&mut self.callers), self.length), ending);
                ended?;
                let (callers, heard) = heard?;
                self.callers = callers;
                self.tell(
                    "until it has ended",
                    &heard,
                    &[
                        "200",
                        "connection refused",
                        "connection reset",
                        "unexpected end of file",
                        "broken pipe",
                    ],
                )?;
                let code = self.scene.ended().await?;
                self.told.push(format!("exit status {code:?}"));
                self.demand(code == Some(0), format!("it ended with {code:?}"));
                self.scene.start().await?;
                self.until("200").await?;
                self.only("started anew", &["200"]).await
            }
        }
    }

    async fn read_only(&mut self) -> Outcome<()> {
        // It goes on until what is reserved of the replay mark is used up.
        self.only("at once", &["200"]).await?;
        self.until("replay-unavailable").await?;
        self.only("some seconds later", &["replay-unavailable"]).await?;
        self.scene.end(Signal::KILL).await?;
        let (code, log) = self.scene.start_in_vain().await?;
        if code != Some(2) {
            return Err(format!("it starts on a directory that it cannot write to: {code:?}: {log}").into());
        }
        let says_why = log.contains(&shown(&self.scene.data)) || REASONS.iter().any(|why| log.contains(why));
        self.demand(says_why, format!("it does not say why it does not start: {log}"));
        self.told.push("started there: exit status 2, and why".into());
        Ok(())
    }

    /// Everybody calls until they hear that.
    async fn until(&mut self, due: &str) -> Outcome<()> {
        let begin = Instant::now();
        let mut heard = Heard::new();
        for caller in &mut self.callers {
            loop {
                let said = caller.attempt().await?;
                if said == due {
                    break;
                }
                *heard.entry(said).or_default() += 1;
                if begin.elapsed() > PATIENCE {
                    return Err(format!("nobody hears {due}, but {heard:?}: {}", self.scene.log()?).into());
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        Ok(())
    }

    /// Everybody calls for a while, and hears nothing else than that. What was let through before is sent again first.
    async fn only(&mut self, when: &str, due: &[&str]) -> Outcome<()> {
        self.send_again().await?;
        let (callers, heard) = load(std::mem::take(&mut self.callers), self.length).await?;
        self.callers = callers;
        self.tell(when, &heard, due)
    }

    /// Sends again what was let through in the phases before, over a connection that is there: there may be no room for another.
    async fn send_again(&mut self) -> Outcome<()> {
        self.kept.extend(self.callers.iter_mut().flat_map(Caller::take_last));
        let caller = self.callers.first_mut().ok_or("nobody calls")?;
        for call in &self.kept {
            *self.again.entry(caller.send_again(call).await).or_default() += 1;
        }
        Ok(())
    }

    fn demand(&mut self, is_met: bool, what: String) {
        if !is_met {
            self.missed.push(what);
        }
    }

    fn tell(&mut self, when: &str, heard: &Heard, due: &[&str]) -> Outcome<()> {
        if let Some(other) = heard.keys().find(|said| !due.contains(&said.as_str())) {
            return Err(format!("{when}: {other} was heard: {heard:?}: {}", self.scene.log()?).into());
        }
        self.told.push(format!("{when}: {}", listed(heard)));
        Ok(())
    }

    async fn count_losses(&mut self, fault: Fault) -> Outcome<Losses> {
        self.send_again().await?;
        self.scene.end(Signal::TERM).await?;
        let (seen, receipts) = (self.upstream.take_seen(), self.scene.receipts().await?);
        let accepted: HashSet<Id> =
            self.callers.iter().flat_map(|caller| caller.log.accepted.iter().cloned()).collect();
        let twice = seen.values().filter(|times| **times > 1).count();
        let without = seen.keys().filter(|id| !receipts.allowed.contains_key(*id)).count();
        let lost = accepted.iter().filter(|id| !seen.contains_key(*id)).count();
        if fault == Fault::Term {
            // Whoever ends in order answers what has gone on to the upstream.
            let unanswered = self.callers.iter().flat_map(|caller| &caller.log.unanswered);
            let gone_on = unanswered.filter(|id| seen.contains_key(*id)).count();
            self.demand(gone_on == 0, format!("{gone_on} calls that reached the upstream were not answered"));
        }
        println!(
            "  {} accepted, {} arrived, {} receipts: {twice} twice, {without} without, {lost} lost",
            accepted.len(),
            seen.len(),
            receipts.allowed.len()
        );
        Ok(Losses { calls: twice + without + lost, unproven: usize::try_from(receipts.unproven()?)? })
    }

    async fn clear(&mut self) -> Outcome<()> {
        self.scene.end_if_running().await?;
        match self.mounted.take() {
            Some(path) => said("umount", &[&shown(&path)]).await,
            None => Ok(()),
        }
    }
}

struct Losses {
    /// Calls that were lost, let through twice, or have no receipt.
    calls: usize,
    /// Receipts that prove nothing.
    unproven: usize,
}

/// Everybody calls for a while; gives what was heard.
async fn load(callers: Vec<Caller>, length: Duration) -> Outcome<(Vec<Caller>, Heard)> {
    let (until, mut calling) = (Instant::now() + length, JoinSet::new());
    for mut caller in callers {
        calling.spawn(async move {
            let mut heard = Vec::new();
            while Instant::now() < until {
                let said = caller.attempt().await?;
                if said != "200" {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                heard.push(said);
            }
            Outcome::Ok((caller, heard))
        });
    }
    let (mut callers, mut all) = (Vec::new(), Heard::new());
    while let Some(done) = calling.join_next().await {
        let (caller, heard) = done??;
        callers.push(caller);
        for said in heard {
            *all.entry(said).or_default() += 1;
        }
    }
    Ok((callers, all))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

async fn said(program: &str, arguments: &[&str]) -> Outcome<()> {
    let status = Command::new(program).args(arguments).status().await?;
    if status.success() { Ok(()) } else { Err(format!("{program} {}: {status}", arguments.join(" ")).into()) }
}
