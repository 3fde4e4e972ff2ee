//! Checking a log from end to end.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::RefCell;

use super::{Entry, Flaw, Head, Line, LoginIssuer, Open, Receipt, Verdict};
use crate::certificate::Certificate;
use crate::key::{Thumbprint, VerifyingKey};
use crate::login::Issuer;
use crate::verify::CertificateCache;

/// Is shown every line of a log, in order, and says of the first that is not what was written.
#[derive(Debug)]
pub struct Auditor {
    keys: Vec<Thumbprint>,
    noted: Option<Head>,
    seen_noted: bool,
    head: Option<Head>,
    signed: Option<Head>,
    key: Option<VerifyingKey>,
    issuers: Vec<Issuer>,
    certificates: Kept,
    tally: Tally,
}

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// The number of the first line.
    pub first: u64,
    /// How many lines there are.
    pub lines: u64,
    /// Receipts of what was let through.
    pub allowed: u64,
    /// Receipts of what was refused.
    pub denied: u64,
    /// Receipts whose envelope was verified again.
    pub proven: u64,
    /// Receipts whose envelope covers a credential that is withheld, so that its signature cannot be verified.
    pub withheld: u64,
    /// Refusals that were only counted.
    pub sampled: u64,
    /// Receipts that could not be written.
    pub lost: u64,
    /// How often a line was not finished, and taken out when the verifier began anew.
    pub torn: u64,
    /// Checkpoints.
    pub checkpoints: u64,
    /// Lines behind the last checkpoint: the verifier's key has not signed for them, and whoever can write the file may have.
    pub unsigned: u64,
    /// Lines that a verifier found behind its last checkpoint when it began anew, as it does after a crash: it has signed for them
    /// since, and does not know that they are its own.
    pub adopted: u64,
}

/// The most lines without a checkpoint (spec, A11): four times what a verifier writes, since one that crashes leaves as many, and several
/// on end some more.
const MAX_UNSIGNED: u64 = 1024;

impl Auditor {
    /// An auditor of the log of a verifier, by the thumbprint of its key; several, where it had one after the other.
    pub fn new(keys: impl IntoIterator<Item = Thumbprint>) -> Self {
        Self {
            keys: keys.into_iter().collect(),
            noted: None,
            seen_noted: false,
            head: None,
            signed: None,
            key: None,
            issuers: Vec::new(),
            certificates: Kept::default(),
            tally: Tally::default(),
        }
    }

    /// The same for a log that must have a line that somebody has noted elsewhere.
    #[must_use]
    pub const fn expecting(mut self, noted: Head) -> Self {
        self.noted = Some(noted);
        self
    }

    /// The next line, without its end.
    ///
    /// # Errors
    /// What is wrong with it, or with the one before it.
    pub fn line(&mut self, line: &[u8]) -> Result<Entry, Flaw> {
        let Line { before, here, entry } = Line::parse(line)?;
        match self.head {
            None if before.seq == 0 && before != Head::START => return Err(Flaw::Chain),
            Some(head) if head.seq != before.seq => return Err(Flaw::Sequence),
            Some(head) if head != before => return Err(Flaw::Chain),
            _ => {}
        }
        if self.noted.is_some_and(|noted| noted.seq == here.seq) {
            if self.noted != Some(here) {
                return Err(Flaw::Noted);
            }
            self.seen_noted = true;
        }
        if self.head.is_none() {
            self.tally.first = here.seq;
            // What was noted may be the end of a file that is not here: the first line names it.
            if self.noted.is_some_and(|noted| noted.seq == before.seq) {
                if self.noted != Some(before) {
                    return Err(Flaw::Noted);
                }
                self.seen_noted = true;
            }
        }
        self.tally.unsigned += 1;
        let is_early = matches!(entry, Entry::Receipt(_)) && self.tally.first == 1 && self.signed.is_none();
        let is_late = !matches!(entry, Entry::Checkpoint(_)) && self.tally.unsigned > MAX_UNSIGNED;
        if is_early || is_late {
            return Err(Flaw::Unsigned);
        }
        match &entry {
            Entry::Open(open) => self.open(open)?,
            Entry::Receipt(receipt) => self.receipt(receipt)?,
            Entry::Omitted(omitted) => {
                let sampled = omitted.sampled.values().fold(0, |sum: u64, count| sum.saturating_add(*count));
                self.tally.sampled = self.tally.sampled.saturating_add(sampled);
                self.tally.lost = self.tally.lost.saturating_add(omitted.lost);
            }
            Entry::Checkpoint(checkpoint) => {
                checkpoint.verify(&before, self.key.as_ref().ok_or(Flaw::Key)?)?;
                self.tally.checkpoints += 1;
                self.tally.unsigned = 0;
                self.signed = Some(here);
            }
        }
        // What does not say whose it is, nobody's checkpoints hold.
        if self.key.is_none() {
            return Err(Flaw::Key);
        }
        self.tally.lines += 1;
        self.head = Some(here);
        Ok(entry)
    }

    /// Where the log ends, so far.
    #[must_use]
    pub const fn head(&self) -> Option<Head> {
        self.head
    }

    /// The last checkpoint, so far: what the verifier has signed for ends there, and is not written anew after a power cut as what
    /// lies behind it may be. This is the one to note.
    #[must_use]
    pub const fn signed_head(&self) -> Option<Head> {
        self.signed
    }

    /// What was found so far.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The end of the log.
    ///
    /// # Errors
    /// [`Flaw::Empty`] when no line has come, [`Flaw::Noted`] when the line that was noted has not.
    pub fn finish(&self) -> Result<(), Flaw> {
        match self.noted {
            _ if self.head.is_none() => Err(Flaw::Empty),
            Some(_) if !self.seen_noted => Err(Flaw::Noted),
            _ => Ok(()),
        }
    }

    fn open(&mut self, open: &Open) -> Result<(), Flaw> {
        let key = open.key.key().map_err(|_| Flaw::Key)?;
        if open.version != Open::VERSION || !self.keys.contains(&key.thumbprint()) {
            return Err(Flaw::Key);
        }
        key.prepare();
        self.key = Some(key);
        // But for this one.
        self.tally.adopted += self.tally.unsigned.saturating_sub(1);
        self.tally.torn += u64::from(open.torn.is_some());
        if let Some(LoginIssuer { url, key }) = &open.issuer {
            let key = Arc::new(key.key().map_err(Flaw::Envelope)?);
            // Each of them has said so until it says otherwise; certificates that are kept are those of this issuer.
            self.issuers = alloc::vec![Issuer { url: url.as_str().into(), key }];
        }
        Ok(())
    }

    fn receipt(&mut self, receipt: &Receipt) -> Result<(), Flaw> {
        receipt.check()?;
        match receipt.decision {
            Verdict::Allow => self.tally.allowed += 1,
            Verdict::Deny => self.tally.denied += 1,
        }
        let Some(evidence) = &receipt.envelope else { return Ok(()) };
        evidence.check(receipt, &self.issuers, &self.certificates)?;
        match evidence.withheld.is_empty() {
            true => self.tally.proven += 1,
            false => self.tally.withheld += 1,
        }
        Ok(())
    }
}

/// Certificates that have verified: a call key signs many requests.
#[derive(Debug, Default)]
struct Kept(RefCell<BTreeMap<String, Arc<Certificate>>>);

/// How many are kept before all are forgotten.
const KEPT: usize = 4096;

impl CertificateCache for Kept {
    fn recall(&self, jws: &str) -> Option<Arc<Certificate>> {
        self.0.borrow().get(jws).cloned()
    }

    fn keep(&self, certificate: Certificate) -> Arc<Certificate> {
        let certificate = Arc::new(certificate);
        let mut kept = self.0.borrow_mut();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(certificate.as_str().into(), Arc::clone(&certificate));
        certificate
    }
}
