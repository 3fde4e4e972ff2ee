//! The same request, as other libraries verify it; and the tokens that are sent instead of one.

use std::hint::black_box;
use std::time::{Duration, SystemTime};

use biscuit_auth::AuthorizerLimits;
use criterion::{Criterion, criterion_group, criterion_main};
use ed25519_dalek::pkcs8::{EncodePrivateKey, EncodePublicKey, spki::der::pem::LineEnding};
use envelope_bench::{Caller, Header, REQUESTS, Server, TARGET, header, sign};
use envelope_core::{Algorithm, Decision, Timestamp};
use envelope_verifier::ShardedCertificateCache;
use httpsig::prelude::message_component::{HttpMessageComponent, HttpMessageComponentId};
use httpsig::prelude::{AlgorithmName, HttpSignatureBase, HttpSignatureHeaders, PublicKey};
use jsonwebtoken::{DecodingKey, EncodingKey, Validation};
use serde::{Deserialize, Serialize};
use web_bot_auth::components::{CoveredComponent, DerivedComponent};
use web_bot_auth::keyring::KeyRing;
use web_bot_auth::message_signatures::{MessageVerifier, SignedMessage};

fn value<'a>(header: &'a Header, name: &str) -> &'a str {
    let found = header.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    std::str::from_utf8(&found.unwrap().1).unwrap()
}

/// What a component of the request is: both libraries leave that to their caller.
fn component<'a>(header: &'a Header, name: &str) -> &'a str {
    let (path, query) = TARGET.split_at(TARGET.find('?').unwrap());
    match name {
        "@method" => "POST",
        "@authority" => "pack.example",
        "@path" => path,
        "@query" => query,
        _ => value(header, name),
    }
}

fn httpsig_verify(header: &Header, key: &PublicKey) {
    let all = HttpSignatureHeaders::try_parse(value(header, "signature"), value(header, "signature-input"))
        .unwrap();
    let fields = all.values().next().unwrap();
    let parameters = fields.signature_params();
    let line = |id: &HttpMessageComponentId| {
        let name = id.to_string();
        let value = component(header, name.trim_matches('"')).to_owned();
        HttpMessageComponent::try_from((id, &[value][..])).unwrap()
    };
    let lines: Vec<_> = parameters.covered_components.iter().map(line).collect();
    let base = HttpSignatureBase::try_new(&lines, parameters).unwrap();
    base.verify_signature_headers(key, fields).unwrap();
}

struct Message<'a>(&'a Header);

impl SignedMessage for Message<'_> {
    fn lookup_component(&self, wanted: &CoveredComponent) -> Vec<String> {
        let name = match wanted {
            CoveredComponent::Derived(DerivedComponent::Method { .. }) => "@method",
            CoveredComponent::Derived(DerivedComponent::Authority { .. }) => "@authority",
            CoveredComponent::Derived(DerivedComponent::Path { .. }) => "@path",
            CoveredComponent::Derived(DerivedComponent::Query { .. }) => "@query",
            CoveredComponent::HTTP(field) => &field.name,
            _ => return vec![],
        };
        vec![component(self.0, name).to_owned()]
    }
}

/// What RFC 9449 puts into a proof of possession: one per request, with the key in its header.
#[derive(Serialize, Deserialize)]
struct Proof {
    htm: String,
    htu: String,
    iat: u64,
    jti: String,
}

fn peers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("peers");
    // Some of them ask the clock of the system; five minutes are enough for all.
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let now = Timestamp::from_unix(since.as_secs());
    let caller = Caller::new(Algorithm::Ed25519, now).unwrap();
    let signer = caller.signer().unwrap().with_lifetime(300).unwrap();
    let requests: Vec<_> = (0..REQUESTS).map(|nonce| header(&sign(&signer, nonce, now).unwrap())).collect();
    let mut server = Server::new(&caller, ShardedCertificateCache::new(1024)).unwrap();
    let mut at = 0;
    group.bench_function("envelope, known call key", |bencher| {
        bencher.iter(|| {
            if at == requests.len() {
                server.forget();
                at = 0;
            }
            assert_eq!(server.admit(black_box(&requests[at]), now).unwrap(), Decision::Allow);
            at += 1;
        });
    });

    let key = ed25519_dalek::SigningKey::from_bytes(&caller.call_key().to_bytes());
    let pem = key.verifying_key().to_public_key_pem(LineEnding::LF).unwrap();
    let theirs = PublicKey::from_pem(&AlgorithmName::Ed25519, &pem).unwrap();
    group.bench_function("httpsig verify", |bencher| {
        bencher.iter(|| httpsig_verify(black_box(&requests[0]), &theirs));
    });

    let mut ring = KeyRing::default();
    let keyid = caller.call_key().verifying_key().thumbprint().to_string();
    let public = key.verifying_key().to_bytes().to_vec();
    ring.import_raw(keyid, web_bot_auth::keyring::Algorithm::Ed25519, public);
    group.bench_function("web-bot-auth verify", |bencher| {
        bencher.iter(|| {
            let message = Message(black_box(&requests[0]));
            MessageVerifier::parse(&message, |_| true).unwrap().verify(&ring, None).unwrap();
        });
    });

    let proof = Proof {
        htm: "POST".to_owned(),
        htu: "https://pack.example/api/pack/p1/agent".to_owned(),
        iat: now.as_unix(),
        jti: "AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
    };
    let private = EncodingKey::from_ed_der(key.to_pkcs8_der().unwrap().as_bytes());
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::EdDSA);
    let token = jsonwebtoken::encode(&header, &proof, &private).unwrap();
    let public = DecodingKey::from_ed_der(key.verifying_key().as_bytes());
    let mut validation = Validation::new(jsonwebtoken::Algorithm::EdDSA);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    group.bench_function("jsonwebtoken, an EdDSA proof as of DPoP", |bencher| {
        bencher.iter(|| {
            let read = jsonwebtoken::decode::<Proof>(black_box(&token), &public, &validation).unwrap();
            assert_eq!(read.claims.iat, now.as_unix());
        });
    });

    let root = biscuit_auth::KeyPair::new();
    let biscuit = biscuit_auth::Biscuit::builder().fact("user(\"alice\")").unwrap().build(&root).unwrap();
    let token = biscuit.to_vec().unwrap();
    // By itself it gives up after a millisecond, which a busy machine takes from it.
    let patient = AuthorizerLimits { max_time: Duration::from_secs(10), ..AuthorizerLimits::default() };
    group.bench_function("biscuit-auth, one block", |bencher| {
        bencher.iter(|| {
            let read = biscuit_auth::Biscuit::from(black_box(&token), root.public()).unwrap();
            let authorizer =
                biscuit_auth::builder::AuthorizerBuilder::new().code("allow if user($u);").unwrap();
            let authorizer = authorizer.set_limits(patient.clone());
            authorizer.build(&read).unwrap().authorize().unwrap();
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_secs(1));
    targets = peers
}
criterion_main!(benches);
