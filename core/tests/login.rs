//! Login certificates: signed by a verifier, and what its user may do by the rules of packs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

use std::sync::Arc;

use base64ct::{Base64UrlUnpadded, Encoding};
use envelope_core::*;

const NOW: Timestamp = Timestamp::from_unix(1_767_225_600);
const URL: &str = "https://pack.example";

struct World {
    issuer: SigningKey,
    call_key: SigningKey,
    trust: TrustList,
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(Algorithm::Ed25519, &[seed; 32]).unwrap()
}

fn identity(name: &str) -> Identity {
    Identity::new(name).unwrap()
}

impl World {
    fn new() -> Self {
        let (issuer, call_key) = (key(101), key(102));
        let mut trust = TrustList::new();
        let known = Arc::new(VerifyingKey::clone(issuer.verifying_key()));
        trust.trust_issuer(Issuer { url: URL.into(), key: known });
        trust.trust(identity("bob"), key(103).verifying_key().thumbprint());
        Self { issuer, call_key, trust }
    }

    fn issue(&self) -> Issue<'_> {
        let call_key = self.call_key.verifying_key();
        Issue { call_key, issued: NOW, lifetime: 3600, id: "l-1", grant: Grant::everything() }
    }

    fn certificate(&self, sub: &str, groups: &[&str]) -> String {
        let groups: Vec<String> = groups.iter().map(|group| (*group).into()).collect();
        self.issue().sign_login(&self.issuer, URL, &identity(sub), &groups).unwrap()
    }

    fn call(&self, certificate: &str) -> Result<Caller, Code> {
        let signer = Signer::logged_in(&self.call_key, certificate).map_err(|refusal| refusal.code())?;
        let request = Request::new("GET", "https://pack.example/", &[]);
        let signed = signer.sign(&request, None, NOW, &[9; 16]).unwrap();
        let mut fields: Vec<Field<'_>> = vec![("Host", b"pack.example")];
        fields.extend(signed.fields().map(|(name, value)| (name, value.as_bytes())));
        self.verify(&fields)
    }

    fn verify(&self, fields: &[Field<'_>]) -> Result<Caller, Code> {
        let verifier = Verifier::new(Authorities::new(["pack.example"]).unwrap());
        let mut cache = MemoryReplayCache::new(10, [1; 16]);
        let verified = verifier.verify(&Request::new("GET", "/", fields), &self.trust, NOW);
        let intact = verified.and_then(|verified| verified.check_body(b"", NOW));
        let fresh = intact.and_then(|intact| intact.fresh(&mut cache, NOW));
        fresh.map(Fresh::into_caller).map_err(|refusal| refusal.code())
    }
}

fn allows(caller: &Caller, entry: &str) -> bool {
    let allowed_users = Users::Named(vec![identity(entry)]);
    Pack { allowed_users, ..Pack::trusted() }.allows(caller, "p1")
}

#[test]
fn a_login_certificate_speaks_for_the_user_that_it_names() {
    let world = World::new();
    let caller = world.call(&world.certificate("github:alice", &["acme"])).unwrap();
    assert_eq!(caller.identity().as_str(), "github:alice");
    assert_eq!(caller.keyid(), Some(world.call_key.verifying_key().thumbprint()));
    let login = caller.call().unwrap().certificate().unwrap().login().unwrap().clone();
    assert_eq!((login.issuer(), &**login.groups()), (URL, &["acme".to_owned()][..]));
}

#[test]
fn the_word_of_a_verifier_counts_where_it_is_the_issuer() {
    let mut world = World::new();
    let certificate = world.certificate("github:alice", &[]);
    let other = world.issue().sign_login(&key(104), URL, &identity("github:alice"), &[]).unwrap();
    assert_eq!(world.call(&other).unwrap_err(), Code::UnknownKey);
    let elsewhere =
        world.issue().sign_login(&world.issuer, "https://other.example", &identity("github:alice"), &[]);
    assert_eq!(world.call(&elsewhere.unwrap()).unwrap_err(), Code::CertificateInvalid);
    let p256 = SigningKey::from_bytes(Algorithm::P256, &[7; 32]).unwrap();
    let mismatched = certificate.replace(&certificate[..certificate.find('.').unwrap()], &{
        let other = world.issue().sign_login(&p256, URL, &identity("github:alice"), &[]).unwrap();
        other[..other.find('.').unwrap()].to_owned()
    });
    assert_eq!(world.call(&mismatched).unwrap_err(), Code::UnknownKey, "kid is of the other key");

    world.trust.revoke_certificate(world.issuer.verifying_key().thumbprint(), "l-1");
    assert_eq!(world.call(&certificate).unwrap_err(), Code::Revoked, "by jti");
    let mut world = World::new();
    world.trust.revoke(world.call_key.verifying_key().thumbprint());
    assert_eq!(world.call(&certificate).unwrap_err(), Code::Revoked, "the call key");
    let mut world = World::new();
    world.trust.revoke(world.issuer.verifying_key().thumbprint());
    assert_eq!(world.call(&certificate).unwrap_err(), Code::Revoked, "the issuer");
    let mut world = World::new();
    world.trust.trust(identity("carol"), world.call_key.verifying_key().thumbprint());
    assert_eq!(world.call(&certificate).unwrap_err(), Code::KeyRefused, "an identity key signs no requests");
}

#[test]
fn what_a_login_certificate_claims_can_be_looked_at() {
    let world = World::new();
    let certificate = world.certificate("github:alice", &[]);
    let read = UntrustedLogin::parse(&certificate).unwrap();
    assert_eq!(read.identity(), Some(&identity("github:alice")));
    assert_eq!(read.call_key(), world.call_key.verifying_key());
    assert_eq!(read.issuer_key(), world.issuer.verifying_key().thumbprint());
    assert_eq!((read.issued(), read.expires()), (NOW, NOW.plus(3600)));
}

/// A JWS of these parts, whoever is said to have signed it.
fn jws(header: &str, claims: &str, key: &SigningKey) -> String {
    let part = |json: &str| Base64UrlUnpadded::encode_string(json.as_bytes());
    let input = format!("{}.{}", part(header), part(claims));
    let signature = key.sign(input.as_bytes());
    issue::attach(input, &signature)
}

#[test]
fn a_certificate_verifies_under_the_key_that_it_names() {
    let world = World::new();
    let (issuer, other) = (world.issuer.verifying_key(), key(104).verifying_key().clone());
    let certificate = world.certificate("github:alice", &[]);
    let verify = |text: &str, key| {
        let verified = UntrustedLogin::parse(text).unwrap().verify(key);
        verified.map(|it| it.identity_key()).map_err(|refusal| refusal.code())
    };
    assert_eq!(verify(&certificate, issuer), Ok(issuer.thumbprint()));
    assert_eq!(verify(&certificate, &other), Err(Code::UnknownKey));
    // Signed by the one, and named by it: the other.
    let header = |alg: &str, key: &VerifyingKey| {
        format!(r#"{{"typ":"envelope-login+jwt","alg":"{alg}","kid":"{}"}}"#, key.thumbprint())
    };
    let claims = certificate.split('.').nth(1).unwrap();
    let claims = String::from_utf8(Base64UrlUnpadded::decode_vec(claims).unwrap()).unwrap();
    let misnamed = jws(&header("Ed25519", &other), &claims, &world.issuer);
    assert_eq!(verify(&misnamed, issuer), Err(Code::UnknownKey));
    assert_eq!(verify(&misnamed, &other), Err(Code::CertificateInvalid));
    let mismatched = jws(&header("ES256", issuer), &claims, &world.issuer);
    assert_eq!(verify(&mismatched, issuer), Err(Code::AlgorithmMismatch));
}

#[test]
fn scheme_and_certificate_are_of_one_kind() {
    let world = World::new();
    let (login, own) = (world.certificate("github:alice", &[]), world.issue().sign(&key(103)).unwrap());
    assert_eq!(world.call(&own).unwrap_err(), Code::CertificateInvalid);
    assert_eq!(Signer::certified(&world.call_key, &login).unwrap_err().code(), Code::CertificateInvalid);
    for (scheme, certificate) in [("jwt", &own), ("jkt-jwt", &login)] {
        let right = if scheme == "jwt" { "jkt-jwt" } else { "jwt" };
        let signer = if scheme == "jwt" {
            Signer::certified(&world.call_key, certificate)
        } else {
            Signer::logged_in(&world.call_key, certificate)
        };
        let request = Request::new("GET", "https://pack.example/", &[]);
        let signed = signer.unwrap().sign(&request, None, NOW, &[9; 16]).unwrap();
        let fields: Vec<(&str, String)> =
            signed.fields().map(|(name, value)| (name, value.replacen(right, scheme, 1))).collect();
        let mut wire: Vec<Field<'_>> = vec![("Host", b"pack.example")];
        wire.extend(fields.iter().map(|(name, value)| (*name, value.as_bytes())));
        assert_eq!(world.verify(&wire).unwrap_err(), Code::CertificateInvalid, "{scheme}");
    }
}

#[test]
fn a_certificate_names_a_user_of_a_provider_and_no_more_groups_than_fit() {
    let world = World::new();
    for sub in ["alice", ":alice", "github:"] {
        let issued = world.issue().sign_login(&world.issuer, URL, &identity(sub), &[]);
        assert_eq!(issued.unwrap_err().code(), Code::CertificateInvalid, "{sub}");
    }
    let many = vec!["g".to_owned(); login::MAX_GROUPS + 1];
    let issued = world.issue().sign_login(&world.issuer, URL, &identity("github:alice"), &many);
    assert_eq!(issued.unwrap_err().code(), Code::CertificateInvalid);
    let issued = world.issue().sign_login(&world.issuer, URL, &identity("github:alice"), &many[1..]);
    assert!(issued.is_ok());
}

#[test]
fn entries_mean_users_by_name_organisation_and_team() {
    let mut world = World::new();
    let alice = world.call(&world.certificate("github:alice", &["acme", "sales-team@acme"])).unwrap();
    for (entry, allowed) in [
        ("github:alice", true),
        ("alice", true),
        ("Alice", true),
        ("alice@acme", true),
        ("ALICE@Acme", true),
        ("sales-team@acme", true),
        ("sales-team@other", false),
        ("alice@other", false),
        ("bob@acme", false),
        ("acme", false),
        ("sales-team", false),
        ("@acme", false),
        ("alice@", false),
        ("oidc:alice", false),
    ] {
        assert_eq!(allows(&alice, entry), allowed, "{entry}");
    }
    let other = world.call(&world.certificate("oidc:Alice@example.com", &["acme"])).unwrap();
    for (entry, allowed) in [
        ("oidc:Alice@example.com", true),
        ("Alice@example.com", false),
        ("Alice@example.com@acme", true),
        ("Alice@example.com@Acme", false),
        ("Alice", false),
    ] {
        assert_eq!(allows(&other, entry), allowed, "{entry}");
    }
    // A name that somebody has here is theirs alone.
    world.trust.trust(identity("alice"), key(105).verifying_key().thumbprint());
    let alice = world.call(&world.certificate("github:alice", &["acme"])).unwrap();
    assert!(!allows(&alice, "alice") && allows(&alice, "alice@acme") && allows(&alice, "github:alice"));
}

#[test]
fn a_user_of_a_provider_is_nobody_where_only_the_registered_are_meant() {
    let world = World::new();
    let alice = world.call(&world.certificate("github:alice", &[])).unwrap();
    let trusted = Pack::trusted();
    assert!(!trusted.allows(&alice, "p1"));
    assert!(Pack { allowed_users: Users::Everybody, ..trusted.clone() }.allows(&alice, "p1"));
    assert!(Pack { owner: Some(identity("alice")), ..trusted.clone() }.allows(&alice, "p1"));
    let only_token = Pack { signed: false, token: true, allowed_users: Users::Everybody, ..trusted.clone() };
    assert!(!only_token.allows(&alice, "p1"), "a login opens what takes envelopes or identities");
    let open = Pack { signed: false, ..Pack::open() };
    assert!(!open.allows_when_closed(&alice, Some("p1")), "nor where nothing else is taken");
    assert!(
        Pack { identity: true, allowed_users: Users::Everybody, ..open }.allows_when_closed(&alice, None)
    );
    let by_identity = Pack { signed: false, identity: true, allowed_users: Users::Everybody, ..trusted };
    assert!(by_identity.allows(&alice, "p1"));
}

#[test]
fn the_names_of_tokens_are_nobody_elses() {
    let holder = identity("pack:p1/default/3");
    assert!(holder.is_reserved() && holder.token() == Some(("p1", "default", 3)));
    for name in ["pack:/default/3", "pack:p1//3", "pack:p1/default/", "pack:p1/default", "pack:p1/default/x"]
    {
        assert!(identity(name).is_reserved(), "{name}");
        assert_eq!(identity(name).token(), None, "{name}");
    }
    for name in ["alice", "pack", "packs:p1/default/3", "github:pack:p1/default/3"] {
        assert!(!identity(name).is_reserved(), "{name}");
        assert_eq!(identity(name).token(), None, "{name}");
    }
}

#[test]
fn the_holder_of_a_token_opens_one_pack_and_what_is_everybodys_in_it() {
    let holder = Identity::of_token("P1", "default", 3).unwrap();
    assert_eq!((holder.as_str(), holder.token()), ("pack:p1/default/3", Some(("p1", "default", 3))));
    assert!(Identity::of_token("p1/x", "default", 3).is_none());
    let backing = Backing::of_registered(&holder);
    let caller = Caller::by_bearer(holder, backing);
    let pack = Pack { signed: false, token: true, allowed_users: Users::Named(vec![]), ..Pack::trusted() };
    assert!(pack.allows(&caller, "p1") && pack.allows(&caller, "P1") && !pack.allows(&caller, "p2"));
    assert!(!Pack { token: false, signed: true, ..pack.clone() }.allows(&caller, "p1"), "no envelope");
    let mut pack = pack;
    pack.agents.insert("open".into(), Users::Everybody);
    pack.agents.insert("registered".into(), Users::Registered);
    pack.agents.insert("named".into(), Users::Named(vec![identity("bob")]));
    assert!(pack.allows_agent(Some(&caller), "open"));
    for agent in ["registered", "named", "unlisted"] {
        assert!(!pack.allows_agent(Some(&caller), agent), "{agent}");
    }
}
