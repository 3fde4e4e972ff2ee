//! Checks that are timed by themselves, in processor time of this thread.

use std::future::Future;
use std::hint::black_box;
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use argon2::password_hash::SaltString;
use argon2::{Argon2, PasswordHash, PasswordHasher, PasswordVerifier};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, ParsedPublicKey};
use envelope_core::Access;
use envelope_verifier::Rules;
use http::Request;
use rustix::time::{ClockId, clock_gettime};

use crate::Outcome;
use crate::callers::PACK;
use crate::store::{open, token_of};

/// Nanoseconds of one call of `run`: the median of so many batches.
fn time(batches: usize, calls: u32, mut run: impl FnMut() -> Outcome<()>) -> Outcome<f64> {
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
    };
    let mut found = Vec::new();
    for _ in 0..batches {
        let begin = now();
        for _ in 0..calls {
            run()?;
        }
        found.push((now() - begin) / f64::from(calls));
    }
    found.sort_by(f64::total_cmp);
    found.get(batches / 2).copied().ok_or_else(|| "no batches".into())
}

/// One bare Ed25519 verification of aws-lc-rs, of a message as long as the base of a call.
pub(crate) fn signature() -> Outcome<()> {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).map_err(|_| "no key")?;
    let key = ParsedPublicKey::new(&ED25519, pair.public_key().as_ref()).map_err(|_| "no key")?;
    let message = [b'm'; 1400];
    let signature = pair.sign(&message);
    let verify =
        || key.verify_sig(black_box(&message), signature.as_ref()).map_err(|_| "it does not verify".into());
    println!("{{\"signature\":{}}}", time(50, 200, verify)?);
    Ok(())
}

/// The check of a token among the packs of a store, and those of passwords.
pub(crate) fn token(config: &Path) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let known = runtime.block_on(open(config))?;
    let token = token_of(PACK);
    let head = Request::builder().uri("/api/pack/bench/agent").header("Host", "pack.example");
    let head = head.header("Authorization", format!("Bearer {token}")).body(())?.into_parts().0;
    let rules = Rules::pack(&known, Some(PACK));
    let check = time(50, 20_000, || {
        let caller = at_once(known.bearer(black_box(&head), Some(PACK), &rules))?;
        caller.map(|caller| drop(black_box(caller))).ok_or_else(|| "the token is no good".into())
    })?;
    let decision = time(50, 20_000, || {
        at_once(known.catch_up())?;
        let rules = Rules::pack(&known, Some(PACK));
        let caller = at_once(known.bearer(black_box(&head), Some(PACK), &rules))?;
        rules.decide(caller.as_ref(), &Access { pack: Some(PACK), ..Access::CALL }).into_result()?;
        Ok(())
    })?;
    let hash = bcrypt::hash(&token, 10)?;
    let by_bcrypt = time(5, 1, || match bcrypt::verify(black_box(&token), &hash)? {
        true => Ok(()),
        false => Err("bcrypt says no".into()),
    })?;
    let salt = SaltString::encode_b64(b"sixteen bytes ..").map_err(|error| error.to_string())?;
    let argon = Argon2::default();
    let hash = argon.hash_password(token.as_bytes(), &salt).map_err(|error| error.to_string())?.to_string();
    let hash = PasswordHash::new(&hash).map_err(|error| error.to_string())?;
    let by_argon = time(5, 1, || {
        argon.verify_password(black_box(token.as_bytes()), &hash).map_err(|error| error.to_string().into())
    })?;
    println!("{{\"check\":{check},\"decision\":{decision},\"bcrypt\":{by_bcrypt},\"argon2\":{by_argon}}}");
    Ok(())
}

/// What a future gives that has nothing to wait for.
fn at_once<T, E: std::error::Error + 'static>(future: impl Future<Output = Result<T, E>>) -> Outcome<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Ok(done?),
        Poll::Pending => Err("the check waits for something".into()),
    }
}
