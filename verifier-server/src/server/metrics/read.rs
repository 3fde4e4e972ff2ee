//! `GET /metrics`: what was counted, and how large things are now.

use axum::extract::{Extension, Request, State};
use axum::response::Response;
use envelope_core::{Code, Refusal};
use http::header;
use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Metric, Registry, Unit};

use super::process::Process;
use crate::problem::problem;
use crate::server::listen::Peer;
use crate::server::routes::{self, App};

const OPEN_METRICS: &str = "application/openmetrics-text";

/// Answers whoever may read them: nobody else needs to know how busy the verifier is.
pub(in crate::server) async fn handle(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    const NOT_YOURS: Refusal = Refusal::new(Code::NotAllowed, "--metrics-from names who may read this");
    let (head, _) = request.into_parts();
    if !app.may_read_metrics(peer, &head) {
        return problem(NOT_YOURS, app.now());
    }
    let registry = collect(&app);
    let accepts = head.headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let mut page = String::new();
    // Writing to a string does not fail.
    let (written, content_type) = if accepts.is_some_and(|accept| accept.contains(OPEN_METRICS)) {
        (text::encode(&mut page, &registry), "application/openmetrics-text; version=1.0.0; charset=utf-8")
    } else {
        (prometheus_text::encode(&mut page, &registry), "text/plain; version=0.0.4; charset=utf-8")
    };
    match written {
        Ok(()) => routes::answer(content_type, page),
        Err(std::fmt::Error) => {
            problem(Refusal::new(Code::Overloaded, "the metrics cannot be written"), app.now())
        }
    }
}

fn collect(app: &App) -> Registry {
    let mut registry = Registry::default();
    app.metrics().register(&mut registry);
    let mut page = Page(&mut registry);
    page.gauge("http_server_active_requests", "Requests in flight", app.in_flight().requests());
    page.bytes(
        "http_server_request_body_memory",
        "Bytes that bodies in flight take",
        app.in_flight().bytes(),
    );
    page.pace(app);
    page.connections(app);
    page.replay(app);
    page.keys(app);
    page.audit(app);
    page.providers(app);
    page.process();
    registry
}

struct Page<'a>(&'a mut Registry);

impl Page<'_> {
    fn add(&mut self, name: &str, help: &str, metric: impl Metric) {
        self.0.register(name, help, metric);
    }

    fn gauge(&mut self, name: &str, help: &str, value: usize) {
        self.add(name, help, ConstGauge::new(signed(value)));
    }

    fn bytes(&mut self, name: &str, help: &str, value: usize) {
        self.0.register_with_unit(name, help, Unit::Bytes, ConstGauge::new(signed(value)));
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.add(name, help, ConstCounter::new(value));
    }

    fn pace(&mut self, app: &App) {
        self.counter("envelope_calls_held", "Calls that had to wait for their pace", app.calls().held());
        self.counter("envelope_refusals_held", "Refusals that had to", app.refusals().held());
    }

    fn connections(&mut self, app: &App) {
        let connections = app.connections();
        self.gauge("envelope_connections", "Connections that are open", connections.len());
        self.counter(
            "envelope_connections_evicted",
            "Connections without a request that made room for others",
            connections.evicted(),
        );
        self.bytes(
            "envelope_header_memory",
            "Bytes of headers that are not whole yet",
            connections.waiting_bytes(),
        );
    }

    fn replay(&mut self, app: &App) {
        let replay = app.guard().replay_cache();
        self.gauge("envelope_replay_nonces", "Live nonces in the replay cache", replay.len());
        self.gauge("envelope_replay_capacity", "Live nonces that it holds at most", replay.capacity());
    }

    fn keys(&mut self, app: &App) {
        let cache = app.guard().verifier().certificates();
        self.gauge("envelope_key_cache_certificates", "Certificates that are kept ready", cache.len());
        let (hits, misses) = cache.lookups();
        self.counter("envelope_key_cache_hits", "Certificates and keys that were found ready", hits);
        self.counter("envelope_key_cache_misses", "Certificates and keys that were not", misses);
    }

    fn audit(&mut self, app: &App) {
        let Some(audit) = app.audit() else { return };
        let progress = audit.progress();
        self.0.register_with_unit(
            "envelope_audit_lag",
            "Age of the oldest line of the audit log that is not on the disk yet",
            Unit::Seconds,
            ConstGauge::new(progress.lag().as_secs_f64()),
        );
        self.gauge("envelope_audit_waiting", "Lines that wait for the writer", audit.waiting());
        self.counter("envelope_audit_lines", "Lines written to the audit log", progress.lines());
        self.counter("envelope_audit_lost", "Receipts that could not be written", progress.lost());
        self.gauge(
            "envelope_audit_failing",
            "1 while the audit log cannot be written",
            usize::from(progress.is_failing()),
        );
    }

    fn providers(&mut self, app: &App) {
        if let Some(asked) = app.known().provider_requests() {
            self.0.register_with_unit(
                "http_client_request_duration",
                "Duration of requests to identity providers",
                Unit::Seconds,
                asked,
            );
        }
    }

    fn process(&mut self) {
        let Some(process) = Process::read() else { return };
        self.0.register_with_unit(
            "process_cpu_time",
            "Processor time of the process",
            Unit::Seconds,
            ConstCounter::new(process.user + process.system),
        );
        self.0.register_with_unit(
            "process_memory_usage",
            "Memory that the process has",
            Unit::Bytes,
            ConstGauge::new(i64::try_from(process.resident).unwrap_or(i64::MAX)),
        );
        self.0.register_with_unit(
            "process_memory_virtual",
            "Memory that the process has asked for",
            Unit::Bytes,
            ConstGauge::new(i64::try_from(process.virtual_size).unwrap_or(i64::MAX)),
        );
        self.add(
            "process_thread_count",
            "Threads of the process",
            ConstGauge::new(i64::try_from(process.threads).unwrap_or(i64::MAX)),
        );
        self.add(
            "process_open_file_descriptor_count",
            "Descriptors that the process has open",
            ConstGauge::new(i64::try_from(process.descriptors).unwrap_or(i64::MAX)),
        );
    }
}

fn signed(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
