//! A private key as JWK: RFC 7517 and 7518 for P-256, RFC 8037 for Ed25519.

use base64ct::{Base64UrlUnpadded, Encoding};
use envelope_core::{Algorithm, SigningKey};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::pem::{PemError, accepted};

/// The members of the key. They borrow from the text, so that no copy of the secret is made.
#[derive(Deserialize)]
struct Members<'a> {
    kty: &'a str,
    crv: &'a str,
    x: &'a str,
    #[serde(borrow)]
    y: Option<&'a str>,
    d: &'a str,
}

/// Reads a key whose public half fits its private one.
pub(crate) fn read(text: &[u8]) -> Result<SigningKey, PemError> {
    let jwk: Members<'_> = serde_json::from_slice(text).map_err(|_| PemError::NoPrivateJwk)?;
    let algorithm = match (jwk.kty, jwk.crv) {
        ("OKP", "Ed25519") => Algorithm::Ed25519,
        ("EC", "P-256") => Algorithm::P256,
        _ => return Err(PemError::NoPrivateJwk),
    };
    let key = accepted(algorithm, &*decode(jwk.d)?)?;
    let (x, y) = key.verifying_key().coordinates();
    let fits = *decode(jwk.x)? == x && jwk.y.map(decode).transpose()?.as_deref() == y.as_ref();
    if fits { Ok(key) } else { Err(PemError::OtherPublicHalf) }
}

/// Writes a key, its public half with it.
pub(crate) fn write(key: &SigningKey) -> Zeroizing<String> {
    let public = key.verifying_key().to_jwk();
    let members = public.strip_suffix('}').unwrap_or(&public);
    let mut d = Zeroizing::new([0; 43]);
    let d = Base64UrlUnpadded::encode(key.to_bytes().as_slice(), d.as_mut_slice()).unwrap_or_default();
    // As long as it becomes, so that it never moves.
    let mut text = Zeroizing::new(String::with_capacity(members.len() + d.len() + 16));
    for part in [members, ",\"d\":\"", d, "\"}"] {
        text.push_str(part);
    }
    text
}

fn decode(text: &str) -> Result<Zeroizing<[u8; 32]>, PemError> {
    let mut bytes = Zeroizing::new([0; 32]);
    let length = Base64UrlUnpadded::decode(text, bytes.as_mut_slice()).map(<[u8]>::len);
    if length == Ok(32) { Ok(bytes) } else { Err(PemError::NoPrivateJwk) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    #[test]
    fn both_algorithms_come_back() {
        for algorithm in [Algorithm::Ed25519, Algorithm::P256] {
            let key = random::key(algorithm).unwrap();
            let jwk = write(&key);
            assert_eq!(read(jwk.as_bytes()).unwrap().to_bytes(), key.to_bytes());
            let value: serde_json::Value = serde_json::from_str(&jwk).unwrap();
            let d = Base64UrlUnpadded::encode_string(key.to_bytes().as_slice());
            assert_eq!(value["d"], d.as_str());
        }
    }

    #[test]
    fn the_public_half_has_to_fit() {
        for algorithm in [Algorithm::Ed25519, Algorithm::P256] {
            let [key, other] = [(), ()].map(|()| random::key(algorithm).unwrap());
            let jwk = write(&key);
            let x = |key: &SigningKey| Base64UrlUnpadded::encode_string(&key.verifying_key().coordinates().0);
            let mixed = jwk.replace(&x(&key), &x(&other));
            assert_eq!(read(mixed.as_bytes()).unwrap_err(), PemError::OtherPublicHalf);
        }
        let p256 = write(&random::key(Algorithm::P256).unwrap());
        let without_y = p256.replace("\"y\":", "\"z\":");
        assert_eq!(read(without_y.as_bytes()).unwrap_err(), PemError::OtherPublicHalf);
    }

    #[test]
    fn what_is_no_private_key_is_refused() {
        let key = random::key(Algorithm::Ed25519).unwrap();
        let jwk = write(&key);
        for text in [
            key.verifying_key().to_jwk(),
            jwk.replace("\"d\":\"", "\"d\":\"A"),
            jwk.replace("Ed25519", "X25519"),
            jwk.replace("\"d\":", "\"d\":\"AA\",\"d\":"),
            jwk[..20].into(),
        ] {
            assert_eq!(read(text.as_bytes()).unwrap_err(), PemError::NoPrivateJwk, "{text}");
        }
    }
}
