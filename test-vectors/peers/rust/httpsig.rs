//! crates.io httpsig. Jobs come as a JSON list on stdin, answers go as one to stdout.

use std::error::Error;

use httpsig::prelude::message_component::{HttpMessageComponent, HttpMessageComponentId};
use httpsig::prelude::*;
use serde_json::{Value, json};

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
        _ => Ok(verify(job).unwrap_or_else(|error| match error.downcast_ref::<HttpSigError>() {
            Some(refusal) => json!({"verdict": "refused", "why": refusal.to_string()}),
            None => raised(&*error),
        })),
    }
}

fn version() -> &'static str {
    let pinned = include_str!("Cargo.toml").lines().find_map(|line| line.strip_prefix("httpsig = \"="));
    pinned.unwrap_or("?").trim_end_matches('"')
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn algorithm(job: &Value) -> AlgorithmName {
    if text(job, "alg") == "ed25519" { AlgorithmName::Ed25519 } else { AlgorithmName::EcdsaP256Sha256 }
}

/// Glue: the library takes the value of each component from its caller.
fn lines(job: &Value, headers: &Value, covered: &[HttpMessageComponentId]) -> Result<Vec<HttpMessageComponent>, Box<dyn Error>> {
    let after_scheme = text(job, "url").split_once("://").ok_or("no scheme")?.1;
    let (authority, target) = after_scheme.split_once('/').ok_or("no path")?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let value = |id: &HttpMessageComponentId| match id.to_string().trim_matches('"') {
        "@method" => text(job, "method").to_owned(),
        "@authority" => authority.to_owned(),
        "@path" => format!("/{path}"),
        "@query" => format!("?{query}"),
        name => text(headers, name).to_owned(),
    };
    Ok(covered.iter().map(|id| HttpMessageComponent::try_from((id, &[value(id)][..]))).collect::<Result<_, _>>()?)
}

/// Glue: Content-Digest is the caller's.
fn sign(job: &Value) -> Answer {
    let mut headers = job["headers"].clone();
    if !job["body"].is_null() {
        headers["content-digest"] = job["digest"].clone();
    }
    let names = job["cover"].as_array().ok_or("no components")?;
    let covered = names
        .iter()
        .map(|name| HttpMessageComponentId::try_from(name.as_str().unwrap_or_default()))
        .collect::<Result<Vec<_>, _>>()?;
    let mut parameters = HttpSignatureParams::try_new(&covered)?;
    parameters
        .set_created(job["created"].as_u64().ok_or("no created")?)
        .set_expires(job["expires"].as_u64().ok_or("no expires")?)
        .set_random_nonce()
        .set_keyid(text(job, "keyid"))
        .set_tag(text(job, "tag"));
    let key = SecretKey::from_pem(&algorithm(job), text(job, "private_pem"))?;
    let base = HttpSignatureBase::try_new(&lines(job, &headers, &covered)?, &parameters)?;
    let fields = base.build_signature_headers(&key, None)?;
    headers["signature-input"] = fields.signature_input_header_value().into();
    headers["signature"] = fields.signature_header_value().into();
    Ok(json!({"headers": headers}))
}

/// There is nothing to tell it: which components and parameters are there is for the caller to look at.
fn verify(job: &Value) -> Answer {
    let headers = &job["headers"];
    let all = HttpSignatureHeaders::try_parse(text(headers, "signature"), text(headers, "signature-input"))?;
    let fields = all.values().next().ok_or("no signature")?;
    let parameters = fields.signature_params();
    let base = HttpSignatureBase::try_new(&lines(job, headers, &parameters.covered_components)?, parameters)?;
    let key = PublicKey::from_pem(&algorithm(job), text(job, "public_pem"))?;
    base.verify_signature_headers(&key, fields)?;
    Ok(json!({"verdict": "accepted"}))
}
