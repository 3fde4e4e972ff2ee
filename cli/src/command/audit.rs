//! `envelope audit`: verifies an audit log again, and shows what is in it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use envelope_core::pack_key;
use envelope_core::receipt::{Auditor, Entry, Flaw, Line, MAX_LINE, Receipt, Verdict};

use crate::args::{AuditShow, AuditVerify, Decision};
use crate::clock;
use crate::error::{AuditError, Error};
use crate::key_arg;
use crate::report::{self, Fact, Facts};

const UNFINISHED: &str = "the last line is not finished: the verifier was cut off, or is writing it";

pub(crate) fn verify(args: &AuditVerify) -> Result<(), Error> {
    let outcome = judge(args);
    if let (Err(Error::Audit(error)), true) = (&outcome, args.json.json) {
        // The exit status tells it, too, where stdout cannot be written.
        let _ = error.facts().print(true);
    }
    outcome
}

fn judge(args: &AuditVerify) -> Result<(), Error> {
    let keys = args.key.iter().map(|key| Ok(key_arg::read(key)?.thumbprint()));
    let mut auditor = Auditor::new(keys.collect::<Result<Vec<_>, Error>>()?);
    if let Some(head) = args.head {
        auditor = auditor.expecting(head);
    }
    let torn = each_line(&args.files, |line| auditor.line(line).map(|_| true))?;
    auditor.finish().map_err(|flaw| Error::Audit(AuditError { at: None, flaw }))?;
    if torn {
        report::tell(UNFINISHED);
    }
    let tally = auditor.tally();
    if tally.unsigned > 0 {
        report::tell("the verifier has not signed for the last lines, yet: see `unsigned`");
    }
    let number = Fact::Number;
    Facts::default()
        .with("valid", Fact::Flag(true))
        .with("lines", number(tally.lines))
        .with("first", number(tally.first))
        .and("head", auditor.head().map(|head| Fact::Text(head.to_string())))
        .and("signed_head", auditor.signed_head().map(|head| Fact::Text(head.to_string())))
        .with("allowed", number(tally.allowed))
        .with("denied", number(tally.denied))
        .with("proven", number(tally.proven))
        .with("withheld", number(tally.withheld))
        .with("sampled", number(tally.sampled))
        .with("lost", number(tally.lost))
        .with("torn", number(tally.torn + u64::from(torn)))
        .with("checkpoints", number(tally.checkpoints))
        .with("unsigned", number(tally.unsigned))
        .with("adopted", number(tally.adopted))
        .print(args.json.json)
}

pub(crate) fn show(args: &AuditShow) -> Result<(), Error> {
    let mut written = Ok(());
    let torn = each_line(&args.files, |bytes| {
        let line = Line::parse(bytes)?;
        let Entry::Receipt(receipt) = line.entry() else { return Ok(true) };
        if is_meant(args, receipt) {
            // What was parsed is text.
            let json = || report::json_text(&String::from_utf8_lossy(bytes));
            written = if args.json.json { json() } else { report::line(&text(receipt)) };
        }
        Ok(written.is_ok())
    })?;
    written?;
    if torn {
        report::tell(UNFINISHED);
    }
    Ok(())
}

fn is_meant(args: &AuditShow, receipt: &Receipt) -> bool {
    let decision = match args.decision {
        None => true,
        Some(Decision::Allow) => receipt.decision == Verdict::Allow,
        Some(Decision::Deny) => receipt.decision == Verdict::Deny,
    };
    let pack =
        |wanted: &String| receipt.pack.as_deref().is_some_and(|pack| pack_key(pack) == pack_key(wanted));
    decision
        && args.caller.as_ref().is_none_or(|wanted| receipt.identity.as_ref() == Some(wanted))
        && args.pack.as_ref().is_none_or(pack)
        && args.since.is_none_or(|since| receipt.time >= since.0.as_unix())
        && args.until.is_none_or(|until| receipt.time <= until.0.as_unix())
}

fn text(receipt: &Receipt) -> String {
    let or_none = |text: &Option<String>| text.as_deref().map_or_else(|| "-".into(), column);
    let time = clock::show(envelope_core::Timestamp::from_unix(receipt.time));
    let decision = receipt.code.as_deref().map_or_else(|| "allow".into(), column);
    let (who, pack, agent) = (or_none(&receipt.identity), or_none(&receipt.pack), or_none(&receipt.agent));
    let (peer, id) = (column(&receipt.peer), column(&receipt.id));
    format!("{time}  {decision}  {who}  {pack}  {agent}  {peer}  {id}")
}

/// In quotes where it could be read as another column, or as none: a caller chooses the name of the agent.
fn column(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:/@+".contains(&byte);
    if text.bytes().all(is_plain) && !matches!(text, "" | "-") {
        text.to_owned()
    } else {
        report::quoted(text)
    }
}

/// Shows every line of the files, without its end, for as long as whoever sees them wants more; says whether the last one has none.
fn each_line(files: &[PathBuf], mut see: impl FnMut(&[u8]) -> Result<bool, Flaw>) -> Result<bool, Error> {
    let mut line = Vec::new();
    for (index, path) in files.iter().enumerate() {
        let unreadable = |error| Error::io("cannot read", path, error);
        let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
        let mut number = 0;
        loop {
            line.clear();
            // A line that is being written can come in parts.
            while line.len() <= MAX_LINE && !line.ends_with(b"\n") {
                let rest = u64::try_from(MAX_LINE + 1 - line.len()).unwrap_or(u64::MAX);
                if file.by_ref().take(rest).read_until(b'\n', &mut line).map_err(unreadable)? == 0 {
                    break;
                }
            }
            if line.is_empty() {
                break;
            }
            number += 1;
            let flawed = |flaw| Error::Audit(AuditError { at: Some((path.clone(), number)), flaw });
            match line.strip_suffix(b"\n") {
                Some(line) if see(line).map_err(flawed)? => {}
                Some(_) => return Ok(false),
                // Only where a log ends can it have been cut off.
                None if line.len() <= MAX_LINE && index + 1 == files.len() => return Ok(true),
                None => return Err(flawed(Flaw::Unreadable)),
            }
        }
    }
    Ok(false)
}

impl AuditError {
    fn facts(&self) -> Facts {
        let at = self.at.as_ref();
        Facts::default()
            .with("valid", Fact::Flag(false))
            .and("file", at.map(|(path, _)| Fact::Text(shown(path))))
            .and("line", at.map(|(_, line)| Fact::Number(*line)))
            .with("detail", Fact::Text(self.flaw.to_string()))
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
