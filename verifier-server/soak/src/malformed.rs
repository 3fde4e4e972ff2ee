//! Requests that are wrong in every way that the grammar allows to be wrong: each must hear a 4xx of ours, and none may reach the upstream.
//!
//! Each begins as a valid call of somebody who is trusted, so that what it is refused for is what was changed.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use envelope_core::Code;
use rustix::process::Signal;
use tokio::task::JoinSet;

use crate::callers::{Draft, Person};
use crate::client::{Answer, Connection};
use crate::results::Results;
use crate::scene::{Programs, Scene};
use crate::upstream::Upstream;
use crate::{Outcome, Size};

const TASKS: usize = 16;
/// The sequence is the same at every run.
const SEED: u64 = 0x656e_7665_6c6f_7065;

pub(crate) async fn run(programs: &Programs, size: &Size) -> Outcome<Results> {
    let upstream = Upstream::start().await?;
    let person = Arc::new(Person::new("honest")?);
    let mut scene = Scene::new(
        programs,
        &[format!("upstream = \"http://{}\"", upstream.address), format!("trust = [\"{}\"]", person.trust())],
    )?;
    scene.start().await?;
    // What was signed in the second in which it began is refused.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let found: Arc<Mutex<Found>> = Arc::default();
    let mut sending = JoinSet::new();
    for task in 0..TASKS {
        let (person, found, to, count) =
            (Arc::clone(&person), Arc::clone(&found), scene.address, size.malformed / TASKS);
        sending.spawn(async move { send(&person, to, count, Random::of(SEED ^ task as u64), &found).await });
    }
    while let Some(done) = sending.join_next().await {
        done??;
    }
    let arrived = upstream.arrived() + usize::try_from(upstream.strange())?;
    // That they were refused for what was changed: the same without a change passes.
    let mut connection = Connection::open(scene.address, Ipv4Addr::LOCALHOST).await?;
    let valid = connection.exchange(&person.sign(Draft::default())?.bytes).await?;
    scene.end(Signal::TERM).await?;
    let receipts = scene.receipts().await?;

    let found = std::mem::take(&mut *found.lock().unwrap_or_else(PoisonError::into_inner));
    let mut results = Results::new();
    let all = found.refused.values().sum();
    results.count("malformed requests, each a valid one with a change", all);
    // A valid one is signed anew each time, so that these differ whatever is changed.
    results.count("of these different from each other", found.sent.len());
    results.count("changes that are different from each other", found.changes.len());
    results.count("kinds of changes", CHANGES.len());
    for (code, count) in &found.refused {
        results.count(&format!("refused as `{code}`"), *count);
    }
    for wrong in found.wrong.iter().take(20) {
        println!("WRONG: {wrong}");
    }
    results.at_least(
        "requests that were refused by a 4xx with a code of the table, and its status",
        all as f64,
        size.malformed as f64,
    );
    results.none("requests that were not, or whose connection ended without an answer", found.wrong.len());
    results.none("requests that reached the upstream", arrived);
    results.none("the same without a change, refused", usize::from(valid.status != 200));
    receipts.judge(&mut results)?;
    Ok(results)
}

#[derive(Default)]
struct Found {
    refused: BTreeMap<Code, usize>,
    wrong: Vec<String>,
    /// Hashes of what was sent.
    sent: HashSet<u64>,
    /// Hashes of what was changed, and how.
    changes: HashSet<u64>,
}

async fn send(
    person: &Person,
    to: SocketAddr,
    count: usize,
    mut random: Random,
    found: &Mutex<Found>,
) -> Outcome<()> {
    let mut connection = None;
    for number in 0..count {
        random.drawn.clear();
        let (name, change) = random.one_of(CHANGES).ok_or("no changes")?;
        let mut request = Request::of(&person.sign(Draft { length: 100, ..Draft::default() })?.bytes)?;
        change(&mut request, &mut random);
        // Nothing is sent again: whoever keeps a connection open answers what comes on it.
        let answer = exchange(&mut connection, to, &request).await;
        if request.is_last || answer.as_ref().map_or(true, |answer| answer.closes) {
            connection = None;
        }
        let code = answer.as_ref().ok().and_then(|answer| Code::parse(answer.code.as_deref()?));
        let status = answer.as_ref().map_or(0, |answer| answer.status);
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        found.sent.insert(hash(&request.bytes()));
        found.changes.insert(hash(&random.drawn));
        match code {
            Some(code) if code.status() == status && (400..500).contains(&status) => {
                *found.refused.entry(code).or_default() += 1;
            }
            _ => found
                .wrong
                .push(format!("{name}, number {number}: {answer:?}: {}", request.bytes().escape_ascii())),
        }
    }
    Ok(())
}

async fn exchange(
    connection: &mut Option<Connection>,
    to: SocketAddr,
    request: &Request,
) -> io::Result<Answer> {
    let open = match connection {
        Some(open) => open,
        none => none.insert(Connection::open(to, Ipv4Addr::LOCALHOST).await?),
    };
    if request.is_last {
        open.send(&request.bytes()).await?;
        open.finish().await?;
        return open.answer().await;
    }
    open.exchange_large(&request.bytes()).await
}

fn hash(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// SplitMix64.
struct Random {
    state: u64,
    /// What was drawn for this request: it tells the changes apart.
    drawn: Vec<usize>,
}

impl Random {
    const fn of(seed: u64) -> Self {
        Self { state: seed, drawn: Vec::new() }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        let drawn =
            usize::try_from(self.next() % u64::try_from(bound.max(1)).unwrap_or(1)).unwrap_or_default();
        self.drawn.push(drawn);
        drawn
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        all.get(self.below(all.len()))
    }

    fn word(&mut self, all: &[&'static str]) -> &'static str {
        self.one_of(all).copied().unwrap_or_default()
    }

    /// Another byte than that, which can stand in a field.
    fn other_than(&mut self, byte: u8) -> u8 {
        loop {
            let other = u8::try_from(33 + self.below(94)).unwrap_or(b'!');
            if other != byte {
                return other;
            }
        }
    }
}

/// A request in pieces.
struct Request {
    line: Vec<u8>,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    body: Vec<u8>,
    /// Of what is sent, how much; and then nothing more.
    cut: Option<usize>,
    /// Whether nothing comes behind it.
    is_last: bool,
}

impl Request {
    fn of(bytes: &[u8]) -> Outcome<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").ok_or("no header")?;
        let (head, body) = bytes.split_at(end + 4);
        let mut lines = std::str::from_utf8(head)?.split("\r\n");
        let line = lines.next().ok_or("no line")?.into();
        let fields =
            lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.into(), value.into()));
        Ok(Self { line, fields: fields.collect(), body: body.to_vec(), cut: None, is_last: false })
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = [&self.line[..], b"\r\n"].concat();
        for (name, value) in &self.fields {
            bytes.extend([name.as_slice(), b": ", value, b"\r\n"].concat());
        }
        bytes.extend(b"\r\n");
        bytes.extend(&self.body);
        bytes.truncate(self.cut.unwrap_or(usize::MAX));
        bytes
    }

    fn value(&mut self, name: &str) -> &mut Vec<u8> {
        let at = self.fields.iter().position(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()));
        let at = at.unwrap_or_else(|| {
            self.fields.push((name.into(), Vec::new()));
            self.fields.len() - 1
        });
        &mut self.fields[at].1
    }

    fn set(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        *self.value(name) = value.into();
    }

    fn remove(&mut self, name: &str) {
        self.fields.retain(|(known, _)| !known.eq_ignore_ascii_case(name.as_bytes()));
    }

    fn add(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.fields.push((name.into(), value.into()));
    }

    /// One text for another, once.
    fn replace(&mut self, name: &str, from: &str, to: &str) {
        let value = self.value(name);
        let text = String::from_utf8_lossy(value).replacen(from, to, 1);
        *value = text.into_bytes();
    }

    /// The value of a parameter of Signature-Input.
    fn parameter(&mut self, name: &str, to: &str) {
        let value = self.value("Signature-Input");
        let text = String::from_utf8_lossy(value).into_owned();
        let start = text.find(&format!(";{name}=")).map(|at| at + name.len() + 2);
        if let Some(start) = start {
            let end = text[start..].find(';').map_or(text.len(), |at| start + at);
            *value = format!("{}{to}{}", &text[..start], &text[end..]).into_bytes();
        }
    }

    fn target(&mut self, target: &str) {
        self.line = format!("POST {target} HTTP/1.1").into_bytes();
    }
}

type Change = fn(&mut Request, &mut Random);

/// The fields of an envelope.
const OWN: [&str; 4] = ["Signature-Input", "Signature", "Signature-Key", "Content-Digest"];

const CHANGES: &[(&str, Change)] = &[
    ("method", |request, random| {
        let method = random.word(&["PO@ST", "PO ST", "", "P\u{e9}ST", "PO\tST", "(POST)", "PO\"ST\""]);
        request.line = format!("{method} /api/pack/soak/agent HTTP/1.1").into_bytes();
    }),
    ("another method", |request, random| {
        let method = random.word(&["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "POSTS", "post"]);
        request.line = format!("{method} /api/pack/soak/agent HTTP/1.1").into_bytes();
        // A preflight is answered, and no call.
        request.remove("Origin");
    }),
    ("version", |request, random| {
        let version = random.word(&[
            "HTTP/9.9",
            "HTTP/1",
            "HTP/1.1",
            "HTTP/1.1.1",
            "http/1.1",
            "HTTP/2.0",
            "HTTP/1.10",
        ]);
        request.line = format!("POST /api/pack/soak/agent {version}").into_bytes();
    }),
    ("target", |request, random| {
        let piece = random.word(&[
            "%zz", "%", "%2", "%2F", "%5c", "%00", "//", "/../", "/./", "[", "|", "\u{1}", "\u{7f}",
            "\u{e9}", "\"", "<", "\\", "^", "`", "{",
        ]);
        let end = random.word(&["agent", "x", ""]);
        request.target(&format!("/api/pack/soak{}{piece}{end}", random.word(&["/", "/a", "/agent?q="])));
    }),
    ("another target", |request, random| {
        let target = random.word(&[
            "/api/pack/soak/agents",
            "/api/pack/other/agent",
            "/api/pack/soak/agent?",
            "/api/pack/soak/agent?a=b",
            "/api/pack/soak",
            "/",
            "/api/swarm/soak/agent",
            "/api/pack/SOAK/agent",
            "*",
            "pack.example:80",
            "/api/keys",
            "/api/pack/soak/agent/",
        ]);
        request.target(target);
    }),
    ("absolute target", |request, random| {
        let target = random.word(&[
            "http://other.example/api/pack/soak/agent",
            "http://a@pack.example/api/pack/soak/agent",
            "ftp://pack.example/api/pack/soak/agent",
            "http://pack.example:99999/api/pack/soak/agent",
            "http:///api/pack/soak/agent",
        ]);
        request.target(target);
    }),
    ("long target", |request, random| {
        let length = 8193 + random.below(20_000);
        request.target(&format!("/api/pack/soak/{}", "a".repeat(length)));
    }),
    ("name of a field", |request, random| {
        let at = random.below(request.fields.len() + 1);
        let name = random.word(&[
            "Bad Name",
            "Bad\u{e9}",
            "",
            "Bad(",
            "Bad@",
            "Bad\u{1}",
            "Bad/",
            "Bad,Bad",
            "\"Bad\"",
        ]);
        request.fields.insert(at, (name.into(), b"x".to_vec()));
    }),
    ("space before the colon", |request, random| {
        let at = random.below(request.fields.len());
        request.fields[at].0.extend(random.word(&[" ", "\t", "  "]).bytes());
    }),
    ("value of a field", |request, random| {
        let byte = *random.one_of(&[0u8, 1, 8, 0x0b, 0x0c, 0x1f, 0x7f]).unwrap_or(&0);
        let at = random.below(request.fields.len());
        let value = &mut request.fields[at].1;
        let place = random.below(value.len().max(1));
        value.insert(place.min(value.len()), byte);
    }),
    ("folded line", |request, random| {
        let name = random.word(&OWN);
        let fold = random.word(&["\r\n ", "\r\n\t", "\r\n  "]);
        let value = request.value(name);
        let place = 1 + random.below(value.len().saturating_sub(2).max(1));
        value.splice(place..place, fold.bytes());
    }),
    ("host", |request, random| {
        let host = random.word(&[
            "other.example",
            "pack.example:81",
            "pack.example.",
            "pack example",
            "pack.example, other.example",
            "",
            "pack.example:x",
            "[::1",
            "pack.example/",
            "user@pack.example",
            "p\u{e4}ck.example",
        ]);
        request.set("Host", host);
    }),
    ("no host", |request, _| request.remove("Host")),
    ("two hosts", |request, random| {
        let host = random.word(&["pack.example", "other.example"]);
        request.add("Host", host);
    }),
    ("length", |request, random| {
        let length = random.word(&[
            "-1",
            "1e2",
            "0x64",
            "100,100",
            "100, 101",
            "",
            "ten",
            "99999999999999999999",
            "+100",
            "1_00",
        ]);
        request.set("Content-Length", length);
        request.is_last = true;
    }),
    ("two lengths", |request, random| {
        let length = random.word(&["99", "101", "0"]);
        request.add("Content-Length", length);
        request.is_last = true;
    }),
    ("length and chunks", |request, random| {
        let coding = random.word(&["chunked", "gzip, chunked", "identity", "chunked, gzip", "xchunked", ""]);
        request.add("Transfer-Encoding", coding);
        request.is_last = true;
    }),
    ("chunks", |request, random| {
        request.remove("Content-Length");
        request.add("Transfer-Encoding", "chunked");
        let chunk = random.word(&[
            "zz\r\nabc\r\n0\r\n\r\n",
            "-1\r\n\r\n",
            "5\r\nabc\r\n0\r\n\r\n",
            "3\r\nabcdef\r\n0\r\n\r\n",
            "ffffffffffffffffff\r\n",
            "",
        ]);
        request.body = chunk.into();
        request.is_last = true;
    }),
    ("cut off", |request, random| {
        // Behind the line: what is shorter is no request yet.
        let (start, whole) = (request.line.len() + 2, request.bytes().len());
        request.cut = Some(start + random.below(whole - start));
        request.is_last = true;
    }),
    ("a field twice", |request, random| {
        let name = random.word(&OWN);
        let value = request.value(name).clone();
        request.add(name, value);
    }),
    ("a field missing", |request, random| {
        let name =
            random.word(&["Signature-Input", "Signature", "Signature-Key", "Content-Digest", "Content-Type"]);
        request.remove(name);
    }),
    ("nothing signed", |request, random| {
        OWN.iter().for_each(|name| request.remove(name));
        if let Some(Some(value)) = random.one_of(&[
            None,
            Some("Bearer x"),
            Some("Bearer "),
            Some("Basic YTpi"),
            Some("Bearer tok_x"),
            Some("\u{e9}"),
        ]) {
            request.set("Authorization", *value);
        }
    }),
    ("a byte of a field", |request, random| {
        let name =
            random.word(&["Signature-Input", "Signature", "Signature-Key", "Content-Digest", "Content-Type"]);
        let value = request.value(name);
        let at = random.below(value.len());
        value[at] = random.other_than(value[at]);
    }),
    ("a field cut short", |request, random| {
        let value = request.value(random.word(&OWN));
        let length = random.below(value.len());
        value.truncate(length);
    }),
    ("a byte taken out", |request, random| {
        // Spaces mean little where a list has more than one.
        let value = request.value(random.word(&["Signature", "Signature-Key", "Content-Digest"]));
        let at = random.below(value.len());
        value.remove(at);
    }),
    ("bytes put in", |request, random| {
        let value = request.value(random.word(&["Signature", "Signature-Key", "Content-Digest"]));
        let at = 1 + random.below(value.len() - 1);
        let (byte, other) = (random.other_than(b' '), random.other_than(b' '));
        value.splice(at..at, [byte, other]);
    }),
    ("not even ASCII", |request, random| {
        let value = request.value(random.word(&OWN));
        let at = random.below(value.len());
        value[at] = u8::try_from(128 + random.below(128)).unwrap_or(255);
    }),
    ("another type of value", |request, random| {
        let name = random.word(&OWN);
        let value = random.word(&[
            "sig=1",
            "sig",
            "sig=?1",
            "sig=\"text\"",
            "sig=token",
            "sig=()",
            "sig=1.5",
            "sig=::",
            "1",
            "()",
            "=",
            ",",
            "sig=(",
            "sig=@1659578233",
            "sig=%\"x\"",
            "sig=:=:",
            "sha-256=1",
            "sha-256=::",
            "sha-256=:AAAA:",
        ]);
        request.set(name, value);
    }),
    ("a long field", |request, random| {
        let name = random.word(&OWN);
        let length = 8193 + random.below(20_000);
        request.set(name, format!("sig=\"{}\"", "a".repeat(length)));
    }),
    ("a long header", |request, random| {
        let length = (64 << 10) + random.below(64 << 10);
        request.add("X-Long", "a".repeat(length));
    }),
    ("many fields", |request, random| {
        for number in 0..257 + random.below(200) {
            request.add(&format!("X-{number}"), "a");
        }
    }),
    ("another label", |request, random| {
        let name = random.word(&["Signature-Input", "Signature", "Signature-Key"]);
        let label = random.word(&["sig1=", "Sig=", "*=", "s=", "sig =", "1sig=", "=sig="]);
        request.replace(name, "sig=", label);
    }),
    ("two signatures", |request, random| {
        let name = random.word(&["Signature-Input", "Signature", "Signature-Key"]);
        let value = String::from_utf8_lossy(request.value(name)).into_owned();
        let label = random.word(&["sig", "two"]);
        request.set(name, format!("{value}, {}", value.replacen("sig", label, 1)));
        // What is said twice counts as said last, which is the same here: then one must differ.
        request.replace(name, "\"", "");
        request.replace(name, "=:", "=:A");
    }),
    ("a component", |request, random| {
        let from = random.word(&[
            "\"@method\"",
            "\"@authority\"",
            "\"@path\"",
            "\"content-digest\"",
            "\"signature-key\"",
            "\"content-type\"",
        ]);
        let to = random.word(&[
            "",
            "\"@method\" \"@method\"",
            "\"@unknown\"",
            "\"x-missing\"",
            "@method",
            "\"Content-Digest\"",
            "\"@status\"",
            "\"@path\";req",
            "\"@query-param\";name=\"a\"",
            "\"@method\";bs",
            "\"\"",
            "\"@request-target\"",
            "1",
            "\"content-digest\";key=\"sha-256\"",
            "\"@scheme\"",
            "\"@signature-params\"",
        ]);
        request.replace("Signature-Input", from, to);
    }),
    ("created", |request, random| {
        let value = random.word(&[
            "1.5",
            "\"1\"",
            "-1",
            "0",
            "9999999999999999",
            "?1",
            "1",
            "99999999999",
            "",
            "created",
            ":AAAA:",
            "@1",
        ]);
        request.parameter("created", value);
    }),
    ("expires", |request, random| {
        let value =
            random.word(&["1.5", "\"1\"", "-1", "0", "1", "99999999999", "", "never", "999999999999999"]);
        request.parameter("expires", value);
    }),
    ("nonce", |request, random| {
        let value = random.word(&[
            "\"\"",
            "\"short\"",
            "1",
            "nonce",
            "\"AAAAAAAAAAAAAAAAAAAAA=\"",
            "\"AAAAAAAAAAAAAAAAAAAA+/\"",
            "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"",
            "?0",
            "\"AAAAAAAAAAAAAAAAAAAAAB\"",
        ]);
        request.parameter("nonce", value);
    }),
    ("keyid", |request, random| {
        let value = random.word(&[
            "\"\"",
            "\"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k\"",
            "1",
            "\"poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U\"",
            "token",
            "\"../../etc/passwd\"",
            "\"' OR 1=1 --\"",
        ]);
        request.parameter("keyid", value);
    }),
    ("tag", |request, random| {
        let value = random.word(&[
            "\"\"",
            "\"envelope/2\"",
            "\"ENVELOPE/1\"",
            "envelope",
            "1",
            "\"web-bot-auth\"",
            "\"envelope/1 \"",
        ]);
        request.parameter("tag", value);
    }),
    ("a parameter missing", |request, random| {
        let name = random.word(&["created", "expires", "nonce", "keyid", "tag"]);
        request.parameter(name, "0");
        request.replace("Signature-Input", &format!(";{name}=0"), "");
    }),
    ("a parameter twice", |request, random| {
        let more = random.word(&[";created=1", ";nonce=\"x\"", ";tag=\"x\"", ";keyid=\"x\"", ";expires=1"]);
        request.value("Signature-Input").extend(more.bytes());
    }),
    ("a parameter more", |request, random| {
        let more = random.word(&[
            ";alg=\"ed25519\"",
            ";alg=\"rsa-pss-sha512\"",
            ";x=1",
            ";Alg=1",
            ";",
            ";;",
            ";=1",
            ";a=",
            ";a=\"",
            ";x",
        ]);
        request.value("Signature-Input").extend(more.bytes());
    }),
    ("scheme of the key", |request, random| {
        let value = random.word(&[
            "sig=jkt-jwt",
            "sig=hwk;kty=\"OKP\";crv=\"Ed25519\";x=\"AA\"",
            "sig=jwt;jwt=\"a.b.c\"",
            "sig=jkt-jwt;jwt=1",
            "sig=jkt-jwt;jwt=\"\"",
            "sig=jkt-jwt;jwt=\"..\"",
            "sig=jkt-jwt;jwt=\"e30.e30.e30\"",
            "sig=x509;x5c=\"AA\"",
            "sig=jkt-jwt;jwt=\"a.b\"",
            "sig=jkt-jwt;jwt=\"a.b.c.d\"",
            "sig=jwks_uri;id=\"https://x\"",
            "sig=\"jkt-jwt\"",
        ]);
        request.set("Signature-Key", value);
    }),
    ("another body", |request, random| {
        let at = random.below(request.body.len());
        request.body[at] = random.other_than(request.body[at]);
    }),
    ("digest", |request, random| {
        let value = random.word(&[
            "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:",
            "sha-512=:AAAA:",
            "md5=:AAAA:",
            "sha-256=47DEQpj8HBSa",
            "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU:",
            "sha-256=:47DEQpj8HBSa+_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=:",
            "SHA-256=:AAAA:",
            "sha-256;a=1",
        ]);
        request.set("Content-Digest", value);
    }),
];
