//! The least that verifies an envelope, all stages: one authority, one trusted key, one rule. It is what remains of the library
//! when the linker has taken out the rest, with neither an operating system nor an allocator that came with one.
#![no_std]
#![no_main]

extern crate alloc;

mod bare;

use alloc::boxed::Box;
use alloc::vec::Vec;

use envelope_core::{
    Access, Authorities, Field, Identity, MemoryReplayCache, Pack, Policy, Refusal, Request, Thumbprint,
    Timestamp, TrustList, Verifier,
};

/// A request: method and target, a line for each field, an empty line, the body; LF behind each line.
pub type Message = [u8; 16 * 1024];

/// Where a request is to be written.
#[unsafe(no_mangle)]
pub extern "C" fn room() -> &'static mut Message {
    Box::leak(Box::new([0; 16 * 1024]))
}

/// 0 when the request may pass, else the status of the refusal.
#[unsafe(no_mangle)]
pub extern "C" fn verify(message: &Message, length: usize, now: u64) -> u32 {
    let request = message.get(..length).unwrap_or_default();
    match admit(request, Timestamp::from_unix(now)) {
        Some(Ok(())) => 0,
        Some(Err(refusal)) => refusal.code().status().into(),
        None => 400,
    }
}

/// `None` for what is no request, or where the names below were none.
fn admit(message: &[u8], now: Timestamp) -> Option<Result<(), Refusal>> {
    let (head, body) = message.split_at_checked(message.windows(2).position(|two| two == b"\n\n")? + 2)?;
    let mut lines = core::str::from_utf8(head).ok()?.lines();
    let (method, target) = lines.next()?.split_once(' ')?;
    let fields: Vec<Field<'_>> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name, value.as_bytes()))
        .collect();
    let mut trust = TrustList::new();
    trust.trust(Identity::new("alice")?, Thumbprint::parse("59CCHWMQhoRB9YwDiOcacjlSDkqOLVMc8mrcHyqu_MY")?);
    let verifier = Verifier::new(Authorities::new(["pack.example"]).ok()?);
    // Whoever verifies for real makes these once, and the cache with a seed that nobody knows.
    let (mut cache, policy) = (MemoryReplayCache::new(1000, [0; 16]), Policy::new(Pack::trusted()));
    let request = Request::new(method, target, &fields);
    Some(verifier.verify(&request, &trust, now).and_then(|verified| {
        let caller = verified.check_body(body, now)?.fresh(&mut cache, now)?.into_caller();
        policy.decide(Some(&caller), &Access::CALL).into_result()
    }))
}
