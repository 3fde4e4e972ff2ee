//! probe
use criterion::{Criterion, criterion_group, criterion_main};
use envelope_core::*;
use std::hint::black_box;

struct Fixture { fields: Vec<(String, Vec<u8>)>, trust: TrustList, verifier: Verifier, body: Vec<u8>, now: Timestamp }
fn fixture(alg: Algorithm) -> Fixture {
    let id = SigningKey::from_bytes(alg, &[1; 32]).unwrap();
    let ck = SigningKey::from_bytes(alg, &[2; 32]).unwrap();
    let now = Timestamp::from_unix(1_795_330_557);
    let jws = Issue { call_key: ck.verifying_key(), issued: now, lifetime: 900, id: "AAAAAAAAAAAAAAAAAAAAAA", grant: Grant::everything() }.sign(&id).unwrap();
    let body = vec![b'x'; 1024];
    let h: Vec<Field> = vec![("content-type", b"application/json")];
    let s = Signer::certified(&ck, &jws).unwrap().sign(&Request::new("POST", "https://pack.example/api/pack/p1/agent?trace=1", &h), Some(&body), now, &[3; 16]).unwrap();
    let mut fields: Vec<(String, Vec<u8>)> = vec![("host".into(), b"pack.example".to_vec()), ("user-agent".into(), b"curl/8".to_vec()), ("accept".into(), b"*/*".to_vec()), ("content-length".into(), b"1024".to_vec()), ("content-type".into(), b"application/json".to_vec())];
    for (n, v) in s.fields() { fields.push((n.to_ascii_lowercase(), v.as_bytes().to_vec())); }
    let mut trust = TrustList::new();
    trust.trust(Identity::new("alice").unwrap(), id.verifying_key().thumbprint());
    Fixture { fields, trust, verifier: Verifier::new(Authorities::new(["pack.example"]).unwrap()), body, now }
}
fn bench(c: &mut Criterion) {
    for alg in [Algorithm::Ed25519, Algorithm::P256] {
        let f = fixture(alg);
        let fields: Vec<Field> = f.fields.iter().map(|(n, v)| (n.as_str(), v.as_slice())).collect();
        c.bench_function(&format!("envelope {alg:?} full"), |b| b.iter(|| {
            let r = Request::new("POST", "/api/pack/p1/agent?trace=1", black_box(&fields));
            f.verifier.verify(&r, &f.trust, f.now).unwrap().check_body(&f.body, f.now).unwrap()
        }));
        c.bench_function(&format!("envelope {alg:?} parse"), |b| b.iter(|| {
            let r = Request::new("POST", "/api/pack/p1/agent?trace=1", black_box(&fields));
            Envelope::parse(&r).unwrap()
        }));
        let auth = Authorities::new(["pack.example"]).unwrap();
        c.bench_function(&format!("envelope {alg:?} parse+base"), |b| b.iter(|| {
            let r = Request::new("POST", "/api/pack/p1/agent?trace=1", black_box(&fields));
            let e = Envelope::parse(&r).unwrap();
            SignatureBase::build(&e, &r, &auth).unwrap()
        }));
        let jws = String::from_utf8(f.fields.iter().find(|(n, _)| n == "signature-key").unwrap().1.clone()).unwrap();
        let jws = jws.split('"').nth(1).unwrap().to_owned();
        c.bench_function(&format!("envelope {alg:?} cert parse"), |b| b.iter(|| UntrustedCertificate::parse(black_box(&jws)).unwrap()));
        c.bench_function(&format!("envelope {alg:?} cert parse+verify"), |b| b.iter(|| UntrustedCertificate::parse(black_box(&jws)).unwrap().verify().unwrap()));
    }
    let msg = vec![b'm'; 420];
    let sk = ed25519_dalek::SigningKey::from_bytes(&[1; 32]);
    use ed25519_dalek::Signer as _;
    let sig = sk.sign(&msg);
    let vk = sk.verifying_key();
    c.bench_function("dalek sign", |b| b.iter(|| sk.sign(black_box(&msg))));
    c.bench_function("dalek verify_strict", |b| b.iter(|| vk.verify_strict(black_box(&msg), &sig).unwrap()));
    let pk = aws_lc_rs::signature::UnparsedPublicKey::new(&aws_lc_rs::signature::ED25519, vk.to_bytes());
    c.bench_function("aws-lc-rs ed25519 verify", |b| b.iter(|| pk.verify(black_box(&msg), &sig.to_bytes()).unwrap()));
    let pk = aws_lc_rs::signature::ParsedPublicKey::new(&aws_lc_rs::signature::ED25519, vk.to_bytes()).unwrap();
    c.bench_function("aws-lc-rs ed25519 verify parsed", |b| b.iter(|| pk.verify_sig(black_box(&msg), &sig.to_bytes()).unwrap()));
    let psk = p256::ecdsa::SigningKey::from_slice(&[1; 32]).unwrap();
    let psig: p256::ecdsa::Signature = psk.sign(&msg);
    let pvk = *psk.verifying_key();
    use p256::ecdsa::signature::Verifier as _;
    c.bench_function("p256 verify", |b| b.iter(|| pvk.verify(black_box(&msg), &psig).unwrap()));
    let ppk = aws_lc_rs::signature::UnparsedPublicKey::new(&aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED, pvk.to_sec1_bytes());
    c.bench_function("aws-lc-rs p256 verify", |b| b.iter(|| ppk.verify(black_box(&msg), &psig.to_bytes()).unwrap()));
}
criterion_group! { name = b; config = Criterion::default().sample_size(30).measurement_time(std::time::Duration::from_secs(2)).warm_up_time(std::time::Duration::from_millis(500)); targets = bench }
criterion_main!(b);
