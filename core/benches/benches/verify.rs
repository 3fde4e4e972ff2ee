//! A whole verification, beside one bare signature check of the libraries that people use, in one run.

use std::hint::black_box;
use std::time::Duration;

use aws_lc_rs::signature as aws;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use ed25519_dalek::Signer as _;
use envelope_bench::{Caller, Kept, NOW, Server};
use envelope_core::{Algorithm, CertificateCache, Decision, Uncached};
use p256::ecdsa::signature::Verifier as _;

const BODY: [u8; 1024] = [b'x'; 1024];
/// As long as the base of these requests.
const MESSAGE: [u8; 1400] = [b'm'; 1400];

fn whole<C: CertificateCache>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    caller: &Caller,
    certificates: C,
) {
    let requests: Vec<_> = (0..4096).map(|nonce| caller.sign(&BODY, nonce).unwrap()).collect();
    let mut server = Server::new(caller, certificates).unwrap();
    let mut at = 0;
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            if at == requests.len() {
                server.forget();
                at = 0;
            }
            let decision = server.admit(black_box(&requests[at]), &BODY, NOW).unwrap();
            assert_eq!(decision, Decision::Allow);
            at += 1;
        });
    });
}

fn refusals(group: &mut BenchmarkGroup<'_, WallTime>, caller: &Caller) {
    let request = caller.sign(&BODY, 0).unwrap();
    let mut server = Server::new(caller, Kept::default()).unwrap();
    group.bench_function("envelope, expired", |bencher| {
        bencher.iter(|| server.admit(black_box(&request), &BODY, NOW.plus(61)).unwrap_err());
    });
    let mut garbage = request.clone();
    for (name, value) in &mut garbage {
        if name.eq_ignore_ascii_case("signature-input") {
            value.truncate(40);
        }
    }
    group.bench_function("envelope, garbage", |bencher| {
        bencher.iter(|| server.admit(black_box(&garbage), &BODY, NOW).unwrap_err());
    });
    let stranger = Server::new(&Caller::new(Algorithm::P256).unwrap(), Uncached);
    let mut stranger = stranger.unwrap();
    group.bench_function("envelope, unknown key", |bencher| {
        bencher.iter(|| stranger.admit(black_box(&request), &BODY, NOW).unwrap_err());
    });
}

fn ed25519(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ed25519");
    let caller = Caller::new(Algorithm::Ed25519).unwrap();
    let key = ed25519_dalek::SigningKey::from_bytes(&[1; 32]);
    let (verifying_key, signature) = (key.verifying_key(), key.sign(&MESSAGE));

    group.bench_function("bare dalek verify_strict", |bencher| {
        bencher.iter(|| verifying_key.verify_strict(black_box(&MESSAGE), &signature).unwrap());
    });
    let parsed = aws::ParsedPublicKey::new(&aws::ED25519, verifying_key.to_bytes()).unwrap();
    group.bench_function("bare aws-lc-rs verify", |bencher| {
        bencher.iter(|| parsed.verify_sig(black_box(&MESSAGE), &signature.to_bytes()).unwrap());
    });
    let public = ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, verifying_key.to_bytes());
    group.bench_function("bare ring verify", |bencher| {
        bencher.iter(|| public.verify(black_box(&MESSAGE), &signature.to_bytes()).unwrap());
    });
    whole(&mut group, "envelope, known call key, 1 KiB body", &caller, Kept::default());
    whole(&mut group, "envelope, certificate seen first, 1 KiB body", &caller, Uncached);
    refusals(&mut group, &caller);
    group.bench_function("bare dalek sign", |bencher| bencher.iter(|| key.sign(black_box(&MESSAGE))));
    group.bench_function("envelope sign, 1 KiB body", |bencher| {
        bencher.iter(|| caller.sign(black_box(&BODY), 1).unwrap());
    });
}

fn p256(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("p256");
    let caller = Caller::new(Algorithm::P256).unwrap();
    let key = p256::ecdsa::SigningKey::from_slice(&[1; 32]).unwrap();
    let signature: p256::ecdsa::Signature = key.sign(&MESSAGE);
    let verifying_key = *key.verifying_key();

    group.bench_function("bare p256 verify", |bencher| {
        bencher.iter(|| verifying_key.verify(black_box(&MESSAGE), &signature).unwrap());
    });
    let bytes = verifying_key.to_sec1_bytes();
    let parsed = aws::ParsedPublicKey::new(&aws::ECDSA_P256_SHA256_FIXED, &bytes).unwrap();
    group.bench_function("bare aws-lc-rs verify", |bencher| {
        bencher.iter(|| parsed.verify_sig(black_box(&MESSAGE), &signature.to_bytes()).unwrap());
    });
    whole(&mut group, "envelope, known call key, 1 KiB body", &caller, Kept::default());
    whole(&mut group, "envelope, certificate seen first, 1 KiB body", &caller, Uncached);
}

criterion_group! {
    name = benches;
    config = Criterion::default().measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_secs(1));
    targets = ed25519, p256
}
criterion_main!(benches);
