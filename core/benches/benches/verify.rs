//! A whole verification, beside one bare signature check of the libraries that people use, in one run.

use std::hint::black_box;
use std::time::Duration;

use aws_lc_rs::signature as aws;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use ed25519_dalek::{Signer as _, Verifier as _};
use envelope_bench::{Caller, KeysAlone, NOW, REQUESTS, Server, header, sign};
use envelope_core::{Algorithm, CertificateCache, Code, Decision, Uncached};
use envelope_verifier::ShardedCertificateCache;

/// As long as the base of a request of the caller.
fn message(caller: &Caller) -> Vec<u8> {
    sign(&caller.signer().unwrap(), 0, NOW).unwrap().base().as_bytes().to_vec()
}

fn cache() -> ShardedCertificateCache {
    ShardedCertificateCache::new(1024)
}

fn whole<C: CertificateCache>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    caller: &Caller,
    certificates: C,
) {
    let signer = caller.signer().unwrap();
    let requests: Vec<_> = (0..REQUESTS).map(|nonce| header(&sign(&signer, nonce, NOW).unwrap())).collect();
    let mut server = Server::new(caller, certificates).unwrap();
    let mut at = 0;
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            if at == requests.len() {
                server.forget();
                at = 0;
            }
            let decision = server.admit(black_box(&requests[at]), NOW).unwrap();
            assert_eq!(decision, Decision::Allow);
            at += 1;
        });
    });
}

fn every_stage(group: &mut BenchmarkGroup<'_, WallTime>, caller: &Caller) {
    whole(group, "envelope, known call key", caller, cache());
    whole(group, "envelope, new certificate", caller, KeysAlone(cache()));
    whole(group, "envelope, new identity", caller, Uncached);
}

fn refusals(group: &mut BenchmarkGroup<'_, WallTime>, caller: &Caller) {
    let request = header(&sign(&caller.signer().unwrap(), 0, NOW).unwrap());
    let mut garbage = request.clone();
    for (name, value) in &mut garbage {
        if name.eq_ignore_ascii_case("signature-input") {
            value.truncate(40);
        }
    }
    let another = Caller::new(Algorithm::P256, NOW).unwrap();
    let mut server = Server::new(caller, cache()).unwrap();
    let mut stranger = Server::new(&another, cache()).unwrap();
    assert_eq!(server.admit(&request, NOW).unwrap(), Decision::Allow);

    let mut refused = |name: &str, server: &mut Server<_>, request, now, code| {
        group.bench_function(format!("envelope, refused: {name}"), |bencher| {
            bencher.iter(|| assert_eq!(server.admit(black_box(request), now).unwrap_err().code(), code));
        });
    };
    refused("garbage", &mut server, &garbage, NOW, Code::Malformed);
    refused("expired", &mut server, &request, NOW.plus(61), Code::Expired);
    refused("replayed", &mut server, &request, NOW, Code::Replayed);
    refused("unknown key", &mut stranger, &request, NOW, Code::UnknownKey);
}

fn ed25519(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("Ed25519");
    let caller = Caller::new(Algorithm::Ed25519, NOW).unwrap();
    let message = message(&caller);
    let key = ed25519_dalek::SigningKey::from_bytes(&[1; 32]);
    let (verifying_key, signature) = (key.verifying_key(), key.sign(&message));

    let parsed = aws::ParsedPublicKey::new(&aws::ED25519, verifying_key.to_bytes()).unwrap();
    group.bench_function("aws-lc-rs verify", |bencher| {
        bencher.iter(|| parsed.verify_sig(black_box(&message), &signature.to_bytes()).unwrap());
    });
    every_stage(&mut group, &caller);
    group.bench_function("dalek verify_strict", |bencher| {
        bencher.iter(|| verifying_key.verify_strict(black_box(&message), &signature).unwrap());
    });
    group.bench_function("dalek verify", |bencher| {
        bencher.iter(|| verifying_key.verify(black_box(&message), &signature).unwrap());
    });
    let public = ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, verifying_key.to_bytes());
    group.bench_function("ring verify", |bencher| {
        bencher.iter(|| public.verify(black_box(&message), &signature.to_bytes()).unwrap());
    });
    refusals(&mut group, &caller);
    group.bench_function("dalek sign", |bencher| bencher.iter(|| key.sign(black_box(&message))));
    let signer = caller.signer().unwrap();
    group.bench_function("envelope sign", |bencher| {
        bencher.iter(|| sign(black_box(&signer), 1, NOW).unwrap())
    });
}

fn p256(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("P-256");
    let caller = Caller::new(Algorithm::P256, NOW).unwrap();
    let key = p256::ecdsa::SigningKey::from_slice(&[1; 32]).unwrap();
    let message = message(&caller);
    let signature: p256::ecdsa::Signature = key.sign(&message);
    let verifying_key = *key.verifying_key();

    let bytes = verifying_key.to_sec1_bytes();
    let parsed = aws::ParsedPublicKey::new(&aws::ECDSA_P256_SHA256_FIXED, &bytes).unwrap();
    group.bench_function("aws-lc-rs verify", |bencher| {
        bencher.iter(|| parsed.verify_sig(black_box(&message), &signature.to_bytes()).unwrap());
    });
    every_stage(&mut group, &caller);
    group.bench_function("p256 verify", |bencher| {
        bencher.iter(|| verifying_key.verify(black_box(&message), &signature).unwrap());
    });
    group.bench_function("p256 sign", |bencher| {
        bencher.iter(|| -> p256::ecdsa::Signature { key.sign(black_box(&message)) });
    });
    let signer = caller.signer().unwrap();
    group.bench_function("envelope sign", |bencher| {
        bencher.iter(|| sign(black_box(&signer), 1, NOW).unwrap())
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_secs(1));
    targets = ed25519, p256
}
criterion_main!(benches);
