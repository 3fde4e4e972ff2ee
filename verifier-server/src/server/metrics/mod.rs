//! What is measured, and how Prometheus reads it: names and units are those of the OpenTelemetry semantic conventions where they
//! have one, as Prometheus spells them (`http.server.request.duration` is `http_server_request_duration_seconds`).
//!
//! No label says who calls, or what for: only which route, and what became of it.

mod process;
mod read;
mod route;

use std::time::Duration;

use envelope_core::Code;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

pub(super) use self::read::handle;
pub(crate) use self::route::Route;
use crate::witness::{Step, Witness};

/// What became of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    pub(super) status: u16,
    pub(super) code: Option<Code>,
    /// Whether it was a matter of letting somebody through.
    pub(super) decided: bool,
}

impl Outcome {
    const fn decision(&self) -> &'static str {
        match (self.decided, self.code) {
            (false, _) => "none",
            (true, None) => "allow",
            (true, Some(_)) => "deny",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    http_request_method: &'static str,
    http_route: &'static str,
    http_response_status_code: u16,
    /// The code of a refusal; empty where there was none.
    error_type: &'static str,
    envelope_decision: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StepLabels {
    envelope_stage: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabels {
    envelope_stage: &'static str,
    error_type: &'static str,
}

/// Seconds: the usual ones of HTTP servers, and below them those of a verification.
const REQUEST_BUCKETS: [f64; 17] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    60.0,
];
const STEP_BUCKETS: [f64; 12] =
    [0.000_005, 0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.005, 0.05, 0.5, 5.0];

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// What is counted as it happens; sizes are read when somebody asks.
#[derive(Debug)]
pub(crate) struct Metrics {
    requests: Histograms<RequestLabels>,
    steps: Histograms<StepLabels>,
    step: [Histogram; Step::ALL.len()],
    refusals: Family<RefusalLabels, Counter>,
    unheard: Counter,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let steps = Histograms::new_with_constructor(|| Histogram::new(STEP_BUCKETS));
        Self {
            requests: Histograms::new_with_constructor(|| Histogram::new(REQUEST_BUCKETS)),
            step: Step::ALL
                .map(|step| steps.get_or_create_owned(&StepLabels { envelope_stage: step.name() })),
            steps,
            refusals: Family::default(),
            unheard: Counter::default(),
        }
    }

    /// All of an answer is on its way.
    pub(super) fn answered(&self, route: &Route, outcome: &Outcome, taken: Duration) {
        let labels = RequestLabels {
            http_request_method: route.method(),
            http_route: route.path(),
            http_response_status_code: outcome.status,
            error_type: outcome.code.map_or("", Code::as_str),
            envelope_decision: outcome.decision(),
        };
        self.requests.get_or_create(&labels).observe(taken.as_secs_f64());
        if let Some(code) = outcome.code {
            let (envelope_stage, error_type) = (stage(code), code.as_str());
            self.refusals.get_or_create(&RefusalLabels { envelope_stage, error_type }).inc();
        }
    }

    /// How long each step of a verification took that was passed.
    pub(super) fn verified(&self, witness: &Witness) {
        let seen = witness.seen();
        let mut before = seen.arrived;
        for (passed, histogram) in seen.passed.iter().zip(&self.step) {
            if let Some(passed) = passed {
                histogram.observe(passed.saturating_duration_since(before).as_secs_f64());
                before = *passed;
            }
        }
    }

    /// A connection was closed without a word.
    pub(super) fn closed_unheard(&self) {
        self.unheard.inc();
    }

    fn register(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "http_server_request_duration",
            "Duration of HTTP server requests",
            Unit::Seconds,
            self.requests.clone(),
        );
        registry.register_with_unit(
            "envelope_verification_stage_duration",
            "Time that a stage of a verification took which was passed: signature is stages 1 to 5",
            Unit::Seconds,
            self.steps.clone(),
        );
        registry.register(
            "envelope_refusals",
            "Requests that were refused, by stage of the verification and code",
            self.refusals.clone(),
        );
        registry.register(
            "envelope_connections_closed_unheard",
            "Connections beyond every limit, closed without a word",
            self.unheard.clone(),
        );
    }
}

/// The stage of a verification in which a code arises, in a word.
const fn stage(code: Code) -> &'static str {
    use envelope_core::Stage;
    match code.stage() {
        Stage::Parse => "parse",
        Stage::Coverage => "coverage",
        Stage::Time => "time",
        Stage::Certificate => "certificate",
        Stage::Signature => "signature",
        Stage::Body => "body",
        Stage::Replay => "replay",
        Stage::Policy => "policy",
    }
}
