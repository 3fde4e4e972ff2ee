//! Who calls: a hundred people, each with a call key that is certified, who take turns.

use std::time::SystemTime;

use envelope_core::{Algorithm, Grant, Identity, Issue, Request, Signer, SigningKey, Timestamp, TrustList};

use crate::Outcome;

/// The pack that everybody calls, and how.
pub(crate) const PACK: &str = "bench";
pub(crate) const TARGET: &str = "/api/pack/bench/agent";
pub(crate) const AUTHORITY: &str = "pack.example";
/// The longest that a signature may be good: they are made before they are sent.
pub(crate) const WINDOW: u64 = 300;
const PEOPLE: u8 = 100;

pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) identity_key: SigningKey,
    call_key: SigningKey,
    certificate: String,
}

pub(crate) fn people() -> Outcome<Vec<Person>> {
    (0..PEOPLE).map(person).collect()
}

fn person(number: u8) -> Outcome<Person> {
    let key = |which| {
        let mut seed = [which; 32];
        seed[0] = number;
        SigningKey::from_bytes(Algorithm::Ed25519, &seed)
    };
    let (identity_key, call_key) = (key(1)?, key(2)?);
    let issue = Issue {
        call_key: call_key.verifying_key(),
        issued: Timestamp::from_unix(now() - 1),
        lifetime: 900,
        id: "AAAAAAAAAAAAAAAAAAAAAA",
        grant: Grant::everything(),
    };
    let certificate = issue.sign(&identity_key)?;
    Ok(Person { name: format!("person-{number}"), identity_key, call_key, certificate })
}

pub(crate) fn trust() -> Outcome<TrustList> {
    let mut trust = TrustList::new();
    for person in people()? {
        let identity = Identity::new(&person.name).ok_or("no name")?;
        trust.trust(identity, person.identity_key.verifying_key().thumbprint());
    }
    Ok(trust)
}

/// `NAME=THUMBPRINT` of everybody, as `--trust` takes it.
pub(crate) fn print_trust() -> Outcome<()> {
    for person in people()? {
        println!("{}={}", person.name, person.identity_key.verifying_key().thumbprint());
    }
    Ok(())
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The body of every call: 1 KiB of JSON.
pub(crate) fn body() -> Vec<u8> {
    let start = br#"{"name":"PublicWeather","fill":""#;
    let mut body = start.to_vec();
    body.resize(1022, b'x');
    body.extend(b"\"}");
    body
}

/// What everybody sends, besides the envelope.
pub(crate) const PLAIN: &str = "User-Agent: curl/8.5.0\r\nAccept: */*\r\nContent-Type: application/json\r\n";

/// Signs so many calls on two threads; gives the lines that each of them adds.
pub(crate) fn sign(count: usize) -> Outcome<Vec<Box<[u8]>>> {
    const THREADS: usize = 2;
    let people = people()?;
    let share = |thread: usize| {
        let mine = people.iter().cycle().skip(thread).step_by(THREADS);
        let mine = mine.take(count.div_ceil(THREADS));
        mine.map(sign_one).collect::<Result<Vec<_>, String>>()
    };
    let mut all = Vec::with_capacity(count);
    std::thread::scope(|scope| -> Outcome<()> {
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || share(thread))).collect();
        for thread in threads {
            all.extend(thread.join().map_err(|_| "a thread that signs ended")??);
        }
        Ok(())
    })?;
    all.truncate(count);
    Ok(all)
}

fn sign_one(person: &Person) -> Result<Box<[u8]>, String> {
    let body = body();
    let url = format!("http://{AUTHORITY}{TARGET}");
    let fields: Vec<_> = PLAIN
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name, value.as_bytes()))
        .collect();
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).map_err(|error| error.to_string())?;
    let signed = Signer::certified(&person.call_key, &person.certificate)
        .and_then(|signer| signer.with_lifetime(WINDOW))
        .and_then(|signer| {
            let request = Request::new("POST", &url, &fields);
            signer.sign(&request, Some(&body), Timestamp::from_unix(now()), &nonce)
        })
        .map_err(|refusal| refusal.to_string())?;
    let lines: String = signed.fields().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    Ok(lines.into_bytes().into())
}
