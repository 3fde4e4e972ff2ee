//! What is said, and how.
//!
//! Data goes to stdout, talk to stderr. Talk is `envelope: error: …` and then, where something may help, `envelope: hint: …`;
//! it starts in lower case and ends without a full stop. With `--json` facts are one JSON object on one line. Text from
//! others is shown with its control characters escaped, so that it cannot speak to the terminal.

use std::io::{self, Write};
use std::process::ExitCode;

use envelope_core::Timestamp;
use serde_json::{Map, Value};

use crate::clock;
use crate::error::Error;

/// The end of the program.
pub(crate) fn outcome(outcome: Result<(), Error>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(problem) => {
            error(&problem, problem.hint());
            ExitCode::from(problem.exit_status())
        }
    }
}

/// Says what went wrong, and what may help.
pub(crate) fn error(error: &Error, hint: Option<String>) {
    talk("error", &error.to_string());
    if let Some(hint) = hint {
        hint_that(&hint);
    }
}

/// With `--json` programs are told of a refusal on stdout, too. What decides is the exit status: where stdout cannot be
/// written that stays as it is.
pub(crate) fn refusal(outcome: &Result<(), Error>, json: bool) {
    if let (Err(Error::Refused(refusal)), true) = (outcome, json) {
        let facts = Facts::default()
            .with("valid", Fact::Flag(false))
            .with("code", refusal.code().as_str())
            .with("detail", refusal.detail());
        let _ = facts.print(true);
    }
}

/// The command line cannot be read, or asked for help.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    let text = error.render();
    if error.use_stderr() {
        // clap starts with "error: ", except where it prints the help.
        let prefix = if text.to_string().starts_with("error:") { "envelope: " } else { "" };
        let _ = write!(io::stderr(), "{prefix}{text}");
        ExitCode::from(2)
    } else {
        outcome(data(text.to_string().as_bytes()))
    }
}

/// Says what may help.
pub(crate) fn hint_that(hint: &str) {
    talk("hint", hint);
}

/// Says something that is neither an error nor a hint.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "envelope: {text}");
}

/// Asks whoever is at the terminal; the answer goes on the same line.
pub(crate) fn ask(question: &str) {
    let _ = write!(io::stderr(), "envelope: {question}");
    let _ = io::stderr().flush();
}

/// Where talk cannot be written, nobody can be told so either.
fn talk(kind: &str, text: &str) {
    let _ = writeln!(io::stderr(), "envelope: {kind}: {text}");
}

/// Writes to stdout.
pub(crate) fn data(bytes: &[u8]) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(Error::Stdout)
}

/// Writes a line to stdout.
pub(crate) fn line(text: &str) -> Result<(), Error> {
    data(format!("{text}\n").as_bytes())
}

/// Writes JSON on a line. What JSON lets stand as it is and a terminal would follow is escaped.
pub(crate) fn json_line(value: &Value) -> Result<(), Error> {
    line(&printable_json(value))
}

/// The same for JSON that is text already, and whose members stay in their order.
pub(crate) fn json_text(json: &str) -> Result<(), Error> {
    line(&printable_json_text(json))
}

/// A text as JSON has it, which no terminal follows and in which no quote ends it.
pub(crate) fn quoted(text: &str) -> String {
    printable_json(&Value::from(text))
}

fn printable_json(value: &Value) -> String {
    printable_json_text(&value.to_string())
}

fn printable_json_text(json: &str) -> String {
    let mut text = String::new();
    for character in json.chars() {
        // serde_json escapes what is below U+0020, and strings alone hold what is beyond U+007E.
        if matches!(character, ' '..='~') || (!character.is_ascii() && character.is_alphanumeric()) {
            text.push(character);
        } else {
            let mut units = [0; 2];
            character
                .encode_utf16(&mut units)
                .iter()
                .for_each(|unit| text.push_str(&format!("\\u{unit:04x}")));
        }
    }
    text
}

/// One fact.
#[derive(Debug)]
pub(crate) enum Fact {
    Text(String),
    Number(u64),
    Flag(bool),
    Time(Timestamp),
    List(Vec<String>),
    /// A list that takes a line for each of its entries.
    Lines(Vec<String>),
    Json(Value),
}

impl From<&str> for Fact {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

/// Facts, in the order in which they are told: lines for people, one object for programs.
#[derive(Debug, Default)]
pub(crate) struct Facts(Vec<(&'static str, Fact)>);

impl Facts {
    /// Adds a fact.
    pub(crate) fn with(mut self, name: &'static str, fact: impl Into<Fact>) -> Self {
        self.0.push((name, fact.into()));
        self
    }

    /// Adds a fact where there is one.
    pub(crate) fn and(self, name: &'static str, fact: Option<Fact>) -> Self {
        match fact {
            Some(fact) => self.with(name, fact),
            None => self,
        }
    }

    /// The facts as a JSON object; times are in seconds since 1970.
    pub(crate) fn to_json(&self) -> Value {
        let member = |(name, fact): &(&'static str, Fact)| {
            let value = match fact {
                Fact::Text(text) => Value::from(text.as_str()),
                Fact::Number(number) => Value::from(*number),
                Fact::Flag(flag) => Value::from(*flag),
                Fact::Time(time) => Value::from(time.as_unix()),
                Fact::List(list) | Fact::Lines(list) => Value::from(list.clone()),
                Fact::Json(value) => value.clone(),
            };
            ((*name).to_owned(), value)
        };
        Value::Object(self.0.iter().map(member).collect::<Map<_, _>>())
    }

    /// The facts as lines: `prefix`, the name, the value.
    pub(crate) fn to_text(&self, prefix: &str) -> String {
        let width = self.0.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 2;
        let mut text = String::new();
        for (name, fact) in &self.0 {
            let name = name.replace('_', " ");
            let mut line =
                |value: &str| text.push_str(&format!("{prefix}{name:width$}{}\n", printable(value)));
            match fact {
                Fact::Text(text) => line(text),
                Fact::Number(number) => line(&number.to_string()),
                Fact::Flag(flag) => line(if *flag { "yes" } else { "no" }),
                Fact::Time(time) => line(&clock::show(*time)),
                Fact::List(list) => line(&list.join(" ")),
                Fact::Lines(list) => list.iter().for_each(|entry| line(entry)),
                Fact::Json(value) => line(&value.to_string()),
            }
        }
        text
    }

    /// Prints them.
    pub(crate) fn print(&self, json: bool) -> Result<(), Error> {
        if json { json_line(&self.to_json()) } else { data(self.to_text("").as_bytes()) }
    }
}

/// The text with everything escaped that is not a letter, a digit or printable ASCII.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii_graphic()
            || character == ' '
            || (!character.is_ascii() && character.is_alphanumeric())
        {
            shown.push(character);
        } else {
            shown.extend(character.escape_default());
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_others_cannot_speak_to_the_terminal() {
        assert_eq!(printable("a b'c\\d ä"), "a b'c\\d ä");
        let json = Value::from("a \"ä\" \u{1b}[2J\u{9b}\u{202e}\u{7f}\u{e0001}");
        let text = printable_json(&json);
        assert_eq!(text, r#""a \"ä\" \u001b[2J\u009b\u202e\u007f\udb40\udc01""#);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), json);
        assert_eq!(printable("\u{1b}[2J\n\r\0\u{9b}\u{202e}"), "\\u{1b}[2J\\n\\r\\u{0}\\u{9b}\\u{202e}");
    }
}
