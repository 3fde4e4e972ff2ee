//! The audit log: every decision is a line of a chain, with what proves it (`spec/receipts.md`).
//!
//! A request's own task makes the receipt, a bounded channel takes it, and one thread writes. What is let through waits until its
//! receipt is with the operating system; that it is on the disk, nobody waits for.

mod files;
mod noise;
mod progress;
mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use envelope_core::receipt::{Entry, Evidence, LoginIssuer, Open, Receipt, Verdict};
use envelope_core::{Caller, Code, Refusal, Standing, Timestamp, Trust, VerifyingKey};
use http::request::Parts;
use tokio::sync::{mpsc, oneshot};

use self::files::{LogFile, Resumed};
use self::noise::{Noise, Sender};
use self::progress::Progress;
use self::writer::{Kind, Pending, Writer};
use super::config::ConfigError;
use super::flags::AuditMode;
use super::issuer::own_key;
use super::known::Known;
use super::routes::App;
use crate::clock::Clock;
use crate::witness::{Seen, Step, Who, Witness};

/// How many lines may wait for the writer.
const WAITING: usize = 1024;
/// How long a request waits for room among them, and for its line then.
const ROOM: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(5);

const UNAVAILABLE: Refusal =
    Refusal::new(Code::AuditUnavailable, "the receipt of the request cannot be written now");

/// How the log is kept.
#[derive(Clone, Copy, Debug)]
pub struct AuditConfig {
    /// What becomes of a request whose receipt cannot be written.
    pub mode: AuditMode,
    /// How long a file may be, in bytes.
    pub file_size: u64,
}

/// The log of this verifier.
#[derive(Debug)]
pub struct Audit {
    mode: AuditMode,
    key: VerifyingKey,
    inbox: Mutex<Option<mpsc::Sender<Pending>>>,
    noise: Arc<Noise>,
    progress: Arc<Progress>,
    ended: Mutex<Option<oneshot::Receiver<()>>>,
    clock: Clock,
}

impl Audit {
    /// Goes on with the log in a data directory, or begins it.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn open(
        data_dir: &Path,
        config: AuditConfig,
        known: &Known,
        clock: &Clock,
    ) -> Result<Self, ConfigError> {
        let directory = data_dir.join("audit");
        let key = own_key(&data_dir.join("audit.pem"))?;
        let public = key.verifying_key().clone();
        let Resumed { file, head, torn } = LogFile::resume(&directory)?;
        let issuer = known
            .issuer_key()
            .map(|issuer| LoginIssuer { url: known.url().to_owned(), key: (&**issuer.public()).into() });
        let open = Open { time: 0, version: Open::VERSION.into(), key: (&public).into(), issuer, torn: None };
        let noise = Arc::new(Noise::new(Instant::now()));
        let progress = Arc::new(Progress::new());
        let mut writer = Writer {
            file,
            head,
            key,
            open,
            noise: Arc::clone(&noise),
            progress: Arc::clone(&progress),
            clock: clock.clone(),
            file_size: config.file_size,
            state: writer::State::new(Instant::now()),
        };
        let cannot = |what: String| ConfigError::new(what, "make room on the disk of --data-dir");
        writer.begin(torn).map_err(|error| cannot(format!("{}: {error}", directory.display())))?;
        if let Some(torn) = torn {
            tracing::warn!(bytes = torn, "the audit log ended in the middle of a line, which was taken out");
        }
        let (inbox, outbox) = mpsc::channel(WAITING);
        let (end, ended) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.map_err(|error| cannot(format!("no thread for the audit log: {error}")))?;
        let thread = std::thread::Builder::new().name("audit".into());
        let thread = thread.spawn(move || {
            runtime.block_on(writer.run(outbox));
            // Whoever waited has gone otherwise.
            let _ = end.send(());
        });
        thread.map_err(|error| cannot(format!("no thread for the audit log: {error}")))?;
        Ok(Self {
            mode: config.mode,
            key: public,
            inbox: Mutex::new(Some(inbox)),
            noise,
            progress,
            ended: Mutex::new(Some(ended)),
            clock: clock.clone(),
        })
    }

    /// How far the writer is.
    pub(super) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// How many lines wait for the writer.
    pub(super) fn waiting(&self) -> usize {
        self.inbox().map_or(0, |inbox| inbox.max_capacity() - inbox.capacity())
    }

    /// Whether nothing goes on without a receipt.
    pub(super) fn is_required(&self) -> bool {
        self.mode == AuditMode::Required
    }

    /// The key that signs the checkpoints.
    #[must_use]
    pub const fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// Ends the log with a checkpoint. What is decided afterwards has no receipt, and so is refused where one is required.
    pub async fn close(&self) {
        drop(self.inbox.lock().unwrap_or_else(PoisonError::into_inner).take());
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ended) = ended {
            // The writer has gone: then there is nothing to wait for.
            let _ = ended.await;
        }
    }

    fn inbox(&self) -> Option<mpsc::Sender<Pending>> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes a receipt before the request goes on.
    async fn write(&self, receipt: Receipt) -> Result<(), Refusal> {
        let entry = Entry::Receipt(receipt).to_json();
        let inbox = self.inbox();
        if self.mode == AuditMode::BestEffort {
            let sent = inbox.map(|inbox| inbox.try_send(Pending { entry, kind: Kind::Receipt }).is_ok());
            if sent != Some(true) {
                self.noise.lose();
                self.progress.lose();
            }
            return Ok(());
        }
        let (done, written) = oneshot::channel();
        let pending = Pending { entry, kind: Kind::Awaited(done) };
        inbox.ok_or(UNAVAILABLE)?.send_timeout(pending, ROOM).await.map_err(|_| UNAVAILABLE)?;
        match tokio::time::timeout(PATIENCE, written).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(UNAVAILABLE),
        }
    }

    /// A refusal of what anybody can send: it holds nobody up.
    fn note(&self, sender: Sender, code: Code, receipt: impl FnOnce() -> Receipt) {
        if !self.noise.may_write(sender, code, Instant::now()) {
            return;
        }
        self.put(code, receipt());
    }

    /// Has a line written if it can be, and else counted.
    fn put(&self, code: Code, receipt: Receipt) {
        let entry = Entry::Receipt(receipt).to_json();
        let pending = Pending { entry, kind: Kind::Noise(code) };
        if self.inbox().is_none_or(|inbox| inbox.try_send(pending).is_err()) {
            self.noise.count(code);
        }
    }

    /// Writes down what was refused.
    ///
    /// # Errors
    /// [`Code::AuditUnavailable`] for somebody who is known, where that cannot be written and must be.
    pub(super) async fn refused(
        &self,
        known: &Known,
        witness: &Witness,
        refusal: Refusal,
    ) -> Result<(), Refusal> {
        let code = refusal.code();
        let receipt = {
            let seen = witness.seen();
            let receipt = || receipt(known, &seen, Verdict::Deny, Some(code), self.clock.now());
            let sender = match &seen.who {
                Who::Nobody => Some(Sender::Nobody),
                Who::Signed(..) => Some(Sender::Copy),
                // It may be written already that they were let through; and it is nothing to wait for again.
                Who::Caller(..) if code == Code::AuditUnavailable => {
                    self.put(code, receipt());
                    return Ok(());
                }
                Who::Caller(..) => None,
            };
            if let Some(sender) = sender {
                self.note(sender, code, receipt);
                return Ok(());
            }
            receipt()
        };
        self.write(receipt).await
    }
}

/// Writes the receipt of a request that goes on, before it does.
///
/// # Errors
/// [`Code::AuditUnavailable`] where a receipt is required and cannot be written; [`Code::Revoked`] for a registered call key that has
/// ended meanwhile: without it nothing would prove the receipt.
pub(super) async fn allow(app: &App, head: &Parts, caller: Option<&Caller>) -> Result<(), Refusal> {
    let (Some(audit), Some(witness)) = (app.audit(), Witness::of(head)) else { return Ok(()) };
    Witness::caller(head, caller);
    let receipt = receipt(app.known(), &witness.seen(), Verdict::Allow, None, audit.clock.now());
    if caller.is_some_and(|caller| caller.call().is_some()) && receipt.envelope.is_none() {
        return Err(Refusal::new(Code::Revoked, "the key has been revoked"));
    }
    audit.write(receipt).await?;
    Witness::passed(head, Step::Receipt);
    Ok(())
}

fn receipt(known: &Known, seen: &Seen, decision: Verdict, code: Option<Code>, now: Timestamp) -> Receipt {
    let (call, at, identity) = match &seen.who {
        Who::Nobody => (None, None, None),
        Who::Signed(call, at) => (Some(&**call), Some(*at), Some(call.identity())),
        Who::Caller(caller, at) => (caller.call(), *at, Some(caller.identity())),
    };
    let envelope = call.and_then(|call| {
        let registered = match call.certificate() {
            Some(_) => None,
            None => match known.standing(&call.keyid()) {
                Standing::CallKey { key, .. } => Some(key),
                _ => return None,
            },
        };
        Some(Evidence::of(call, registered.as_deref()))
    });
    Receipt {
        time: at.unwrap_or(now).as_unix(),
        id: seen.id.clone(),
        decision,
        code: code.map(|code| code.as_str().to_owned()),
        identity: identity.map(ToString::to_string),
        keyid: call.filter(|_| envelope.is_some()).map(|call| call.keyid().to_string()),
        pack: seen.pack.clone(),
        agent: seen.agent.clone(),
        peer: seen.peer.to_string(),
        micros: u64::try_from(seen.arrived.elapsed().as_micros()).unwrap_or(u64::MAX),
        envelope,
    }
}
