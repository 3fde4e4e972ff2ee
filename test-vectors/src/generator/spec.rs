//! The generated sections of the spec and of the README.

use base64ct::{Base64UrlUnpadded, Encoding};
use envelope_core::Code;
use envelope_test_vectors::{Request, Vector, statement};

use super::draft::{Draft, NOW};
use super::statement::example as keys_example;

/// A file, the name of a section in it, and what stands there.
pub(crate) struct Section {
    pub file: &'static str,
    pub name: &'static str,
    pub text: String,
}

/// All of them. Files are named from the root of the repository.
pub(crate) fn sections(vectors: &[Vector], statements: &[statement::Vector]) -> Vec<Section> {
    let section = |file, name, text| Section { file, name, text };
    vec![
        section("spec/envelope.md", "example", example()),
        section("spec/envelope.md", "published", published()),
        section("spec/envelope.md", "errors", errors()),
        section("spec/keys.md", "keys-example", keys_example()),
        section("test-vectors/README.md", "counts", counts(vectors)),
        section("test-vectors/README.md", "counts-statements", count_statements(statements)),
        section("test-vectors/README.md", "counts-python", count_all(vectors.len() + statements.len())),
    ]
}

/// The vector `whole/example`, step by step.
fn example() -> String {
    let draft = Draft::new("whole/example");
    let (key, keyid) = (draft.key.private_jwk(), draft.key.thumbprint());
    let certificate = draft.certificate.as_ref().unwrap();
    let (identity_key, issuer) = (certificate.issuer.private_jwk(), certificate.issuer.thumbprint());
    let jws = certificate.to_jws();
    let (input, _) = jws.rsplit_once('.').unwrap();
    let (header, claims) = input.split_once('.').unwrap();
    let (header, claims) = (pretty(header), pretty(claims));
    let sealed = draft.seal();
    let request = http(&sealed.request);
    let base = sealed.base.join("\n");
    let signature = &sealed.request.headers.last().unwrap().1;
    format!(
        "Alice's identity key, thumbprint `{issuer}` (each private `d` is here because these are examples: no verifier should
trust them)

```json
{identity_key}
```

The call key, thumbprint `{keyid}`

```json
{key}
```

The certificate: its header, its claims, and the JWS

```json
{header}
{claims}
```

```
{jws}
```

The request as it is sent at {NOW}, each field on one line

```http
{request}
```

The signature base, without a line end behind its last line

```
{base}
```

The signature over it, as `Signature` carries it

```
{signature}
```

A verifier that answers for `pack.example`, knows the first thumbprint as `alice`, and reads its clock from {} to
{} accepts the request once.",
        NOW - 5,
        NOW + 60,
    )
}

/// A part of a JWS as JSON, indented.
fn pretty(part: &str) -> String {
    indented(&String::from_utf8(Base64UrlUnpadded::decode_vec(part).unwrap()).unwrap())
}

/// JSON, indented.
pub(super) fn indented(json: &str) -> String {
    // The members stay in their order: JSON objects of this profile hold neither commas nor braces in their strings.
    let mut text = String::new();
    let mut depth = 0;
    for character in json.chars() {
        match character {
            '{' => {
                depth += 1;
                text.push('{');
                line(&mut text, depth);
            }
            '}' => {
                depth -= 1;
                line(&mut text, depth);
                text.push('}');
            }
            ',' => {
                text.push(',');
                line(&mut text, depth);
            }
            _ => text.push(character),
        }
    }
    text.replace("\":", "\": ")
}

fn line(text: &mut String, depth: usize) {
    text.push('\n');
    text.push_str(&"  ".repeat(depth));
}

fn http(request: &Request) -> String {
    String::from_utf8(request.to_http().unwrap()).unwrap().replace("\r\n", "\n")
}

fn errors() -> String {
    let mut table = String::from("| code | stage | HTTP | title |\n|---|---|---|---|");
    for code in Code::ALL {
        table.push_str(&format!(
            "\n| `{code}` | {} | {} | {} |",
            code.stage().number(),
            code.status(),
            code.title()
        ));
    }
    table
}

fn published() -> String {
    let mut table = String::from("| thumbprint | printed in |\n|---|---|");
    for (printed, thumbprint) in envelope_core::key::PUBLISHED {
        table.push_str(&format!("\n| `{thumbprint}` | {printed} |"));
    }
    table
}

fn counts(vectors: &[Vector]) -> String {
    let mut topics: Vec<&str> = Vec::new();
    for vector in vectors {
        let (topic, _) = vector.name.split_once('/').unwrap();
        if !topics.contains(&topic) {
            topics.push(topic);
        }
    }
    let mut table = String::from("| topic | vectors | valid | refused | requests |\n|---|---|---|---|---|");
    let mut row = |name: &str, wanted: &dyn Fn(&str) -> bool| {
        let of_topic: Vec<&Vector> = vectors
            .iter()
            .filter(|vector| wanted(vector.name.split('/').next().unwrap_or_default()))
            .collect();
        let is_valid = |vector: &&&Vector| vector.steps().iter().all(|step| step.expect == "valid");
        let valid = of_topic.iter().filter(is_valid).count();
        let requests: usize = of_topic.iter().map(|vector| vector.steps().len()).sum();
        let (all, refused) = (of_topic.len(), of_topic.len() - valid);
        table.push_str(&format!("\n| {name} | {all} | {valid} | {refused} | {requests} |"));
    };
    for topic in &topics {
        row(&format!("`{topic}/`"), &|name| name == *topic);
    }
    row("all", &|_| true);
    let steps = super::steps().len();
    table.push_str(&format!(
        "\n\nEach of the {steps} steps of stages 1 to 8 has at least one vector with a request that it refuses, and one with a \
         request that\nit lets pass: `spec` names it. Each code of a step has one that is refused with it; each rule of stage 8 has one that is \
         valid and one that\nis refused, of a key and of a login. The generator does not write anything where one lacks."
    ));
    table
}

/// What the second implementation ends with, as `.ci/test` holds it to.
fn count_all(all: usize) -> String {
    format!(
        "```
pip install 'cryptography>=43'
python3 test-vectors/python/run_vectors.py      # ends with: {all} passed, 0 failed
```"
    )
}

fn count_statements(statements: &[statement::Vector]) -> String {
    let mut table = String::from("| subject | vectors | valid | refused | steps |\n|---|---|---|---|---|");
    let mut row = |shown: &str, start: &str| {
        let subject: Vec<_> = statements.iter().filter(|vector| vector.name.starts_with(start)).collect();
        let is_valid = |vector: &&&statement::Vector| vector.steps.iter().all(|step| step.expect == "valid");
        let valid = subject.iter().filter(is_valid).count();
        let steps: usize = subject.iter().map(|vector| vector.steps.len()).sum();
        let (all, refused) = (subject.len(), subject.len() - valid);
        table.push_str(&format!("\n| {shown} | {all} | {valid} | {refused} | {steps} |"));
    };
    for subject in ["succession-", "retirement-", "list-", "record-"] {
        row(&format!("`{subject}*`"), subject);
    }
    row("all", "");
    table
}
