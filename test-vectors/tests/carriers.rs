//! The other ways to carry a request say the same as the request.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use envelope_core::Code;
use envelope_test_vectors::{Exchange, Message, Request, Step, Vector, load, run, to_pretty};

fn requests(vector: &Vector) -> impl Iterator<Item = &Request> {
    vector.steps().iter().filter_map(|step| match &step.message {
        Message::Request(request) => Some(request),
        Message::Document(_) => None,
    })
}

#[test]
fn a_document_comes_out_as_its_request_does() {
    let mut carried = 0;
    for vector in load().unwrap() {
        let documents: Option<Vec<Step>> = vector
            .steps()
            .iter()
            .map(|step| match &step.message {
                Message::Request(request) => {
                    Some(Step { message: Message::Document(request.to_document()?), ..step.clone() })
                }
                Message::Document(_) => None,
            })
            .collect();
        let Some(steps) = documents else { continue };
        let expected = vector.expected();
        let as_documents = Vector { exchange: Exchange::Sequence { steps }, ..vector };
        assert_eq!(run(&as_documents).unwrap(), expected, "{}", as_documents.name);
        carried += 1;
    }
    assert!(carried > 600, "{carried} vectors can be documents");
}

#[test]
fn http_holds_every_line_and_the_body() {
    let mut carried = 0;
    for vector in load().unwrap() {
        for request in requests(&vector) {
            let Some(message) = request.to_http() else { continue };
            let end = message.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
            assert_eq!(message[end + 4..], request.body().unwrap_or_default());
            let head: String = message[..end].iter().map(|byte| char::from(*byte)).collect();
            let mut lines = head.split("\r\n");
            assert_eq!(lines.next().unwrap(), format!("{} {} HTTP/1.1", request.method, request.target));
            for (name, value) in &request.headers {
                assert_eq!(lines.next().unwrap(), format!("{name}: {value}"), "{}", vector.name);
            }
            assert_eq!(lines.count(), usize::from(request.body.is_some()), "{}: Content-Length", vector.name);
            carried += 1;
        }
    }
    assert!(carried > 800, "{carried} requests can be HTTP");
}

#[test]
fn what_is_valid_can_be_sent() {
    for vector in load().unwrap() {
        for step in vector.steps().iter().filter(|step| step.expect == "valid") {
            if let Message::Request(request) = &step.message {
                assert!(request.to_http().is_some(), "{}", vector.name);
            }
        }
    }
}

#[test]
fn a_file_reads_as_it_was_written() {
    for vector in load().unwrap() {
        let text = to_pretty(&vector).unwrap();
        let read: Vector = serde_json::from_str(&text).unwrap();
        assert_eq!(Vector { name: vector.name.clone(), ..read }, vector);
    }
}

#[test]
fn what_a_vector_says_of_itself_holds_together() {
    for vector in load().unwrap() {
        assert!(!vector.title.is_empty() && !vector.if_broken.is_empty(), "{}", vector.name);
        for step in vector.steps() {
            match (Code::parse(&step.expect), step.stage) {
                (Some(_), Some(stage)) => {
                    assert!((1..=8).contains(&stage), "{}", vector.name);
                    assert!(step.base.is_none() && step.identity.is_none(), "{}", vector.name);
                }
                (None, None) => assert_eq!(step.identity.is_some(), step.base.is_some(), "{}", vector.name),
                _ => panic!("{}: a code has a stage, and valid has none", vector.name),
            }
        }
        let last = vector.steps().last().unwrap();
        if let (Exchange::Single(_), Some(stage), Some(step)) =
            (&vector.exchange, last.stage, vector.spec.strip_prefix('V'))
        {
            assert!(
                step.starts_with(&stage.to_string()),
                "{}: {} is not of stage {stage}",
                vector.name,
                step
            );
        }
    }
}

/// Every step of the spec's section 6, and whether a vector is valid or refused there.
#[test]
fn every_step_of_the_spec_has_a_vector() {
    let spec = std::fs::read_to_string(envelope_test_vectors::root().join("../spec/envelope.md")).unwrap();
    let vectors = load().unwrap();
    let mut steps = 0;
    for line in spec.lines() {
        let Some((step, rest)) = line
            .strip_prefix("| V")
            .and_then(|line| line.split_once(" | "))
            .map(|(step, rest)| (format!("V{step}"), rest))
        else {
            continue;
        };
        steps += 1;
        let of_step: Vec<&Vector> = vectors.iter().filter(|vector| vector.spec == step).collect();
        let codes = rest.rsplit('|').nth(1).unwrap_or_default();
        for code in codes.split('`').filter(|code| Code::parse(code).is_some()) {
            let refused = |vector: &&Vector| vector.steps().iter().any(|step| step.expect == code);
            assert!(of_step.iter().any(refused), "no vector of {step} is refused as {code}");
        }
    }
    assert!(steps > 40, "the spec has {steps} steps");
}
