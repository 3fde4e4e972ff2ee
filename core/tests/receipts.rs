//! An audit log: what was written verifies, and whatever was changed afterwards is found.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test panics when it fails")]

use base64ct::{Base64UrlUnpadded, Encoding};
use envelope_core::receipt::{
    Auditor, Entry, Evidence, Flaw, Head, Line, LoginIssuer, MAX_LINE, Omitted, Open, Receipt, Verdict,
};
use envelope_core::{
    Algorithm, Authorities, BaseWriter, Call, Code, Grant, Identity, Issue, Refusal, Request, Signer,
    SigningKey, Thumbprint, Timestamp, TrustList, Verifier,
};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

const NOW: Timestamp = Timestamp::from_unix(1_700_000_000);

fn key(algorithm: Algorithm, seed: u8) -> SigningKey {
    SigningKey::from_bytes(algorithm, &[seed; 32]).unwrap()
}

fn audit_key() -> SigningKey {
    key(Algorithm::Ed25519, 90)
}

fn audit_thumbprint() -> Thumbprint {
    audit_key().verifying_key().thumbprint()
}

/// What is said of a call key.
fn issue(call_key: &SigningKey) -> Issue<'_> {
    Issue {
        call_key: call_key.verifying_key(),
        issued: NOW,
        lifetime: 900,
        id: "1",
        grant: Grant::everything(),
    }
}

/// A call that a verifier let through, with these fields covered.
fn call(nonce: u8, fields: &[(&str, &[u8])], registered: bool) -> (Call, SigningKey) {
    try_call(nonce, fields, registered).unwrap()
}

/// The same, if they can be covered.
fn try_call(nonce: u8, fields: &[(&str, &[u8])], registered: bool) -> Result<(Call, SigningKey), Refusal> {
    let (identity_key, call_key) = (key(Algorithm::P256, 1), key(Algorithm::Ed25519, 2));
    let alice = Identity::new("alice").unwrap();
    let certificate = issue(&call_key).sign(&identity_key).unwrap();
    let mut trust = TrustList::new();
    let signer = if registered {
        trust.register(alice, call_key.verifying_key().clone(), NOW.plus(60));
        Signer::registered(&call_key)
    } else {
        trust.trust(alice, identity_key.verifying_key().thumbprint());
        Signer::certified(&call_key, &certificate).unwrap()
    };
    let url = "https://pack.example/api/pack/p1/agent?a=%20b";
    let signed = signer.sign(&Request::new("POST", url, fields), Some(b"{}"), NOW, &[nonce; 16])?;
    let mut header: Vec<(&str, &[u8])> = vec![];
    if !fields.iter().any(|(name, _)| *name == "host") {
        header.push(("Host", b"pack.example:443"));
    }
    header.extend(fields);
    header.extend(signed.fields().map(|(name, value)| (name, value.as_bytes())));
    let request = Request::new("POST", "/api/pack/p1/agent?a=%20b", &header);
    let verifier = Verifier::new(Authorities::new(["pack.example"]).unwrap());
    Ok((verifier.verify(&request, &trust, NOW.plus(2))?.call().clone(), call_key))
}

fn receipt(number: u8, fields: &[(&str, &[u8])], registered: bool) -> Receipt {
    of(number, &call(number, fields, registered))
}

fn of(number: u8, (call, call_key): &(Call, SigningKey)) -> Receipt {
    Receipt {
        time: NOW.plus(2).as_unix(),
        id: format!("request-{number}"),
        decision: Verdict::Allow,
        code: None,
        identity: Some("alice".into()),
        keyid: Some(call.keyid().to_string()),
        pack: Some("p1".into()),
        agent: Some("Wetter \u{e4}\u{7f}\u{1f}\"\\".into()),
        peer: "192.0.2.1".into(),
        micros: 250,
        envelope: Some(Evidence::of(call, Some(call_key.verifying_key()))),
    }
}

fn refused(number: u8) -> Receipt {
    let unsigned =
        Receipt { envelope: None, keyid: None, identity: None, agent: None, ..receipt(number, &[], false) };
    Receipt { decision: Verdict::Deny, code: Some("unauthenticated".into()), ..unsigned }
}

fn open() -> Open {
    let key = (&audit_key().verifying_key().clone()).into();
    Open { time: NOW.as_unix(), version: Open::VERSION.into(), key, issuer: None, torn: None }
}

/// A log of these entries, with a checkpoint at the beginning and at the end.
fn log(entries: impl IntoIterator<Item = Entry>) -> Vec<String> {
    let (line, mut head) = Head::START.append(&Entry::Open(open()).to_json());
    let mut lines = vec![line];
    let mut put = |lines: &mut Vec<String>, entry: Option<Entry>| {
        let entry = entry.unwrap_or_else(|| head.checkpoint(NOW, &audit_key()));
        let (line, next) = head.append(&entry.to_json());
        lines.push(line);
        head = next;
    };
    put(&mut lines, None);
    entries.into_iter().for_each(|entry| put(&mut lines, Some(entry)));
    put(&mut lines, None);
    lines
}

fn mixed() -> Vec<String> {
    let omitted = Omitted { time: 1, sampled: [("unknown-key".to_owned(), 7)].into(), lost: 2 };
    let mut lines = log([
        Entry::Receipt(receipt(1, &[("Content-Type", b"application/json")], false)),
        Entry::Receipt(refused(2)),
        Entry::Receipt(receipt(3, &[("X-A", b"1"), ("X-A", b""), ("X-B", b""), ("X-A", b"")], true)),
        Entry::Omitted(omitted),
        Entry::Receipt(receipt(
            4,
            &[("Authorization", b"Bearer tok_secret"), ("Cookie", b"c=secret")],
            false,
        )),
    ]);
    // A verifier that begins anew, and has nothing to say.
    let head = Line::parse(lines.last().unwrap().as_bytes()).unwrap().head();
    let (line, head) = head.append(&Entry::Open(Open { torn: Some(12), ..open() }).to_json());
    let checkpoint = head.append(&head.checkpoint(NOW, &audit_key()).to_json()).0;
    lines.extend([line, checkpoint]);
    lines
}

fn check<L: AsRef<[u8]>>(lines: &[L]) -> Result<Auditor, (usize, Flaw)> {
    let mut auditor = Auditor::new([audit_thumbprint()]);
    for (at, line) in lines.iter().enumerate() {
        auditor.line(line.as_ref()).map_err(|flaw| (at, flaw))?;
    }
    Ok(auditor)
}

#[test]
fn what_was_written_verifies() {
    let lines = mixed();
    let auditor = check(&lines).unwrap();
    let tally = auditor.tally();
    assert_eq!((tally.first, tally.lines, tally.allowed, tally.denied), (1, 10, 3, 1));
    assert_eq!((tally.proven, tally.withheld, tally.sampled, tally.lost), (2, 1, 7, 2));
    assert_eq!((tally.checkpoints, tally.unsigned, tally.torn, tally.adopted), (3, 0, 1, 0));
    assert!(!lines.concat().contains("secret"), "credentials are not in the log");
    assert!(lines[0].starts_with(
        r#"{"seq":1,"prev":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","type":"open","time":"#
    ));
    let head = auditor.head().unwrap();
    assert_eq!(Head::parse(&head.to_string()), Some(head));
    for text in ["", "9", "9:", "09:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "9:AA", "+9:AA"] {
        assert_eq!(Head::parse(text), None, "{text}");
    }
}

#[test]
fn what_is_wrong_is_said() {
    let whole = mixed();
    let without = |at: usize| [&whole[..at], &whole[at + 1..]].concat();
    assert_eq!(check(&without(3)).unwrap_err(), (3, Flaw::Sequence));
    let mut changed = whole.clone();
    changed[3] = changed[3].replace("192.0.2.1", "192.0.2.2");
    assert_eq!(check(&changed).unwrap_err(), (4, Flaw::Chain));
    let mut forged = whole.clone();
    let before = Line::parse(whole[8].as_bytes()).unwrap().head();
    forged[9] = before.append(&before.checkpoint(NOW, &key(Algorithm::Ed25519, 91)).to_json()).0;
    assert_eq!(check(&forged).unwrap_err(), (9, Flaw::Checkpoint));
}

/// The texts of `spec/receipts.md`, as they are written there.
#[test]
fn a_checkpoint_signs_for_the_line_that_it_is() {
    let decoded = |part: &str| String::from_utf8(Base64UrlUnpadded::decode_vec(part).unwrap()).unwrap();
    let lines = log([Entry::Receipt(refused(1))]);
    let (last, line) = (Line::parse(lines[2].as_bytes()).unwrap().head(), Line::parse(lines[3].as_bytes()));
    let line = line.unwrap();
    assert_eq!((Head::START.seq(), last.seq(), line.head().seq()), (0, 3, 4));
    let said: serde_json::Value = serde_json::from_str(&lines[3]).unwrap();
    let parts: Vec<&str> = said["jws"].as_str().unwrap().split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!("{parts:?}") };
    let kid = audit_thumbprint();
    assert_eq!(decoded(header), format!(r#"{{"alg":"Ed25519","kid":"{kid}","typ":"envelope-checkpoint"}}"#));
    let prev = Base64UrlUnpadded::encode_string(&Sha256::digest(lines[2].as_bytes()));
    assert_eq!(decoded(claims), format!(r#"{{"seq":4,"prev":"{prev}","time":1700000000}}"#));
    let signature = Base64UrlUnpadded::decode_vec(signature).unwrap();
    let signature = ed25519_dalek::Signature::from_slice(&signature).unwrap();
    let public = ed25519_dalek::SigningKey::from_bytes(&[90; 32]).verifying_key();
    public.verify_strict(format!("{header}.{claims}").as_bytes(), &signature).unwrap();
}

#[test]
fn each_entry_says_when_it_was_written() {
    let times = [
        Entry::Open(Open { time: 1, ..open() }),
        Entry::Receipt(Receipt { time: 2, ..refused(1) }),
        Entry::Omitted(Omitted { time: 3, sampled: [].into(), lost: 1 }),
        Head::START.checkpoint(Timestamp::from_unix(4), &audit_key()),
    ];
    assert_eq!(times.map(|entry| entry.time()), [1, 2, 3, 4]);
}

/// Our signer does not cover `Host`; another one may.
#[test]
fn a_host_that_is_covered_is_the_host() {
    let call_key = key(Algorithm::Ed25519, 2);
    let keyid = call_key.verifying_key().thumbprint();
    let params = format!(
        "(\"@method\" \"@authority\" \"@path\" \"@query\" \"host\");created={};expires={};nonce=\"0123456789012345678901\";keyid=\"{keyid}\";tag=\"envelope/1\"",
        NOW.as_unix(),
        NOW.as_unix() + 60
    );
    let mut base = BaseWriter::new();
    for (name, value) in [
        ("@method", "GET"),
        ("@authority", "pack.example"),
        ("@path", "/x"),
        ("@query", "?"),
        ("host", "Pack.Example:443"),
    ] {
        base.component(name, value);
    }
    let signature = call_key.sign(base.finish(&params).as_bytes());
    let signature = <base64ct::Base64 as base64ct::Encoding>::encode_string(signature.as_bytes());
    let (input, signature) = (format!("a={params}"), format!("a=:{signature}:"));
    let header: [(&str, &[u8]); 3] = [
        ("Host", b"Pack.Example:443"),
        ("Signature-Input", input.as_bytes()),
        ("Signature", signature.as_bytes()),
    ];
    let mut trust = TrustList::new();
    trust.register(Identity::new("alice").unwrap(), call_key.verifying_key().clone(), NOW.plus(60));
    let verifier = Verifier::new(Authorities::new(["pack.example"]).unwrap());
    let verified = verifier.verify(&Request::new("GET", "/x", &header), &trust, NOW).unwrap();
    let found = check(&log([Entry::Receipt(of(1, &(verified.call().clone(), call_key)))]));
    assert_eq!(found.map(|it| it.tally().proven).map_err(|(_, flaw)| flaw), Ok(1));
}

#[test]
fn a_log_may_be_read_from_any_line_that_says_whose_it_is() {
    let lines = mixed();
    assert_eq!(check(&lines[8..]).unwrap().tally().first, 9);
    assert_eq!(check(&lines[1..]).unwrap_err(), (0, Flaw::Key));
    let mut auditor = Auditor::new([key(Algorithm::Ed25519, 91).verifying_key().thumbprint()]);
    assert_eq!(auditor.line(lines[0].as_bytes()), Err(Flaw::Key));
}

#[test]
fn what_was_cut_off_is_found_by_the_line_that_was_noted() {
    let lines = mixed();
    let noted = check(&lines).unwrap().head().unwrap();
    let end = |lines: &[String], noted| {
        let mut auditor = Auditor::new([audit_thumbprint()]).expecting(noted);
        for line in lines {
            auditor.line(line.as_bytes())?;
        }
        auditor.finish()
    };
    assert_eq!(end(&lines, noted), Ok(()));
    assert_eq!(check(&lines[..5]).unwrap().finish(), Ok(()), "nothing in a log says that it went on");
    assert_eq!(end(&lines[..5], noted), Err(Flaw::Noted));
    let earlier = check(&lines[..3]).unwrap().head().unwrap();
    assert_eq!(end(&lines, earlier), Ok(()));
    let other = Head::parse(&format!("3:{}", noted.to_string().split_once(':').unwrap().1)).unwrap();
    assert_eq!(end(&lines, other), Err(Flaw::Noted));
    // The file that it was the end of is not there any more; what comes next names it.
    let end_of_file = check(&lines[..8]).unwrap().head().unwrap();
    assert_eq!(end(&lines[8..], end_of_file), Ok(()));
    let other = Head::parse(&format!("8:{}", noted.to_string().split_once(':').unwrap().1)).unwrap();
    assert_eq!(end(&lines[8..], other), Err(Flaw::Noted));
}

/// Whoever can write the file and has not the verifier's key writes lines that nobody has signed for.
#[test]
fn what_nobody_has_signed_for_is_told() {
    let chained = |from: &[String], entries: &mut dyn Iterator<Item = Entry>| {
        let mut lines = from.to_vec();
        for entry in entries {
            let head = lines.last().map_or(Head::START, |line| Line::parse(line.as_bytes()).unwrap().head());
            lines.push(head.append(&entry.to_json()).0);
        }
        lines
    };
    // A log from its beginning has a checkpoint before anything happens.
    let made_up = chained(&[], &mut [Entry::Open(open()), Entry::Receipt(refused(1))].into_iter());
    assert_eq!(check(&made_up).unwrap_err(), (1, Flaw::Unsigned));
    let mixed = mixed();
    let begun = check(&mixed).unwrap();
    assert_eq!(begun.signed_head(), begun.head());
    let refusals = |count: usize| std::iter::repeat_with(|| Entry::Receipt(refused(1))).take(count);
    let appended = chained(&mixed, &mut refusals(1024));
    let auditor = check(&appended).unwrap();
    assert_eq!((auditor.tally().unsigned, auditor.signed_head()), (1024, begun.head()));
    let one_more = chained(&appended, &mut refusals(1));
    assert_eq!(check(&one_more).unwrap_err(), (one_more.len() - 1, Flaw::Unsigned));
    // A verifier that begins anew cannot know whether they are its own, and signs for them.
    let head = check(&appended).unwrap().head().unwrap();
    let (line, head) = head.append(&Entry::Open(open()).to_json());
    assert_eq!(check(&chained(&mixed, &mut refusals(7))).unwrap().tally().adopted, 0);
    let mut adopted = chained(&mixed, &mut refusals(1023));
    let before = Line::parse(adopted.last().unwrap().as_bytes()).unwrap().head();
    let (open_line, before) = before.append(&Entry::Open(open()).to_json());
    adopted.extend([open_line, before.append(&before.checkpoint(NOW, &audit_key()).to_json()).0]);
    let tally = *check(&adopted).unwrap().tally();
    assert_eq!((tally.unsigned, tally.adopted, tally.lines), (0, 1023, 10 + 1023 + 2));
    let too_many =
        [appended, vec![line, head.append(&head.checkpoint(NOW, &audit_key()).to_json()).0]].concat();
    assert_eq!(check(&too_many).unwrap_err().1, Flaw::Unsigned);
    assert_eq!(Auditor::new([audit_thumbprint()]).finish(), Err(Flaw::Empty));
}

/// The chain is made anew around each of these, as whoever has the verifier's key could.
#[test]
fn what_a_line_says_is_what_was_signed() {
    let good = || receipt(1, &[("Content-Type", b"application/json")], false);
    let found =
        |receipt: Receipt| check(&log([Entry::Receipt(receipt)])).map(|_| ()).map_err(|(_, flaw)| flaw);
    assert_eq!(found(good()), Ok(()));
    let evidence = |change: &dyn Fn(&mut Evidence)| {
        let mut evidence = good().envelope.unwrap();
        change(&mut evidence);
        found(Receipt { envelope: Some(evidence), ..good() })
    };
    let code = |found: Result<(), Flaw>| match found {
        Err(Flaw::Envelope(refusal)) => refusal.code().as_str(),
        Err(Flaw::Mismatch(_)) => "mismatch",
        _ => "not found",
    };
    let other = key(Algorithm::Ed25519, 9).verifying_key().thumbprint().to_string();
    for (changed, expected) in [
        (found(Receipt { keyid: Some(other), ..good() }), "mismatch"),
        (found(Receipt { keyid: None, ..good() }), "mismatch"),
        (found(Receipt { envelope: None, ..good() }), "mismatch"),
        (found(Receipt { identity: None, ..good() }), "mismatch"),
        (found(Receipt { code: Some("revoked".into()), ..good() }), "mismatch"),
        (found(Receipt { decision: Verdict::Deny, ..good() }), "mismatch"),
        (found(Receipt { time: NOW.as_unix() + 61, ..good() }), "expired"),
        (found(Receipt { time: NOW.as_unix() - 6, ..good() }), "not-yet-valid"),
        (evidence(&|it| it.nonce = "AAAAAAAAAAAAAAAAAAAAAA".into()), "mismatch"),
        (evidence(&|it| it.base = it.base.replace("/api/pack/p1/", "/api/pack/p2/")), "bad-signature"),
        (evidence(&|it| it.base = it.base.replace("POST", "GET")), "bad-signature"),
        (evidence(&|it| it.base = it.base.replace("pack.example", "other.example")), "bad-signature"),
        (evidence(&|it| it.base = it.base.replace("keyid=", "alg=\"ed25519\";keyid=")), "bad-signature"),
        (evidence(&|it| it.base = it.base.replace("\"@path\": ", "\"@path\":  ")), "target-not-canonical"),
        (evidence(&|it| it.base = it.base.replacen("\"@method\": POST\n", "", 1)), "mismatch"),
        (evidence(&|it| it.base.push('\n')), "mismatch"),
        (evidence(&|it| it.signature = it.signature.replacen(|_| true, "", 1)), "mismatch"),
        (evidence(&|it| it.signature = good_signature_of_another()), "bad-signature"),
        // Nobody gets out of being verified by calling something a secret.
        (evidence(&|it| it.withheld = vec!["content-type".into()]), "mismatch"),
        (evidence(&|it| it.withheld = vec!["authorization".into()]), "mismatch"),
    ] {
        assert_eq!(code(changed), expected);
    }
    let registered = receipt(3, &[], true);
    assert_eq!(found(registered.clone()), Ok(()));
    let mut evidence = registered.envelope.clone().unwrap();
    evidence.key = Some(key(Algorithm::Ed25519, 9).verifying_key().into());
    assert_eq!(code(found(Receipt { envelope: Some(evidence), ..registered })), "unknown-key");
}

fn good_signature_of_another() -> String {
    let other = receipt(7, &[], false).envelope.unwrap();
    other.signature
}

#[test]
fn with_a_credential_withheld_the_certificate_is_verified_all_the_same() {
    let good = || receipt(1, &[("Authorization", b"Bearer tok_secret")], false);
    let found =
        |receipt: Receipt| check(&log([Entry::Receipt(receipt)])).map(|_| ()).map_err(|(_, flaw)| flaw);
    assert_eq!(found(good()), Ok(()));
    assert_eq!(good().envelope.unwrap().withheld, ["authorization"]);
    let mut changed = good();
    let base = &mut changed.envelope.as_mut().unwrap().base;
    let at = base.find("jwt=\"").unwrap();
    let end = at + base[at + 5..].find('"').unwrap();
    let flipped = if base.as_bytes()[end] == b'A' { "Q" } else { "A" };
    base.replace_range(end..=end, flipped);
    assert!(
        matches!(found(changed), Err(Flaw::Envelope(refusal)) if refusal.code() == Code::CertificateInvalid)
    );
    for withheld in [&[][..], &["authorization", "authorization"], &["cookie"], &["authorization", "cookie"]]
    {
        let mut changed = good();
        changed.envelope.as_mut().unwrap().withheld = withheld.iter().map(|name| (*name).into()).collect();
        assert!(matches!(found(changed), Err(Flaw::Mismatch(_))), "{withheld:?}");
    }
    let late = Receipt { time: NOW.plus(400).as_unix(), ..good() };
    assert!(matches!(found(late), Err(Flaw::Envelope(refusal)) if refusal.code() == Code::Expired));
    // Whoever has the credential puts it back, and the rest verifies.
    let mut whole = good();
    let evidence = whole.envelope.as_mut().unwrap();
    evidence.withheld.clear();
    evidence.base = evidence.base.replace("\"authorization\": ", "\"authorization\": Bearer tok_secret");
    assert_eq!(found(whole.clone()), Ok(()));
    let evidence = whole.envelope.as_mut().unwrap();
    evidence.base = evidence.base.replace("tok_secret", "tok_other");
    assert!(matches!(found(whole), Err(Flaw::Envelope(refusal)) if refusal.code() == Code::BadSignature));
}

#[test]
fn a_login_is_verified_by_the_issuer_that_the_log_names() {
    use envelope_core::{Issuer, Standing, Trust};
    struct Logins(Issuer);
    impl Trust for Logins {
        fn standing(&self, _: &Thumbprint) -> Standing {
            Standing::Unknown
        }
        fn has_revoked(&self, _: &Thumbprint, _: &str) -> bool {
            false
        }
        fn check_current(&self, _: Timestamp) -> Result<(), envelope_core::Refusal> {
            Ok(())
        }
        fn issuer(&self, key: &Thumbprint) -> Option<Issuer> {
            (self.0.key.thumbprint() == *key).then(|| self.0.clone())
        }
    }
    let (issuer_key, call_key) = (key(Algorithm::Ed25519, 50), key(Algorithm::P256, 2));
    let bob = Identity::new("github:bob").unwrap();
    let jws = issue(&call_key).sign_login(&issuer_key, "https://pack.example", &bob, &[]).unwrap();
    let signed = Signer::logged_in(&call_key, &jws).unwrap();
    let signed =
        signed.sign(&Request::new("GET", "https://pack.example/x", &[]), None, NOW, &[1; 16]).unwrap();
    let mut header: Vec<(&str, &[u8])> = vec![("Host", b"pack.example")];
    header.extend(signed.fields().map(|(name, value)| (name, value.as_bytes())));
    let trust =
        Logins(Issuer { url: "https://pack.example".into(), key: issuer_key.verifying_key().clone().into() });
    let verifier = Verifier::new(Authorities::new(["pack.example"]).unwrap());
    let verified = verifier.verify(&Request::new("GET", "/x", &header), &trust, NOW).unwrap();
    let login = Receipt {
        identity: Some("github:bob".into()),
        keyid: Some(verified.call().keyid().to_string()),
        envelope: Some(Evidence::of(verified.call(), None)),
        ..receipt(1, &[], false)
    };
    let issuer = |key: &SigningKey| {
        let issuer = LoginIssuer { url: "https://pack.example".into(), key: key.verifying_key().into() };
        Entry::Open(Open { issuer: Some(issuer), ..open() })
    };
    let found = |entries: Vec<Entry>| check(&log(entries)).map(|it| it.tally().proven).map_err(|(at, _)| at);
    assert_eq!(found(vec![issuer(&issuer_key), Entry::Receipt(login.clone())]), Ok(1));
    assert_eq!(found(vec![Entry::Receipt(login.clone())]), Err(2));
    assert_eq!(found(vec![issuer(&call_key), Entry::Receipt(login.clone())]), Err(3));
    let other = Receipt { identity: Some("github:eve".into()), ..login };
    assert_eq!(found(vec![issuer(&issuer_key), Entry::Receipt(other.clone())]), Err(3));
    // Nor is it where a credential is withheld, and the signature cannot tell.
    let mut withheld = other;
    let evidence = withheld.envelope.as_mut().unwrap();
    evidence.base = evidence.base.replace("\"@query\": ?\n", "\"@query\": ?\n\"authorization\": \n");
    evidence.base = evidence.base.replace("\"@query\"", "\"@query\" \"authorization\"");
    evidence.base = evidence.base.replace("\"@query\" \"authorization\": ?", "\"@query\": ?");
    evidence.withheld.push("authorization".into());
    assert_eq!(found(vec![issuer(&issuer_key), Entry::Receipt(withheld.clone())]), Err(3));
    let bobs = Receipt { identity: Some("github:bob".into()), ..withheld };
    assert_eq!(
        found(vec![issuer(&issuer_key), Entry::Receipt(bobs)]),
        Ok(0),
        "it is not proven, but withheld"
    );
}

#[test]
fn no_line_is_longer_than_it_may_be() {
    let long = Receipt { id: "x".repeat(MAX_LINE), ..refused(1) };
    let (line, _) = Head::START.append(&Entry::Receipt(long).to_json());
    assert_eq!(Line::parse(line.as_bytes()).unwrap_err(), Flaw::Unreadable);
}

/// One thing that was done to a log afterwards.
#[derive(Clone, Debug)]
enum Tampering {
    Byte(usize, usize, u8),
    Space(usize, usize),
    Drop(usize),
    Swap(usize, usize),
    Repeat(usize, usize),
    Forge(usize),
}

fn tampering() -> impl Strategy<Value = Tampering> {
    let at = any::<prop::sample::Index>;
    let line = move || at().prop_map(|at| at.index(9));
    prop_oneof![
        4 => (line(), any::<usize>(), 1u8..).prop_map(|(line, at, by)| Tampering::Byte(line, at, by)),
        1 => (line(), any::<usize>()).prop_map(|(line, at)| Tampering::Space(line, at)),
        // What is cut off at the end is another question.
        1 => (0usize..8).prop_map(Tampering::Drop),
        1 => (line(), line()).prop_filter("two", |(a, b)| a != b).prop_map(|(a, b)| Tampering::Swap(a, b)),
        1 => (line(), line()).prop_map(|(a, b)| Tampering::Repeat(a, b)),
        1 => line().prop_map(Tampering::Forge),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Found not before what comes before it, and by the line behind it at the latest.
    #[test]
    fn whatever_was_done_to_a_log_is_found(tampering in tampering()) {
        let whole = mixed();
        let mut lines: Vec<Vec<u8>> = whole.iter().map(|line| line.clone().into_bytes()).collect();
        let first = match tampering.clone() {
            Tampering::Byte(line, at, by) => {
                let at = at % lines[line].len();
                lines[line][at] ^= by;
                line
            }
            Tampering::Space(line, at) => {
                let at = at % (lines[line].len() + 1);
                lines[line].insert(at, b' ');
                line
            }
            Tampering::Drop(line) => {
                lines.remove(line);
                line
            }
            Tampering::Swap(a, b) => {
                lines.swap(a, b);
                a.min(b)
            }
            Tampering::Repeat(line, at) => {
                let copy = lines[line].clone();
                lines.insert(at, copy);
                at
            }
            // A line in its right place, by somebody who has no key.
            Tampering::Forge(at) => {
                let before = if at == 0 { Head::START } else { Line::parse(&lines[at - 1]).unwrap().head() };
                let (forged, _) = before.append(&Entry::Receipt(refused(9)).to_json());
                lines.insert(at, forged.into_bytes());
                at
            }
        };
        let found = check(&lines).map(|_| ()).unwrap_err();
        prop_assert!((first..=first + 1).contains(&found.0), "{tampering:?}: {found:?}");
    }

    /// Whatever a caller covers: what a verifier has taken, an auditor takes.
    #[test]
    fn no_caller_is_disbelieved_afterwards(
        fields in prop::collection::vec(
            ("x-a|x-b|accept|host|cookie|authorization|content-length|x-\u{7e}", "[ -~\t]{0,3}(, |,| |\t|x|\"|\\\\|: ){0,4}|pack.example(:443)?|2"),
            0..6,
        ),
        registered: bool,
    ) {
        let fields: Vec<(&str, &[u8])> =
            fields.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        if let Ok(call) = try_call(1, &fields, registered) {
            let found = check(&log([Entry::Receipt(of(1, &call))]));
            prop_assert!(found.is_ok(), "{fields:?}: {:?}", found.map(|_| ()));
        }
    }

    /// Neither a line nor what lies in one breaks a reader.
    #[test]
    fn nothing_breaks_the_reader(line in ".{0,200}", base in "(\"@?[a-z]{0,8}\": ?[ -~]{0,9}\n){0,5}\"@signature-params\": [ -~]{0,40}") {
        prop_assert_eq!(Line::parse(line.as_bytes()).unwrap_err(), Flaw::Unreadable);
        let mut receipt = receipt(1, &[], false);
        receipt.envelope.as_mut().unwrap().base = base;
        prop_assert!(check(&log([Entry::Receipt(receipt)])).is_err());
    }
}
