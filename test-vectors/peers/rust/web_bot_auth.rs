//! crates.io web-bot-auth: its general signer and verifier, which take any tag. Jobs come as a JSON list on stdin.

use std::error::Error;
use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use indexmap::IndexMap;
use serde_json::{Value, json};
use web_bot_auth::ImplementationError;
use web_bot_auth::components::{CoveredComponent, DerivedComponent, HTTPField, HTTPFieldParametersSet};
use web_bot_auth::keyring::{Algorithm, KeyRing};
use web_bot_auth::message_signatures::{MessageSigner, MessageVerifier, SignedMessage, UnsignedMessage};

type Answer = Result<Value, Box<dyn Error>>;

fn main() -> Result<(), Box<dyn Error>> {
    let jobs: Vec<Value> = serde_json::from_reader(std::io::stdin())?;
    println!("{}", jobs.iter().map(|job| answer(job).unwrap_or_else(|error| raised(&*error))).collect::<Value>());
    Ok(())
}

fn raised(error: &dyn Error) -> Value {
    json!({"verdict": "raises", "why": error.to_string()})
}

fn answer(job: &Value) -> Answer {
    match text(job, "do") {
        "version" => Ok(json!({"version": version()})),
        "sign" => sign(job),
        _ => Ok(verify(job).unwrap_or_else(|error| match error.downcast_ref::<ImplementationError>() {
            Some(refusal) => json!({"verdict": "refused", "why": refusal.to_string()}),
            None => raised(&*error),
        })),
    }
}

fn version() -> &'static str {
    let pinned = include_str!("Cargo.toml").lines().find_map(|line| line.strip_prefix("web-bot-auth = \"="));
    pinned.unwrap_or("?").trim_end_matches('"')
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn algorithm(job: &Value) -> Algorithm {
    if text(job, "alg") == "ed25519" { Algorithm::Ed25519 } else { Algorithm::EcdsaP256Sha256 }
}

/// Glue: the library takes the value of each component from its caller.
struct Message<'a> {
    job: &'a Value,
    headers: Value,
}

impl SignedMessage for Message<'_> {
    fn lookup_component(&self, component: &CoveredComponent) -> Vec<String> {
        let after_scheme = text(self.job, "url").split_once("://").map_or("", |(_, rest)| rest);
        let (authority, target) = after_scheme.split_once('/').unwrap_or((after_scheme, ""));
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        match component {
            CoveredComponent::Derived(DerivedComponent::Method { .. }) => vec![text(self.job, "method").to_owned()],
            CoveredComponent::Derived(DerivedComponent::Authority { .. }) => vec![authority.to_owned()],
            CoveredComponent::Derived(DerivedComponent::Path { .. }) => vec![format!("/{path}")],
            CoveredComponent::Derived(DerivedComponent::Query { .. }) => vec![format!("?{query}")],
            CoveredComponent::HTTP(field) => self.headers[&field.name].as_str().map(str::to_owned).into_iter().collect(),
            _ => vec![],
        }
    }
}

impl UnsignedMessage for Message<'_> {
    fn fetch_components_to_cover(&self) -> IndexMap<CoveredComponent, String> {
        let names = self.job["cover"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let components = names.map(|name| match name {
            "@method" => CoveredComponent::Derived(DerivedComponent::Method { req: false }),
            "@authority" => CoveredComponent::Derived(DerivedComponent::Authority { req: false }),
            "@path" => CoveredComponent::Derived(DerivedComponent::Path { req: false }),
            "@query" => CoveredComponent::Derived(DerivedComponent::Query { req: false }),
            _ => CoveredComponent::HTTP(HTTPField { name: name.to_owned(), parameters: HTTPFieldParametersSet(vec![]) }),
        });
        components.map(|component| (component.clone(), self.lookup_component(&component).concat())).collect()
    }

    fn register_header_contents(&mut self, signature_input: String, signature: String) {
        self.headers["signature-input"] = format!("sig={signature_input}").into();
        self.headers["signature"] = format!("sig={signature}").into();
    }
}

/// Glue: Content-Digest is the caller's.
fn sign(job: &Value) -> Answer {
    let mut message = Message { job, headers: job["headers"].clone() };
    if !job["body"].is_null() {
        message.headers["content-digest"] = job["digest"].clone();
    }
    let own = |name| text(job, name).to_owned();
    let signer = MessageSigner { keyid: own("keyid"), nonce: own("nonce"), tag: own("tag") };
    let key = URL_SAFE_NO_PAD.decode(text(&job["private_jwk"], "d"))?;
    signer.generate_signature_headers_content(&mut message, Duration::from_secs(60), algorithm(job), &key)?;
    Ok(json!({"headers": message.headers}))
}

/// Told: the tag, and not to go on when the library's own advice is that the signature has expired.
fn verify(job: &Value) -> Answer {
    let message = Message { job, headers: job["headers"].clone() };
    let told = job["told"] == true;
    let tagged = |tag: Option<&str>| !told || tag == Some(text(job, "tag"));
    let verifier = MessageVerifier::parse(&message, |(_, list)| {
        tagged(list.params.get("tag").and_then(|tag| tag.as_string()).map(|tag| tag.as_str()))
    })?;
    if told && verifier.parsed.base.parameters.details.possibly_insecure(|_| false).is_expired != Some(false) {
        return Ok(json!({"verdict": "refused", "why": "expired, as possibly_insecure says"}));
    }
    let mut ring = KeyRing::default();
    ring.import_raw(text(job, "keyid").to_owned(), algorithm(job), URL_SAFE_NO_PAD.decode(text(&job["public_jwk"], "x"))?);
    verifier.verify(&ring, None)?;
    Ok(json!({"verdict": "accepted"}))
}
