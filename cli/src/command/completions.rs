//! `envelope completions`: from the same definition as the command line.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Cli;
use crate::error::Error;
use crate::report;

pub(crate) fn run(shell: Shell) -> Result<(), Error> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "envelope", &mut text);
    report::data(&text)
}
