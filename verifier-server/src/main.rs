//! `envelope-verifier`: the gateway and forward-auth endpoint.

use std::io::{IsTerminal, Write, stderr};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, Subcommand};
use envelope_verifier::Clock;
use envelope_verifier::server::{
    App, Audit, Config, ConfigError, DataDir, Flags, Known, LogFormat, report, serve,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sd_notify::NotifyState;
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{SignalKind, signal};

/// Verifies signed request envelopes in front of a pack server
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run as a gateway to --upstream, and answer forward-auth at /verify
    Serve {
        /// TOML file with the same keys as the flags, and [[pack]], [[call-key]], revoked
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        #[command(flatten)]
        flags: Box<Flags>,
    },
    /// Say from the log who still calls without a credential, or with the token of a pack only
    ///
    /// Exit status: 0 when --auth-required refuses nobody who is in the log; 1 when it refuses somebody, who shows no credential or
    /// whom no rule lets in; 2 when the log cannot be read.
    Report {
        /// The log of `serve`, as text or JSON; - for stdin; repeatable
        #[arg(value_name = "FILE", default_value = "-")]
        logs: Vec<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Serve { config, flags } => start(config.as_deref(), *flags).map(|()| ExitCode::SUCCESS),
        Command::Report { logs, json } => report::run(&logs, json),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            explain(&error);
            ExitCode::from(2)
        }
    }
}

fn start(file: Option<&Path>, flags: Flags) -> Result<(), ConfigError> {
    let Some(path) = file else { return flags.resolve().and_then(run) };
    let (file, source) = Flags::read(path)?;
    let (flags, overridden) = flags.over(file);
    let source = source.overridden_by(overridden);
    flags.resolve().and_then(run).map_err(|error| source.locate(error))
}

/// After how many steps of tasks it is looked for what has arrived meanwhile: often, so that somebody's thousand requests do not all come before the next
/// one's.
const SOON: u32 = 8;

fn run(config: Config) -> Result<(), ConfigError> {
    start_log(config.log);
    raise_descriptors();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().event_interval(SOON).build();
    let runtime = runtime
        .map_err(|error| ConfigError::new(format!("no threads: {error}"), "raise the limit of threads"))?;
    let served = runtime.block_on(async {
        let listener = listen(config.listen).map_err(|error| {
            ConfigError::new(format!("{}: {error}", config.listen), "choose another address with --listen")
                .at("listen")
        })?;
        let address = listener.local_addr().unwrap_or(config.listen);
        let clock = Clock::system();
        let data_dir = config.data_dir.as_deref().map(|path| DataDir::open(path, &clock)).transpose();
        let data_dir = data_dir.map_err(|error| error.at("data-dir"))?;
        let known = Arc::new(Known::open(&config, address, &clock).await?);
        let counts = known.counts().await?;
        let mark = data_dir.as_ref().map(DataDir::mark);
        let app = App::new(&config, address, clock.clone(), Arc::clone(&known), mark)?;
        let audit = match (&config.data_dir, config.audit) {
            (Some(path), Some(audit)) => {
                let audit = Audit::open(path, audit, &known, &clock);
                Some(Arc::new(audit.map_err(|error| error.at("data-dir"))?))
            }
            _ => None,
        };
        let app = match &audit {
            Some(audit) => app.with_audit(Arc::clone(audit)),
            None => app,
        };
        let stop = stop();
        let looking = app.tls().cloned();
        announce(&config, address, counts, &known.open_packs());
        if let Some(audit) = &audit {
            announce_audit(&config, audit);
        }
        let reserving = async {
            match &data_dir {
                Some(data_dir) => data_dir.keep_reserving(&clock).await,
                None => std::future::pending().await,
            }
        };
        let looking_at_tls = async {
            match looking {
                Some(tls) => tls.keep_current().await,
                None => std::future::pending().await,
            }
        };
        tell_manager(NotifyState::Ready);
        let stop = async {
            stop.await;
            tell_manager(NotifyState::Stopping);
        };
        tokio::select! {
            () = serve(app.clone(), app.clone().router(), listener, stop) => {}
            () = reserving => {}
            () = known.keep_current() => {}
            () = looking_at_tls => {}
        }
        let patience = Duration::from_secs(config.timeouts.shutdown);
        if tokio::time::timeout(patience, app.finish()).await.is_err() {
            tracing::warn!("a deployment was cut off");
        }
        known.note_uses().await;
        if let Some(audit) = audit {
            audit.close().await;
        }
        if let Some(data_dir) = data_dir {
            data_dir.close();
        }
        Ok(())
    });
    // What is still in flight has had its time: a name that is being looked up, say, must not hold up the end.
    runtime.shutdown_background();
    served
}

/// How many connections may wait to be accepted: as many as the system takes by default. One that finds no room there tries again
/// after a second.
const BACKLOG: u32 = 4096;

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// As many descriptors as the system lets this process have: the usual limit is meant for programs that wait with `select`.
fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(%error, "the limit of descriptors stays");
    }
}

/// Says to the service manager, where there is one, how things are: connections are answered from now on, or not any more.
fn tell_manager(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

/// Done when the process is asked to stop: from the moment on at which this is called, not at which it is waited for.
fn stop() -> impl Future<Output = ()> {
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    async move {
        let (Ok(mut terminate), Ok(mut interrupt)) = signals else {
            tracing::warn!("signals cannot be watched: stop with SIGKILL");
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}

fn start_log(format: LogFormat) {
    let filter =
        tracing_subscriber::EnvFilter::try_from_env("ENVELOPE_LOG").unwrap_or_else(|_| "info".into());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr).with_target(false);
    match format {
        LogFormat::Text => log.with_ansi(stderr().is_terminal()).init(),
        LogFormat::Json => log.json().flatten_event(true).with_span_list(false).init(),
    }
}

fn announce(config: &Config, address: SocketAddr, counts: Option<(i64, i64)>, open: &[String]) {
    let mut out = stderr().lock();
    let identities: Vec<String> = config.trust.identities().into_iter().collect();
    // A terminal that is gone is no reason not to serve.
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let _ = writeln!(out, "envelope-verifier: listening on {scheme}://{address}");
    let _ = writeln!(
        out,
        "envelope-verifier: trusts {}",
        if identities.is_empty() { "nobody".into() } else { identities.join(", ") }
    );
    for provider in config.providers.described() {
        let _ = writeln!(out, "envelope-verifier: {provider}");
    }
    if let Some((keys, identities)) = counts {
        let _ = writeln!(out, "envelope-verifier: the store has {keys} keys of {identities} identities");
    }
    if config.auth_required && !open.is_empty() {
        const SHOWN: usize = 20;
        let shown = open.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = open.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let _ = writeln!(
            out,
            "envelope-verifier: --auth-required closes packs that were open, {shown}{more}, and every pack that is not registered"
        );
    }
    if !config.auth_required {
        let _ =
            writeln!(out, "envelope-verifier: calls without a credential pass; --auth-required closes that");
    }
}

/// Whoever checks the log needs its key; it should come from elsewhere than the log.
fn announce_audit(config: &Config, audit: &Audit) {
    let directory = config.data_dir.clone().unwrap_or_default().join("audit");
    let key = audit.key().thumbprint();
    let _ = writeln!(stderr().lock(), "envelope-verifier: audit log {}, key {key}", directory.display());
}

/// `error`, then `hint`, as the `envelope` command does.
fn explain(error: &ConfigError) {
    let mut out = stderr().lock();
    let _ = writeln!(out, "envelope-verifier: error: {error}");
    let _ = writeln!(out, "envelope-verifier: hint: {}", error.hint());
}
