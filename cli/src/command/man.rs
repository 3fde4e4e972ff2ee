//! `envelope man`: from the same definition as the command line.

use std::fs;
use std::path::Path;

use clap::CommandFactory;

use crate::args::Cli;
use crate::error::Error;
use crate::report;

pub(crate) fn run(out: Option<&Path>) -> Result<(), Error> {
    let Some(out) = out else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command()).render(&mut page).map_err(Error::Stdout)?;
        return report::data(&page);
    };
    let written = fs::create_dir_all(out).and_then(|()| clap_mangen::generate_to(Cli::command(), out));
    written.map_err(|error| Error::io("cannot write to", out, error))
}
