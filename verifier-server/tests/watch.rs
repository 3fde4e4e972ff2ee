//! What an operator sees: ids that client, log and receipt share, readiness, and the page that Prometheus reads.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod support;

use std::collections::BTreeMap;
use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use support::audit::receipts;
use support::github::{Behaviour, Github};
use support::{Answer, Http, PackServer, Person, Program, exchange, read_answer};

const TARGET: &str = "/api/pack/p1/agent";
const ID: &str = "envelope-request-id";

fn start(pack: &PackServer, alice: &Person, more: &[&str]) -> Program {
    let (upstream, trust) = (pack.url(), alice.trust("alice"));
    let args = ["--upstream", &upstream, "--trust", &trust, "--auth-required"];
    Program::serve(&[&args, more].concat())
}

fn get(verifier: &Program, path: &str) -> Answer {
    verifier.send(&Http::new("GET", path, &verifier.authority()))
}

/// Whether something holds before long.
fn soon(holds: &dyn Fn() -> bool) -> bool {
    let mut rounds = (0..100).map(|_| std::thread::sleep(std::time::Duration::from_millis(100)));
    rounds.any(|()| holds())
}

/// The samples of the page, by name and labels as they stand there.
fn samples(page: &str) -> BTreeMap<String, f64> {
    let lines = page.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        })
        .collect()
}

#[test]
fn an_id_that_client_log_and_receipt_share() {
    let data = tempfile::tempdir().unwrap();
    let pack = PackServer::answering(|_, stream| {
        let told = "Envelope-Request-Id: of-the-upstream\r\nContent-Length: 2\r\n\r\nok";
        let _ = write!(stream, "HTTP/1.1 200 OK\r\n{told}");
    });
    let alice = Person::new("alice");
    let verifier = start(&pack, &alice, &["--log", "json", "--data-dir", data.path().to_str().unwrap()]);
    let call = alice.post(&verifier.authority(), TARGET, "{}");
    let id = |answer: &Answer| {
        let ids: Vec<_> =
            answer.head.lines().filter(|line| line.to_ascii_lowercase().starts_with(ID)).collect();
        assert_eq!(ids.len(), 1, "{answer:?}");
        answer.header(ID).unwrap().to_owned()
    };
    let answers = [verifier.send(&call), verifier.send(&call), exchange(verifier.address, b"x\r\n\r\n")];
    assert_eq!(answers[0].status, 200);
    assert_eq!((answers[1].code(), answers[2].code()), ("replayed".into(), "malformed".into()));
    let ids: Vec<String> = answers.iter().map(id).collect();
    assert!(ids.iter().all(|id| id.len() == 22) && ids[0] != ids[1] && ids[1] != ids[2], "{ids:?}");

    // An answer that refuses does not wait for its line to be written.
    assert!(soon(&|| receipts(data.path()).len() == 3));
    let receipts = receipts(data.path());
    let told: Vec<_> = receipts.iter().map(|receipt| (&receipt["id"], &receipt["decision"])).collect();
    assert_eq!(told.len(), 3);
    for (id, decision) in ids.iter().zip(["allow", "deny", "deny"]) {
        assert!(told.contains(&(&id.as_str().into(), &decision.into())), "{told:?}");
    }
    for (id, message) in ids.iter().zip(["allowed", "refused", "refused"]) {
        assert!(verifier.logs(id), "{}", verifier.log());
        let log = verifier.log();
        let line = log.lines().find(|line| line.contains(id.as_str()) && line.contains("\"INFO\"")).unwrap();
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!((&line["message"], &line["span"]["id"]), (&message.into(), &id.as_str().into()));
    }
}

/// The log for people says it, too, and the report reads what it says.
#[test]
fn the_report_reads_both_logs() {
    for format in ["text", "json"] {
        let (pack, alice) = (PackServer::start(), Person::new("alice"));
        let verifier = start(&pack, &alice, &["--log", format]);
        let answer = verifier.send(&alice.post(&verifier.authority(), TARGET, "{}"));
        let id = answer.header(ID).unwrap();
        assert!(verifier.logs(id));
        let mut report = Command::new(env!("CARGO_BIN_EXE_envelope-verifier"))
            .args(["report", "--json"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        report.stdin.take().unwrap().write_all(verifier.log().as_bytes()).unwrap();
        let told = report.wait_with_output().unwrap();
        let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
        let call = &told["calls"][0];
        assert_eq!(
            (&call["who"], &call["credential"], &call["calls"]),
            (&"alice".into(), &"signed".into(), &1.into())
        );
    }
}

#[test]
fn ready_is_not_live() {
    let data = tempfile::tempdir().unwrap();
    let (pack, alice) = (PackServer::start(), Person::new("alice"));
    let args = ["--upstream", &pack.url(), "--trust", &alice.trust("alice"), "--auth-required"];
    let directory = data.path().to_str().unwrap();
    let verifier = Program::serve_within_limits(&[&args, ["--data-dir", directory].as_slice()].concat());
    for path in ["/health", "/health/ready", "/health/live"] {
        let answer = get(&verifier, path);
        assert_eq!((answer.status, answer.json()), (200, serde_json::json!({"status": "ok"})), "{path}");
    }

    let ready = |failing: &[&str]| {
        let answer = get(&verifier, "/health");
        let told = serde_json::json!({"status": "unavailable", "failing": failing});
        (answer.status, answer.json()) == (503, told)
    };
    // A call is refused, since its receipt cannot be written; the mark cannot be, either.
    verifier.limit_files(Some(0));
    let call = || verifier.send(&alice.post(&verifier.authority(), TARGET, "{}"));
    assert_eq!(call().status, 503);
    assert!(soon(&|| ready(&["audit"]) || ready(&["replay", "audit"])), "{:?}", get(&verifier, "/health"));
    assert_eq!(get(&verifier, "/health/live").status, 200);
    verifier.limit_files(None);
    assert!(soon(&|| call().status == 200 && get(&verifier, "/health").status == 200));

    let store = Path::new(directory).join("store.sqlite");
    std::fs::rename(&store, store.with_extension("moved")).unwrap();
    assert!(soon(&|| ready(&["store"])), "{:?}", get(&verifier, "/health"));
    assert_eq!(get(&verifier, "/health/live").status, 200);
}

#[test]
fn the_page_says_what_happened_and_not_who() {
    let data = tempfile::tempdir().unwrap();
    let (pack, alice) = (PackServer::start(), Person::new("alice"));
    let directory = data.path().to_str().unwrap();
    let verifier = start(&pack, &alice, &["--data-dir", directory, "--replay-capacity", "5000"]);
    let call = || alice.post(&verifier.authority(), TARGET, "{\"secret\":1}");
    let replayed = call();
    for request in [&replayed, &call(), &call(), &replayed] {
        verifier.send(request);
    }
    assert_eq!(exchange(verifier.address, b"x\r\n\r\n").status, 400);
    // Whose log it is, a checkpoint, five decisions: nobody waits for the lines of refusals.
    assert!(soon(&|| support::audit::lines(data.path()).len() >= 7));
    let answer = get(&verifier, "/metrics");
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let page = samples(&answer.body);
    let value = |name: &str| *page.get(name).unwrap_or_else(|| panic!("no {name} in\n{}", answer.body));
    let request = |method: &str, route: &str, status: u16, code: &str, decision: &str| {
        value(&format!(
            "http_server_request_duration_seconds_count{{http_request_method=\"{method}\",http_route=\"{route}\",\
             http_response_status_code=\"{status}\",error_type=\"{code}\",envelope_decision=\"{decision}\"}}"
        ))
    };
    let route = "/api/pack/{guid}/{*path}";
    assert_eq!(request("POST", route, 200, "", "allow"), 3.0);
    assert_eq!(request("POST", route, 401, "replayed", "deny"), 1.0);
    assert_eq!(request("_OTHER", "", 400, "malformed", "deny"), 1.0);
    for (stage, code) in [("replay", "replayed"), ("parse", "malformed")] {
        let labels = format!("envelope_stage=\"{stage}\",error_type=\"{code}\"");
        assert_eq!(value(&format!("envelope_refusals_total{{{labels}}}")), 1.0);
    }
    for (stage, count) in
        [("signature", 4.0), ("body", 4.0), ("replay", 3.0), ("policy", 3.0), ("receipt", 3.0)]
    {
        let labels = format!("envelope_stage=\"{stage}\"");
        let name = "envelope_verification_stage_duration_seconds";
        assert_eq!(value(&format!("{name}_count{{{labels}}}")), count, "{stage}");
        let sum = value(&format!("{name}_sum{{{labels}}}"));
        assert!(sum > 0.0 && sum < 10.0, "{stage}: {sum}");
    }
    assert_eq!(value("envelope_replay_nonces"), 3.0);
    assert_eq!(value("envelope_replay_capacity"), 5000.0);
    // The first call brings the certificate, which is not known yet.
    assert_eq!(value("envelope_key_cache_certificates"), 1.0);
    assert_eq!(value("envelope_key_cache_hits_total"), 3.0);
    assert!(value("envelope_key_cache_misses_total") >= 1.0);
    assert!(value("envelope_audit_lines_total") >= 7.0);
    assert_eq!((value("envelope_audit_lost_total"), value("envelope_audit_failing")), (0.0, 0.0));
    assert!(value("envelope_audit_lag_seconds") < 60.0);
    // The one that asks.
    assert_eq!(value("envelope_connections"), 1.0);
    assert_eq!(value("http_server_active_requests"), 0.0);
    assert!(value("process_memory_usage_bytes") > 1e6 && value("process_cpu_time_seconds_total") > 0.0);
    let open = std::fs::read_dir(format!("/proc/{}/fd", verifier.child.id())).unwrap().count();
    let told = value("process_open_file_descriptor_count");
    assert!((told - f64::from(u32::try_from(open).unwrap())).abs() <= 2.0, "{told}, and {open} are open");
    for secret in ["alice", "p1", &alice.keyid(), "secret", "127.0.0.1"] {
        assert!(!answer.body.contains(secret), "{secret}\n{}", answer.body);
    }
}

#[test]
fn only_whom_it_concerns_may_read_the_page() {
    let (pack, alice) = (PackServer::start(), Person::new("alice"));
    let verifier = start(&pack, &alice, &[]);
    assert_eq!(get(&verifier, "/metrics").status, 200);
    let through_a_proxy =
        Http::new("GET", "/metrics", &verifier.authority()).header("X-Forwarded-For", "192.0.2.1");
    assert_eq!(verifier.send(&through_a_proxy).code(), "not-allowed");
    let elsewhere = start(&pack, &alice, &["--metrics-from", "192.0.2.7"]);
    assert_eq!(get(&elsewhere, "/metrics").code(), "not-allowed");
    let here = start(&pack, &alice, &["--metrics-from", "192.0.2.7", "--metrics-from", "127.0.0.1"]);
    assert_eq!(get(&here, "/metrics").status, 200);
}

/// The client library of the Prometheus project reads both forms of the page, strictly.
#[test]
fn a_client_that_we_did_not_write_reads_the_page() {
    let data = tempfile::tempdir().unwrap();
    let (pack, alice) = (PackServer::start(), Person::new("alice"));
    let verifier = start(&pack, &alice, &["--data-dir", data.path().to_str().unwrap()]);
    assert_eq!(verifier.send(&alice.post(&verifier.authority(), TARGET, "{}")).status, 200);
    let open = Http::new("GET", "/metrics", &verifier.authority())
        .header("Accept", "application/openmetrics-text; version=1.0.0, text/plain; q=0.5");
    let open = verifier.send(&open);
    let told = open.header("content-type");
    assert_eq!(told, Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    for (module, page) in [("openmetrics.parser", open), ("parser", get(&verifier, "/metrics"))] {
        let script = format!(
            "import sys\nfrom prometheus_client.{module} import text_string_to_metric_families as read\n\
             for family in read(sys.stdin.read()): print(family.name, family.type, len(family.samples))"
        );
        let mut python = Command::new("python3")
            .args(["-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        python.stdin.take().unwrap().write_all(page.body.as_bytes()).unwrap();
        let output = python.wait_with_output().unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "prometheus_client of PyPI is needed, and must take\n{}", page.body);
        for family in [
            "http_server_request_duration_seconds histogram ",
            "envelope_verification_stage_duration_seconds histogram ",
            "envelope_replay_nonces gauge 1",
            "process_memory_usage_bytes gauge 1",
        ] {
            assert!(told.contains(family), "{module}: {family}\n{told}");
        }
    }
}

/// What the identity provider was asked, and what came of it.
#[test]
fn calls_to_the_provider_are_measured() {
    let (github, directory) = (Github::start(), tempfile::tempdir().unwrap());
    github.token("gho_good", "octocat", &[], &[]);
    let config = directory.path().join("verifier.toml");
    std::fs::write(&config, "[[pack]]\nguid = \"p1\"\naccept = [\"identity\"]\nallowed-users = \"*\"\n")
        .unwrap();
    let (pack, alice) = (PackServer::start(), Person::new("alice"));
    let more = ["--github-api", &github.url(), "--config", config.to_str().unwrap()];
    let verifier = start(&pack, &alice, &more);
    let call = |token: &str| {
        let call = Http::new("POST", TARGET, &verifier.authority());
        verifier.send(&call.header("Authorization", &format!("Bearer {token}"))).status
    };
    assert_eq!((call("gho_good"), call("gho_good"), call("gho_bad")), (200, 200, 401));
    github.behave(Behaviour::Down);
    assert_eq!(call("gho_other"), 503);
    let page = get(&verifier, "/metrics").body;
    let samples = samples(&page);
    let count = |status: u16, error: &str| {
        let labels = format!("http_response_status_code=\"{status}\",error_type=\"{error}\"");
        let name = "http_client_request_duration_seconds_count{server_address=\"127.0.0.1\",";
        samples.get(&format!("{name}{labels}}}")).copied()
    };
    // The user and the lists of what they belong to, once; a token that is no good; nobody there.
    assert!(count(200, "").is_some_and(|count| count >= 1.0), "{page}");
    assert_eq!((count(401, ""), count(0, "unreachable")), (Some(1.0), Some(1.0)), "{page}");
    assert!(!page.contains("gho_"));
}

/// A connection that is being answered when the program is told to stop hears the answer, and then that it is over.
#[test]
fn an_open_connection_is_closed_when_it_stops() {
    let (pack, alice) = (PackServer::start(), Person::new("alice"));
    let mut verifier = start(&pack, &alice, &[]);
    let mut idle = TcpStream::connect(verifier.address).unwrap();
    idle.write_all(&Http::new("GET", "/health", &verifier.authority()).bytes()).unwrap();
    let mut idle = BufReader::new(idle);
    assert_eq!(read_answer(&mut idle).unwrap().status, 200);
    verifier.signal("TERM");
    assert!(read_answer(&mut idle).is_none());
    assert!(verifier.child.wait().unwrap().success());
}
