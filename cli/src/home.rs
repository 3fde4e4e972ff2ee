//! Where keys live.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::private_dir::PrivateDir;

/// The directories: what is in `run` is made again whenever it is missing, the others stay.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    pub(crate) identities: PrivateDir,
    /// Keys that are to take the place of one of those.
    pub(crate) next: PrivateDir,
    /// Keys that have a successor, and may be needed yet; by their keyid.
    pub(crate) retired: PrivateDir,
    pub(crate) wallet: PrivateDir,
    /// What renews logins: tokens of identity providers.
    pub(crate) logins: PrivateDir,
    /// Call keys.
    pub(crate) run: PrivateDir,
}

impl Home {
    /// `$ENVELOPE_HOME` for both, so that several homes never mix; else the directories of the XDG specification.
    pub(crate) fn find() -> Result<Self, Error> {
        let (data, run) = match variable("ENVELOPE_HOME") {
            Some(home) if home.is_relative() => return Err(Error::RelativeHome),
            Some(home) => (home.clone(), home.join("run")),
            None => (under("XDG_DATA_HOME", ".local/share")?, run()?),
        };
        let at = |name| PrivateDir::at(data.join(name));
        Ok(Self {
            identities: at("identities"),
            next: at("next"),
            retired: at("retired"),
            wallet: at("wallet"),
            logins: at("logins"),
            run: PrivateDir::at(run),
        })
    }
}

fn run() -> Result<PathBuf, Error> {
    // After su or sudo the variable may still name the directory of another user.
    let runtime = variable("XDG_RUNTIME_DIR").filter(|path| path.is_absolute() && is_mine(path));
    match runtime {
        Some(runtime) => Ok(runtime.join("envelope")),
        None => under("XDG_CACHE_HOME", ".cache"),
    }
}

fn under(name: &str, default: &str) -> Result<PathBuf, Error> {
    // The XDG specification: a path that is not absolute is ignored.
    let base = match variable(name).filter(|path| path.is_absolute()) {
        Some(base) => base,
        None => env::home_dir().filter(|home| home.is_absolute()).ok_or(Error::NoHome)?.join(default),
    };
    Ok(base.join("envelope"))
}

fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn is_mine(path: &Path) -> bool {
    fs::metadata(path)
        .is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == rustix::process::geteuid().as_raw())
}
