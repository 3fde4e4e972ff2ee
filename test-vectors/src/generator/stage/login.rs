//! Stage 4, V4.17 to V4.21: certificates by a verifier, for whom an identity provider vouches.

use std::collections::BTreeMap;

use base64ct::{Base64UrlUnpadded, Encoding};
use envelope_core::Algorithm::{self, Ed25519, P256};
use envelope_core::Code;
use envelope_test_vectors::{
    Issuer, Pack, Policy, Registered, Revocations, RevokedCertificate, Trusted, Users, Vector,
};

use super::super::certificate::Draft as Certificate;
use super::super::draft::{Draft, NOW, quoted};
use super::super::keys::{self, Key};
use super::super::sequence::{Sequence, VALID};
use super::super::{Rule, Topic, rule};

const URL: &str = "https://verifier.example";
const USER: &str = "github:alice";
const LOCKED_OUT: &str = "an honest caller is locked out";

/// Name, title, and what is changed of the certificate.
type Row = (&'static str, &'static str, fn(&mut Certificate));

pub(super) fn fill(all: &mut Vec<Vector>) {
    let mut topic = Topic::new("login", all);
    readable(&mut topic);
    keys_and_times(&mut topic);
    known(&mut topic);
    signatures(&mut topic);
    later_stages(&mut topic);
}

fn issuer(algorithm: Algorithm) -> Key {
    Key::new(algorithm, "verifier issuer")
}

/// A login certificate of this issuer for this call key, right in everything.
fn certificate(issuer: Key, call_key: &Key) -> Certificate {
    let kid = quoted(&issuer.thumbprint());
    let mut certificate = Certificate::new(issuer, call_key);
    certificate.header.remove("jwk");
    certificate.header.set("typ", quoted("envelope-login+jwt"));
    certificate.header.set("kid", kid);
    certificate.claims.set("iss", quoted(URL));
    certificate.claims.set("sub", quoted(USER));
    certificate
}

/// The request comes with a login certificate, which the verifier issued itself.
pub(super) fn login(draft: &mut Draft, algorithm: Algorithm, change: impl FnOnce(&mut Certificate)) {
    let key = issuer(algorithm);
    let jwk = serde_json::from_str(&key.jwk()).unwrap();
    draft.verifier.issuer = Some(Issuer { url: URL.into(), jwk });
    // Nobody with a key here: the user must be allowed as such.
    draft.verifier.trust.clear();
    draft.verifier.policy = Some(everybody());
    draft.identity = USER.into();
    let mut certificate = certificate(key, &draft.key);
    change(&mut certificate);
    draft.scheme = Some(format!("jwt;jwt=\"{}\"", certificate.to_jws()));
    draft.certificate = None;
}

/// Whoever comes with an envelope may call.
fn everybody() -> Policy {
    let unlisted = Pack {
        open: false,
        signed: true,
        token: false,
        identity: false,
        owner: None,
        allowed_users: Users::EVERYBODY,
        agents: BTreeMap::new(),
    };
    Policy { packs: BTreeMap::new(), unlisted }
}

fn rows(topic: &mut Topic<'_>, rule: Rule, code: Option<Code>, rows: &[Row]) {
    for (name, title, change) in rows {
        topic.one(rule, code, name, title, |d| login(d, Ed25519, change));
    }
}

fn readable(topic: &mut Topic<'_>) {
    rows(
        topic,
        rule("V4.17", LOCKED_OUT),
        None,
        &[
            ("user", "a user of an identity provider calls", |_| {}),
            ("no-jti", "there is no jti", |c| c.claims.remove("jti")),
            ("groups", "the user belongs to an organisation and a team", |c| {
                c.claims.set("groups", r#"["acme","dev@acme"]"#);
            }),
            ("groups-128", "there are 128 groups", |c| c.claims.set("groups", groups(128))),
            ("groups-none", "the list of groups is empty", |c| c.claims.set("groups", "[]")),
            ("other-members", "members that the profile does not know", |c| {
                c.header.set("note", "1");
                c.claims.set("email", "\"alice@example.org\"");
            }),
            ("groups-not-ascii", "a group has a name that is not ASCII", |c| {
                c.claims.set("groups", "[\"z\u{fc}rich\"]");
            }),
            ("jti-256", "jti has 256 bytes", |c| c.claims.set("jti", quoted(&"j".repeat(256)))),
            ("lifetime-86400", "good for a day", |c| c.times(NOW, NOW + 86_400)),
            ("jwk-not-taken", "the header has a jwk of somebody else, which is not looked at", |c| {
                c.header.set("jwk", Key::ed25519("mallory identity").jwk());
            }),
        ],
    );
    topic.valid(
        rule("V4.17", LOCKED_OUT),
        &[
            ("call-key-p256", "the call key is P-256", |d| {
                d.algorithms(Ed25519, P256);
                login(d, Ed25519, |_| {});
            }),
            ("sub-128", "sub has 128 characters", |d| {
                let user = format!("github:{}", "a".repeat(121));
                login(d, Ed25519, |certificate| certificate.claims.set("sub", quoted(&user)));
                d.identity = user;
            }),
        ],
    );
    let invalid = Some(Code::CertificateInvalid);
    rows(
        topic,
        rule("V4.17", "what was made for something else is taken for a login"),
        invalid,
        &[
            ("typ-other", "typ is that of a certificate by an identity key", |c| {
                c.header.set("typ", "\"jkt-s256+jwt\"");
            }),
            ("typ-jwt", "typ is that of any JWT", |c| c.header.set("typ", "\"JWT\"")),
            ("typ-application", "typ has application/ in front", |c| {
                c.header.set("typ", "\"application/envelope-login+jwt\"");
            }),
            ("typ-missing", "typ is missing", |c| c.header.remove("typ")),
            ("typ-upper-case", "typ is in upper case", |c| c.header.set("typ", "\"ENVELOPE-LOGIN+JWT\"")),
            ("crit-empty", "there is a crit, an empty list", |c| c.header.set("crit", "[]")),
            ("crit", "there is a crit", |c| c.header.set("crit", "[\"exp\"]")),
            ("alg-none", "alg is none", |c| {
                c.header.set("alg", "\"none\"");
                c.tamper = |jws| format!("{}.", jws.rsplit_once('.').unwrap().0);
            }),
            ("alg-hs256", "alg is HS256", |c| c.header.set("alg", "\"HS256\"")),
            ("alg-missing", "alg is missing", |c| c.header.remove("alg")),
            ("kid-missing", "kid is missing", |c| c.header.remove("kid")),
            ("kid-number", "kid is a number", |c| c.header.set("kid", "1")),
            ("kid-empty", "kid is empty", |c| c.header.set("kid", "\"\"")),
            ("kid-padded", "kid is padded", |c| {
                let padded = format!("{}=", c.issuer.thumbprint());
                c.header.set("kid", quoted(&padded));
            }),
            ("kid-trailing-bits", "the last bits of kid, which say nothing, are not zero", |c| {
                let respelled = trailing_bits(&c.issuer.thumbprint());
                c.header.set("kid", quoted(&respelled));
            }),
            ("kid-name", "kid is a name", |c| c.header.set("kid", "\"issuer\"")),
            ("iss-missing", "iss is missing", |c| c.claims.remove("iss")),
            ("iss-list", "iss is a list", |c| c.claims.set("iss", format!("[\"{URL}\"]"))),
        ],
    );
    rows(
        topic,
        rule("V4.17", "a caller gets a name that no provider gave"),
        invalid,
        &[
            ("sub-missing", "sub is missing", |c| c.claims.remove("sub")),
            ("sub-number", "sub is a number", |c| c.claims.set("sub", "1")),
            ("sub-empty", "sub is empty", |c| c.claims.set("sub", "\"\"")),
            ("sub-no-provider", "sub names no provider", |c| c.claims.set("sub", "\"alice\"")),
            ("sub-empty-provider", "the provider in sub is empty", |c| c.claims.set("sub", "\":alice\"")),
            ("sub-empty-name", "the name in sub is empty", |c| c.claims.set("sub", "\"github:\"")),
            ("sub-not-ascii", "sub is not ASCII", |c| c.claims.set("sub", "\"github:al\u{ef}ce\"")),
            ("sub-space", "sub holds a space", |c| c.claims.set("sub", "\"github:alice smith\"")),
            ("sub-129", "sub has 129 characters", |c| {
                c.claims.set("sub", quoted(&format!("github:{}", "a".repeat(122))));
            }),
            ("groups-129", "there are 129 groups", |c| c.claims.set("groups", groups(129))),
            ("groups-string", "groups is a string", |c| c.claims.set("groups", "\"acme\"")),
            ("groups-number", "a group is a number", |c| c.claims.set("groups", "[1]")),
            ("groups-number-among", "a group among others is a number", |c| {
                c.claims.set("groups", r#"["acme",1]"#);
            }),
            ("groups-object", "groups is an object", |c| c.claims.set("groups", "{}")),
            ("groups-null", "groups is null", |c| c.claims.set("groups", "null")),
            ("twice-sub", "sub is there twice", |c| c.claims.add("sub", "\"github:mallory\"")),
            ("twice-kid", "kid is there twice", |c| c.header.add("kid", "\"1\"")),
        ],
    );
    rows(
        topic,
        rule("V4.17", "a login is good for longer, or for another key, than the verifier said"),
        invalid,
        &[
            ("iat-missing", "iat is missing", |c| c.claims.remove("iat")),
            ("exp-missing", "exp is missing", |c| c.claims.remove("exp")),
            ("lifetime-86401", "good for a day and a second", |c| c.times(NOW, NOW + 86_401)),
            ("exp-is-iat", "exp is iat", |c| c.times(NOW, NOW)),
            ("exp-before-iat", "exp lies before iat", |c| c.times(NOW + 2, NOW + 1)),
            ("iat-fraction", "iat has a fraction", |c| c.claims.set("iat", format!("{NOW}.0"))),
            ("cnf-string", "cnf is a string", |c| c.claims.set("cnf", "\"key\"")),
            ("cnf-missing", "cnf is missing", |c| c.claims.remove("cnf")),
            ("cnf-no-jwk", "cnf has no jwk", |c| c.claims.set("cnf", "{}")),
            ("jti-257", "jti has 257 bytes", |c| c.claims.set("jti", quoted(&"j".repeat(257)))),
            ("aud-number", "aud is a number", |c| c.claims.set("aud", "1")),
            ("scope-empty", "scope is empty", |c| c.claims.set("scope", "\"\"")),
            ("two-parts", "the JWS has two parts", |c| {
                c.tamper = |jws| jws.rsplit_once('.').unwrap().0.into()
            }),
            ("padding", "the signature of the JWS is padded", |c| c.tamper = |jws| format!("{jws}==")),
            ("other-call-key", "it is for another call key than the one that signs", |c| {
                c.confirm(&Key::ed25519("alice second call").jwk());
            }),
        ],
    );
    topic.refused(
        rule("V4.17", "the key of the verifier signs requests"),
        Code::CertificateInvalid,
        &[
            ("own-key", "the call key is the issuer's own", |d| {
                d.key = issuer(Ed25519);
                d.set("keyid", quoted(&d.key.thumbprint()));
                login(d, Ed25519, |_| {});
            }),
            ("keyid-of-issuer", "keyid is the issuer's key", |d| {
                login(d, Ed25519, |_| {});
                d.set("keyid", quoted(&issuer(Ed25519).thumbprint()));
            }),
            ("under-jkt-jwt", "it stands under the scheme of the other certificates", |d| {
                login(d, Ed25519, |_| {});
                let scheme = d.scheme.take().unwrap();
                d.scheme = Some(scheme.replacen("jwt;", "jkt-jwt;", 1));
            }),
            ("of-identity", "a certificate by an identity key stands under the scheme of logins", |d| {
                let jws = d.certificate().to_jws();
                login(d, Ed25519, |_| {});
                d.verifier.trust.push(Trusted::new("alice", Key::ed25519("alice identity").thumbprint()));
                d.scheme = Some(format!("jwt;jwt=\"{jws}\""));
            }),
        ],
    );
}

/// The same bytes with other bits behind them: the last letter of 43 holds four bits and two that are zero.
fn trailing_bits(thumbprint: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = thumbprint.split_at(thumbprint.len() - 1);
    let next = ALPHABET.find(last).and_then(|index| ALPHABET.get(index + 1..index + 2)).unwrap();
    format!("{rest}{next}")
}

fn groups(count: usize) -> String {
    let names: Vec<String> = (0..count).map(|number| format!("\"g{number}\"")).collect();
    format!("[{}]", names.join(","))
}

fn keys_and_times(topic: &mut Topic<'_>) {
    rows(
        topic,
        rule("V4.18", LOCKED_OUT),
        None,
        &[("cnf-other-members", "the key of cnf has members that are not part of it", |c| {
            let jwk = Key::ed25519("alice call").jwk().replace('}', r#","use":"sig"}"#);
            c.confirm(&jwk);
        })],
    );
    rows(
        topic,
        rule("V4.18", "everybody knows the private key that calls"),
        Some(Code::KeyRefused),
        &[
            ("cnf-private", "the key of cnf has its private half", |c| {
                let jwk = Key::ed25519("alice call").jwk();
                c.confirm(&jwk.replace('}', r#","d":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#));
            }),
            ("cnf-small-order", "the key of cnf is a point of small order", |c| {
                c.confirm(r#"{"alg":"Ed25519","crv":"Ed25519","kty":"OKP","x":"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#);
            }),
            ("cnf-rsa", "the key of cnf is an RSA key", |c| {
                c.confirm(r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#)
            }),
            ("cnf-list", "the key of cnf is a list", |c| c.confirm("[]")),
        ],
    );
    rows(
        topic,
        rule("V4.19", LOCKED_OUT),
        None,
        &[
            ("exp-in-1", "exp is in a second", |c| c.times(NOW - 899, NOW + 1)),
            ("iat-in-5", "iat lies 5 seconds ahead", |c| c.times(NOW + 5, NOW + 900)),
        ],
    );
    rows(
        topic,
        rule("V4.19", "somebody whom the provider does not vouch for any more goes on calling"),
        Some(Code::CertificateExpired),
        &[
            ("exp-now", "exp is now", |c| c.times(NOW - 900, NOW)),
            ("exp-passed", "exp was a second ago", |c| c.times(NOW - 900, NOW - 1)),
        ],
    );
    rows(
        topic,
        rule("V4.19", "a login that was made for later is good now"),
        Some(Code::CertificateInvalid),
        &[("iat-in-6", "iat lies 6 seconds ahead", |c| c.times(NOW + 6, NOW + 900))],
    );
}

fn known(topic: &mut Topic<'_>) {
    let revoke = |draft: &mut Draft, keyid: String, jti: &str| {
        draft.verifier.revoked_certificates.push(RevokedCertificate { keyid, jti: jti.into() });
    };
    topic.one(
        rule("V4.20", LOCKED_OUT),
        None,
        "jti-other",
        "another login of the same verifier is revoked",
        |d| {
            login(d, Ed25519, |_| {});
            revoke(d, issuer(Ed25519).thumbprint(), "c-2");
        },
    );
    topic.one(
        rule("V4.20", LOCKED_OUT),
        None,
        "jti-of-stranger",
        "a certificate of somebody else with this jti is revoked",
        |d| {
            login(d, Ed25519, |_| {});
            revoke(d, Key::ed25519("alice identity").thumbprint(), "c-1");
        },
    );
    topic.one(
        rule("V4.20", "a user is taken for whom their key was registered as"),
        None,
        "call-key-registered",
        "the call key is registered, too, as somebody else's: the certificate says who calls",
        |d| {
            login(d, Ed25519, |_| {});
            let jwk = serde_json::from_str(&d.key.jwk()).unwrap();
            d.verifier.registered.push(Registered { identity: "bob".into(), jwk, expires: NOW + 3600 });
        },
    );
    let stranger = rule("V4.20", "anybody who runs a verifier says who calls");
    topic.refused(
        stranger,
        Code::UnknownKey,
        &[
            ("no-issuer", "the verifier takes nobody's logins", |d| {
                login(d, Ed25519, |_| {});
                d.verifier.issuer = None;
            }),
            ("issuer-other", "another verifier issued it", |d| {
                login(d, Ed25519, |_| {});
                let other = certificate(Key::ed25519("mallory issuer"), &d.key);
                d.scheme = Some(format!("jwt;jwt=\"{}\"", other.to_jws()));
            }),
            ("issuer-identity", "an identity key issued it", |d| {
                login(d, Ed25519, |_| {});
                let alice = Key::ed25519("alice identity");
                d.verifier.trust.push(Trusted::new("alice", alice.thumbprint()));
                d.scheme = Some(format!("jwt;jwt=\"{}\"", certificate(alice, &d.key).to_jws()));
            }),
            ("kid-other", "kid is of another key", |d| {
                login(d, Ed25519, |c| {
                    c.header.set("kid", quoted(&Key::ed25519("mallory issuer").thumbprint()))
                });
            }),
        ],
    );
    rows(
        topic,
        stranger,
        Some(Code::CertificateInvalid),
        &[
            ("iss-other", "iss is another verifier", |c| c.claims.set("iss", "\"https://other.example\"")),
            ("iss-slash", "a slash follows iss", |c| c.claims.set("iss", "\"https://verifier.example/\"")),
            ("iss-upper-case", "iss is in another case", |c| {
                c.claims.set("iss", "\"https://Verifier.example\"")
            }),
        ],
    );
    let revoked = rule("V4.20", "whoever stole a key goes on calling after it was revoked");
    topic.one(revoked, Some(Code::Revoked), "issuer-revoked", "the verifier's key is revoked", |d| {
        login(d, Ed25519, |_| {});
        d.verifier.revoked.push(issuer(Ed25519).thumbprint());
    });
    topic.one(revoked, Some(Code::Revoked), "call-key-revoked", "the call key is revoked", |d| {
        login(d, Ed25519, |_| {});
        d.verifier.revoked.push(d.key.thumbprint());
    });
    topic.one(revoked, Some(Code::Revoked), "jti-revoked", "the certificate is revoked", |d| {
        login(d, Ed25519, |_| {});
        revoke(d, issuer(Ed25519).thumbprint(), "c-1");
    });
    let role = rule("V4.20", "a long-lived key signs requests where it is certified by a verifier");
    topic.refused(
        role,
        Code::KeyRefused,
        &[("call-key-is-identity", "the call key is an identity key", |d| {
            login(d, Ed25519, |_| {});
            d.verifier.trust.push(Trusted::new("alice", d.key.thumbprint()));
        })],
    );
}

fn signatures(topic: &mut Topic<'_>) {
    topic.valid(
        rule("V4.21", LOCKED_OUT),
        &[
            ("p256", "the verifier's key is P-256", |d| login(d, P256, |_| {})),
            ("p256-high-s", "its P-256 signature has the high s", |d| {
                login(d, P256, |c| c.sign = keys::sign_high_s);
            }),
            ("alg-eddsa", "alg is EdDSA, the older name", |d| {
                login(d, Ed25519, |c| c.header.set("alg", "\"EdDSA\""));
            }),
        ],
    );
    topic.refused(
        rule("V4.21", "the message chooses how its certificate is verified"),
        Code::AlgorithmMismatch,
        &[
            ("alg-es256-of-ed25519", "alg is ES256, the key is Ed25519", |d| {
                login(d, Ed25519, |c| c.header.set("alg", "\"ES256\""));
            }),
            ("alg-ed25519-of-p256", "alg is Ed25519, the key is P-256", |d| {
                login(d, P256, |c| c.header.set("alg", "\"Ed25519\""));
            }),
        ],
    );
    rows(
        topic,
        rule("V4.21", "anybody calls in the name of any user of the provider"),
        Some(Code::CertificateInvalid),
        &[
            ("signed-by-stranger", "a stranger has signed it", |c| {
                c.signer = Some(Key::ed25519("mallory issuer"));
            }),
            ("signed-by-jwk", "who signed it is in the header", |c| {
                let mallory = Key::ed25519("mallory issuer");
                c.header.set("jwk", mallory.jwk());
                c.signer = Some(mallory);
            }),
            ("signed-by-call-key", "the call key has signed it", |c| {
                c.signer = Some(Key::ed25519("alice call"))
            }),
            ("zero-signature", "its signature is zero", |c| c.sign = |_, _| vec![0; 64]),
            ("s-plus-order", "its signature has s + L", |c| c.sign = keys::sign_s_plus_order),
            ("small-order-r", "R of its signature is of small order", |c| c.sign = keys::sign_small_order_r),
            ("sub-changed", "sub was changed after it was signed", |c| {
                c.tamper = |jws| {
                    let parts: Vec<&str> = jws.split('.').collect();
                    let claims = Base64UrlUnpadded::decode_vec(parts[1]).unwrap();
                    let claims = String::from_utf8(claims).unwrap().replace("github:alice", "github:admin");
                    format!("{}.{}.{}", parts[0], keys::base64url(claims.as_bytes()), parts[2])
                };
            }),
        ],
    );
}

/// Rules that do not mean it, what a certificate by a verifier narrows, and that its calls are made once, as with the others.
fn later_stages(topic: &mut Topic<'_>) {
    topic.refused(
        rule("V4.15", "the message chooses how its signature is verified"),
        Code::AlgorithmMismatch,
        &[("signature-alg", "alg of the signature is not that of the call key", |d| {
            login(d, Ed25519, |_| {});
            d.set("alg", quoted("ecdsa-p256-sha256"));
        })],
    );
    topic.refused(
        rule("V4.16", "whoever stole a key goes on calling while nobody hears of revocations"),
        Code::RevocationStale,
        &[("stale", "what is known of revocations is too old", |d| {
            login(d, Ed25519, |_| {});
            d.verifier.revocations = Some(Revocations { issued: NOW - 101, limit: 100 });
        })],
    );
    topic.refused(
        rule("V5.1", "whoever has seen a login calls with it"),
        Code::BadSignature,
        &[("bad-signature", "the call key has not signed the request", |d| {
            login(d, Ed25519, |_| {});
            d.key = Key::ed25519("mallory call");
        })],
    );
    rows(
        topic,
        rule("V8.2", LOCKED_OUT),
        None,
        &[("aud", "it is for this authority", |c| c.claims.set("aud", "\"pack.example\""))],
    );
    rows(
        topic,
        rule("V8.3", LOCKED_OUT),
        None,
        &[("scope", "it has the scope", |c| c.claims.set("scope", "\"enroll call\""))],
    );
    rows(
        topic,
        rule("V8.2", "a login for one pack opens another"),
        Some(Code::AudienceMismatch),
        &[("aud-other", "it is for another authority", |c| c.claims.set("aud", "[\"other.example\"]"))],
    );
    rows(
        topic,
        rule("V8.3", "a login for one use is good for another"),
        Some(Code::ScopeMissing),
        &[("scope-other", "it lacks the scope", |c| c.claims.set("scope", "\"enroll\""))],
    );
    topic.refused(
        rule("V8.4", "whoever the provider knows calls what is for those who have a key"),
        Code::NotAllowed,
        &[("no-policy", "whoever has a key here may call, and nobody else", |d| {
            login(d, Ed25519, |_| {});
            d.verifier.policy = None;
        })],
    );
    Sequence::new("login", "copy")
        .step(1, VALID, |d| login(d, Ed25519, |_| {}))
        .step(1, Some((Code::Replayed, 7)), |d| login(d, Ed25519, |_| {}))
        .end(topic, rule("V7.1", "whoever sees a call makes it again"), "the same bytes again");
}
