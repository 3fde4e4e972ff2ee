//! The one thread that writes: it gives each line its place in the chain, and writes many at once.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use envelope_core::receipt::{Entry, Head, MAX_LINE, Omitted, Open};
use envelope_core::{Code, SigningKey};
use tokio::sync::{mpsc, oneshot};

use super::files::LogFile;
use super::noise::Noise;
use super::progress::Progress;
use crate::clock::Clock;

/// The most lines that are written at once.
const BATCH: usize = 256;
/// How long what was written may be on its way to the disk; counts are told as often.
const TICK: Duration = Duration::from_secs(1);
/// After how many lines, or how long behind the last one, there is a checkpoint.
const CHECKPOINT_LINES: u64 = 256;
const CHECKPOINT_AFTER: Duration = Duration::from_secs(10);

/// A line that is to be written.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) entry: String,
    pub(super) kind: Kind,
}

/// What becomes of a line that cannot be written.
#[derive(Debug)]
pub(super) enum Kind {
    /// Somebody waits for it, and is told.
    Awaited(oneshot::Sender<()>),
    /// A receipt is lost.
    Receipt,
    /// A refusal of what anybody can send is counted.
    Noise(Code),
}

/// What the writer keeps.
pub(super) struct Writer {
    pub(super) file: LogFile,
    pub(super) head: Head,
    pub(super) key: SigningKey,
    pub(super) open: Open,
    pub(super) noise: Arc<Noise>,
    pub(super) progress: Arc<Progress>,
    pub(super) clock: Clock,
    /// How long a file may be before the next one begins.
    pub(super) file_size: u64,
    pub(super) state: State,
}

/// What is owed.
#[derive(Debug)]
pub(super) struct State {
    unsigned: u64,
    checkpoint: Instant,
    is_synced: bool,
    tick: Instant,
    is_failing: bool,
    /// When the next file could not be begun the last time.
    unrotated: Option<Instant>,
}

impl State {
    pub(super) fn new(now: Instant) -> Self {
        Self { unsigned: 0, checkpoint: now, is_synced: true, tick: now, is_failing: false, unrotated: None }
    }
}

impl Writer {
    /// Writes what comes, until nobody can send any more.
    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Pending>) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let due = (self.state.tick + TICK).saturating_duration_since(Instant::now());
            let received = tokio::time::timeout(due, inbox.recv_many(&mut batch, self.most())).await;
            if received == Ok(0) {
                break;
            }
            self.rotate_if_due();
            self.write(&mut batch);
            self.keep_up();
        }
        let ended = self.omitted().and_then(|()| self.checkpoint()).and_then(|()| self.sync());
        if let Err(error) = ended {
            tracing::error!(%error, "the audit log could not be ended with a checkpoint");
        }
    }

    /// How many lines may be written before a checkpoint is due.
    fn most(&self) -> usize {
        let unsigned = CHECKPOINT_LINES.saturating_sub(self.state.unsigned);
        usize::try_from(unsigned).unwrap_or(BATCH).clamp(1, BATCH)
    }

    /// The first lines: whose log it is, and what has happened to it.
    pub(super) fn begin(&mut self, torn: Option<u64>) -> io::Result<()> {
        let open = Open { torn, ..self.opening() };
        self.append([Entry::Open(open).to_json()].iter())?;
        self.checkpoint()?;
        self.sync()
    }

    fn opening(&self) -> Open {
        Open { time: self.clock.now().as_unix(), ..self.open.clone() }
    }

    fn write(&mut self, batch: &mut Vec<Pending>) {
        batch.retain(|pending| {
            // The place of a line takes less than 128 bytes.
            let fits = pending.entry.len() + 128 <= MAX_LINE;
            if !fits {
                tracing::error!("a receipt is longer than a line may be");
                self.missing(&pending.kind);
            }
            // Whoever does not wait any more has been refused: nothing must say that they were let through.
            fits && !matches!(&pending.kind, Kind::Awaited(done) if done.is_closed())
        });
        if batch.is_empty() {
            return;
        }
        let written = self.append(batch.iter().map(|pending| &pending.entry));
        self.say(&written);
        for pending in batch.drain(..) {
            match (pending.kind, &written) {
                (Kind::Awaited(done), Ok(())) => {
                    // Whoever has gone just now has a second line for it.
                    let _ = done.send(());
                }
                (_, Ok(())) => {}
                (kind, Err(_)) => self.missing(&kind),
            }
        }
    }

    fn missing(&self, kind: &Kind) {
        match kind {
            // That it is dropped tells whoever waits.
            Kind::Awaited(_) => {}
            Kind::Receipt => {
                self.noise.lose();
                self.progress.lose();
            }
            Kind::Noise(code) => self.noise.count(*code),
        }
    }

    /// Gives lines their places, and writes them: all, or none.
    fn append(&mut self, entries: impl Iterator<Item = impl AsRef<str>>) -> io::Result<()> {
        if self.state.is_failing {
            // What the disk may have lost cannot be built on: only when it takes everything again is anything let through.
            self.file.sync()?;
        }
        let (mut head, mut lines, mut count) = (self.head, String::new(), 0);
        for entry in entries {
            let (line, next) = head.append(entry.as_ref());
            lines.extend([line.as_str(), "\n"]);
            (head, count) = (next, count + 1);
        }
        if let Err(error) = self.file.append(lines.as_bytes()) {
            // At once, so that a reader of the file sees no half of a line; else before the next one.
            let _ = self.file.clean();
            return Err(error);
        }
        self.head = head;
        self.state.unsigned += count;
        self.state.is_synced = false;
        self.progress.written(count);
        Ok(())
    }

    /// What is due by now: counts, a checkpoint, the disk.
    fn keep_up(&mut self) {
        let now = Instant::now();
        let is_late = now.saturating_duration_since(self.state.checkpoint) >= CHECKPOINT_AFTER;
        let is_tick = now.saturating_duration_since(self.state.tick) >= TICK;
        // Where nobody calls any more because it fails, nobody else would find out that it does not.
        let is_probe = is_tick && self.state.is_failing;
        let mut done = Ok(());
        if is_tick {
            done = self.file.in_place().and_then(|()| self.omitted());
        }
        if self.state.unsigned >= CHECKPOINT_LINES || is_late || is_probe {
            done = done.and_then(|()| self.checkpoint());
        }
        if is_tick {
            self.state.tick = now;
            done = done.and_then(|()| self.sync());
        }
        // That nothing was due says nothing of the disk.
        if done.is_err() || is_probe {
            self.say(&done);
        }
    }

    fn omitted(&mut self) -> io::Result<()> {
        let counts = self.noise.take();
        if counts.is_empty() {
            return Ok(());
        }
        let time = self.clock.now().as_unix();
        let omitted = Omitted { time, sampled: counts.sampled.clone(), lost: counts.lost };
        let written = self.append([Entry::Omitted(omitted).to_json()].iter());
        if written.is_err() {
            self.noise.put_back(counts);
        }
        written
    }

    fn checkpoint(&mut self) -> io::Result<()> {
        // While it fails, one is written in any case, for the disk to take.
        if self.state.unsigned > 0 || self.state.is_failing {
            let entry = self.head.checkpoint(self.clock.now(), &self.key);
            self.append([entry.to_json()].iter())?;
        }
        (self.state.unsigned, self.state.checkpoint) = (0, Instant::now());
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        if !self.state.is_synced {
            self.file.sync()?;
            self.state.is_synced = true;
            self.progress.synced();
        }
        Ok(())
    }

    /// The chain goes on in the next file; the one before it ends with a checkpoint, and is on the disk. Where no next one can be
    /// begun, receipts go on being written to this one, and it is tried again as often as counts are told.
    fn rotate_if_due(&mut self) {
        let now = Instant::now();
        let is_soon = |failed| now.saturating_duration_since(failed) < TICK;
        if self.file.length() < self.file_size || self.state.unrotated.is_some_and(is_soon) {
            return;
        }
        let ended = self.checkpoint().and_then(|()| self.sync()).and_then(|()| self.file.in_place());
        if ended.is_err() {
            self.say(&ended);
            return;
        }
        let (line, head) = self.head.append(&Entry::Open(self.opening()).to_json());
        match self.file.rotate(head.seq(), format!("{line}\n").as_bytes()) {
            Ok(()) => {
                self.head = head;
                self.state.unsigned += 1;
                if self.state.unrotated.take().is_some() {
                    tracing::info!("the audit log goes on in its next file");
                }
            }
            Err(error) => {
                if self.state.unrotated.is_none() {
                    tracing::error!(%error, "the next file of the audit log cannot be begun: it goes on in this one");
                }
                self.state.unrotated = Some(now);
            }
        }
    }

    fn say(&mut self, done: &io::Result<()>) {
        match done {
            Err(error) if !self.state.is_failing => {
                tracing::error!(%error, "the audit log cannot be written");
                self.state.is_failing = true;
                self.progress.fails(true);
            }
            Ok(()) if self.state.is_failing && self.file.sync().is_ok() => {
                tracing::info!("the audit log is written again");
                self.state.is_failing = false;
                self.progress.fails(false);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test panics when it fails")]
mod tests {
    use std::fs;
    use std::path::Path;

    use envelope_core::receipt::Auditor;
    use envelope_core::{Algorithm, Timestamp, VerifyingKey};

    use super::*;
    use crate::server::audit::files::Resumed;

    fn writer(directory: &Path) -> Writer {
        let Resumed { file, head, torn } = LogFile::resume(directory).unwrap();
        assert_eq!(torn, None);
        let key = SigningKey::from_bytes(Algorithm::Ed25519, &[7; 32]).unwrap();
        let public = key.verifying_key().into();
        let mut writer = Writer {
            file,
            head,
            key,
            open: Open { time: 0, version: Open::VERSION.into(), key: public, issuer: None, torn },
            noise: Arc::new(Noise::new(Instant::now())),
            progress: Arc::new(Progress::new()),
            clock: Clock::new(|| Timestamp::from_unix(1_700_000_000)),
            file_size: 1 << 30,
            state: State::new(Instant::now()),
        };
        writer.begin(None).unwrap();
        writer
    }

    fn entry(number: u64) -> String {
        Entry::Omitted(Omitted { time: number, sampled: [].into(), lost: 1 }).to_json()
    }

    /// What an auditor reads in the log: when each line was written, and whether all are signed for.
    fn written(directory: &Path, key: &VerifyingKey) -> (Vec<u64>, u64) {
        let mut auditor = Auditor::new([key.thumbprint()]);
        let mut times = Vec::new();
        for file in fs::read_dir(directory).unwrap() {
            for line in fs::read_to_string(file.unwrap().path()).unwrap().lines() {
                if let Entry::Omitted(omitted) = auditor.line(line.as_bytes()).unwrap() {
                    times.push(omitted.time);
                }
            }
        }
        (times, auditor.tally().unsigned)
    }

    #[tokio::test]
    async fn what_waits_when_nobody_sends_any_more_is_written_and_signed_for() {
        let directory = tempfile::tempdir().unwrap();
        let (writer, mut awaited) = (writer(directory.path()), Vec::new());
        let (key, progress) = (writer.key.verifying_key().clone(), Arc::clone(&writer.progress));
        // More than are written at once, and none of them was taken before the last sender went.
        let count = 2 * u64::try_from(BATCH).unwrap() + 9;
        let (inbox, outbox) = mpsc::channel(1024);
        for number in 0..count {
            let (done, written) = oneshot::channel();
            awaited.push(written);
            inbox.send(Pending { entry: entry(number), kind: Kind::Awaited(done) }).await.unwrap();
        }
        drop(inbox);
        writer.run(outbox).await;
        for written in &mut awaited {
            assert_eq!(written.try_recv(), Ok(()));
        }
        assert_eq!(written(directory.path(), &key), ((0..count).collect(), 0));
        assert_eq!((progress.lost(), progress.lag()), (0, Duration::ZERO));
    }

    #[tokio::test]
    async fn a_receipt_that_is_too_long_is_counted_and_holds_up_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let writer = writer(directory.path());
        let (key, progress) = (writer.key.verifying_key().clone(), Arc::clone(&writer.progress));
        let (inbox, outbox) = mpsc::channel(8);
        for entry in [entry(1), "x".repeat(MAX_LINE - 127), entry(2)] {
            inbox.send(Pending { entry, kind: Kind::Receipt }).await.unwrap();
        }
        drop(inbox);
        writer.run(outbox).await;
        let (times, unsigned) = written(directory.path(), &key);
        // The last one says how many are missing.
        assert_eq!((times, unsigned), (vec![1, 2, 1_700_000_000], 0));
        assert_eq!(progress.lost(), 1);
    }

    #[tokio::test]
    async fn who_does_not_wait_any_more_has_no_line() {
        let directory = tempfile::tempdir().unwrap();
        let writer = writer(directory.path());
        let key = writer.key.verifying_key().clone();
        let (inbox, outbox) = mpsc::channel(8);
        let (done, waits) = oneshot::channel();
        for (number, done) in [(1, oneshot::channel().0), (2, done)] {
            inbox.send(Pending { entry: entry(number), kind: Kind::Awaited(done) }).await.unwrap();
        }
        drop(inbox);
        writer.run(outbox).await;
        assert_eq!(waits.await, Ok(()));
        assert_eq!(written(directory.path(), &key), (vec![2], 0));
    }

    #[tokio::test]
    async fn no_checkpoint_signs_for_more_lines_than_it_says() {
        let directory = tempfile::tempdir().unwrap();
        let writer = writer(directory.path());
        let key = writer.key.verifying_key().clone();
        let (inbox, outbox) = mpsc::channel(1024);
        let sending = async {
            // The first batch leaves one line of room.
            for number in 0..800 {
                inbox.send(Pending { entry: entry(number), kind: Kind::Receipt }).await.unwrap();
                if number == 254 {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
            drop(inbox);
        };
        tokio::join!(writer.run(outbox), sending);
        let (mut auditor, mut longest) = (Auditor::new([key.thumbprint()]), 0);
        let file = fs::read_dir(directory.path()).unwrap().next().unwrap().unwrap();
        for line in fs::read_to_string(file.path()).unwrap().lines() {
            auditor.line(line.as_bytes()).unwrap();
            longest = longest.max(auditor.tally().unsigned);
        }
        assert_eq!((longest, auditor.tally().lines), (CHECKPOINT_LINES, 2 + 800 + 4));
    }
}
