//! `envelope-verifier report`: who calls what, and by which credential, from the log (`spec/packs.md`, section 7).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write, stdin, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;
use serde_json::{Map, Value};

use super::config::ConfigError;

/// Longer lines are none of this program's.
const MAX_LINE: u64 = 64 << 10;

/// Calls of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Calls {
    count: u64,
    first: String,
    last: String,
}

/// What stands for the credential of somebody who is known, and gets in only because anybody does.
const REFUSED: &str = "refused";

/// Who calls what: pack, credential, and identity, or where nobody is known the address.
type Who = (String, String, String);

/// What a log says.
#[derive(Debug, Default)]
struct Report {
    calls: BTreeMap<Who, Calls>,
    /// Lines that say who was let in.
    lines: u64,
}

/// Reads logs and prints what they say.
///
/// # Errors
/// A log that cannot be read, or says nothing of calls.
pub fn run(logs: &[PathBuf], json: bool) -> Result<ExitCode, ConfigError> {
    let mut report = Report::default();
    for path in logs {
        let unreadable = |error: io::Error| {
            ConfigError::new(
                format!("{}: {error}", path.display()),
                "name the log of `envelope-verifier serve`",
            )
        };
        if path == Path::new("-") {
            report.read(stdin().lock()).map_err(unreadable)?;
        } else {
            report.read(BufReader::new(File::open(path).map_err(unreadable)?)).map_err(unreadable)?;
        }
    }
    if report.lines == 0 {
        return Err(ConfigError::new(
            "the log says of no call that it was let in",
            "it is what `envelope-verifier serve` writes to stderr at the level info",
        ));
    }
    let text = if json { report.json() } else { report.text() };
    // A reader that has seen enough is no error.
    let _ = stdout().lock().write_all(text.as_bytes());
    Ok(if report.is_safe() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

impl Report {
    fn read(&mut self, mut log: impl BufRead) -> io::Result<()> {
        let mut line = Vec::new();
        loop {
            line.clear();
            if log.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            let text = String::from_utf8_lossy(&line);
            let event = if text.starts_with('{') { of_json(&text) } else { of_text(&text) };
            if let Some((time, fields)) = event {
                self.add(time, &fields);
            }
        }
    }

    fn add(&mut self, time: String, fields: &BTreeMap<String, String>) {
        let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
        let credential = field("credential");
        if credential.is_empty() {
            return;
        }
        self.lines += 1;
        let who = if credential == "none" { field("client") } else { field("identity") };
        let credential = if field("required") == "refused" { REFUSED.into() } else { credential };
        let calls = self.calls.entry((field("pack"), credential, who));
        let calls = calls.or_insert_with(|| Calls { count: 0, first: time.clone(), last: time.clone() });
        calls.count += 1;
        // Several logs may be given in any order; times are written so that they compare as text.
        if time < calls.first {
            calls.first.clone_from(&time);
        }
        if time > calls.last {
            calls.last = time;
        }
    }

    fn by(&self, credential: &'static str) -> impl Iterator<Item = (&Who, &Calls)> {
        self.calls.iter().filter(move |((_, known, _), _)| known == credential)
    }

    fn text(&self) -> String {
        let mut text = String::new();
        let heads = [
            ("none", "Without a credential; --auth-required refuses these:"),
            (
                REFUSED,
                "With a credential, and no rule lets them in once auth is required (envelope pack allow PACK WHO):",
            ),
            ("token", "With the token of a pack only:"),
            ("identity", "With a token of the identity provider:"),
            ("login", "With an envelope, by a login:"),
            ("signed", "With an envelope:"),
        ];
        for (credential, head) in heads {
            let mut lines = self.by(credential).peekable();
            if lines.peek().is_none() {
                continue;
            }
            text.push_str(head);
            text.push('\n');
            for ((pack, _, who), Calls { count, first, last }) in lines {
                let pack = if pack.is_empty() { "(no pack)" } else { pack };
                text.push_str(&format!(
                    "  {}  {}  {count} calls, {first} to {last}\n",
                    plain(pack),
                    plain(who)
                ));
            }
        }
        let (open, refused) = (self.by("none").count(), self.by(REFUSED).count());
        text.push_str(&match (open, refused) {
            (0, 0) => "--auth-required refuses nobody who is in this log.\n".to_owned(),
            (0, refused) => format!("Everybody shows a credential; the rules would refuse {refused}.\n"),
            (open, 0) => format!("Callers that show no credential yet: {open}.\n"),
            (open, refused) => {
                format!(
                    "Callers that show no credential yet: {open}; that the rules would refuse: {refused}.\n"
                )
            }
        });
        text
    }

    /// Whether everybody who was let in would be with `--auth-required`, too.
    fn is_safe(&self) -> bool {
        self.by("none").chain(self.by(REFUSED)).next().is_none()
    }

    fn json(&self) -> String {
        let calls = self.calls.iter().map(|((pack, credential, who), calls)| {
            serde_json::json!({
                "pack": (!pack.is_empty()).then_some(pack),
                "credential": credential,
                "who": who,
                "calls": calls.count,
                "first": calls.first,
                "last": calls.last,
            })
        });
        let calls: Vec<Value> = calls.collect();
        let safe = self.is_safe();
        format!("{}\n", serde_json::json!({ "calls": calls, "auth_required_refuses_nobody": safe }))
    }
}

/// What a log repeats was said by clients: a terminal is told none of its control characters.
fn plain(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}

type Event = (String, BTreeMap<String, String>);

/// A line of the JSON log that says that somebody was let in.
fn of_json(line: &str) -> Option<Event> {
    let line: Map<String, Value> = serde_json::from_str(line).ok()?;
    if line.get("message")?.as_str()? != "allowed" {
        return None;
    }
    let time = line.get("timestamp")?.as_str()?.to_owned();
    let text = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
    Some((time, line.iter().filter_map(text).collect()))
}

/// The same of the log for people: the time, the level, `allowed`, and fields.
fn of_text(line: &str) -> Option<Event> {
    let (time, rest) = line.split_once(' ')?;
    let rest = rest.trim_start().strip_prefix("INFO ")?;
    // Older logs do not say which request it was.
    let rest = match rest.strip_prefix("request{id=") {
        Some(request) => request.split_once("}: ")?.1,
        None => rest,
    };
    let rest = rest.strip_prefix("allowed ")?;
    let mut fields = BTreeMap::new();
    let mut rest = rest.trim_end();
    while let Some((name, value)) = rest.split_once('=') {
        let (value, after) = if value.starts_with('"') {
            let mut texts = serde_json::Deserializer::from_str(value).into_iter::<String>();
            let text = texts.next()?.ok()?;
            (text, value.get(texts.byte_offset()..)?)
        } else {
            let end = value.find(' ').unwrap_or(value.len());
            (value.get(..end)?.to_owned(), value.get(end..)?)
        };
        fields.insert(name.to_owned(), value);
        rest = after.trim_start();
    }
    Some((time.to_owned(), fields))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test panics when it fails")]
mod tests {
    use super::*;

    const TEXT: &str = concat!(
        "envelope-verifier: listening on http://127.0.0.1:7998\n",
        "2026-01-01T00:00:02.000000Z  INFO allowed credential=\"none\" pack=\"p1\" client=192.0.2.1\n",
        "2026-01-01T00:00:01.000000Z  INFO allowed credential=\"none\" pack=\"p1\" client=192.0.2.1\n",
        "2026-01-01T00:00:03.000000Z  INFO refused code=unauthenticated detail=\"allowed credential=\\\"none\\\"\"\n",
        "2026-01-01T00:00:04.000000Z  INFO allowed credential=\"signed\" pack=\"\" identity=alice client=::1 keyid=x\n",
    );
    const JSON: &str = concat!(
        r#"{"timestamp":"2026-01-01T00:00:05Z","level":"INFO","message":"allowed","credential":"token","pack":"p1","identity":"pack:p1/default/1","client":"::1"}"#,
        "\n",
        r#"{"timestamp":"2026-01-01T00:00:06Z","level":"INFO","message":"refused","credential":"none"}"#,
        "\nnot json\n{\n",
    );

    #[test]
    fn a_log_says_who_calls_by_what() {
        let mut report = Report::default();
        report.read(TEXT.as_bytes()).unwrap();
        report.read(JSON.as_bytes()).unwrap();
        assert_eq!(report.lines, 4);
        let who = |pack: &str, credential: &str, who: &str| (pack.into(), credential.into(), who.into());
        let none = report.calls.get(&who("p1", "none", "192.0.2.1")).unwrap();
        assert_eq!(none.count, 2);
        assert_eq!(
            (none.first.as_str(), none.last.as_str()),
            ("2026-01-01T00:00:01.000000Z", "2026-01-01T00:00:02.000000Z")
        );
        assert_eq!(report.calls.get(&who("", "signed", "alice")).unwrap().count, 1);
        assert_eq!(report.calls.get(&who("p1", "token", "pack:p1/default/1")).unwrap().count, 1);
        assert_eq!(report.calls.len(), 3);
        assert!(report.text().contains("Callers that show no credential yet: 1.\n"), "{}", report.text());
        assert!(report.json().contains("\"auth_required_refuses_nobody\":false"));
    }

    #[test]
    fn when_everybody_shows_a_credential_the_switch_is_safe() {
        let mut report = Report::default();
        report.read(JSON.as_bytes()).unwrap();
        assert!(report.text().ends_with("refuses nobody who is in this log.\n"), "{}", report.text());
        assert!(report.json().contains("\"auth_required_refuses_nobody\":true"));
        let lost = r#"{"timestamp":"2026-01-01T00:00:07Z","message":"allowed","credential":"signed","pack":"p1","identity":"bob","required":"refused"}"#;
        report.read(lost.as_bytes()).unwrap();
        assert!(!report.is_safe());
        assert!(
            report.text().contains("no rule lets them in") && report.text().contains("  p1  bob  1 calls")
        );
        assert!(report.json().contains("\"auth_required_refuses_nobody\":false"));
    }
}
