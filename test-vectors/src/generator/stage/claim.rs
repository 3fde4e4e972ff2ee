//! Stage 4, V4.1 and V4.4 to V4.6: what the certificate claims.

use envelope_core::Algorithm::P256;
use envelope_core::Code;
use envelope_test_vectors::Vector;

use super::super::draft::{NOW, quoted};
use super::super::keys::Key;
use super::super::{Topic, rule};
use super::certificate::{claim, header, levels};

pub(super) fn fill(all: &mut Vec<Vector>) {
    let mut topic = Topic::new("certificate", all);
    claims(&mut topic);
    narrowing_claims(&mut topic);
    accepted(&mut topic);
    contradictions(&mut topic);
    times(&mut topic);
}

fn claims(topic: &mut Topic<'_>) {
    let endless = rule("V4.1", "a certificate without times is good for ever");
    topic.refused(
        endless,
        Code::CertificateInvalid,
        &[
            ("iat-missing", "iat is missing", |d| d.certificate().claims.remove("iat")),
            ("iat-string", "iat is a string", |d| claim(d, "iat", &quoted(&NOW.to_string()))),
            ("iat-fraction", "iat has a fraction", |d| claim(d, "iat", &format!("{NOW}.0"))),
            ("iat-exponent", "iat has an exponent", |d| claim(d, "iat", "17672256e2")),
            ("iat-negative", "iat is negative", |d| claim(d, "iat", "-1")),
            ("iat-null", "iat is null", |d| claim(d, "iat", "null")),
            ("exp-missing", "exp is missing", |d| d.certificate().claims.remove("exp")),
            ("exp-string", "exp is a string", |d| claim(d, "exp", &quoted(&(NOW + 900).to_string()))),
            ("exp-fraction", "exp has a fraction", |d| claim(d, "exp", &format!("{}.5", NOW + 900))),
            ("exp-huge", "exp is beyond 64 bits", |d| claim(d, "exp", "99999999999999999999")),
            ("exp-is-iat", "exp is iat", |d| d.certificate().times(NOW + 5, NOW + 5)),
            ("exp-before-iat", "exp lies before iat", |d| d.certificate().times(NOW + 5, NOW + 1)),
            ("lifetime-86401", "good for a day and a second", |d| d.certificate().times(NOW, NOW + 86_401)),
        ],
    );
    let shape = rule("V4.1", "a claim of another type is taken for one that is not there");
    topic.refused(
        shape,
        Code::CertificateInvalid,
        &[
            ("iss-missing", "iss is missing", |d| d.certificate().claims.remove("iss")),
            ("iss-number", "iss is a number", |d| claim(d, "iss", "1")),
            ("jti-number", "jti is a number", |d| claim(d, "jti", "1")),
            ("jti-null", "jti is null", |d| claim(d, "jti", "null")),
            ("jti-257", "jti has 257 bytes", |d| claim(d, "jti", &quoted(&"j".repeat(257)))),
            ("jti-257-non-ascii", "jti has 257 bytes in 129 characters", |d| {
                claim(d, "jti", &quoted(&("\u{e9}".repeat(128) + "j")));
            }),
        ],
    );
}

fn narrowing_claims(topic: &mut Topic<'_>) {
    let narrow = rule("V4.1", "a certificate that was narrowed is good for everything");
    topic.refused(
        narrow,
        Code::CertificateInvalid,
        &[
            ("aud-number", "aud is a number", |d| claim(d, "aud", "1")),
            ("aud-null", "aud is null", |d| claim(d, "aud", "null")),
            ("aud-object", "aud is an object", |d| claim(d, "aud", "{\"pack.example\":true}")),
            ("aud-list-of-numbers", "aud is a list with a number", |d| {
                claim(d, "aud", "[\"pack.example\",1]")
            }),
            ("scope-list", "scope is a list", |d| claim(d, "scope", "[\"call\"]")),
            ("scope-null", "scope is null", |d| claim(d, "scope", "null")),
            ("scope-empty", "scope is empty", |d| claim(d, "scope", "\"\"")),
            ("scope-two-spaces", "two spaces divide two scopes", |d| claim(d, "scope", "\"call  deploy\"")),
            ("scope-trailing-space", "scope ends with a space", |d| claim(d, "scope", "\"call \"")),
            ("scope-tab", "a tab divides two scopes", |d| claim(d, "scope", "\"call\\tdeploy\"")),
            ("scope-quotation-mark", "a scope holds a quotation mark", |d| {
                claim(d, "scope", "\"call \\\"\"")
            }),
            ("scope-backslash", "a scope holds a backslash", |d| claim(d, "scope", "\"call \\\\\"")),
            ("scope-non-ascii", "a scope holds a letter that is not ASCII", |d| {
                claim(d, "scope", "\"call \u{e9}\"")
            }),
        ],
    );
}

fn accepted(topic: &mut Topic<'_>) {
    topic.valid(
        rule("V4.1", "an honest caller is locked out"),
        &[
            ("alg-eddsa", "alg is EdDSA, the older name", |d| header(d, "alg", "\"EdDSA\"")),
            ("no-jti", "there is no jti", |d| d.certificate().claims.remove("jti")),
            ("jti-256", "jti has 256 bytes", |d| claim(d, "jti", &quoted(&"j".repeat(256)))),
            ("jti-256-non-ascii", "jti has 256 bytes in 128 characters", |d| {
                claim(d, "jti", &quoted(&"\u{e9}".repeat(128)));
            }),
            ("claims-32-levels", "the claims have 32 levels", |d| claim(d, "note", &levels(31))),
            ("lifetime-86400", "good for a day", |d| d.certificate().times(NOW, NOW + 86_400)),
            ("other-members", "members that the profile does not know", |d| {
                header(d, "kid", "\"1\"");
                claim(d, "sub", "\"alice\"");
                claim(d, "nbf", "0");
                claim(d, "note", r#"{"a":[null,true,-1.5e3,"\u00e9",{}]}"#);
            }),
            ("claims-256", "an object of the claims has 256 members", |d| {
                let members: Vec<String> = (0..256).map(|number| format!("\"{number}\":0")).collect();
                claim(d, "note", &format!("{{{}}}", members.join(",")));
            }),
            ("claim-crit", "there is a crit among the claims, where it means nothing", |d| {
                claim(d, "crit", "[\"exp\"]")
            }),
            ("cnf-other-members", "cnf has a member that the profile does not know", |d| {
                let cnf = format!(r#"{{"kid":"1","jwk":{}}}"#, d.key.jwk());
                claim(d, "cnf", &cnf);
            }),
            ("white-space", "white space stands between the members", |d| {
                d.certificate().respell_claims = |json| json.replace(",\"", " ,\r\n\t\"").into_bytes();
            }),
            ("member-order", "the members come in another order", |d| {
                let issuer = d.certificate().claims.take("iss");
                claim(d, "iss", &issuer);
            }),
        ],
    );
    topic.valid(
        rule("V4.2", "an honest caller is locked out"),
        &[("jwk-other-members", "the keys have members that are not part of them", |d| {
            let more = r#","use":"sig","key_ops":["verify"],"kid":"1","alg":"RS256"}"#;
            let respell = |jwk: &str| jwk.replace(r#""alg":"Ed25519","#, "").replace('}', more);
            let (jwk, confirmed) = (respell(&d.certificate().issuer.jwk()), respell(&d.key.jwk()));
            header(d, "jwk", &jwk);
            d.certificate().confirm(&confirmed);
        })],
    );
    topic.valid(
        rule("V4.4", "an honest caller is locked out, whose library escapes more in JSON than it must"),
        &[("iss-escaped", "iss is spelled with escapes", |d| {
            let issuer = d.certificate().issuer.thumbprint();
            claim(d, "iss", &quoted(&format!("\\u0075rn:jkt:sha\\u002d256:{issuer}")));
        })],
    );
}

fn contradictions(topic: &mut Topic<'_>) {
    let issuer = rule("V4.4", "the issuer that is logged is not the one that signed");
    topic.refused(
        issuer,
        Code::CertificateInvalid,
        &[
            ("iss-other", "iss names another key", |d| {
                let iss = format!("\"urn:jkt:sha-256:{}\"", Key::ed25519("bob identity").thumbprint());
                claim(d, "iss", &iss);
            }),
            ("iss-bare", "iss is the thumbprint alone", |d| {
                let iss = quoted(&d.certificate().issuer.thumbprint());
                claim(d, "iss", &iss);
            }),
            ("iss-hash", "iss names another hash", |d| {
                let iss = format!("\"urn:jkt:sha-512:{}\"", d.certificate().issuer.thumbprint());
                claim(d, "iss", &iss);
            }),
            ("iss-upper-case", "iss is in upper case", |d| {
                let iss = format!("\"URN:JKT:sha-256:{}\"", d.certificate().issuer.thumbprint());
                claim(d, "iss", &iss);
            }),
            ("iss-longer", "iss goes on behind the thumbprint", |d| {
                let iss = format!("\"urn:jkt:sha-256:{}#1\"", d.certificate().issuer.thumbprint());
                claim(d, "iss", &iss);
            }),
            ("iss-of-call-key", "iss names the call key", |d| {
                let iss = format!("\"urn:jkt:sha-256:{}\"", d.key.thumbprint());
                claim(d, "iss", &iss);
            }),
        ],
    );
    let roles = rule("V4.4", "the key that should lie in a safe signs requests");
    topic.refused(
        roles,
        Code::CertificateInvalid,
        &[
            ("own-key", "an identity key certifies itself and signs the request", |d| {
                d.call_key(d.certificate.as_ref().unwrap().issuer.clone());
            }),
            ("own-key-p256", "a P-256 identity key certifies itself and signs the request", |d| {
                d.algorithms(P256, P256);
                d.call_key(d.certificate.as_ref().unwrap().issuer.clone());
            }),
        ],
    );
    let keyid = rule("V4.4", "the key that is remembered and revoked is not the one that signed");
    topic.refused(
        keyid,
        Code::CertificateInvalid,
        &[
            ("keyid-other", "keyid names another key", |d| {
                d.set("keyid", quoted(&Key::ed25519("bob call").thumbprint()))
            }),
            ("keyid-of-identity", "keyid names the identity key", |d| {
                let keyid = quoted(&d.certificate().issuer.thumbprint());
                d.set("keyid", keyid);
            }),
            ("keyid-padding", "keyid is padded", |d| {
                d.set("keyid", quoted(&format!("{}=", d.key.thumbprint())))
            }),
            ("keyid-urn", "keyid is a URN", |d| {
                d.set("keyid", quoted(&format!("urn:jkt:sha-256:{}", d.key.thumbprint())));
            }),
            ("keyid-trailing-bits", "the last character of keyid has bits that are dropped", |d| {
                let keyid = d.key.thumbprint();
                let last = char::from(u8::try_from(u32::from(keyid.chars().last().unwrap())).unwrap() + 1);
                d.set("keyid", quoted(&format!("{}{last}", &keyid[..42])));
            }),
            ("keyid-empty", "keyid is empty", |d| d.set("keyid", "\"\"")),
            ("keyid-256", "keyid has 256 characters", |d| d.set("keyid", quoted(&"k".repeat(256)))),
        ],
    );
}

fn times(topic: &mut Topic<'_>) {
    let early =
        rule("V4.5", "a certificate is made today for tomorrow, when its maker may not make any more");
    topic.refused(
        early,
        Code::CertificateInvalid,
        &[("iat-in-6", "iat lies 6 seconds ahead", |d| d.certificate().times(NOW + 6, NOW + 900))],
    );
    topic.valid(
        early.honest(),
        &[("iat-in-5", "iat lies 5 seconds ahead", |d| d.certificate().times(NOW + 5, NOW + 900))],
    );
    let late = rule("V4.6", "a call key that was stolen is good for longer than its certificate says");
    topic.refused(
        late,
        Code::CertificateExpired,
        &[
            ("exp-now", "exp is now", |d| d.certificate().times(NOW - 900, NOW)),
            ("exp-passed", "exp passed a second ago", |d| d.certificate().times(NOW - 900, NOW - 1)),
            ("exp-within-signature", "exp passed after the request was signed", |d| {
                d.certificate().times(NOW - 800, NOW + 10);
                d.now = NOW + 10;
            }),
        ],
    );
    topic.valid(
        late.honest(),
        &[("exp-in-1", "exp is in a second", |d| d.certificate().times(NOW - 899, NOW + 1))],
    );
}
